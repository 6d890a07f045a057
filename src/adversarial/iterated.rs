//! Attacks of many small steps, each projected back to the ball of allowed perturbations.

use super::{Error, Goal, Victim, check, sign};
use crate::Tensor;
use crate::random::Random;

/// How an iterated attack moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// ε, the radius of the ball around each image: of the largest change of a pixel, or of the Euclidean norm of all.
    pub epsilon: f32,
    /// α, the length of a step.
    pub alpha: f32,
    /// How many steps.
    pub count: usize,
}

impl Victim {
    /// The basic iterative method: from x on, `count` times `clip_ε(x′ + α · sign ∇ J(x′, y))`, where `clip_ε` keeps every
    /// pixel within ε of the original.
    ///
    /// Kurakin, Goodfellow and Bengio, "Adversarial Examples in the Physical World", 2016, arXiv:1607.02533, section 2.2;
    /// towards classes: section 2.3.
    ///
    /// # Errors
    /// As for [`fgsm`](Self::fgsm).
    pub fn bim(&mut self, images: &Tensor, goal: Goal<'_>, steps: Steps) -> Result<Tensor, Error> {
        self.pgd(images, goal, steps, None)
    }

    /// Projected gradient descent by the largest change: [`bim`](Self::bim) from a start that is uniform in the ball, drawn
    /// from `seed`; from the image itself where there is none.
    ///
    /// Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR
    /// 2018, arXiv:1706.06083, section 2.1.
    ///
    /// # Errors
    /// As for [`fgsm`](Self::fgsm).
    pub fn pgd(&mut self, images: &Tensor, goal: Goal<'_>, steps: Steps, seed: Option<u64>) -> Result<Tensor, Error> {
        let Steps { epsilon, alpha, count } = steps;
        check("epsilon", epsilon)?;
        check("alpha", alpha)?;
        let mut moved = images.clone();
        if let Some(mut random) = seed.map(Random::new) {
            for x in moved.data_mut() {
                *x = self.clip(*x + epsilon * (2.0 * random.uniform() - 1.0));
            }
        }
        for _ in 0..count {
            let (_, gradient) = self.gradient(&moved, goal.classes())?;
            for ((x, g), &origin) in moved.data_mut().iter_mut().zip(gradient.data()).zip(images.data()) {
                let change = *x + alpha * goal.sign() * sign(*g) - origin;
                *x = self.clip(origin + change.max(-epsilon).min(epsilon));
            }
        }
        Ok(moved)
    }

    /// Projected gradient descent by the Euclidean norm of each image's perturbation: `count` steps of length α along the
    /// normalised gradient, each projected to the ball of radius ε. The start has a direction that is uniform and a
    /// distance that is uniform below ε, drawn from `seed`; it is the image itself where there is none.
    ///
    /// Madry et al. 2018, as [`pgd`](Self::pgd).
    ///
    /// # Errors
    /// As for [`fgsm`](Self::fgsm).
    pub fn pgd_l2(
        &mut self,
        images: &Tensor,
        goal: Goal<'_>,
        steps: Steps,
        seed: Option<u64>,
    ) -> Result<Tensor, Error> {
        let Steps { epsilon, alpha, count } = steps;
        check("epsilon", epsilon)?;
        check("alpha", alpha)?;
        let size = images.data().len() / images.shape().first().copied().unwrap_or(1).max(1);
        let mut moved = images.clone();
        if let Some(mut random) = seed.map(Random::new) {
            for image in moved.data_mut().chunks_mut(size) {
                let direction: Vec<f32> = image.iter().map(|_| random.normal()).collect();
                let length = epsilon * random.uniform() / norm(direction.iter().copied()).max(TINY);
                image.iter_mut().zip(&direction).for_each(|(x, d)| *x = self.clip(*x + length * d));
            }
        }
        for _ in 0..count {
            let (_, gradient) = self.gradient(&moved, goal.classes())?;
            let origins = images.data().chunks(size);
            for ((image, gradient), origin) in
                moved.data_mut().chunks_mut(size).zip(gradient.data().chunks(size)).zip(origins)
            {
                let length = alpha * goal.sign() / (norm(gradient.iter().copied()) + TINY);
                image.iter_mut().zip(gradient).for_each(|(x, g)| *x += length * g);
                let distance = norm(image.iter().zip(origin).map(|(x, origin)| x - origin));
                let share = (epsilon / distance.max(TINY)).min(1.0);
                for (x, &origin) in image.iter_mut().zip(origin) {
                    *x = self.clip(origin + (*x - origin) * share);
                }
            }
        }
        Ok(moved)
    }
}

/// Below what a norm counts as: no division by zero.
const TINY: f32 = 1e-10;

/// The Euclidean norm, summed in float64.
pub(super) fn norm(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt() as f32
}

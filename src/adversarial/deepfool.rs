//! DeepFool: the smallest step over the nearest of the boundaries between classes, as if they were planes.

use convoke_compiler::Graph;

use super::iterated::norm;
use super::{Error, check, ends};
use crate::{Model, Parameters, Tensor, jit};

/// DeepFool on one image at a time:
///
/// ```text
/// fₖ = zₖ − z_y,  wₖ = ∇ₓ zₖ − ∇ₓ z_y,  l = argmin |fₖ| / ‖wₖ‖ over k ≠ y
/// x ← clip(x + (1 + overshoot) · |f_l| / ‖w_l‖² · w_l), until the class is another
/// ```
///
/// Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a Simple and Accurate Method to Fool Deep Neural Networks", CVPR
/// 2016, arXiv:1511.04599, algorithm 2.
#[derive(Debug)]
pub struct DeepFool {
    /// Inputs: the image, a cotangent of the logits. Outputs: the logits, the gradient by the image.
    model: Model,
    classes: usize,
    /// The most steps; 50 unless changed.
    pub count: usize,
    /// How much further than to the boundary a step goes; 0.02 unless changed.
    pub overshoot: f32,
    /// The least and the largest value of a pixel; 0 and 1 unless changed.
    pub bounds: (f32, f32),
}

impl DeepFool {
    /// Against the network of `graph`, which has one input of one image, 1 C H W, and one output of logits, 1 × classes.
    ///
    /// # Errors
    /// [`Error`]: it is no such network, has no gradient, or the parameters are not its own.
    pub fn new(graph: &Graph, parameters: &Parameters) -> Result<Self, Error> {
        let (image, logits) = ends(graph)?;
        let &[images, classes] = &graph.type_of(logits).shape[..] else { unreachable!("logits are N × classes") };
        if images != 1 || classes < 2 {
            let found = format!("{images} images, {classes} classes; DeepFool takes one image of two classes or more");
            return Err(Error::Network { network: graph.name().to_owned(), found });
        }
        let model = Model::new(jit::compile(&graph.gradient(&[logits], &[image])?)?, parameters)?;
        Ok(Self { model, classes, count: 50, overshoot: 0.02, bounds: (0.0, 1.0) })
    }

    /// Moves `image` until it is no longer of class `label`; as it is where it was not.
    ///
    /// # Errors
    /// [`Error`]: the image has another shape, there is no such class.
    pub fn attack(&mut self, image: &Tensor, label: usize) -> Result<Tensor, Error> {
        check("overshoot", self.overshoot)?;
        if label >= self.classes {
            return Err(Error::Classes { images: 1, count: self.classes, found: vec![label] });
        }
        let mut moved = image.clone();
        for _ in 0..self.count {
            let own = self.gradient(&moved, label)?;
            let logits = self.model.outputs()[0].clone();
            if logits.argmax() != Some(label) {
                break;
            }
            let mut nearest: Option<(f32, f32, Vec<f32>)> = None;
            for class in (0..self.classes).filter(|&class| class != label) {
                let other = self.gradient(&moved, class)?;
                let normal: Vec<f32> = other.data().iter().zip(own.data()).map(|(a, b)| a - b).collect();
                let (height, slope) =
                    ((logits.data()[class] - logits.data()[label]).abs(), norm(normal.iter().copied()));
                let distance = height / slope;
                if slope > 0.0 && nearest.as_ref().is_none_or(|(least, ..)| distance < *least) {
                    nearest = Some((distance, slope, normal));
                }
            }
            // Where the network does not depend on the image, there is no way.
            let Some((distance, slope, normal)) = nearest else { break };
            for (x, w) in moved.data_mut().iter_mut().zip(&normal) {
                let step = (1.0 + self.overshoot) * distance / slope * w;
                *x = (*x + step).max(self.bounds.0).min(self.bounds.1);
            }
        }
        Ok(moved)
    }

    /// The gradient of a class's logit.
    fn gradient(&mut self, image: &Tensor, class: usize) -> Result<Tensor, Error> {
        let mut cotangent = Tensor::zeros(&[1, self.classes]);
        cotangent.data_mut()[class] = 1.0;
        Ok(self.model.run(&[image, &cotangent])?[1].clone())
    }
}

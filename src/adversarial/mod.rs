//! Adversarial attacks: images that a network takes for something else, though they differ from the original by little.
//!
//! ```
//! use convoke::adversarial::{Goal, Victim};
//! use convoke::{Parameters, Tensor, zoo};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/lenet5.safetensors");
//! let mut victim = Victim::new(&zoo::find("lenet5")?.graph()?, &Parameters::load(path)?)?;
//! let image = Tensor::zeros(&[1, 1, 32, 32]);
//! let adversarial = victim.fgsm(&image, Goal::Away(&[3]), 0.1)?;
//! assert!(adversarial.data().iter().all(|pixel| (0.0..=0.1).contains(pixel)));
//! # Ok(())
//! # }
//! ```
//!
//! The loss J is the cross-entropy of the softmax of the network's output, summed over images. Every attack keeps pixels
//! within [`Victim::bounds`]; what it draws at random follows from a seed that is given.

mod deepfool;
mod iterated;

pub use deepfool::DeepFool;
pub use iterated::Steps;

pub use crate::random::Random;

use convoke_compiler::Graph;
use convoke_compiler::graph::{GradientError, GraphError, Value};
use convoke_compiler::training::Loss;

use crate::{LoadError, Model, Parameters, RunError, Tensor, jit};

/// What an attack is after: a class for each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal<'a> {
    /// Any class but these, which are the right ones: the loss grows.
    Away(&'a [usize]),
    /// These: the loss by them falls.
    Towards(&'a [usize]),
}

impl Goal<'_> {
    fn classes(&self) -> &[usize] {
        match self {
            Self::Away(classes) | Self::Towards(classes) => classes,
        }
    }

    /// The sign of the direction in which the loss is followed.
    fn sign(&self) -> f32 {
        match self {
            Self::Away(_) => 1.0,
            Self::Towards(_) => -1.0,
        }
    }
}

/// Why an attack cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network has not one input of images and one output N × classes.
    #[error("adversarial: `{network}` expects one input N C H W and one output N classes, has {found}")]
    Network {
        /// Its name.
        network: String,
        /// Its inputs and outputs.
        found: String,
    },
    /// Another number of classes than images, or one that the network does not have.
    #[error("adversarial: expected {images} classes below {count}, found {found:?}")]
    Classes {
        /// Images of a run.
        images: usize,
        /// Classes of the network.
        count: usize,
        /// The classes given.
        found: Vec<usize>,
    },
    /// A number that should be finite and not negative.
    #[error("adversarial: `{name}` expects a finite number of at least 0, found {found}")]
    Number {
        /// Which.
        name: &'static str,
        /// The number.
        found: f32,
    },
    /// The network has no gradient.
    #[error(transparent)]
    Gradient(#[from] GradientError),
    /// The loss does not fit the network: a fault of the compiler.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The gradient does not compile.
    #[error(transparent)]
    Compile(#[from] jit::Error),
    /// The parameters are not those of the network.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The images are not those of the network.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A network under attack: what it says of images, and how its loss changes with them.
#[derive(Debug)]
pub struct Victim {
    /// Inputs: images, targets. Outputs: the loss, its gradient by the images, the logits.
    model: Model,
    images: Vec<usize>,
    classes: usize,
    /// The least and the largest value of a pixel; 0 and 1 unless changed.
    pub bounds: (f32, f32),
}

/// Input and output of a classifier, images N C H W and logits N × classes.
fn ends(graph: &Graph) -> Result<(Value, Value), Error> {
    let [inputs, outputs] = [
        graph.inputs().iter().map(|&id| id.into()).collect(),
        graph.outputs().iter().map(|(_, value)| *value).collect::<Vec<Value>>(),
    ];
    let shapes =
        |values: &[Value]| values.iter().map(|&value| graph.type_of(value).to_string()).collect::<Vec<_>>().join(", ");
    if let (&[image], &[logits]) = (&inputs[..], &outputs[..]) {
        let [x, y] = [image, logits].map(|value| &graph.type_of(value).shape);
        if x.len() == 4 && y.len() == 2 && x[0] == y[0] {
            return Ok((image, logits));
        }
    }
    let found = format!("{} and {}", shapes(&inputs), shapes(&outputs));
    Err(Error::Network { network: graph.name().to_owned(), found })
}

impl Victim {
    /// The network of `graph`, which has one input of images N C H W and one output of logits N × classes, with these
    /// parameters.
    ///
    /// # Errors
    /// [`Error`]: it is no such network, has no gradient, or the parameters are not its own.
    pub fn new(graph: &Graph, parameters: &Parameters) -> Result<Self, Error> {
        let (image, logits) = ends(graph)?;
        let mut with_loss = graph.clone();
        let loss = Loss::CrossEntropy { smoothing: 0.0 }.sum(&mut with_loss, logits)?;
        let mut gradient = with_loss.gradient(&[loss], &[image])?;
        gradient.edit().output("logits", logits);
        let model = Model::new(jit::compile(&gradient)?, parameters)?;
        let classes = graph.type_of(logits).shape[1];
        Ok(Self { model, images: graph.type_of(image).shape.clone(), classes, bounds: (0.0, 1.0) })
    }

    /// The network's output for these images.
    ///
    /// # Errors
    /// [`Error::Run`]: they have another shape.
    pub fn logits(&mut self, images: &Tensor) -> Result<Tensor, Error> {
        let targets = Tensor::zeros(&[self.images[0], self.classes]);
        Ok(self.model.run(&[images, &targets])?[2].clone())
    }

    /// The loss by these classes, and its gradient by the images, of their shape.
    ///
    /// # Errors
    /// [`Error`]: the images have another shape, or the classes are not one for each of them.
    pub fn gradient(&mut self, images: &Tensor, classes: &[usize]) -> Result<(f32, Tensor), Error> {
        if classes.len() != self.images[0] || classes.iter().any(|&class| class >= self.classes) {
            let (images, count) = (self.images[0], self.classes);
            return Err(Error::Classes { images, count, found: classes.to_vec() });
        }
        let mut targets = Tensor::zeros(&[classes.len(), self.classes]);
        for (row, &class) in targets.data_mut().chunks_mut(self.classes).zip(classes) {
            row[class] = 1.0;
        }
        let outputs = self.model.run(&[images, &targets])?;
        Ok((outputs[0].data()[0], outputs[1].clone()))
    }

    /// The fast gradient sign method: `x + ε · sign ∇ₓ J(x, y)`, or `x − ε · sign ∇ₓ J(x, t)` towards classes t.
    ///
    /// Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015, arXiv:1412.6572,
    /// section 4; targeted: Kurakin, Goodfellow and Bengio, arXiv:1607.02533, section 2.3, in one step.
    ///
    /// # Errors
    /// [`Error`]: images or classes are not those of the network, `epsilon` is negative or not finite.
    pub fn fgsm(&mut self, images: &Tensor, goal: Goal<'_>, epsilon: f32) -> Result<Tensor, Error> {
        check("epsilon", epsilon)?;
        let (_, gradient) = self.gradient(images, goal.classes())?;
        let mut moved = images.clone();
        for (x, g) in moved.data_mut().iter_mut().zip(gradient.data()) {
            *x = self.clip(*x + epsilon * goal.sign() * sign(*g));
        }
        Ok(moved)
    }

    fn clip(&self, x: f32) -> f32 {
        x.max(self.bounds.0).min(self.bounds.1)
    }
}

/// −1, 0 or 1.
fn sign(x: f32) -> f32 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

fn check(name: &'static str, found: f32) -> Result<(), Error> {
    if found.is_finite() && found >= 0.0 { Ok(()) } else { Err(Error::Number { name, found }) }
}

//! Trained networks, and what is asked of them.

use std::error::Error;
use std::path::Path;

use convoke::compiler::factorize::Calibration;
use convoke::runtime::RunError;
use convoke::{Graph, Model, Parameters, Tensor, zoo};

use crate::digits::Digits;
use crate::photo;

/// Training images that LeNet-5 is calibrated with.
const CALIBRATION: usize = 200;

/// A trained network with the images that it is judged by.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) graph: Graph,
    pub(crate) parameters: Parameters,
    /// Images that bounds are on outputs for; without them, they are on weights.
    pub(crate) calibration: Option<Calibration>,
    pub(crate) images: Vec<Tensor>,
    truth: Truth,
}

/// What a network should say of the images.
enum Truth {
    /// Their classes.
    Labels(Vec<usize>),
    /// What the network says before it is factorised.
    Logits(Vec<Tensor>),
}

impl Subject {
    /// LeNet-5 and the digits for testing, calibrated with those for training in the folder `train`.
    pub(crate) fn digits(folder: &Path, train: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let digits = Digits::load(folder, "t10k")?;
        let graph = graph("lenet5")?;
        let parameters = Parameters::load(folder.join("lenet5.safetensors"))?;
        let calibration = train.map(|train| -> Result<_, Box<dyn Error>> {
            let train = Digits::load(train, "train")?;
            let step = (train.len() / CALIBRATION).max(1);
            let images: Vec<_> = (0..train.len()).step_by(step).map(|index| vec![train.tensor(index)]).collect();
            Ok(Calibration::new(&graph, &parameters, &images)?)
        });
        Ok(Self {
            name: "LeNet-5",
            calibration: calibration.transpose()?,
            images: (0..digits.len()).map(|index| digits.tensor(index)).collect(),
            truth: Truth::Labels((0..digits.len()).map(|index| digits.label(index)).collect()),
            graph,
            parameters,
        })
    }

    /// EfficientNet-Lite0 and the photos of a folder, calibrated with their mirror images.
    pub(crate) fn photos(folder: &Path, weights: &Path) -> Result<Self, Box<dyn Error>> {
        let files = photo::files(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let images = files.iter().map(|path| photo::read(path)).collect::<Result<Vec<_>, _>>()?;
        if images.is_empty() {
            return Err(format!("{}: there are no jpg or png files in this folder", folder.display()).into());
        }
        let graph = graph("efficientnet_lite0")?;
        let parameters = Parameters::load(weights)?;
        let mirrored: Vec<_> = images.iter().map(|image| vec![mirrored(image)]).collect();
        let calibration = Some(Calibration::new(&graph, &parameters, &mirrored)?);
        let mut original = Model::new(convoke::jit::compile(&graph)?, &parameters)?;
        let logits = images.iter().map(|image| Ok(original.run(&[image])?[0].clone()));
        let truth = Truth::Logits(logits.collect::<Result<_, RunError>>()?);
        Ok(Self { name: "EfficientNet-Lite0", graph, parameters, calibration, images, truth })
    }

    /// How well a network that takes the original's place does.
    pub(crate) fn judge(&self, model: &mut Model) -> Result<String, RunError> {
        match &self.truth {
            Truth::Labels(labels) => {
                let mut correct = 0;
                for (image, label) in self.images.iter().zip(labels) {
                    correct += usize::from(model.run(&[image])?[0].argmax() == Some(*label));
                }
                Ok(format!("{correct} of {} correct", labels.len()))
            }
            Truth::Logits(expected) => {
                let (mut same, mut error, mut all) = (0, 0.0, 0.0);
                for (image, expected) in self.images.iter().zip(expected) {
                    let found = &model.run(&[image])?[0];
                    same += usize::from(found.argmax() == expected.argmax());
                    for (a, b) in expected.data().iter().zip(found.data()) {
                        error += f64::from(a - b).powi(2);
                        all += f64::from(*a).powi(2);
                    }
                }
                let percent = 100.0 * (error / all).sqrt();
                Ok(format!("top 1 as before on {same} of {} photos, logits {percent:.1} % off", expected.len()))
            }
        }
    }
}

fn graph(name: &str) -> Result<Graph, Box<dyn Error>> {
    Ok(zoo::find(name)?.graph()?)
}

/// Left and right exchanged.
pub(crate) fn mirrored(image: &Tensor) -> Tensor {
    let mut mirrored = image.clone();
    let width = image.shape().last().copied().unwrap_or(1);
    mirrored.data_mut().chunks_exact_mut(width).for_each(<[f32]>::reverse);
    mirrored
}

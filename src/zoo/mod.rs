//! Networks of the literature, written in [`cnn!`](crate::cnn), with the parameter names of the libraries that have
//! trained weights for them.
//!
//! Each is a type, such as [`ResNet50`], and has a name under which [`find`] knows it, such as `resnet50`. From the
//! text that it is written in, it can also be compiled at run time, and then with other constants:
//!
//! ```
//! # #[cfg(feature = "jit")] {
//! use convoke::{jit, zoo};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let narrow = zoo::find("mobilenet_v1")?.graph_with(&[("width", 0.6.into()), ("classes", 10_i64.into())])?;
//! let network = jit::compile(&narrow)?;
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```

mod densenet;
mod efficientnet;
mod efficientnet_lite0;
mod lenet5;
mod mobilenet_v1;
mod mobilenet_v2;
mod resnet;
mod senet;
mod squeezenet;
mod vgg;

pub use densenet::{DenseNet121, DenseNet161, DenseNet169, DenseNet201};
pub use efficientnet::{
    EfficientNetB0, EfficientNetB1, EfficientNetB2, EfficientNetB3, EfficientNetB4, EfficientNetB5, EfficientNetB6,
    EfficientNetB7,
};
pub use efficientnet_lite0::EfficientNetLite0;
pub use lenet5::LeNet5;
pub use mobilenet_v1::{MobileNetV1, MobileNetV1W025, MobileNetV1W050, MobileNetV1W075};
pub use mobilenet_v2::{MobileNetV2, MobileNetV2W035, MobileNetV2W050, MobileNetV2W075, MobileNetV2W140};
pub use resnet::{ResNet18, ResNet34, ResNet50, ResNet101, ResNet152, SeResNet50};
pub use senet::SENet154;
pub use squeezenet::SqueezeNet;
pub use vgg::VGG16;

use crate::Network;
#[cfg(feature = "jit")]
use crate::{
    Graph,
    compiler::ops::Attribute,
    lang::{Errors, Module},
};

/// A network of the zoo.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name in lower case, as [`find`] knows it.
    pub name: &'static str,
    /// Its name in the text, and its type's.
    pub network_name: &'static str,
    /// The text, to build it at run time.
    pub source: &'static str,
    /// The numbers that are trained.
    pub parameters: u64,
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// The network as generated Rust.
    pub network: fn() -> &'static Network,
}

macro_rules! networks {
    ($($name:literal: $network:ident,)*) => {
        [$(Entry {
            name: $name,
            network_name: $network::NAME,
            source: $network::SOURCE,
            parameters: $network::PARAMETER_COUNT,
            macs: $network::MACS,
            network: $network::network,
        }),*]
    };
}

/// All networks, family by family.
pub const NETWORKS: &[Entry] = &networks! {
    "lenet5": LeNet5,
    "squeezenet1_1": SqueezeNet,
    "vgg16": VGG16,
    "resnet18": ResNet18,
    "resnet34": ResNet34,
    "resnet50": ResNet50,
    "resnet101": ResNet101,
    "resnet152": ResNet152,
    "seresnet50": SeResNet50,
    "senet154": SENet154,
    "densenet121": DenseNet121,
    "densenet161": DenseNet161,
    "densenet169": DenseNet169,
    "densenet201": DenseNet201,
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v1_075": MobileNetV1W075,
    "mobilenet_v1_050": MobileNetV1W050,
    "mobilenet_v1_025": MobileNetV1W025,
    "mobilenet_v2": MobileNetV2,
    "mobilenet_v2_140": MobileNetV2W140,
    "mobilenet_v2_075": MobileNetV2W075,
    "mobilenet_v2_050": MobileNetV2W050,
    "mobilenet_v2_035": MobileNetV2W035,
    "efficientnet_b0": EfficientNetB0,
    "efficientnet_b1": EfficientNetB1,
    "efficientnet_b2": EfficientNetB2,
    "efficientnet_b3": EfficientNetB3,
    "efficientnet_b4": EfficientNetB4,
    "efficientnet_b5": EfficientNetB5,
    "efficientnet_b6": EfficientNetB6,
    "efficientnet_b7": EfficientNetB7,
    "efficientnet_lite0": EfficientNetLite0,
};

/// The network of this name.
///
/// # Errors
/// That there is none, with the names that are nearest.
///
/// ```
/// use convoke::zoo;
///
/// assert_eq!(zoo::find("mobilenet_v2")?.network_name, "MobileNetV2");
/// let unknown = zoo::find("resnet51").unwrap_err();
/// assert!(unknown.to_string().starts_with("there is no network `resnet51` in the zoo; the nearest are resnet50, "));
/// # Ok::<(), zoo::UnknownNetwork>(())
/// ```
pub fn find(name: &str) -> Result<&'static Entry, UnknownNetwork> {
    NETWORKS.iter().find(|entry| entry.name == name).ok_or_else(|| UnknownNetwork::new(name))
}

/// There is no network of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no network `{name}` in the zoo; {} {}", if *.near { "the nearest are" } else { "known are" }, names.join(", "))]
pub struct UnknownNetwork {
    /// The name.
    pub name: String,
    /// Known names, the nearest first.
    pub names: Vec<&'static str>,
    /// Whether these are names like it; otherwise there is none, and these are all.
    pub near: bool,
}

impl UnknownNetwork {
    fn new(name: &str) -> Self {
        const MOST: usize = 5;
        let lower = name.to_lowercase();
        let edits = |known: &str| strsim::damerau_levenshtein(&lower, known);
        let limit = (lower.chars().count() / 3).max(1);
        let mut names: Vec<_> = NETWORKS.iter().map(|entry| entry.name).filter(|known| edits(known) <= limit).collect();
        names.sort_by_key(|known| edits(known));
        names.truncate(MOST);
        let near = !names.is_empty();
        if !near {
            names = NETWORKS.iter().map(|entry| entry.name).collect();
        }
        Self { name: name.to_owned(), names, near }
    }
}

#[cfg(feature = "jit")]
impl Entry {
    /// The graph of the network, built from its text.
    ///
    /// # Errors
    /// None: the text has been compiled before.
    pub fn graph(&self) -> Result<Graph, Errors> {
        self.graph_with(&[])
    }

    /// The graph of the network with some of its constants given, such as `width`, `size` and `classes`.
    ///
    /// # Errors
    /// The constants that it does not take, with those that it takes; or what is wrong with a network of such
    /// constants.
    pub fn graph_with(&self, constants: &[(&str, Attribute)]) -> Result<Graph, Errors> {
        Module::parse(self.source)?.graph_with(self.network_name, constants)
    }
}

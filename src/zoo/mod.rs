//! Networks of the literature, written in [`cnn!`](crate::cnn), with the parameter names of the libraries that have
//! trained weights for them.
//!
//! Each is a type, such as [`LeNet5`]; [`find`] looks one up by its name.

mod efficientnet_lite0;
mod lenet5;
mod mobilenet_v1;
mod mobilenet_v2;

pub use efficientnet_lite0::EfficientNetLite0;
pub use lenet5::LeNet5;
pub use mobilenet_v1::MobileNetV1;
pub use mobilenet_v2::MobileNetV2;

use crate::Network;

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

/// All networks, by name.
pub const NETWORKS: &[Entry] = &networks! {
    "efficientnet_lite0": EfficientNetLite0,
    "lenet5": LeNet5,
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": MobileNetV2,
};

/// The network of this name, or `None`.
///
/// ```
/// use convoke::zoo;
///
/// assert_eq!(zoo::find("mobilenet_v2").map(|entry| entry.network_name), Some("MobileNetV2"));
/// assert!(zoo::find("mobilenet_v9").is_none());
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    NETWORKS.iter().find(|entry| entry.name == name)
}

#[cfg(feature = "jit")]
impl Entry {
    /// The graph of the network, built from its text.
    ///
    /// # Errors
    /// None: the text has been compiled before.
    pub fn graph(&self) -> Result<crate::Graph, crate::lang::Errors> {
        crate::lang::Module::parse(self.source)?.graph(self.network_name)
    }
}

#[cfg(all(test, feature = "jit"))]
mod tests {
    use super::*;

    #[test]
    fn types_and_texts_are_the_same_networks() {
        for entry in NETWORKS {
            assert_eq!(find(entry.name).map(|found| found.network_name), Some(entry.network_name));
            let graph = entry.graph().unwrap();
            let network = (entry.network)();
            assert_eq!((graph.name(), &*network.name), (entry.network_name, entry.network_name));
            assert_eq!((graph.macs(), graph.trainable_count()), (entry.macs, entry.parameters));
            let types: Vec<_> =
                network.parameters.iter().map(|info| (info.name.to_string(), info.shape.to_vec())).collect();
            let texts: Vec<_> = graph.parameters().into_iter().map(|(name, ty)| (name, ty.shape)).collect();
            assert_eq!(types, texts, "{}", entry.name);
        }
    }
}

//! What images tell of the inputs of layers.

use std::collections::HashMap;

use convoke_runtime::Tensor;
#[cfg(feature = "jit")]
use {
    crate::factorize::FactorizeError,
    crate::factorize::layer::Layer,
    crate::graph::{NodeKind, Value},
    crate::{Graph, backend, compile, lower},
    convoke_runtime::Parameters,
};

/// The inputs of all layers of a network, for some images: with them, errors are those of outputs.
pub struct Calibration {
    /// By layer; one tensor for each image.
    #[cfg_attr(not(feature = "factorize"), expect(dead_code, reason = "only approximations measure outputs"))]
    pub(super) inputs: HashMap<String, Vec<Tensor>>,
}

#[cfg(feature = "jit")]
impl Calibration {
    /// Runs the network, as machine code, on `images`: for each the network's inputs.
    ///
    /// All inputs of layers are kept: some 30 MB an image for EfficientNet-Lite0.
    ///
    /// # Errors
    /// [`FactorizeError::Calibration`] where the network does not compile or the images do not fit it.
    pub fn new(graph: &Graph, parameters: &Parameters, images: &[Vec<Tensor>]) -> Result<Self, FactorizeError> {
        let failed = |error: &dyn std::fmt::Display| FactorizeError::Calibration { reason: error.to_string() };
        let mut graph = graph.clone();
        let layers: Vec<Layer> = graph.order().into_iter().filter_map(|node| Layer::find(&graph, node)).collect();
        let mut sources: Vec<Value> = Vec::new();
        for layer in &layers {
            let is_op = matches!(graph.node(layer.x.node).kind, NodeKind::Op(_));
            if is_op && !sources.contains(&layer.x) {
                sources.push(layer.x);
            }
        }
        let outputs = graph.outputs().len();
        let mut edit = graph.edit();
        for (index, &source) in sources.iter().enumerate() {
            edit.output(format!("layer input {index}"), source);
        }
        let program = compile(&graph, &lower::Target::host()).map_err(|error| failed(&error))?;
        let network = backend::jit::compile(&program).map_err(|error| failed(&error))?;
        let names = graph.parameters().into_iter().map(|(name, _)| name);
        let read = names.filter_map(|name| parameters.get(&name).map(|tensor| (name, tensor.to_tensor())));
        let read = Parameters::from_tensors(read);
        let mut model = network.model(&read).map_err(|error| failed(&error))?;
        let mut inputs: HashMap<String, Vec<Tensor>> = HashMap::new();
        for image in images {
            let results = model.run(&image.iter().collect::<Vec<_>>()).map_err(|error| failed(&error))?;
            for layer in &layers {
                let computed = sources.iter().position(|source| *source == layer.x);
                let given = || graph.inputs().iter().position(|&input| input == layer.x.node);
                let tensor = computed.map(|index| &results[outputs + index]).or_else(|| image.get(given()?));
                inputs.entry(layer.name.clone()).or_default().extend(tensor.cloned());
            }
        }
        Ok(Self { inputs })
    }
}

//! How far trained weights are from the forms.

use std::error::Error;
use std::path::Path;

use convoke::compiler::TensorType;
use convoke::compiler::cost::{Comparison, Form};
use convoke::compiler::graph::WeightExpr;
use convoke::runtime::network::ValueInfo;
use convoke::{Graph, Parameters};

/// Trained weights, which fit the network.
pub(crate) struct Weights {
    /// Their file, or what stands for it.
    pub(crate) file: String,
    parameters: Parameters,
}

impl Weights {
    /// The weights of `graph` in a file.
    pub(crate) fn load(path: &Path, graph: &Graph) -> Result<Self, Box<dyn Error>> {
        let file = path.display().to_string();
        let parameters = Parameters::load(path)?;
        let info =
            |(name, ty): (String, TensorType)| ValueInfo { name: name.into(), dtype: ty.dtype, shape: ty.shape.into() };
        let expected: Vec<_> = graph.parameters().into_iter().map(info).collect();
        parameters.check(&expected).map_err(|errors| format!("{file}: {errors}"))?;
        Ok(Self { file, parameters })
    }

    /// The weights that came with the network.
    pub(crate) fn of_the_network(parameters: Parameters) -> Self {
        Self { file: "the network's own weights".to_owned(), parameters }
    }

    /// The largest error of the form for the layers of a comparison whose weights are parameters; `None` where there is
    /// none.
    pub(crate) fn error(&self, graph: &Graph, comparison: &Comparison, form: Form) -> Option<f64> {
        let errors =
            comparison.nodes.iter().filter_map(|&node| match graph.node(graph.operands(node)[1].node).weight()? {
                WeightExpr::Parameter { name, .. } => comparison.error(form, self.parameters.get(name)?.data()),
                WeightExpr::Literal { .. } | WeightExpr::Apply { .. } => None,
            });
        errors.reduce(f64::max)
    }
}

//! Where numbers cease to be finite.

use std::fmt;

use convoke_compiler::graph::NodeId;
use convoke_compiler::{DType, Graph};

use super::Error;
use crate::{Model, Parameters, Tensor, jit};

/// The first place of a step whose value is not finite.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// An input: the images or the targets.
    Input {
        /// Its name.
        name: String,
        /// The first such element's value.
        value: f32,
    },
    /// A parameter, which the step before has changed so.
    Parameter {
        /// Its name.
        name: String,
        /// The first such element's value.
        value: f32,
    },
    /// What an operator made of finite operands: its node.
    Node {
        /// The node's name; a gradient's has that of its layer, and `.gradient`.
        name: String,
        /// The operator's name.
        operator: &'static str,
        /// The first such element's value.
        value: f32,
    },
    /// All is finite where nothing is fused: rounding decided.
    Unknown,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { name, value } => write!(f, "the input `{name}`, which holds {value}"),
            Self::Parameter { name, value } => write!(f, "the parameter `{name}`, which holds {value}"),
            Self::Node { name, operator, value } => write!(f, "{operator} `{name}`, which made {value}"),
            Self::Unknown => f.write_str("no one place: all is finite where nothing is fused"),
        }
    }
}

impl Origin {
    /// Looks at every value of a step, from the inputs on: runs it once more, with all of them as outputs.
    pub(super) fn find(step: &Graph, parameters: &Parameters, inputs: &[&Tensor]) -> Result<Self, Error> {
        for (&id, input) in step.inputs().iter().zip(inputs) {
            if let Some(value) = not_finite(input.data()) {
                return Ok(Self::Input { name: step.node(id).name.clone(), value });
            }
        }
        for (name, tensor) in parameters.iter() {
            if let Some(value) = not_finite(tensor.data()) {
                return Ok(Self::Parameter { name: name.to_owned(), value });
            }
        }
        let mut graph = step.clone();
        let own = graph.outputs().len();
        let real = |id: &NodeId| step.node(*id).op().is_some() && step.type_of((*id).into()).dtype == DType::F32;
        let nodes: Vec<NodeId> = step.order().into_iter().filter(real).collect();
        for &id in &nodes {
            graph.edit().output(format!("value.{}", step.node(id).name), id.into());
        }
        let mut model = Model::new(jit::compile(&graph)?, parameters)?;
        let values = &model.run(inputs)?[own..];
        let found = nodes.iter().zip(values).find_map(|(&id, value)| Some((id, not_finite(value.data())?)));
        Ok(match found {
            Some((id, value)) => {
                let node = step.node(id);
                let operator = node.op().map_or("", |op| op.name());
                Self::Node { name: node.name.clone(), operator, value }
            }
            None => Self::Unknown,
        })
    }
}

/// The first element that is not finite.
pub(super) fn not_finite(values: &[f32]) -> Option<f32> {
    // The exponent of all ones: compared as integers, for speed.
    let largest = values.iter().fold(0, |largest, value| (value.to_bits() & 0x7fff_ffff).max(largest));
    if largest < f32::INFINITY.to_bits() { None } else { values.iter().copied().find(|value| !value.is_finite()) }
}

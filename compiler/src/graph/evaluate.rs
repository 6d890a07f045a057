//! Graphs evaluated node by node through the operators' naive definitions: slow, and what everything else is compared
//! with.

use std::collections::HashMap;

use convoke_runtime::weights::{Evaluator, Source, WeightError};
use convoke_runtime::{Parameters, Tensor};
use thiserror::Error;

use super::{Graph, NodeId, NodeKind, Value, WeightExpr};

/// Why a graph cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EvaluateError {
    /// Another number of inputs than the graph has.
    #[error("graph `{graph}` expects {expected} inputs, gets {found}")]
    InputCount {
        /// The graph.
        graph: String,
        /// Its inputs.
        expected: usize,
        /// The tensors given.
        found: usize,
    },
    /// A tensor that does not fit an input.
    #[error("input `{input}` expects the shape {expected:?}, gets {found:?}")]
    InputShape {
        /// The input.
        input: String,
        /// Its shape.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
    },
    /// Parameters that are not given, or have another shape; all of them.
    #[error("parameters do not fit: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Parameters(Vec<ParameterError>),
    /// A weight expression that cannot be evaluated.
    #[error("weight `{node}`: {error}")]
    Weight {
        /// The node.
        node: String,
        /// What is wrong.
        error: WeightError,
    },
    /// A node that no order reaches: the graph has a cycle.
    #[error("output `{output}` depends on a cycle")]
    Cycle {
        /// The output.
        output: String,
    },
}

/// A parameter that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` expects the shape {expected:?}, {}", .found.as_ref().map_or("is missing".to_owned(), |found| format!("gets {found:?}")))]
pub struct ParameterError {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub expected: Vec<usize>,
    /// The shape of the tensor that is given, if one is.
    pub found: Option<Vec<usize>>,
}

/// The results of `graph`, in the order of its outputs. Parameters that it does not read are ignored.
///
/// # Errors
/// [`EvaluateError`] if inputs or parameters do not fit the graph, which must be valid.
pub fn evaluate(graph: &Graph, inputs: &[Tensor], parameters: &Parameters) -> Result<Vec<Tensor>, EvaluateError> {
    trace(graph, inputs, parameters)?.outputs()
}

/// As [`evaluate`], with the values of all nodes.
///
/// # Errors
/// As for [`evaluate`].
pub fn trace<'g>(graph: &'g Graph, inputs: &[Tensor], parameters: &Parameters) -> Result<Trace<'g>, EvaluateError> {
    check_inputs(graph, inputs)?;
    let weights = Weights::new(graph, parameters)?;
    let mut values: HashMap<NodeId, Vec<Tensor>> = HashMap::with_capacity(graph.len());
    for (&id, tensor) in graph.inputs().iter().zip(inputs) {
        values.insert(id, vec![tensor.clone()]);
    }
    let order = graph.order();
    for &id in &order {
        let node = graph.node(id);
        let results = match &node.kind {
            NodeKind::Input => continue,
            NodeKind::Weight(expression) => {
                let value = weights.evaluate(expression);
                vec![value.map_err(|error| EvaluateError::Weight { node: node.name.clone(), error })?]
            }
            NodeKind::Op(op) => {
                let operands = graph.operands(id);
                let operands: Vec<_> =
                    operands.iter().map(|value| &values[&value.node][usize::from(value.output)]).collect();
                op.evaluate(&operands)
            }
        };
        values.insert(id, results);
    }
    Ok(Trace { graph, order, values })
}

/// The values of all nodes of a graph in one evaluation.
#[derive(Clone, Debug)]
pub struct Trace<'g> {
    graph: &'g Graph,
    order: Vec<NodeId>,
    values: HashMap<NodeId, Vec<Tensor>>,
}

impl Trace<'_> {
    /// The value, or `None` where it is not of this graph.
    #[must_use]
    pub fn value(&self, value: Value) -> Option<&Tensor> {
        self.values.get(&value.node)?.get(usize::from(value.output))
    }

    /// The results of the node of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&[Tensor]> {
        self.values.get(&self.graph.find(name)?).map(Vec::as_slice)
    }

    /// Name and results of all nodes, each after those it depends on.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Tensor])> {
        self.order.iter().map(|id| (self.graph.node(*id).name.as_str(), self.values[id].as_slice()))
    }

    /// The results of the graph, in order.
    ///
    /// # Errors
    /// [`EvaluateError::Cycle`] for an output that could not be evaluated.
    pub fn outputs(&self) -> Result<Vec<Tensor>, EvaluateError> {
        let outputs = self.graph.outputs().iter();
        let tensors = outputs.map(|(name, value)| {
            self.value(*value).cloned().ok_or_else(|| EvaluateError::Cycle { output: name.clone() })
        });
        tensors.collect()
    }
}

fn check_inputs(graph: &Graph, inputs: &[Tensor]) -> Result<(), EvaluateError> {
    if inputs.len() != graph.inputs().len() {
        return Err(EvaluateError::InputCount {
            graph: graph.name().to_owned(),
            expected: graph.inputs().len(),
            found: inputs.len(),
        });
    }
    for (&id, tensor) in graph.inputs().iter().zip(inputs) {
        let expected = &graph.type_of(id.into()).shape;
        if tensor.shape() != expected {
            return Err(EvaluateError::InputShape {
                input: graph.node(id).name.clone(),
                expected: expected.clone(),
                found: tensor.shape().to_vec(),
            });
        }
    }
    Ok(())
}

/// The parameters that a graph reads, in the order in which [`Graph::parameters`] lists them.
pub(crate) struct Weights<'p> {
    indices: HashMap<String, u32>,
    tensors: Vec<Source<'p>>,
}

impl<'p> Weights<'p> {
    pub(crate) fn new(graph: &Graph, parameters: &'p Parameters) -> Result<Self, EvaluateError> {
        let (mut weights, mut errors) = (Self { indices: HashMap::new(), tensors: Vec::new() }, Vec::new());
        for (index, (name, ty)) in (0..).zip(graph.parameters()) {
            match parameters.get(&name) {
                Some(tensor) if tensor.shape() == ty.shape => {
                    weights.tensors.push(tensor.into());
                    weights.indices.insert(name, index);
                }
                other => errors.push(ParameterError {
                    name,
                    expected: ty.shape,
                    found: other.map(|tensor| tensor.shape().to_vec()),
                }),
            }
        }
        if errors.is_empty() { Ok(weights) } else { Err(EvaluateError::Parameters(errors)) }
    }

    pub(crate) fn evaluate(&self, expression: &WeightExpr) -> Result<Tensor, WeightError> {
        let mut tensor = Tensor::zeros(&expression.ty().shape);
        let code = expression.postfix(|name| self.indices[name]);
        Evaluator::new(&self.tensors).evaluate(&code, tensor.data_mut())?;
        Ok(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "graph g\n%x = input : f32[1, 2]\n%w = parameter : f32[2, 2]\n\
        %bias = weight mul(param(\"b\": f32[2]), literal([], 2.0))\n%fc = linear(%x, %w, %bias)\n%relu = relu(%fc)\n\
        output y = %relu\noutput hidden = %fc";

    fn graph() -> Graph {
        TEXT.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_slice(shape, values).expect("as many values as the shape has")
    }

    fn parameters() -> Parameters {
        let weight = tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        Parameters::from_tensors([("w".to_owned(), weight), ("b".to_owned(), tensor(&[2], &[0.5, -10.0]))])
    }

    #[test]
    fn gives_outputs_and_what_lies_between() {
        let graph = graph();
        let trace = trace(&graph, &[tensor(&[1, 2], &[1.0, 1.0])], &parameters()).expect("everything fits");
        let hidden = tensor(&[1, 2], &[4.0, -13.0]);
        assert_eq!(trace.outputs(), Ok(vec![tensor(&[1, 2], &[4.0, 0.0]), hidden.clone()]));
        assert_eq!(trace.find("fc"), Some(&[hidden][..]));
        assert_eq!(trace.find("bias"), Some(&[tensor(&[2], &[1.0, -20.0])][..]));
        assert_eq!(trace.find("missing"), None);
        let names: Vec<_> = trace.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["x", "w", "bias", "fc", "relu"]);
    }

    #[test]
    fn says_what_does_not_fit() {
        let message = |inputs: &[Tensor], parameters: &Parameters| {
            evaluate(&graph(), inputs, parameters).expect_err("something does not fit").to_string()
        };
        let misshapen = Parameters::from_tensors([("w".to_owned(), Tensor::zeros(&[2, 3]))]);
        let image = Tensor::zeros(&[1, 2]);
        assert_eq!(message(&[], &parameters()), "graph `g` expects 1 inputs, gets 0");
        assert_eq!(
            message(&[Tensor::zeros(&[2, 1])], &parameters()),
            "input `x` expects the shape [1, 2], gets [2, 1]"
        );
        assert_eq!(
            message(&[image], &misshapen),
            "parameters do not fit: `w` expects the shape [2, 2], gets [2, 3]; `b` expects the shape [2], is missing"
        );
    }
}

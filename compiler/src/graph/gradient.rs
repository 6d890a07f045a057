//! Gradients, as graphs: reverse mode from each operator's own rule.
//!
//! ```text
//! x₁ … xₙ   ─►  network  ─►  y₁ … yₘ
//!
//! x₁ … xₙ, ȳ₁ … ȳₘ  ─►  gradient  ─►  y₁ … yₘ, Σⱼ ȳⱼ · ∂yⱼ/∂v₁, Σⱼ ȳⱼ · ∂yⱼ/∂v₂ …
//! ```
//!
//! What comes out is a graph like any other: the same passes, plan, program and backends make code of it.
//!
//! Griewank and Walther, "Evaluating Derivatives", SIAM 2008, section 3.2.

use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::{DType, Graph, GraphError, NodeId, NodeKind, Value, WeightExpr};
use crate::ops::add::Add;
use crate::ops::{Adjoint, NotDerived};

/// Why there is no gradient.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GradientError {
    /// A node between an output and what it is differentiated by has no derivative.
    #[error("gradient: {operator} `{node}` cannot be differentiated: {reason}")]
    Operator {
        /// The operator's name.
        operator: &'static str,
        /// The node's name.
        node: String,
        /// Why.
        reason: String,
    },
    /// No output depends on a value by which it should be differentiated.
    #[error("gradient: none of the outputs {} depends on `{value}`", .outputs.iter().map(|output| format!("`{output}`")).collect::<Vec<_>>().join(", "))]
    Independent {
        /// The value.
        value: String,
        /// The outputs.
        outputs: Vec<String>,
    },
    /// Only real numbers vary.
    #[error("gradient: `{value}` has elements of type {dtype}; only f32 has derivatives")]
    Type {
        /// The value.
        value: String,
        /// Its type.
        dtype: DType,
    },
    /// A rule makes operators that do not fit: a fault of the compiler.
    #[error("gradient: {0} (this is a fault of the compiler)")]
    Graph(#[from] GraphError),
}

impl Graph {
    /// The graph of the gradient of `outputs` by each of `with_respect_to`: inputs, parameters, or anything between.
    ///
    /// Its inputs are those of this graph, then for each of `outputs` that has more than one element its *cotangent*,
    /// of the output's type: `OUTPUT.cotangent`. An output of one element is a loss, and its cotangent 1. Its outputs
    /// are `outputs`, then for each `v` of `with_respect_to` the sum over all outputs and their elements of
    /// `cotangent · ∂output/∂v`, of v's type: `v.gradient`.
    ///
    /// Where a function has no derivative, a rule gives the one that PyTorch does: 0 at the kink of ReLU and at the
    /// bounds of a clip; the first of equal maxima takes all. Batch normalisation is by the statistics that it is
    /// given, and differentiated by those too, where they are asked for.
    ///
    /// # Errors
    /// [`GradientError`]: the first node, from the outputs on, that has no derivative; a value that outputs do not
    /// depend on; values of whole numbers.
    pub fn gradient(&self, outputs: &[Value], with_respect_to: &[Value]) -> Result<Self, GradientError> {
        for &value in outputs.iter().chain(with_respect_to) {
            let dtype = self.type_of(value).dtype;
            if dtype != DType::F32 {
                return Err(GradientError::Type { value: self.label(value), dtype });
            }
        }
        let names: Vec<String> = outputs.iter().map(|&output| self.output_name(output)).collect();
        let mut graph = self.clone();
        graph.name = format!("{}.gradient", self.name);
        graph.outputs = names.iter().cloned().zip(outputs.iter().copied()).collect();
        let mut reverse = Reverse { varying: self.varying(with_respect_to), cotangents: HashMap::new(), graph };
        for (name, &output) in names.iter().zip(outputs) {
            reverse.begin(name, output)?;
        }
        for id in self.order().into_iter().rev() {
            reverse.node(id)?;
        }
        let Reverse { cotangents, mut graph, .. } = reverse;
        for &value in with_respect_to {
            let Some(&gradient) = cotangents.get(&value) else {
                return Err(GradientError::Independent { value: self.label(value), outputs: names });
            };
            let name = format!("{}.gradient", self.label(value));
            graph.outputs.push((name, gradient));
        }
        Ok(graph)
    }

    /// What a value is called as an output.
    fn output_name(&self, value: Value) -> String {
        let named = self.outputs.iter().find(|(_, output)| *output == value);
        named.map_or_else(|| self.label(value), |(name, _)| name.clone())
    }

    /// The nodes that depend on one of these values, those that make them included.
    fn varying(&self, values: &[Value]) -> HashSet<NodeId> {
        let mut varying: HashSet<NodeId> = values.iter().map(|value| value.node).collect();
        for id in self.order() {
            if self.operands(id).iter().any(|operand| varying.contains(&operand.node)) {
                varying.insert(id);
            }
        }
        varying
    }
}

/// A gradient that is being written.
struct Reverse {
    /// The nodes whose cotangents matter.
    varying: HashSet<NodeId>,
    /// What the users of a value that have been seen contribute to its cotangent.
    cotangents: HashMap<Value, Value>,
    graph: Graph,
}

impl Reverse {
    /// The cotangent of an output: 1 of a loss, an input otherwise.
    fn begin(&mut self, name: &str, output: Value) -> Result<(), GradientError> {
        let ty = self.graph.type_of(output).clone();
        let name = format!("{name}.cotangent");
        let cotangent = match ty.elements() {
            1 => self.graph.edit().weight(name, WeightExpr::filled(ty.shape, 1.0)),
            _ => self.graph.edit().input(name, ty),
        };
        self.accumulate(output, cotangent)
    }

    /// From the cotangents of a node's results, all of whose users have been seen, those of its operands.
    fn node(&mut self, id: NodeId) -> Result<(), GradientError> {
        let NodeKind::Op(op) = &self.graph.node(id).kind else { return Ok(()) };
        let results = (0..).zip(&self.graph.node(id).types).map(|(output, _)| Value { node: id, output });
        let cotangents: Vec<_> = results.map(|result| self.cotangents.get(&result).copied()).collect();
        let wanted =
            |operand: &Value| self.varying.contains(&operand.node) && self.graph.type_of(*operand).dtype == DType::F32;
        let wanted: Vec<bool> = self.graph.operands(id).iter().map(wanted).collect();
        if cotangents.iter().all(Option::is_none) || !wanted.contains(&true) {
            return Ok(());
        }
        let (op, node) = (op.clone(), self.graph.node(id).name.clone());
        let mut edit = self.graph.edit();
        let mut adjoint = Adjoint::new(&mut edit, id, cotangents, wanted);
        op.derive(&mut adjoint).map_err(|error| match error {
            NotDerived::Reason(reason) => GradientError::Operator { operator: op.name(), node, reason },
            NotDerived::Graph(error) => GradientError::Graph(error),
        })?;
        let found = adjoint.finish();
        found.into_iter().try_for_each(|(operand, cotangent)| self.accumulate(operand, cotangent))
    }

    /// Adds what one use of a value contributes to its cotangent.
    fn accumulate(&mut self, value: Value, cotangent: Value) -> Result<(), GradientError> {
        let sum = match self.cotangents.get(&value) {
            None => cotangent,
            Some(&before) => {
                let name = format!("{}.cotangent", self.graph.label(value));
                self.graph.edit().op(name, Add::default(), &[before, cotangent])?.into()
            }
        };
        self.cotangents.insert(value, sum);
        Ok(())
    }
}

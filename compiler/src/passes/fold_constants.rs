//! Evaluates when the parameters are loaded what depends on nothing else.
//!
//! ```text
//! f(w…)   ⟹   the weight f(w…)
//! ```
//!
//! Requires that all operands are weights, that weight expressions can say what the operator does, that the result is
//! not an output of the network, which a run has to write, and that the expression is
//! [moderate](WeightExpr::is_moderate).

use std::sync::Arc;

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, WeightExpr};

/// Evaluates when the parameters are loaded what depends on nothing else.
pub const PASS: Pass = Pass { name: "fold_constants", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let mut changed = false;
    for id in graph.order() {
        if let Some(expression) = expression(graph, id) {
            let mut origin: Vec<_> = graph.operands(id).into_iter().map(|operand| operand.node).collect();
            origin.push(id);
            graph.edit().replace_by_weight(id, expression, &origin)?;
            changed = true;
        }
    }
    Ok(changed)
}

fn expression(graph: &Graph, id: NodeId) -> Option<WeightExpr> {
    let node = graph.node(id);
    if graph.is_output(id) {
        return None;
    }
    let operands = graph.operands(id).into_iter();
    let operands: Vec<_> =
        operands.map(|value| graph.node(value.node).weight().cloned().map(Arc::new)).collect::<Option<_>>()?;
    node.op()?.to_weight(&operands).filter(WeightExpr::is_moderate)
}

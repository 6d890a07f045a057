//! Computes once what is computed twice.
//!
//! ```text
//! a = f(x…)   b = f(x…)   ⟹   a = f(x…), and a wherever b was used
//! ```
//!
//! Requires the same operator with the same attributes on the same operands, or the same expression over the same
//! parameters, without constants of many values, which would take longer to compare than they are worth. Inputs are
//! never the same.
//!
//! Hash consing in topological order: Cocke, "Global common subexpression elimination", SIGPLAN Notices 5(7), 1970.

use std::collections::HashMap;

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, NodeKind, Value, WeightExpr};

/// Computes once what is computed twice.
pub const PASS: Pass = Pass { name: "eliminate_common_subexpressions", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let mut known: HashMap<(String, Vec<Value>), NodeId> = HashMap::new();
    let mut changed = false;
    for id in graph.order() {
        let text = match &graph.node(id).kind {
            NodeKind::Weight(expression) if is_short(expression) => expression.to_string(),
            NodeKind::Input | NodeKind::Weight(_) => continue,
            NodeKind::Op(op) => format!("{}{}", op.name(), op.attributes()),
        };
        let first = *known.entry((text, graph.operands(id))).or_insert(id);
        if first == id {
            continue;
        }
        let mut edit = graph.edit();
        for output in (0..).take(edit.graph().node(id).types.len()) {
            edit.replace_uses(Value { node: id, output }, Value { node: first, output })?;
        }
        edit.set_origin(first, &[first, id]);
        edit.remove(id)?;
        changed = true;
    }
    Ok(changed)
}

/// Whether no constant in the expression has many values.
fn is_short(expression: &WeightExpr) -> bool {
    match expression {
        WeightExpr::Parameter { .. } => true,
        WeightExpr::Literal { values, .. } => values.len() <= 64,
        WeightExpr::Apply { operands, .. } => operands.iter().all(|operand| is_short(operand)),
    }
}

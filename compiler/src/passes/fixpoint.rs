//! Running passes in turn until none changes anything.

use super::{Change, Pass, PassError, run_pass};
use crate::Graph;

/// Runs `passes` in rounds until a round changes nothing; says whether anything changed.
///
/// Every change takes away an operator or a node, so there are at most twice as many rounds as nodes, and one to see
/// that nothing is left.
pub(super) fn run(group: &'static str, passes: &[Pass], graph: &mut Graph, verify: bool) -> Result<bool, PassError> {
    let bound = 2 * graph.len() + 1;
    for round in 0..bound {
        let mut changed = false;
        for pass in passes {
            changed |= run_pass(pass, graph, verify)?;
        }
        if !changed {
            return Ok(round > 0);
        }
    }
    let mut changes = Vec::new();
    for pass in passes {
        let before = graph.to_string();
        if run_pass(pass, graph, verify)? {
            changes.push(Change::between(pass.name, &before, &graph.to_string()));
        }
    }
    Err(PassError::NotConverged { group, rounds: bound, changes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{GraphError, NodeId};
    use crate::ops::Op;
    use crate::ops::{relu::Relu, sigmoid::Sigmoid};

    fn replace(graph: &mut Graph, from: &str, to: impl Into<Op>) -> Result<bool, GraphError> {
        let node = graph.order().into_iter().find(|&id| graph.node(id).op().is_some_and(|op| op.name() == from));
        let Some(node): Option<NodeId> = node else { return Ok(false) };
        let operands = graph.operands(node);
        graph.edit().replace_op(node, to, &operands, &[])?;
        Ok(true)
    }

    const THERE: Pass = Pass { name: "there", run: |graph| replace(graph, "relu", Sigmoid) };
    const BACK: Pass = Pass { name: "back", run: |graph| replace(graph, "sigmoid", Relu) };
    const LIAR: Pass = Pass { name: "liar", run: |_| Ok(true) };

    fn graph() -> Graph {
        let text = "graph g\n%x = input : f32[4]\n%y = relu(%x) : f32[4]\noutput y = %y";
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn ends_when_nothing_changes() {
        let mut graph = graph();
        assert_eq!(run("group", &[THERE], &mut graph, true), Ok(true));
        assert_eq!(run("group", &[THERE], &mut graph, true), Ok(false));
        assert_eq!(run("group", &[], &mut graph, true), Ok(false));
    }

    #[test]
    fn says_who_keeps_changing_what() {
        let error = run("group", &[THERE, BACK], &mut graph(), true).expect_err("goes there and back");
        assert_eq!(
            error.to_string(),
            "passes group do not converge: after 5 rounds\n\
             there still changes\n    - %y = relu(%x) : f32[4]\n    + %y = sigmoid(%x) : f32[4]\n\
             back still changes\n    - %y = sigmoid(%x) : f32[4]\n    + %y = relu(%x) : f32[4]"
        );
        let error = run("group", &[LIAR], &mut graph(), true).expect_err("says so each time");
        assert_eq!(
            error.to_string(),
            "passes group do not converge: after 5 rounds\nliar still changes nothing, but says that it does"
        );
    }

    #[test]
    fn the_verifier_watches() {
        let breaks = Pass {
            name: "breaks",
            run: |graph| {
                let x = graph.inputs()[0];
                graph.edit().output("y", x.into());
                Ok(true)
            },
        };
        let error = run("group", &[breaks], &mut graph(), true).expect_err("two outputs of one name");
        assert_eq!(
            error.to_string(),
            "pass breaks broke the graph: graph `g` is invalid: 1 fault\n\
             output `y`: 2 outputs have this name\n    output y = %y"
        );
    }
}

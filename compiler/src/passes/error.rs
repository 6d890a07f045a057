//! What can go wrong in a pass.

use std::fmt;

use thiserror::Error;

use crate::graph::{Faults, GraphError};

/// A pass failed. On a valid graph, that is a bug in the pass.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PassError {
    /// A pass made an edit that the graph refuses.
    #[error("pass {pass}: {error}")]
    Graph {
        /// The pass.
        pass: &'static str,
        /// Why the edit was refused.
        error: Box<GraphError>,
    },
    /// A pass left a graph that is not valid.
    #[error("pass {pass} broke the graph: {faults}")]
    Faults {
        /// The pass.
        pass: &'static str,
        /// What is wrong with the graph.
        faults: Faults,
    },
    /// Passes undo each other's changes, or make work for each other without end.
    #[error("passes {group} do not converge: after {rounds} rounds{}", Changes(.changes))]
    NotConverged {
        /// The group of passes.
        group: &'static str,
        /// The rounds that were run: more than could be needed if each change took away an operator or a node.
        rounds: usize,
        /// What each pass still changed in the last one.
        changes: Vec<Change>,
    },
}

/// The first line of a graph's text that a pass changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The pass.
    pub pass: &'static str,
    /// The line before; `None` where there was none.
    pub before: Option<String>,
    /// The line after; `None` where there is none.
    pub after: Option<String>,
}

impl Change {
    /// The first difference between two texts, in lines.
    pub(super) fn between(pass: &'static str, before: &str, after: &str) -> Self {
        let (mut before, mut after) = (before.lines(), after.lines());
        loop {
            let (old, new) = (before.next(), after.next());
            if old != new || old.is_none() {
                return Self { pass, before: old.map(str::to_owned), after: new.map(str::to_owned) };
            }
        }
    }
}

struct Changes<'a>(&'a [Change]);

impl fmt::Display for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Change { pass, before, after } in self.0 {
            write!(f, "\n{pass} still changes")?;
            match (before, after) {
                (None, None) => f.write_str(" nothing, but says that it does")?,
                (before, after) => {
                    before.iter().try_for_each(|line| write!(f, "\n    - {line}"))?;
                    after.iter().try_for_each(|line| write!(f, "\n    + {line}"))?;
                }
            }
        }
        Ok(())
    }
}

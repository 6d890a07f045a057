//! Passes: rewrites of graphs that keep what the graph computes.
//!
//! One pass, one file, which opens with the rewrite as a formula and what it requires. [`PIPELINE`] is the order in
//! which they run. To add one, write its file and add its line there; each pass has filetests, in
//! `tests/filetests/passes/NAME`, where it applies and where it declines, executed before and after.

mod error;
mod fixpoint;

pub mod convolve_transposed;
pub mod eliminate_common_subexpressions;
pub mod eliminate_dead;
pub mod eliminate_identity;
pub mod fold_batch_norm;
pub mod fold_constants;
pub mod fold_scale;
pub mod fuse_epilogue;
pub mod nest_concat;
pub mod pool_first;

pub use error::{Change, PassError};

use crate::Graph;
use crate::graph::GraphError;

/// A rewrite of graphs.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The name of its file.
    pub name: &'static str,
    /// Rewrites the graph wherever it can, and says whether it changed anything. A second run changes nothing.
    pub run: fn(&mut Graph) -> Result<bool, GraphError>,
}

/// A step of the pipeline.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A pass, run once.
    Once(Pass),
    /// Passes that make work for each other, run in turn until none changes anything. Every change that one of them
    /// makes takes away an operator or a node.
    Fixpoint {
        /// The group's name, for messages.
        name: &'static str,
        /// The passes, in the order of a round.
        passes: &'static [Pass],
    },
}

/// Passes that only take away.
const SIMPLIFY: Step = Step::Fixpoint {
    name: "simplify",
    passes: &[
        eliminate_identity::PASS,
        fold_constants::PASS,
        eliminate_common_subexpressions::PASS,
        eliminate_dead::PASS,
    ],
};

/// Everything that happens between a network as it is written and its lowering, from top to bottom.
pub const PIPELINE: &[Step] = &[
    SIMPLIFY,
    Step::Once(convolve_transposed::PASS),
    Step::Once(fold_batch_norm::PASS),
    Step::Once(fold_scale::PASS),
    Step::Once(fuse_epilogue::PASS),
    Step::Once(pool_first::PASS),
    SIMPLIFY,
    Step::Once(nest_concat::PASS),
];

/// Runs [`PIPELINE`] on `graph`; with `verify`, the verifier after every pass that changed it.
///
/// # Errors
/// [`PassError`]: each is a bug in a pass, if the graph was valid.
pub fn run_pipeline(graph: &mut Graph, verify: bool) -> Result<(), PassError> {
    PIPELINE.iter().try_for_each(|step| run_step(step, graph, verify).map(|_| ()))
}

/// Runs one step; says whether it changed the graph.
///
/// # Errors
/// As for [`run_pipeline`].
pub fn run_step(step: &Step, graph: &mut Graph, verify: bool) -> Result<bool, PassError> {
    match step {
        Step::Once(pass) => run_pass(pass, graph, verify),
        Step::Fixpoint { name, passes } => fixpoint::run(name, passes, graph, verify),
    }
}

/// Runs one pass; says whether it changed the graph.
///
/// # Errors
/// As for [`run_pipeline`].
pub fn run_pass(pass: &Pass, graph: &mut Graph, verify: bool) -> Result<bool, PassError> {
    let changed = (pass.run)(graph).map_err(|error| PassError::Graph { pass: pass.name, error: Box::new(error) })?;
    if verify && changed {
        graph.verify().map_err(|faults| PassError::Faults { pass: pass.name, faults })?;
    }
    Ok(changed)
}

/// The passes of [`PIPELINE`], each once, in the order of their first run.
#[must_use]
pub fn passes() -> Vec<Pass> {
    let mut passes: Vec<Pass> = Vec::new();
    for step in PIPELINE {
        let step = match step {
            Step::Once(pass) => std::slice::from_ref(pass),
            Step::Fixpoint { passes, .. } => passes,
        };
        for &pass in step {
            if passes.iter().all(|known| known.name != pass.name) {
                passes.push(pass);
            }
        }
    }
    passes
}

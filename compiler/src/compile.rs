//! The whole way from a graph to a program.

use crate::Graph;
use crate::lir::Program;
use crate::lower::{self, LowerError, Plan, Target};
use crate::passes::{self, PassError};

/// Optimises and lowers a graph: [`passes::PIPELINE`], then [`lower::plan`] and [`lower::program`].
///
/// # Errors
/// Those of the passes and of lowering; each names the node.
pub fn compile(graph: &Graph, target: &Target) -> Result<Program, CompileError> {
    let (optimized, plan) = plan(graph, target)?;
    Ok(lower::program(&optimized, &plan, &graph.parameters())?)
}

/// The optimised graph and its plan: what [`compile`] decides.
///
/// # Errors
/// As for [`compile`].
pub fn plan(graph: &Graph, target: &Target) -> Result<(Graph, Plan), CompileError> {
    let mut optimized = graph.clone();
    passes::run_pipeline(&mut optimized, cfg!(debug_assertions))?;
    let plan = lower::plan(&optimized, target)?;
    Ok((optimized, plan))
}

/// Why a graph does not compile.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompileError {
    /// A pass failed.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Lowering failed.
    #[error(transparent)]
    Lower(#[from] LowerError),
}

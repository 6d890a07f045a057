//! The whole way from a graph to a program.

use crate::Graph;
use crate::lir::Program;
use crate::lower::{self, LowerError, Target};
use crate::passes::{self, PassError};

/// Optimises and lowers a graph: [`passes::PIPELINE`], then [`lower`](lower::lower).
///
/// # Errors
/// Those of the passes and of lowering; each names the node.
pub fn compile(graph: &Graph, target: &Target) -> Result<Program, CompileError> {
    let mut graph = graph.clone();
    passes::run_pipeline(&mut graph, cfg!(debug_assertions))?;
    Ok(lower::lower(&graph, target)?)
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

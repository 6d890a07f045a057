//! From a graph to Rust code: the one place where the language meets lowering and the Rust backend.

use convoke_runtime::Isa;
use convoke_runtime::kernels::ukernels;
use proc_macro2::TokenStream;

use super::Paths;
use crate::Graph;
use crate::backend::rust::{RustOptions, emit_all};
use crate::lower::Target;

/// The body of a module with `pub fn network() -> Network`, for every instruction set of this architecture: which of
/// them runs is chosen where the program runs, not where it is compiled.
///
/// # Errors
/// Says what cannot be lowered, and at which node.
pub(super) fn lower_and_emit(graph: &Graph, paths: &Paths) -> Result<TokenStream, String> {
    let sets = Isa::ALL.into_iter().filter(|isa| ukernels().iter().any(|row| row.isa == *isa));
    let programs = sets.map(|isa| crate::compile(graph, &Target::new(isa)));
    let programs = programs.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let options = RustOptions { runtime_path: paths.runtime.clone() };
    emit_all(&programs, &options).map_err(|error| error.to_string())
}

//! `convoke build`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use convoke::compiler;
use convoke::compiler::backend::jit;
use convoke::compiler::backend::rust::{self, RustOptions};

use crate::Outcome;
use crate::source::Source;

/// Prints a form that a network takes on its way to code.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Which form.
    #[arg(long, value_enum)]
    emit: Form,
    /// Where to write it, instead of standard output; `FILE.h` is the header of the object file `FILE.o`.
    #[arg(long, value_name = "FILE", required_if_eq("emit", "object"))]
    out: Option<PathBuf>,
}

/// The forms of a network, first to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The graph, as it is described.
    Ir,
    /// The graph after all passes.
    Optimized,
    /// The plan.
    Plan,
    /// The program of loops and kernels.
    Lir,
    /// Cranelift's IR of the program.
    Clif,
    /// The program as Rust.
    Rust,
    /// Machine code in an object file, and a C header beside it.
    Object,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let (graph, target) = (self.source.graph()?, self.source.target()?);
        let program = || compiler::compile(&graph, &target);
        let text = match self.emit {
            Form::Ir => graph.to_string(),
            Form::Optimized => compiler::plan(&graph, &target)?.0.to_string(),
            Form::Plan => compiler::plan(&graph, &target)?.1.to_string(),
            Form::Lir => program()?.to_string(),
            Form::Clif => jit::clif(&program()?)?,
            Form::Rust => rust::source(rust::emit(&program()?, &RustOptions::default())?),
            Form::Object => {
                let (object, path) = (jit::object(&program()?)?, self.out.as_deref().unwrap_or(Path::new("network.o")));
                write(path, &object.bytes)?;
                return write(&path.with_extension("h"), object.header.as_bytes());
            }
        };
        match &self.out {
            Some(path) => write(path, text.as_bytes())?,
            None => out.write_all(text.as_bytes())?,
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

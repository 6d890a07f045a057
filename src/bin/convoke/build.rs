//! `convoke build`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use convoke::compiler;
use convoke::compiler::backend::jit::{self, Object};
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
    /// Where to write it, instead of standard output. Beside it, with other endings: the header of an object file, `.h`,
    /// and the parameters of code that is made of an ONNX file, `.safetensors`.
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
        let ((graph, parameters), target) = (self.source.read()?, self.source.target()?);
        let program = || compiler::compile(&graph, &target);
        let bytes = match self.emit {
            Form::Ir => graph.to_string().into_bytes(),
            Form::Optimized => compiler::plan(&graph, &target)?.0.to_string().into_bytes(),
            Form::Plan => compiler::plan(&graph, &target)?.1.to_string().into_bytes(),
            Form::Lir => program()?.to_string().into_bytes(),
            Form::Clif => jit::clif(&program()?)?.into_bytes(),
            Form::Rust => rust::source(rust::emit(&program()?, &RustOptions::default())?).into_bytes(),
            Form::Object => {
                let Object { bytes, header } = jit::object(&program()?)?;
                if let Some(path) = &self.out {
                    write(&path.with_extension("h"), header.as_bytes())?;
                }
                bytes
            }
        };
        match &self.out {
            Some(path) => {
                write(path, &bytes)?;
                if let (Form::Rust | Form::Object, Some(parameters)) = (self.emit, parameters) {
                    parameters.save(path.with_extension("safetensors"))?;
                }
            }
            None => out.write_all(&bytes)?,
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

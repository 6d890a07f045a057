//! `convoke`: looks into networks and what becomes of them.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use convoke::compiler::backend::jit;
use convoke::compiler::backend::rust::{self, RustOptions};
use convoke::compiler::lower::Target;
use convoke::lang::{Errors, Module};
use convoke::runtime::Isa;
use convoke::runtime::kernels::ukernels;
use convoke::{Graph, compiler, zoo};

/// Compiles convolutional networks to CPU code.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the networks of the zoo.
    Zoo,
    /// Shows how a network runs: algorithm, layout, place and threads of each step.
    Plan(Source),
    /// Shows what is known of a network: inputs, outputs, operators, parameters, memory.
    Inspect(Source),
    /// Prints a form that a network takes on its way to code.
    Build {
        #[command(flatten)]
        source: Source,
        /// Which form.
        #[arg(long, value_enum)]
        emit: Form,
    },
}

/// A network and the machine that it is for.
#[derive(Debug, Args)]
struct Source {
    /// The name of a network of the zoo, or a file with a description.
    network: String,
    /// Which network of the file; not needed where there is one.
    #[arg(long)]
    name: Option<String>,
    /// The instruction set: scalar, neon, avx2 or avx512; this machine's unless given.
    #[arg(long)]
    isa: Option<Isa>,
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
}

fn main() -> ExitCode {
    let text = match Arguments::parse().command {
        Command::Zoo => Ok(list()),
        Command::Plan(source) => emit(&source, Form::Plan),
        Command::Inspect(source) => inspect(&source),
        Command::Build { source, emit: form } => emit(&source, form),
    };
    let written = text.and_then(|text| Ok(io::stdout().write_all(text.as_bytes())?));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("convoke: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> String {
    let mut text = String::new();
    for entry in zoo::NETWORKS {
        let input = format!("{:?}", (entry.network)().inputs[0].shape);
        let (mmacs, mega) = (entry.macs as f64 / 1e6, entry.parameters as f64 / 1e6);
        let _ = writeln!(text, "{:<20} {input:<18} {mmacs:9.2} M MAC {mega:7.2} M parameters", entry.name);
    }
    text
}

impl Source {
    fn graph(&self) -> Result<Graph, Box<dyn Error>> {
        if let Some(entry) = zoo::find(&self.network) {
            return Ok(entry.graph()?);
        }
        let path = Path::new(&self.network);
        if !path.exists() {
            let message = format!("`{}` is neither a network of the zoo (`convoke zoo`) nor a file", self.network);
            return Err(message.into());
        }
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
        let mistakes = |errors: Errors| format!("{file} has mistakes\n{}", errors.render(&file));
        let module = Module::parse(&text).map_err(mistakes)?;
        let networks: Vec<_> = module.networks().iter().map(|network| network.name).collect();
        let name = match (&self.name, networks.as_slice()) {
            (Some(name), _) => name,
            (None, [name]) => *name,
            (None, []) => return Err(format!("{file}: there is no network in this file").into()),
            (None, names) => return Err(format!("{file}: say which with --name: {}", names.join(", ")).into()),
        };
        Ok(module.graph(name).map_err(mistakes)?)
    }

    fn target(&self) -> Result<Target, Box<dyn Error>> {
        let host = Target::host();
        let isa = self.isa.unwrap_or(host.isa);
        let has_kernels = |isa: Isa| ukernels().iter().any(|row| row.isa == isa);
        if has_kernels(isa) {
            return Ok(Target { isa, ..host });
        }
        let known: Vec<_> = Isa::ALL.into_iter().filter(|isa| has_kernels(*isa)).map(Isa::name).collect();
        Err(format!("there are no kernels for {isa} on this architecture, only for {}", known.join(", ")).into())
    }
}

fn emit(source: &Source, form: Form) -> Result<String, Box<dyn Error>> {
    let (graph, target) = (source.graph()?, source.target()?);
    let program = || compiler::compile(&graph, &target);
    Ok(match form {
        Form::Ir => graph.to_string(),
        Form::Optimized => compiler::plan(&graph, &target)?.0.to_string(),
        Form::Plan => compiler::plan(&graph, &target)?.1.to_string(),
        Form::Lir => program()?.to_string(),
        Form::Clif => jit::clif(&program()?)?,
        Form::Rust => rust::source(rust::emit(&program()?, &RustOptions::default())?),
    })
}

fn inspect(source: &Source) -> Result<String, Box<dyn Error>> {
    let graph = source.graph()?;
    let target = source.target()?;
    let program = compiler::compile(&graph, &target)?;
    let mut text = format!("{}\n", graph.name());
    for id in graph.inputs() {
        writeln!(text, "  input       {} {}", graph.node(*id).name, graph.type_of((*id).into()))?;
    }
    for (name, value) in graph.outputs() {
        writeln!(text, "  output      {name} {}", graph.type_of(*value))?;
    }
    writeln!(text, "  operators   {}", graph.order().iter().filter(|id| graph.node(**id).op().is_some()).count())?;
    writeln!(text, "  parameters  {} in {} tensors", graph.parameter_count(), graph.parameters().len())?;
    writeln!(text, "  MAC         {}", graph.macs())?;
    writeln!(text, "for {}", target.isa)?;
    writeln!(text, "  steps       {}", program.steps.len())?;
    writeln!(text, "  weights     {} bytes", 4 * program.weights_len)?;
    writeln!(text, "  arena       {} bytes", 4 * program.arena_len)?;
    Ok(text)
}

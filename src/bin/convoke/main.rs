//! `convoke`: looks into networks and what becomes of them. One subcommand, one file.

mod bench;
mod build;
mod check;
mod cost;
mod export;
mod graph;
mod inspect;
mod model;
mod npz;
mod picture;
mod plan;
mod profile;
mod run;
mod source;
mod table;
mod zoo;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Compiles convolutional networks to CPU code.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

// Each variant's help is its arguments' doc comment.
#[derive(Debug, Subcommand)]
enum Command {
    Zoo(zoo::Arguments),
    Plan(plan::Arguments),
    Inspect(inspect::Arguments),
    Build(build::Arguments),
    Run(run::Arguments),
    Check(check::Arguments),
    Bench(bench::Arguments),
    Profile(profile::Arguments),
    Export(export::Arguments),
    Graph(graph::Arguments),
    Cost(cost::Arguments),
}

/// What a subcommand comes to: its output is written, or there is a reason why not.
type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let out = &mut io::stdout().lock();
    let outcome = match Arguments::parse().command {
        Command::Zoo(arguments) => arguments.run(out),
        Command::Plan(arguments) => arguments.run(out),
        Command::Inspect(arguments) => arguments.run(out),
        Command::Build(arguments) => arguments.run(out),
        Command::Run(arguments) => arguments.run(out),
        Command::Check(arguments) => arguments.run(out),
        Command::Bench(arguments) => arguments.run(out),
        Command::Profile(arguments) => arguments.run(out),
        Command::Export(arguments) => arguments.run(out),
        Command::Graph(arguments) => arguments.run(out),
        Command::Cost(arguments) => arguments.run(out),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("convoke: {error}");
            ExitCode::FAILURE
        }
    }
}

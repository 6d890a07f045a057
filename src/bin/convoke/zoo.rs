//! `convoke zoo`

use std::io::Write;

use convoke::zoo;

use crate::Outcome;

/// Lists the networks of the zoo.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments;

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        for entry in zoo::NETWORKS {
            let input = format!("{:?}", (entry.network)().inputs[0].shape);
            let (mmacs, mega) = (entry.macs as f64 / 1e6, entry.parameters as f64 / 1e6);
            writeln!(out, "{:<20} {input:<18} {mmacs:9.2} M MAC {mega:7.2} M parameters", entry.name)?;
        }
        Ok(())
    }
}

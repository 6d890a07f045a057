//! `convoke inspect`

use std::io::Write;

use convoke::compiler;

use crate::Outcome;
use crate::source::Source;

/// Shows what is known of a network: inputs, outputs, operators, parameters, memory.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let (graph, target) = (self.source.graph()?, self.source.target()?);
        let program = compiler::compile(&graph, &target)?;
        writeln!(out, "{}", graph.name())?;
        for id in graph.inputs() {
            writeln!(out, "  input       {} {}", graph.node(*id).name, graph.type_of((*id).into()))?;
        }
        for (name, value) in graph.outputs() {
            writeln!(out, "  output      {name} {}", graph.type_of(*value))?;
        }
        writeln!(out, "  operators   {}", graph.order().iter().filter(|id| graph.node(**id).op().is_some()).count())?;
        writeln!(out, "  parameters  {} in {} tensors", graph.parameter_count(), graph.parameters().len())?;
        writeln!(out, "  MAC         {}", graph.macs())?;
        writeln!(out, "for {}", target.isa)?;
        writeln!(out, "  steps       {}", program.steps.len())?;
        writeln!(out, "  weights     {} bytes", 4 * program.weights_len)?;
        writeln!(out, "  arena       {} bytes", 4 * program.arena_len)?;
        Ok(())
    }
}

//! `convoke inspect`

use std::collections::HashMap;
use std::io::Write;

use convoke::compiler::{self, cost};
use convoke::graph::Graph;
use serde::Serialize;

use crate::Outcome;
use crate::source::Source;
use crate::table::table;

/// Shows what is known of a network: inputs, outputs, operators, parameters, memory.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Show each operator with its result's type, parameters and MACs.
    #[arg(long)]
    nodes: bool,
    /// Print an object, nodes included.
    #[arg(long)]
    json: bool,
    /// Print the body as papers do instead: type and stride, filter shape, input size.
    #[arg(long, conflicts_with_all = ["nodes", "json"])]
    table: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    network: String,
    inputs: Vec<Named>,
    outputs: Vec<Named>,
    operators: usize,
    /// All numbers, BatchNorm's statistics included, and the tensors that they lie in.
    parameters: u64,
    parameter_tensors: usize,
    macs: u64,
    isa: &'static str,
    steps: usize,
    weights_bytes: usize,
    arena_bytes: usize,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    r#type: String,
}

#[derive(Debug, Serialize)]
struct Node {
    name: String,
    op: &'static str,
    types: Vec<String>,
    /// Those that are trained, counted where they are read first.
    parameters: u64,
    macs: u64,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let graph = self.source.graph()?;
        if self.table {
            out.write_all(table(&graph).as_bytes())?;
            return Ok(());
        }
        let target = self.source.target()?;
        let program = compiler::compile(&graph, &target)?;
        let named = |name: &str, value| Named { name: name.to_owned(), r#type: graph.type_of(value).to_string() };
        let nodes = nodes(&graph);
        let report = Report {
            network: graph.name().to_owned(),
            inputs: graph.inputs().iter().map(|id| named(&graph.node(*id).name, (*id).into())).collect(),
            outputs: graph.outputs().iter().map(|(name, value)| named(name, *value)).collect(),
            operators: nodes.len(),
            parameters: graph.parameter_count(),
            parameter_tensors: graph.parameters().len(),
            macs: graph.macs(),
            isa: target.isa.name(),
            steps: program.steps.len(),
            weights_bytes: 4 * program.weights_len,
            arena_bytes: 4 * program.arena_len,
            nodes,
        };
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            report.print(out, self.nodes)?;
        }
        Ok(())
    }
}

fn nodes(graph: &Graph) -> Vec<Node> {
    let costs: HashMap<_, _> = cost::layers(graph).into_iter().map(|layer| (layer.node, layer.cost)).collect();
    let node = |id| {
        let (node, cost) = (graph.node(id), costs.get(&id).copied().unwrap_or_default());
        let types = node.types.iter().map(ToString::to_string).collect();
        let op = node.op()?.name();
        Some(Node { name: node.name.clone(), op, types, parameters: cost.parameters, macs: cost.macs })
    };
    graph.order().into_iter().filter_map(node).collect()
}

impl Report {
    fn print(&self, out: &mut dyn Write, nodes: bool) -> Outcome {
        writeln!(out, "{}", self.network)?;
        for (kind, values) in [("input", &self.inputs), ("output", &self.outputs)] {
            for Named { name, r#type } in values {
                writeln!(out, "  {kind:<11} {name} {type}")?;
            }
        }
        writeln!(out, "  operators   {}", self.operators)?;
        writeln!(out, "  parameters  {} in {} tensors", self.parameters, self.parameter_tensors)?;
        writeln!(out, "  MAC         {}", self.macs)?;
        writeln!(out, "for {}", self.isa)?;
        writeln!(out, "  steps       {}", self.steps)?;
        writeln!(out, "  weights     {} bytes", self.weights_bytes)?;
        writeln!(out, "  arena       {} bytes", self.arena_bytes)?;
        if nodes {
            writeln!(out, "{:>12} {:>10}  node", "MAC", "parameters")?;
            for Node { name, op, types, parameters, macs } in &self.nodes {
                writeln!(out, "{macs:12} {parameters:10}  {op} `{name}` {}", types.join(", "))?;
            }
        }
        Ok(())
    }
}

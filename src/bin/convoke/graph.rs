//! `convoke graph`

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use convoke::compiler::{cost, passes};
use convoke::graph::{Graph, NodeKind};
use serde_json::{Value, json};

use crate::Outcome;
use crate::source::Source;

/// The page; `GRAPHS` stands for the data.
const PAGE: &str = include_str!("graph.html");

/// Writes a page that shows a network before and after all passes, side by side.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// The file to write; it needs no other.
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let before = self.source.graph()?;
        let mut after = before.clone();
        passes::run_pipeline(&mut after, false)?;
        let data = json!({"name": before.name(), "before": describe(&before), "after": describe(&after)});
        // Within a script, only `<` could end it.
        let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
        fs::write(&self.html, PAGE.replacen("GRAPHS", &data, 1))
            .map_err(|error| format!("cannot write {}: {error}", self.html.display()))?;
        writeln!(out, "{}: {} nodes before, {} after", self.html.display(), operators(&before), operators(&after))?;
        Ok(())
    }
}

fn operators(graph: &Graph) -> usize {
    graph.order().iter().filter(|id| graph.node(**id).op().is_some()).count()
}

/// Inputs and operators in order, with the weights of each; outputs.
fn describe(graph: &Graph) -> Value {
    let costs: HashMap<_, _> = cost::layers(graph).into_iter().map(|layer| (layer.node, layer.cost)).collect();
    let nodes = graph.order().into_iter().filter_map(|id| {
        let node = graph.node(id);
        let (op, attributes) = match &node.kind {
            NodeKind::Weight(_) => return None,
            NodeKind::Input => ("input", String::new()),
            NodeKind::Op(op) => (
                op.name(),
                op.attributes()
                    .0
                    .iter()
                    .map(|(name, value)| format!("{name} = {value}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        };
        let (weights, operands): (Vec<_>, Vec<_>) =
            graph.operands(id).into_iter().partition(|value| graph.node(value.node).weight().is_some());
        let weights = weights.iter().map(|value| format!("{} {}", graph.label(*value), graph.type_of(*value)));
        let cost = costs.get(&id).copied().unwrap_or_default();
        Some(json!({
            "name": node.name,
            "op": op,
            "attributes": attributes,
            "types": node.types.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "operands": operands.iter().map(|value| &graph.node(value.node).name).collect::<Vec<_>>(),
            "weights": weights.collect::<Vec<_>>(),
            "origin": node.origin,
            "parameters": cost.parameters,
            "macs": cost.macs,
        }))
    });
    let outputs =
        graph.outputs().iter().map(|(name, value)| json!({"name": name, "node": graph.node(value.node).name}));
    json!({"nodes": nodes.collect::<Vec<_>>(), "outputs": outputs.collect::<Vec<_>>()})
}

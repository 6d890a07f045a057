//! `convoke check`

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use convoke::graph::Value;
use convoke::{Graph, Parameters, Tensor, agreement};
use serde::Serialize;

use crate::Outcome;
use crate::model::Runnable;
use crate::npz::Arrays;

/// Compares a network's outputs with those that another engine gives.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    runnable: Runnable,
    /// Inputs and expected outputs, as arrays `in:NAME` and `out:NAME`.
    #[arg(long, value_name = "FILE")]
    npz: PathBuf,
    /// Values in between, as arrays named after nodes: where outputs differ, the first node that does is named.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// The largest difference, relative to the largest expected value, that counts as agreement.
    #[arg(long, default_value_t = 1e-4, value_name = "E")]
    tolerance: f32,
    /// Print an object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    network: String,
    tolerance: f32,
    agrees: bool,
    outputs: Vec<Agreement>,
    /// Nodes compared with the reference up to the first that differs, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<Agreement>>,
}

#[derive(Debug, Serialize)]
struct Agreement {
    name: String,
    /// The largest difference relative to the largest expected value; infinite, or `null`, where shapes differ.
    error: f32,
    agrees: bool,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let (graph, parameters) = self.runnable.read()?;
        let mut model = self.runnable.model(&graph, &parameters)?;
        let arrays = Arrays::read(&self.npz)?;
        let inputs = arrays.inputs(&graph)?;
        let expected = arrays.outputs(&graph)?;
        let names = graph.outputs().iter().map(|(name, _)| name.as_str());
        let outputs = self.compare(names.zip(model.run(&inputs)?).zip(expected));
        let agrees = outputs.iter().all(|output| output.agrees);
        let nodes = match &self.reference {
            Some(path) if !agrees => Some(self.locate(&graph, &parameters, &Arrays::read(path)?, &inputs)?),
            _ => None,
        };
        let report = Report { network: graph.name().to_owned(), tolerance: self.tolerance, agrees, outputs, nodes };
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            report.print(out)?;
        }
        if agrees { Ok(()) } else { Err(format!("the outputs differ by more than {:e}", self.tolerance).into()) }
    }

    fn compare<'a>(&self, pairs: impl Iterator<Item = ((&'a str, &'a Tensor), &'a Tensor)>) -> Vec<Agreement> {
        let agreement = |((name, found), expected): ((&str, &Tensor), &Tensor)| {
            let same = found.shape() == expected.shape();
            let error = if same { agreement::error(found.data(), expected.data()) } else { f32::INFINITY };
            Agreement { name: name.to_owned(), error, agrees: error <= self.tolerance }
        };
        pairs.map(agreement).collect()
    }

    /// Compares the nodes that the reference knows, until one differs. The code is that of the network with more
    /// outputs: where a fusion would have done away with a value, it is computed.
    fn locate(
        &self,
        graph: &Graph,
        parameters: &Parameters,
        reference: &Arrays,
        inputs: &[&Tensor],
    ) -> Result<Vec<Agreement>, Box<dyn Error>> {
        let known = graph.order().into_iter().filter(|id| graph.node(*id).op().is_some()).flat_map(|id| {
            let values = (0..).zip(&graph.node(id).types).map(move |(output, _)| Value { node: id, output });
            values.filter_map(|value| Some((graph.label(value), value, reference.find(&graph.label(value))?)))
        });
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            return Err(
                "no array of the reference bears the name of a node; `convoke build MODEL --emit ir` lists them".into(),
            );
        }
        let mut marked = graph.clone();
        for (name, value, _) in &known {
            marked.edit().output(format!("node {name}"), *value);
        }
        let mut model = self.runnable.model(&marked, parameters)?;
        let found = &model.run(inputs)?[graph.outputs().len()..];
        let names = known.iter().map(|(name, ..)| name.as_str());
        let mut nodes = self.compare(names.zip(found).zip(known.iter().map(|(.., expected)| *expected)));
        let first = nodes.iter().position(|node| !node.agrees);
        nodes.truncate(first.map_or(nodes.len(), |first| first + 1));
        Ok(nodes)
    }
}

impl Report {
    fn print(&self, out: &mut dyn Write) -> Outcome {
        for Agreement { name, error, agrees } in &self.outputs {
            writeln!(out, "{name:<24} {error:9.2e}  {}", if *agrees { "agrees" } else { "differs" })?;
        }
        match self.nodes.as_deref() {
            Some([before @ .., Agreement { name, error, agrees: false }]) => {
                writeln!(out, "first to differ: `{name}`, by {error:.2e}; {} nodes before it agree", before.len())?;
            }
            Some(nodes) => writeln!(out, "all {} nodes of the reference agree", nodes.len())?,
            None => {}
        }
        Ok(())
    }
}

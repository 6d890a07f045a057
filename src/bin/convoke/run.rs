//! `convoke run`

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use convoke::{Graph, Tensor};
use serde_json::{Map, Value, json};

use crate::model::Runnable;
use crate::npz::{self, Arrays};
use crate::{Outcome, picture};

/// Runs a network on an image or on arrays.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("input").required(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    runnable: Runnable,
    /// A jpg or png file for a network of one input 1 C H W, C 1 or 3; scaled to cover H W, the middle cut out.
    #[arg(long, value_name = "FILE", group = "input")]
    image: Option<PathBuf>,
    /// Arrays `in:NAME`.
    #[arg(long, value_name = "FILE", group = "input")]
    npz: Option<PathBuf>,
    /// Subtracted from pixels of 0 to 255, for all channels or for each; ImageNet's means unless given, 0 for grey.
    #[arg(long, value_delimiter = ',', value_name = "M", requires = "image")]
    mean: Vec<f32>,
    /// Then divides them; ImageNet's deviations unless given, 255 for grey.
    #[arg(long, value_delimiter = ',', value_name = "S", requires = "image")]
    scale: Vec<f32>,
    /// The names of classes, one a line.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How many of the largest elements of each output to show.
    #[arg(long, default_value_t = 5, value_name = "N")]
    top: usize,
    /// Where to write all outputs, as arrays `out:NAME`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print an object.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let (graph, parameters) = self.runnable.read()?;
        let mut model = self.runnable.model(&graph, &parameters)?;
        let labels = self.labels.as_deref().map(labels).transpose()?;
        let inputs = self.inputs(&graph)?;
        let outputs = model.run(&inputs.iter().collect::<Vec<_>>())?;
        let named = || graph.outputs().iter().map(|(name, _)| name).zip(outputs);
        if let Some(path) = &self.out {
            let tensors: Vec<_> = named().map(|(name, tensor)| (format!("out:{name}"), tensor)).collect();
            npz::write(path, &tensors)?;
        }
        let label = |index: usize| labels.as_ref().and_then(|labels| labels.get(index)).map(String::as_str);
        if self.json {
            let top = |tensor: &Tensor| -> Value {
                let top = tensor.top(self.top).into_iter();
                top.map(|(index, value)| json!({"index": index, "value": value, "label": label(index)})).collect()
            };
            let outputs: Map<String, Value> = named()
                .map(|(name, tensor)| (name.clone(), json!({"shape": tensor.shape(), "top": top(tensor)})))
                .collect();
            let report = json!({"network": graph.name(), "outputs": outputs});
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
            return Ok(());
        }
        for (name, tensor) in named() {
            writeln!(out, "{name} f32{:?}", tensor.shape())?;
            for (index, value) in tensor.top(self.top) {
                writeln!(out, "  {index:6} {value:12.6}  {}", label(index).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn inputs(&self, graph: &Graph) -> Result<Vec<Tensor>, Box<dyn Error>> {
        if let Some(path) = &self.npz {
            return Ok(Arrays::read(path)?.inputs(graph)?.into_iter().cloned().collect());
        }
        let path = self.image.as_deref().unwrap_or(Path::new(""));
        let [input] = graph.inputs() else {
            let count = graph.inputs().len();
            return Err(format!("--image: expected a network of one input, `{}` has {count}", graph.name()).into());
        };
        let shape = &graph.type_of((*input).into()).shape;
        Ok(vec![picture::read(path, shape, &self.mean, &self.scale)?])
    }
}

fn labels(path: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

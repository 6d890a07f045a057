//! A network with its parameters, ready to run.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use convoke::compiler::backend::jit;
use convoke::compiler::compile;
use convoke::synthetic::{self, Constants};
use convoke::{Graph, Model, Parameters, Tensor};

use crate::source::Source;

/// A network, its parameters, and what runs it.
#[derive(Debug, clap::Args)]
pub(crate) struct Runnable {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) weights: Weights,
    /// Threads of a run; 0 for as many as the machine allows.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// What makes the code.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) backend: Backend,
}

impl Backend {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Jit => "jit",
            Self::Rust => "rust",
        }
    }
}

/// Where parameters come from.
#[derive(Debug, clap::Args)]
pub(crate) struct Weights {
    /// Its parameters, in a file; unless given, those of the ONNX file, or synthetic ones.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

/// What makes the code of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Backend {
    /// Machine code, made now.
    #[default]
    Jit,
    /// Rust that was compiled into this command: networks of the zoo only.
    Rust,
}

impl Weights {
    /// The parameters of a network: those of the file, or those that came with it.
    pub(crate) fn parameters(&self, graph: &Graph, own: Option<Parameters>) -> Result<Parameters, Box<dyn Error>> {
        if let Some(path) = &self.weights {
            return Ok(Parameters::load(path)?);
        }
        Ok(own.unwrap_or_else(|| {
            let expected = graph.parameters();
            let expected = expected.iter().map(|(name, ty)| (name.as_str(), ty.shape.as_slice()));
            synthetic::parameters(expected, Constants::default())
        }))
    }
}

impl Runnable {
    /// The network's graph and parameters.
    pub(crate) fn read(&self) -> Result<(Graph, Parameters), Box<dyn Error>> {
        let (graph, own) = self.source.read()?;
        let parameters = self.weights.parameters(&graph, own)?;
        Ok((graph, parameters))
    }

    /// A graph, which is the network's or one made of it, ready to run.
    pub(crate) fn model(&self, graph: &Graph, parameters: &Parameters) -> Result<Model, Box<dyn Error>> {
        let network = match self.backend {
            Backend::Jit => {
                let mut target = self.source.target()?;
                if self.threads > 0 {
                    target.threads = u32::try_from(self.threads)?;
                }
                Arc::clone(jit::compile(&compile(graph, &target)?)?.network())
            }
            Backend::Rust if graph.is_exact() => {
                return Err("`--exact` is for code that is made now: use it with `--backend jit`".into());
            }
            Backend::Rust => {
                let entry = self.source.entry();
                let entry = entry.ok_or("only networks of the zoo are compiled into this command as Rust")?;
                Arc::new((entry.network)().clone())
            }
        };
        Ok(Model::new(network, parameters)?.threads(self.threads))
    }
}

/// Synthetic inputs of a network.
pub(crate) fn inputs(model: &Model) -> Vec<Tensor> {
    model.network().inputs.iter().map(|info| synthetic::input(&info.shape)).collect()
}

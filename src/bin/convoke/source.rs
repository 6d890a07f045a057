//! The network that a command is about, and the machine that it is for.

use std::error::Error;
use std::path::Path;

use clap::ValueEnum;
use convoke::compiler::lower::Target;
use convoke::compiler::onnx::{self, Binding, File, Imported, Missing};
use convoke::compiler::ops::{Attribute, Op};
use convoke::graph::Value;
use convoke::lang::{Errors, Module};
use convoke::runtime::Isa;
use convoke::runtime::kernels::ukernels;
use convoke::{Graph, Parameters, zoo};

/// A network and the machine that it is for.
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// The name of a network of the zoo, a file with a description, or an `.onnx` file.
    network: String,
    /// Which network of the file; not needed where there is one.
    #[arg(long)]
    name: Option<String>,
    /// The instruction set: scalar, neon, avx2 or avx512; this machine's unless given.
    #[arg(long)]
    isa: Option<Isa>,
    /// A constant of the network, `width=0.5`, or what an ONNX file leaves open: a dimension, `N=1`, or an input's
    /// shape, `image=1x3x224x224`. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Compute every sum of products as it is defined, not by Winograd's algorithm where that is faster.
    #[arg(long)]
    exact: bool,
    /// Compute what is cheap again for late uses, where the network then needs less memory.
    #[arg(long)]
    frugal: bool,
    /// Of the network, the one that also computes the gradient of its outputs by its inputs or by its parameters.
    #[arg(long, value_enum, value_name = "BY")]
    gradient: Option<By>,
}

/// What outputs are differentiated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Inputs,
    Parameters,
}

impl By {
    /// The network of the gradient.
    fn gradient(self, graph: &Graph) -> Result<Graph, Box<dyn Error>> {
        let outputs: Vec<Value> = graph.outputs().iter().map(|(_, output)| *output).collect();
        let by: Vec<Value> = match self {
            Self::Inputs => graph.inputs().iter().copied().map(Value::from).collect(),
            Self::Parameters => {
                let parameters = graph.parameters();
                let nodes = parameters.iter().filter_map(|(name, _)| graph.find(name)).map(Value::from);
                nodes.filter(|&parameter| !is_statistic(graph, parameter)).collect()
            }
        };
        Ok(graph.gradient(&outputs, &by)?)
    }
}

/// Whether a parameter is only the mean or the variance of batch normalisations, which training does not differentiate by.
fn is_statistic(graph: &Graph, parameter: Value) -> bool {
    let normalises = |node| matches!(graph.node(node).op(), Some(Op::BatchNorm(_)));
    graph.users(parameter).iter().all(|&(user, operand)| normalises(user) && operand >= 3)
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A whole number, a number, a truth value or a text.
fn constant(text: &str) -> Attribute {
    if let Ok(value) = text.parse() {
        Attribute::Int(value)
    } else if let Ok(value) = text.parse() {
        Attribute::Float(value)
    } else if let Ok(value) = text.parse() {
        Attribute::Bool(value)
    } else {
        Attribute::Text(text.to_owned())
    }
}

/// The dimension or the shape that each setting gives.
fn binding(settings: &[(String, String)]) -> Result<Binding, String> {
    settings.iter().try_fold(Binding::new(), |binding, (name, value)| {
        let sizes: Option<Vec<usize>> = value.split('x').map(|size| size.parse().ok()).collect();
        match sizes.as_deref() {
            Some(&[size]) => Ok(binding.size(name, size)),
            Some(shape) => Ok(binding.shape(name, shape)),
            None => Err(format!("{name}={value}: expected a size, `N=1`, or a shape, `image=1x3x224x224`")),
        }
    })
}

/// Sizes that are missing are given by settings here.
fn with_settings(error: onnx::Error) -> Box<dyn Error> {
    let onnx::Error::Unbound { model, missing } = error else { return error.into() };
    let mut message = format!("{model}: the model's inputs have sizes that must be given:");
    for each in missing {
        message += &match each {
            Missing::Size { name, input, dimension } => {
                format!("\n  `{name}`, dimension {dimension} of `{input}`: --set {name}=1")
            }
            Missing::Shape { input, known } => {
                let known = known.map_or(String::new(), |known| format!(", which is {known}"));
                format!("\n  the shape of `{input}`{known}: --set {input}=1x3x224x224")
            }
        };
    }
    message.into()
}

impl Source {
    /// The zoo's entry, if it is one as it stands there.
    pub(crate) fn entry(&self) -> Option<&'static zoo::Entry> {
        zoo::find(&self.network).ok().filter(|_| self.set.is_empty() && self.gradient.is_none())
    }

    /// Its graph.
    pub(crate) fn graph(&self) -> Result<Graph, Box<dyn Error>> {
        Ok(self.read()?.0)
    }

    /// Its graph, and the parameters that come with it.
    pub(crate) fn read(&self) -> Result<(Graph, Option<Parameters>), Box<dyn Error>> {
        let (graph, parameters) = self.described()?;
        let graph = if self.exact { graph.exact() } else { graph };
        let graph = if self.frugal { graph.frugal() } else { graph };
        let graph = match self.gradient {
            Some(by) => by.gradient(&graph)?,
            None => graph,
        };
        Ok((graph, parameters))
    }

    fn described(&self) -> Result<(Graph, Option<Parameters>), Box<dyn Error>> {
        let constants: Vec<_> = self.set.iter().map(|(name, value)| (name.as_str(), constant(value))).collect();
        let unknown = match zoo::find(&self.network) {
            Ok(entry) => return Ok((entry.graph_with(&constants)?, None)),
            Err(unknown) => unknown,
        };
        let path = Path::new(&self.network);
        if !path.exists() {
            return Err(format!("there is no file `{}`, and {unknown}", path.display()).into());
        }
        if path.extension().is_some_and(|extension| extension == "onnx") {
            let imported = File::open(path)?.import(&binding(&self.set)?);
            let Imported { graph, parameters } = imported.map_err(with_settings)?;
            return Ok((graph, Some(parameters)));
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
        Ok((module.graph_with(name, &constants).map_err(mistakes)?, None))
    }

    pub(crate) fn target(&self) -> Result<Target, Box<dyn Error>> {
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

//! The network that a command is about, and the machine that it is for.

use std::error::Error;
use std::path::Path;

use convoke::compiler::lower::Target;
use convoke::compiler::onnx::{Binding, File, Imported};
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
    /// What an ONNX file leaves open: a dimension, `N=1`, or an input's shape, `image=1x3x224x224`.
    #[arg(long, value_name = "NAME=SIZE", value_parser = open)]
    set: Vec<(String, Vec<usize>)>,
}

/// `N=1` or `image=1x3x224x224`.
fn open(text: &str) -> Result<(String, Vec<usize>), String> {
    let parsed = text.split_once('=').and_then(|(name, sizes)| {
        let sizes = sizes.split('x').map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>()?;
        Some((name.to_owned(), sizes))
    });
    parsed.ok_or_else(|| "expected a size, `N=1`, or a shape, `image=1x3x224x224`".to_owned())
}

impl Source {
    /// The zoo's entry, if it is one.
    pub(crate) fn entry(&self) -> Option<&'static zoo::Entry> {
        zoo::find(&self.network)
    }

    /// Its graph.
    pub(crate) fn graph(&self) -> Result<Graph, Box<dyn Error>> {
        Ok(self.read()?.0)
    }

    /// Its graph, and the parameters that come with it.
    pub(crate) fn read(&self) -> Result<(Graph, Option<Parameters>), Box<dyn Error>> {
        if let Some(entry) = self.entry() {
            return Ok((entry.graph()?, None));
        }
        let path = Path::new(&self.network);
        if !path.exists() {
            let message = format!("`{}` is neither a network of the zoo (`convoke zoo`) nor a file", self.network);
            return Err(message.into());
        }
        if path.extension().is_some_and(|extension| extension == "onnx") {
            let binding = self.set.iter().fold(Binding::new(), |binding, (name, sizes)| match sizes[..] {
                [size] => binding.size(name, size),
                _ => binding.shape(name, sizes.as_slice()),
            });
            let Imported { graph, parameters } = File::open(path)?.import(&binding)?;
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
        Ok((module.graph(name).map_err(mistakes)?, None))
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

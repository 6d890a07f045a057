//! A description after parsing: what is in it, and graphs of its networks.

use std::collections::HashMap;
use std::sync::Arc;

#[cfg(feature = "rust")]
use proc_macro2::TokenStream;

use super::ast::{Definition, Item, Network, Parameter};
#[cfg(feature = "rust")]
use super::error::Error;
use super::error::{Errors, Source};
use super::token::Tokens;
#[cfg(feature = "rust")]
use super::token::{Ends, Span};
use super::{check, eval, parse};
use crate::Graph;
use crate::ops::Attribute;

/// A description: networks, and the blocks, functions and constants that they are made of.
///
/// It is plain data: it may be kept in a `static` and shared between threads.
#[derive(Debug)]
pub struct Module {
    items: Vec<Item>,
    index: HashMap<String, usize>,
    source: Option<Arc<Source>>,
}

/// The tokens of a macro call, read.
#[cfg(feature = "rust")]
pub(crate) struct Read {
    /// What could be read.
    pub(crate) module: Module,
    /// What is wrong.
    pub(crate) errors: Vec<Error>,
    /// Whether all could be read, so that its networks may be built.
    pub(crate) readable: bool,
    /// The tokens' spans.
    pub(crate) spans: Vec<Ends>,
}

/// What is known of a network before it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo<'m> {
    /// Its name.
    pub name: &'m str,
    /// The lines of its doc comment.
    pub docs: &'m [String],
    /// `pub`, `pub(crate)`, … or nothing.
    pub visibility: &'m str,
    /// The constants that it takes, with defaults and those given by an instance left out: without them there is no
    /// graph of it.
    pub needs: Vec<&'m str>,
    /// All constants that it takes.
    pub constants: Vec<&'m str>,
}

impl Module {
    /// Reads a description.
    ///
    /// # Errors
    /// Every mistake of syntax; or every name that stands for nothing, and with those the mistakes of its networks.
    ///
    /// # Examples
    /// ```
    /// use convoke_compiler::lang::Module;
    ///
    /// let module = Module::parse(
    ///     "network Tiny(image: f32[1, 3, 8, 8]) -> scores {
    ///          image -> conv1: conv(4, kernel: 3, padding: 1) -> relu -> flatten -> fc: linear(10)
    ///      }",
    /// )?;
    /// assert_eq!(module.graph("Tiny")?.parameter_count(), 3 * 4 * 9 + 4 + 4 * 64 * 10 + 10);
    /// # Ok::<(), convoke_compiler::lang::Errors>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, Errors> {
        let module = Self::items_of(text)?;
        let errors = check::module(&module);
        if errors.is_empty() {
            return Ok(module);
        }
        let unknown = Errors::new(errors, module.source.clone());
        Err(Errors::join([Some(unknown.clone()), module.graphs().err()].into_iter().flatten()).unwrap_or(unknown))
    }

    /// Reads a description without a look at its names.
    pub(crate) fn items_of(text: &str) -> Result<Self, Errors> {
        let (tokens, places) = Tokens::read(text)?;
        let source = Source::new(text, places);
        let (items, errors) = parse::items(&tokens);
        if errors.is_empty() { Ok(Self::new(items, Some(source))) } else { Err(Errors::new(errors, Some(source))) }
    }

    /// Reads the tokens of a macro call.
    #[cfg(feature = "rust")]
    pub(crate) fn of_tokens(stream: TokenStream) -> Read {
        let (items, errors, spans) = match Tokens::new(stream) {
            Ok(tokens) => {
                let (items, errors) = parse::items(&tokens);
                (items, errors, tokens.spans)
            }
            Err((span, message)) => (Vec::new(), vec![Error::new(Span { first: 0, last: 0 }, message)], vec![span]),
        };
        let module = Self::new(items, None);
        // Where something could not be read, what would be said of the rest may not be true.
        let readable = errors.is_empty();
        let errors = if readable { check::module(&module) } else { errors };
        Read { module, errors, readable, spans }
    }

    fn new(items: Vec<Item>, source: Option<Arc<Source>>) -> Self {
        let index = items.iter().enumerate().rev().map(|(i, item)| (item.name().text.clone(), i)).collect();
        Self { items, index, source }
    }

    /// The networks, in the order of the text.
    #[must_use]
    pub fn networks(&self) -> Vec<NetworkInfo<'_>> {
        self.items
            .iter()
            .filter_map(|item| match item {
                Item::Network(network) => Some(self.info(network)),
                Item::Const(_) | Item::Function(_) | Item::Block(_) => None,
            })
            .collect()
    }

    /// Builds a network.
    ///
    /// # Errors
    /// Every mistake in it, or that there is no such network, with the nearest name.
    pub fn graph(&self, network: &str) -> Result<Graph, Errors> {
        self.graph_with(network, &[])
    }

    /// Builds every network that needs no constants.
    ///
    /// # Errors
    /// The mistakes in all of them.
    pub fn graphs(&self) -> Result<Vec<Graph>, Errors> {
        let (mut graphs, mut failed) = (Vec::new(), Vec::new());
        for network in self.networks().into_iter().filter(|network| network.needs.is_empty()) {
            match self.graph(network.name) {
                Ok(graph) => graphs.push(graph),
                Err(errors) => failed.push(errors),
            }
        }
        Errors::join(failed).map_or(Ok(graphs), Err)
    }

    /// Builds a network with some of its constants given: `[("width", 0.75.into())]`.
    ///
    /// # Errors
    /// As [`graph`](Self::graph); or a constant is unknown.
    pub fn graph_with(&self, network: &str, constants: &[(&str, Attribute)]) -> Result<Graph, Errors> {
        eval::network(self, network, constants).map_err(|errors| Errors::new(errors, self.source.clone()))
    }

    /// The text that it was read from; `None` for tokens of a macro call.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.source.as_deref()
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Item> {
        self.index.get(name).map(|index| &self.items[*index])
    }

    /// The network that is written out, at the end of a chain of instances; `None` where the chain leads to nothing or
    /// in a circle.
    pub(crate) fn written_out<'m>(&'m self, network: &'m Network) -> Option<&'m Network> {
        let mut at = network;
        for _ in 0..=self.items.len() {
            let Definition::Instance { base, .. } = &at.definition else { return Some(at) };
            let Some(Item::Network(next)) = self.find(&base.text) else { return None };
            at = next;
        }
        None
    }

    /// Whether a network, or one that it is an instance of, is marked `#[exact]`.
    pub(crate) fn is_exact(&self, network: &Network) -> bool {
        let mut at = network;
        for _ in 0..self.items.len() {
            let Definition::Instance { base, .. } = &at.definition else { break };
            let Some(Item::Network(next)) = self.find(&base.text).filter(|_| !at.exact) else { break };
            at = next;
        }
        at.exact
    }

    /// The constants of a network, for an instance those of the network that is written out.
    pub(crate) fn constants<'m>(&'m self, network: &'m Network) -> &'m [Parameter] {
        match self.written_out(network).map(|network| &network.definition) {
            Some(Definition::Body { constants, .. }) => constants,
            _ => &[],
        }
    }

    pub(crate) fn info<'m>(&'m self, network: &'m Network) -> NetworkInfo<'m> {
        let constants = self.constants(network);
        let mut given = Vec::new();
        let mut at = network;
        for _ in 0..self.items.len() {
            let Definition::Instance { base, arguments } = &at.definition else { break };
            given.extend(arguments.iter().filter_map(|argument| argument.name.as_ref()).map(|name| &name.text));
            let Some(Item::Network(next)) = self.find(&base.text) else { break };
            at = next;
        }
        let missing = |constant: &&Parameter| constant.default.is_none() && !given.contains(&&constant.name.text);
        NetworkInfo {
            name: &network.name.text,
            docs: &network.docs,
            visibility: &network.visibility,
            needs: constants.iter().filter(missing).map(|constant| constant.name.text.as_str()).collect(),
            constants: constants.iter().map(|constant| constant.name.text.as_str()).collect(),
        }
    }
}

//! What the macro makes of a description: for each network that needs no constants a type, and for each mistake a
//! `compile_error!` at its tokens.

mod code;
#[cfg(feature = "onnx")]
mod onnx;
mod source;
mod types;

#[cfg(feature = "onnx")]
pub use onnx::{build_onnx, include_onnx};

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::Module;
use super::ast::{Item, Network};
use super::error::Error;
use super::module::Read;
use super::token::Ends;
use crate::Graph;

/// How generated code refers to what is around it.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The path of the runtime.
    pub runtime: TokenStream,
}

impl Default for Paths {
    fn default() -> Self {
        Self { runtime: quote!(::convoke::runtime) }
    }
}

/// The items that `cnn! { input }` becomes. A mistake does not keep types from being made, so that editors know them.
#[must_use]
pub fn cnn(input: TokenStream, paths: &Paths) -> TokenStream {
    let text = source::text(&input);
    let Read { module, mut errors, readable, spans } = Module::of_tokens(input);
    let mut items = TokenStream::new();
    for item in module.items() {
        let Item::Network(network) = item else { continue };
        let info = module.info(network);
        if !info.needs.is_empty() {
            continue;
        }
        let Some(base) = module.written_out(network) else { continue };
        let emitted = if readable {
            let built = module.graph(info.name).map_err(|errors| errors.list().to_vec());
            built.and_then(|graph| emit(graph, network, paths))
        } else {
            Err(Vec::new())
        };
        let name = identifier(&network.name.text, spans[network.name.span.first as usize].0);
        items.extend(types::network(network, base, &name, emitted.as_ref().ok(), &text, paths));
        errors.extend(emitted.err().into_iter().flatten());
    }
    let errors = if errors.is_empty() { None } else { Some(compile_errors(errors, &spans)) };
    quote!(#errors #items)
}

/// A network that compiled.
struct Emitted {
    graph: Graph,
    /// The body of a module with `fn network() -> Network`.
    code: TokenStream,
}

fn emit(graph: Graph, network: &Network, paths: &Paths) -> Result<Emitted, Vec<Error>> {
    match code::lower_and_emit(&graph, paths) {
        Ok(code) => Ok(Emitted { graph, code }),
        Err(message) => {
            let message = format!("network `{}` cannot be compiled: {message}", network.name.text);
            Err(vec![Error::new(network.name.span, message)])
        }
    }
}

/// Every error at its tokens; of several at the same tokens the first.
fn compile_errors(errors: Vec<Error>, spans: &[Ends]) -> TokenStream {
    let errors = super::Errors::new(errors, None);
    let all = errors.list().iter().map(|error| {
        // An error of syn reaches from the first of its tokens to the last.
        let (first, _) = spans[error.span.first as usize];
        let (_, last) = spans[error.span.last as usize];
        let (first, last) = (Ident::new("first", first), Ident::new("last", last));
        syn::Error::new_spanned(quote!(#first #last), error)
    });
    let combined = all.reduce(|mut all, next| {
        all.combine(next);
        all
    });
    combined.map_or_else(TokenStream::new, |error| error.to_compile_error())
}

/// `text` as an identifier of Rust, raw where it is one of its keywords.
fn identifier(text: &str, span: proc_macro2::Span) -> Ident {
    match text {
        "self" | "Self" | "super" | "crate" => Ident::new(&format!("{text}_"), span),
        _ if syn::parse_str::<Ident>(text).is_ok() => Ident::new(text, span),
        _ if syn::parse_str::<Ident>(&format!("r#{text}")).is_ok() => Ident::new_raw(text, span),
        // Names of other formats.
        _ => {
            let spelled = text.chars().map(|char| if char.is_alphanumeric() { char } else { '_' }).collect::<String>();
            let digit = text.starts_with(|char: char| char.is_numeric());
            Ident::new(&if digit { format!("_{spelled}") } else { spelled }, span)
        }
    }
}

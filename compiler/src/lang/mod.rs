//! The language of `cnn!`: networks as text.
//!
//! ```text
//! tokens (of a macro call or a text) ─► parse: items ─► check: names ─► eval: Graph
//! ```
//!
//! `docs/language.md` describes the language. [`Module::parse`] reads a text, [`Module::graph`] builds a network of it;
//! `expand` does the same for the tokens of the macro and adds the Rust code.

mod ast;
mod check;
mod error;
mod eval;
#[cfg(feature = "rust")]
pub mod expand;
mod limits;
mod module;
mod parse;
mod prelude;
mod render;
mod token;

#[cfg(test)]
mod tests;

pub use error::{Error, Errors, Source};
pub use module::{Module, NetworkInfo};
pub use token::Span;

//! Rust source, through quote.
//!
//! A program becomes one module: an `unsafe extern "C" fn` for each function of the program, with real loops and the
//! vocabulary of [`convoke_runtime::lanes`], and static tables for everything else, so that neither weights nor copies
//! of code reach the Rust compiler. Programs for several instruction sets stand side by side; `network()` picks.

mod function;
mod tables;

use convoke_runtime::Isa;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::lir::{Faults, Program, verify};

/// How generated Rust refers to what is around it.
#[derive(Clone, Debug)]
pub struct RustOptions {
    /// The path of the runtime crate.
    pub runtime_path: TokenStream,
}

impl Default for RustOptions {
    fn default() -> Self {
        Self { runtime_path: quote!(::convoke_runtime) }
    }
}

/// Why programs could not become Rust.
#[derive(Debug, thiserror::Error)]
pub enum RustError {
    /// A program has faults.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// Nothing would be left for a machine without vectors.
    #[error("Rust source for `{program}`: expected a program for `scalar` to fall back on, found {found}")]
    NoFallback {
        /// The program.
        program: String,
        /// The instruction sets of the programs there are.
        found: String,
    },
    /// Two programs for the same instruction set.
    #[error("Rust source for `{program}`: two programs for {isa}, expected one for each instruction set")]
    Twice {
        /// The program.
        program: String,
        /// The instruction set.
        isa: Isa,
    },
}

/// `program`, having verified it, as the body of a module that has `pub fn network() -> Network`.
///
/// # Errors
/// If the program has faults.
pub fn emit(program: &Program, options: &RustOptions) -> Result<TokenStream, RustError> {
    let name = format_ident!("{}", program.isa.name());
    let (module, choice) = (module(program, options)?, choice(options, &quote!(#name::network())));
    Ok(quote! { #module #choice })
}

/// The same network for several instruction sets, as the body of a module with `pub fn network() -> Network` that
/// chooses by [`Isa::detect`]. Verifies the programs.
///
/// # Errors
/// If a program has faults, if there is none for [`Isa::Scalar`], or more than one for one instruction set.
pub fn emit_all(programs: &[Program], options: &RustOptions) -> Result<TokenStream, RustError> {
    let mut programs: Vec<_> = programs.iter().collect();
    programs.sort_by_key(|program| program.isa);
    if let Some([a, _]) = programs.array_windows().find(|[a, b]| a.isa == b.isa) {
        return Err(RustError::Twice { program: a.name.clone(), isa: a.isa });
    }
    let [fallback, others @ ..] = &programs[..] else {
        return Err(RustError::NoFallback { program: String::new(), found: "none".to_owned() });
    };
    if fallback.isa != Isa::Scalar {
        let found: Vec<_> = programs.iter().map(|program| program.isa.name()).collect();
        return Err(RustError::NoFallback { program: fallback.name.clone(), found: found.join(", ") });
    }
    let mut modules = TokenStream::new();
    for program in &programs {
        modules.extend(condition(program.isa));
        modules.extend(module(program, options)?);
    }
    let choices = others.iter().rev().map(|program| {
        let (condition, name) = (condition(program.isa), format_ident!("{}", program.isa.name()));
        let variant = tables::isa(program.isa);
        quote! { #condition if isa >= Isa::#variant { return #name::network(); } }
    });
    let choice = choice(
        options,
        &quote! {
            let isa = Isa::detect();
            #(#choices)*
            scalar::network()
        },
    );
    Ok(quote! { #modules #choice })
}

/// The function that chooses a program.
fn choice(options: &RustOptions, body: &TokenStream) -> TokenStream {
    let runtime = &options.runtime_path;
    quote! {
        /// The network, compiled for an instruction set of this machine.
        #[allow(clippy::all, clippy::pedantic, clippy::restriction, unreachable_pub, unused)]
        #[must_use]
        pub fn network() -> #runtime::Network {
            use #runtime::Isa;
            #body
        }
    }
}

/// Generated tokens as formatted source text.
///
/// # Panics
/// If `tokens` are not items of Rust; what this module generates is.
#[must_use]
pub fn source(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).expect("generated code is a list of items"))
}

/// The module of one program: its functions rely on what the verifier proves.
fn module(program: &Program, options: &RustOptions) -> Result<TokenStream, Faults> {
    verify(program)?;
    let runtime = &options.runtime_path;
    let name = format_ident!("{}", program.isa.name());
    let doc = format!(
        " `{}` for {}. Convoke's verifier proved that every access of these functions lies in a buffer of the step, \
         and that threads write different elements.",
        program.name, program.isa
    );
    let functions = program.functions.iter().map(|code| function::emit(code, program.isa));
    let tables = tables::emit(program);
    Ok(quote! {
        #[doc = #doc]
        #[allow(clippy::all, clippy::pedantic, clippy::restriction, non_snake_case, unused)]
        mod #name {
            use #runtime as rt;
            use rt::{activation, kernels, lanes};
            use rt::network::{Arg, Network, NetworkParts, Space, Step, ValueInfo, WeightBuffer};
            use rt::weights::WeightOp;
            use ::std::borrow::Cow::Borrowed;

            #(#functions)*
            #tables
        }
    })
}

/// The attribute that leaves out code for machines of another architecture.
fn condition(isa: Isa) -> TokenStream {
    match isa {
        Isa::Scalar => quote!(),
        Isa::Neon => quote!(#[cfg(target_arch = "aarch64")]),
        Isa::Avx2 | Isa::Avx512 => quote!(#[cfg(target_arch = "x86_64")]),
    }
}

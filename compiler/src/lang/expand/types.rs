//! The type of a network.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use super::{Emitted, Paths, identifier};
use crate::TensorType;
use crate::lang::ast::{Definition, Network};

/// What the type tells of a tensor: its name, and its type where the network could be built.
struct Port {
    name: String,
    ty: Option<TensorType>,
}

/// A type that runs a network.
pub(super) struct Type<'a> {
    /// Its name, visibility and documentation.
    name: &'a Ident,
    visibility: TokenStream,
    docs: &'a [String],
    /// The network's name.
    network: &'a str,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Missing after a mistake: then the type is there for editors, with constants that mean nothing.
    emitted: Option<&'a Emitted>,
    /// The macro that makes it.
    maker: &'static str,
    /// Constants and functions that only types of this macro have.
    own: TokenStream,
}

/// The type of `network`, whose body is that of `base`; `emitted` is missing after a mistake.
pub(super) fn network(
    network: &Network,
    base: &Network,
    name: &Ident,
    emitted: Option<&Emitted>,
    text: &str,
    paths: &Paths,
) -> TokenStream {
    let Definition::Body { inputs, outputs, .. } = &base.definition else { return TokenStream::new() };
    let graph = emitted.map(|emitted| &emitted.graph);
    let input = |(i, name): (usize, String)| {
        let ty = graph.map(|graph| graph.type_of(graph.inputs()[i].into()).clone());
        Port { name, ty }
    };
    let output = |(i, name): (usize, String)| {
        let ty = graph.map(|graph| graph.type_of(graph.outputs()[i].1).clone());
        Port { name, ty }
    };
    let own = quote! {
        /// The description that this type was made of, for reading it at run time.
        pub const SOURCE: &'static str = #text;
    };
    let ty = Type {
        name,
        visibility: network.visibility.parse().unwrap_or_default(),
        docs: &network.docs,
        network: &network.name.text,
        inputs: inputs.iter().map(|input| input.name.text.clone()).enumerate().map(input).collect(),
        outputs: outputs.iter().map(|output| output.text.clone()).enumerate().map(output).collect(),
        emitted,
        maker: "cnn!",
        own,
    };
    ty.tokens(paths)
}

#[cfg(feature = "onnx")]
impl<'a> Type<'a> {
    /// The type of an imported network, with the names of its inputs and outputs as Rust spells them.
    pub(super) fn imported(
        name: &'a Ident,
        visibility: TokenStream,
        docs: &'a [String],
        emitted: &'a Emitted,
        own: TokenStream,
    ) -> Self {
        let graph = &emitted.graph;
        let port = |name: &str, ty: &TensorType| Port { name: name.to_owned(), ty: Some(ty.clone()) };
        let inputs = graph.inputs().iter().map(|&id| port(&graph.node(id).name, graph.type_of(id.into()))).collect();
        let outputs = graph.outputs().iter().map(|(name, value)| port(name, graph.type_of(*value))).collect();
        let (network, emitted) = (graph.name(), Some(emitted));
        Self { name, visibility, docs, network, inputs, outputs, emitted, maker: "include_onnx!", own }
    }
}

impl Type<'_> {
    pub(super) fn tokens(&self, paths: &Paths) -> TokenStream {
        let Self { name, visibility, emitted, inputs, outputs, own, .. } = self;
        let docs = self.docs.iter().map(|line| quote!(#[doc = #line]));
        let summary = self.summary();
        let constants = constants(self.network, *emitted, inputs, outputs);
        let runs = runs(name, inputs, outputs, visibility, paths);
        let (outputs_type, run) = (runs.outputs_type, runs.functions);
        let rt = &paths.runtime;
        let code = match emitted {
            Some(emitted) => {
                let code = &emitted.code;
                quote! { mod code { #code } }
            }
            None => quote! {
                mod code {
                    pub fn network() -> #rt::Network {
                        ::core::unreachable!("a network with mistakes does not compile")
                    }
                }
            },
        };
        let lints = quote! {
            #[allow(dead_code, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        };
        quote! {
            #(#docs)*
            #summary
            #lints
            #[derive(Debug)]
            #visibility struct #name {
                model: #rt::Model,
            }

            #outputs_type

            #lints
            const _: () = {
                #code

                static NETWORK: ::std::sync::LazyLock<::std::sync::Arc<#rt::Network>> =
                    ::std::sync::LazyLock::new(|| ::std::sync::Arc::new(code::network()));

                impl #name {
                    #constants
                    #own

                    /// The compiled network, without weights.
                    #[must_use]
                    pub fn network() -> &'static #rt::Network {
                        &NETWORK
                    }

                    /// Loads the parameters from a file, safetensors or PyTorch's, and prepares them.
                    ///
                    /// # Errors
                    /// Where the file cannot be read; or parameters are missing, superfluous or of another shape: then the
                    /// error names them all.
                    pub fn load(path: impl ::core::convert::AsRef<::std::path::Path>) -> ::core::result::Result<Self, #rt::LoadError> {
                        let model = #rt::Model::load(::std::sync::Arc::clone(&NETWORK), path)?;
                        ::core::result::Result::Ok(Self { model })
                    }

                    /// Loads the parameters from the content of such a file, and prepares them.
                    ///
                    /// # Errors
                    /// As `load`.
                    pub fn from_bytes(bytes: &[u8]) -> ::core::result::Result<Self, #rt::LoadError> {
                        let model = #rt::Model::from_bytes(::std::sync::Arc::clone(&NETWORK), bytes)?;
                        ::core::result::Result::Ok(Self { model })
                    }

                    /// Takes and prepares these parameters.
                    ///
                    /// # Errors
                    /// Where parameters are missing, superfluous or of another shape: the error names them all.
                    pub fn from_parameters(parameters: &#rt::Parameters) -> ::core::result::Result<Self, #rt::LoadError> {
                        let model = #rt::Model::new(::std::sync::Arc::clone(&NETWORK), parameters)?;
                        ::core::result::Result::Ok(Self { model })
                    }

                    /// The same, running on this many threads; 0 means as many as the process is allowed to use.
                    #[must_use]
                    pub fn threads(self, threads: usize) -> Self {
                        Self { model: self.model.threads(threads) }
                    }

                    /// Another instance that shares the prepared weights, to run at the same time on another thread.
                    #[must_use]
                    pub fn fork(&self) -> Self {
                        Self { model: self.model.fork() }
                    }

                    /// What runs it.
                    #[must_use]
                    pub const fn model(&self) -> &#rt::Model {
                        &self.model
                    }

                    #run
                }
            };
        }
    }

    /// What the documentation says after the network's own words.
    fn summary(&self) -> Option<TokenStream> {
        let graph = &self.emitted?.graph;
        let list = |ports: &[Port]| {
            let ports = ports.iter().map(|port| match &port.ty {
                Some(ty) => format!("`{}: {ty}`", port.name),
                None => format!("`{}`", port.name),
            });
            ports.collect::<Vec<_>>().join(", ")
        };
        let line = format!(
            " {} → {}; {} parameters, {} multiply-accumulates (1 MAC = 2 FLOP). Made by `{}`.",
            list(&self.inputs),
            list(&self.outputs),
            grouped(graph.trainable_count()),
            grouped(graph.macs()),
            self.maker,
        );
        Some(quote!(#[doc = ""] #[doc = #line]))
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

fn constants(name: &str, emitted: Option<&Emitted>, inputs: &[Port], outputs: &[Port]) -> TokenStream {
    let shape = |port: &Port| port.ty.as_ref().map_or_else(Vec::new, |ty| ty.shape.clone());
    let list = |ports: &[Port]| {
        let (names, shapes) = (
            ports.iter().map(|port| &port.name),
            ports.iter().map(|port| {
                let shape = shape(port);
                quote!(&[#(#shape),*])
            }),
        );
        quote!(&[#((#names, #shapes)),*])
    };
    let (input_list, output_list) = (list(inputs), list(outputs));
    let single = |ports: &[Port], constant: &str, what: &str| {
        let [port] = ports else { return None };
        let (constant, shape) = (format_ident!("{constant}"), shape(port));
        let rank = shape.len();
        let doc = format!("The shape of the {what}, `{}`.", port.name);
        Some(quote! { #[doc = #doc] pub const #constant: [usize; #rank] = [#(#shape),*]; })
    };
    let input_shape = single(inputs, "INPUT_SHAPE", "input");
    let output_shape = single(outputs, "OUTPUT_SHAPE", "output");
    let graph = emitted.map(|emitted| &emitted.graph);
    let parameters = graph.map_or_else(Vec::new, |graph| graph.parameters());
    let parameters = parameters.iter().map(|(name, ty)| {
        let shape = &ty.shape;
        quote!((#name, &[#(#shape),*]))
    });
    let (count, macs) = graph.map_or((0, 0), |graph| (graph.trainable_count(), graph.macs()));
    quote! {
        /// The network's name.
        pub const NAME: &'static str = #name;
        /// The inputs in order, name and shape.
        pub const INPUTS: &'static [(&'static str, &'static [usize])] = #input_list;
        /// The outputs in order, name and shape.
        pub const OUTPUTS: &'static [(&'static str, &'static [usize])] = #output_list;
        #input_shape
        #output_shape
        /// The parameters in the order of their use, name and shape, as in PyTorch's `state_dict`.
        pub const PARAMETERS: &'static [(&'static str, &'static [usize])] = &[#(#parameters),*];
        /// The numbers that are trained: all parameters but BatchNorm's running statistics.
        pub const PARAMETER_COUNT: u64 = #count;
        /// Multiply-accumulates of convolutions and linear layers in one run; 1 MAC = 2 FLOP.
        pub const MACS: u64 = #macs;
    }
}

/// What runs a network.
struct Runs {
    /// The struct of several outputs.
    outputs_type: Option<TokenStream>,
    functions: TokenStream,
}

fn runs(name: &Ident, inputs: &[Port], outputs: &[Port], visibility: &TokenStream, paths: &Paths) -> Runs {
    let rt = &paths.runtime;
    let arguments: Vec<Ident> = inputs.iter().map(|input| identifier(&input.name, Span::call_site())).collect();
    let many = outputs.len() > 1;
    let (outputs_type, returned, result) = if many {
        let type_name = format_ident!("{name}Outputs", span = name.span());
        let fields: Vec<Ident> = outputs.iter().map(|output| identifier(&output.name, Span::call_site())).collect();
        let field_docs = outputs.iter().map(described);
        let indices = 0..outputs.len();
        let doc = format!("The outputs of [`{name}`]; they hold until the next run.");
        let outputs_type = quote! {
            #[doc = #doc]
            #[allow(dead_code, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
            #[derive(Clone, Copy, Debug)]
            #visibility struct #type_name<'a> {
                #(#[doc = #field_docs] pub #fields: &'a #rt::Tensor),*
            }
        };
        (Some(outputs_type), quote!(#type_name<'_>), quote!(#type_name { #(#fields: &outputs[#indices]),* }))
    } else {
        (None, quote!(&#rt::Tensor), quote!(&outputs[0]))
    };
    let what = inputs.iter().map(described).collect::<Vec<_>>().join(", ");
    let run_doc = format!("Runs the network. Takes {what}; what it returns holds until the next run.");
    let gives = outputs.iter().map(described).collect::<Vec<_>>().join(", ");
    let gives_doc = format!("Returns {gives}.");
    let functions = quote! {
        #[doc = #run_doc]
        #[doc = ""]
        #[doc = #gives_doc]
        ///
        /// # Errors
        /// Where an input has another shape.
        pub fn run(&mut self, #(#arguments: &#rt::Tensor),*) -> ::core::result::Result<#returned, #rt::RunError> {
            let outputs = self.model.run(&[#(#arguments),*])?;
            ::core::result::Result::Ok(#result)
        }

        /// Runs the network once and tells what each step took.
        ///
        /// # Errors
        /// As `run`.
        pub fn profile(
            &mut self,
            #(#arguments: &#rt::Tensor),*
        ) -> ::core::result::Result<::std::vec::Vec<#rt::StepTime<'_>>, #rt::RunError> {
            self.model.profile(&[#(#arguments),*])
        }
    };
    Runs { outputs_type, functions }
}

/// `` `image` (f32[1, 3, 224, 224])``
fn described(port: &Port) -> String {
    match &port.ty {
        Some(ty) => format!("`{}` ({ty})", port.name),
        None => format!("`{}`", port.name),
    }
}

//! ONNX models as types, for the macro `include_onnx!` and for build scripts.
//!
//! A type of `cnn!` whose graph comes from a file, and its parameters with it: they are written to a safetensors file,
//! aligned, which the program includes, and from which weights are prepared without a copy. So they never become tokens.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, LitInt, LitStr, Token, Visibility, bracketed};

use super::types::Type;
use super::{Emitted, Paths, code};
use crate::onnx::{Binding, File, Imported};

/// What `include_onnx! { input }` becomes: a type, or a `compile_error!` at the tokens to blame.
#[must_use]
pub fn include_onnx(input: TokenStream, paths: &Paths) -> TokenStream {
    let include = syn::parse2::<Include>(input);
    let expanded = include.and_then(|include| {
        // Cargo names the folder of the crate; relative paths are its own.
        let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
        let model = folder.join(include.path.value());
        include.model.expand(&model, &place(), paths).map_err(|message| syn::Error::new(include.path.span(), message))
    });
    expanded.unwrap_or_else(|error| error.to_compile_error())
}

/// For build scripts: writes the type of the ONNX model `path` to `OUT_DIR/NAME.rs`, which the crate includes, and its
/// parameters beside it; says that the script runs again when the model changes. `binding` says what the file leaves open.
///
/// # Errors
/// Every node that is not supported, every size that is missing; or a file that cannot be read or written.
pub fn build_onnx(name: &str, path: impl AsRef<Path>, binding: Binding) -> Result<(), String> {
    let path = path.as_ref();
    println!("cargo::rerun-if-changed={}", path.display());
    let ident = syn::parse_str(name).map_err(|_| format!("`{name}` is no name of a type"))?;
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: this is for build scripts")?);
    let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let model = Model { docs: Vec::new(), visibility: quote!(pub), name: ident, binding };
    let items = model.expand(&path, &folder, &Paths::default())?;
    let file = folder.join(name).with_extension("rs");
    fs::write(&file, crate::backend::rust::source(items)).map_err(|error| format!("{}: {error}", file.display()))
}

/// `/// Docs. pub Name = "model.onnx", batch = 1, image = [1, 3, 224, 224]`
struct Include {
    path: LitStr,
    model: Model,
}

/// The type that is asked for.
struct Model {
    docs: Vec<String>,
    visibility: TokenStream,
    name: Ident,
    binding: Binding,
}

impl Parse for Include {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let docs = Attribute::parse_outer(input)?.iter().map(documentation).collect::<syn::Result<_>>()?;
        let visibility: Visibility = input.parse()?;
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        let path = input.parse()?;
        let mut binding = Binding::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            // Names of ONNX that Rust has not are texts.
            let what =
                if input.peek(LitStr) { input.parse::<LitStr>()?.value() } else { input.parse::<Ident>()?.to_string() };
            input.parse::<Token![=]>()?;
            binding = if input.peek(syn::token::Bracket) {
                let sizes;
                bracketed!(sizes in input);
                let sizes = sizes.parse_terminated(LitInt::parse, Token![,])?;
                let shape = sizes.iter().map(LitInt::base10_parse).collect::<syn::Result<Vec<usize>>>()?;
                binding.shape(what, shape)
            } else {
                binding.size(what, input.parse::<LitInt>()?.base10_parse()?)
            };
        }
        Ok(Self { path, model: Model { docs, visibility: quote!(#visibility), name, binding } })
    }
}

/// The text of a doc comment.
fn documentation(attribute: &Attribute) -> syn::Result<String> {
    if let syn::Meta::NameValue(pair) = &attribute.meta
        && pair.path.is_ident("doc")
        && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value
    {
        return Ok(text.value());
    }
    Err(syn::Error::new_spanned(attribute, "expected documentation, `/// …`: other attributes have no meaning here"))
}

impl Model {
    /// The type of the model in a file, its parameters in a file in `folder`.
    fn expand(&self, path: &Path, folder: &Path, paths: &Paths) -> Result<TokenStream, String> {
        let imported = File::open(path).and_then(|file| file.import(&self.binding));
        let Imported { graph, parameters } = imported.map_err(|error| error.to_string())?;
        let weights = folder.join(format!("{}-{:016x}.safetensors", self.name, self.hash(path)));
        parameters.save(&weights).map_err(|error| error.to_string())?;
        date(path, &weights).map_err(|error| format!("{}: {error}", weights.display()))?;
        let [model, weights] = [path, &weights].map(|path| path.to_str().ok_or("a path is not UTF-8"));
        let (model, weights) = (model?, weights?);
        let code = code::lower_and_emit(&graph, paths)?;
        let emitted = Emitted { graph, code };
        let rt = &paths.runtime;
        let own = quote! {
            /// The model with the parameters of its file, which are part of the program.
            ///
            /// # Errors
            /// Where this processor cannot run it.
            pub fn new() -> ::core::result::Result<Self, #rt::LoadError> {
                static PARAMETERS: &#rt::Aligned<[u8]> = &#rt::Aligned(*::core::include_bytes!(#weights));
                Self::from_parameters(&#rt::Parameters::from_static(&PARAMETERS.0)?)
            }
        };
        let ty = Type::imported(&self.name, self.visibility.clone(), &self.docs, &emitted, own).tokens(paths);
        // Cargo builds the crate again when a file changes that the compiler has read.
        Ok(quote! { #ty const _: &[u8] = ::core::include_bytes!(#model); })
    }

    /// Tells apart the types of one name: of several crates, or of other sizes.
    fn hash(&self, path: &Path) -> u64 {
        let mut hasher = DefaultHasher::new();
        (path, format!("{:?}", self.binding)).hash(&mut hasher);
        hasher.finish()
    }
}

/// Gives a file that is made of `model` its date: a file that is newer than the build would be built again.
fn date(model: &Path, made: &Path) -> std::io::Result<()> {
    let modified = fs::metadata(model)?.modified()?;
    fs::File::options().append(true).open(made)?.set_modified(modified)
}

/// Where the macro may write: the crate's `OUT_DIR`, where it has a build script; else where the compiler writes the
/// crate. An editor that expands macros has neither.
fn place() -> PathBuf {
    let written = || env::args_os().skip_while(|argument| argument != "--out-dir").nth(1);
    let folder = env::var_os("OUT_DIR").or_else(written).map_or_else(env::temp_dir, PathBuf::from);
    // The compiler may be told a relative one, but `include_bytes!` counts from the source file.
    std::path::absolute(&folder).unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::{Paths, include_onnx};

    #[test]
    fn what_cannot_be_included_is_said() {
        for (asked, said) in [
            ("pub Net = \"missing.onnx\"", "missing.onnx"),
            ("pub Net = \"unsupported.onnx\"", "NoSuch `strange` (opset 17)"),
            ("pub Net = \"small.onnx\"", "`batch`, dimension 0 of `image`"),
            ("pub Net = \"small.onnx\", heads = 1", "no input has a dimension `heads`"),
            ("#[inline] pub Net = \"small.onnx\"", "expected documentation"),
        ] {
            let asked = asked.replace(" \"", concat!(" \"", env!("CARGO_MANIFEST_DIR"), "/../tests/data/"));
            let result = include_onnx(asked.parse().expect("tokens"), &Paths::default()).to_string();
            assert!(result.contains("compile_error") && result.contains(said), "{asked}: {result}");
        }
    }
}

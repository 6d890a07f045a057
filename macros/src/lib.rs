//! The macros of Convoke. They only forward to the compiler; use them through the crate `convoke`.

#![deny(unsafe_code)]

/// Compiles the networks of a description to Rust.
///
/// A description is a list of items: networks, and the blocks, functions and constants that they are made of;
/// `docs/language.md` describes the language.
///
/// ```ignore
/// convoke::cnn! {
///     /// LeNet-5 (LeCun et al. 1998).
///     pub network LeNet5(image: f32[1, 1, 32, 32]) -> logits {
///         image
///             -> conv1: conv(6, kernel: 5) -> tanh -> avg_pool(2)
///             -> conv2: conv(16, kernel: 5) -> tanh -> avg_pool(2)
///             -> conv3: conv(120, kernel: 5) -> tanh -> flatten
///             -> fc1: linear(84) -> tanh
///             -> fc2: linear(10)
///     }
/// }
///
/// let mut network = LeNet5::load("lenet5.safetensors")?;
/// let logits = network.run(&image)?;
/// ```
///
/// Each network that needs no constants becomes a type of its name, with:
///
/// - constants: `NAME`, `INPUTS`, `OUTPUTS` and `PARAMETERS` (names and shapes), `INPUT_SHAPE` and `OUTPUT_SHAPE`
///   where there is one, `PARAMETER_COUNT`, `MACS`, and `SOURCE`, the text of the description;
/// - `load`, `from_bytes` and `from_parameters`, which take the weights, and name all that do not fit;
/// - `run`, which takes a tensor for each input and returns a reference to the output, or, where there are several, a
///   struct of them called `…Outputs`;
/// - `threads`, `fork`, `profile`, `model` and `network`.
///
/// Generated code refers to `::convoke::runtime`.
#[proc_macro]
pub fn cnn(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    convoke_compiler::lang::expand::cnn(input.into(), &Default::default()).into()
}

/// Compiles an ONNX model to Rust, with its parameters as part of the program.
///
/// The file's path is relative to the crate's `Cargo.toml`. After it may stand what the file leaves open: sizes of
/// dimensions, and shapes of inputs; names that are no names of Rust are texts.
///
/// ```ignore
/// convoke::include_onnx! {
///     /// Names what is on a photo.
///     pub MobileNet = "models/mobilenet.onnx", batch = 1, "input.1" = [1, 3, 224, 224]
/// }
///
/// let mut network = MobileNet::new()?;
/// let logits = network.run(&image)?;
/// ```
///
/// The type is one of [`cnn!`]'s, without `SOURCE` and with `new`. The crate is built again when the file changes.
#[cfg(feature = "onnx")]
#[proc_macro]
pub fn include_onnx(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    convoke_compiler::lang::expand::include_onnx(input.into(), &Default::default()).into()
}

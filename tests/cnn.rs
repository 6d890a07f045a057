//! What `cnn!` makes.
#![warn(missing_docs, missing_debug_implementations, unused, clippy::all, clippy::pedantic)]

use convoke::runtime::{LoadError, Parameters, Tensor};

convoke::cnn! {
    block basic(x, width, stride = 1) {
        let main = x
            -> conv1: conv(width, kernel: 3, stride: stride, padding: 1, bias: false) -> bn1: batch_norm -> relu
            -> conv2: conv(width, kernel: 3, padding: 1, bias: false) -> bn2: batch_norm;
        let skip = x -> if stride != 1 || x.channels != width {
            // torchvision's names
            downsample: { 0: conv(width, kernel: 1, stride: stride, bias: false) -> 1: batch_norm }
        };
        main + skip -> relu
    }

    /// Two outputs, "quoted".
    network Template(image: f32[1, 3, 16, 16], type: f32[1, 1, 1, 1]; width) -> (near, far) {
        let a = image -> stem: basic(width);
        (a * type, a -> next: basic(width, stride: 2))
    }

    pub(crate) network Pair = Template(width: 8);

    /// The mean of each channel.
    pub network Mean(image: f32[1, 3, 4, 4]) -> means {
        image -> global_avg_pool -> flatten
    }
}

macro_rules! pointwise {
    ($name:ident, $width:expr) => {
        convoke::cnn! {
            /// Made by another macro.
            pub network $name(image: f32[1, 3, 4, 4]) -> features {
                image -> conv: conv($width * 2, kernel: 1)
            }
        }
    };
}

pointwise!(Pointwise, 2 + 3);

#[test]
fn constants() {
    assert_eq!(Pair::NAME, "Pair");
    assert_eq!(Pair::INPUTS, [("image", &[1, 3, 16, 16][..]), ("type", &[1, 1, 1, 1])]);
    assert_eq!(Pair::OUTPUTS, [("near", &[1, 8, 16, 16][..]), ("far", &[1, 8, 8, 8])]);
    assert_eq!(Pair::PARAMETERS.len(), 30);
    assert_eq!(Pair::PARAMETERS[0], ("stem.conv1.weight", &[8, 3, 3, 3][..]));
    // Both blocks: two 3×3 convolutions, a 1×1, and 8 scales and shifts in each of three normalisations.
    assert_eq!(Pair::PARAMETER_COUNT, (27 + 72 + 3 + 72 + 72 + 8) * 8 + 6 * 16);
    assert_eq!(Pair::MACS, (27 + 72 + 3) * 8 * 256 + (72 + 72 + 8) * 8 * 64);
    assert_eq!(Mean::INPUT_SHAPE, [1, 3, 4, 4]);
    assert_eq!(Mean::OUTPUT_SHAPE, [1, 3]);
    assert_eq!(Mean::PARAMETERS, []);
    assert!(Mean::SOURCE.contains("// torchvision's names"), "{}", Mean::SOURCE);
    assert_eq!(Mean::SOURCE, Pair::SOURCE);
}

#[test]
fn runs() {
    let mut mean = Mean::from_parameters(&Parameters::default()).expect("it has no parameters");
    let image = Tensor::from_vec(&[1, 3, 4, 4], (0_u8..48).map(f32::from).collect()).expect("48 elements");
    assert_eq!(mean.run(&image).expect("the shape fits").data(), [7.5, 23.5, 39.5]);
    assert!(mean.run(&Tensor::zeros(&[1, 3, 4, 5])).is_err());
    assert!(!mean.profile(&image).expect("the shape fits").is_empty());
    let mut other = mean.fork().threads(1);
    let sent = std::thread::spawn(move || other.run(&image).map(|means| means.data().to_vec()));
    assert_eq!(sent.join().expect("no panic").expect("the shape fits"), [7.5, 23.5, 39.5]);
}

#[test]
fn several_outputs() {
    let parameters = Parameters::from_tensors(Pair::PARAMETERS.iter().map(|(name, shape)| {
        let mut tensor = Tensor::zeros(shape);
        tensor.data_mut().fill(if name.ends_with("running_var") { 1.0 } else { 0.0 });
        ((*name).to_owned(), tensor)
    }));
    let mut pair = Pair::from_parameters(&parameters).expect("all parameters are there");
    let outputs = pair.run(&Tensor::zeros(&[1, 3, 16, 16]), &Tensor::zeros(&[1, 1, 1, 1])).expect("the shapes fit");
    assert_eq!((outputs.near.shape(), outputs.far.shape()), (&[1, 8, 16, 16][..], &[1, 8, 8, 8][..]));
}

#[test]
fn missing_parameters_are_all_named() {
    let Err(LoadError::Parameters { errors, .. }) = Pair::from_parameters(&Parameters::default()) else {
        panic!("there are no parameters");
    };
    let mut expected: Vec<_> = Pair::PARAMETERS.iter().map(|(name, _)| *name).collect();
    let mut found: Vec<_> = errors.missing.iter().map(|missing| missing.name.as_str()).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[cfg(feature = "jit")]
#[test]
fn the_source_is_the_same_network() {
    let module = convoke_compiler::lang::Module::parse(Pair::SOURCE).expect("it compiled");
    for (name, macs, parameters) in
        [(Pair::NAME, Pair::MACS, Pair::PARAMETERS), (Mean::NAME, Mean::MACS, Mean::PARAMETERS)]
    {
        let graph = module.graph(name).expect("it compiled");
        assert_eq!(graph.macs(), macs);
        let found: Vec<_> = graph.parameters().into_iter().map(|(name, ty)| (name, ty.shape)).collect();
        let expected: Vec<_> = parameters.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        assert_eq!(found, expected);
    }
}

//! ONNX models compiled at build time: the types that `include_onnx!` makes.

use convoke::onnx::{Binding, File};
use convoke::{Tensor, include_onnx, jit, synthetic};

include_onnx! {
    /// A convolution and a product, of as many images as is said here.
    pub Small = "tests/data/small.onnx", batch = 2
}

#[test]
fn included_models_give_the_bits_of_the_jit() {
    let input = synthetic::input(&Small::INPUT_SHAPE);
    let mut included = Small::new().unwrap();
    let found = included.run(&input).unwrap();
    let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/small.onnx")).unwrap();
    let mut compiled = jit::onnx(&file, &Binding::new().size("batch", 2)).unwrap();
    let expected = &compiled.run(&[&input]).unwrap()[0];
    let bits = |tensor: &Tensor| tensor.data().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found), bits(expected));
}

#[test]
fn types_say_what_the_model_is() {
    assert_eq!(Small::INPUTS, [("image", &[2, 3, 9, 9][..])]);
    assert_eq!(Small::OUTPUT_SHAPE, [2, 5]);
    assert!(Small::MACS > 0 && Small::PARAMETERS.iter().any(|(name, _)| *name == "conv.weight"));
}

//! `cnn!` in a crate as strict as crates get, at the top, in a module and in a function: that this compiles is the test.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, missing_debug_implementations, nonstandard_style, rust_2018_idioms, unreachable_pub)]
#![deny(unused, unused_qualifications, unused_results, single_use_lifetimes, trivial_casts, trivial_numeric_casts)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use convoke::runtime::{Parameters, Tensor};

convoke::cnn! {
    /// A classifier.
    pub network Classifier(image: f32[1, 3, 4, 4]) -> scores {
        image * 0.5 + 1 -> conv1: conv(16, kernel: 3) -> silu -> global_avg_pool -> flatten -> softmax
    }
}

mod inner {
    convoke::cnn! {
        pub(crate) network Pair(image: f32[1, 3, 4, 4]) -> (same, positive) {
            (image * 1, image -> relu)
        }
    }
}

#[test]
fn in_a_function() {
    convoke::cnn! {
        network Affine(image: f32[1, 3, 4, 4]) -> result { image * 0.5 + 1 }
    }
    assert_eq!(Classifier::OUTPUT_SHAPE, [1, 16]);
    assert_eq!(inner::Pair::OUTPUTS.len(), 2);
    let mut affine = Affine::from_parameters(&Parameters::default()).expect("it has no parameters");
    let result = affine.run(&Tensor::zeros(&[1, 3, 4, 4])).expect("the shape fits");
    assert_eq!(result.data(), [1.0; 48]);
}

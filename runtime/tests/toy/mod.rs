//! A small network of hand-written steps: `y = x · scale + Σ(x · scale) + bias`, and the sum.

// Each test uses some of it.
#![allow(dead_code)]

use std::borrow::Cow;
use std::slice;

use convoke_runtime::network::{Arg, NetworkParts, Space, Step, StepFn, ValueInfo, WeightBuffer};
use convoke_runtime::weights::WeightOp;
use convoke_runtime::{Isa, Network, Parameters, Tensor};

/// Elements of input, scale, bias and output.
pub(crate) const N: usize = 64;

/// The elements that are thread `thread`'s.
fn share(thread: u32, threads: u32) -> std::ops::Range<usize> {
    let bound = |thread: u32| N * thread as usize / threads as usize;
    bound(thread)..bound(thread + 1)
}

/// `product = x · scale`; pointers: product, x, scale.
unsafe extern "C" fn multiply(args: *const *mut f32, thread: u32, threads: u32) {
    // SAFETY: the step's three buffers have N elements each, and shares do not overlap.
    unsafe {
        let [product, x, scale] = *args.cast::<[*mut f32; 3]>();
        for i in share(thread, threads) {
            *product.add(i) = *x.add(i) * *scale.add(i);
        }
    }
}

/// `total = Σ product`; pointers: total, product.
unsafe extern "C" fn total(args: *const *mut f32, thread: u32, _: u32) {
    // SAFETY: the step's buffers have one element and N elements; only the first thread writes.
    unsafe {
        let [total, product] = *args.cast::<[*mut f32; 2]>();
        if thread == 0 {
            *total = slice::from_raw_parts(product, N).iter().sum();
        }
    }
}

/// `y = product + total + bias`; pointers: y, product, total, bias.
unsafe extern "C" fn finish(args: *const *mut f32, thread: u32, threads: u32) {
    // SAFETY: the step's buffers have N elements, and `total` one; shares do not overlap.
    unsafe {
        let [y, product, total, bias] = *args.cast::<[*mut f32; 4]>();
        for i in share(thread, threads) {
            *y.add(i) = *product.add(i) + *total + *bias.add(i);
        }
    }
}

/// A step of these buffers.
pub(crate) fn step(name: &'static str, function: StepFn, threads: u32, args: &[(Space, usize)]) -> Step {
    let args: Vec<Arg> = args.iter().map(|&(space, offset)| Arg { space, offset }).collect();
    Step { name: name.into(), function, args: args.into(), threads }
}

fn value(name: &'static str, shape: &'static [usize]) -> ValueInfo {
    ValueInfo::f32(name, shape)
}

fn parameter(offset: usize, index: u32) -> WeightBuffer {
    WeightBuffer { offset, len: N, expression: vec![WeightOp::Parameter(index)].into() }
}

/// The network's parts; its steps but for the sum are worth `threads` threads.
pub(crate) fn parts(threads: u32) -> NetworkParts {
    use Space::{Arena, Input, Output, Weights};
    NetworkParts {
        name: Cow::Borrowed("toy"),
        isa: Isa::Scalar,
        inputs: vec![value("x", &[1, N])].into(),
        outputs: vec![value("y", &[1, N]), value("total", &[])].into(),
        parameters: vec![value("fc.bias", &[N]), value("fc.scale", &[N])].into(),
        weights: vec![parameter(0, 1), parameter(N, 0)].into(),
        weights_len: 2 * N,
        arena_len: N,
        steps: vec![
            step("multiply", multiply, threads, &[(Arena, 0), (Input(0), 0), (Weights, 0)]),
            step("total", total, 1, &[(Output(1), 0), (Arena, 0)]),
            step("finish", finish, threads, &[(Output(0), 0), (Arena, 0), (Output(1), 0), (Weights, N)]),
        ]
        .into(),
    }
}

/// The network.
pub(crate) fn network(threads: u32) -> Network {
    // SAFETY: the steps access the N elements from their places on (`total` one), which the spaces have, write
    // disjoint shares, do not unwind, and are part of this program.
    unsafe { Network::new(parts(threads)) }
}

/// `scale = 0, 1, …` and `bias = 100, 101, …`.
pub(crate) fn parameters() -> Parameters {
    let vector = |first: usize| Tensor::from_vec(&[N], (first..first + N).map(|i| i as f32).collect()).unwrap();
    Parameters::from_tensors([("fc.scale".to_owned(), vector(0)), ("fc.bias".to_owned(), vector(100))])
}

/// An input of equal elements.
pub(crate) fn input(value: f32) -> Tensor {
    Tensor::from_vec(&[1, N], vec![value; N]).unwrap()
}

/// The outputs that it gives for [`input`], both.
pub(crate) fn expected(value: f32) -> (Vec<f32>, f32) {
    let total = value * (N * (N - 1) / 2) as f32;
    ((0..N).map(|i| value * i as f32 + total + 100.0 + i as f32).collect(), total)
}

//! The static tables of a program, and the function that puts them together: few tokens for each step.

use convoke_runtime::Isa;
use convoke_runtime::network::ValueInfo;
use convoke_runtime::weights::WeightOp;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::function;
use crate::lir::{Arg, Place, Program, Step};

/// The tables and `network()`.
pub(super) fn emit(program: &Program) -> TokenStream {
    let name = &program.name;
    let isa = isa(program.isa);
    let [inputs, outputs, parameters] =
        [&program.inputs, &program.outputs, &program.parameters].map(|list| values(list));
    let weights = program.buffers.iter().filter_map(|buffer| match &buffer.place {
        Place::Weights { offset, expression } => {
            let (offset, len) = (Literal::usize_unsuffixed(*offset), Literal::usize_unsuffixed(buffer.len));
            let operations = expression.iter().map(weight_op);
            Some(quote!(WeightBuffer { offset: #offset, len: #len, expression: Borrowed(&[#(#operations),*]) }))
        }
        Place::Arena(_) | Place::Input(_) | Place::Output(_) => None,
    });
    let steps = program.steps.iter().map(|each| step(program, each));
    let [weights_len, arena_len] = [program.weights_len, program.arena_len].map(Literal::usize_unsuffixed);
    quote! {
        static INPUTS: &[ValueInfo] = &[#inputs];
        static OUTPUTS: &[ValueInfo] = &[#outputs];
        static PARAMETERS: &[ValueInfo] = &[#parameters];
        static WEIGHTS: &[WeightBuffer] = &[#(#weights),*];
        static STEPS: &[Step] = &[#(#steps),*];

        pub(super) fn network() -> Network {
            let parts = NetworkParts {
                name: Borrowed(#name),
                isa: rt::Isa::#isa,
                inputs: Borrowed(INPUTS),
                outputs: Borrowed(OUTPUTS),
                parameters: Borrowed(PARAMETERS),
                weights: Borrowed(WEIGHTS),
                weights_len: #weights_len,
                arena_len: #arena_len,
                steps: Borrowed(STEPS),
            };
            unsafe { Network::new(parts) }
        }
    }
}

/// The variant of [`Isa`].
pub(super) fn isa(isa: Isa) -> Ident {
    format_ident!("{isa:?}")
}

/// A constant, exactly.
pub(super) fn float(value: f32) -> TokenStream {
    let bits = value.to_bits();
    if !value.is_finite() {
        return quote!(f32::from_bits(#bits));
    }
    let digits = Literal::f32_suffixed(value.abs());
    if value.is_sign_negative() { quote!(-#digits) } else { quote!(#digits) }
}

fn values(list: &[ValueInfo]) -> TokenStream {
    let values = list.iter().map(|value| {
        let (name, shape) = (&*value.name, sizes(&value.shape));
        let dtype = Ident::new(&format!("{:?}", value.dtype), proc_macro2::Span::call_site());
        quote!(ValueInfo { name: Borrowed(#name), dtype: rt::DType::#dtype, shape: #shape })
    });
    quote!(#(#values),*)
}

fn step(program: &Program, step: &Step) -> TokenStream {
    let (name, threads) = (&step.name, Literal::u32_unsuffixed(step.threads));
    let function = function::name(&program.functions[step.function as usize]);
    let args = step.args.iter().map(|arg| argument(program, arg));
    quote!(Step { name: Borrowed(#name), function: #function, args: Borrowed(&[#(#args),*]), threads: #threads })
}

fn argument(program: &Program, arg: &Arg) -> TokenStream {
    let (space, start) = match program.buffers[arg.buffer.0 as usize].place {
        Place::Arena(offset) => (quote!(Arena), offset),
        Place::Weights { offset, .. } => (quote!(Weights), offset),
        Place::Input(index) => (indexed("Input", index), 0),
        Place::Output(index) => (indexed("Output", index), 0),
    };
    let offset = Literal::usize_unsuffixed(start + arg.offset);
    quote!(Arg { space: Space::#space, offset: #offset })
}

fn indexed(space: &str, index: u16) -> TokenStream {
    let (space, index) = (format_ident!("{space}"), Literal::u16_unsuffixed(index));
    quote!(#space(#index))
}

fn weight_op(op: &WeightOp) -> TokenStream {
    let op = match op {
        WeightOp::Parameter(index) => {
            let index = Literal::u32_unsuffixed(*index);
            quote!(Parameter(#index))
        }
        WeightOp::Literal { shape, values } => {
            let (shape, values) = (sizes(shape), values.iter().map(|value| float(*value)));
            quote!(Literal { shape: #shape, values: Borrowed(&[#(#values),*]) })
        }
        WeightOp::Add => quote!(Add),
        WeightOp::Sub => quote!(Sub),
        WeightOp::Mul => quote!(Mul),
        WeightOp::Div => quote!(Div),
        WeightOp::Rsqrt { epsilon } => {
            let epsilon = float(*epsilon);
            quote!(Rsqrt { epsilon: #epsilon })
        }
        WeightOp::Reshape(shape) => {
            let shape = sizes(shape);
            quote!(Reshape(#shape))
        }
        WeightOp::Transpose(order) => {
            let order = sizes(order);
            quote!(Transpose(#order))
        }
        WeightOp::View { start, strides, shape } => {
            let (start, strides, shape) = (Literal::usize_unsuffixed(*start), sizes(strides), sizes(shape));
            quote!(View { start: #start, strides: #strides, shape: #shape })
        }
        WeightOp::Phases { stride, first, taps } => {
            let [stride, first, taps] = [stride, first, taps].map(|&[h, w]| {
                let [h, w] = [h, w].map(Literal::u32_unsuffixed);
                quote!([#h, #w])
            });
            quote!(Phases { stride: #stride, first: #first, taps: #taps })
        }
        WeightOp::BlockDiagonal { outputs, groups } => {
            let [outputs, groups] = [*outputs, *groups].map(Literal::u32_unsuffixed);
            quote!(BlockDiagonal { outputs: #outputs, groups: #groups })
        }
        WeightOp::PackConv { block, nr, inner } => {
            let [block, nr, inner] = [*block, *nr, *inner].map(Literal::u32_unsuffixed);
            quote!(PackConv { block: #block, nr: #nr, inner: #inner })
        }
        WeightOp::PackWinograd { m, block, nr, inner } => {
            let [m, block, nr, inner] = [*m, *block, *nr, *inner].map(Literal::u32_unsuffixed);
            quote!(PackWinograd { m: #m, block: #block, nr: #nr, inner: #inner })
        }
        WeightOp::PackDepthwise { block } => {
            let block = Literal::u32_unsuffixed(*block);
            quote!(PackDepthwise { block: #block })
        }
        WeightOp::PackVector { block } => {
            let block = Literal::u32_unsuffixed(*block);
            quote!(PackVector { block: #block })
        }
    };
    quote!(WeightOp::#op)
}

fn sizes(sizes: &[usize]) -> TokenStream {
    let sizes = sizes.iter().map(|size| Literal::usize_unsuffixed(*size));
    quote!(Borrowed(&[#(#sizes),*]))
}

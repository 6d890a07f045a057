//! Calls of every kernel family: that the pointers and constants of a call arrive. What kernels compute is tested beside
//! them.

use convoke_compiler::lir::FunctionBuilder;
use convoke_runtime::kernels::{
    self, Affine, Binary, BinaryOp, Block, Broadcast, Conv, Copy, Depthwise, DepthwiseGradient, Fill, Map, Params,
    Planar, PlanarPool, Pool, PoolKind, Role, Unblock, WeightGradient,
};
use convoke_runtime::{Activation, Isa};

use crate::{Case, Values, program};

/// Iterations of the loop around a call.
const ROWS: usize = 5;

/// One case for each of [`calls`].
pub(crate) fn cases(isa: Isa) -> Vec<Case> {
    calls(isa).into_iter().enumerate().map(|(index, params)| case(isa, index, params)).collect()
}

/// A loop of calls, each on other elements, but for what has no rows: weights and vectors.
fn case(isa: Isa, index: usize, params: Params) -> Case {
    let kernel = kernels::select(params.family(), isa, params.tile())
        .unwrap_or_else(|| panic!("{isa} has no row for {params:?}"));
    let mut f = FunctionBuilder::new(params.family().name());
    let mut operands = Vec::new();
    for access in params.accesses() {
        let span = access.span() as usize;
        let (role, shared) = (access.role, access.dims.is_empty());
        operands.push(match role {
            Role::Write => (f.written(access.name, ROWS * span), span),
            Role::Read if shared => (f.read(access.name, span), 0),
            Role::Read => (f.read(access.name, ROWS * span), span),
        });
    }
    f.parallel(ROWS as u32, |f, i| {
        let args: Vec<_> = operands.iter().map(|(operand, stride)| operand.at(i * *stride)).collect();
        f.call(kernel, params, args);
    });
    Case::new(format!("kernels/{}/{index}/{isa}", params.family().name()), program(isa, f.finish()), Values::Ordinary)
}

/// Calls that leave no element of their results out.
fn calls(isa: Isa) -> Vec<Params> {
    let block = isa.lanes() as u32;
    let mut calls = Vec::new();
    for (mr, nr) in kernels::conv_tiles(isa, block).step_by(5) {
        calls.push(Params::Conv(conv(block, mr, nr, true)));
    }
    for (mr, nr) in kernels::conv_tiles(isa, 1).step_by(5) {
        calls.push(Params::Conv(conv(block, mr, nr, false)));
    }
    for (mr, nr) in kernels::weight_gradient_tiles(isa).step_by(7) {
        calls.push(Params::WeightGradient(WeightGradient {
            mr,
            nr,
            block,
            images: 2,
            src_image: 90,
            g_image: 12 * block,
            rows: 3,
            src_row: 20,
            g_row: 4 * block,
            cols: 4,
            src_px: 2,
            g_px: block,
            src_group: 0,
            g_group: 24 * block,
            dst_group: mr * block,
            dst_step: block,
            residual: 1,
        }));
    }
    for (kw, kh) in kernels::depthwise_gradient_tiles(isa).step_by(3) {
        calls.push(Params::DepthwiseGradient(DepthwiseGradient {
            kw,
            kh,
            block,
            images: 2,
            src_image: 100 * block,
            g_image: 12 * block,
            rows: 3,
            src_row: 10 * block,
            g_row: 4 * block,
            cols: 4,
            src_px: block,
            kh_stride: 10 * block,
            kw_stride: block,
            dst_row: kw * block,
            residual: 1,
        }));
    }
    for mr in kernels::depthwise_tiles(isa, block).step_by(3) {
        calls.push(Params::Depthwise(Depthwise {
            mr,
            block,
            px: block,
            kh: 3,
            kh_stride: (mr + 2) * block,
            kw: 3,
            kw_stride: block,
            dst_px: block,
            residual: mr % 2,
            activation: Activation::HardSwish.into(),
        }));
    }
    for kind in [PoolKind::Max, PoolKind::Average, PoolKind::AverageIncludePad] {
        calls.push(Params::Pool(pool(block, kind)));
        let (row_stride, kh_stride) = (60, 30);
        calls.push(Params::PlanarPool(PlanarPool {
            kind,
            rows: 3,
            len: 14,
            kh: 2,
            kw: 2,
            row_stride,
            stride: 2,
            kh_stride,
            kw_stride: 1,
            dst_pitch: 14,
        }));
    }
    calls.push(Params::Planar(Planar {
        nr: 7,
        len: 28,
        outer: 2,
        outer_stride: 300,
        kh: 3,
        kh_stride: 30,
        kw: 3,
        kw_stride: 1,
        dst_plane: 28,
        activation: Activation::Tanh.into(),
    }));
    let (rows, len) = (3, 3 * block);
    for activation in [Activation::Tanh, Activation::Clip { low: -0.5, high: 1.5 }, Activation::Gelu] {
        let activation = activation.into();
        calls.push(Params::Map(Map { rows, len, dst_pitch: len, src_pitch: len + 1, activation }));
    }
    for op in [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div, BinaryOp::Max, BinaryOp::Min] {
        for broadcast in [Broadcast::Full, Broadcast::Lanes, Broadcast::Scalar] {
            let (dst_pitch, a_pitch, b_pitch) = (len, len, len);
            let activation = Activation::LeakyRelu { alpha: 0.1 }.into();
            let binary = Binary { op, broadcast, block, rows, len, dst_pitch, a_pitch, b_pitch, activation };
            calls.push(Params::Binary(binary));
        }
    }
    let activation = Activation::Sigmoid.into();
    calls.push(Params::Affine(Affine { block, rows, len, dst_pitch: len, src_pitch: len, activation }));
    for value in [-1.5, f32::NEG_INFINITY, 1e-30] {
        calls.push(Params::Fill(Fill { rows, len, dst_pitch: len, value }));
    }
    calls.push(Params::Copy(Copy { rows, len, dst_pitch: len, src_pitch: len + 2 }));
    let (h, w, channels) = (3, 5, block - 1);
    calls.push(Params::Block(Block { block, channels, h, w, dst_pitch: w * block, src_plane: h * w, src_pitch: w }));
    calls.push(Params::Unblock(Unblock {
        block,
        channels,
        h,
        w,
        dst_plane: h * w,
        dst_pitch: w,
        src_pitch: w * block,
    }));
    calls
}

/// A 3 × 3 convolution: of blocks with a residual, or of planes.
fn conv(block: u32, mr: u32, nr: u32, blocked: bool) -> Conv {
    let (px, inner, outer) = if blocked { (block, block, 2) } else { (1, 1, 3) };
    let row = (mr + 2) * px;
    Conv {
        mr,
        nr,
        block,
        px,
        outer,
        outer_stride: 3 * row,
        kh: 3,
        kh_stride: row,
        kw: 3,
        kw_stride: px,
        inner,
        // Half of the last block.
        tail: inner.div_ceil(2),
        dst_block: mr * block,
        dst_px: block,
        residual: u32::from(blocked),
        residual_block: mr * block,
        activation: if blocked { Activation::Relu } else { Activation::Silu }.into(),
    }
}

/// A 3 × 3 window over a padded plane.
fn pool(block: u32, kind: PoolKind) -> Pool {
    Pool {
        kind,
        block,
        in_h: 7,
        in_w: 8,
        out_h: 4,
        out_w: 4,
        kh: 3,
        kw: 3,
        stride_h: 2,
        stride_w: 2,
        pad_top: 1,
        pad_left: 1,
        pad_bottom: 1,
        pad_right: 0,
        dilation_h: 1,
        dilation_w: 1,
        src_pitch: 8 * block,
        dst_pitch: 4 * block,
    }
}

//! Every row of the table against the scalar row of its family: the same bits, and nothing touched that
//! [`Params::accesses`] does not state.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::Isa;
use crate::activation::{Activation, ActivationCode};

mod in_place;
mod operand;

use operand::Operand;

/// Whether this processor runs `row`; elsewhere NEON is emulated.
fn runs(row: &Ukernel) -> bool {
    row.isa == Isa::Neon || row.isa.available()
}

fn activation() -> impl Strategy<Value = ActivationCode> {
    let constant = -3.0f32..3.0;
    let plain = [
        Activation::Identity,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Silu,
        Activation::HardSwish,
        Activation::Gelu,
        Activation::GeluTanh,
    ];
    prop_oneof![
        4 => prop::sample::select(plain.to_vec()),
        1 => constant.clone().prop_map(|alpha| Activation::LeakyRelu { alpha }),
        1 => (constant.clone(), constant.clone()).prop_map(|(low, high)| Activation::Clip { low, high }),
        1 => (constant.clone(), constant).prop_map(|(alpha, beta)| Activation::HardSigmoid { alpha, beta }),
    ]
    .prop_map(ActivationCode::new)
}

/// Row lengths below, at, above and at multiples of every vector's width.
fn length() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..=70, prop::sample::select(vec![4, 8, 16, 32, 48, 64, 2048, 4100])]
}

/// What lies between pixels: mostly nothing.
fn gaps() -> impl Strategy<Value = u32> {
    prop_oneof![2 => Just(0u32), 1 => 1u32..=20]
}

/// Parameters that `row` takes.
fn params(row: &Ukernel) -> BoxedStrategy<Params> {
    let Tile { mr, nr, block, px } = row.tile;
    let block = if block == 0 { (1u32..=20).boxed() } else { Just(block).boxed() };
    match row.family {
        Family::Conv => {
            let inner = prop_oneof![Just(1u32), Just(row.tile.block.max(1)), 2u32..=19];
            let any = |fixed: u32| if fixed == 0 { (1u32..=5).boxed() } else { Just(fixed).boxed() };
            let tile = (any(mr), any(nr), block, any(px));
            let window = (0u32..=3, 0u32..=100, 1u32..=3, 0u32..=100, 1u32..=4, inner, 0u32..=2);
            let tail = prop_oneof![Just(u32::MAX), 1u32..=19];
            (tile, (window, tail), (0u32..=9, gaps()), 0u32..=1, 0u32..=9, activation())
                .prop_map(|((mr, nr, block, px), (window, tail), (gap, px_gap), residual, residual_gap, activation)| {
                    let (outer, outer_stride, kh, kh_stride, kw, inner, dilation) = window;
                    let dst_px = block + px_gap;
                    let (dst_block, residual_block) = (mr * dst_px + gap, mr * dst_px + residual_gap);
                    let kw_stride = inner * dilation;
                    Params::Conv(Conv {
                        mr,
                        nr,
                        block,
                        px,
                        outer,
                        outer_stride,
                        kh,
                        kh_stride,
                        kw,
                        kw_stride,
                        inner,
                        tail: tail.min(inner),
                        dst_block,
                        dst_px,
                        residual,
                        residual_block,
                        activation,
                    })
                })
                .boxed()
        }
        Family::Depthwise => {
            let any = |fixed: u32| if fixed == 0 { (1u32..=5).boxed() } else { Just(fixed).boxed() };
            ((any(mr), block, any(px)), (1u32..=5, 0u32..=100, 1u32..=5, 0u32..=40), gaps(), 0u32..=1, activation())
                .prop_map(|((mr, block, px), (kh, kh_stride, kw, kw_stride), gap, residual, activation)| {
                    let dst_px = block + gap;
                    Params::Depthwise(Depthwise {
                        mr,
                        block,
                        px,
                        kh,
                        kh_stride,
                        kw,
                        kw_stride,
                        dst_px,
                        residual,
                        activation,
                    })
                })
                .boxed()
        }
        Family::WeightGradient => {
            let any = |fixed: u32| if fixed == 0 { (1u32..=5).boxed() } else { Just(fixed).boxed() };
            let pixels =
                ((0u32..=3, 0u32..=70, 0u32..=70), (0u32..=3, 0u32..=70, 0u32..=70), (0u32..=5, 0u32..=40, 0u32..=40));
            ((any(mr), any(nr), block), pixels, (prop::bool::ANY, 0u32..=70), 0u32..=9, 0u32..=1)
                .prop_map(|((mr, nr, block), (images, rows, cols), (blocks, group), gap, residual)| {
                    let dst_step = block + gap;
                    Params::WeightGradient(WeightGradient {
                        mr,
                        nr,
                        block,
                        images: images.0,
                        src_image: images.1,
                        g_image: images.2,
                        rows: rows.0,
                        src_row: rows.1,
                        g_row: rows.2,
                        cols: cols.0,
                        src_px: cols.1,
                        g_px: cols.2,
                        src_group: if blocks { 0 } else { group },
                        g_group: if blocks { group } else { 0 },
                        dst_group: mr * dst_step + gap,
                        dst_step,
                        residual,
                    })
                })
                .boxed()
        }
        Family::DepthwiseGradient => {
            let any = |fixed: u32| if fixed == 0 { (1u32..=5).boxed() } else { Just(fixed).boxed() };
            let pixels = ((0u32..=3, 0u32..=70, 0u32..=70), (0u32..=3, 0u32..=70, 0u32..=70), (0u32..=5, 0u32..=40));
            ((any(mr), any(nr), block), pixels, (0u32..=70, 0u32..=40), 0u32..=9, 0u32..=1)
                .prop_map(|((kw, kh, block), (images, rows, cols), (kh_stride, kw_stride), gap, residual)| {
                    Params::DepthwiseGradient(DepthwiseGradient {
                        kw,
                        kh,
                        block,
                        images: images.0,
                        src_image: images.1,
                        g_image: images.2,
                        rows: rows.0,
                        src_row: rows.1,
                        g_row: rows.2,
                        cols: cols.0,
                        src_px: cols.1,
                        kh_stride,
                        kw_stride,
                        dst_row: kw * block + gap,
                        residual,
                    })
                })
                .boxed()
        }
        Family::Planar => {
            let window = (0u32..=3, 0u32..=100, 1u32..=3, 0u32..=100, 1u32..=4, 0u32..=3);
            ((1u32..=15, length()), window, 0u32..=9, activation())
                .prop_map(|((nr, len), (outer, outer_stride, kh, kh_stride, kw, kw_stride), gap, activation)| {
                    let dst_plane = len + gap;
                    Params::Planar(Planar {
                        nr,
                        len,
                        outer,
                        outer_stride,
                        kh,
                        kh_stride,
                        kw,
                        kw_stride,
                        dst_plane,
                        activation,
                    })
                })
                .boxed()
        }
        Family::WinogradInput => (tiles(), block, 0u32..=9, 0u32..=9)
            .prop_map(|((m, rows, cols), block, src_gap, dst_gap)| {
                let (src_pitch, dst_point) = ((cols + 2) * block + src_gap, cols.div_ceil(m) * block + dst_gap);
                Params::WinogradInput(WinogradInput { m, block, rows, cols, src_pitch, dst_point })
            })
            .boxed(),
        Family::WinogradOutput => (tiles(), block, prop::array::uniform3(0u32..=9), 0u32..=1, activation())
            .prop_map(|((m, rows, cols), block, gaps, residual, activation)| {
                let [src_gap, dst_gap, residual_gap] = gaps;
                let src_point = cols.div_ceil(m) * block + src_gap;
                let (dst_pitch, residual_pitch) = (cols * block + dst_gap, cols * block + residual_gap);
                Params::WinogradOutput(WinogradOutput {
                    m,
                    block,
                    rows,
                    cols,
                    src_point,
                    dst_pitch,
                    residual,
                    residual_pitch,
                    activation,
                })
            })
            .boxed(),
        Family::Pool => pool(block).boxed(),
        Family::PlanarPool => {
            let kind = prop::sample::select(vec![PoolKind::Max, PoolKind::Average, PoolKind::AverageIncludePad]);
            let window = (1u32..=3, 1u32..=4, 0u32..=100, 1u32..=3, 0u32..=50, 0u32..=2);
            (kind, 0u32..=3, length(), window, 0u32..=9)
                .prop_map(|(kind, rows, len, (kh, kw, row_stride, stride, kh_stride, kw_stride), gap)| {
                    let dst_pitch = len + gap;
                    Params::PlanarPool(PlanarPool {
                        kind,
                        rows,
                        len,
                        kh,
                        kw,
                        row_stride,
                        stride,
                        kh_stride,
                        kw_stride,
                        dst_pitch,
                    })
                })
                .boxed()
        }
        Family::Map => (0u32..=3, length(), 0u32..=9, 0u32..=9, activation())
            .prop_map(|(rows, len, dst_gap, src_gap, activation)| {
                Params::Map(Map { rows, len, dst_pitch: len + dst_gap, src_pitch: len + src_gap, activation })
            })
            .boxed(),
        Family::Binary => {
            let op = prop::sample::select(vec![
                BinaryOp::Add,
                BinaryOp::Sub,
                BinaryOp::Mul,
                BinaryOp::Div,
                BinaryOp::Max,
                BinaryOp::Min,
            ]);
            let broadcast = prop::sample::select(vec![Broadcast::Full, Broadcast::Lanes, Broadcast::Scalar]);
            (op, broadcast, blocks(), 0u32..=3, prop::array::uniform3(0u32..=9), activation())
                .prop_map(|(op, broadcast, (block, len), rows, gaps, activation)| {
                    let [dst_pitch, a_pitch, b_pitch] = gaps.map(|gap| len + gap);
                    Params::Binary(Binary { op, broadcast, block, rows, len, dst_pitch, a_pitch, b_pitch, activation })
                })
                .boxed()
        }
        Family::Affine => (blocks(), 0u32..=3, 0u32..=9, 0u32..=9, activation())
            .prop_map(|((block, len), rows, dst_gap, src_gap, activation)| {
                let (dst_pitch, src_pitch) = (len + dst_gap, len + src_gap);
                Params::Affine(Affine { block, rows, len, dst_pitch, src_pitch, activation })
            })
            .boxed(),
        Family::Fill => (0u32..=3, length(), 0u32..=9, -9.0f32..9.0)
            .prop_map(|(rows, len, gap, value)| Params::Fill(Fill { rows, len, dst_pitch: len + gap, value }))
            .boxed(),
        Family::Copy => (0u32..=3, length(), 0u32..=9, 0u32..=9)
            .prop_map(|(rows, len, dst_gap, src_gap)| {
                Params::Copy(Copy { rows, len, dst_pitch: len + dst_gap, src_pitch: len + src_gap })
            })
            .boxed(),
        Family::Block => planes(block)
            .prop_map(|(block, channels, h, w, gaps)| {
                let [dst_gap, src_gap, plane_gap] = gaps;
                let (dst_pitch, src_pitch) = (w * block + dst_gap, w + src_gap);
                let src_plane = h * src_pitch + plane_gap;
                Params::Block(Block { block, channels, h, w, dst_pitch, src_plane, src_pitch })
            })
            .boxed(),
        Family::Unblock => planes(block)
            .prop_map(|(block, channels, h, w, gaps)| {
                let [dst_gap, src_gap, plane_gap] = gaps;
                let (dst_pitch, src_pitch) = (w + dst_gap, w * block + src_gap);
                let dst_plane = h * dst_pitch + plane_gap;
                Params::Unblock(Unblock { block, channels, h, w, dst_plane, dst_pitch, src_pitch })
            })
            .boxed(),
    }
}

/// The m of F(m, 3), rows of results of one tile, and columns, below, at and above multiples of m.
fn tiles() -> impl Strategy<Value = (u32, u32, u32)> {
    prop::sample::select(vec![2u32, 4]).prop_flat_map(|m| (Just(m), 1..=m, 1u32..=14))
}

/// A block and a length that is a multiple of it.
fn blocks() -> impl Strategy<Value = (u32, u32)> {
    let block = prop_oneof![1u32..=20, prop::sample::select(vec![1, 4, 8, 16, 32])];
    let times = prop_oneof![9 => 0u32..=9, 1 => 500u32..=600];
    (block, times).prop_map(|(block, times)| (block, block * times))
}

/// Block, channels, height, width, and gaps, which are often all zero.
fn planes(block: BoxedStrategy<u32>) -> impl Strategy<Value = (u32, u32, u32, u32, [u32; 3])> {
    let gaps = prop_oneof![Just([0, 0, 0]), prop::array::uniform3(0u32..=9)];
    let channels = prop_oneof![Just(u32::MAX), 0u32..=20];
    (block, channels, 0u32..=3, 0u32..=40, gaps).prop_map(|(block, c, h, w, gaps)| (block, c.min(block), h, w, gaps))
}

fn pool(block: BoxedStrategy<u32>) -> impl Strategy<Value = Params> {
    let kind = prop::sample::select(vec![PoolKind::Max, PoolKind::Average, PoolKind::AverageIncludePad]);
    // Length, window, stride, dilation, padding before and after, and windows that reach beyond.
    let side = || (1u32..=20, 1u32..=4, 1u32..=3, 1u32..=2, 0u32..=3, 0u32..=3, 0u32..=1);
    let results = |(len, kernel, stride, dilation, before, after, beyond): (u32, u32, u32, u32, u32, u32, u32)| {
        let rest = (len + before + after).checked_sub((kernel - 1) * dilation + 1);
        rest.map_or(1, |rest| rest / stride + 1) + beyond
    };
    (kind, block, side(), side(), 0u32..=9, 0u32..=9).prop_map(move |(kind, block, rows, columns, src_gap, dst_gap)| {
        let (out_h, out_w) = (results(rows), results(columns));
        let (in_h, kh, stride_h, dilation_h, pad_top, pad_bottom, _) = rows;
        let (in_w, kw, stride_w, dilation_w, pad_left, pad_right, _) = columns;
        let (src_pitch, dst_pitch) = (in_w * block + src_gap, out_w * block + dst_gap);
        Params::Pool(Pool {
            kind,
            block,
            in_h,
            in_w,
            out_h,
            out_w,
            kh,
            kw,
            stride_h,
            stride_w,
            pad_top,
            pad_left,
            pad_bottom,
            pad_right,
            dilation_h,
            dilation_w,
            src_pitch,
            dst_pitch,
        })
    })
}

/// The operands of a call, `seed` deciding the values.
fn operands(params: &Params, seed: u64) -> Vec<Operand> {
    params.accesses().iter().zip(seed..).map(|(access, seed)| Operand::new(access, seed)).collect()
}

fn call(row: &Ukernel, params: &Params, operands: &mut [Operand]) {
    let args: Vec<*mut f32> = operands.iter_mut().map(Operand::as_mut_ptr).collect();
    // SAFETY: each pointer is valid for its access; the processor runs the row.
    unsafe { (row.entry)(args.as_ptr(), params.as_ptr()) };
}

/// Runs `check` with the scalar row of the family of each row of this processor, and parameters that the row takes.
fn each_row(check: impl Fn(&Ukernel, &Ukernel, &Params, u64) -> Result<(), TestCaseError>) {
    for row in ukernels().iter().filter(|row| runs(row)) {
        let scalar = select(row.family, Isa::Scalar, row.tile).expect("every family has a scalar row");
        let cases = if row.tile.mr == 0 { 256 } else { 24 };
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(&(params(row), any::<u64>()), |(params, seed)| {
            row.accepts(&params).expect("the strategy makes what the row takes");
            check(row, scalar, &params, seed)
        });
        assert!(result.is_ok(), "{}: {}", row.name, result.unwrap_err());
    }
}

#[test]
fn rows_agree_with_their_definition() {
    each_row(|row, scalar, params, seed| {
        let (mut found, mut expected) = (operands(params, seed), operands(params, seed));
        call(row, params, &mut found);
        call(scalar, params, &mut expected);
        found.iter().zip(&expected).try_for_each(|(found, expected)| found.check(expected))
    });
}

#[test]
fn rows_work_in_place_where_their_family_does() {
    each_row(|row, scalar, params, seed| {
        let accesses = params.accesses();
        for i in 1..accesses.len() {
            if params.in_place(i) && accesses[i].dims == accesses[0].dims && accesses[i].len == accesses[0].len {
                let (mut found, mut expected) = (operands(params, seed), operands(params, seed));
                found[0].fill_from(&expected[i]);
                expected[0].fill_from(&found[i]);
                call(scalar, params, &mut expected);
                let mut args: Vec<*mut f32> = found.iter_mut().map(Operand::as_mut_ptr).collect();
                args[i] = args[0];
                // SAFETY: each pointer is valid for its access; the processor runs the row.
                unsafe { (row.entry)(args.as_ptr(), params.as_ptr()) };
                found[0].check(&expected[0])?;
            }
        }
        Ok(())
    });
}

#[test]
fn names_are_unique_and_found() {
    let names: HashSet<&str> = ukernels().iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ukernels().len());
    for row in ukernels() {
        assert_eq!(find(row.name).expect("it is in the table").path, row.path);
    }
    assert_eq!(find("conv_3x2_p16_avx512").map(|row| row.path), Some("kernels::conv::avx512::p16::n2::m3"));
    assert_eq!(find("depthwise_3_p8_avx2").map(|row| row.path), Some("kernels::depthwise::avx2::p8::n1::m3"));
    assert_eq!(find("pool_avx2").map(|row| row.path), Some("kernels::pool::avx2"));
    assert!(find("pool").is_none());
}

#[test]
fn tiles_that_are_listed_are_selected() {
    for isa in Isa::ALL {
        let block = isa.lanes() as u32;
        for px in [1, 2, 4, block, 2 * block] {
            for (mr, nr) in conv_tiles(isa, px) {
                let row = select(Family::Conv, isa, Tile { mr, nr, block, px }).expect("a listed tile has a row");
                assert_eq!(row.isa, isa);
            }
            for mr in depthwise_tiles(isa, px) {
                let row =
                    select(Family::Depthwise, isa, Tile { mr, nr: 1, block, px }).expect("a listed tile has a row");
                assert_eq!(row.isa, isa);
            }
        }
    }
    assert!(conv_tiles(Isa::Avx512, 16).any(|tile| tile == (14, 2)));
    assert!(conv_tiles(Isa::Avx512, 3).next().is_none());
    assert!(select(Family::Conv, Isa::Avx512, Tile { mr: 99, nr: 2, block: 16, px: 16 }).is_none());
}

#[test]
fn families_without_tile_fall_back_on_their_definition() {
    let name = |family, isa, block| select(family, isa, Tile { block, ..Tile::default() }).map(|row| row.name);
    assert_eq!(name(Family::Pool, Isa::Avx512, 16), Some("pool_avx512"));
    assert_eq!(name(Family::Pool, Isa::Avx512, 1), Some("pool_scalar"));
    assert_eq!(name(Family::Copy, Isa::Avx2, 0), Some("copy_scalar"));
}

#[test]
fn refusals_say_why() {
    let row = find("depthwise_4_p16_avx512").expect("it is in the table");
    let activation = ActivationCode::new(Activation::Relu);
    let good = Depthwise {
        mr: 4,
        block: 16,
        px: 16,
        kh: 3,
        kh_stride: 9,
        kw: 3,
        kw_stride: 16,
        dst_px: 16,
        residual: 0,
        activation,
    };
    let refusal = |params| row.accepts(&params).unwrap_err();
    assert_eq!(row.accepts(&Params::Depthwise(good)), Ok(()));
    assert_eq!(
        refusal(Params::Depthwise(Depthwise { px: 32, ..good })),
        "kernel `depthwise_4_p16_avx512` takes px 16, not 32"
    );
    assert_eq!(
        refusal(Params::Depthwise(Depthwise { residual: 2, ..good })),
        "kernel `depthwise_4_p16_avx512` takes residual 0 or 1, not 2"
    );
    assert_eq!(
        refusal(Params::Map(Map { rows: 1, len: 1, dst_pitch: 1, src_pitch: 1, activation })),
        "kernel `depthwise_4_p16_avx512` takes parameters of `depthwise`, not `map`"
    );
    let affine = Affine { block: 3, rows: 1, len: 4, dst_pitch: 4, src_pitch: 4, activation };
    assert_eq!(
        find("affine_avx2").expect("it is in the table").accepts(&Params::Affine(affine)).unwrap_err(),
        "kernel `affine_avx2` takes a len that is a multiple of block; 4 is none of 3"
    );
}

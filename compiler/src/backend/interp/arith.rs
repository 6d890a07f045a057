//! The operations of the LIR on single elements.
//!
//! They run under [`FlushToZero`](convoke_runtime::FlushToZero), which flushes results where the processor computes
//! them. Operands are flushed here, for the operations that a compiler may replace by others which do not.

use crate::lir::{Binary, Compare, Unary};

/// `x`, or a zero of its sign where it is denormal.
fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0.0_f32.copysign(x) } else { x }
}

/// See [`Unary`].
pub(super) fn unary(op: Unary, x: f32) -> f32 {
    match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sqrt => flush(x).sqrt(),
        Unary::Floor => flush(x).floor(),
        Unary::Ceil => flush(x).ceil(),
        Unary::Trunc => flush(x).trunc(),
        Unary::Nearest => flush(x).round_ties_even(),
        Unary::Exp2Int => {
            let x = if -126.0 < x { x } else { -126.0 };
            let x = if x < 127.0 { x } else { 127.0 };
            f32::from_bits(((x.round_ties_even() as i32 + 127) as u32) << 23)
        }
    }
}

/// See [`Binary`].
pub(super) fn binary(op: Binary, a: f32, b: f32) -> f32 {
    let (a, b) = (flush(a), flush(b));
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Min => {
            if a < b {
                a
            } else {
                b
            }
        }
        Binary::Max => {
            if b < a {
                a
            } else {
                b
            }
        }
    }
}

/// `a · b + c` with one rounding.
pub(super) fn fma(a: f32, b: f32, c: f32) -> f32 {
    flush(a).mul_add(flush(b), flush(c))
}

/// See [`Compare`].
pub(super) fn compare(op: Compare, a: f32, b: f32) -> bool {
    let (a, b) = (flush(a), flush(b));
    match op {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
    }
}

/// All lanes to one, by halving: lane *i* with lane *i + n/2*, until one is left.
pub(super) fn reduce(op: Binary, lanes: &[f32]) -> f32 {
    let mut lanes = lanes.to_vec();
    while lanes.len() > 1 {
        let upper = lanes.split_off(lanes.len() / 2);
        for (lane, other) in lanes.iter_mut().zip(upper) {
            *lane = binary(op, *lane, other);
        }
    }
    lanes[0]
}

//! Elementwise operations of two operands; see [`Binary`].

use super::rows::scalar_row;
use super::{Binary, BinaryOp, Broadcast};
use crate::simd::{Scalar, Simd};

scalar_row!(Binary, "binary", definition);

/// The formula of [`Binary`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Binary and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Binary>();
        let [dst, a, b] = args.cast::<[*mut f32; 3]>().read();
        let activation = p.activation.decode().unwrap_or_default();
        for y in 0..p.rows as usize {
            for x in 0..p.len as usize {
                let b = match p.broadcast {
                    Broadcast::Full => *b.add(y * p.b_pitch as usize + x),
                    Broadcast::Lanes => *b.add(x % p.block as usize),
                    Broadcast::Scalar => *b,
                };
                let value = apply(Scalar, p.op, *a.add(y * p.a_pitch as usize + x), b);
                *dst.add(y * p.dst_pitch as usize + x) = activation.apply(value);
            }
        }
    }
}

/// `a op b`, lane by lane.
#[inline(always)]
fn apply<S: Simd>(s: S, op: BinaryOp, a: S::V, b: S::V) -> S::V {
    match op {
        BinaryOp::Add => s.add(a, b),
        BinaryOp::Sub => s.sub(a, b),
        BinaryOp::Mul => s.mul(a, b),
        BinaryOp::Div => s.div(a, b),
        BinaryOp::Max => s.max(a, b),
        BinaryOp::Min => s.min(a, b),
    }
}

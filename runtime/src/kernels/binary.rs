//! Elementwise operations of two operands; see [`Binary`].

use super::epilogue::Epilogue;
use super::map::WithMap;
use super::rows::{scalar_row, vector_rows};
use super::{Binary, BinaryOp, Broadcast};
use crate::simd::{Scalar, Simd};

scalar_row!(Binary, "binary", definition);
vector_rows!(Binary, "binary", vectors, block: false);

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

/// All rows, with loops for each operation.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: WithMap>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Binary and `args` its pointers, valid for its accesses.
    unsafe {
        let p = &*params.cast::<Binary>();
        let args = args.cast::<[*mut f32; 3]>().read();
        match p.op {
            BinaryOp::Add => rows(s, BinaryOp::Add, p, args),
            BinaryOp::Sub => rows(s, BinaryOp::Sub, p, args),
            BinaryOp::Mul => rows(s, BinaryOp::Mul, p, args),
            BinaryOp::Div => rows(s, BinaryOp::Div, p, args),
            BinaryOp::Max => rows(s, BinaryOp::Max, p, args),
            BinaryOp::Min => rows(s, BinaryOp::Min, p, args),
        }
    }
}

/// The second operand of a stretch of a row.
enum Second<V> {
    /// A vector again and again.
    Vector(V),
    /// This many elements again and again.
    Elements(*const f32, usize),
}

/// All rows, for the operation `op`, which the caller's code fixes.
///
/// # Safety
/// The pointers are valid for the accesses of `p`.
#[inline(always)]
unsafe fn rows<S: WithMap>(s: S, op: BinaryOp, p: &Binary, [dst, a, b]: [*mut f32; 3]) {
    let epilogue = Epilogue::new(p.activation);
    let len = p.len as usize;
    let block = if p.broadcast == Broadcast::Lanes { p.block as usize } else { 1 };
    let chunk = epilogue.chunk(len, block).max(1);
    for y in 0..p.rows as usize {
        for from in (0..len).step_by(chunk) {
            let n = chunk.min(len - from);
            let a = a.wrapping_add(y * p.a_pitch as usize + from).cast_const();
            let dst = dst.wrapping_add(y * p.dst_pitch as usize + from);
            // SAFETY: `a` and `dst` hold `n` elements, a multiple of `block`; `b` holds one, `block`, or those of a row.
            unsafe {
                let second = match p.broadcast {
                    Broadcast::Full => Second::Elements(b.add(y * p.b_pitch as usize + from), n),
                    Broadcast::Lanes if block == S::LANES => Second::Vector(s.load(b)),
                    Broadcast::Lanes if block > 1 => Second::Elements(b, block),
                    Broadcast::Lanes | Broadcast::Scalar => Second::Vector(s.splat(*b)),
                };
                match second {
                    Second::Vector(b) => {
                        for x in (0..n).step_by(S::LANES) {
                            let v = apply(s, op, s.load_up_to(a.add(x), n - x), b);
                            s.store_up_to(dst.add(x), epilogue.in_registers(s, v), n - x);
                        }
                    }
                    Second::Elements(b, period) => {
                        for start in (0..n).step_by(period) {
                            for x in (0..period).step_by(S::LANES) {
                                let (at, rest) = (start + x, period - x);
                                let v = apply(s, op, s.load_up_to(a.add(at), rest), s.load_up_to(b.add(x), rest));
                                s.store_up_to(dst.add(at), epilogue.in_registers(s, v), rest);
                            }
                        }
                    }
                }
                epilogue.in_memory(s, dst, 1, n, 0);
            }
        }
    }
}

//! A scale and a shift for each channel; see [`Affine`].

use super::Affine;
use super::epilogue::Epilogue;
use super::map::WithMap;
use super::rows::{scalar_row, vector_rows};

scalar_row!(Affine, "affine", definition);
vector_rows!(Affine, "affine", vectors, block: false);

/// The formula of [`Affine`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is an Affine and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Affine>();
        let [dst, src, scale, shift] = args.cast::<[*mut f32; 4]>().read();
        let activation = p.activation.decode().unwrap_or_default();
        for y in 0..p.rows as usize {
            for x in 0..p.len as usize {
                let lane = x % p.block as usize;
                let value = (*src.add(y * p.src_pitch as usize + x)).mul_add(*scale.add(lane), *shift.add(lane));
                *dst.add(y * p.dst_pitch as usize + x) = activation.apply(value);
            }
        }
    }
}

/// All rows.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: WithMap>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is an Affine and `args` its pointers.
    let (p, [dst, src, scale, shift]) = unsafe { (&*params.cast::<Affine>(), args.cast::<[*mut f32; 4]>().read()) };
    let epilogue = Epilogue::new(p.activation);
    let (len, block) = (p.len as usize, p.block as usize);
    let chunk = epilogue.chunk(len, block).max(1);
    for y in 0..p.rows as usize {
        for from in (0..len).step_by(chunk) {
            let n = chunk.min(len - from);
            let src = src.wrapping_add(y * p.src_pitch as usize + from).cast_const();
            let dst = dst.wrapping_add(y * p.dst_pitch as usize + from);
            // SAFETY: `src` and `dst` hold `n` elements, a multiple of `block`; `scale` and `shift` hold `block`.
            unsafe {
                if block == 1 || block == S::LANES {
                    let (scale, shift) =
                        if block == 1 { (s.splat(*scale), s.splat(*shift)) } else { (s.load(scale), s.load(shift)) };
                    for x in (0..n).step_by(S::LANES) {
                        let v = s.fma(s.load_up_to(src.add(x), n - x), scale, shift);
                        s.store_up_to(dst.add(x), epilogue.in_registers(s, v), n - x);
                    }
                } else {
                    for start in (0..n).step_by(block) {
                        for x in (0..block).step_by(S::LANES) {
                            let (at, rest) = (start + x, block - x);
                            let [scale, shift] = [s.load_up_to(scale.add(x), rest), s.load_up_to(shift.add(x), rest)];
                            let v = s.fma(s.load_up_to(src.add(at), rest), scale, shift);
                            s.store_up_to(dst.add(at), epilogue.in_registers(s, v), rest);
                        }
                    }
                }
                epilogue.in_memory(s, dst, 1, n, 0);
            }
        }
    }
}

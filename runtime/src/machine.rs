//! What one core of this machine can do, measured: the two roofs under which every kernel's time lies
//! (Williams, Waterman and Patterson, "Roofline", Communications of the ACM 2009, section 3).
//!
//! Nothing that a network runs reads this; reports and benchmarks do.

use std::hint::black_box;
use std::time::Instant;

use crate::simd::Simd;
use crate::{AlignedVec, Isa};

/// Independent chains of FMAs, more than latency × throughput of any core; they and two operands fit 16 registers.
const CHAINS: usize = 12;

/// FMAs of one chain between two looks at the clock.
const STEPS: usize = 8192;

/// FLOP per second of one core in a loop of nothing but FMAs on registers (1 FMA = 2 FLOP), the best of `rounds`
/// loops of some 50 µs. `None` where this processor lacks the instruction set.
#[must_use]
pub fn peak(isa: Isa, rounds: usize) -> Option<f64> {
    let seconds = best(rounds, || run(isa, Loop::Fma))?;
    Some((2 * lanes(isa) * CHAINS * STEPS) as f64 / seconds)
}

/// Bytes per second at which one core reads `bytes` bytes (at least 4 KiB) again and again, the best of `rounds`
/// readings: the bandwidth of the innermost cache that holds them, or of memory. `None` where this processor lacks
/// the instruction set.
#[must_use]
pub fn read_bandwidth(isa: Isa, bytes: usize, rounds: usize) -> Option<f64> {
    let mut data = AlignedVec::<f32>::zeroed(bytes.max(4096) / size_of::<f32>());
    // Pages that nobody has written share one page of zeros.
    data.fill(1.0);
    // Short readings repeat, so that the clock's own time vanishes.
    let repeats = (1_usize << 20).div_ceil(data.len());
    let seconds = best(rounds, || run(isa, Loop::Read { data: &data, repeats }))?;
    Some((size_of_val(&*data) * repeats) as f64 / seconds)
}

/// The least seconds of `rounds` runs; `None` where there is none.
fn best(rounds: usize, run: impl Fn() -> Option<()>) -> Option<f64> {
    let time = |_| {
        let start = Instant::now();
        run().map(|()| start.elapsed().as_secs_f64())
    };
    (0..rounds.max(1)).map(time).try_fold(f64::INFINITY, |least, seconds| Some(least.min(seconds?)))
}

/// Lanes of one register, of which portable code has one.
fn lanes(isa: Isa) -> usize {
    if isa == Isa::Scalar { 1 } else { isa.lanes() }
}

/// What is timed.
#[derive(Clone, Copy)]
enum Loop<'a> {
    Fma,
    Read { data: &'a [f32], repeats: usize },
}

/// Runs a loop in this instruction set; `None` where this processor lacks it.
fn run(isa: Isa, what: Loop<'_>) -> Option<()> {
    macro_rules! with {
        ($token:ident, $features:literal) => {{
            #[target_feature(enable = $features)]
            unsafe fn enabled(what: Loop<'_>) {
                // SAFETY: the caller has found the instructions.
                body(unsafe { crate::simd::$token::new() }, what);
            }
            // SAFETY: `available` has found the instructions.
            unsafe { enabled(what) }
        }};
    }

    if !isa.available() {
        return None;
    }
    match isa {
        Isa::Scalar => body(crate::simd::Scalar, what),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => with!(Neon, "neon"),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => with!(Avx2, "avx2,fma"),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => with!(Avx512, "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"),
        #[allow(unreachable_patterns)]
        _ => return None,
    }
    Some(())
}

#[inline(always)]
fn body<S: Simd>(s: S, what: Loop<'_>) {
    match what {
        Loop::Fma => {
            let (a, b) = (black_box(s.splat(0.5)), black_box(s.splat(1.0)));
            let mut chains = [b; CHAINS];
            for _ in 0..STEPS {
                for x in &mut chains {
                    *x = s.fma(*x, a, b);
                }
            }
            black_box(chains);
        }
        Loop::Read { data, repeats } => {
            let mut sums = [s.splat(0.0); 8];
            for _ in 0..repeats {
                for chunk in black_box(data).chunks_exact(8 * S::LANES) {
                    for (index, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: the chunk holds eight registers.
                        *sum = s.add(*sum, unsafe { s.load(chunk.as_ptr().add(index * S::LANES)) });
                    }
                }
            }
            black_box(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_what_this_processor_has() {
        for isa in Isa::ALL {
            let (peak, bandwidth) = (peak(isa, 1), read_bandwidth(isa, 1 << 16, 1));
            assert_eq!((peak.is_some(), bandwidth.is_some()), (isa.available(), isa.available()), "{isa}");
            for value in [peak, bandwidth].into_iter().flatten() {
                assert!(value.is_finite() && value > 0.0, "{isa}: {value}");
            }
        }
    }
}

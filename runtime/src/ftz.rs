//! [`FlushToZero`]: arithmetic without denormal numbers.

use std::marker::PhantomData;

use arch::{Control, FLUSH, control, set_control};

/// While this lives, float32 arithmetic of its thread takes denormal numbers for zero, as operands and as results; when
/// dropped, the thread's former mode is back.
///
/// A denormal operand costs a hundred cycles on many processors, and activations that die away make them by the
/// million. It is also part of what a lowered program means, so that all backends agree bit for bit. Where the
/// processor has no such mode (neither x86-64 nor AArch64), nothing happens.
///
/// On x86-64 it sets the bits FTZ and DAZ of MXCSR, on AArch64 the bit FZ of FPCR.
#[derive(Debug)]
pub struct FlushToZero {
    former: Control,
    /// The mode belongs to a thread, and so does this.
    _thread: PhantomData<*const ()>,
}

impl FlushToZero {
    /// Sets the mode for the calling thread.
    #[must_use]
    pub fn enter() -> Self {
        let former = control();
        if former & FLUSH != FLUSH {
            set_control(former | FLUSH);
        }
        Self { former, _thread: PhantomData }
    }
}

impl Drop for FlushToZero {
    fn drop(&mut self) {
        if self.former & FLUSH != FLUSH {
            // Only these bits: others (exceptions that have occurred) may have changed meanwhile.
            set_control(control() & !FLUSH | self.former & FLUSH);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use std::arch::asm;

    pub(super) type Control = u32;

    /// FTZ, bit 15, and DAZ, bit 6, of MXCSR.
    pub(super) const FLUSH: Control = 1 << 15 | 1 << 6;

    pub(super) fn control() -> Control {
        let mut control = 0;
        // SAFETY: every x86-64 processor has SSE; the instruction stores four bytes, to a local variable.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags)) }
        control
    }

    pub(super) fn set_control(control: Control) {
        // SAFETY: `control` is what `control()` gave but for the two bits of `FLUSH`, which every x86-64 processor
        // knows; so no reserved bit is set, no exception unmasked, and rounding stays as it was. Not marked
        // `nomem`, so that no access to memory moves across.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags)) }
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use std::arch::asm;

    pub(super) type Control = u64;

    /// FZ, bit 24 of FPCR.
    pub(super) const FLUSH: Control = 1 << 24;

    pub(super) fn control() -> Control {
        let control;
        // SAFETY: reading FPCR is allowed at every exception level and changes nothing.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags)) }
        control
    }

    pub(super) fn set_control(control: Control) {
        // SAFETY: `control` is what `control()` gave but for the bit of `FLUSH`; rounding and traps stay as they
        // were. Not marked `nomem`, so that no access to memory moves across.
        unsafe { asm!("msr fpcr, {}", in(reg) control, options(nostack, preserves_flags)) }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod arch {
    pub(super) type Control = u32;

    pub(super) const FLUSH: Control = 0;

    pub(super) const fn control() -> Control {
        0
    }

    pub(super) const fn set_control(_: Control) {}
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use std::hint::black_box;

    use super::*;

    /// Half of the least normal number, which is denormal, and the sum of two denormal numbers that is normal.
    fn probe() -> (f32, f32) {
        let denormal = f32::from_bits(0x0060_0000);
        (black_box(f32::MIN_POSITIVE) * black_box(0.5), black_box(denormal) + black_box(denormal))
    }

    #[test]
    fn flushes_operands_and_results_and_restores() {
        let (half, sum) = probe();
        assert!(half > 0.0 && sum > 0.0);
        {
            let _outer = FlushToZero::enter();
            assert_eq!(probe(), (0.0, 0.0));
            drop(FlushToZero::enter());
            assert_eq!(probe(), (0.0, 0.0), "an inner guard leaves the outer one's mode");
        }
        assert_eq!(probe(), (half, sum));
    }
}

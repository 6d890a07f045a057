//! Conversion of the other floating-point formats to float32.

/// The float32 equal to a float16 (IEEE 754 binary16) given by its bits.
pub(super) const fn from_f16(bits: u16) -> f32 {
    let sign = (bits as u32 & 0x8000) << 16;
    let exponent = (bits as u32 >> 10) & 0x1f;
    let fraction = bits as u32 & 0x3ff;
    let magnitude = match exponent {
        // Zero and subnormal numbers: the fraction counts 2⁻²⁴, exactly representable.
        0 => (fraction as f32 / (1 << 24) as f32).to_bits(),
        // Infinity and NaN.
        0x1f => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 127 - 15) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// The float32 equal to a bfloat16 given by its bits: its upper half.
pub(super) const fn from_bf16(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_float16() {
        for (bits, expected) in [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(from_f16(bits).to_bits(), f32::to_bits(expected), "{bits:#06x}");
        }
        assert!(from_f16(0x7e00).is_nan());
    }

    /// Neighbours stay in order, and halves of what they count: together with the values above, all are right.
    #[test]
    fn keeps_the_order_of_float16() {
        for bits in 0..0x7c00_u16 {
            assert!(from_f16(bits) < from_f16(bits + 1), "{bits:#06x}");
            assert_eq!(from_f16(bits | 0x8000), -from_f16(bits));
        }
    }

    #[test]
    fn converts_bfloat16() {
        for value in [0.0, -0.0, 1.0, -1.5, f32::INFINITY, f32::MIN_POSITIVE] {
            assert_eq!(from_bf16((f32::to_bits(value) >> 16) as u16).to_bits(), value.to_bits());
        }
    }
}

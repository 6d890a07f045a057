//! The safe way to a family's definition: its scalar row, on checked ranges of one slice.

use std::ops::Range;

use super::{Params, ukernels};
use crate::Isa;

/// A call that does not fit its family or its memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The parameters are none of the family.
    #[error("{0}")]
    Refused(String),
    /// The number of operands is wrong.
    #[error("`{family}` takes {expected} operands, not {found}")]
    Operands {
        /// The family.
        family: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many it gets.
        found: usize,
    },
    /// An operand reaches beyond its range.
    #[error("operand `{operand}` of `{family}` reaches {span} elements far, and its range has {len}")]
    OutOfBounds {
        /// The family.
        family: &'static str,
        /// The operand.
        operand: &'static str,
        /// Elements from the first to one past the last that is accessed.
        span: u64,
        /// Elements of its range.
        len: usize,
    },
}

impl Params {
    /// Runs the definition of this family: operand *i* begins at the start of `operands[i]`, a range of `memory`, and
    /// accesses nothing beyond its end. Where ranges overlap, each element is read or written when the definition's
    /// loops come to it.
    ///
    /// # Errors
    /// [`CallError`] where the family refuses the parameters, the number of operands is not that of
    /// [`Params::accesses`], or an operand reaches beyond its range or its range beyond `memory`. Nothing is written then.
    pub fn evaluate(&self, memory: &mut [f32], operands: &[Range<usize>]) -> Result<(), CallError> {
        let family = self.family();
        let accesses = self.accesses();
        if operands.len() != accesses.len() {
            let (expected, found) = (accesses.len(), operands.len());
            return Err(CallError::Operands { family: family.name(), expected, found });
        }
        for (access, range) in accesses.iter().zip(operands) {
            let len = memory.get(range.clone()).map_or(0, <[f32]>::len);
            let span = access.span();
            if span > len as u64 {
                return Err(CallError::OutOfBounds { family: family.name(), operand: access.name, span, len });
            }
        }
        let scalar = ukernels().iter().find(|row| row.family == family && row.isa == Isa::Scalar);
        let row = scalar.ok_or_else(|| CallError::Refused(format!("`{}` has no scalar row", family.name())))?;
        row.accepts(self).map_err(CallError::Refused)?;
        let base = memory.as_mut_ptr();
        let args: Vec<*mut f32> = operands.iter().map(|range| base.wrapping_add(range.start)).collect();
        // SAFETY: each pointer has the provenance of all of `memory`, which is borrowed exclusively, and is valid for
        // its access, whose span was compared above with a range within `memory`; one with an empty span is not
        // accessed. The row is of the family whose parameter struct `as_ptr` points to, accepts it, and needs no
        // instruction set.
        unsafe { (row.entry)(args.as_ptr(), self.as_ptr()) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Copy, Fill};
    use super::*;

    #[test]
    fn runs_the_definition_within_the_ranges() {
        let copy = Params::Copy(Copy { rows: 2, len: 2, dst_pitch: 2, src_pitch: 3 });
        let mut memory: Vec<f32> = (0..10_u8).map(f32::from).collect();
        assert_eq!(copy.evaluate(&mut memory, &[5..9, 0..5]), Ok(()));
        assert_eq!(memory, [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0, 9.0]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut memory = [0.0; 16];
        let mut fill = |rows, len, dst_pitch, operands: &[Range<usize>]| {
            Params::Fill(Fill { rows, len, dst_pitch, value: 1.0 }).evaluate(&mut memory, operands)
        };
        let beyond = |span, len| Err(CallError::OutOfBounds { family: "fill", operand: "dst", span, len });
        let mut one = |rows, len, dst_pitch, operand| fill(rows, len, dst_pitch, std::slice::from_ref(&operand));
        assert_eq!(one(3, 2, 4, 0..9), beyond(10, 9));
        assert_eq!(one(3, 2, 4, 7..17), beyond(10, 0));
        assert_eq!(one(3, 2, 4, usize::MAX..usize::MAX), beyond(10, 0));
        assert_eq!(one(u32::MAX, u32::MAX, u32::MAX, 0..16), beyond(u64::MAX, 16));
        assert_eq!(one(0, 2, 4, 16..16), Ok(()));
        assert_eq!(fill(3, 2, 4, &[]), Err(CallError::Operands { family: "fill", expected: 1, found: 0 }));
        assert_eq!(memory, [0.0; 16]);
    }
}

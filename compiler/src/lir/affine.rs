//! Arithmetic on [`Affine`] indices, so that lowerings write `row * pitch + column * block`.
//!
//! An overflow saturates; so large an index is out of bounds of every buffer, and the verifier says so.

use std::ops::{Add, Mul, Sub};

use super::{Affine, LoopVar};

fn to_i64(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Affine {
    /// The stride of `var`; 0 where it does not appear.
    #[must_use]
    pub fn stride(&self, var: LoopVar) -> i64 {
        self.terms.iter().find(|(v, _)| *v == var).map_or(0, |&(_, stride)| stride)
    }

    /// The index times a factor that may be negative.
    #[must_use]
    pub fn scaled(&self, factor: i64) -> Self {
        let terms = self.terms.iter().map(|&(var, stride)| (var, stride.saturating_mul(factor)));
        Self { base: self.base.saturating_mul(factor), terms: terms.filter(|&(_, stride)| stride != 0).collect() }
    }

    fn add_term(&mut self, var: LoopVar, stride: i64) {
        match self.terms.iter_mut().find(|(v, _)| *v == var) {
            Some((_, old)) => *old = old.saturating_add(stride),
            None => self.terms.push((var, stride)),
        }
        self.terms.retain(|&(_, stride)| stride != 0);
    }
}

impl From<LoopVar> for Affine {
    fn from(var: LoopVar) -> Self {
        Self { base: 0, terms: vec![(var, 1)] }
    }
}

impl From<usize> for Affine {
    fn from(base: usize) -> Self {
        Self { base: to_i64(base), terms: Vec::new() }
    }
}

impl From<&Affine> for Affine {
    fn from(index: &Affine) -> Self {
        index.clone()
    }
}

impl<T: Into<Affine>> Add<T> for Affine {
    type Output = Affine;

    fn add(mut self, other: T) -> Affine {
        let other = other.into();
        self.base = self.base.saturating_add(other.base);
        for (var, stride) in other.terms {
            self.add_term(var, stride);
        }
        self
    }
}

impl<T: Into<Affine>> Add<T> for &Affine {
    type Output = Affine;

    fn add(self, other: T) -> Affine {
        self.clone() + other
    }
}

impl Sub<usize> for Affine {
    type Output = Affine;

    fn sub(mut self, elements: usize) -> Affine {
        self.base = self.base.saturating_sub(to_i64(elements));
        self
    }
}

impl Mul<usize> for Affine {
    type Output = Affine;

    fn mul(mut self, factor: usize) -> Affine {
        let factor = to_i64(factor);
        self.base = self.base.saturating_mul(factor);
        for (_, stride) in &mut self.terms {
            *stride = stride.saturating_mul(factor);
        }
        self.terms.retain(|&(_, stride)| stride != 0);
        self
    }
}

impl Mul<usize> for &Affine {
    type Output = Affine;

    fn mul(self, factor: usize) -> Affine {
        self.clone() * factor
    }
}

impl Add<usize> for LoopVar {
    type Output = Affine;

    fn add(self, elements: usize) -> Affine {
        Affine::from(self) + elements
    }
}

impl Mul<usize> for LoopVar {
    type Output = Affine;

    fn mul(self, factor: usize) -> Affine {
        Affine::from(self) * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_merges_terms_and_drops_zeros() {
        let (row, column) = (LoopVar(0), LoopVar(1));
        let index = (row * 7 + column) * 16 + row * 2 + 5;
        assert_eq!(index, Affine { base: 5, terms: vec![(row, 114), (column, 16)] });
        let none = 0;
        assert_eq!(&index * none + 3, Affine::from(3));
        assert_eq!((row + 1 - 4).base, -3);
        assert_eq!((index.stride(column), index.stride(LoopVar(9))), (16, 0));
        assert_eq!((row * 2 + 3).scaled(-2), Affine { base: -6, terms: vec![(row, -4)] });
        assert_eq!((row * 2 + 3).scaled(0), Affine::default());
    }

    #[test]
    fn overflow_saturates() {
        let far = LoopVar(0) * usize::MAX * 2 + usize::MAX + usize::MAX;
        assert_eq!(far, Affine { base: i64::MAX, terms: vec![(LoopVar(0), i64::MAX)] });
    }
}

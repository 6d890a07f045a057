//! The type rule of weight operations: the shape of a result from the shapes of the operands.

use super::{WeightError, WeightOp};
use crate::kernels::winograd;
use crate::tensor::count;

impl WeightOp {
    /// The name in messages and plans.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Parameter(_) => "parameter",
            Self::Literal { .. } => "literal",
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Rsqrt { .. } => "rsqrt",
            Self::Reshape(_) => "reshape",
            Self::Transpose(_) => "transpose",
            Self::View { .. } => "view",
            Self::Phases { .. } => "phases",
            Self::BlockDiagonal { .. } => "block_diagonal",
            Self::PackConv { .. } => "pack_conv",
            Self::PackWinograd { .. } => "pack_winograd",
            Self::PackDepthwise { .. } => "pack_depthwise",
            Self::PackVector { .. } => "pack_vector",
        }
    }

    /// How many tensors it takes from the stack.
    #[must_use]
    pub const fn operands(&self) -> usize {
        match self {
            Self::Parameter(_) | Self::Literal { .. } => 0,
            Self::Add | Self::Sub | Self::Mul | Self::Div => 2,
            Self::Rsqrt { .. }
            | Self::Reshape(_)
            | Self::Transpose(_)
            | Self::View { .. }
            | Self::Phases { .. }
            | Self::BlockDiagonal { .. }
            | Self::PackConv { .. }
            | Self::PackWinograd { .. }
            | Self::PackDepthwise { .. }
            | Self::PackVector { .. } => 1,
        }
    }

    /// The shape of the result for operands of these shapes, in the order in which they were pushed.
    ///
    /// What [`WeightOp::PackConv`] and [`WeightOp::PackWinograd`] make has one dimension, for its last group may be
    /// narrower than the others;
    /// [`WeightOp::PackDepthwise`] makes `[⌈C/block⌉, Kh, Kw, block]`. A parameter's shape stands in the network, so
    /// that of [`WeightOp::Parameter`] is an error here.
    ///
    /// # Errors
    /// [`WeightError::Operands`] where the number of operands is wrong, [`WeightError::Shape`] where their shapes are.
    pub fn result_shape(&self, operands: &[&[usize]]) -> Result<Vec<usize>, WeightError> {
        let shape = match (self, operands) {
            (Self::Literal { shape, values }, []) => literal(shape, values.len()),
            (Self::Add | Self::Sub | Self::Mul | Self::Div, [a, b]) => broadcast(a, b),
            (Self::Rsqrt { .. }, [a]) => Ok(a.to_vec()),
            (Self::Reshape(shape), [a]) => reshape(a, shape),
            (Self::Transpose(order), [a]) => transpose(a, order),
            (Self::View { start, strides, shape }, [a]) => view(a, *start, strides, shape),
            (&Self::Phases { stride, taps, .. }, [a]) => phases(a, stride, taps),
            (&Self::BlockDiagonal { outputs, groups }, [a]) => block_diagonal(a, outputs, groups),
            (&Self::PackConv { block, nr, inner }, [a]) => ConvPacking::new(a, block, nr, inner).map(|p| vec![p.len]),
            (&Self::PackWinograd { m, block, nr, inner }, [a]) => {
                WinogradPacking::new(a, m, block, nr, inner).map(|p| vec![p.len()])
            }
            (&Self::PackDepthwise { block }, [a]) => pack_depthwise(a, block),
            (&Self::PackVector { block }, [a]) => pack_vector(a, block),
            _ => return Err(WeightError::Operands { op: self.name(), found: operands.len() }),
        };
        shape
            .and_then(|shape| if count(&shape, size_of::<f32>()).is_some() { Ok(shape) } else { Err(TOO_LARGE) })
            .map_err(|reason| WeightError::Shape {
                op: self.name(),
                operands: operands.iter().map(|shape| shape.to_vec()).collect(),
                reason,
            })
    }
}

const TOO_LARGE: &str = "the result exceeds the address space";

type Shape<T = Vec<usize>> = Result<T, &'static str>;

fn literal(shape: &[usize], values: usize) -> Shape {
    if values == 1 || count(shape, size_of::<f32>()) == Some(values) {
        Ok(shape.to_vec())
    } else {
        Err("a literal has one value, or as many as its shape")
    }
}

/// Numpy's rule: shapes are aligned at their ends, and a dimension of 1 stretches.
fn broadcast(a: &[usize], b: &[usize]) -> Shape {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], index: usize| (index + shape.len()).checked_sub(rank).map_or(1, |index| shape[index]);
    (0..rank)
        .map(|index| match (dim(a, index), dim(b, index)) {
            (a, b) if a == b => Ok(a),
            (1, n) | (n, 1) => Ok(n),
            _ => Err("dimensions are equal, or one of them is 1, counted from the last"),
        })
        .collect()
}

fn reshape(from: &[usize], to: &[usize]) -> Shape {
    if count(from, 1) == count(to, 1) { Ok(to.to_vec()) } else { Err("the number of elements stays the same") }
}

fn transpose(from: &[usize], order: &[usize]) -> Shape {
    let each_once = order.len() == from.len() && (0..from.len()).all(|dim| order.contains(&dim));
    if each_once {
        Ok(order.iter().map(|dim| from[*dim]).collect())
    } else {
        Err("the order names each dimension once")
    }
}

fn view(from: &[usize], start: usize, strides: &[usize], to: &[usize]) -> Shape {
    if strides.len() != to.len() {
        return Err("each dimension has a stride");
    }
    let step = |(len, stride): (&usize, &usize)| len.checked_sub(1)?.checked_mul(*stride);
    let last = to.iter().zip(strides).try_fold(start, |last, dim| last.checked_add(step(dim)?));
    match (last, count(from, 1)) {
        (Some(last), Some(elements)) if last < elements => Ok(to.to_vec()),
        _ => Err("a view has elements, and all are the operand's"),
    }
}

fn phases(shape: &[usize], stride: [u32; 2], taps: [u32; 2]) -> Shape {
    match shape {
        [lead @ .., _, _] => {
            Ok(lead.iter().copied().chain(stride.into_iter().chain(taps).map(|size| size as usize)).collect())
        }
        _ => Err("taps have the dimensions … Kh Kw"),
    }
}

fn block_diagonal(shape: &[usize], outputs: u32, groups: u32) -> Shape {
    match *shape {
        [o, i, kh, kw] if outputs > 0 && groups > 0 => {
            i.checked_mul(groups as usize).map(|inputs| vec![o, inputs, kh, kw]).ok_or(TOO_LARGE)
        }
        [_, _, _, _] => Err("outputs and groups are at least 1"),
        _ => Err("weights have the dimensions O I Kh Kw"),
    }
}

/// The extents of [`WeightOp::PackConv`]: O I Kh Kw, and what they are packed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConvPacking {
    /// Output channels.
    pub(super) o: usize,
    /// Input channels.
    pub(super) i: usize,
    /// Kh · Kw.
    pub(super) taps: usize,
    /// Output channels of one block.
    pub(super) block: usize,
    /// Blocks of output channels.
    pub(super) blocks: usize,
    /// Blocks of one group.
    pub(super) nr: usize,
    /// Input channels of one block; the last one holds what remains.
    pub(super) inner: usize,
    /// Elements of the result.
    pub(super) len: usize,
}

impl ConvPacking {
    pub(super) fn new(shape: &[usize], block: u32, nr: u32, inner: u32) -> Shape<Self> {
        let (o, i, taps) = match *shape {
            [o, i] => (o, i, Some(1)),
            [o, i, kh, kw] => (o, i, kh.checked_mul(kw)),
            _ => return Err("weights have the dimensions O I Kh Kw, or O I"),
        };
        if block == 0 || nr == 0 || inner == 0 {
            return Err("block, nr and inner are at least 1");
        }
        let (block, nr, inner) = (block as usize, nr as usize, inner as usize);
        let blocks = o.div_ceil(block);
        let taps = taps.ok_or(TOO_LARGE)?;
        let len = count(&[blocks, block, i, taps], size_of::<f32>()).ok_or(TOO_LARGE)?;
        Ok(Self { o, i, taps, block, blocks, nr, inner, len })
    }
}

/// The extents of [`WeightOp::PackWinograd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WinogradPacking {
    /// Those of one point.
    pub(super) point: ConvPacking,
    /// Rows, and columns, of points.
    pub(super) alpha: usize,
}

impl WinogradPacking {
    pub(super) fn new(shape: &[usize], m: u32, block: u32, nr: u32, inner: u32) -> Shape<Self> {
        let &[o, i, 3, 3] = shape else { return Err("weights have the dimensions O I 3 3") };
        let alpha = winograd::alpha(m).ok_or("m is 2 or 4")? as usize;
        let point = ConvPacking::new(&[o, i], block, nr, inner)?;
        count(&[point.len, alpha, alpha], size_of::<f32>()).ok_or(TOO_LARGE)?;
        Ok(Self { point, alpha })
    }

    /// Elements of the result.
    pub(super) const fn len(&self) -> usize {
        self.point.len * self.alpha * self.alpha
    }
}

fn pack_depthwise(shape: &[usize], block: u32) -> Shape {
    match *shape {
        [c, 1, kh, kw] if block > 0 => Ok(vec![c.div_ceil(block as usize), kh, kw, block as usize]),
        [_, 1, _, _] => Err("block is at least 1"),
        _ => Err("weights have the dimensions C 1 Kh Kw"),
    }
}

fn pack_vector(shape: &[usize], block: u32) -> Shape {
    match *shape {
        [len] if block > 0 => {
            len.div_ceil(block as usize).checked_mul(block as usize).map(|len| vec![len]).ok_or(TOO_LARGE)
        }
        [_] => Err("block is at least 1"),
        _ => Err("a vector has one dimension"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rules() {
        let pack = WeightOp::PackConv { block: 16, nr: 2, inner: 16 };
        let literal = |shape: &[usize], values: usize| WeightOp::Literal {
            shape: shape.to_vec().into(),
            values: vec![1.0; values].into(),
        };
        let view = |start, strides: &[usize], shape: &[usize]| WeightOp::View {
            start,
            strides: strides.to_vec().into(),
            shape: shape.to_vec().into(),
        };
        type Case<'a> = (WeightOp, &'a [&'a [usize]], Option<&'a [usize]>);
        let cases: &[Case<'_>] = &[
            (WeightOp::Add, &[&[8, 3, 1], &[3, 5]], Some(&[8, 3, 5])),
            (WeightOp::Mul, &[&[], &[2, 0]], Some(&[2, 0])),
            (WeightOp::Sub, &[&[1, 0], &[1]], Some(&[1, 0])),
            (WeightOp::Div, &[&[3], &[4]], None),
            (WeightOp::Add, &[&[3]], None),
            (WeightOp::Add, &[&[1 << 40, 1], &[1 << 40]], None),
            (WeightOp::Rsqrt { epsilon: 1e-5 }, &[&[7]], Some(&[7])),
            (WeightOp::Reshape(vec![6, 1].into()), &[&[2, 3]], Some(&[6, 1])),
            (WeightOp::Reshape(vec![5].into()), &[&[2, 3]], None),
            (WeightOp::Transpose(vec![2, 0, 1].into()), &[&[4, 5, 6]], Some(&[6, 4, 5])),
            (WeightOp::Transpose(vec![0, 0, 1].into()), &[&[4, 5, 6]], None),
            (WeightOp::Transpose(vec![0, 1].into()), &[&[4, 5, 6]], None),
            (WeightOp::Transpose(vec![0, 3].into()), &[&[4, 5]], None),
            (view(1, &[2, 3], &[2, 2]), &[&[7]], Some(&[2, 2])),
            (view(1, &[2, 3], &[2, 2]), &[&[2, 3]], None),
            (view(5, &[], &[]), &[&[2, 3]], Some(&[])),
            (view(0, &[1], &[0]), &[&[2, 3]], None),
            (view(0, &[1, 1], &[2]), &[&[2, 3]], None),
            (view(1, &[usize::MAX], &[3]), &[&[2, 3]], None),
            (literal(&[2, 2], 4), &[], Some(&[2, 2])),
            (literal(&[2, 2], 1), &[], Some(&[2, 2])),
            (literal(&[2, 2], 3), &[], None),
            (literal(&[1 << 62, 2], 1), &[], None),
            (pack.clone(), &[&[40, 17, 3, 3]], Some(&[3 * 16 * 17 * 9])),
            (
                WeightOp::Phases { stride: [2, 2], first: [1, 1], taps: [2, 2] },
                &[&[8, 4, 3, 3]],
                Some(&[8, 4, 2, 2, 2, 2]),
            ),
            (WeightOp::Phases { stride: [2, 2], first: [1, 1], taps: [2, 2] }, &[&[3]], None),
            (WeightOp::BlockDiagonal { outputs: 4, groups: 4 }, &[&[32, 2, 3, 3]], Some(&[32, 8, 3, 3])),
            (WeightOp::BlockDiagonal { outputs: 0, groups: 4 }, &[&[32, 2, 3, 3]], None),
            (WeightOp::BlockDiagonal { outputs: 4, groups: 4 }, &[&[32, 2]], None),
            (pack.clone(), &[&[16, 16]], Some(&[256])),
            (pack.clone(), &[&[16, 16, 3]], None),
            (pack, &[&[1 << 40, 1 << 40, 1, 1]], None),
            (WeightOp::PackConv { block: 0, nr: 2, inner: 16 }, &[&[16, 16]], None),
            (WeightOp::PackWinograd { m: 4, block: 16, nr: 2, inner: 16 }, &[&[40, 17, 3, 3]], Some(&[36 * 48 * 17])),
            (WeightOp::PackWinograd { m: 2, block: 16, nr: 2, inner: 16 }, &[&[40, 17, 3, 3]], Some(&[16 * 48 * 17])),
            (WeightOp::PackWinograd { m: 3, block: 16, nr: 2, inner: 16 }, &[&[40, 17, 3, 3]], None),
            (WeightOp::PackWinograd { m: 4, block: 16, nr: 2, inner: 16 }, &[&[40, 17, 5, 5]], None),
            (WeightOp::PackDepthwise { block: 16 }, &[&[24, 1, 3, 5]], Some(&[2, 3, 5, 16])),
            (WeightOp::PackDepthwise { block: 16 }, &[&[24, 2, 3, 5]], None),
            (WeightOp::PackVector { block: 16 }, &[&[33]], Some(&[48])),
            (WeightOp::PackVector { block: 16 }, &[&[33, 1]], None),
            (WeightOp::PackVector { block: 16 }, &[&[usize::MAX]], None),
            (WeightOp::Parameter(0), &[], None),
        ];
        for (op, operands, expected) in cases {
            assert_eq!(op.result_shape(operands).ok().as_deref(), *expected, "{op:?} {operands:?}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let error = WeightOp::Mul.result_shape(&[&[8, 3], &[8]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mul of [8, 3] and [8]: dimensions are equal, or one of them is 1, counted from the last"
        );
        let error = WeightOp::Rsqrt { epsilon: 0.0 }.result_shape(&[]).unwrap_err();
        assert_eq!(error.to_string(), "rsqrt does not take 0 operands");
    }
}

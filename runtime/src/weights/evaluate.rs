//! Evaluation of weight expressions.

use std::borrow::Cow;

use super::elementwise::{Operand, binary, binary_in_place};
use super::pack::{block_diagonal, pack_conv, pack_vector};
use super::phases::phases;
use super::shape::{ConvPacking, WinogradPacking};
use super::transpose::transpose;
use super::view::view;
use super::winograd::pack_winograd;
use super::{WeightError, WeightOp};
use crate::TensorView;
use crate::parameters::{as_elements, read_elements};

/// A parameter, as weights are evaluated from it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'p> {
    shape: &'p [usize],
    elements: Elements<'p>,
}

/// Where the elements of a [`Source`] are.
#[derive(Clone, Copy, Debug)]
enum Elements<'p> {
    Here(&'p [f32]),
    /// Little-endian float32, not aligned.
    Bytes(&'p [u8]),
}

impl<'p> Source<'p> {
    /// Little-endian float32, as many as the shape has.
    pub(crate) fn bytes(shape: &'p [usize], bytes: &'p [u8]) -> Self {
        Self { shape, elements: as_elements(bytes).map_or(Elements::Bytes(bytes), Elements::Here) }
    }
}

impl<'p> From<TensorView<'p>> for Source<'p> {
    fn from(view: TensorView<'p>) -> Self {
        Self { shape: view.shape(), elements: Elements::Here(view.data()) }
    }
}

/// Evaluates weight expressions over parameters.
///
/// The last operation of an expression writes straight into its buffer, and the first ones read where the parameters
/// lie, so that a bare [`WeightOp::PackConv`] of a parameter copies nothing twice. What stands between goes through
/// scratch memory that one evaluator reuses.
#[derive(Debug)]
pub struct Evaluator<'p> {
    parameters: &'p [Source<'p>],
    scratch: Vec<Vec<f32>>,
}

/// A tensor on the stack.
struct Value<'e> {
    shape: Cow<'e, [usize]>,
    data: Data<'e>,
}

/// Where the elements of a [`Value`] are.
enum Data<'e> {
    Borrowed(&'e [f32]),
    Scratch(Vec<f32>),
    /// In the expression's buffer: only the last result, which nothing reads.
    Written,
}

impl<'p> Evaluator<'p> {
    /// An evaluator over these parameters, which [`WeightOp::Parameter`] counts.
    #[must_use]
    pub const fn new(parameters: &'p [Source<'p>]) -> Self {
        Self { parameters, scratch: Vec::new() }
    }

    /// Evaluates `expression` and writes every element of `dst`, row-major.
    ///
    /// # Errors
    /// [`WeightError`] where the expression is malformed, its shapes do not fit, or the result has another number of
    /// elements than `dst`; what `dst` holds then is unspecified.
    pub fn evaluate(&mut self, expression: &[WeightOp], dst: &mut [f32]) -> Result<(), WeightError> {
        let last = expression.iter().rposition(|op| !matches!(op, WeightOp::Reshape(_)));
        let mut stack: Vec<Value<'_>> = Vec::new();
        for (index, op) in expression.iter().enumerate() {
            let bottom = stack.len().saturating_sub(op.operands());
            let mut operands = stack.split_off(bottom);
            let shape = self.shape(op, &operands)?;
            let len = shape.iter().product();
            let data = match op {
                WeightOp::Parameter(index) => match self.parameters[*index as usize].elements {
                    Elements::Here(elements) => Data::Borrowed(elements),
                    Elements::Bytes(bytes) => {
                        let mut scratch = self.scratch(len);
                        read_elements(bytes, &mut scratch);
                        Data::Scratch(scratch)
                    }
                },
                WeightOp::Literal { values, .. } if values.len() == len => Data::Borrowed(values),
                WeightOp::Reshape(_) => operands.remove(0).data,
                _ if Some(index) == last => {
                    if len != dst.len() {
                        return Err(WeightError::Destination { shape: shape.into_owned(), expected: dst.len() });
                    }
                    apply(op, &operands, &shape, dst);
                    Data::Written
                }
                _ if apply_in_place(op, &mut operands, &shape) => operands.swap_remove(0).data,
                _ => {
                    let mut scratch = self.scratch(len);
                    apply(op, &operands, &shape, &mut scratch);
                    Data::Scratch(scratch)
                }
            };
            self.reclaim(operands);
            stack.push(Value { shape, data });
        }
        let count = stack.len();
        let Some(value) = stack.pop().filter(|_| count == 1) else {
            return Err(WeightError::Leftover { count });
        };
        if !matches!(value.data, Data::Written) {
            if value.elements().len() != dst.len() {
                return Err(WeightError::Destination { shape: value.shape.into_owned(), expected: dst.len() });
            }
            dst.copy_from_slice(value.elements());
            self.reclaim(vec![value]);
        }
        Ok(())
    }

    fn shape<'e>(&self, op: &'e WeightOp, operands: &[Value<'_>]) -> Result<Cow<'e, [usize]>, WeightError>
    where
        'p: 'e,
    {
        if let WeightOp::Parameter(index) = *op {
            let parameter = self.parameters.get(index as usize);
            let missing = WeightError::Parameter { index, count: self.parameters.len() };
            return parameter.map(|parameter| Cow::Borrowed(parameter.shape)).ok_or(missing);
        }
        let shapes: Vec<&[usize]> = operands.iter().map(|value| &*value.shape).collect();
        op.result_shape(&shapes).map(Cow::Owned)
    }

    /// Scratch memory of so many elements, whatever they are.
    fn scratch(&mut self, len: usize) -> Vec<f32> {
        let mut scratch = self.scratch.pop().unwrap_or_default();
        scratch.resize(len, 0.0);
        scratch
    }

    /// Takes back scratch memory that has been read.
    fn reclaim(&mut self, values: Vec<Value<'_>>) {
        for value in values {
            if let Data::Scratch(scratch) = value.data {
                self.scratch.push(scratch);
            }
        }
    }
}

impl Value<'_> {
    fn elements(&self) -> &[f32] {
        match &self.data {
            Data::Borrowed(elements) => elements,
            Data::Scratch(elements) => elements,
            Data::Written => &[],
        }
    }

    fn operand(&self) -> Operand<'_> {
        Operand { shape: &self.shape, data: self.elements() }
    }
}

/// Writes every element of the result of `op`, whose shape is `shape`, to `dst`. The operands are those for which
/// [`WeightOp::result_shape`] gave that shape.
fn apply(op: &WeightOp, operands: &[Value<'_>], shape: &[usize], dst: &mut [f32]) {
    let a = operands.first().map_or(Operand { shape: &[], data: &[] }, Value::operand);
    let b = operands.get(1).map_or(a, Value::operand);
    match op {
        WeightOp::Add => binary(shape, a, b, dst, |a, b| a + b),
        WeightOp::Sub => binary(shape, a, b, dst, |a, b| a - b),
        WeightOp::Mul => binary(shape, a, b, dst, |a, b| a * b),
        WeightOp::Div => binary(shape, a, b, dst, |a, b| a / b),
        WeightOp::Rsqrt { epsilon } => {
            for (to, from) in dst.iter_mut().zip(a.data) {
                *to = 1.0 / (from + epsilon).sqrt();
            }
        }
        WeightOp::Transpose(order) => transpose(a.data, a.shape, order, dst),
        WeightOp::View { start, strides, .. } => view(&a.data[*start..], strides, shape, dst),
        &WeightOp::Phases { stride, first, taps } => {
            let kernel = [2, 1].map(|end| a.shape[a.shape.len() - end]);
            phases(a.data, kernel, [stride, first, taps], dst);
        }
        &WeightOp::BlockDiagonal { outputs, groups } => block_diagonal(a.shape, a.data, outputs, groups, dst),
        &WeightOp::PackConv { block, nr, inner } => pack(ConvPacking::new(a.shape, block, nr, inner), a.data, dst),
        &WeightOp::PackWinograd { m, block, nr, inner } => {
            let packing = WinogradPacking::new(a.shape, m, block, nr, inner);
            pack_winograd(&packing.expect("`result_shape` made the same packing"), a.data, dst);
        }
        // One channel in, one block a group: the taps of a block's channels lie side by side.
        &WeightOp::PackDepthwise { block } => pack(ConvPacking::new(a.shape, block, 1, 1), a.data, dst),
        WeightOp::PackVector { .. } => pack_vector(a.data, dst),
        // A literal of one value, for others and parameters are read where they lie.
        WeightOp::Literal { values, .. } => dst.fill(values[0]),
        WeightOp::Parameter(_) | WeightOp::Reshape(_) => dst.copy_from_slice(a.data),
    }
}

/// Arithmetic on scratch memory that has the result's shape leaves its result there, and says so.
fn apply_in_place(op: &WeightOp, operands: &mut [Value<'_>], shape: &[usize]) -> bool {
    let [Value { shape: a_shape, data: Data::Scratch(a) }, b] = operands else { return false };
    if **a_shape != *shape {
        return false;
    }
    match op {
        WeightOp::Add => binary_in_place(shape, a, b.operand(), |a, b| a + b),
        WeightOp::Sub => binary_in_place(shape, a, b.operand(), |a, b| a - b),
        WeightOp::Mul => binary_in_place(shape, a, b.operand(), |a, b| a * b),
        WeightOp::Div => binary_in_place(shape, a, b.operand(), |a, b| a / b),
        _ => return false,
    }
    true
}

fn pack(packing: Result<ConvPacking, &'static str>, src: &[f32], dst: &mut [f32]) {
    pack_conv(&packing.expect("`result_shape` made the same packing"), src, dst);
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: WeightOp = WeightOp::Parameter(0);
    const SCALE: WeightOp = WeightOp::Parameter(1);
    const VARIANCE: WeightOp = WeightOp::Parameter(2);

    fn literal(shape: &[usize], values: &[f32]) -> WeightOp {
        WeightOp::Literal { shape: shape.to_vec().into(), values: values.to_vec().into() }
    }

    fn reshape(shape: &[usize]) -> WeightOp {
        WeightOp::Reshape(shape.to_vec().into())
    }

    /// The value of an expression over W = 0, 1, … of shape [3, 2, 1, 1], scale [1, 2, 3], variance [3, 0.25, 0].
    fn evaluate(expression: &[WeightOp], len: usize) -> Result<Vec<f32>, WeightError> {
        let parameters = [
            TensorView::new(&[3, 2, 1, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap(),
            TensorView::new(&[3], &[1.0, 2.0, 3.0]).unwrap(),
            TensorView::new(&[3], &[3.0, 0.25, 0.0]).unwrap(),
        ]
        .map(Source::from);
        let mut evaluator = Evaluator::new(&parameters);
        let mut dst = vec![f32::NAN; len];
        evaluator.evaluate(expression, &mut dst)?;
        // Once more, over scratch memory and a destination that hold old values.
        let first = dst.clone();
        evaluator.evaluate(expression, &mut dst)?;
        assert_eq!(first, dst);
        Ok(dst)
    }

    #[test]
    fn evaluates_in_postfix_order() {
        let rsqrt = WeightOp::Rsqrt { epsilon: 1.0 };
        let cases: &[(&[WeightOp], &[f32])] = &[
            (&[W], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            (&[W, reshape(&[6]), reshape(&[2, 3])], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            (&[literal(&[3], &[7.0])], &[7.0, 7.0, 7.0]),
            (&[literal(&[3], &[7.0]), reshape(&[3, 1])], &[7.0, 7.0, 7.0]),
            (&[literal(&[3], &[7.0, 8.0, 9.0])], &[7.0, 8.0, 9.0]),
            (&[SCALE, VARIANCE, WeightOp::Add], &[4.0, 2.25, 3.0]),
            (&[SCALE, VARIANCE, WeightOp::Sub], &[-2.0, 1.75, 3.0]),
            (&[SCALE, VARIANCE, WeightOp::Div], &[1.0 / 3.0, 8.0, f32::INFINITY]),
            (&[VARIANCE, rsqrt.clone()], &[0.5, 1.0 / 1.25_f32.sqrt(), 1.0]),
            (&[W, SCALE, reshape(&[3, 1, 1, 1]), WeightOp::Mul], &[0.0, 1.0, 4.0, 6.0, 12.0, 15.0]),
            (
                &[W, SCALE, VARIANCE, rsqrt, WeightOp::Mul, reshape(&[3, 1, 1, 1]), WeightOp::Mul, reshape(&[6])],
                &[0.0, 0.5, 4.0 / 1.25_f32.sqrt(), 6.0 / 1.25_f32.sqrt(), 12.0, 15.0],
            ),
            (&[W, WeightOp::Transpose(vec![1, 0, 2, 3].into())], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]),
            (&[W, WeightOp::PackConv { block: 2, nr: 2, inner: 2 }], &[0.0, 2.0, 4.0, 0.0, 1.0, 3.0, 5.0, 0.0]),
            (
                &[W, SCALE, reshape(&[3, 1, 1, 1]), WeightOp::Mul, WeightOp::PackConv { block: 4, nr: 1, inner: 1 }],
                &[0.0, 4.0, 12.0, 0.0, 1.0, 6.0, 15.0, 0.0],
            ),
            (
                &[W, reshape(&[3, 1, 2, 1]), WeightOp::PackDepthwise { block: 2 }],
                &[0.0, 2.0, 1.0, 3.0, 4.0, 0.0, 5.0, 0.0],
            ),
            (&[SCALE, WeightOp::PackVector { block: 4 }], &[1.0, 2.0, 3.0, 0.0]),
        ];
        for (expression, expected) in cases {
            assert_eq!(evaluate(expression, expected.len()).as_deref(), Ok(*expected), "{expression:?}");
        }
    }

    #[test]
    fn refuses_malformed_expressions() {
        let cases: &[(&[WeightOp], &str)] = &[
            (&[], "the expression leaves 0 tensors, one is expected"),
            (&[W, SCALE], "the expression leaves 2 tensors, one is expected"),
            (&[WeightOp::Parameter(3)], "parameter 3 does not exist, there are 3"),
            (&[WeightOp::Rsqrt { epsilon: 0.0 }], "rsqrt does not take 0 operands"),
            (&[W, WeightOp::Mul], "mul does not take 1 operands"),
            (&[W], ""),
            (&[SCALE], "the expression's result, of shape [3], does not fill a buffer of 6 elements"),
            (
                &[SCALE, WeightOp::PackVector { block: 16 }],
                "the expression's result, of shape [16], does not fill a buffer of 6 elements",
            ),
            (&[literal(&[2], &[])], "literal of nothing: a literal has one value, or as many as its shape"),
            (
                &[W, WeightOp::PackDepthwise { block: 16 }],
                "pack_depthwise of [3, 2, 1, 1]: weights have the dimensions C 1 Kh Kw",
            ),
        ];
        for (expression, message) in cases {
            let text = evaluate(expression, 6).err().map_or(String::new(), |error| error.to_string());
            assert_eq!(text, *message, "{expression:?}");
        }
    }
}

//! Reverse mode, one node at a time: from the cotangents of a node's results, which say how much the loss grows with each
//! of their elements, those of its operands.
//!
//! Griewank and Walther, "Evaluating Derivatives", SIAM 2008, section 3.2; Baydin, Pearlmutter, Radul and Siskind,
//! "Automatic Differentiation in Machine Learning: a Survey", JMLR 2018, section 3.2.

use convoke_runtime::Tensor;

use super::add::Add;
use super::binary::{Binary, Function};
use super::expand::Expand;
use super::indexed::Reduction;
use super::mul::Mul;
use super::reduce::{self, Reduce};
use super::scatter_nd::ScatterNd;
use super::{Epilogue, Op};
use crate::graph::{Editor, GraphError, NodeId, Value, WeightExpr};
use crate::{DType, TensorType};

/// Whether an operator has a derivative, which then is written.
pub type Derived = Result<(), NotDerived>;

/// Why an operator's derivative is not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDerived {
    /// It has none.
    #[error("{0}")]
    Reason(String),
    /// An operator of the derivative does not fit: a fault of the rule.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl NotDerived {
    /// There is no derivative, for this reason.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self::Reason(reason.into())
    }
}

/// Writes the derivative of one node: what its operator's [`derive`](super::Operator::derive) is given.
#[derive(Debug)]
pub struct Adjoint<'a, 'g> {
    edit: &'a mut Editor<'g>,
    node: NodeId,
    operands: Vec<Value>,
    /// Of each result, where the loss depends on it.
    cotangents: Vec<Option<Value>>,
    /// Whether the cotangent of each operand is asked for.
    wanted: Vec<bool>,
    /// The cotangents of the operands.
    found: Vec<Option<Value>>,
}

impl<'a, 'g> Adjoint<'a, 'g> {
    /// Of `node`, whose results have these cotangents.
    pub(crate) fn new(
        edit: &'a mut Editor<'g>,
        node: NodeId,
        cotangents: Vec<Option<Value>>,
        wanted: Vec<bool>,
    ) -> Self {
        let operands = edit.graph().operands(node);
        let found = vec![None; operands.len()];
        Self { edit, node, operands, cotangents, wanted, found }
    }

    /// The cotangents that were found, one for each operand that is wanted and has one.
    pub(crate) fn finish(self) -> Vec<(Value, Value)> {
        self.operands.into_iter().zip(self.found).filter_map(|(operand, found)| Some((operand, found?))).collect()
    }

    /// Operand `index`.
    #[must_use]
    pub fn operand(&self, index: usize) -> Value {
        self.operands[index]
    }

    /// The number of operands.
    #[must_use]
    pub fn operands(&self) -> usize {
        self.operands.len()
    }

    /// Result `index`.
    #[must_use]
    pub fn result(&self, index: u16) -> Value {
        Value { node: self.node, output: index }
    }

    /// The cotangent of the only result.
    ///
    /// # Errors
    /// The loss does not depend on the first result: then the node has several.
    pub fn cotangent(&self) -> Result<Value, NotDerived> {
        self.cotangents[0].ok_or_else(|| NotDerived::because("its first result does not matter"))
    }

    /// The cotangent of each result; none where the loss does not depend on it.
    #[must_use]
    pub fn cotangents(&self) -> Vec<Option<Value>> {
        self.cotangents.clone()
    }

    /// Whether the cotangent of operand `index` is asked for.
    #[must_use]
    pub fn wants(&self, index: usize) -> bool {
        self.wanted[index]
    }

    /// The shape of a value.
    #[must_use]
    pub fn shape(&self, value: Value) -> Vec<usize> {
        self.edit.graph().type_of(value).shape.clone()
    }

    /// The only result of an operator.
    ///
    /// # Errors
    /// The operands do not fit it.
    pub fn op(&mut self, op: impl Into<Op>, operands: &[Value]) -> Result<Value, NotDerived> {
        let name = format!("{}.gradient", self.edit.graph().node(self.node).name);
        Ok(self.edit.op(name, op, operands)?.into())
    }

    /// The first results of an operator that has several.
    ///
    /// # Errors
    /// The operands do not fit it.
    pub fn results<const COUNT: usize>(
        &mut self,
        op: impl Into<Op>,
        operands: &[Value],
    ) -> Result<[Value; COUNT], NotDerived> {
        let node = self.op(op, operands)?.node;
        Ok(std::array::from_fn(|output| Value { node, output: output as u16 }))
    }

    /// A constant of this shape, with one value everywhere or one for each element.
    pub fn constant(&mut self, shape: &[usize], values: &[f32]) -> Value {
        let name = format!("{}.gradient.constant", self.edit.graph().node(self.node).name);
        self.edit.weight(name, WeightExpr::literal(shape, values))
    }

    /// `a · b`.
    ///
    /// # Errors
    /// The shapes do not broadcast.
    pub fn mul(&mut self, a: Value, b: Value) -> Result<Value, NotDerived> {
        self.op(Mul::default(), &[a, b])
    }

    /// `a + b`.
    ///
    /// # Errors
    /// The shapes do not broadcast.
    pub fn add(&mut self, a: Value, b: Value) -> Result<Value, NotDerived> {
        self.op(Add::default(), &[a, b])
    }

    /// `a − b`.
    ///
    /// # Errors
    /// The shapes do not broadcast.
    pub fn sub(&mut self, a: Value, b: Value) -> Result<Value, NotDerived> {
        self.op(Binary { function: Function::Sub }, &[a, b])
    }

    /// `a / b`.
    ///
    /// # Errors
    /// The shapes do not broadcast.
    pub fn div(&mut self, a: Value, b: Value) -> Result<Value, NotDerived> {
        self.op(Binary { function: Function::Div }, &[a, b])
    }

    /// `factor · a`.
    ///
    /// # Errors
    /// None, of a tensor of numbers.
    pub fn scaled(&mut self, a: Value, factor: f32) -> Result<Value, NotDerived> {
        let factor = self.constant(&[], &[factor]);
        self.mul(a, factor)
    }

    /// The sum along `axes`, which stay as 1.
    ///
    /// # Errors
    /// There are no such axes.
    pub fn sum(&mut self, value: Value, axes: &[usize]) -> Result<Value, NotDerived> {
        if axes.is_empty() {
            return Ok(value);
        }
        let axes = axes.iter().map(|&axis| axis as i64).collect();
        self.op(Reduce { function: reduce::Function::Sum, axes, keepdims: true }, &[value])
    }

    /// The elements of `value` in another shape.
    ///
    /// # Errors
    /// There are more or fewer.
    pub fn reshape(&mut self, value: Value, shape: &[usize]) -> Result<Value, NotDerived> {
        if self.shape(value) == shape { Ok(value) } else { self.op(Op::copy(shape), &[value]) }
    }

    /// The adjoint of broadcasting from `shape`: the sum along every dimension that was repeated.
    ///
    /// # Errors
    /// `shape` does not broadcast to that of `value`.
    pub fn sum_to(&mut self, value: Value, shape: &[usize]) -> Result<Value, NotDerived> {
        let wide = self.shape(value);
        let lead = wide.len().saturating_sub(shape.len());
        let repeated = |&dim: &usize| dim < lead || (shape[dim - lead] == 1 && wide[dim] > 1);
        let axes: Vec<usize> = (0..wide.len()).filter(repeated).collect();
        let sum = self.sum(value, &axes)?;
        self.reshape(sum, shape)
    }

    /// The sum over all dimensions but that of channels, the second, which alone is left.
    ///
    /// # Errors
    /// None, of a tensor that has channels.
    pub fn sum_to_channels(&mut self, value: Value) -> Result<Value, NotDerived> {
        let shape = self.shape(value);
        // Of each image first: short chains of sums lose less, and channels stay lanes.
        let pixels: Vec<usize> = (2..shape.len()).collect();
        let sums = self.sum(value, &pixels)?;
        let sum = if shape[0] > 1 || pixels.is_empty() { self.sum(sums, &[0])? } else { sums };
        self.reshape(sum, &shape[1..2])
    }

    /// Repeated to a wider shape.
    ///
    /// # Errors
    /// It does not broadcast to that.
    pub fn broadcast(&mut self, value: Value, shape: &[usize]) -> Result<Value, NotDerived> {
        if self.shape(value) == shape { Ok(value) } else { self.op(Expand { shape: shape.to_vec() }, &[value]) }
    }

    /// The cotangent of operand 0 where each element of the result is one of its elements, whatever their order: each
    /// is added where it came from. The operator itself says where that is, of the numbers of the elements.
    ///
    /// # Errors
    /// The operand has more elements than float32 can count.
    pub fn moved(&mut self, op: impl Into<Op>) -> Result<Value, NotDerived> {
        let (shape, cotangent) = (self.shape(self.operands[0]), self.cotangent()?);
        let count: usize = shape.iter().product();
        if count > 1 << 24 {
            return Err(NotDerived::because(format!("{count} elements are more than float32 counts")));
        }
        let numbers = Tensor::from_vec(&shape, (0..count).map(|number| number as f32).collect());
        let sources = op.into().evaluate(&[&numbers.expect("as many as there are")]).remove(0);
        let places = sources.data().len();
        let indices = TensorType { dtype: DType::I64, shape: vec![places, 1] };
        let name = format!("{}.gradient.places", self.edit.graph().node(self.node).name);
        let indices = self.edit.weight(name, WeightExpr::constant(indices, sources.data()));
        let zeros = self.constant(&[count], &[0.0]);
        let new = self.reshape(cotangent, &[places])?;
        let sums = self.op(ScatterNd { reduction: Reduction::Add }, &[zeros, indices, new])?;
        self.reshape(sums, &shape)
    }

    /// Gives operand `index` the cotangent that `write` writes, if it is asked for. It may have the shape to which the
    /// operand was broadcast.
    ///
    /// # Errors
    /// Those of `write`; the operand does not broadcast to the cotangent's shape.
    pub fn give(&mut self, index: usize, write: impl FnOnce(&mut Self) -> Result<Value, NotDerived>) -> Derived {
        if self.wanted[index] {
            let cotangent = write(self)?;
            let shape = self.shape(self.operands[index]);
            self.found[index] = Some(self.sum_to(cotangent, &shape)?);
        }
        Ok(())
    }

    /// Refuses what carries an epilogue: derivatives are taken of networks as they are written.
    ///
    /// # Errors
    /// There is one.
    pub fn without(&self, epilogue: Epilogue) -> Derived {
        match epilogue.is_none() {
            true => Ok(()),
            false => Err(NotDerived::because("something is fused with it; take the gradient before passes")),
        }
    }
}

//! [`Node`]: what a rule sees of a node, and how it answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use convoke_runtime::DType;

use super::Unsupported;
use super::constant::{Constant, Shared};
use super::import::Importer;
use super::source::{self, Attribute};
use crate::TensorType;
use crate::graph::Value;
use crate::ops::Op;

/// What a name of the model stands for while it is imported.
#[derive(Clone, Debug)]
pub enum Item {
    /// Known now: a weight, or a result of shape arithmetic.
    Constant(Shared),
    /// Known when the network runs.
    Tensor(Value),
}

impl Item {
    /// What is known of it.
    #[must_use]
    pub fn constant(&self) -> Option<&Shared> {
        match self {
            Self::Constant(constant) => Some(constant),
            Self::Tensor(_) => None,
        }
    }
}

impl From<Constant> for Item {
    fn from(constant: Constant) -> Self {
        Self::Constant(Arc::new(constant))
    }
}

/// What is folded at import has at most so many elements; more stays in the graph, and passes fold it.
const MAX_FOLDED: usize = 1 << 16;
/// A float parameter of more elements is not folded: it stays a parameter.
const MAX_PARAMETER: usize = 8;

/// A node that is being imported.
pub struct Node<'i, 'm> {
    importer: &'i mut Importer<'m>,
    node: &'i source::Node,
    label: &'i str,
    opset: i64,
    opsets: &'i HashMap<String, i64>,
    operands: Vec<Option<Item>>,
    /// The attributes that no rule has asked for.
    unread: BTreeSet<&'i str>,
}

impl<'i, 'm> Node<'i, 'm> {
    pub(super) fn new(
        importer: &'i mut Importer<'m>,
        node: &'i source::Node,
        label: &'i str,
        opset: i64,
        opsets: &'i HashMap<String, i64>,
        mut operands: Vec<Option<Item>>,
    ) -> Self {
        while operands.last().is_some_and(Option::is_none) {
            operands.pop();
        }
        let unread = node.attributes.keys().map(String::as_str).collect();
        Self { importer, node, label, opset, opsets, operands, unread }
    }

    /// The results that a rule gave, if it has understood all of the node.
    pub(super) fn finish(self, items: Vec<Item>) -> Result<Vec<Item>, Unsupported> {
        if let Some(name) = self.unread.first() {
            return Err(Unsupported::new(format!("attribute `{name}` is not supported")));
        }
        let wanted = self.node.outputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        if wanted > items.len() {
            let name = &self.node.outputs[wanted - 1];
            return Err(Unsupported::new(format!("its result {} (`{name}`) is not supported", wanted - 1)));
        }
        Ok(items)
    }

    /// The version of the operator's set.
    #[must_use]
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// The number of its operands, those at the end that are left out not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operands.len()
    }

    /// Whether it has no operand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operands.is_empty()
    }

    /// The number of its results, those at the end that are left out not counted.
    #[must_use]
    pub fn results(&self) -> usize {
        self.node.outputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1)
    }

    /// Operand `index`, if it is not left out.
    #[must_use]
    pub fn optional(&self, index: usize) -> Option<Item> {
        self.operands.get(index).cloned().flatten()
    }

    /// Operand `index`.
    ///
    /// # Errors
    /// If it is left out.
    pub fn operand(&self, index: usize) -> Result<Item, Unsupported> {
        self.optional(index).ok_or_else(|| Unsupported::new(format!("operand {index} is left out")))
    }

    /// All operands.
    ///
    /// # Errors
    /// If one is left out.
    pub fn operands(&self) -> Result<Vec<Item>, Unsupported> {
        (0..self.len()).map(|index| self.operand(index)).collect()
    }

    /// The type of an item.
    #[must_use]
    pub fn ty(&self, item: &Item) -> TensorType {
        match item {
            Item::Constant(constant) => constant.ty(),
            Item::Tensor(value) => self.importer.graph.type_of(*value).clone(),
        }
    }

    /// The shape of operand `index`.
    ///
    /// # Errors
    /// If it is left out.
    pub fn shape(&self, index: usize) -> Result<Vec<usize>, Unsupported> {
        Ok(self.ty(&self.operand(index)?).shape)
    }

    /// The elements of operand `index`, which must be known now; `None` where it is left out.
    ///
    /// # Errors
    /// If they are not known.
    pub fn constant(&self, index: usize) -> Result<Option<Shared>, Unsupported> {
        match self.optional(index) {
            None => Ok(None),
            Some(Item::Constant(constant)) => Ok(Some(constant)),
            Some(Item::Tensor(value)) => {
                let name = self.node.inputs.get(index).map_or("", String::as_str);
                let why =
                    Unsupported::new(format!("operand {index} (`{name}`) must be known when the model is imported"));
                let needs = self.importer.inputs_of(value);
                let names: Vec<_> = needs.iter().map(|input| format!("`{input}`")).collect();
                let why = why.advice(format!("it depends on {}: bind that to a constant", names.join(", ")));
                Err(Unsupported { needs, ..why })
            }
        }
    }

    /// The integers of operand `index`, which must be known now; `None` where it is left out.
    ///
    /// # Errors
    /// If they are not known, or no integers.
    pub fn ints_operand(&self, index: usize) -> Result<Option<Vec<i64>>, Unsupported> {
        let Some(constant) = self.constant(index)? else { return Ok(None) };
        match constant.as_ints() {
            Some(ints) => Ok(Some(ints.to_vec())),
            None => Err(Unsupported::new(format!("operand {index} is {}, expected integers", constant.ty()))),
        }
    }

    /// The integers of operand `index`, which must be known now.
    ///
    /// # Errors
    /// If they are not known, no integers, or left out.
    pub fn need_ints(&self, index: usize) -> Result<Vec<i64>, Unsupported> {
        self.ints_operand(index)?.ok_or_else(|| Unsupported::new(format!("operand {index} is left out")))
    }

    /// The name of its first result.
    #[must_use]
    pub fn result_name(&self) -> Option<&str> {
        self.node.outputs.first().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The floats of operand `index`, which must be known now; `None` where it is left out.
    ///
    /// # Errors
    /// If they are not known, or no floats.
    pub fn floats_operand(&self, index: usize) -> Result<Option<Vec<f32>>, Unsupported> {
        let Some(constant) = self.constant(index)? else { return Ok(None) };
        match constant.as_floats() {
            Some(floats) => Ok(Some(floats.to_vec())),
            None => Err(Unsupported::new(format!("operand {index} is {}, expected floats", constant.ty()))),
        }
    }

    fn attribute(&mut self, name: &str) -> Option<&'i Attribute> {
        self.unread.remove(name);
        self.node.attributes.get(name)
    }

    /// An attribute that is an integer.
    ///
    /// # Errors
    /// If it is something else.
    pub fn int(&mut self, name: &str) -> Result<Option<i64>, Unsupported> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(*value)),
            Some(other) => Err(kind(name, other, "an integer")),
        }
    }

    /// An attribute that is 0 or 1, 0 where it is left out.
    ///
    /// # Errors
    /// If it is something else.
    pub fn flag(&mut self, name: &str) -> Result<bool, Unsupported> {
        match self.int(name)? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => Err(Unsupported::new(format!("attribute `{name}` is {other}, expected 0 or 1"))),
        }
    }

    /// An attribute that is a number of something.
    ///
    /// # Errors
    /// If it is missing or something else.
    pub fn size(&mut self, name: &str) -> Result<usize, Unsupported> {
        let value = self.int(name)?.ok_or_else(|| Unsupported::new(format!("attribute `{name}` is missing")))?;
        usize::try_from(value).map_err(|_| Unsupported::new(format!("attribute `{name}` is {value}")))
    }

    /// Reads an integer of which only one value is supported, that of one that is left out.
    ///
    /// # Errors
    /// If it has another value.
    pub fn only(&mut self, name: &str, value: i64) -> Result<(), Unsupported> {
        match self.int(name)? {
            Some(found) if found != value => {
                Err(Unsupported::new(format!("attribute `{name}` is {found}, only {value} is supported")))
            }
            _ => Ok(()),
        }
    }

    /// An attribute that is a float.
    ///
    /// # Errors
    /// If it is something else.
    pub fn float(&mut self, name: &str) -> Result<Option<f32>, Unsupported> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Float(value)) => Ok(Some(*value)),
            Some(other) => Err(kind(name, other, "a float")),
        }
    }

    /// An attribute that is a text.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&mut self, name: &str) -> Result<Option<&'i str>, Unsupported> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Text(value)) => Ok(Some(value)),
            Some(other) => Err(kind(name, other, "a text")),
        }
    }

    /// An attribute that is a list of integers.
    ///
    /// # Errors
    /// If it is something else.
    pub fn ints(&mut self, name: &str) -> Result<Option<&'i [i64]>, Unsupported> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values)),
            Some(other) => Err(kind(name, other, "a list of integers")),
        }
    }

    /// An attribute that is a list of floats.
    ///
    /// # Errors
    /// If it is something else.
    pub fn floats(&mut self, name: &str) -> Result<Option<&'i [f32]>, Unsupported> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Floats(values)) => Ok(Some(values)),
            Some(other) => Err(kind(name, other, "a list of floats")),
        }
    }

    /// An attribute that is a list of texts.
    ///
    /// # Errors
    /// If it is something else.
    pub fn texts(&mut self, name: &str) -> Result<Option<&'i [String]>, Unsupported> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Texts(values)) => Ok(Some(values)),
            Some(other) => Err(kind(name, other, "a list of texts")),
        }
    }

    /// An attribute that is a tensor.
    ///
    /// # Errors
    /// If it is something else.
    pub fn tensor(&mut self, name: &str) -> Result<Option<Shared>, Unsupported> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Tensor(constant)) => Ok(Some(Arc::clone(constant))),
            Some(other) => Err(kind(name, other, "a tensor")),
        }
    }

    /// Integers that older versions of the operator have as an attribute, newer ones as an operand.
    ///
    /// # Errors
    /// If they are not known, or something else.
    pub fn ints_of(&mut self, name: &str, index: usize) -> Result<Option<Vec<i64>>, Unsupported> {
        match self.ints(name)? {
            Some(ints) => Ok(Some(ints.to_vec())),
            None => self.ints_operand(index),
        }
    }

    /// Imports the graph that is attribute `name`, a branch, in the place of this node; what it gives.
    ///
    /// # Errors
    /// If it is no graph, or its results are not supported, which has been reported by then.
    pub fn branch(&mut self, name: &str, inputs: Vec<Item>) -> Result<Vec<Item>, Unsupported> {
        let graph = match self.attribute(name) {
            Some(Attribute::Graph(graph)) => graph,
            Some(other) => return Err(kind(name, other, "a graph")),
            None => return Err(Unsupported::new(format!("attribute `{name}` is missing"))),
        };
        let outputs = self.importer.branch(graph, inputs, self.opsets);
        let outputs = outputs.map_err(|error| Unsupported::new(error.to_string()))?;
        let complete: Option<Vec<_>> = outputs.into_iter().collect();
        complete.ok_or_else(|| Unsupported::new(format!("its graph `{name}` has nodes that are not supported")))
    }

    /// An attribute that is the number of a type of elements, as the type in which those are imported.
    ///
    /// # Errors
    /// If it is something else, or such elements are not supported.
    pub fn dtype(&mut self, name: &str) -> Result<Option<DType>, Unsupported> {
        let Some(number) = self.int(name)? else { return Ok(None) };
        imported(number)
            .map(Some)
            .ok_or_else(|| Unsupported::new(format!("elements of type {number} (attribute `{name}`)")))
    }

    /// An attribute that is the number of a type of integers, as the least and the largest of them; `None` also where it
    /// is 0.
    ///
    /// # Errors
    /// If it is something else.
    pub fn bounds(&mut self, name: &str) -> Result<Option<[i64; 2]>, Unsupported> {
        let Some(number) = self.int(name)?.filter(|&number| number != 0) else { return Ok(None) };
        let fail = || Unsupported::new(format!("elements of type {number} (attribute `{name}`)"));
        bounds(number).map(Some).ok_or_else(fail)
    }

    /// Takes note of an attribute that changes nothing here.
    pub fn ignore(&mut self, name: &str) {
        self.attribute(name);
    }

    /// The operator's one result for operand 0, its only one.
    ///
    /// # Errors
    /// If the operand does not fit the operator.
    pub fn unary(&mut self, op: impl Into<Op>) -> Result<Vec<Item>, Unsupported> {
        let x = self.operand(0)?;
        Ok(vec![self.apply(op, &[x])?])
    }

    /// The operator's one result for operands 0 and 1, its only ones.
    ///
    /// # Errors
    /// If the operands do not fit the operator.
    pub fn binary(&mut self, op: impl Into<Op>) -> Result<Vec<Item>, Unsupported> {
        let operands = [self.operand(0)?, self.operand(1)?];
        Ok(vec![self.apply(op, &operands)?])
    }

    /// The result of an associative operator of two operands for all operands, from the left.
    ///
    /// # Errors
    /// If the operands do not fit the operator.
    pub fn variadic(&mut self, op: impl Into<Op> + Clone) -> Result<Vec<Item>, Unsupported> {
        let mut result = self.operand(0)?;
        for index in 1..self.len() {
            let operand = self.operand(index)?;
            result = self.apply(op.clone(), &[result, operand])?;
        }
        Ok(vec![result])
    }

    /// The operator's result; a constant, where all operands are and it is small.
    ///
    /// # Errors
    /// If the operands do not fit the operator.
    pub fn apply(&mut self, op: impl Into<Op>, operands: &[Item]) -> Result<Item, Unsupported> {
        let mut results = self.apply_all(op, operands)?;
        Ok(results.swap_remove(0))
    }

    /// The operator's result, as [`apply`](Self::apply), but a constant wherever all operands are, under the name of the
    /// first: a weight that the file holds in another form.
    ///
    /// # Errors
    /// If the operands do not fit the operator.
    pub fn decode(&mut self, op: impl Into<Op>, operands: &[Item]) -> Result<Item, Unsupported> {
        let op = op.into();
        let constants: Option<Vec<_>> = operands.iter().map(Item::constant).collect();
        let Some(constants) = constants else { return self.apply(op, operands) };
        let types: Vec<_> = constants.iter().map(|constant| constant.ty()).collect();
        let Ok(results) = op.infer(&types.iter().collect::<Vec<_>>()) else { return self.apply(op, operands) };
        let tensors: Vec<_> = constants.iter().map(|constant| constant.rounded()).collect();
        let count = |types: &[TensorType]| types.iter().map(TensorType::elements).sum::<usize>();
        if count(&results) > count(&types) + MAX_FOLDED {
            return self.apply(op, operands);
        }
        let value = op.evaluate(&tensors.iter().collect::<Vec<_>>()).swap_remove(0);
        let constant = Constant::from_run_time(results[0].dtype, value);
        Ok(Constant { name: constants[0].name.clone(), ..constant }.into())
    }

    /// The operator's results, as [`apply`](Self::apply).
    ///
    /// # Errors
    /// If the operands do not fit the operator.
    pub fn apply_all(&mut self, op: impl Into<Op>, operands: &[Item]) -> Result<Vec<Item>, Unsupported> {
        let op = op.into();
        if let Some(results) = self.fold(&op, operands)? {
            return Ok(results);
        }
        let values: Vec<_> =
            operands.iter().map(|item| self.importer.value(item, self.label)).collect::<Result<_, _>>()?;
        let node = self.importer.graph.edit().op(self.label, op, &values)?;
        let outputs = 0..self.importer.graph.node(node).types.len() as u16;
        Ok(outputs.map(|output| Item::Tensor(Value { node, output })).collect())
    }

    /// What an operator gives for constants, if they are shape arithmetic rather than weights.
    fn fold(&self, op: &Op, operands: &[Item]) -> Result<Option<Vec<Item>>, Unsupported> {
        let constants: Option<Vec<_>> = operands.iter().map(Item::constant).collect();
        let Some(constants) = constants else { return Ok(None) };
        let weight = |constant: &Shared| {
            constant.dtype() == DType::F32 && constant.name.is_some() && constant.len() > MAX_PARAMETER
        };
        let types: Vec<_> = constants.iter().map(|constant| constant.ty()).collect();
        let Ok(results) = op.infer(&types.iter().collect::<Vec<_>>()) else { return Ok(None) };
        let elements = |types: &[TensorType]| types.iter().map(TensorType::elements).sum::<usize>();
        if constants.iter().any(|constant| weight(constant)) || elements(&types) + elements(&results) > MAX_FOLDED {
            return Ok(None);
        }
        let tensors: Vec<_> =
            constants.iter().map(|constant| constant.run_time()).collect::<Result<_, _>>().map_err(|integer| {
                Unsupported::new(format!("{integer} is beyond the integers of shape arithmetic, which are float32"))
            })?;
        let values = op.evaluate(&tensors.iter().collect::<Vec<_>>());
        let item = |(ty, value): (&TensorType, _)| Constant::from_run_time(ty.dtype, value).into();
        Ok(Some(results.iter().zip(values).map(item).collect()))
    }
}

/// The type as which elements of ONNX's type `number` are imported; `None` where they are not supported.
pub(super) fn imported(number: i64) -> Option<DType> {
    match number {
        // float, float16, double, bfloat16
        1 | 10 | 11 | 16 => Some(DType::F32),
        // uint8, int8, uint16, int16, int32, int64, and uint32, uint64; 8 is text
        2..=7 | 12 | 13 => Some(DType::I64),
        9 => Some(DType::Bool),
        _ => None,
    }
}

/// The least and the largest number of ONNX's type `number`, where those are integers of at most 32 bits.
pub(super) fn bounds(number: i64) -> Option<[i64; 2]> {
    match number {
        2 => Some([0, u8::MAX.into()]),
        3 => Some([i8::MIN.into(), i8::MAX.into()]),
        4 => Some([0, u16::MAX.into()]),
        5 => Some([i16::MIN.into(), i16::MAX.into()]),
        6 => Some([i32::MIN.into(), i32::MAX.into()]),
        12 => Some([0, u32::MAX.into()]),
        _ => None,
    }
}

fn kind(name: &str, found: &Attribute, expected: &str) -> Unsupported {
    Unsupported::new(format!("attribute `{name}` is {}, expected {expected}", found.kind()))
}

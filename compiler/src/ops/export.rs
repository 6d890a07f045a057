//! What operators become in ONNX: nodes, and the constants that they take. How those lie in a file is [`onnx`]'s affair.
//!
//! [`onnx`]: crate::onnx

use std::collections::HashSet;

use super::{Attribute, Epilogue, activations};
use crate::TensorType;

/// The version of ONNX's operator set that the nodes are of.
pub const OPSET: i64 = 17;

/// A node of ONNX.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, unique as a value's is.
    pub name: String,
    /// ONNX's name of its operator.
    pub op: &'static str,
    /// The values that it takes; an empty name stands for one that is left out.
    pub operands: Vec<String>,
    /// The values that it makes.
    pub results: Vec<String>,
    /// Its attributes.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// A tensor known before the network runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The name of its value.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub elements: Elements,
}

/// The elements of a [`Constant`].
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Numbers.
    F32(Vec<f32>),
    /// Sizes and indices.
    I64(Vec<i64>),
}

/// Names of values, each of which is taken once.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// `name`, or where it is taken, `name` with `_2`, `_3`, … appended.
    pub fn unique(&mut self, name: &str) -> String {
        let numbered = (2..).map(|n| format!("{name}_{n}"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.unwrap_or_default();
        self.0.insert(free.clone());
        free
    }
}

/// The values that an operator's nodes make, one for each of its results; or the reason why ONNX does not say what it
/// does.
pub type Exported = Result<Vec<String>, String>;

/// Writes the nodes of one operator.
#[derive(Debug)]
pub struct Exporter<'a> {
    /// The node's name, which the names of all that is made begin with.
    name: &'a str,
    operands: Vec<(String, &'a TensorType)>,
    results: &'a [TensorType],
    names: &'a mut Names,
    nodes: Vec<Node>,
    constants: Vec<Constant>,
}

impl<'a> Exporter<'a> {
    /// Writes the operator called `name` of these operands, with results of these types.
    #[must_use]
    pub fn new(
        name: &'a str,
        operands: Vec<(String, &'a TensorType)>,
        results: &'a [TensorType],
        names: &'a mut Names,
    ) -> Self {
        Self { name, operands, results, names, nodes: Vec::new(), constants: Vec::new() }
    }

    /// The name of operand `index`.
    #[must_use]
    pub fn operand(&self, index: usize) -> String {
        self.operands[index].0.clone()
    }

    /// The names of the first operands, `count` of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Vec<String> {
        self.operands[..count].iter().map(|(name, _)| name.clone()).collect()
    }

    /// The shape of operand `index`.
    #[must_use]
    pub fn shape(&self, index: usize) -> &'a [usize] {
        &self.operands[index].1.shape
    }

    /// The shape of result `index`.
    #[must_use]
    pub fn result_shape(&self, index: usize) -> &'a [usize] {
        &self.results[index].shape
    }

    /// A node with one result, whose name this returns.
    pub fn node(
        &mut self,
        op: &'static str,
        operands: Vec<String>,
        attributes: &[(&'static str, Attribute)],
    ) -> String {
        let result = self.fresh(op);
        let (name, results) = (result.clone(), vec![result.clone()]);
        self.nodes.push(Node { name, op, operands, results, attributes: attributes.to_vec() });
        result
    }

    /// A node of all operands, with all results: where ONNX has the same operator.
    ///
    /// # Errors
    /// None.
    pub fn whole(&mut self, op: &'static str, attributes: &[(&'static str, Attribute)]) -> Exported {
        let results: Vec<_> = self.results.iter().map(|_| self.names.unique(&format!("{}/{op}", self.name))).collect();
        let (name, operands) = (results.first().cloned().unwrap_or_default(), self.first(self.operands.len()));
        let attributes = attributes.to_vec();
        self.nodes.push(Node { name, op, operands, results: results.clone(), attributes });
        Ok(results)
    }

    /// The only operand in the shape of the only result.
    ///
    /// # Errors
    /// None.
    pub fn reshape(&mut self) -> Exported {
        let dims: Vec<i64> = self.result_shape(0).iter().map(|&dim| i64::try_from(dim).unwrap_or(i64::MAX)).collect();
        let shape = self.indices("shape", &dims);
        Ok(vec![self.node("Reshape", vec![self.operand(0), shape], &[])])
    }

    /// A constant of this shape.
    pub fn constant(&mut self, name: &str, shape: &[usize], elements: Elements) -> String {
        let name = self.fresh(name);
        self.constants.push(Constant { name: name.clone(), shape: shape.to_vec(), elements });
        name
    }

    /// A constant without dimensions.
    pub fn number(&mut self, name: &str, value: f32) -> String {
        self.constant(name, &[], Elements::F32(vec![value]))
    }

    /// A constant list of sizes or indices.
    pub fn indices(&mut self, name: &str, values: &[i64]) -> String {
        self.constant(name, &[values.len()], Elements::I64(values.to_vec()))
    }

    /// What rides at the end of an operator whose nodes make `values`.
    pub fn epilogue(&mut self, mut values: Vec<String>, epilogue: Epilogue) -> Vec<String> {
        if let [value] = &mut values[..] {
            if epilogue.residual {
                let residual = self.operand(self.operands.len() - 1);
                *value = self.node("Add", vec![value.clone(), residual], &[]);
            }
            *value = activations::export(epilogue.activation, value.clone(), self);
        }
        values
    }

    /// The nodes, with `values` called `results`, and the constants.
    #[must_use]
    pub fn finish(mut self, values: &[String], results: &[String]) -> (Vec<Node>, Vec<Constant>) {
        for (value, result) in values.iter().zip(results) {
            let mut made = self.nodes.iter_mut().flat_map(|node| &mut node.results);
            if let Some(made) = made.find(|made| *made == value) {
                made.clone_from(result);
                let uses = self.nodes.iter_mut().flat_map(|node| &mut node.operands);
                uses.filter(|operand| *operand == value).for_each(|operand| operand.clone_from(result));
            } else {
                let name = self.names.unique(&format!("{}/Identity", self.name));
                let (operands, results) = (vec![value.clone()], vec![result.clone()]);
                self.nodes.push(Node { name, op: "Identity", operands, results, attributes: Vec::new() });
            }
        }
        (self.nodes, self.constants)
    }

    fn fresh(&mut self, suffix: &str) -> String {
        self.names.unique(&format!("{}/{suffix}", self.name))
    }
}

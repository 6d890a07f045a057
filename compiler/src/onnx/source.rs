//! A model as a file says it, decoded: what is imported, free of the file's encoding.

use std::collections::{BTreeMap, HashMap};

use convoke_runtime::DType;

use super::constant::Shared;

/// A model.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Where it came from, for messages.
    pub(super) name: String,
    pub(super) graph: Graph,
    /// The version of each operator set; that of ONNX has an empty name.
    pub(super) opsets: HashMap<String, i64>,
    /// Operators that the model defines, by domain and name.
    pub(super) functions: HashMap<(String, String), Function>,
}

/// Nodes, each after those that it uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    pub(super) initializers: Vec<(String, Shared)>,
    /// Inputs that are no initializers.
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<String>,
}

/// An input of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The type of its elements; integers of all widths are `i64`, floats `f32`.
    pub dtype: DType,
    /// Its dimensions; `None` where the file does not even say how many.
    pub dims: Option<Vec<Dim>>,
}

/// A dimension of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A size.
    Size(usize),
    /// A size that is given when the model is imported, the same wherever the name stands.
    Named(String),
    /// A size that is given when the model is imported, with the input's whole shape.
    Unknown,
}

/// An operator, its operands and results; empty names are operands and results that are left out.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) operator: String,
    pub(super) domain: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: BTreeMap<String, Attribute>,
}

#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<String>),
    Tensor(Shared),
    Graph(Graph),
    /// In a function: the value of the call's attribute of this name.
    Reference(String),
    /// Of a kind that no operator we know has.
    Other(&'static str),
}

impl Attribute {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Ints(_) => "a list of integers",
            Self::Floats(_) => "a list of floats",
            Self::Texts(_) => "a list of texts",
            Self::Tensor(_) => "a tensor",
            Self::Graph(_) => "a graph",
            Self::Reference(_) => "a reference",
            Self::Other(kind) => kind,
        }
    }
}

/// An operator that a model defines.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    /// Attributes that a call may leave out.
    pub(super) defaults: BTreeMap<String, Attribute>,
    pub(super) nodes: Vec<Node>,
    pub(super) opsets: HashMap<String, i64>,
}

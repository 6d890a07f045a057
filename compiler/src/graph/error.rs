//! What can be wrong with a graph and with the text of one.

use std::fmt;

use convoke_runtime::weights::WeightError;
use thiserror::Error;

use super::TensorType;
use crate::ops::TypeError;

/// Why an edit of a graph is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// The operands do not fit the operator.
    #[error("{operator} `{node}` expects {expected}, gets {found}{}", Producer(.producer))]
    Operands {
        /// The operator's name.
        operator: &'static str,
        /// The node's name.
        node: String,
        /// The operand to blame, where one is.
        operand: Option<usize>,
        /// What is expected: `64 input channels`.
        expected: String,
        /// What was found: `32`.
        found: String,
        /// Name of that operand's producer, and the operand's type.
        producer: Option<Box<(String, TensorType)>>,
    },
    /// A node would change the type of a result that others use.
    #[error("node `{node}` has result {output} of type {expected}; its replacement `{replacement}` makes {}",
            .found.as_ref().map_or_else(|| "none".to_owned(), TensorType::to_string))]
    ResultType {
        /// The node's name.
        node: String,
        /// The operator that was to take its place, or `weight`.
        replacement: &'static str,
        /// Which result.
        output: usize,
        /// Its type.
        expected: TensorType,
        /// The type that the replacement makes; [`None`] if it makes fewer results.
        found: Option<TensorType>,
    },
    /// A value would take the place of one of another type.
    #[error("`{old}` has type {expected}; `{new}`, which was to take its place, has {found}")]
    UseType {
        /// Producer of the value that was to be replaced.
        old: String,
        /// Producer of the value that was to take its place.
        new: String,
        /// Type of the old one.
        expected: TensorType,
        /// Type of the new one.
        found: TensorType,
    },
    /// A node that is used cannot be removed.
    #[error("node `{node}` cannot be removed: {user} uses it")]
    InUse {
        /// The node's name.
        node: String,
        /// One of its users: ``node `relu1` `` or ``output `logits` ``.
        user: String,
    },
    /// Only operators can be replaced.
    #[error("node `{node}` is no operator, so nothing can take its place")]
    NoOperator {
        /// The node's name.
        node: String,
    },
    /// Shapes do not fit an operation on weights.
    #[error(transparent)]
    Weight(#[from] WeightError),
}

impl GraphError {
    /// `error`, with the names that only the graph knows: `node` is the node's name, `producer` names the operand's
    /// producer and gives its type.
    pub(crate) fn operands(
        operator: &'static str,
        node: &str,
        error: TypeError,
        producer: impl FnOnce(usize) -> Option<(String, TensorType)>,
    ) -> Self {
        let TypeError { operand, expected, found } = error;
        Self::Operands {
            operator,
            node: node.to_owned(),
            operand,
            expected,
            found,
            producer: operand.and_then(producer).map(Box::new),
        }
    }
}

/// Prints as ``(from `layer2.1`, f32[1, 32, 28, 28])``, with a space before, or as nothing.
struct Producer<'a>(&'a Option<Box<(String, TensorType)>>);

impl fmt::Display for Producer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(producer) => {
                let (name, ty) = &**producer;
                write!(f, " (from `{name}`, {ty})")
            }
            None => Ok(()),
        }
    }
}

/// One thing that the verifier found: where, what, and the text of the place.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{place}: {kind}\n    {text}")]
pub struct Fault {
    /// ``node `conv1` ``, ``output `logits` `` or ``graph `LeNet5` ``.
    pub place: String,
    /// What is wrong.
    pub kind: FaultKind,
    /// The line of the graph's text that it concerns.
    pub text: String,
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs)] // The messages say what the fields are.
pub enum FaultKind {
    #[error("depends on itself, through {}", .through.join(", "))]
    Cycle { through: Vec<String> },
    #[error("operand {operand} is missing")]
    OperandMissing { operand: u16 },
    #[error("operand {operand} is given {times} times")]
    OperandRepeated { operand: u16, times: usize },
    #[error("operand {operand} is result {output} of `{producer}`, which has {outputs}")]
    NoSuchResult { operand: u16, producer: String, output: u16, outputs: usize },
    #[error("expects no operands, being {kind}, gets {operands}")]
    TakesNoOperands { kind: &'static str, operands: usize },
    #[error("{0}")]
    Operands(GraphError),
    #[error("result {output} is declared as {declared}, inferred as {inferred}")]
    ResultType { output: usize, declared: TensorType, inferred: TensorType },
    #[error("has {declared} results, the operator makes {inferred}")]
    ResultCount { declared: usize, inferred: usize },
    #[error("type {ty} has a dimension without elements")]
    Empty { ty: TensorType },
    #[error("type {ty} has more bytes than there are addresses")]
    TooLarge { ty: TensorType },
    #[error("{times} nodes have this name")]
    NameRepeated { times: usize },
    #[error("the name does not lead to the node")]
    NameUnlisted,
    #[error("is listed {times} times among the graph's inputs, expected {expected}")]
    InputListed { times: usize, expected: usize },
    #[error("{0}, in `{1}`")]
    Weight(WeightError, String),
    #[error("`{expression}` is declared as {declared}, inferred as {inferred}")]
    WeightType { expression: String, declared: TensorType, inferred: TensorType },
    #[error("the constant has {values} values, its type {ty} takes one for each element or one for all")]
    LiteralLength { values: usize, ty: TensorType },
    #[error("parameter `{parameter}` is {found} here and {expected} elsewhere")]
    ParameterType { parameter: String, expected: TensorType, found: TensorType },
    #[error("there is no such value")]
    NoSuchValue,
    #[error("{times} outputs have this name")]
    OutputRepeated { times: usize },
    #[error("has no output")]
    NoOutput,
}

/// Everything that the verifier found, in the order of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// Name of the graph.
    pub graph: String,
    /// The faults; at least one.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(f, "graph `{}` is invalid: {count} fault{}", self.graph, if count == 1 { "" } else { "s" })?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

impl std::error::Error for Faults {}

/// Why a text is not a graph.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ParseError {
    /// The text breaks the grammar, or names what is not there.
    #[error("line {line}, column {column}: expected {expected}, found {found}")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// An operator does not accept its attributes.
    #[error("line {line}, column {column}: {message}")]
    Operator {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What the operator says.
        message: String,
    },
    /// An operation on weights does not accept its operands.
    #[error("line {line}, column {column}: {error}")]
    Weight {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What the operation says.
        error: WeightError,
    },
    /// Types that the text leaves out cannot be inferred.
    #[error("line {line}, column {column}: {error}")]
    Graph {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// Why.
        error: Box<GraphError>,
    },
    /// The text is well-formed, the graph is not.
    #[error(transparent)]
    Faults(Faults),
}

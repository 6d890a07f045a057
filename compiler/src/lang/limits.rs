//! Limits that make hostile text end with an error. Each is far above what a network needs.

/// Bytes of a text.
pub(crate) const TEXT: usize = 1 << 20;
/// Tokens of a description.
pub(crate) const TOKENS: usize = 200_000;
/// Groups in groups.
pub(crate) const NESTING: usize = 64;
/// Expressions in expressions, operators in a row included.
pub(crate) const EXPRESSION_DEPTH: u32 = 100;
/// Evaluations in evaluations: bounds the stack, about 1 KB each.
pub(crate) const EVALUATION_DEPTH: u32 = 400;
/// Calls in calls.
pub(crate) const CALL_DEPTH: usize = 64;
/// Evaluations of expressions and elements of lists made, in one network.
pub(crate) const STEPS: u64 = 2_000_000;
/// Elements of a list.
pub(crate) const LIST: usize = 100_000;
/// Operators of a network.
pub(crate) const OPERATORS: usize = 20_000;
/// The largest whole number that an operator or a shape takes.
pub(crate) const ARGUMENT: i64 = 1 << 31;
/// Elements of a tensor.
pub(crate) const ELEMENTS: usize = 1 << 31;
/// Dimensions of a tensor.
pub(crate) const RANK: usize = 8;
/// Errors that are reported before the rest is left out.
pub(crate) const ERRORS: usize = 32;
/// Lists in lists.
pub(crate) const LIST_DEPTH: usize = 16;

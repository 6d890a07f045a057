//! Attributes of operators: constants that print in a graph and are written in `cnn!`.

/// The value of an attribute or of a constant argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A number with a decimal point.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A word or a string.
    Text(String),
    /// A list.
    List(Vec<Attribute>),
}

/// Named attributes in order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Attributes(pub Vec<(String, Attribute)>);

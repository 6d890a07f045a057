//! Values of expressions.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use crate::graph;
use crate::lang::Module;
use crate::lang::ast::Routine;
use crate::ops::Attribute;

/// What an expression evaluates to.
#[derive(Clone, Debug)]
pub(super) enum Value<'m> {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Rc<str>),
    /// A list; a tuple is one, too.
    List(List<'m>),
    Tensor(graph::Value),
    Block(Callable<'m>),
    Function(Callable<'m>),
    Operator(&'static str),
    Builtin(&'static str),
    /// What an error left behind: whatever takes it fails silently.
    Poison,
}

/// Elements, and what is known of all that lies in them.
#[derive(Clone, Debug)]
pub(super) struct List<'m> {
    elements: Rc<[Value<'m>]>,
    /// Elements at any depth: what it costs to go through them.
    pub(super) size: usize,
    /// Lists in lists.
    pub(super) depth: usize,
    /// Whether a tensor is in it, at any depth.
    pub(super) holds_tensor: bool,
}

impl<'m> Deref for List<'m> {
    type Target = [Value<'m>];

    fn deref(&self) -> &Self::Target {
        &self.elements
    }
}

/// A routine and the items among which its names are found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Callable<'m> {
    pub(super) routine: &'m Routine,
    pub(super) module: &'m Module,
}

impl<'m> Value<'m> {
    pub(super) fn list(elements: impl IntoIterator<Item = Self>) -> Self {
        let elements: Rc<[Self]> = elements.into_iter().collect();
        let (mut size, mut depth, mut holds_tensor) = (elements.len(), 0, false);
        for element in elements.iter() {
            match element {
                Self::List(list) => {
                    size = size.saturating_add(list.size);
                    depth = depth.max(list.depth);
                    holds_tensor |= list.holds_tensor;
                }
                Self::Tensor(_) => holds_tensor = true,
                _ => {}
            }
        }
        Self::List(List { elements, size, depth: depth + 1, holds_tensor })
    }

    /// Elements at any depth, 0 for what is no list.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::List(list) => list.size,
            _ => 0,
        }
    }

    /// The constant as operators take it; `None` for what is no constant.
    pub(super) fn attribute(&self) -> Option<Attribute> {
        Some(match self {
            Self::Int(value) => Attribute::Int(*value),
            Self::Float(value) => Attribute::Float(*value),
            Self::Bool(value) => Attribute::Bool(*value),
            Self::Text(value) => Attribute::Text(value.to_string()),
            Self::List(values) => Attribute::List(values.iter().map(Self::attribute).collect::<Option<_>>()?),
            Self::Tensor(_)
            | Self::Block(_)
            | Self::Function(_)
            | Self::Operator(_)
            | Self::Builtin(_)
            | Self::Poison => return None,
        })
    }

    /// The value of a constant given from outside.
    pub(super) fn of_attribute(attribute: &Attribute) -> Self {
        match attribute {
            Attribute::Int(value) => Self::Int(*value),
            Attribute::Float(value) => Self::Float(*value),
            Attribute::Bool(value) => Self::Bool(*value),
            Attribute::Text(value) => Self::Text(value.as_str().into()),
            Attribute::List(values) => Self::list(values.iter().map(Self::of_attribute)),
        }
    }
}

/// As it would be written; long lists are cut.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(if values.len() > SHOWN { ", …]" } else { "]" })
            }
            Self::Tensor(_) => f.write_str("a tensor"),
            Self::Block(callable) => write!(f, "block `{}`", callable.routine.name.text),
            Self::Function(callable) => write!(f, "function `{}`", callable.routine.name.text),
            Self::Operator(name) => write!(f, "operator `{name}`"),
            Self::Builtin(name) => write!(f, "function `{name}`"),
            Self::Poison => f.write_str("a value that could not be computed"),
        }
    }
}

//! Calls of operators: nodes of the graph.

use std::sync::Arc;

use super::apply::Given;
use super::scope::{Named, needs_name};
use super::value::Value;
use super::{Eval, Evaluator, FrameKind};
use crate::TensorType;
use crate::graph::{self, GraphError, NodeKind, WeightExpr};
use crate::lang::ast::BinaryOp;
use crate::lang::error::Error;
use crate::lang::limits;
use crate::lang::token::Span;
use crate::ops::{Attribute, Call, CallError, Construction, Op};

impl<'m> Evaluator<'m> {
    /// Calls an operator.
    pub(super) fn operator(&mut self, name: &'static str, given: Given<'m>, named: Option<Named>) -> Eval<Value<'m>> {
        let Given { positional, named: arguments, callee, .. } = given;
        if self.frame().kind == FrameKind::Function {
            let error = Error::new(callee, format!("operator `{name}` in a function: functions compute constants"));
            return Err(self.fail(error.help("what applies operators is a `block`")));
        }
        let mut operands = Vec::new();
        let mut constants = Vec::new();
        for (value, span) in &positional {
            match value {
                Value::Tensor(tensor) => operands.push((*tensor, *span)),
                Value::List(list) if list.holds_tensor => {
                    for element in list.iter() {
                        let Value::Tensor(tensor) = element else {
                            let message = format!("`{name}` takes a list of tensors here; {element} is among them");
                            return Err(self.error(*span, message));
                        };
                        operands.push((*tensor, *span));
                    }
                }
                constant => constants.push((self.attribute(name, constant, *span)?, *span)),
            }
        }
        let mut by_name = Vec::new();
        for (argument, value, span) in arguments {
            let value = self.attribute(name, &value, span)?;
            by_name.push((argument.text.clone(), value, span));
        }
        if operands.is_empty() {
            let error = Error::new(callee, format!("operator `{name}` is applied to no tensor"));
            return Err(self.fail(error.help(format!("write `x -> {name}(…)` or `{name}(x, …)`"))));
        }
        self.apply(name, &operands, constants, by_name, named, callee)
    }

    /// `a + b`, `a - b`, `a * b` and `a / b`, where at least one is a tensor; a number is a tensor of one element.
    pub(super) fn tensor_binary(
        &mut self,
        op: BinaryOp,
        symbol: Span,
        left: &Value<'m>,
        right: &Value<'m>,
    ) -> Eval<Value<'m>> {
        let operator = match op {
            BinaryOp::Add => "add",
            BinaryOp::Subtract => "sub",
            BinaryOp::Multiply => "mul",
            BinaryOp::Divide => "div",
            _ => {
                let error = Error::new(symbol, format!("there is no `{}` of tensors", op.symbol()));
                return Err(self.fail(error.help("tensors go with `+`, `-`, `*` and `/`")));
            }
        };
        if self.frame().kind == FrameKind::Function {
            let error = Error::new(symbol, "tensors in a function: functions compute constants");
            return Err(self.fail(error.help("what applies operators is a `block`")));
        }
        let mut operands = Vec::new();
        for value in [left, right] {
            operands.push(match value {
                Value::Tensor(tensor) => (*tensor, symbol),
                Value::Int(value) => (self.literal(*value as f32), symbol),
                Value::Float(value) => (self.literal(*value as f32), symbol),
                other => {
                    let message = format!("`{}` does not go between a tensor and {other}", op.symbol());
                    return Err(self.error(symbol, message));
                }
            });
        }
        self.apply(operator, &operands, Vec::new(), Vec::new(), None, symbol)
    }

    fn literal(&mut self, value: f32) -> graph::Value {
        let name = self.automatic_name("constant");
        let expression = WeightExpr::Literal { ty: TensorType::f32([1]), values: Arc::from([value]) };
        self.graph.edit().weight(name, expression)
    }

    fn apply(
        &mut self,
        name: &'static str,
        operands: &[(graph::Value, Span)],
        positional: Vec<(Attribute, Span)>,
        named_arguments: Vec<(String, Attribute, Span)>,
        named: Option<Named>,
        callee: Span,
    ) -> Eval<Value<'m>> {
        self.operators += 1;
        if self.operators > limits::OPERATORS {
            return Err(self.stop(callee, format!("a network has at most {} operators", limits::OPERATORS)));
        }
        let path = match &named {
            Some(named) => named.path.clone(),
            None => self.automatic_name(name),
        };
        let types: Vec<TensorType> = operands.iter().map(|(value, _)| self.graph.type_of(*value).clone()).collect();
        let mut call = Call {
            operands: &types,
            positional: positional.iter().map(|(value, _)| value.clone()).collect(),
            named: named_arguments.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect(),
        };
        let construction = match Op::call(name, &mut call) {
            Some(Ok(construction)) => construction,
            Some(Err(error)) => {
                let (span, message) = match error {
                    CallError::Positional(i, message) => (positional.get(i).map(|(_, span)| *span), message),
                    CallError::Named(argument, message) => {
                        let blamed = named_arguments.iter().find(|(name, ..)| *name == argument);
                        (blamed.map(|(.., span)| *span), message)
                    }
                    CallError::Operand(i, message) => match operands.get(i) {
                        Some((value, span)) => {
                            let producer = self.graph.label(*value);
                            (Some(*span), format!("{message} (from `{producer}`, {})", types[i]))
                        }
                        None => (None, message),
                    },
                    CallError::Call(message) => (None, message),
                };
                // Whole sentences follow a colon, `expects …, gets …` completes the name.
                let colon = if message.starts_with("expects") { "" } else { ":" };
                return Err(self.error(span.unwrap_or(callee), format!("{name} `{path}`{colon} {message}")));
            }
            None => return Err(self.error(callee, format!("unknown operator `{name}`"))),
        };
        if let Some(named) = &named {
            self.take_operator(named)?;
        } else if !construction.parameters.is_empty() {
            return Err(self.fail(needs_name(name, callee)));
        }
        self.insert(name, path, construction, operands, named.is_none(), callee)
    }

    /// Adds the operator and its parameters.
    fn insert(
        &mut self,
        name: &'static str,
        path: String,
        construction: Construction,
        operands: &[(graph::Value, Span)],
        unnamed: bool,
        callee: Span,
    ) -> Eval<Value<'m>> {
        let mut values: Vec<_> = operands.iter().map(|(value, _)| *value).collect();
        for parameter in construction.parameters {
            self.small(name, &path, &parameter.ty, callee)?;
            values.push(self.graph.edit().parameter(format!("{path}.{}", parameter.suffix), parameter.ty));
        }
        let node = match self.graph.edit().op(path.clone(), construction.op, &values) {
            Ok(node) => node,
            Err(error) => return Err(self.misfit(&error, operands, callee)),
        };
        if unnamed {
            self.unnamed.insert(node);
        }
        for ty in self.graph.node(node).types.clone() {
            self.small(name, &path, &ty, callee)?;
        }
        self.count_macs(node, callee)?;
        let outputs = self.graph.node(node).types.len();
        let mut results = (0..outputs).map(|output| Value::Tensor(graph::Value { node, output: output as u16 }));
        match (results.next(), outputs) {
            (Some(only), 1) => Ok(only),
            (first, _) => Ok(Value::list(first.into_iter().chain(results))),
        }
    }

    /// The error of operands that do not fit: blames the operand where it is written in the call.
    fn misfit(&mut self, error: &GraphError, operands: &[(graph::Value, Span)], callee: Span) -> super::Failed {
        let blamed = match error {
            GraphError::Operands { operand: Some(operand), .. } => operands.get(*operand),
            _ => None,
        };
        let mut located = Error::new(blamed.map_or(callee, |(_, span)| *span), error.to_string());
        if operands.len() > 1 {
            for (value, _) in operands {
                let note = format!("`{}` is {}", self.graph.label(*value), self.graph.type_of(*value));
                if !located.notes.contains(&note) {
                    located.notes.push(note);
                }
            }
        }
        self.fail(located)
    }

    /// Refuses tensors that no machine holds, before numbers overflow.
    fn small(&mut self, name: &str, path: &str, ty: &TensorType, callee: Span) -> Eval<()> {
        let elements = ty.shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
        if elements.is_some_and(|elements| elements <= limits::ELEMENTS) && ty.rank() <= limits::RANK {
            return Ok(());
        }
        let message = format!(
            "{name} `{path}` needs {ty}: a tensor has at most {} elements in {} dimensions",
            limits::ELEMENTS,
            limits::RANK
        );
        Err(self.error(callee, message))
    }

    fn count_macs(&mut self, node: graph::NodeId, callee: Span) -> Eval<()> {
        let NodeKind::Op(op) = &self.graph.node(node).kind else { return Ok(()) };
        let operands = self.graph.operands(node);
        let types: Vec<_> = operands.iter().map(|operand| self.graph.type_of(*operand)).collect();
        match self.macs.checked_add(op.macs(&types, &self.graph.node(node).types)).filter(|macs| *macs < 1 << 62) {
            Some(macs) => {
                self.macs = macs;
                Ok(())
            }
            None => Err(self.stop(callee, "the network multiplies more than 2^62 times")),
        }
    }

    fn attribute(&mut self, operator: &str, value: &Value<'m>, span: Span) -> Eval<Attribute> {
        self.spend(value.size(), span)?;
        match value.attribute() {
            Some(attribute) if fits(&attribute) => Ok(attribute),
            Some(_) => {
                let message = format!("`{operator}` takes numbers up to {}, found {value}", limits::ARGUMENT);
                Err(self.error(span, message))
            }
            None => Err(self.error(span, format!("`{operator}` takes a constant here, found {value}"))),
        }
    }
}

/// Whether all whole numbers are within the limit.
fn fits(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Int(value) => value.unsigned_abs() <= limits::ARGUMENT as u64,
        Attribute::List(values) => values.iter().all(fits),
        Attribute::Float(_) | Attribute::Bool(_) | Attribute::Text(_) => true,
    }
}

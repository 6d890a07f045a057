//! Expressions.

use super::arithmetic::{self, equal};
use super::value::Value;
use super::{Eval, Evaluator};
use crate::lang::ast::{BinaryOp, Expr, ExprKind, Name};
use crate::lang::error::Error;
use crate::lang::limits;
use crate::lang::token::Span;
use crate::ops::hint::nearest;

/// The properties of tensors; all but `shape` are whole numbers.
const PROPERTIES: [&str; 6] = ["batch", "channels", "height", "width", "rank", "shape"];

impl<'m> Evaluator<'m> {
    /// The value of an expression.
    pub(super) fn expr(&mut self, expr: &'m Expr) -> Eval<Value<'m>> {
        self.spend(1, expr.span)?;
        self.deeper(expr.span, |eval| eval.kind(expr))
    }

    fn kind(&mut self, expr: &'m Expr) -> Eval<Value<'m>> {
        match &expr.kind {
            ExprKind::Int(value) => Ok(Value::Int(*value)),
            ExprKind::Float(value) => Ok(Value::Float(*value)),
            ExprKind::Bool(value) => Ok(Value::Bool(*value)),
            ExprKind::Text(value) => Ok(Value::Text(value.as_str().into())),
            ExprKind::Name(name) => self.lookup(name, expr.span),
            ExprKind::List(elements) => {
                let elements = self.each(elements)?;
                self.sized(Value::list(elements), expr.span)
            }
            ExprKind::Range { start, end, inclusive } => self.range(start, end, *inclusive, expr.span),
            ExprKind::Unary { op, operand } => {
                let value = self.expr(operand)?;
                if matches!(value, Value::Tensor(_)) {
                    let error = Error::new(expr.span, "there is no `-` of a tensor");
                    return Err(self.fail(error.help("multiply it: `x * -1`")));
                }
                arithmetic::unary(*op, &value).map_err(|message| self.error(expr.span, message))
            }
            ExprKind::Binary { op, symbol, left, right } => self.binary(*op, *symbol, left, right),
            ExprKind::Property { of, name } => self.property(of, name),
            ExprKind::Index { of, index } => self.index(of, index),
            ExprKind::Call(call) => self.call(call, None, None),
            ExprKind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.condition(condition)? {
                        return self.body_result(body, "this branch");
                    }
                }
                match otherwise {
                    Some(body) => self.body_result(body, "this branch"),
                    None => {
                        let error = Error::new(expr.span, "this `if` has no result where its condition is false");
                        Err(self.fail(error.help("add `else { … }`")))
                    }
                }
            }
            ExprKind::Body(body) => self.body_result(body, "this body"),
            ExprKind::Chain { head, stages } => self.chain(head, stages),
            ExprKind::Scope { path, of } => {
                let named = self.path(path)?;
                match &of.kind {
                    ExprKind::Call(call) => self.call(call, None, Some(named)),
                    _ => self.in_scope(Some(&named), |eval| eval.expr(of)),
                }
            }
        }
    }

    /// The values of expressions, all of which are evaluated even after an error.
    pub(super) fn each(&mut self, exprs: impl IntoIterator<Item = &'m Expr>) -> Eval<Vec<Value<'m>>> {
        let mut values = Vec::new();
        let mut failed = None;
        for expr in exprs {
            match self.expr(expr) {
                Ok(value) => values.push(value),
                Err(super::Failed::Entirely) => return Err(super::Failed::Entirely),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(values), Err)
    }

    /// A value that is new, if it is not too large.
    pub(super) fn sized(&mut self, value: Value<'m>, span: Span) -> Eval<Value<'m>> {
        if let Value::List(list) = &value {
            self.spend(list.len(), span)?;
            if list.size > limits::LIST || list.depth > limits::LIST_DEPTH {
                let message =
                    format!("a list holds at most {} elements, {} lists deep", limits::LIST, limits::LIST_DEPTH);
                return Err(self.error(span, message));
            }
        }
        Ok(value)
    }

    fn range(&mut self, start: &'m Expr, end: &'m Expr, inclusive: bool, span: Span) -> Eval<Value<'m>> {
        let mut bounds = [0; 2];
        for (bound, expr) in bounds.iter_mut().zip([start, end]) {
            *bound = match self.expr(expr)? {
                Value::Int(value) => value,
                other => return Err(self.error(expr.span, format!("a range takes whole numbers, found {other}"))),
            };
        }
        let [start, end] = bounds.map(i128::from);
        let end = if inclusive { end + 1 } else { end };
        if end - start > limits::LIST as i128 {
            return Err(self.error(span, format!("this range has more than {} numbers", limits::LIST)));
        }
        self.sized(Value::list((start..end).map(|value| Value::Int(value as i64))), span)
    }

    fn binary(&mut self, op: BinaryOp, symbol: Span, left: &'m Expr, right: &'m Expr) -> Eval<Value<'m>> {
        if let BinaryOp::And | BinaryOp::Or = op {
            let left = self.condition(left)?;
            return if left == (op == BinaryOp::Or) {
                Ok(Value::Bool(left))
            } else {
                self.condition(right).map(Value::Bool)
            };
        }
        let values = self.each([left, right])?;
        let [left, right] = [&values[0], &values[1]];
        if let (Value::Tensor(_), _) | (_, Value::Tensor(_)) = (left, right)
            && equal(left, right).is_none_or(|_| !matches!(op, BinaryOp::Equal | BinaryOp::NotEqual))
        {
            return self.tensor_binary(op, symbol, left, right);
        }
        self.spend(left.size() + right.size(), symbol)?;
        let value = arithmetic::binary(op, left, right).map_err(|message| self.error(symbol, message))?;
        self.sized(value, symbol)
    }

    fn property(&mut self, of: &'m Expr, name: &'m Name) -> Eval<Value<'m>> {
        let value = self.expr(of)?;
        let Value::Tensor(tensor) = value else {
            let message = format!("only tensors have properties, this is {value}");
            return Err(self.error(name.span, message));
        };
        let ty = self.graph.type_of(tensor).clone();
        let dimension = |i: usize| ty.shape.get(i).map(|extent| Value::Int(*extent as i64));
        let value = match name.text.as_str() {
            "shape" => Some(Value::list(ty.shape.iter().map(|extent| Value::Int(*extent as i64)))),
            "rank" => Some(Value::Int(ty.rank() as i64)),
            "batch" => dimension(0),
            "channels" => dimension(1),
            "height" => dimension(2),
            "width" => dimension(3),
            unknown => {
                let error = Error::new(name.span, format!("a tensor has no property `{unknown}`"))
                    .note(format!("its properties are {}", PROPERTIES.join(", ")));
                return Err(self.fail(error.suggest(nearest(unknown, PROPERTIES))));
            }
        };
        value.ok_or_else(|| {
            let message =
                format!("`{}` of {ty} (from `{}`): it has no such dimension", name.text, self.graph.label(tensor));
            self.error(name.span, message)
        })
    }

    fn index(&mut self, of: &'m Expr, index: &'m Expr) -> Eval<Value<'m>> {
        let values = self.each([of, index])?;
        let list = match &values[0] {
            Value::List(list) => list,
            Value::Tensor(_) => {
                let error = Error::new(of.span, "a tensor has no elements here");
                return Err(self.fail(error.help("its dimensions are `x.shape[i]`")));
            }
            other => return Err(self.error(of.span, format!("only lists have elements, this is {other}"))),
        };
        let Value::Int(position) = values[1] else {
            return Err(self.error(index.span, format!("an index is a whole number, found {}", values[1])));
        };
        match usize::try_from(position).ok().and_then(|position| list.get(position)) {
            Some(value) => Ok(value.clone()),
            None => {
                let message = format!("index {position} is outside the list of {} elements, {}", list.len(), values[0]);
                Err(self.error(index.span, message))
            }
        }
    }

    /// The extent of a dimension.
    pub(super) fn dimension(&mut self, expr: &'m Expr) -> Eval<usize> {
        match self.expr(expr)? {
            Value::Int(value) if (1..=limits::ARGUMENT).contains(&value) => Ok(value as usize),
            other => {
                let message = format!("a dimension is a whole number from 1 to {}, found {other}", limits::ARGUMENT);
                Err(self.error(expr.span, message))
            }
        }
    }
}

//! Bodies and statements.

use super::value::Value;
use super::{Eval, Evaluator, Failed};
use crate::lang::ast::{Body, Expr, Let, Pattern, Statement};
use crate::lang::error::Error;
use crate::lang::token::Span;

impl<'m> Evaluator<'m> {
    /// Runs a body; its result, if it has one.
    pub(super) fn body(&mut self, body: &'m Body) -> Eval<Option<Value<'m>>> {
        self.in_block(|eval| {
            for statement in &body.statements {
                match eval.statement(statement) {
                    Ok(()) | Err(Failed::Here) => {}
                    Err(Failed::Entirely) => return Err(Failed::Entirely),
                }
            }
            body.result.as_ref().map(|result| eval.expr(result)).transpose()
        })
    }

    /// Runs a body that has to have a result; `what` names it.
    pub(super) fn body_result(&mut self, body: &'m Body, what: &str) -> Eval<Value<'m>> {
        match self.body(body)? {
            Some(value) => Ok(value),
            None => {
                let close = Span { first: body.span.last, last: body.span.last };
                let error = Error::new(close, format!("{what} has no result"));
                Err(self.fail(error.help("end it with an expression, without `;`")))
            }
        }
    }

    fn statement(&mut self, statement: &'m Statement) -> Eval<()> {
        match statement {
            Statement::Let(binding) => self.binding(binding),
            Statement::Assign { target, value } => {
                let value = self.recovered(value)?;
                self.assign(target, value)
            }
            Statement::For { pattern, list, body } => {
                let elements = match self.elements(list) {
                    Ok(elements) => elements,
                    Err(failed) => {
                        self.poison_assigned(body);
                        return Err(failed);
                    }
                };
                for element in elements.iter() {
                    self.spend(1, list.span)?;
                    let round = self.in_block(|eval| {
                        eval.bind(pattern, element.clone(), false)?;
                        eval.body(body)
                    });
                    if let Err(Failed::Entirely) = round {
                        return Err(Failed::Entirely);
                    }
                }
                Ok(())
            }
            Statement::If { branches, otherwise } => {
                for (condition, body) in branches {
                    match self.condition(condition) {
                        Ok(true) => return self.body(body).map(drop),
                        Ok(false) => {}
                        Err(failed) => {
                            for body in branches.iter().map(|(_, body)| body).chain(otherwise) {
                                self.poison_assigned(body);
                            }
                            return Err(failed);
                        }
                    }
                }
                otherwise.as_ref().map_or(Ok(()), |body| self.body(body).map(drop))
            }
            Statement::Assert { condition, message, span } => {
                if self.condition(condition)? {
                    return Ok(());
                }
                let message = match message {
                    Some(expr) => match self.expr(expr)? {
                        Value::Text(text) => text.to_string(),
                        other => other.to_string(),
                    },
                    None => "this assertion does not hold".to_owned(),
                };
                Err(self.error(*span, message))
            }
        }
    }

    /// `let` or `const`; after an error the names are bound all the same.
    pub(super) fn binding(&mut self, binding: &'m Let) -> Eval<()> {
        let value = self.recovered(&binding.value)?;
        let checked = match (&binding.ty, &binding.pattern) {
            (Some(ty), Pattern::Name(name)) => match self.mistyped(&format!("`{}`", name.text), &value, ty)? {
                Some(message) => Err(self.error(binding.value.span, message)),
                None => Ok(()),
            },
            (Some(ty), _) => Err(self.error(ty.span, "only a single name has a type")),
            (None, _) => Ok(()),
        };
        self.bind(&binding.pattern, value, binding.constant)?;
        checked
    }

    /// The value of an expression, or poison after an error.
    fn recovered(&mut self, expr: &'m Expr) -> Eval<Value<'m>> {
        match self.expr(expr) {
            Err(Failed::Here) => Ok(Value::Poison),
            other => other,
        }
    }

    /// The elements of a list.
    pub(super) fn elements(&mut self, list: &'m Expr) -> Eval<super::value::List<'m>> {
        match self.expr(list)? {
            Value::List(elements) => Ok(elements),
            Value::Int(count) => {
                let error = Error::new(list.span, format!("`for` goes through a list, found {count}"));
                Err(self.fail(error.help(format!("for {count} rounds write `0..{count}`"))))
            }
            other => Err(self.error(list.span, format!("`for` goes through a list, found {other}"))),
        }
    }

    /// The value of a condition.
    pub(super) fn condition(&mut self, condition: &'m Expr) -> Eval<bool> {
        match self.expr(condition)? {
            Value::Bool(value) => Ok(value),
            other => Err(self.error(condition.span, format!("a condition is `true` or `false`, found {other}"))),
        }
    }
}

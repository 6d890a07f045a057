//! Variables: binding, finding, assigning.

use super::value::{Callable, Value};
use super::{Eval, Evaluator, Failed, Frame, FrameKind, Variable, builtin};
use crate::lang::Module;
use crate::lang::ast::{Body, Const, Item, Name, Pattern, Statement, TypePattern};
use crate::lang::prelude::prelude;
use crate::lang::token::Span;
use crate::ops::Op;

impl<'m> Evaluator<'m> {
    /// Binds the names of `pattern`; the elements of a list to a list of patterns.
    pub(super) fn bind(&mut self, pattern: &'m Pattern, value: Value<'m>, constant: bool) -> Eval<()> {
        match (pattern, value) {
            (Pattern::Ignore, _) => Ok(()),
            (Pattern::Name(name), value) => {
                self.frame().variables.push(Variable { name: &name.text, value, constant });
                Ok(())
            }
            (Pattern::List(patterns, _), Value::List(values)) if patterns.len() == values.len() => patterns
                .iter()
                .zip(values.iter())
                .try_for_each(|(pattern, value)| self.bind(pattern, value.clone(), constant)),
            (Pattern::List(patterns, _), Value::Poison) => {
                patterns.iter().try_for_each(|pattern| self.bind(pattern, Value::Poison, constant))
            }
            (Pattern::List(patterns, span), value) => {
                let found = match &value {
                    Value::List(values) => format!("{} elements, {value}", values.len()),
                    other => other.to_string(),
                };
                let failed =
                    self.error(*span, format!("a list of {} elements is expected here, found {found}", patterns.len()));
                self.bind(pattern, Value::Poison, constant)?;
                Err(failed)
            }
        }
    }

    /// What a name stands for: a variable, an item, a block of the prelude, a builtin, or an operator, the first found.
    pub(super) fn lookup(&mut self, name: &'m str, span: Span) -> Eval<Value<'m>> {
        if let Some(variable) = self.frame().variables.iter().rev().find(|variable| variable.name == name) {
            return match &variable.value {
                // The error that left it is told already.
                Value::Poison => Err(Failed::Here),
                value => Ok(value.clone()),
            };
        }
        let module = self.frame().module;
        for module in [module, prelude()] {
            match module.find(name) {
                Some(Item::Const(item)) => return self.constant(item, module, span),
                Some(Item::Function(routine)) => return Ok(Value::Function(Callable { routine, module })),
                Some(Item::Block(routine)) => return Ok(Value::Block(Callable { routine, module })),
                Some(Item::Network(_)) => {
                    let message = format!("`{name}` is a network; parts that others use are blocks");
                    return Err(self.error(span, message));
                }
                None => {}
            }
        }
        if let Some(builtin) = builtin::names().find(|builtin| *builtin == name) {
            return Ok(Value::Builtin(builtin));
        }
        match Op::call_names().find(|operator| *operator == name) {
            Some(operator) => Ok(Value::Operator(operator)),
            // The check of names, which comes first, has told of it.
            None => Err(Failed::Here),
        }
    }

    /// The value of a constant item, evaluated at its first use.
    fn constant(&mut self, item: &'m Const, module: &'m Module, span: Span) -> Eval<Value<'m>> {
        match self.constants.get(&std::ptr::from_ref(item)) {
            Some(Some(Value::Poison)) => return Err(Failed::Here),
            Some(Some(value)) => return Ok(value.clone()),
            Some(None) => return Err(self.error(span, format!("constant `{}` depends on itself", item.name.text))),
            None => {}
        }
        self.constants.insert(item, None);
        let frame = Frame {
            kind: FrameKind::Constant,
            module,
            name: &item.name.text,
            site: span,
            path: None,
            variables: Vec::new(),
        };
        let value = self.in_frame(frame, |eval| eval.expr(&item.value));
        self.constants.insert(item, Some(value.clone().unwrap_or(Value::Poison)));
        value
    }

    /// Gives a variable another value.
    pub(super) fn assign(&mut self, target: &'m Name, value: Value<'m>) -> Eval<()> {
        let found = self.frame().variables.iter_mut().rev().find(|variable| variable.name == target.text);
        match found {
            Some(variable) if !variable.constant => {
                variable.value = value;
                Ok(())
            }
            // An item: the check of names tells of what is nothing at all.
            _ => Err(self.error(target.span, format!("`{}` is a constant and keeps its value", target.text))),
        }
    }

    /// What `body` would assign is unknown once it cannot run.
    pub(super) fn poison_assigned(&mut self, body: &'m Body) {
        for statement in &body.statements {
            match statement {
                Statement::Assign { target, .. } => {
                    let frame = self.frame();
                    if let Some(variable) =
                        frame.variables.iter_mut().rev().find(|variable| variable.name == target.text)
                    {
                        variable.value = Value::Poison;
                    }
                }
                Statement::For { body, .. } => self.poison_assigned(body),
                Statement::If { branches, otherwise } => {
                    for body in branches.iter().map(|(_, body)| body).chain(otherwise) {
                        self.poison_assigned(body);
                    }
                }
                Statement::Let(_) | Statement::Assert { .. } => {}
            }
        }
    }

    /// What is wrong where a value is not a tensor of the type that is written for it.
    pub(super) fn mistyped(&mut self, what: &str, value: &Value<'m>, ty: &'m TypePattern) -> Eval<Option<String>> {
        let mut dimensions = Vec::new();
        for dimension in &ty.dimensions {
            dimensions.push(dimension.as_ref().map(|expr| self.dimension(expr)).transpose()?);
        }
        let shape: Vec<_> = dimensions.iter().map(|d| d.map_or_else(|| "_".to_owned(), |d| d.to_string())).collect();
        let expected = format!("{}[{}]", ty.dtype, shape.join(", "));
        Ok(match value {
            Value::Poison => None,
            Value::Tensor(tensor) => {
                let found = self.graph.type_of(*tensor);
                let fits = found.dtype == ty.dtype
                    && found.rank() == dimensions.len()
                    && found
                        .shape
                        .iter()
                        .zip(&dimensions)
                        .all(|(found, expected)| expected.is_none_or(|e| e == *found));
                (!fits)
                    .then(|| format!("{what} expects {expected}, gets {found} (from `{}`)", self.graph.label(*tensor)))
            }
            other => Some(format!("{what} expects a tensor {expected}, gets {other}")),
        })
    }
}

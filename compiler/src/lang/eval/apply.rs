//! Calls: of blocks, functions, builtins and operators.

use super::scope::Named;
use super::value::{Callable, Value};
use super::{Eval, Evaluator, Frame, FrameKind, Variable, builtin};
use crate::lang::ast::{Call, ExprKind, Name, Parameter};
use crate::lang::error::Error;
use crate::lang::token::Span;
use crate::ops::Op;
use crate::ops::hint::nearest;

/// The arguments of a call.
#[derive(Debug)]
pub(super) struct Given<'m> {
    /// Without a name; those that flowed in come first.
    pub(super) positional: Vec<(Value<'m>, Span)>,
    pub(super) named: Vec<(&'m Name, Value<'m>, Span)>,
    /// How many flowed in.
    pub(super) flowed: usize,
    /// The callee, to blame where no argument is.
    pub(super) callee: Span,
}

impl Given<'_> {
    fn has_tensor(&self) -> bool {
        self.positional.iter().any(|(value, _)| match value {
            Value::Tensor(_) => true,
            Value::List(list) => list.holds_tensor,
            _ => false,
        })
    }
}

impl<'m> Evaluator<'m> {
    /// A call, on what flows in and on its arguments. A list flows in as its elements, each an argument; where one of
    /// them does not fit, the callee is to blame, which stands where the eye is.
    pub(super) fn call(&mut self, call: &'m Call, flow: Option<Value<'m>>, named: Option<Named>) -> Eval<Value<'m>> {
        let callee = self.expr(&call.callee);
        let values = self.each(call.arguments.iter().map(|argument| &argument.value));
        let (callee, values) = (callee?, values?);
        let site = call.callee.span;
        let flow: Vec<_> = match flow {
            Some(Value::List(values)) => values.iter().map(|value| (value.clone(), site)).collect(),
            flow => flow.into_iter().map(|value| (value, site)).collect(),
        };
        let mut given = Given { flowed: flow.len(), positional: flow, named: Vec::new(), callee: site };
        for (argument, value) in call.arguments.iter().zip(values) {
            match &argument.name {
                Some(name) => given.named.push((name, value, argument.span())),
                None => given.positional.push((value, argument.value.span)),
            }
        }
        match callee {
            Value::Operator(operator) => self.operator(operator, given, named),
            Value::Block(callable) => self.block(callable, given, named),
            Value::Function(callable) => {
                self.unnamed_only(&callable.routine.name.text, named)?;
                self.routine(FrameKind::Function, callable, given, site, None)
            }
            // Some functions are operators as well: `max` of constants, and of tensors.
            Value::Builtin(name) if given.has_tensor() => match Op::call_names().find(|operator| *operator == name) {
                Some(operator) => self.operator(operator, given, named),
                None => Err(self.error(site, format!("`{name}` is a function of constants, not of tensors"))),
            },
            Value::Builtin(name) => {
                self.unnamed_only(name, named)?;
                if let Some((_, _, span)) = given.named.first() {
                    return Err(self.error(*span, format!("`{name}` takes arguments without names")));
                }
                let size = given.positional.iter().map(|(value, _)| value.size()).sum();
                self.spend(size, given.callee)?;
                let values: Vec<_> = given.positional.into_iter().map(|(value, _)| value).collect();
                let value = builtin::call(name, &values).map_err(|message| self.error(given.callee, message))?;
                self.sized(value, given.callee)
            }
            other => {
                let what = match &call.callee.kind {
                    ExprKind::Name(name) => format!("`{name}` is {other}"),
                    _ => format!("this is {other}"),
                };
                Err(self.error(given.callee, format!("{what}; only operators, blocks and functions can be called")))
            }
        }
    }

    /// Functions make no operators, so a name would name nothing.
    fn unnamed_only(&mut self, function: &str, named: Option<Named>) -> Eval<()> {
        match named {
            Some(named) => {
                let message = format!("`{function}` is a function of constants, which has no name in the network");
                Err(self.error(named.span, message))
            }
            None => Ok(()),
        }
    }

    fn block(&mut self, callable: Callable<'m>, given: Given<'m>, named: Option<Named>) -> Eval<Value<'m>> {
        if let Some(named) = &named {
            self.take_block(named)?;
        }
        let site = given.callee;
        // Without a name a block's operators go into the caller's scope, but `self` is then nothing.
        let scoped = std::mem::replace(&mut self.scoped, false);
        let path = named.as_ref().map(|named| named.path.clone());
        let result = self.in_scope(named.as_ref(), |eval| eval.routine(FrameKind::Block, callable, given, site, path));
        self.scoped = scoped;
        result
    }

    fn routine(
        &mut self,
        kind: FrameKind,
        callable: Callable<'m>,
        given: Given<'m>,
        site: Span,
        path: Option<String>,
    ) -> Eval<Value<'m>> {
        let Callable { routine, module } = callable;
        let what = match kind {
            FrameKind::Block => format!("block `{}`", routine.name.text),
            _ => format!("function `{}`", routine.name.text),
        };
        let arguments = self.arrange(&what, &routine.parameters, given)?;
        let frame = Frame { kind, module, name: &routine.name.text, site, path, variables: Vec::new() };
        self.in_frame(frame, |eval| {
            for (parameter, argument) in routine.parameters.iter().zip(arguments) {
                let value = match (argument, &parameter.default) {
                    (Some((value, blame)), _) => {
                        if let Some(ty) = &parameter.ty {
                            let what = format!("`{}` of {what}", parameter.name.text);
                            if let Some(message) = eval.mistyped(&what, &value, ty)? {
                                // The caller gave the tensor.
                                return Err(eval.fail_in_caller(Error::new(blame, message)));
                            }
                        }
                        value
                    }
                    (None, Some(default)) => eval.expr(default)?,
                    (None, None) => Value::Poison,
                };
                eval.frame().variables.push(Variable { name: &parameter.name.text, value, constant: false });
            }
            eval.deeper(site, |eval| eval.body_result(&routine.body, &what))
        })
    }

    /// The argument of each parameter, where one is given; every mistake is reported.
    fn arrange(
        &mut self,
        what: &str,
        parameters: &'m [Parameter],
        given: Given<'m>,
    ) -> Eval<Vec<Option<(Value<'m>, Span)>>> {
        let mut failed = None;
        let mut arguments: Vec<Option<(Value<'m>, Span)>> = parameters.iter().map(|_| None).collect();
        let list = parameters.iter().map(|p| format!("`{}`", p.name.text)).collect::<Vec<_>>().join(", ");
        let count = given.positional.len();
        for (i, (value, span)) in given.positional.into_iter().enumerate() {
            match arguments.get_mut(i) {
                Some(argument) => *argument = Some((value, span)),
                None => {
                    let plural = if parameters.len() == 1 { "" } else { "s" };
                    let mut message =
                        format!("{what} takes {} argument{plural} ({list}), gets {count}", parameters.len());
                    if given.flowed > 0 {
                        message += ", what flows in included";
                    }
                    failed = Some(self.error(span, message));
                    break;
                }
            }
        }
        for (name, value, span) in given.named {
            match parameters.iter().position(|parameter| parameter.name.text == name.text) {
                Some(i) if arguments[i].is_some() => {
                    let message = format!("`{}` of {what} is given twice", name.text);
                    failed = Some(self.error(span, message));
                }
                Some(i) => arguments[i] = Some((value, span)),
                None => {
                    let names = parameters.iter().map(|parameter| parameter.name.text.as_str());
                    let error = Error::new(name.span, format!("{what} has no parameter `{}`", name.text))
                        .note(format!("its parameters are {list}"));
                    failed = Some(self.fail(error.suggest(nearest(&name.text, names))));
                }
            }
        }
        let missing: Vec<_> = parameters
            .iter()
            .zip(&arguments)
            .filter(|(parameter, argument)| parameter.default.is_none() && argument.is_none())
            .map(|(parameter, _)| format!("`{}`", parameter.name.text))
            .collect();
        if !missing.is_empty() && failed.is_none() {
            failed = Some(self.error(given.callee, format!("{what} needs {}", missing.join(", "))));
        }
        failed.map_or(Ok(arguments), Err)
    }
}

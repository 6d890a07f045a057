//! Paths: the names of operators, blocks and parameters.

use super::value::Value;
use super::{Eval, Evaluator};
use crate::lang::ast::{Path, PathPart};
use crate::lang::error::Error;
use crate::lang::token::Span;

/// A path with its numbers filled in.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// From the network down: `layer1.0.conv1`.
    pub(super) path: String,
    pub(super) span: Span,
}

impl<'m> Evaluator<'m> {
    /// The path that `path` stands for here.
    pub(super) fn path(&mut self, path: &'m Path) -> Eval<Named> {
        if let [PathPart::Text(text)] = path.parts.as_slice()
            && text == "self"
        {
            if self.scoped {
                return Ok(Named { path: self.prefix.clone(), span: path.span });
            }
            let (name, site) = (self.frame().name, self.frame().site);
            return Err(self.fail_in_caller(needs_name(name, site)));
        }
        let mut local = String::new();
        for part in &path.parts {
            match part {
                PathPart::Text(text) => local.push_str(text),
                PathPart::Expr(expr) => match self.expr(expr)? {
                    Value::Int(value) if value >= 0 => local.push_str(&value.to_string()),
                    Value::Text(text)
                        if !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.".contains(c)) =>
                    {
                        local.push_str(&text);
                    }
                    other => {
                        let message =
                            format!("a name takes whole numbers from 0 and texts of letters and digits, found {other}");
                        return Err(self.error(expr.span, message));
                    }
                },
            }
        }
        Ok(Named { path: self.inside(&local), span: path.span })
    }

    /// `local` in the present scope.
    pub(super) fn inside(&self, local: &str) -> String {
        if self.prefix.is_empty() { local.to_owned() } else { format!("{}.{local}", self.prefix) }
    }

    /// Takes a path for an operator.
    pub(super) fn take_operator(&mut self, named: &Named) -> Eval<()> {
        let free = self.operator_paths.insert(named.path.clone());
        self.expect_free(free, named)
    }

    /// Takes a path for the call of a block; one that is `self` has its path from the call around it.
    pub(super) fn take_block(&mut self, named: &Named) -> Eval<()> {
        let free = named.path == self.prefix || self.block_paths.insert(named.path.clone());
        self.expect_free(free, named)
    }

    fn expect_free(&mut self, free: bool, named: &Named) -> Eval<()> {
        if free {
            return Ok(());
        }
        let error = Error::new(named.span, format!("the name `{}` is already taken", named.path));
        Err(self.fail(error.help("in a loop, put the index into the name: `conv{i}`")))
    }

    /// An automatic name for a node of operator `operator`.
    pub(super) fn automatic_name(&mut self, operator: &str) -> String {
        let name = self.inside(operator);
        let count = self.automatic.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{count}") }
    }

    /// Runs `run` with names put into the scope `named`, if there is one. A result that has no name of its own gets the
    /// scope's.
    pub(super) fn in_scope(
        &mut self,
        named: Option<&Named>,
        run: impl FnOnce(&mut Self) -> Eval<Value<'m>>,
    ) -> Eval<Value<'m>> {
        let Some(named) = named else { return run(self) };
        let prefix = std::mem::replace(&mut self.prefix, named.path.clone());
        let scoped = std::mem::replace(&mut self.scoped, true);
        let result = run(self);
        self.prefix = prefix;
        self.scoped = scoped;
        if let Ok(Value::Tensor(value)) = &result {
            let inside =
                self.graph.node(value.node).name.strip_prefix(&named.path).is_some_and(|rest| rest.starts_with('.'));
            if inside && self.unnamed.remove(&value.node) {
                self.graph.edit().rename(value.node, &named.path);
            }
        }
        result
    }
}

/// The error of a call that owns parameters and has no name.
pub(super) fn needs_name(callee: &str, span: Span) -> Error {
    Error::new(span, format!("`{callee}` owns parameters, so it needs a name")).help(format!(
        "write `{}1: {callee}(…)`, and its weights are `{}1.weight`",
        short(callee),
        short(callee)
    ))
}

fn short(callee: &str) -> &str {
    match callee {
        "batch_norm" => "bn",
        "linear" => "fc",
        other => other,
    }
}

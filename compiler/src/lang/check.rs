//! Names that stand for nothing, found before anything is built: in every item, also in those that nothing calls.

use std::collections::HashMap;

use super::Module;
use super::ast::{Argument, Body, Call, Definition, Expr, ExprKind, Item, Let, Name, Parameter, Path, PathPart};
use super::ast::{Pattern, Stage, StageKind, Stages, Statement, TypePattern};
use super::error::Error;
use super::eval::builtin;
use super::prelude::prelude;
use super::token::Span;
use crate::ops::Op;
use crate::ops::hint::nearest;

/// Every name of `module` that is unknown, and every one that is defined twice where it must not be.
pub(crate) fn module(module: &Module) -> Vec<Error> {
    let mut check = Check { module, variables: Vec::new(), errors: Vec::new() };
    check.distinct(module.items().iter().map(Item::name), "item");
    for item in module.items() {
        check.item(item);
    }
    check.errors
}

struct Check<'m> {
    module: &'m Module,
    variables: Vec<&'m str>,
    errors: Vec<Error>,
}

impl<'m> Check<'m> {
    fn distinct(&mut self, names: impl Iterator<Item = &'m Name>, what: &str) {
        let mut seen = HashMap::new();
        for name in names {
            if seen.insert(&name.text, name.span).is_some() {
                self.errors.push(Error::new(name.span, format!("{what} `{}` is defined twice", name.text)));
            }
        }
    }

    fn item(&mut self, item: &'m Item) {
        match item {
            Item::Const(item) => self.expr(&item.value),
            Item::Function(routine) | Item::Block(routine) => {
                self.distinct(routine.parameters.iter().map(|parameter| &parameter.name), "parameter");
                self.scope(|check| {
                    check.parameters(&routine.parameters);
                    check.body(&routine.body);
                });
            }
            Item::Network(network) => match &network.definition {
                Definition::Instance { base, arguments } => {
                    self.instance(base, arguments);
                    self.arguments(arguments);
                }
                Definition::Body { inputs, constants, outputs, body } => {
                    self.distinct(inputs.iter().chain(constants).map(|parameter| &parameter.name), "parameter");
                    self.distinct(outputs.iter(), "output");
                    self.scope(|check| {
                        check.parameters(constants);
                        check.parameters(inputs);
                        check.body(body);
                    });
                }
            },
        }
    }

    /// That there is such a network, and that it has the constants that are given.
    fn instance(&mut self, base: &'m Name, arguments: &'m [Argument]) {
        let network = match self.module.find(&base.text) {
            Some(Item::Network(network)) => network,
            Some(item) => {
                let message = format!("`{}` is a {}; an instance is of a network", base.text, item.kind());
                self.errors.push(Error::new(base.span, message));
                return;
            }
            None => {
                let networks = self.module.networks();
                let near = nearest(&base.text, networks.iter().map(|network| network.name));
                let error = Error::new(base.span, format!("there is no network `{}`", base.text));
                self.errors.push(error.suggest(near));
                return;
            }
        };
        if self.module.written_out(network).is_none() {
            let mut at = Some(network);
            for _ in 0..self.module.items().len() {
                at = match at.map(|network| &network.definition) {
                    Some(Definition::Instance { base, .. }) => match self.module.find(&base.text) {
                        Some(Item::Network(next)) => Some(next),
                        _ => None,
                    },
                    _ => None,
                };
            }
            // A chain that ends at nothing is told of where it ends; this one never does.
            if at.is_some() {
                let message = format!("`{}` is an instance of itself, through others or at once", base.text);
                self.errors.push(Error::new(base.span, message));
            }
            return;
        }
        let constants = self.module.constants(network);
        let known: Vec<&str> = constants.iter().map(|constant| constant.name.text.as_str()).collect();
        for argument in arguments {
            match &argument.name {
                None => {
                    let message = format!("constants of `{}` are given by name", base.text);
                    self.errors.push(Error::new(argument.value.span, message));
                }
                Some(name) if !known.contains(&name.text.as_str()) => {
                    self.errors.push(no_constant(&base.text, &name.text, name.span, &known));
                }
                Some(_) => {}
            }
        }
    }

    fn scope(&mut self, run: impl FnOnce(&mut Self)) {
        let mark = self.variables.len();
        run(self);
        self.variables.truncate(mark);
    }

    fn parameters(&mut self, parameters: &'m [Parameter]) {
        for parameter in parameters {
            if let Some(default) = &parameter.default {
                self.expr(default);
            }
            if let Some(ty) = &parameter.ty {
                self.type_pattern(ty);
            }
            self.variables.push(&parameter.name.text);
        }
    }

    fn type_pattern(&mut self, ty: &'m TypePattern) {
        for dimension in ty.dimensions.iter().flatten() {
            self.expr(dimension);
        }
    }

    fn body(&mut self, body: &'m Body) {
        self.scope(|check| {
            for statement in &body.statements {
                check.statement(statement);
            }
            if let Some(result) = &body.result {
                check.expr(result);
            }
        });
    }

    fn statement(&mut self, statement: &'m Statement) {
        match statement {
            Statement::Let(binding) => self.binding(binding),
            Statement::Assign { target, value } => {
                self.expr(value);
                if !self.variables.contains(&target.text.as_str()) {
                    let near = nearest(&target.text, self.variables.iter().copied());
                    let error = Error::new(target.span, format!("there is no variable `{}`", target.text));
                    self.errors.push(match near {
                        Some(_) => error.suggest(near),
                        None => error.help(format!("a new variable is written `let {} = …;`", target.text)),
                    });
                }
            }
            Statement::For { pattern, list, body } => {
                self.expr(list);
                self.scope(|check| {
                    check.pattern(pattern);
                    check.body(body);
                });
            }
            Statement::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.expr(condition);
                    self.body(body);
                }
                otherwise.iter().for_each(|body| self.body(body));
            }
            Statement::Assert { condition, message, .. } => {
                self.expr(condition);
                message.iter().for_each(|message| self.expr(message));
            }
        }
    }

    fn binding(&mut self, binding: &'m Let) {
        self.expr(&binding.value);
        if let Some(ty) = &binding.ty {
            self.type_pattern(ty);
        }
        self.pattern(&binding.pattern);
    }

    fn pattern(&mut self, pattern: &'m Pattern) {
        match pattern {
            Pattern::Name(name) => self.variables.push(&name.text),
            Pattern::Ignore => {}
            Pattern::List(patterns, _) => patterns.iter().for_each(|pattern| self.pattern(pattern)),
        }
    }

    fn path(&mut self, path: &'m Path) {
        for part in &path.parts {
            if let PathPart::Expr(expr) = part {
                self.expr(expr);
            }
        }
    }

    fn call(&mut self, call: &'m Call) {
        match &call.callee.kind {
            ExprKind::Name(name) => self.callee(name, call.callee.span),
            _ => self.expr(&call.callee),
        }
        self.arguments(&call.arguments);
    }

    fn arguments(&mut self, arguments: &'m [Argument]) {
        for argument in arguments {
            self.expr(&argument.value);
        }
    }

    fn stages(&mut self, stages: &'m Stages) {
        self.scope(|check| {
            for binding in &stages.lets {
                check.binding(binding);
            }
            stages.stages.iter().for_each(|stage| check.stage(stage));
        });
    }

    fn stage(&mut self, stage: &'m Stage) {
        if let Some(path) = &stage.path {
            self.path(path);
        }
        match &stage.kind {
            StageKind::Call(call) => self.call(call),
            StageKind::Stages(stages) => self.stages(stages),
            StageKind::For { pattern, list, body } => {
                self.expr(list);
                self.scope(|check| {
                    check.pattern(pattern);
                    check.stages(body);
                });
            }
            StageKind::If { branches, otherwise } => {
                for (condition, stages) in branches {
                    self.expr(condition);
                    self.stages(stages);
                }
                otherwise.iter().for_each(|stages| self.stages(stages));
            }
            StageKind::Bind { pattern, body } => self.scope(|check| {
                check.pattern(pattern);
                check.body(body);
            }),
        }
    }

    fn expr(&mut self, expr: &'m Expr) {
        match &expr.kind {
            ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Text(_) => {}
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::List(elements) => elements.iter().for_each(|element| self.expr(element)),
            ExprKind::Range { start, end, .. } => [start, end].into_iter().for_each(|bound| self.expr(bound)),
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|side| self.expr(side)),
            ExprKind::Property { of, .. } => self.expr(of),
            ExprKind::Index { of, index } => [of, index].into_iter().for_each(|part| self.expr(part)),
            ExprKind::Call(call) => self.call(call),
            ExprKind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.expr(condition);
                    self.body(body);
                }
                otherwise.iter().for_each(|body| self.body(body));
            }
            ExprKind::Body(body) => self.body(body),
            ExprKind::Chain { head, stages } => {
                self.expr(head);
                stages.iter().for_each(|stage| self.stage(stage));
            }
            ExprKind::Scope { path, of } => {
                self.path(path);
                self.expr(of);
            }
        }
    }

    fn name(&mut self, name: &'m str, span: Span) {
        if !self.known(name) {
            let near = nearest(name, self.variables.iter().copied().chain(names(self.module, false)));
            self.errors.push(Error::new(span, format!("unknown name `{name}`")).suggest(near));
        }
    }

    fn callee(&mut self, name: &'m str, span: Span) {
        if !self.known(name) {
            let near = nearest(name, names(self.module, true).chain(self.variables.iter().copied()));
            self.errors.push(Error::new(span, format!("unknown operator or block `{name}`")).suggest(near));
        }
    }

    fn known(&self, name: &str) -> bool {
        self.variables.contains(&name) || names(self.module, true).any(|known| known == name)
    }
}

/// The error of a constant that a network does not have.
pub(crate) fn no_constant(network: &str, name: &str, span: Span, known: &[&str]) -> Error {
    let known_list = match known {
        [] => "it has none".to_owned(),
        _ => format!("its constants are `{}`", known.join("`, `")),
    };
    Error::new(span, format!("network `{network}` has no constant `{name}`"))
        .note(known_list)
        .suggest(nearest(name, known.iter().copied()))
}

/// The names outside of bodies; `operators` leaves out those of operators where false.
fn names<'m>(module: &'m Module, operators: bool) -> impl Iterator<Item = &'m str> {
    let items = module.items().iter().chain(prelude().items()).map(|item| item.name().text.as_str());
    let builtins = builtin::names().chain(Op::call_names().filter(move |_| operators));
    items.chain(builtins.map(|name| -> &'m str { name }))
}

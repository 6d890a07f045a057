//! Chains: values flowing through stages.

use super::scope::Named;
use super::value::Value;
use super::{Eval, Evaluator};
use crate::lang::ast::{Expr, Stage, StageKind, Stages};
use crate::lang::token::Span;

/// What flows into a stage, and what produced it.
#[derive(Clone, Debug)]
pub(super) struct Flow<'m> {
    value: Value<'m>,
    span: Span,
}

impl<'m> Flow<'m> {
    /// The values as a call takes them: a list flows as its elements.
    pub(super) fn spread(self) -> Vec<(Value<'m>, Span)> {
        match self.value {
            Value::List(values) => values.iter().map(|value| (value.clone(), self.span)).collect(),
            value => vec![(value, self.span)],
        }
    }
}

impl<'m> Evaluator<'m> {
    pub(super) fn chain(&mut self, head: &'m Expr, stages: &'m [Stage]) -> Eval<Value<'m>> {
        let value = self.expr(head)?;
        self.run_stages(Flow { value, span: head.span }, stages)
    }

    fn run_stages(&mut self, mut flow: Flow<'m>, stages: &'m [Stage]) -> Eval<Value<'m>> {
        for stage in stages {
            self.spend(1, stage.span)?;
            let value = self.deeper(stage.span, |eval| eval.stage(flow, stage))?;
            flow = Flow { value, span: stage.span };
        }
        Ok(flow.value)
    }

    fn stage(&mut self, flow: Flow<'m>, stage: &'m Stage) -> Eval<Value<'m>> {
        let named = stage.path.as_ref().map(|path| self.path(path)).transpose()?;
        match &stage.kind {
            StageKind::Call(call) => self.call(call, flow.spread(), named),
            StageKind::Stages(stages) => self.scoped_stages(named.as_ref(), flow, stages),
            StageKind::For { pattern, list, body } => {
                let elements = self.elements(list)?;
                self.in_scope(named.as_ref(), |eval| {
                    let mut flow = flow;
                    for element in elements.iter() {
                        eval.spend(1, list.span)?;
                        flow.value = eval.in_block(|eval| {
                            eval.bind(pattern, element.clone(), false)?;
                            eval.stages(flow.clone(), body)
                        })?;
                    }
                    Ok(flow.value)
                })
            }
            StageKind::If { branches, otherwise } => {
                for (condition, stages) in branches {
                    if self.condition(condition)? {
                        return self.scoped_stages(named.as_ref(), flow, stages);
                    }
                }
                match otherwise {
                    Some(stages) => self.scoped_stages(named.as_ref(), flow, stages),
                    None => Ok(flow.value),
                }
            }
            StageKind::Bind { pattern, body } => self.in_scope(named.as_ref(), |eval| {
                eval.in_block(|eval| {
                    eval.bind(pattern, flow.value, false)?;
                    eval.body_result(body, "this body")
                })
            }),
        }
    }

    fn scoped_stages(&mut self, named: Option<&Named>, flow: Flow<'m>, stages: &'m Stages) -> Eval<Value<'m>> {
        self.in_scope(named, |eval| eval.stages(flow, stages))
    }

    fn stages(&mut self, flow: Flow<'m>, stages: &'m Stages) -> Eval<Value<'m>> {
        self.in_block(|eval| {
            for binding in &stages.lets {
                eval.binding(binding)?;
            }
            eval.run_stages(flow, &stages.stages)
        })
    }
}

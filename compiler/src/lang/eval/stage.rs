//! Chains: values flowing through stages.

use super::scope::Named;
use super::value::Value;
use super::{Eval, Evaluator};
use crate::lang::ast::{Expr, Stage, StageKind, Stages};

impl<'m> Evaluator<'m> {
    pub(super) fn chain(&mut self, head: &'m Expr, stages: &'m [Stage]) -> Eval<Value<'m>> {
        let value = self.expr(head)?;
        self.run_stages(value, stages)
    }

    fn run_stages(&mut self, mut flow: Value<'m>, stages: &'m [Stage]) -> Eval<Value<'m>> {
        for stage in stages {
            self.spend(1, stage.span)?;
            flow = self.deeper(stage.span, |eval| eval.stage(flow, stage))?;
        }
        Ok(flow)
    }

    fn stage(&mut self, flow: Value<'m>, stage: &'m Stage) -> Eval<Value<'m>> {
        let named = stage.path.as_ref().map(|path| self.path(path)).transpose()?;
        match &stage.kind {
            StageKind::Call(call) => self.call(call, Some(flow), named),
            StageKind::Stages(stages) => self.scoped_stages(named.as_ref(), flow, stages),
            StageKind::For { pattern, list, body } => {
                let elements = self.elements(list)?;
                self.in_scope(named.as_ref(), |eval| {
                    let mut flow = flow;
                    for element in elements.iter() {
                        eval.spend(1, list.span)?;
                        flow = eval.in_block(|eval| {
                            eval.bind(pattern, element.clone(), false)?;
                            eval.stages(flow.clone(), body)
                        })?;
                    }
                    Ok(flow)
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
                    None => Ok(flow),
                }
            }
            StageKind::Bind { pattern, body } => self.in_scope(named.as_ref(), |eval| {
                eval.in_block(|eval| {
                    eval.bind(pattern, flow, false)?;
                    eval.body_result(body, "this body")
                })
            }),
        }
    }

    fn scoped_stages(&mut self, named: Option<&Named>, flow: Value<'m>, stages: &'m Stages) -> Eval<Value<'m>> {
        self.in_scope(named, |eval| eval.stages(flow, stages))
    }

    fn stages(&mut self, flow: Value<'m>, stages: &'m Stages) -> Eval<Value<'m>> {
        self.in_block(|eval| {
            for binding in &stages.lets {
                eval.binding(binding)?;
            }
            eval.run_stages(flow, &stages.stages)
        })
    }
}

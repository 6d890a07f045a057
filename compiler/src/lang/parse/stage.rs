//! Stages: what stands after an arrow.

use super::{Parsed, Parser};
use crate::lang::ast::{Call, ExprKind, Stage, StageKind, Stages};
use crate::lang::error::Error;
use crate::lang::token::TokenKind;

impl Parser<'_> {
    pub(super) fn stage(&mut self) -> Parsed<Stage> {
        let start = self.span();
        let path = if self.at_path() { Some(self.path()?) } else { None };
        let kind = match self.peek() {
            TokenKind::Open('{') => StageKind::Stages(self.deeper(Self::stages)?),
            TokenKind::Ident(word) if word == "for" => {
                let (pattern, list) = self.for_head()?;
                StageKind::For { pattern, list, body: self.deeper(Self::stages)? }
            }
            TokenKind::Ident(word) if word == "if" => {
                let (branches, otherwise) = self.branches(|parser| parser.deeper(Self::stages))?;
                StageKind::If { branches, otherwise }
            }
            TokenKind::Symbol("|") => {
                self.advance();
                let pattern = self.pattern()?;
                self.expect("|")?;
                StageKind::Bind { pattern, body: self.deeper(Self::body)? }
            }
            TokenKind::Ident(_) => StageKind::Call(self.stage_call()?),
            _ => return Err(self.expected("a stage: an operator, a block, `for`, `if`, `|x| { … }` or `{ … }`")),
        };
        Ok(Stage { path, kind, span: start.to(self.previous()) })
    }

    /// `relu`, `conv(64, kernel: 3)`, `blocks[i](64)`
    fn stage_call(&mut self) -> Parsed<Call> {
        let names = std::mem::replace(&mut self.names, false);
        let callee = self.deeper(Self::postfix);
        self.names = names;
        let callee = callee?;
        match callee.kind {
            ExprKind::Call(call) => Ok(call),
            ExprKind::Name(_) | ExprKind::Index { .. } => Ok(Call { callee: Box::new(callee), arguments: Vec::new() }),
            _ => Err(Box::new(Error::new(callee.span, "expected an operator or a block after `->`"))),
        }
    }

    /// `{ let width = 64; 0: conv(width) -> 1: batch_norm }`
    fn stages(&mut self) -> Parsed<Stages> {
        let close = self.open('{', "stages in braces")?;
        let names = std::mem::replace(&mut self.names, true);
        let mut lets = Vec::new();
        while self.at_word("let") && !self.at_path() {
            let first = self.position;
            match self.binding() {
                Ok(binding) => lets.push(binding),
                Err(error) => self.recover(*error, first, close),
            }
        }
        let mut stages = Vec::new();
        if self.position != close {
            stages.push(self.stage()?);
            while self.take("->") {
                stages.push(self.stage()?);
            }
        }
        self.names = names;
        self.close(close, "`->` and another stage, or `}`").map_err(|error| {
            Box::new(error.help("in braces after `->` stand stages; for statements write `|x| { … }`"))
        })?;
        Ok(Stages { lets, stages })
    }
}

//! Bodies and their statements.

use super::{Parsed, Parser};
use crate::lang::ast::{Body, Expr, ExprKind, Let, Pattern, Statement};
use crate::lang::error::Error;
use crate::lang::token::{Span, TokenKind};

/// A statement, or the result that ends a body.
enum Piece {
    Statement(Statement),
    Result(Expr),
}

impl Parser<'_> {
    /// `{ statements result }`; the result may be missing.
    pub(super) fn body(&mut self) -> Parsed<Body> {
        let start = self.span();
        let close = self.open('{', "a body in braces")?;
        let names = std::mem::replace(&mut self.names, true);
        let mut body = Body { statements: Vec::new(), result: None, span: start.to(self.span_at(close)) };
        while self.position != close {
            let first = self.position;
            // An error may have left a condition before its end.
            self.names = true;
            match self.piece(close) {
                Ok(Piece::Statement(statement)) => body.statements.push(statement),
                Ok(Piece::Result(result)) if self.position == close => body.result = Some(Box::new(result)),
                Ok(Piece::Result(result)) => {
                    let error = match self.peek() {
                        TokenKind::Symbol(";") => unused(result.span),
                        _ => *self.expected("an operator, `->`, or the end of the body"),
                    };
                    self.recover(error, self.position, close);
                }
                Err(error) => self.recover(*error, first, close),
            }
        }
        self.names = names;
        self.advance();
        Ok(body)
    }

    fn piece(&mut self, close: usize) -> Parsed<Piece> {
        let statement = match self.peek() {
            _ if self.at_path() => return self.expr().map(Piece::Result),
            TokenKind::Ident(word) if word == "let" => Statement::Let(self.binding()?),
            TokenKind::Ident(word) if word == "const" => {
                let item = self.constant()?;
                let pattern = Pattern::Name(item.name);
                Statement::Let(Let { pattern, ty: None, value: item.value, constant: true })
            }
            TokenKind::Ident(word) if word == "for" => self.for_statement()?,
            TokenKind::Ident(word) if word == "if" => {
                let value = self.expr()?;
                // An `if` at the end is the result, where it has one; elsewhere it is a statement.
                return match value.kind {
                    ExprKind::If { branches, otherwise }
                        if self.position != close || branches.iter().all(|(_, body)| body.result.is_none()) =>
                    {
                        for body in branches.iter().map(|(_, body)| body).chain(&otherwise) {
                            self.no_result(body);
                        }
                        Ok(Piece::Statement(Statement::If { branches, otherwise }))
                    }
                    _ => Ok(Piece::Result(value)),
                };
            }
            TokenKind::Ident(word) if word == "assert" && *self.peek_at(1) == TokenKind::Open('(') => {
                self.assertion()?
            }
            TokenKind::Ident(_) if *self.peek_at(1) == TokenKind::Symbol("=") => {
                let target = self.name("a variable")?;
                self.advance();
                let value = self.expr()?;
                self.expect(";")?;
                Statement::Assign { target, value }
            }
            _ => return self.expr().map(Piece::Result),
        };
        Ok(Piece::Statement(statement))
    }

    /// `let pattern: type = value;`
    pub(super) fn binding(&mut self) -> Parsed<Let> {
        self.expect_word("let")?;
        let pattern = self.pattern()?;
        let ty = if self.take(":") { Some(self.type_pattern()?) } else { None };
        self.expect("=")?;
        let value = self.expr()?;
        self.expect(";")?;
        Ok(Let { pattern, ty, value, constant: false })
    }

    fn for_statement(&mut self) -> Parsed<Statement> {
        let (pattern, list) = self.for_head()?;
        let body = self.body()?;
        self.no_result(&body);
        Ok(Statement::For { pattern, list, body })
    }

    /// `for pattern in list`
    pub(super) fn for_head(&mut self) -> Parsed<(Pattern, Expr)> {
        self.expect_word("for")?;
        let pattern = self.pattern()?;
        self.expect_word("in")?;
        Ok((pattern, self.condition()?))
    }

    fn assertion(&mut self) -> Parsed<Statement> {
        let start = self.advance();
        let close = self.open('(', "`(`")?;
        let condition = self.expr()?;
        let message = if self.take(",") && self.position != close { Some(self.expr()?) } else { None };
        self.take(",");
        let end = self.close(close, "`,` or `)`")?;
        self.expect(";")?;
        Ok(Statement::Assert { condition, message, span: start.to(end) })
    }

    /// `x`, `_` or `(a, (b, c))`
    pub(super) fn pattern(&mut self) -> Parsed<Pattern> {
        if self.take("_") {
            return Ok(Pattern::Ignore);
        }
        if !self.at_open('(') {
            return self.name("a name or `(`").map(Pattern::Name);
        }
        let start = self.span();
        let close = self.open('(', "`(`")?;
        let (patterns, end) = self.deeper(|parser| parser.separated(close, "`,` or `)`", Self::pattern))?;
        Ok(Pattern::List(patterns, start.to(end)))
    }

    fn no_result(&mut self, body: &Body) {
        if let Some(result) = &body.result {
            self.errors.push(unused(result.span));
        }
    }
}

fn unused(span: Span) -> Error {
    Error::new(span, "this result is never used")
        .help("bind it with `let y = …;`, assign it with `x = …;`, or remove it")
}

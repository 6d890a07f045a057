//! Expressions, loosest first: chains, ranges, operators by strength, prefixes, postfixes.

use super::{Parsed, Parser};
use crate::lang::ast::{Argument, BinaryOp, Call, Expr, ExprKind, Name, UnaryOp};
use crate::lang::error::Error;
use crate::lang::limits;
use crate::lang::token::{Span, TokenKind};

/// Conditions with what they guard, and what stands after `else`.
type Branches<T> = (Vec<(Expr, T)>, Option<T>);

impl Parser<'_> {
    /// Any expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(Self::chain)
    }

    /// An expression that a brace follows: `name:` begins none, for the brace would look like a part of the name.
    pub(super) fn condition(&mut self) -> Parsed<Expr> {
        let names = std::mem::replace(&mut self.names, false);
        let condition = self.deeper(Self::range);
        self.names = names;
        condition
    }

    /// `head -> stage -> stage`
    fn chain(&mut self) -> Parsed<Expr> {
        let head = self.range()?;
        if !self.at("->") {
            return Ok(head);
        }
        let (stages, depth) = self.nested(|parser| {
            let mut stages = Vec::new();
            while parser.take("->") {
                stages.push(parser.stage()?);
            }
            Ok(stages)
        })?;
        let span = head.span.to(self.previous());
        let depth = depth.max(head.depth);
        self.finish(ExprKind::Chain { head: Box::new(head), stages }, span, depth)
    }

    fn range(&mut self) -> Parsed<Expr> {
        let start = self.binary(0)?;
        let inclusive = match self.peek() {
            TokenKind::Symbol("..") => false,
            TokenKind::Symbol("..=") => true,
            _ => return Ok(start),
        };
        self.advance();
        let end = self.binary(0)?;
        let (span, depth) = (start.span.to(end.span), start.depth.max(end.depth));
        self.finish(ExprKind::Range { start: Box::new(start), end: Box::new(end), inclusive }, span, depth)
    }

    /// Operators that bind closer than `strength`, from left to right.
    fn binary(&mut self, strength: u8) -> Parsed<Expr> {
        let mut left = self.unary()?;
        while let TokenKind::Symbol(symbol) = self.peek() {
            let Some((op, own)) = BinaryOp::of(symbol).filter(|(_, own)| *own > strength) else { break };
            let symbol = self.advance();
            let right = self.binary(own)?;
            let (span, depth) = (left.span.to(right.span), left.depth.max(right.depth));
            let kind = ExprKind::Binary { op, symbol, left: Box::new(left), right: Box::new(right) };
            left = self.finish(kind, span, depth)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let mut prefixes = Vec::new();
        loop {
            let op = match self.peek() {
                TokenKind::Symbol("-") => UnaryOp::Negate,
                TokenKind::Symbol("!") => UnaryOp::Not,
                _ => break,
            };
            prefixes.push((op, self.advance()));
        }
        let mut operand = self.postfix()?;
        while let Some((op, symbol)) = prefixes.pop() {
            let (span, depth) = (symbol.to(operand.span), operand.depth);
            operand = self.finish(ExprKind::Unary { op, operand: Box::new(operand) }, span, depth)?;
        }
        Ok(operand)
    }

    /// Calls, properties and elements: `f(x)`, `x.width`, `list[i]`.
    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let mut of = self.primary()?;
        // A brace ends a statement, and what follows it begins the next.
        if matches!(of.kind, ExprKind::If { .. } | ExprKind::Body(_) | ExprKind::Scope { .. }) {
            return Ok(of);
        }
        loop {
            let start = of.span;
            let depth = of.depth;
            let (kind, end, depth) = match self.peek() {
                TokenKind::Open('(') => {
                    let ((arguments, end), inner) = self.nested(|parser| {
                        let close = parser.open('(', "`(`")?;
                        let arguments = parser.argument_list(close)?;
                        Ok((arguments, parser.close(close, "`,` or `)`")?))
                    })?;
                    (ExprKind::Call(Call { callee: Box::new(of), arguments }), end, depth.max(inner))
                }
                TokenKind::Open('[') => {
                    let ((index, end), inner) = self.nested(|parser| {
                        let close = parser.open('[', "`[`")?;
                        let names = std::mem::replace(&mut parser.names, true);
                        let index = parser.expr();
                        parser.names = names;
                        Ok((index?, parser.close(close, "`]`")?))
                    })?;
                    (ExprKind::Index { of: Box::new(of), index: Box::new(index) }, end, depth.max(inner))
                }
                TokenKind::Symbol(".") => {
                    self.advance();
                    if let TokenKind::Number(text) = self.peek() {
                        let error = Error::new(self.span(), "expected the name of a property");
                        return Err(Box::new(error.help(format!("an element of a list is written `[{text}]`"))));
                    }
                    let name = self.name("the name of a property, such as `channels`")?;
                    let end = name.span;
                    (ExprKind::Property { of: Box::new(of), name }, end, depth)
                }
                _ => return Ok(of),
            };
            of = self.finish(kind, start.to(end), depth)?;
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.names && self.at_path() {
            return self.scope();
        }
        let kind = match self.peek() {
            TokenKind::Number(text) => number(text).map_err(|message| Box::new(Error::new(start, message)))?,
            TokenKind::Text(text) => ExprKind::Text(text.clone()),
            TokenKind::Ident(word) if word == "true" || word == "false" => ExprKind::Bool(word == "true"),
            TokenKind::Ident(word) if word == "if" => return self.if_expr(),
            TokenKind::Ident(word) if word == "for" => {
                let error = Error::new(start, "`for` has no result");
                return Err(Box::new(error.help("a loop is a statement, or a stage after `->`")));
            }
            TokenKind::Ident(_) => {
                let Name { text, span } = self.name("an expression")?;
                return self.finish(ExprKind::Name(text), span, 0);
            }
            TokenKind::Open('{') => {
                let (body, depth) = self.nested(Self::body)?;
                let span = body.span;
                return self.finish(ExprKind::Body(body), span, depth);
            }
            TokenKind::Open(delimiter) => return self.list(*delimiter),
            _ => return Err(self.expected("an expression")),
        };
        self.advance();
        self.finish(kind, start, 0)
    }

    /// `[a, b]`, `(a, b)`, or an expression in parentheses.
    fn list(&mut self, delimiter: char) -> Parsed<Expr> {
        let start = self.span();
        let names = std::mem::replace(&mut self.names, true);
        let ((mut elements, end, single), depth) = self.nested(|parser| {
            let close = parser.open(delimiter, "an expression")?;
            let expected = if delimiter == '(' { "`,` or `)`" } else { "`,` or `]`" };
            let (elements, end) = parser.separated(close, expected, Self::expr)?;
            let comma = parser.kinds[close - 1] == TokenKind::Symbol(",");
            let single = delimiter == '(' && elements.len() == 1 && !comma;
            Ok((elements, end, single))
        })?;
        self.names = names;
        match elements.pop() {
            Some(mut only) if single => {
                only.span = start.to(end);
                only.depth += 1;
                self.deepest = self.deepest.max(only.depth);
                Ok(only)
            }
            last => {
                elements.extend(last);
                self.finish(ExprKind::List(elements), start.to(end), depth)
            }
        }
    }

    /// `if condition { … } else if condition { … } else { … }`
    fn if_expr(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let ((branches, otherwise), depth) = self.nested(|parser| parser.branches(Self::body))?;
        let span = start.to(self.previous());
        self.finish(ExprKind::If { branches, otherwise }, span, depth)
    }

    /// The branches of an `if`, each with a body that `parse` reads.
    pub(super) fn branches<T>(&mut self, parse: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Branches<T>> {
        let mut branches = Vec::new();
        loop {
            self.expect_word("if")?;
            let condition = self.condition()?;
            branches.push((condition, parse(self)?));
            if !self.take_word("else") {
                return Ok((branches, None));
            }
            if !self.at_word("if") {
                return Ok((branches, Some(parse(self)?)));
            }
        }
    }

    /// `name: call(…)` or `name: { … }`, where nothing flows in.
    fn scope(&mut self) -> Parsed<Expr> {
        let (path, inner) = self.nested(Self::path)?;
        let of = self.deeper(|parser| {
            let names = std::mem::replace(&mut parser.names, false);
            let of = parser.postfix();
            parser.names = names;
            of
        })?;
        if !matches!(of.kind, ExprKind::Call(_) | ExprKind::Body(_)) {
            let error = Error::new(of.span, "expected a call or a body in braces after the name");
            return Err(Box::new(error.help("such as `conv1: conv(x, 64, kernel: 3)`")));
        }
        let (span, depth) = (path.span.to(of.span), inner.max(of.depth));
        self.finish(ExprKind::Scope { path, of: Box::new(of) }, span, depth)
    }

    /// Arguments up to the closing token at `close`, which is left.
    pub(super) fn argument_list(&mut self, close: usize) -> Parsed<Vec<Argument>> {
        let names = std::mem::replace(&mut self.names, true);
        let mut arguments: Vec<Argument> = Vec::new();
        while self.position != close {
            let argument = self.argument()?;
            match &argument.name {
                None if arguments.iter().any(|earlier| earlier.name.is_some()) => {
                    let message = "arguments without a name stand before those with a name";
                    return Err(Box::new(Error::new(argument.value.span, message)));
                }
                Some(name) if arguments.iter().flat_map(|earlier| &earlier.name).any(|e| e.text == name.text) => {
                    return Err(Box::new(Error::new(name.span, format!("`{}` is given twice", name.text))));
                }
                _ => arguments.push(argument),
            }
            if !self.take(",") {
                break;
            }
        }
        self.names = names;
        if self.position == close { Ok(arguments) } else { Err(self.expected("`,` or `)`")) }
    }

    fn argument(&mut self) -> Parsed<Argument> {
        let name = match (self.peek(), self.peek_at(1)) {
            (TokenKind::Ident(_), TokenKind::Symbol(":")) => {
                let name = self.name("an argument's name")?;
                self.advance();
                Some(name)
            }
            (TokenKind::Ident(text), TokenKind::Symbol("=")) => {
                let error =
                    Error::new(self.span().to(self.span_at(self.position + 1)), "expected an argument, found `=`");
                return Err(Box::new(error.help(format!("named arguments are written `{text}: value`"))));
            }
            _ => None,
        };
        Ok(Argument { name, value: self.expr()? })
    }

    /// An expression over others of depth `depth`.
    pub(super) fn finish(&mut self, kind: ExprKind, span: Span, depth: u32) -> Parsed<Expr> {
        let depth = depth + 1;
        if depth > limits::EXPRESSION_DEPTH {
            return Err(Box::new(self.too_deep(span)));
        }
        self.deepest = self.deepest.max(depth);
        Ok(Expr { kind, span, depth })
    }
}

/// A number as the language has them: whole numbers of 64 bits and floats, both without suffix.
fn number(text: &str) -> Result<ExprKind, String> {
    match syn::parse_str::<syn::Lit>(text) {
        Ok(syn::Lit::Int(int)) if int.suffix().is_empty() => int
            .base10_parse()
            .map(ExprKind::Int)
            .map_err(|_| format!("`{text}` is larger than the largest whole number, {}", i64::MAX)),
        Ok(syn::Lit::Float(float)) if float.suffix().is_empty() => match float.base10_parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(ExprKind::Float(value)),
            _ => Err(format!("`{text}` is larger than the largest number")),
        },
        _ => Err(format!("`{text}` is no number of the language: numbers have no suffix")),
    }
}

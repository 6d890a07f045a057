//! Names of operators and scopes: `conv1`, `features.0.1`, `layer{i + 1}.{j}`.

use super::{Parsed, Parser};
use crate::lang::ast::{Path, PathPart};
use crate::lang::error::Error;
use crate::lang::token::TokenKind;

impl Parser<'_> {
    /// Whether a name and its colon come next: only words, numbers, dots and braces stand before the colon, and words
    /// and numbers do not follow each other.
    pub(super) fn at_path(&self) -> bool {
        let mut position = self.position;
        let mut joins = true;
        loop {
            match &self.kinds[position] {
                TokenKind::Ident(_) | TokenKind::Number(_) if joins => {
                    joins = matches!(&self.kinds[position], TokenKind::Number(text) if text.ends_with('.'));
                    position += 1;
                }
                TokenKind::Symbol(".") if position > self.position => {
                    joins = true;
                    position += 1;
                }
                TokenKind::Symbol("_") => position += 1,
                TokenKind::Open('{') => {
                    joins = true;
                    position = self.closing[position] + 1;
                }
                TokenKind::Symbol(":") => return position > self.position,
                _ => return false,
            }
        }
    }

    /// The name at which [`at_path`](Self::at_path) holds, and its colon.
    pub(super) fn path(&mut self) -> Parsed<Path> {
        let start = self.span();
        let mut parts = Vec::new();
        loop {
            let part = match self.peek() {
                TokenKind::Ident(text) => PathPart::Text(text.clone()),
                // `features.0.1` reads as a word, a dot and the number `0.1`; `0.{i}` begins with the number `0.`.
                TokenKind::Number(text) if text.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                    PathPart::Text(text.clone())
                }
                TokenKind::Number(text) => {
                    let message = format!("`{text}` cannot be part of a name: digits only");
                    return Err(Box::new(Error::new(self.span(), message)));
                }
                TokenKind::Symbol(symbol @ ("." | "_")) => PathPart::Text((*symbol).to_owned()),
                TokenKind::Open(_) => {
                    let close = self.open('{', "`{`")?;
                    let names = std::mem::replace(&mut self.names, true);
                    let value = self.expr();
                    self.names = names;
                    parts.push(PathPart::Expr(value?));
                    self.close(close, "`}`")?;
                    continue;
                }
                _ => break,
            };
            parts.push(part);
            self.advance();
        }
        let span = start.to(self.previous());
        self.expect(":")?;
        let text: String = parts
            .iter()
            .map(|part| match part {
                PathPart::Text(text) => text.as_str(),
                PathPart::Expr(_) => "x",
            })
            .collect();
        if text.split('.').any(str::is_empty) {
            return Err(Box::new(Error::new(span, "between the dots of a name, something is missing")));
        }
        Ok(Path { parts, span })
    }
}

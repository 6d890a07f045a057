//! Reads the text that [`print`](super::print) writes: `parse(p.to_string()) == p`.

mod function;
mod lex;
mod program;

use std::str::FromStr;

use super::Program;
use lex::{Spanned, Token, lex};

/// The deepest nest of loops that is read or verified.
pub(super) const MAX_DEPTH: usize = 64;

/// What stands where in a text, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("LIR text, line {line}, column {column}: expected {expected}, found {found}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What could have stood there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl FromStr for Program {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        program::program(&mut Parser { tokens: lex(text)?, at: 0 })
    }
}

/// A position in the tokens of a text.
struct Parser {
    tokens: Vec<Spanned>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].token
    }

    /// Takes a token; at the end, always [`Token::End`].
    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    /// An error at the next token.
    fn error(&self, expected: impl Into<String>) -> ParseError {
        self.error_at(self.at, expected, self.peek().to_string())
    }

    /// An error at token `at`.
    fn error_at(&self, at: usize, expected: impl Into<String>, found: impl Into<String>) -> ParseError {
        let Spanned { line, column, .. } = self.tokens[at];
        ParseError { line, column, expected: expected.into(), found: found.into() }
    }

    /// Takes `c` if it is next.
    fn accept(&mut self, c: char) -> bool {
        let found = *self.peek() == Token::Char(c);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, c: char) -> Result<(), ParseError> {
        if self.accept(c) { Ok(()) } else { Err(self.error(format!("`{c}`"))) }
    }

    /// Takes the word `word` if it is next.
    fn accept_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(text) if text == word);
        if found {
            self.next();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), ParseError> {
        if self.accept_word(word) { Ok(()) } else { Err(self.error(format!("`{word}`"))) }
    }

    /// Any word.
    fn word(&mut self, what: &str) -> Result<String, ParseError> {
        match self.peek().clone() {
            Token::Word(text) => {
                self.next();
                Ok(text)
            }
            _ => Err(self.error(what)),
        }
    }

    /// A word or a name in quotes.
    fn name(&mut self, what: &str) -> Result<String, ParseError> {
        match self.peek().clone() {
            Token::Word(text) | Token::Quoted(text) => {
                self.next();
                Ok(text)
            }
            _ => Err(self.error(what)),
        }
    }

    /// A whole number that fits `T`.
    fn int<T: FromStr>(&mut self) -> Result<T, ParseError> {
        let what = || format!("a whole number ({})", std::any::type_name::<T>());
        match self.peek() {
            Token::Int(digits) => {
                let value = digits.parse().map_err(|_| self.error(what()))?;
                self.next();
                Ok(value)
            }
            _ => Err(self.error(what())),
        }
    }

    /// A number with a decimal point or exponent, `inf` or `nan`, with or without a sign.
    fn float(&mut self) -> Result<f32, ParseError> {
        let at = self.at;
        let negative = self.accept('-');
        let magnitude = match self.next() {
            Token::Float(text) => text.parse().ok(),
            Token::Word(word) if word == "inf" => Some(f32::INFINITY),
            Token::Word(word) if word == "nan" => Some(f32::NAN),
            _ => None,
        };
        match magnitude {
            Some(value) => Ok(if negative { -value } else { value }),
            None => {
                self.at = at;
                Err(self.error("a number with a decimal point, `inf` or `nan`"))
            }
        }
    }

    /// `open item, item, … close`
    fn list<T>(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        self.expect(open)?;
        let mut items = Vec::new();
        if self.accept(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.accept(close) {
                return Ok(items);
            }
            if !self.accept(',') {
                return Err(self.error(format!("`,` or `{close}`")));
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Tokens to syntax tree: recursive descent, precedence climbing for operators.
//!
//! After an error the parser goes on at the next statement or item, so that independent errors come out together.

mod expr;
mod item;
mod path;
mod stage;
mod statement;

use super::ast::{Item, Name};
use super::error::Error;
use super::limits;
use super::token::{Span, TokenKind, Tokens};

/// A parsed piece, or the error that keeps it from being one.
type Parsed<T> = Result<T, Box<Error>>;

/// All items of a description that could be read, and every syntax error.
pub(crate) fn items(tokens: &Tokens) -> (Vec<Item>, Vec<Error>) {
    let mut parser = Parser::new(&tokens.kinds);
    let items = parser.items();
    (items, parser.errors)
}

struct Parser<'a> {
    kinds: &'a [TokenKind],
    position: usize,
    /// For each opening token the index of its closing one.
    closing: Vec<usize>,
    errors: Vec<Error>,
    /// Recursion of the parser.
    level: u32,
    /// The depth of the deepest expression since [`nested`](Self::nested) began.
    deepest: u32,
    /// Whether `name: …` may begin an expression: not in conditions, where a brace follows.
    names: bool,
}

impl<'a> Parser<'a> {
    fn new(kinds: &'a [TokenKind]) -> Self {
        let mut closing = vec![kinds.len() - 1; kinds.len()];
        let mut open = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            match kind {
                TokenKind::Open(_) => open.push(i),
                TokenKind::Close(_) => {
                    if let Some(start) = open.pop() {
                        closing[start] = i;
                    }
                }
                _ => {}
            }
        }
        Self { kinds, position: 0, closing, errors: Vec::new(), level: 0, deepest: 0, names: true }
    }

    fn peek(&self) -> &'a TokenKind {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &'a TokenKind {
        self.kinds.get(self.position + ahead).unwrap_or(&TokenKind::End)
    }

    /// The next token's span.
    fn span(&self) -> Span {
        self.span_at(self.position)
    }

    /// The span of the token before the next.
    fn previous(&self) -> Span {
        self.span_at(self.position.saturating_sub(1))
    }

    #[allow(clippy::cast_possible_truncation, reason = "there are at most limits::TOKENS tokens")]
    fn span_at(&self, position: usize) -> Span {
        let token = position as u32;
        Span { first: token, last: token }
    }

    fn at(&self, symbol: &str) -> bool {
        matches!(self.peek(), TokenKind::Symbol(found) if *found == symbol)
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(self.peek(), TokenKind::Ident(found) if found == word)
    }

    fn at_open(&self, delimiter: char) -> bool {
        *self.peek() == TokenKind::Open(delimiter)
    }

    fn advance(&mut self) -> Span {
        let span = self.span();
        if self.position + 1 < self.kinds.len() {
            self.position += 1;
        }
        span
    }

    /// Takes the symbol if it is next.
    fn take(&mut self, symbol: &str) -> bool {
        let found = self.at(symbol);
        if found {
            self.advance();
        }
        found
    }

    /// Takes the word if it is next.
    fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.advance();
        }
        found
    }

    /// `expected …, found …` at the next token.
    fn expected(&self, what: &str) -> Box<Error> {
        Box::new(Error::new(self.span(), format!("expected {what}, found {}", self.peek().describe())))
    }

    fn expect(&mut self, symbol: &str) -> Parsed<Span> {
        if self.at(symbol) { Ok(self.advance()) } else { Err(self.expected(&format!("`{symbol}`"))) }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<Span> {
        if self.at_word(word) { Ok(self.advance()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// Enters a group: the index of its closing token.
    fn open(&mut self, delimiter: char, what: &str) -> Parsed<usize> {
        if !self.at_open(delimiter) {
            return Err(self.expected(what));
        }
        let close = self.closing[self.position];
        self.advance();
        Ok(close)
    }

    /// Leaves a group that has been read to its end.
    fn close(&mut self, close: usize, expected: &str) -> Parsed<Span> {
        if self.position == close { Ok(self.advance()) } else { Err(self.expected(expected)) }
    }

    /// A name of the language: not one of its own words.
    fn name(&mut self, what: &str) -> Parsed<Name> {
        const RESERVED: [&str; 9] = ["let", "const", "for", "in", "if", "else", "true", "false", "self"];
        match self.peek() {
            TokenKind::Ident(text) if RESERVED.contains(&text.as_str()) => {
                let message = format!("expected {what}, found `{text}`, a word of the language");
                Err(Box::new(Error::new(self.span(), message)))
            }
            TokenKind::Ident(text) => Ok(Name { text: text.clone(), span: self.advance() }),
            _ => Err(self.expected(what)),
        }
    }

    /// Elements separated by commas up to the closing token at `close`, which is taken.
    fn separated<T>(
        &mut self,
        close: usize,
        expected: &str,
        mut element: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<(Vec<T>, Span)> {
        let mut elements = Vec::new();
        while self.position != close {
            elements.push(element(self)?);
            if !self.take(",") {
                break;
            }
        }
        Ok((elements, self.close(close, expected)?))
    }

    /// Runs `parse` one level deeper.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.level >= limits::EXPRESSION_DEPTH {
            return Err(Box::new(self.too_deep(self.span())));
        }
        self.level += 1;
        let result = parse(self);
        self.level -= 1;
        result
    }

    /// Runs `parse` and tells the depth of the deepest expression in it.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<(T, u32)> {
        let outer = std::mem::replace(&mut self.deepest, 0);
        let result = parse(self);
        let inner = std::mem::replace(&mut self.deepest, outer);
        result.map(|value| (value, inner))
    }

    fn too_deep(&self, span: Span) -> Error {
        Error::new(span, format!("this expression is nested deeper than {}", limits::EXPRESSION_DEPTH))
            .help("name parts of it with `let`")
    }

    /// Notes an error and goes on after the next `;` of the group that ends at `close`, or at its end.
    fn recover(&mut self, error: Error, start: usize, close: usize) {
        self.errors.push(error);
        self.position = start;
        while self.position < close {
            match self.peek() {
                TokenKind::Open(_) => self.position = self.closing[self.position] + 1,
                TokenKind::Symbol(";") => {
                    self.position += 1;
                    return;
                }
                _ => self.position += 1,
            }
        }
        self.position = close;
    }
}

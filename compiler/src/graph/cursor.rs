//! Reading one line of a graph's text.

use std::iter;

use super::{DType, ParseError, TensorType};
use crate::ops::Attribute;

/// How deep lists and expressions may nest: more than any pass makes, less than the stack holds.
pub(super) const MAX_DEPTH: usize = 64;

/// A place in a line. Spaces between tokens are skipped, a `;` begins a comment.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    position: usize,
    line: usize,
}

/// Whether a name can be written without quotes: letters, digits and `_ . / -`.
pub(super) fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_bare_char)
}

fn is_bare_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

impl<'t> Cursor<'t> {
    /// The begin of line number `line`.
    pub(super) fn new(text: &'t str, line: usize) -> Self {
        let mut cursor = Self { text, position: 0, line };
        cursor.skip_space();
        cursor
    }

    /// The line's number, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The column of the next token, in characters counted from 1.
    pub(super) fn column(&self) -> usize {
        self.text[..self.position].chars().count() + 1
    }

    /// Whether nothing but a comment is left.
    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether the next token begins with `c`.
    pub(super) fn next_is(&self, c: char) -> bool {
        self.rest().starts_with(c)
    }

    /// Takes `token` if it is next. A token of letters is not taken from the begin of a longer word.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest().strip_prefix(token) else { return false };
        if token.ends_with(is_bare_char) && rest.starts_with(is_bare_char) {
            return false;
        }
        self.advance(token.len());
        true
    }

    /// Takes `token`, which must be next.
    pub(super) fn expect(&mut self, token: &str) -> Result<(), ParseError> {
        if self.eat(token) { Ok(()) } else { Err(self.fail(&format!("`{token}`"))) }
    }

    /// Nothing may follow.
    pub(super) fn expect_end(&self) -> Result<(), ParseError> {
        if self.at_end() { Ok(()) } else { Err(self.fail("the end of the line")) }
    }

    /// An error at the next token.
    pub(super) fn fail(&self, expected: &str) -> ParseError {
        let found = match self.rest().chars().next() {
            None => "the end of the line".to_owned(),
            Some(c) if is_bare_char(c) => format!("`{}`", self.run()),
            Some(c) => format!("`{c}`"),
        };
        self.fail_with(expected, found)
    }

    /// An error at the next token, with words for what was found.
    pub(super) fn fail_with(&self, expected: &str, found: String) -> ParseError {
        ParseError::Syntax { line: self.line, column: self.column(), expected: expected.to_owned(), found }
    }

    /// A word of letters, digits and `_`.
    pub(super) fn word(&mut self, expected: &str) -> Result<&'t str, ParseError> {
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if len == 0 {
            return Err(self.fail(expected));
        }
        self.advance(len);
        Ok(&rest[..len])
    }

    /// A name: bare, or in quotes.
    pub(super) fn name(&mut self, expected: &str) -> Result<String, ParseError> {
        if self.rest().starts_with('"') {
            return self.string();
        }
        let run = self.run();
        if run.is_empty() {
            return Err(self.fail(expected));
        }
        self.advance(run.len());
        Ok(run.to_owned())
    }

    /// A string in quotes, with Rust's escapes.
    pub(super) fn string(&mut self) -> Result<String, ParseError> {
        let start = self.clone();
        self.expect("\"")?;
        // `expect` skips spaces, which count here.
        self.position = start.position + 1;
        let mut string = String::new();
        let mut chars = self.text[self.position..].char_indices();
        let unclosed = || start.fail_with("a closing quote", "the end of the line".to_owned());
        loop {
            let (at, c) = chars.next().ok_or_else(unclosed)?;
            match c {
                '"' => {
                    self.advance(at + 1);
                    return Ok(string);
                }
                '\\' => {
                    let (_, escape) = chars.next().ok_or_else(unclosed)?;
                    let decoded = match escape {
                        'n' => Some('\n'),
                        't' => Some('\t'),
                        'r' => Some('\r'),
                        '0' => Some('\0'),
                        '"' | '\'' | '\\' => Some(escape),
                        'u' => {
                            let code: String = chars
                                .by_ref()
                                .map(|(_, c)| c)
                                .skip_while(|&c| c == '{')
                                .take_while(|&c| c != '}')
                                .collect();
                            u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)
                        }
                        _ => None,
                    };
                    let bad = || start.fail_with("a string", format!("the escape `\\{escape}`"));
                    string.push(decoded.ok_or_else(bad)?);
                }
                c => string.push(c),
            }
        }
    }

    /// A whole number, not negative.
    pub(super) fn integer<T: std::str::FromStr>(&mut self) -> Result<T, ParseError> {
        let run = self.run();
        let value = run.parse().map_err(|_| self.fail("a whole number"))?;
        self.advance(run.len());
        Ok(value)
    }

    /// A number.
    pub(super) fn float(&mut self) -> Result<f32, ParseError> {
        let run = self.number_run();
        let value = run.parse().map_err(|_| self.fail("a number"))?;
        self.advance(run.len());
        Ok(value)
    }

    /// `[1, 2, 3]`, each item read by `item`.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        self.expect("[")?;
        self.items("]", &mut item)
    }

    /// Items divided by commas, up to `close`.
    pub(super) fn items<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        if self.eat(close) {
            return Ok(Vec::new());
        }
        let mut items = vec![item(self)?];
        while !self.eat(close) {
            if !self.eat(",") {
                return Err(self.fail(&format!("`,` or `{close}`")));
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A type: `f32[1, 3, 224, 224]`.
    pub(super) fn tensor_type(&mut self) -> Result<TensorType, ParseError> {
        let types = DType::ALL;
        let dtype = types.into_iter().find(|dtype| self.eat(dtype.name()));
        let dtype = dtype.ok_or_else(|| self.fail("a type such as `f32[1, 3, 224, 224]`"))?;
        let start = self.clone();
        let ty = TensorType { dtype, shape: self.list(Self::integer)? };
        match ty.bytes() {
            Some(_) => Ok(ty),
            None => Err(start.fail_with("a shape that memory can hold", ty.to_string())),
        }
    }

    /// The value of an attribute.
    pub(super) fn attribute(&mut self) -> Result<Attribute, ParseError> {
        self.attribute_at(0)
    }

    fn attribute_at(&mut self, depth: usize) -> Result<Attribute, ParseError> {
        if depth > MAX_DEPTH {
            return Err(self.fail("lists that nest less deeply"));
        }
        if self.next_is('[') {
            return self.list(|cursor| cursor.attribute_at(depth + 1)).map(Attribute::List);
        }
        if self.next_is('"') {
            return self.string().map(Attribute::Text);
        }
        let run = self.number_run();
        let value = match run {
            "true" => Attribute::Bool(true),
            "false" => Attribute::Bool(false),
            _ if run.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => Attribute::Text(run.to_owned()),
            _ => {
                let number = run.parse().map(Attribute::Int).or_else(|_| run.parse().map(Attribute::Float));
                number.map_err(|_| self.fail("a number, a word, a string or a list"))?
            }
        };
        self.advance(run.len());
        Ok(value)
    }

    /// The characters of the next bare name.
    fn run(&self) -> &'t str {
        let rest = self.rest();
        &rest[..rest.find(|c| !is_bare_char(c)).unwrap_or(rest.len())]
    }

    /// The characters of the next number, which may have a `+` in its exponent.
    fn number_run(&self) -> &'t str {
        let rest = self.rest();
        &rest[..rest.find(|c| !is_bare_char(c) && c != '+').unwrap_or(rest.len())]
    }

    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    /// Moves behind `len` bytes and the spaces, or the comment, that follow.
    fn advance(&mut self, len: usize) {
        self.position += len;
        self.skip_space();
    }

    fn skip_space(&mut self) {
        self.position += self.rest().len() - self.rest().trim_start().len();
        if self.rest().starts_with(';') {
            self.position = self.text.len();
        }
    }
}

/// The lines of `text` that hold more than a comment.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Cursor<'_>> {
    iter::zip(1.., text.lines()).map(|(line, text)| Cursor::new(text, line)).filter(|cursor| !cursor.at_end())
}

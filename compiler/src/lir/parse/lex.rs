//! Tokens of LIR text.

use std::fmt;

use super::ParseError;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A letter or `_`, then letters, digits, `_` and `.`.
    Word(String),
    /// A name in quotes, without them.
    Quoted(String),
    /// Digits.
    Int(String),
    /// Digits with a decimal point or an exponent.
    Float(String),
    /// A punctuation character.
    Char(char),
    /// `..`
    Range,
    /// The end of the text.
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Int(text) | Self::Float(text) => write!(f, "`{text}`"),
            Self::Quoted(text) => write!(f, "`\"{text}\"`"),
            Self::Char(c) => write!(f, "`{c}`"),
            Self::Range => f.write_str("`..`"),
            Self::End => f.write_str("the end of the text"),
        }
    }
}

/// A token and where it begins; both numbers count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The tokens of `text`, of which the last is [`Token::End`]. `//` begins a comment that ends with its line.
pub(super) fn lex(text: &str) -> Result<Vec<Spanned>, ParseError> {
    let mut lexer = Lexer { rest: text, line: 1, column: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let (line, column) = (lexer.line, lexer.column);
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push(Spanned { token, line, column });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, text: &mut String, accepts: impl Fn(char) -> bool) {
        while let Some(c) = self.peek().filter(|&c| accepts(c)) {
            text.push(c);
            self.next();
        }
    }

    fn skip_blank(&mut self) {
        while let Some(c) = self.peek() {
            if self.rest.starts_with("//") {
                self.take_while(&mut String::new(), |c| c != '\n');
            } else if c.is_whitespace() {
                self.next();
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let mut text = String::new();
        Ok(match self.peek() {
            None => Token::End,
            Some('"') => self.quoted()?,
            Some(c) if c.is_ascii_digit() => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                self.take_while(&mut text, |c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
                Token::Word(text)
            }
            Some(_) if self.rest.starts_with("..") => {
                self.next();
                self.next();
                Token::Range
            }
            Some(c) => {
                self.next();
                Token::Char(c)
            }
        })
    }

    fn number(&mut self) -> Token {
        let mut text = String::new();
        self.take_while(&mut text, |c| c.is_ascii_digit());
        let digit_at = |rest: &str, i: usize| rest.as_bytes().get(i).is_some_and(u8::is_ascii_digit);
        let mut float = false;
        if self.rest.starts_with('.') && digit_at(self.rest, 1) {
            float = true;
            text.extend(self.next());
            self.take_while(&mut text, |c| c.is_ascii_digit());
        }
        if self.rest.starts_with('e') {
            let signed = self.rest[1..].starts_with(['-', '+']);
            if digit_at(self.rest, 1 + usize::from(signed)) {
                float = true;
                text.extend(self.next());
                text.extend(self.next());
                self.take_while(&mut text, |c| c.is_ascii_digit());
            }
        }
        if float { Token::Float(text) } else { Token::Int(text) }
    }

    fn quoted(&mut self) -> Result<Token, ParseError> {
        let (line, column) = (self.line, self.column);
        self.next();
        let mut text = String::new();
        loop {
            let (escape_line, escape_column) = (self.line, self.column);
            match self.next() {
                Some('"') => return Ok(Token::Quoted(text)),
                Some('\\') => match self.escape() {
                    Some(c) => text.push(c),
                    None => {
                        let found = "another escape".to_owned();
                        let expected = "`\\\\`, `\\\"` or `\\u{HEX}`".to_owned();
                        return Err(ParseError { line: escape_line, column: escape_column, expected, found });
                    }
                },
                Some(c) if c != '\n' => text.push(c),
                Some(_) | None => {
                    let (expected, found) = ("a closing `\"`".to_owned(), "the end of the line".to_owned());
                    return Err(ParseError { line, column, expected, found });
                }
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        match self.next()? {
            c @ ('"' | '\\') => Some(c),
            'u' if self.next()? == '{' => {
                let mut digits = String::new();
                self.take_while(&mut digits, |c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(&digits, 16).ok()?;
                if self.next()? == '}' { char::from_u32(code) } else { None }
            }
            _ => None,
        }
    }
}

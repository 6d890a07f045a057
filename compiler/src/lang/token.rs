//! Tokens: the flat form in which the parser reads the tokens of a macro call and the text of a file alike.

use std::iter::Peekable;
use std::ops::Range;

use proc_macro2::{Delimiter, Group, Punct, Spacing, TokenStream, TokenTree, token_stream};

use super::error::{Error, Errors, Source};
use super::limits;

/// A stretch of tokens, both ends included. What the tokens stand for, places in a text or spans of a macro call, is
/// known to whoever made them; so a parsed description is plain data that may cross threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first token.
    pub first: u32,
    /// The last token.
    pub last: u32,
}

impl Span {
    /// From the start of this span to the end of `end`.
    #[must_use]
    pub const fn to(self, end: Self) -> Self {
        Self { first: self.first, last: end.last }
    }
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A word, keywords included.
    Ident(String),
    /// A number as it is written.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// A literal that the language has no use for, as it is written.
    Other(String),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
    /// The start of a group.
    Open(char),
    /// The end of a group.
    Close(char),
    /// After the last token.
    End,
}

/// The symbols. Each longer one is a shorter one and a character more, or two equal characters.
const SYMBOLS: [&str; 34] = [
    "+", "-", "*", "/", "%", "=", "<", ">", "!", ".", ",", ":", ";", "#", "|", "?", "_", "->", "=>", "==", "!=", "<=",
    ">=", "&&", "||", "..", "..=", "<<", ">>", "::", "+=", "-=", "*=", "/=",
];

impl TokenKind {
    /// How the token is named in messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Ident(text) | Self::Number(text) | Self::Other(text) => format!("`{text}`"),
            Self::Text(text) => format!("`{text:?}`"),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::Open(delimiter) | Self::Close(delimiter) => format!("`{delimiter}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// The tokens of a description, with an `End` after the last, and for each the spans that it begins and ends with.
pub(crate) struct Tokens {
    pub(crate) kinds: Vec<TokenKind>,
    pub(crate) spans: Vec<Ends>,
}

/// The spans of a stretch's first and last token; for most tokens the same.
pub(crate) type Ends = (proc_macro2::Span, proc_macro2::Span);

impl Tokens {
    /// Flattens a token stream.
    ///
    /// # Errors
    /// Where groups nest deeper than [`limits::NESTING`] or there are more than [`limits::TOKENS`] tokens.
    pub(crate) fn new(stream: TokenStream) -> Result<Self, (Ends, String)> {
        let mut tokens = Self { kinds: Vec::new(), spans: Vec::new() };
        // The groups around the present one: what is left of each, and the token that closes the inner one.
        let mut groups = Vec::new();
        let mut current = stream.into_iter().peekable();
        loop {
            if tokens.kinds.len() > limits::TOKENS {
                return Err((tokens.spans[0], format!("the description is longer than {} tokens", limits::TOKENS)));
            }
            match current.next() {
                Some(TokenTree::Group(group)) => {
                    let open = group.span_open();
                    if groups.len() >= limits::NESTING {
                        return Err(((open, open), format!("groups nest deeper than {}", limits::NESTING)));
                    }
                    let delimiters = delimiters(&group);
                    if let Some((kind, _)) = delimiters {
                        tokens.push(TokenKind::Open(kind), open);
                    }
                    let inner = group.stream().into_iter().peekable();
                    let close = delimiters.map(|(_, kind)| (kind, group.span_close()));
                    groups.push((std::mem::replace(&mut current, inner), close));
                }
                Some(TokenTree::Punct(punct)) => tokens.symbol(&punct, &mut current),
                Some(TokenTree::Ident(ident)) => {
                    let kind = match ident.to_string().as_str() {
                        "_" => TokenKind::Symbol("_"),
                        text => TokenKind::Ident(text.trim_start_matches("r#").to_owned()),
                    };
                    tokens.push(kind, ident.span());
                }
                Some(TokenTree::Literal(literal)) => {
                    let kind = match syn::Lit::new(literal.clone()) {
                        syn::Lit::Str(text) if text.suffix().is_empty() => TokenKind::Text(text.value()),
                        syn::Lit::Int(_) | syn::Lit::Float(_) => TokenKind::Number(literal.to_string()),
                        _ => TokenKind::Other(literal.to_string()),
                    };
                    tokens.push(kind, literal.span());
                }
                None => {
                    let Some((outer, close)) = groups.pop() else { break };
                    if let Some((kind, span)) = close {
                        tokens.push(TokenKind::Close(kind), span);
                    }
                    current = outer;
                }
            }
        }
        let call = proc_macro2::Span::call_site();
        let (_, end) = tokens.spans.last().copied().unwrap_or((call, call));
        tokens.push(TokenKind::End, end);
        Ok(tokens)
    }

    /// Adds the longest symbol that begins with `first`; takes the rest of it from `rest`.
    fn symbol(&mut self, first: &Punct, rest: &mut Peekable<token_stream::IntoIter>) {
        let mut text = first.as_char().to_string();
        let (mut end, mut spacing) = (first.span(), first.spacing());
        while spacing == Spacing::Joint {
            let Some(TokenTree::Punct(next)) = rest.peek() else { break };
            text.push(next.as_char());
            if !SYMBOLS.contains(&text.as_str()) {
                text.pop();
                break;
            }
            (end, spacing) = (next.span(), next.spacing());
            rest.next();
        }
        self.kinds.push(match SYMBOLS.iter().find(|symbol| **symbol == text) {
            Some(symbol) => TokenKind::Symbol(symbol),
            None => TokenKind::Other(text),
        });
        self.spans.push((first.span(), end));
    }

    fn push(&mut self, kind: TokenKind, span: proc_macro2::Span) {
        self.kinds.push(kind);
        self.spans.push((span, span));
    }

    /// Reads a text; the ranges are its tokens' places in bytes.
    ///
    /// # Errors
    /// Where the text cannot be divided into tokens (an unknown character, an open string or parenthesis), or is too
    /// long or nested too deeply.
    pub(crate) fn read(text: &str) -> Result<(Self, Vec<Range<usize>>), Errors> {
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let body = &text[start..];
        let fail = |range: Range<usize>, message: String| {
            let error = Error::new(Span { first: 0, last: 0 }, message);
            Errors::new(vec![error], Some(Source::new(text, vec![range])))
        };
        if body.len() > limits::TEXT {
            return Err(fail(0..0, format!("the description is longer than {} bytes", limits::TEXT)));
        }
        let place = |(first, last): Ends| start + first.byte_range().start..start + last.byte_range().end;
        let stream: TokenStream = body.parse().map_err(|error: proc_macro2::LexError| {
            let message = "this text cannot be divided into tokens: a string, comment or bracket is not closed, or a \
                           character is not known";
            fail(place((error.span(), error.span())), message.to_owned())
        })?;
        let mut tokens = Self::new(stream).map_err(|(span, message)| fail(place(span), message))?;
        let mut ranges: Vec<_> = tokens.spans.iter().map(|span| place(*span)).collect();
        if let Some(end) = ranges.last_mut() {
            *end = text.len()..text.len();
        }
        // Places are all that is kept: spans of a text mean nothing on another thread.
        tokens.spans = Vec::new();
        Ok((tokens, ranges))
    }
}

/// The tokens that open and close a group. A fragment that a `macro_rules` macro passed on comes in invisible
/// delimiters: parentheses keep its precedence, but one that is a single token (a literal, a name) is just that token.
fn delimiters(group: &Group) -> Option<(char, char)> {
    match group.delimiter() {
        Delimiter::Parenthesis => Some(('(', ')')),
        Delimiter::Brace => Some(('{', '}')),
        Delimiter::Bracket => Some(('[', ']')),
        Delimiter::None => group.stream().into_iter().nth(1).map(|_| ('(', ')')),
    }
}

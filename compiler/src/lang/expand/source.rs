//! The text of a macro call, so that the description can be read again at run time.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::lang::token::{TokenKind, Tokens};

/// The description as text: as it is written where the compiler tells, otherwise the tokens printed.
pub(super) fn text(stream: &TokenStream) -> String {
    let mut text = String::new();
    let mut tokens = stream.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => match tokens.peek() {
                Some(TokenTree::Group(group)) => match doc_comment(group) {
                    Some(comment) => {
                        text.push_str(&format!("///{comment}\n"));
                        tokens.next();
                    }
                    None => text.push('#'),
                },
                _ => text.push('#'),
            },
            TokenTree::Group(group) => {
                text.push_str(&written(&group));
                let ends = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ';');
                text.push_str(match group.delimiter() {
                    Delimiter::Brace => "\n\n",
                    _ if ends => "",
                    _ => " ",
                });
            }
            TokenTree::Punct(punct) => {
                text.push(punct.as_char());
                match (punct.as_char(), punct.spacing()) {
                    (';', _) => text.push('\n'),
                    (_, proc_macro2::Spacing::Alone) => text.push(' '),
                    (_, proc_macro2::Spacing::Joint) => {}
                }
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                text.push_str(&token.to_string());
                // A call's arguments follow its name directly.
                if !matches!(tokens.peek(), Some(TokenTree::Group(group)) if group.delimiter() != Delimiter::Brace) {
                    text.push(' ');
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// The text after `///`, where the group is that of a doc comment of one line.
fn doc_comment(group: &Group) -> Option<String> {
    let tokens = Tokens::new(group.stream()).ok()?;
    match tokens.kinds.as_slice() {
        [TokenKind::Ident(doc), TokenKind::Symbol("="), TokenKind::Text(text), TokenKind::End]
            if doc == "doc" && !text.contains(['\n', '\r']) && !text.starts_with('/') =>
        {
            Some(text.clone())
        }
        _ => None,
    }
}

/// A group as it is written, if that reads as the same tokens: inside other macros it does not.
fn written(group: &Group) -> String {
    let kinds = |stream: TokenStream| Tokens::new(stream).ok().map(|tokens| tokens.kinds);
    let same = |text: &String| {
        let found = text.parse().ok().and_then(kinds);
        found.is_some() && found == kinds(TokenTree::Group(group.clone()).into())
    };
    group.span().source_text().filter(same).unwrap_or_else(|| group.to_string())
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::lang::token::Tokens;

    #[test]
    fn reads_as_the_same_tokens() {
        let written = "/// Doubles.\npub network Double(x: f32[1, 2]) -> y {\n    // the sum\n    x + x -> out: relu\n}\n\
            const STAGES = [(1, 0.5), (2, 1e-3)]; fn f(a, b = 2..=3) { a << b }";
        let again = text(&written.parse().expect("it is text"));
        let kinds = |text: &str| Tokens::read(text).expect("text").0.kinds;
        assert_eq!(kinds(&again), kinds(written));
        assert!(again.contains("/// Doubles.\npub network Double"), "{again}");
        assert!(again.contains("    // the sum"), "comments inside bodies stay\n{again}");
    }
}

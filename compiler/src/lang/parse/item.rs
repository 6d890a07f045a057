//! Items: constants, functions, blocks and networks.

use super::{Parsed, Parser};
use crate::DType;
use crate::lang::ast::{Const, Definition, Item, Name, Network, Parameter, Routine, TypePattern};
use crate::lang::error::Error;
use crate::lang::token::{Span, TokenKind};
use crate::ops::hint::nearest;

/// The words that items begin with.
const ITEMS: [&str; 5] = ["pub", "network", "block", "fn", "const"];

/// What may stand before an item.
#[derive(Default)]
struct Attributes {
    /// The lines of its doc comment.
    docs: Vec<String>,
    /// The place of `#[exact]`.
    exact: Option<Span>,
}

impl Parser<'_> {
    pub(super) fn items(&mut self) -> Vec<Item> {
        let end = self.kinds.len() - 1;
        let mut items = Vec::new();
        while self.position < end {
            let start = self.position;
            match self.item() {
                Ok(item) => items.push(item),
                Err(error) => {
                    self.errors.push(*error);
                    self.next_item(start, end);
                }
            }
        }
        items
    }

    /// Goes to the word that begins the next item: behind the start of the one that failed, and not before the place
    /// where it failed.
    fn next_item(&mut self, start: usize, end: usize) {
        let failed = self.position.max(start + 1);
        self.position = start;
        while self.position < end {
            match self.peek() {
                TokenKind::Open(_) => self.position = self.closing[self.position] + 1,
                TokenKind::Ident(word) if self.position >= failed && ITEMS.contains(&word.as_str()) => return,
                TokenKind::Symbol("#") if self.position >= failed => return,
                _ => self.position += 1,
            }
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        let Attributes { docs, exact } = self.attributes()?;
        let visible = self.span();
        let visibility = self.visibility()?;
        let item = match self.peek() {
            TokenKind::Ident(word) if word == "network" => {
                let network = self.network(visibility)?;
                return Ok(Item::Network(Network { docs, exact: exact.is_some(), ..network }));
            }
            TokenKind::Ident(word) if word == "block" => self.routine("a block's name").map(Item::Block)?,
            TokenKind::Ident(word) if word == "fn" => self.routine("a function's name").map(Item::Function)?,
            TokenKind::Ident(word) if word == "const" => Item::Const(self.constant()?),
            TokenKind::Ident(word) => {
                let error = self.expected("`network`, `block`, `fn` or `const`");
                return Err(Box::new(error.suggest(nearest(word, ITEMS))));
            }
            _ => return Err(self.expected("`network`, `block`, `fn` or `const`")),
        };
        if let Some(span) = exact {
            let message = format!("a {} is not exact by itself: only a network is", item.kind());
            return Err(Box::new(Error::new(span, message)));
        }
        if !visibility.is_empty() {
            return Err(Box::new(Error::new(
                visible,
                format!("a {} is visible within its description only: leave out `{visibility}`", item.kind()),
            )));
        }
        Ok(item)
    }

    /// A doc comment and `#[exact]`.
    fn attributes(&mut self) -> Parsed<Attributes> {
        let mut attributes = Attributes::default();
        while self.at("#") {
            let start = self.advance();
            let close = self.open('[', "an attribute in brackets")?;
            let span = start.to(self.span_at(close));
            if self.take_word("exact") {
                attributes.exact = Some(span);
            } else {
                let is_doc = self.take_word("doc") && self.take("=");
                match self.peek() {
                    TokenKind::Text(text) if is_doc => attributes.docs.extend(text.lines().map(str::to_owned)),
                    _ => {
                        let message = "only doc comments and `#[exact]` are allowed here";
                        return Err(Box::new(Error::new(span, message)));
                    }
                }
                self.advance();
            }
            self.close(close, "`]`")?;
        }
        Ok(attributes)
    }

    /// `pub`, `pub(crate)`, `pub(in path)` or nothing.
    fn visibility(&mut self) -> Parsed<String> {
        let start = self.span();
        let mut text = String::new();
        if self.take_word("pub") {
            text.push_str("pub");
            if self.at_open('(') {
                let close = self.open('(', "`(`")?;
                text.push('(');
                while self.position < close {
                    match self.peek() {
                        TokenKind::Ident(word) => text.extend([word, " "]),
                        TokenKind::Symbol(symbol) => text.push_str(symbol),
                        _ => return Err(self.expected("`crate`, `super` or `in path`")),
                    }
                    self.advance();
                }
                self.advance();
                text = format!("{})", text.trim_end());
            }
        }
        if syn::parse_str::<syn::Visibility>(&text).is_err() {
            let message =
                format!("`{text}` is no visibility: write `pub`, `pub(crate)`, `pub(super)` or `pub(in path)`");
            return Err(Box::new(Error::new(start.to(self.previous()), message)));
        }
        Ok(text)
    }

    pub(super) fn constant(&mut self) -> Parsed<Const> {
        self.expect_word("const")?;
        let name = self.name("a constant's name")?;
        self.expect("=")?;
        let value = self.expr()?;
        self.expect(";")?;
        Ok(Const { name, value })
    }

    fn routine(&mut self, what: &str) -> Parsed<Routine> {
        self.advance();
        let name = self.name(what)?;
        let close = self.open('(', "parameters in parentheses")?;
        let (parameters, _) = self.separated(close, "`,` or `)`", Self::parameter)?;
        let body = self.body()?;
        Ok(Routine { name, parameters, body })
    }

    /// `width`, `width = 64` or `x: f32[1, 64, _, _]`.
    fn parameter(&mut self) -> Parsed<Parameter> {
        let name = self.name("a parameter's name")?;
        let ty = if self.take(":") { Some(self.type_pattern()?) } else { None };
        let default = if self.take("=") { Some(self.expr()?) } else { None };
        Ok(Parameter { name, ty, default })
    }

    /// `f32[1, 64, _, _]`
    pub(super) fn type_pattern(&mut self) -> Parsed<TypePattern> {
        const TYPES: [DType; 3] = DType::ALL;
        let start = self.span();
        let dtype = match self.peek() {
            TokenKind::Ident(word) => TYPES.into_iter().find(|dtype| dtype.name() == word),
            _ => None,
        };
        let Some(dtype) = dtype else { return Err(self.expected("a type such as `f32[1, 3, 224, 224]`")) };
        self.advance();
        let close = self.open('[', "the shape in brackets, such as `[1, 3, 224, 224]`")?;
        let (dimensions, end) =
            self.separated(
                close,
                "`,` or `]`",
                |parser| {
                    if parser.take("_") { Ok(None) } else { parser.expr().map(Some) }
                },
            )?;
        Ok(TypePattern { dtype, dimensions, span: start.to(end) })
    }

    fn network(&mut self, visibility: String) -> Parsed<Network> {
        let (docs, exact) = (Vec::new(), false);
        self.advance();
        let name = self.name("a network's name")?;
        if self.take("=") {
            let base = self.name("the network that this one is an instance of")?;
            let close = self.open('(', "constants in parentheses")?;
            let arguments = self.argument_list(close)?;
            self.close(close, "`,` or `)`")?;
            self.expect(";")?;
            return Ok(Network { docs, exact, visibility, name, definition: Definition::Instance { base, arguments } });
        }
        let close = self.open('(', "the inputs in parentheses, such as `(image: f32[1, 3, 224, 224])`")?;
        let mut inputs = Vec::new();
        while self.position != close && !self.at(";") {
            inputs.push(self.input()?);
            if !self.take(",") {
                break;
            }
        }
        let constants = if self.take(";") {
            self.separated(close, "`,` or `)`", Self::network_constant)?.0
        } else {
            self.close(close, "`,`, `;` or `)`")?;
            Vec::new()
        };
        if inputs.is_empty() {
            let message = format!("network `{}` has no input: write it as `(image: f32[1, 3, 224, 224])`", name.text);
            return Err(Box::new(Error::new(name.span, message)));
        }
        let outputs = self.outputs()?;
        let body = self.body()?;
        let definition = Definition::Body { inputs, constants, outputs, body };
        Ok(Network { docs, exact, visibility, name, definition })
    }

    fn input(&mut self) -> Parsed<Parameter> {
        let name = self.name("an input's name")?;
        if !self.at(":") {
            let error = self.expected(&format!("`:` and the type of `{}`", name.text));
            return Err(Box::new(error.help("constants follow the inputs after a `;`")));
        }
        self.advance();
        let ty = self.type_pattern()?;
        Ok(Parameter { name, ty: Some(ty), default: None })
    }

    fn network_constant(&mut self) -> Parsed<Parameter> {
        let parameter = self.parameter()?;
        match parameter.ty {
            Some(ty) => Err(Box::new(Error::new(ty.span, "constants have no types; inputs stand before the `;`"))),
            None => Ok(parameter),
        }
    }

    /// `-> logits` or `-> (boxes, scores)`
    fn outputs(&mut self) -> Parsed<Vec<Name>> {
        if !self.at("->") {
            return Err(self.expected("`->` and the name of the output"));
        }
        self.advance();
        if !self.at_open('(') {
            return Ok(vec![self.name("the name of the output")?]);
        }
        let close = self.open('(', "`(`")?;
        let start = self.previous();
        let (names, end) = self.separated(close, "`,` or `)`", |parser| parser.name("the name of an output"))?;
        if names.is_empty() {
            return Err(Box::new(Error::new(start.to(end), "a network has at least one output")));
        }
        Ok(names)
    }
}

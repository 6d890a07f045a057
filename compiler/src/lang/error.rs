//! Errors of descriptions: what is wrong, at which token, and what helps.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::render;
use super::token::Span;

/// Something wrong with a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The tokens to blame.
    pub span: Span,
    /// What is wrong: what was expected and what was found.
    pub message: String,
    /// Where it happened and what else matters, a line each.
    pub notes: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Error {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), notes: Vec::new(), help: None }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `did you mean …?`, where there is a near name.
    pub(crate) fn suggest(mut self, near: Option<&str>) -> Self {
        if let Some(near) = near {
            self.help = Some(format!("did you mean `{near}`?"));
        }
        self
    }
}

/// Message, notes and help, without the place.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for note in &self.notes {
            write!(f, "\n  = note: {note}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

/// The text of a description and the places of its tokens.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    text: String,
    places: Vec<Range<usize>>,
}

impl Source {
    pub(crate) fn new(text: &str, places: Vec<Range<usize>>) -> Arc<Self> {
        Arc::new(Self { text: text.to_owned(), places })
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where these tokens lie, in bytes.
    #[must_use]
    pub fn place(&self, span: Span) -> Range<usize> {
        let get = |token: u32| self.places.get(token as usize).cloned().unwrap_or(self.text.len()..self.text.len());
        get(span.first).start..get(span.last).end
    }
}

/// Everything wrong with a description, in the order of the text. It prints each error with its line, as rustc does,
/// where the description came from a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    list: Vec<Error>,
    source: Option<Arc<Source>>,
}

impl Errors {
    /// Sorts the errors by place; of several at the same tokens only the first is kept, the others follow from it or
    /// repeat it.
    pub(crate) fn new(mut list: Vec<Error>, source: Option<Arc<Source>>) -> Self {
        list.sort_by_key(|error| error.span);
        list.dedup_by_key(|error| error.span);
        Self { list, source }
    }

    /// The errors; at least one.
    #[must_use]
    pub fn list(&self) -> &[Error] {
        &self.list
    }

    /// The text that they are about; `None` for tokens of a macro call.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.source.as_deref()
    }

    /// The errors as text, each with its lines of the description under the name `file`.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        match &self.source {
            Some(source) => render::errors(&self.list, source, file),
            None => self.list.iter().map(|error| format!("error: {error}\n")).collect(),
        }
    }

    /// The errors of all; `None` where there are none.
    pub(crate) fn join(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut source = None;
        let mut list = Vec::new();
        for errors in all {
            source = source.or(errors.source);
            list.extend(errors.list);
        }
        (!list.is_empty()).then(|| Self::new(list, source))
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render("network").trim_end())
    }
}

impl std::error::Error for Errors {}

//! Errors as text with the lines that they are about.

use std::fmt::Write;

use super::error::{Error, Source};

/// Each error with its place and its lines, in rustc's manner.
pub(super) fn errors(list: &[Error], source: &Source, file: &str) -> String {
    let mut out = String::new();
    for (i, error) in list.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        one(&mut out, error, source, file);
    }
    out
}

fn one(out: &mut String, error: &Error, source: &Source, file: &str) {
    let text = source.text();
    let place = source.place(error.span);
    let (line, column) = line_column(text, place.start);
    let (end_line, end_column) = line_column(text, place.end.max(place.start));
    let content = text.lines().nth(line).unwrap_or_default();
    let gutter = (line + 1).to_string().len();
    // What spans several lines is marked on its first.
    let end_column = if end_line == line { end_column } else { content.chars().count() };
    let marks = "^".repeat(end_column.saturating_sub(column).max(1));
    // Tabs keep the marks under their tokens.
    let indent: String = content.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let empty = " ".repeat(gutter);
    // Writing to a String does not fail.
    let _ = writeln!(out, "error: {}", error.message);
    let _ = writeln!(out, "{empty}--> {file}:{}:{}", line + 1, column + 1);
    let _ = writeln!(out, "{empty} |");
    let _ = writeln!(out, "{} | {content}", line + 1);
    let _ = writeln!(out, "{empty} | {indent}{marks}");
    for note in &error.notes {
        let _ = writeln!(out, "{empty} = note: {note}");
    }
    if let Some(help) = &error.help {
        let _ = writeln!(out, "{empty} = help: {help}");
    }
}

/// Line and column of a byte, from 0, columns in characters.
fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte.min(text.len())];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count(), before[start..].chars().count())
}

//! Texts of graphs with random damage: whatever parses is valid, prints what parses to the same, and goes through all
//! passes without another result; the rest is refused with a message. Nothing panics.

mod support;

use std::fs;
use std::path::Path;

use convoke_compiler::Graph;
use convoke_compiler::passes::run_pipeline;
use proptest::prelude::*;
use proptest::sample::Index;
use support::compare;

/// What damage inserts: numbers at the edges, and pieces of the grammar.
const PIECES: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "9223372036854775807",
    "18446744073709551615",
    "1e39",
    "nan",
    "true",
    "relu",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "%",
    "#1",
    "\"",
    "\\",
    ":",
    ";",
    ",",
    "=",
    "é",
    "\n",
    " ",
    "%x",
    "input",
    "weight literal([], 0.0)",
    "f32[0]",
    "f32[]",
    "bias = false",
    "residual = true",
    "from a",
    "output x = %x",
];

#[derive(Clone, Debug)]
enum Damage {
    Insert(Index, &'static str),
    Delete(Index, usize),
    Replace(Index, &'static str),
    Copy(Index, Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let piece = || prop::sample::select(PIECES);
    prop_oneof![
        (any::<Index>(), piece()).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        (any::<Index>(), 1..12_usize).prop_map(|(at, count)| Damage::Delete(at, count)),
        (any::<Index>(), piece()).prop_map(|(at, piece)| Damage::Replace(at, piece)),
        (any::<Index>(), any::<Index>(), 1..40_usize).prop_map(|(from, to, count)| Damage::Copy(from, to, count)),
    ]
}

impl Damage {
    fn apply(&self, text: &mut Vec<char>) {
        let end = |from: usize, count: usize, text: &[char]| text.len().min(from + count);
        match *self {
            Self::Insert(at, piece) => {
                let at = at.index(text.len() + 1);
                text.splice(at..at, piece.chars());
            }
            Self::Delete(at, count) => {
                let at = at.index(text.len() + 1);
                text.drain(at..end(at, count, text));
            }
            // A number or a word gives way to the piece.
            Self::Replace(at, piece) => {
                let at = at.index(text.len() + 1);
                let word = text[at..].iter().take_while(|c| c.is_alphanumeric()).count();
                text.splice(at..at + word, piece.chars());
            }
            Self::Copy(from, to, count) => {
                let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
                let copied = text[from..end(from, count, text)].to_vec();
                text.splice(to..to, copied);
            }
        }
    }
}

/// The elements of all tensors in a graph.
fn elements(graph: &Graph) -> usize {
    let nodes = graph.order().into_iter();
    nodes.flat_map(|id| &graph.node(id).types).fold(0, |sum, ty| sum.saturating_add(ty.elements()))
}

/// The graphs of all filetests of passes.
fn texts() -> Vec<Vec<char>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests/passes");
    let folders = fs::read_dir(root).expect("the folder of filetests").flatten();
    let mut files: Vec<_> =
        folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten()).collect();
    files.sort_by_key(fs::DirEntry::path);
    let texts = files.iter().map(|file| fs::read_to_string(file.path()).expect("a filetest"));
    texts.flat_map(|text| text.split("; after").map(|text| text.chars().collect()).collect::<Vec<_>>()).collect()
}

#[test]
fn damaged_texts_are_refused_or_valid() {
    let texts = texts();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = (any::<Index>(), prop::collection::vec(damage(), 1..4));
    let outcome = runner.run(&strategy, |(which, damages)| {
        let mut text = which.get(&texts).clone();
        damages.iter().for_each(|damage| damage.apply(&mut text));
        let text: String = text.into_iter().collect();
        let Ok(mut graph) = text.parse::<Graph>() else { return Ok(()) };
        let printed = graph.to_string();
        let reparsed: Graph = printed.parse().map_err(|error| TestCaseError::fail(format!("{printed}\n{error}")))?;
        prop_assert_eq!(reparsed.to_string(), printed);
        let before = graph.clone();
        run_pipeline(&mut graph, true).map_err(|error| TestCaseError::fail(error.to_string()))?;
        if elements(&before) < 10_000 {
            compare(&before, &graph).map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

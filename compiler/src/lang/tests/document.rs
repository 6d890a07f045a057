//! The examples of `docs/language.md`.

use std::path::Path;

use crate::lang::Module;
use crate::lang::eval::builtin;
use crate::ops::Op;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The examples that are whole descriptions.
pub(super) fn descriptions() -> Vec<String> {
    code_blocks(&document()).into_iter().filter(|(kind, _)| kind == "cnn").map(|(_, text)| text).collect()
}

/// The description that has this network.
pub(super) fn description(network: &str) -> String {
    let has_it = |text: &String| text.contains(&format!("network {network}("));
    descriptions().into_iter().find(has_it).unwrap_or_else(|| panic!("no example has `{network}`"))
}

/// The code blocks: what stands behind the backticks, and the text.
fn code_blocks(document: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            blocks.push((kind.to_owned(), text.join("\n")));
        }
    }
    blocks
}

#[test]
fn examples_are_what_they_say() {
    let document = document();
    let blocks = code_blocks(&document);
    let mut examples = 0;
    for (i, (kind, text)) in blocks.iter().enumerate() {
        let text = match kind.as_str() {
            "cnn" => text.clone(),
            "cnn body" => format!("network Example(image: f32[1, 3, 32, 32]) -> out {{\n{text}\n}}"),
            "cnn error" => {
                let errors = Module::parse(text).and_then(|module| module.graphs()).expect_err(text);
                assert_eq!(errors.to_string().trim(), blocks[i + 1].1.trim());
                continue;
            }
            _ => continue,
        };
        examples += 1;
        let graphs =
            Module::parse(&text).and_then(|module| module.graphs()).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!graphs.is_empty(), "an example without a network\n{text}");
    }
    assert!(examples > 10, "the page has examples");
}

#[test]
fn every_operator_and_function_is_listed() {
    let document = document();
    for name in Op::call_names().chain(builtin::names()) {
        let listed = [format!("`{name}("), format!("`{name}`")].iter().any(|form| document.contains(form));
        assert!(listed, "docs/language.md does not tell of `{name}`");
    }
}

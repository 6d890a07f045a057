//! Hostile text ends with an error: it neither hangs, overflows the stack nor panics.

use proptest::prelude::*;

use super::document::descriptions;
use super::errors;
use crate::lang::Module;

fn network(body: &str) -> String {
    format!("network Net(image: f32[1, 3, 8, 8]) -> out {{ {body} }}")
}

#[test]
fn limits() {
    let n = 100_000;
    let table: Vec<(&str, String, &str)> = vec![
        ("parentheses", network(&format!("{}image{}", "(".repeat(n), ")".repeat(n))), "groups nest deeper than"),
        ("braces", network(&format!("{}image{}", "{".repeat(n), "}".repeat(n))), "groups nest deeper than"),
        ("prefixes", network(&format!("{}image", "!".repeat(n))), "nested deeper than"),
        ("sum", network(&format!("image{}", " + image".repeat(20_000))), "nested deeper than"),
        ("ifs", network(&format!("{}image", "if ".repeat(n))), "nested deeper than"),
        ("indices", network(&format!("image{}", "[0]".repeat(20_000))), "nested deeper than"),
        ("ranges", network("let x = 0..9223372036854775807; image -> relu"), "more than 100000 numbers"),
        ("negative range", network("let x = (0 - 9223372036854775807)..9223372036854775807; image -> relu"), "numbers"),
        ("loop", network("for i in 0..100000 { for j in 0..100000 {} } image -> relu"), "2000000 steps"),
        ("operators", network("for i in 0..100000 { image = image -> relu; } image"), "at most 20000 operators"),
        ("doubling", network("let l = [1]; for i in 0..100 { l = l + l; } image -> relu"), "at most 100000 elements"),
        ("nesting", network("let l = [1]; for i in 0..100000 { l = [l]; } image -> relu"), "16 lists deep"),
        (
            "sharing",
            network("let l = [1]; for i in 0..100 { l = [l, l, l, l, l, l]; } image -> relu"),
            "at most 100000",
        ),
        ("factorial", network("let x = 1; for i in 1..100 { x = x * i; } image -> relu"), "64 bits"),
        ("recursive block", format!("block b(x) {{ x -> b }} {}", network("image -> b")), "calls nest deeper than"),
        ("recursive scopes", format!("block b(x) {{ x -> a: {{ a: {{ a: b }} }} }} {}", network("image -> b")), "deep"),
        (
            "exponential calls",
            format!(
                "fn f(n) {{ if n == 0 {{ 1 }} else {{ f(n - 1) + f(n - 1) }} }} {}",
                network("image -> c: conv(f(40), kernel: 1)")
            ),
            "steps",
        ),
        (
            "large image",
            "network Net(image: f32[2147483648, 2147483648]) -> out { image -> relu }".to_owned(),
            "elements",
        ),
        ("padding", network("image -> max_pool(1, padding: 2147483648)"), ""),
        ("upsampled", network("image -> c: conv(3, kernel: 1, padding: 2147483648)"), "conv `c`"),
        (
            "many multiplications",
            {
                let layer = "image -> conv{i}: conv(2000, kernel: 1, padding: 500)";
                network(&format!("for i in 0..19999 {{ image = {layer}; }} image"))
            },
            "elements",
        ),
        ("long text", " ".repeat(2_000_000), "longer than"),
        ("long name", network(&format!("image -> {}", "x".repeat(500_000))), "unknown operator"),
        ("errors", network(&"let a = image -> relu(1);".repeat(1000)), "no constant"),
        ("rank", network("image -> reshape([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 192])"), "8 dimensions"),
    ];
    for (name, text, expected) in table {
        let found = errors(&text);
        assert!(found.contains(expected), "{name}: {}", &found[..found.len().min(500)]);
    }
}

/// Whatever stands between tokens of the language, reading and building it ends.
#[test]
fn random_tokens() {
    let tokens = [
        "network", "block", "fn", "const", "pub", "let", "for", "in", "if", "else", "x", "y", "image", "conv", "relu",
        "linear", "concat", "self", "0", "1", "2.5", "0.", "\"t\"", "->", ":", ";", ",", "+", "-", "*", "/", "%", "=",
        "==", "<<", "..", "..=", "|", "||", "!", ".", "_", "(", ")", "[", "]", "{", "}", "channels", "kernel", "max",
    ];
    let piece = prop::sample::select(tokens.to_vec());
    proptest!(ProptestConfig::with_cases(2000), |(pieces in prop::collection::vec(piece, 0..30))| {
        let body = pieces.join(" ");
        for text in [body.clone(), network(&body), network(&format!("image -> {body}"))] {
            if let Ok(module) = Module::parse(&text) {
                let _ = module.graphs();
            }
        }
    });
}

/// Single changes of real descriptions: tokens left out, doubled or swapped.
#[test]
fn mutations() {
    let texts = descriptions();
    let place = any::<prop::sample::Index>;
    proptest!(ProptestConfig::with_cases(600), |(text in place(), first in place(), second in place(), kind in 0..3)| {
        let text = text.get(&texts);
        let mut words: Vec<&str> = text.split_inclusive([' ', '(', ')', '{', '}', ',', ':', ';']).collect();
        let (first, second) = (first.index(words.len()), second.index(words.len()));
        match kind {
            0 => { words.remove(first); }
            1 => words.insert(first, words[second]),
            _ => words.swap(first, second),
        }
        if let Ok(module) = Module::parse(&words.concat()) {
            let _ = module.graphs();
        }
    });
}

//! The name that somebody may have meant.

/// Of `candidates`, the one that `name` may be a misspelling of: a name that differs by a prefix (`module.`, as
/// PyTorch's parallel wrappers add), or else the one of the least edit distance, up to a third of its length.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = name.len() / 3;
    let mut best = None;
    for candidate in candidates {
        let distance = if extends(name, candidate) || extends(candidate, name) { 0 } else { distance(name, candidate) };
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Whether `long` is `short` after a path of modules.
fn extends(long: &str, short: &str) -> bool {
    long.strip_suffix(short).is_some_and(|prefix| prefix.ends_with('.'))
}

/// The edit distance of Levenshtein, in bytes; `usize::MAX` for names whose table is not worth computing.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 256;
    if a.len().max(b.len()) > LONGEST || a.len().abs_diff(b.len()) > a.len() / 3 {
        return usize::MAX;
    }
    // Row `i` of the table: distances of the first `i` bytes of `a` to every prefix of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (a, b, expected) in
            [("kitten", "sitting", 3), ("conv1.weight", "conv1.weight", 0), ("abcdef", "abdef", 1), ("abc", "acb", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
        assert_eq!(distance(&"a".repeat(300), &"a".repeat(300)), usize::MAX);
    }

    #[test]
    fn finds_what_was_meant() {
        let names = ["layer1.0.conv1.weight", "layer1.0.conv2.weight", "module.fc.bias", "x"];
        assert_eq!(nearest("layer1.0.conv2.wieght", names), Some("layer1.0.conv2.weight"));
        assert_eq!(nearest("fc.bias", names), Some("module.fc.bias"));
        assert_eq!(nearest("model.x", names), Some("x"));
        assert_eq!(nearest("stem.norm", names), None);
        assert_eq!(nearest("y", names), None);
    }
}

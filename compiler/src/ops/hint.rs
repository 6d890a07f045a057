//! The name that was probably meant.

/// The candidate closest to `name` in edit distance, if a third of its letters or fewer (at least one, at most three)
/// differ. The first of equals.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let mut best = None;
    for candidate in candidates {
        let distance = distance(name, candidate);
        if distance <= limit && best.is_none_or(|(_, least)| distance < least) {
            best = Some((candidate, distance));
        }
    }
    best.map(|(candidate, _)| candidate)
}

/// Letters to insert, delete or replace to make `b` of `a` (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
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
    fn finds_what_was_meant() {
        let names = ["stride", "padding", "dilation", "groups"];
        let table = [
            ("strid", Some("stride")),
            ("paddings", Some("padding")),
            ("group", Some("groups")),
            ("dillation", Some("dilation")),
            ("size", None),
            ("", None),
        ];
        for (name, meant) in table {
            assert_eq!(nearest(name, names), meant, "{name}");
        }
    }
}

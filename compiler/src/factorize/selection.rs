//! Which layers are factorised.

use super::FactorizeError;
use crate::ops::hint;

/// A choice of layers by patterns of their names, in which `*` stands for any characters: `features.*`, `*.conv2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `None`: all.
    only: Option<Vec<String>>,
    except: Vec<String>,
}

impl Selection {
    /// All layers.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The layers whose names match any of these patterns.
    #[must_use]
    pub fn only(patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { only: Some(patterns.into_iter().map(Into::into).collect()), except: Vec::new() }
    }

    /// Without the layers whose names match any of these patterns.
    #[must_use]
    pub fn except(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.except.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Whether it holds the layer of this name.
    #[must_use]
    pub fn contains(&self, layer: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, layer));
        self.only.as_deref().is_none_or(any) && !any(&self.except)
    }

    /// That each pattern matches one of these names.
    pub(super) fn check(&self, layers: &[String]) -> Result<(), FactorizeError> {
        let unknown = self.only.iter().flatten().chain(&self.except);
        let unknown = unknown.filter(|pattern| !layers.iter().any(|layer| matches(pattern, layer)));
        let unknown: Vec<_> = unknown
            .map(|pattern| {
                let meant = hint::nearest(pattern, layers.iter().map(String::as_str));
                (pattern.clone(), meant.map(str::to_owned))
            })
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(FactorizeError::NoSuchLayer { patterns: unknown }) }
    }
}

/// Whether `name` matches `pattern`: its pieces between stars stand in the name in this order, the first at the
/// beginning and the last at the end.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let table = [
            ("conv1", "conv1", true),
            ("conv1", "conv10", false),
            ("conv*", "conv10", true),
            ("*.conv2", "layer1.0.conv2", true),
            ("*.conv2", "layer1.0.conv2.x", false),
            ("layer*.conv*", "layer1.0.conv2", true),
            ("layer*.0.*2", "layer1.0.conv2", true),
            ("layer*.1.*2", "layer1.0.conv2", false),
            ("a*a", "a", false),
            ("a**a", "aa", true),
            ("*", "", true),
            ("", "", true),
            ("é*", "éa", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn selections() {
        let layers = ["stem", "layer1.conv1", "layer1.conv2"].map(str::to_owned);
        let chosen = |selection: &Selection| -> Vec<bool> { layers.iter().map(|l| selection.contains(l)).collect() };
        assert_eq!(chosen(&Selection::all()), [true, true, true]);
        assert_eq!(chosen(&Selection::only(["layer1.*"])), [false, true, true]);
        assert_eq!(chosen(&Selection::only(["*"]).except(["*1"])), [true, false, true]);
        assert_eq!(chosen(&Selection::all().except(["stem"])), [false, true, true]);
        assert_eq!(Selection::only(["stem", "layer*"]).except(["*2"]).check(&layers), Ok(()));
        let error = Selection::only(["stm", "layer1.*"]).except(["fc*"]).check(&layers).expect_err("matches nothing");
        assert_eq!(error.to_string(), "no layer has a name that matches `stm` (did you mean `stem`?), `fc*`");
    }
}

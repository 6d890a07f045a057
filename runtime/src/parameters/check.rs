//! Whether parameters are those that a network expects.

use std::fmt;

use super::Parameters;
use super::nearest::nearest;
use crate::network::ValueInfo;

/// Missing parameters for which the nearest name is sought, in a search of all superfluous ones.
const HINTS: usize = 20;

/// All parameters that are missing, superfluous or of another shape than expected, each kind sorted by name.
///
/// As text, one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterErrors {
    /// Expected, but not there.
    pub missing: Vec<Missing>,
    /// There, but not expected: name and shape.
    pub superfluous: Vec<(String, Vec<usize>)>,
    /// There, but in another shape.
    pub misshapen: Vec<Misshapen>,
}

/// A parameter that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// A superfluous parameter that may be it under another name.
    pub nearest: Option<String>,
}

/// A parameter of another shape than expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Its name.
    pub name: String,
    /// The shape that the network expects.
    pub expected: Vec<usize>,
    /// The shape that it has.
    pub found: Vec<usize>,
}

pub(super) fn check(parameters: &Parameters, expected: &[ValueInfo]) -> Result<(), ParameterErrors> {
    let mut expected: Vec<&ValueInfo> = expected.iter().collect();
    expected.sort_unstable_by_key(|info| &info.name);
    let is_expected = |name: &str| expected.binary_search_by_key(&name, |info| &info.name).is_ok();
    let superfluous: Vec<(String, Vec<usize>)> = parameters
        .shapes()
        .filter(|(name, _)| !is_expected(name))
        .map(|(name, shape)| (name.to_owned(), shape.to_vec()))
        .collect();
    let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
    for info in expected {
        let (name, shape) = (info.name.clone().into_owned(), info.shape.to_vec());
        match parameters.entries.get(&name).map(|entry| &entry.shape) {
            Some(found) if *found == shape => {}
            Some(found) => misshapen.push(Misshapen { name, expected: shape, found: found.clone() }),
            None => {
                // Looking further than the message shows would only cost time.
                let candidates = superfluous.iter().map(|(name, _)| name.as_str()).filter(|_| missing.len() < HINTS);
                let nearest = nearest(&name, candidates).map(str::to_owned);
                missing.push(Missing { name, shape, nearest });
            }
        }
    }
    if missing.is_empty() && superfluous.is_empty() && misshapen.is_empty() {
        Ok(())
    } else {
        Err(ParameterErrors { missing, superfluous, misshapen })
    }
}

impl std::error::Error for ParameterErrors {}

impl fmt::Display for ParameterErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parameters are not those of this network")?;
        list(f, "missing", &self.missing, |f, Missing { name, shape, nearest }| {
            write!(f, "`{name}` {shape:?}")?;
            nearest.as_ref().map_or(Ok(()), |nearest| write!(f, " (is it `{nearest}`?)"))
        })?;
        list(f, "superfluous", &self.superfluous, |f, (name, shape)| write!(f, "`{name}` {shape:?}"))?;
        list(f, "of another shape", &self.misshapen, |f, Misshapen { name, expected, found }| {
            write!(f, "`{name}` expected {expected:?}, found {found:?}")
        })
    }
}

/// A line for the kind, and one for each of its parameters.
fn list<T>(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    items: &[T],
    item: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "\n  {} {kind}:", items.len())?;
    for one in items {
        f.write_str("\n    ")?;
        item(f, one)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    fn parameters(shapes: &[(&str, &[usize])]) -> Parameters {
        Parameters::from_tensors(shapes.iter().map(|(name, shape)| ((*name).to_owned(), Tensor::zeros(shape))))
    }

    fn expected(shapes: &[(&str, &[usize])]) -> Vec<ValueInfo> {
        let info = |(name, shape): &(&str, &[usize])| ValueInfo::f32((*name).to_owned(), shape.to_vec());
        shapes.iter().map(info).collect()
    }

    #[test]
    fn accepts_what_is_expected() {
        let shapes = [("b", &[2, 3][..]), ("a", &[])];
        assert_eq!(parameters(&shapes).check(&expected(&shapes)), Ok(()));
    }

    #[test]
    fn lists_everything_at_once() {
        let found =
            parameters(&[("conv1.weight", &[8, 1, 3, 3]), ("conv1.bais", &[8]), ("fc.weight", &[10, 8]), ("ema", &[])]);
        let expected = expected(&[
            ("conv1.weight", &[8, 3, 3, 3]),
            ("conv1.bias", &[8]),
            ("fc.weight", &[10, 8]),
            ("bn.running_mean", &[8]),
        ]);
        assert_eq!(
            found.check(&expected).unwrap_err().to_string(),
            "the parameters are not those of this network
  2 missing:
    `bn.running_mean` [8]
    `conv1.bias` [8] (is it `conv1.bais`?)
  2 superfluous:
    `conv1.bais` [8]
    `ema` []
  1 of another shape:
    `conv1.weight` expected [8, 3, 3, 3], found [8, 1, 3, 3]"
        );
    }

    #[test]
    fn long_lists_are_whole() {
        let names: Vec<String> = (0..50).map(|index| format!("layer{index:02}.weight")).collect();
        let expected = expected(&names.iter().map(|name| (name.as_str(), &[1][..])).collect::<Vec<_>>());
        let error = Parameters::default().check(&expected).unwrap_err();
        assert_eq!(error.missing.len(), 50);
        let text = error.to_string();
        assert!(names.iter().all(|name| text.contains(&format!("`{name}` [1]"))), "{text}");
    }
}

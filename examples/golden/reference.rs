//! The files of reference outputs: what PyTorch computes with parameters and an image made by the formula.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;

/// More elements than any tensor of these files has: a file that says more is not trusted with memory.
const ELEMENTS: usize = 1 << 30;

/// One file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Reference {
    /// The network's name.
    pub(crate) model: String,
    /// The image's shape, N C H W.
    pub(crate) input: [usize; 4],
    pub(crate) gain: f64,
    pub(crate) gamma: f64,
    /// Multiply-accumulates of convolutions and linear layers.
    pub(crate) macs: u64,
    /// Trainable parameters, in elements.
    pub(crate) parameters: u64,
    pub(crate) output_shape: Vec<usize>,
    pub(crate) output: Vec<f32>,
    /// Outputs of modules, in order of execution.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// Path and shape of all parameters.
    pub(crate) tensors: BTreeMap<String, Vec<usize>>,
}

/// The output of a module.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Checkpoint {
    /// The module's path; modules that run several times come several times.
    pub(crate) module: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) mean: f64,
    pub(crate) std: f64,
    /// The first elements, at most eight.
    pub(crate) first: Vec<f32>,
}

/// A file that is no reference.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReferenceError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no reference output: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{what}` of shape {shape:?} has more than {ELEMENTS} elements")]
    TooLarge { what: String, shape: Vec<usize> },
    #[error("`output` of shape {shape:?} expects {expected} values, has {found}")]
    Output { shape: Vec<usize>, expected: usize, found: usize },
    #[error("`input` has the shape {shape:?}; expected one image, [1, C, H, W] without zeros")]
    Input { shape: [usize; 4] },
    #[error("`gain` and `gamma` are {gain} and {gamma}; expected positive numbers")]
    Constants { gain: f64, gamma: f64 },
}

impl Reference {
    /// Reads a file's bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ReferenceError> {
        let reference: Self = serde_json::from_slice(bytes)?;
        for (what, shape) in [("input", &reference.input[..]), ("output", &reference.output_shape)]
            .into_iter()
            .chain(reference.tensors.iter().map(|(name, shape)| (name.as_str(), &shape[..])))
        {
            if elements(shape).is_none() {
                return Err(ReferenceError::TooLarge { what: what.to_owned(), shape: shape.to_vec() });
            }
        }
        let shape = reference.input;
        if shape[0] != 1 || shape.contains(&0) {
            return Err(ReferenceError::Input { shape });
        }
        let (shape, found) = (&reference.output_shape, reference.output.len());
        match elements(shape) {
            Some(expected) if expected != found => {
                return Err(ReferenceError::Output { shape: shape.clone(), expected, found });
            }
            _ => {}
        }
        let (gain, gamma) = (reference.gain, reference.gamma);
        if gain > 0.0 && gamma > 0.0 { Ok(reference) } else { Err(ReferenceError::Constants { gain, gamma }) }
    }
}

/// The elements of a shape; `None` if they are too many.
fn elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, dimension| product.checked_mul(*dimension))
        .filter(|product| *product <= ELEMENTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = r#"{"model": "m", "source": "s", "input": [1, 1, 2, 2], "gain": 1.0, "gamma": 0.5, "macs": 4,
        "parameters": 4, "output_shape": [1, 2], "output_std": 1.0, "output": [0.5, -2.0],
        "checkpoints": [{"module": "fc", "shape": [1, 2], "mean": 0.0, "std": 1.0, "first": [0.5, -2.0]}],
        "tensors": {"fc.weight": [2, 2]}}"#;

    #[test]
    fn reads_a_reference() {
        let reference = Reference::parse(VALID.as_bytes()).unwrap();
        assert_eq!((reference.model.as_str(), reference.input), ("m", [1, 1, 2, 2]));
        assert_eq!(reference.tensors["fc.weight"], [2, 2]);
        assert_eq!(reference.checkpoints[0].first, [0.5, -2.0]);
    }

    #[test]
    fn refuses_what_is_none() {
        let table = [
            (r#""macs": 4"#, r#""macs": -4"#, "no reference output: invalid value"),
            (r#""model": "m","#, "", "missing field `model`"),
            ("[0.5, -2.0],\n", "[0.5],\n", "`output` of shape [1, 2] expects 2 values, has 1"),
            ("[1, 1, 2, 2]", "[1, 1, 2]", "no reference output: invalid length"),
            ("[1, 1, 2, 2]", "[0, 1, 2, 2]", "expected one image"),
            (
                "[1, 1, 2, 2]",
                "[1, 1, 4294967296, 4294967296]",
                "`input` of shape [1, 1, 4294967296, 4294967296] has more",
            ),
            (
                r#"{"fc.weight": [2, 2]}"#,
                r#"{"fc.weight": [9999999999]}"#,
                "`fc.weight` of shape [9999999999] has more",
            ),
            (r#""gain": 1.0"#, r#""gain": -1.0"#, "expected positive numbers"),
        ];
        for (from, to, expected) in table {
            assert!(VALID.contains(from), "{from}");
            let message = Reference::parse(VALID.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
        for end in 0..VALID.len() {
            assert!(Reference::parse(&VALID.as_bytes()[..end]).is_err());
        }
        let nested = "[".repeat(100_000);
        assert!(Reference::parse(nested.as_bytes()).is_err());
    }
}

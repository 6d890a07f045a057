//! What rides at the end of an operator, while its result is in registers: `act(result + residual)`.

use convoke_runtime::Activation;

use super::activations::define;
use super::arguments::{FLAG, float};
use super::{Arguments, Attribute, Attributes, CallError, Reader};

/// The end of an operator; by default nothing.
///
/// As attributes: `residual = true, activation = relu`, where an activation with constants is a list,
/// `activation = [clip, 0.0, 6.0]`. Both are left out where they do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Epilogue {
    /// Whether the operator's last operand, of the type of its result, is added to the result.
    pub residual: bool,
    /// What applies last.
    pub activation: Activation,
}

impl Epilogue {
    /// An activation without a residual.
    #[must_use]
    pub fn activation(activation: Activation) -> Self {
        Self { residual: false, activation }
    }

    /// Whether it does nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// `attributes` and those of the epilogue.
    pub(super) fn attributes(&self, attributes: Attributes) -> Attributes {
        let attributes = attributes.with_unless("residual", self.residual, false);
        attributes.with_unless("activation", attribute(self.activation), attribute(Activation::Identity))
    }

    /// The inverse of [`attributes`](Self::attributes).
    pub(super) fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let residual = arguments.read("residual", &FLAG)?.unwrap_or_default();
        Ok(Self { residual, ..Self::read_activation(arguments)? })
    }

    /// As [`read`](Self::read), for operators that carry no residual.
    pub(super) fn read_activation(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self::activation(arguments.read("activation", &ACTIVATION)?.unwrap_or_default()))
    }

    /// `act(result)`, rounded to float32: the last step of a naive definition, with the residual already added.
    pub(super) fn finish(&self, result: f64) -> f32 {
        define(self.activation, result) as f32
    }
}

/// An activation: a word, or a list of the word and its constants.
pub const ACTIVATION: Reader<Activation> = Reader {
    expects: "an activation, such as relu, [leaky_relu, alpha], [clip, low, high] or [hard_sigmoid, alpha, beta]",
    read: activation,
};

/// The text form of an activation: a word, or a list of the word and its constants.
#[must_use]
pub fn attribute(activation: Activation) -> Attribute {
    let list = |name: &str, constants: &[f32]| {
        let constants = constants.iter().map(|&constant| constant.into());
        Attribute::List(std::iter::once(name.into()).chain(constants).collect())
    };
    match activation {
        Activation::Identity => "identity".into(),
        Activation::Relu => "relu".into(),
        Activation::LeakyRelu { alpha } => list("leaky_relu", &[alpha]),
        Activation::Clip { low, high } => list("clip", &[low, high]),
        Activation::Sigmoid => "sigmoid".into(),
        Activation::Tanh => "tanh".into(),
        Activation::Silu => "silu".into(),
        Activation::HardSigmoid { alpha, beta } => list("hard_sigmoid", &[alpha, beta]),
        Activation::HardSwish => "hard_swish".into(),
        Activation::Gelu => "gelu".into(),
        Activation::GeluTanh => "gelu_tanh".into(),
    }
}

/// The inverse of [`attribute`].
fn activation(value: &Attribute) -> Option<Activation> {
    let (name, constants) = match value {
        Attribute::Text(name) => (name.as_str(), Vec::new()),
        Attribute::List(items) => {
            let [Attribute::Text(name), constants @ ..] = items.as_slice() else { return None };
            (name.as_str(), constants.iter().map(float).collect::<Option<Vec<f32>>>()?)
        }
        _ => return None,
    };
    Some(match (name, constants.as_slice()) {
        ("identity", []) => Activation::Identity,
        ("relu", []) => Activation::Relu,
        ("leaky_relu", &[alpha]) => Activation::LeakyRelu { alpha },
        ("clip", &[low, high]) => Activation::Clip { low, high },
        ("sigmoid", []) => Activation::Sigmoid,
        ("tanh", []) => Activation::Tanh,
        ("silu", []) => Activation::Silu,
        ("hard_sigmoid", &[alpha, beta]) => Activation::HardSigmoid { alpha, beta },
        ("hard_swish", []) => Activation::HardSwish,
        ("gelu", []) => Activation::Gelu,
        ("gelu_tanh", []) => Activation::GeluTanh,
        _ => return None,
    })
}

/// One of each activation, for conformance cases; those with bounds have them within a case's usual values.
pub(super) fn each_activation() -> [(&'static str, Activation); 12] {
    [
        ("identity", Activation::Identity),
        ("relu", Activation::Relu),
        ("leaky_relu", Activation::LeakyRelu { alpha: 0.01 }),
        ("clip", Activation::Clip { low: -0.5, high: 1.5 }),
        ("relu6", Activation::Clip { low: 0.0, high: 6.0 }),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("silu", Activation::Silu),
        ("hard_sigmoid", Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }),
        ("hard_swish", Activation::HardSwish),
        ("gelu", Activation::Gelu),
        ("gelu_tanh", Activation::GeluTanh),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_survive_as_attributes() {
        for (name, each) in each_activation() {
            assert_eq!(activation(&attribute(each)), Some(each), "{name}");
        }
        let clip = attribute(Activation::Clip { low: 0.0, high: 6.0 });
        assert_eq!(clip.to_string(), "[clip, 0.0, 6.0]");
        let list = |items: &[Attribute]| Attribute::List(items.to_vec());
        let refused = [
            "rellu".into(),
            "clip".into(),
            list(&[]),
            list(&["clip".into(), 1_i64.into()]),
            list(&["relu".into(), 1_i64.into()]),
            list(&["clip".into(), "a".into(), "b".into()]),
            3_i64.into(),
        ];
        for value in refused {
            assert_eq!(activation(&value), None, "{value}");
        }
    }

    #[test]
    fn an_empty_epilogue_has_no_attributes() {
        assert!(Epilogue::default().is_none());
        assert!(Epilogue::default().attributes(Attributes::default()).is_empty());
    }
}

//! The parameters that training begins with.

use convoke_compiler::Graph;

use crate::random::Random;
use crate::{Parameters, Tensor};

/// How weights are drawn: so that the variance of activations, and of gradients on the way back, stays as it is from layer
/// to layer.
///
/// fan_in is I·Kh·Kw and fan_out O·Kh·Kw of a weight O I Kh Kw, as PyTorch counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with variance `2 / fan_in`, for ReLU: He, Zhang, Ren and Sun, "Delving Deep into Rectifiers",
    /// arXiv:1502.01852, section 2.2.
    HeNormal,
    /// Uniform in `±√(6 / fan_in)`, of the same variance.
    HeUniform,
    /// Normal with variance `2 / (fan_in + fan_out)`, for tanh: Glorot and Bengio, "Understanding the Difficulty of
    /// Training Deep Feedforward Neural Networks", AISTATS 2010, section 4.2.
    GlorotNormal,
    /// Uniform in `±√(6 / (fan_in + fan_out))`, of the same variance (their equation 16).
    GlorotUniform,
    /// Normal with this standard deviation, whatever the layer: as it was done before.
    Normal {
        /// The standard deviation.
        deviation: f32,
    },
}

impl Init {
    /// Parameters for `graph`: weights of two dimensions and more are drawn from `seed`, each by its own name; biases and
    /// running means are 0, the weights of normalisations and running variances 1.
    #[must_use]
    pub fn parameters(self, graph: &Graph, seed: u64) -> Parameters {
        let draw = |(name, ty): (String, convoke_compiler::TensorType)| {
            let mut tensor = Tensor::zeros(&ty.shape);
            match ty.shape[..] {
                [outputs, inputs, ref taps @ ..] => {
                    let taps = taps.iter().product::<usize>();
                    self.fill(tensor.data_mut(), inputs * taps, outputs * taps, &mut Random::of(seed, &name, 0));
                }
                _ if name.ends_with(".weight") || name.ends_with(".running_var") => tensor.data_mut().fill(1.0),
                _ => {}
            }
            (name, tensor)
        };
        Parameters::from_tensors(graph.parameters().into_iter().map(draw))
    }

    fn fill(self, values: &mut [f32], fan_in: usize, fan_out: usize, random: &mut Random) {
        let deviation = match self {
            Self::HeNormal | Self::HeUniform => (2.0 / fan_in as f64).sqrt(),
            Self::GlorotNormal | Self::GlorotUniform => (2.0 / (fan_in + fan_out) as f64).sqrt(),
            Self::Normal { deviation } => f64::from(deviation),
        };
        let (deviation, bound) = (deviation as f32, (deviation * 3.0_f64.sqrt()) as f32);
        match self {
            Self::HeNormal | Self::GlorotNormal | Self::Normal { .. } => {
                values.fill_with(|| deviation * random.normal());
            }
            Self::HeUniform | Self::GlorotUniform => values.fill_with(|| bound * (2.0 * random.uniform() - 1.0)),
        }
    }
}

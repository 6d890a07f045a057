//! Batch normalisation with the statistics of training, `y = (x − mean) / √(var + eps) · weight + bias`, channel by
//! channel.
//!
//! Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167, algorithm 2.
//!
//! Operands: X of shape N C or N C …, and weight, bias, running mean and running variance of shape C.

use convoke_runtime::{Activation, Tensor};
use convoke_runtime::kernels::{Affine, Params};
use convoke_runtime::weights::WeightOp;

use super::arguments::FLOAT;
use super::epilogue::each_activation;
use super::conv_weight_gradient::ConvWeightGradient;
use super::export::{Exported, Exporter};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Epilogue, Op, Operator, ParameterSpec,
    TypeError, check,
};
use crate::TensorType;
use crate::lower::elementwise::by_elements;
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Site, View};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `y = (x − mean) / √(var + eps) · weight + bias`, then an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance, so that none is 0; 1e-5 unless given.
    pub eps: f32,
    /// An activation; never a residual.
    pub epilogue: Epilogue,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { eps: 1e-5, epilogue: Epilogue::default() }
    }
}

/// The parameters, in order: PyTorch's names.
const PARAMETERS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

impl Operator for BatchNorm {
    const NAME: &'static str = "batch_norm";

    fn attributes(&self) -> Attributes {
        self.epilogue.attributes(Attributes::default().with("eps", self.eps))
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let eps = arguments.read("eps", &FLOAT)?.unwrap_or(Self::default().eps);
        Ok(Self { eps, epilogue: Epilogue::read_activation(arguments)? })
    }

    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(&[])?;
        let default = Self::default();
        let eps = arguments.read("eps", &FLOAT)?.unwrap_or(default.eps);
        arguments.finish()?;
        check::operands(&call.types(), &["x"])?;
        let channels = channels(&call.operands[0])?;
        let parameters = PARAMETERS.iter().map(|suffix| ParameterSpec::new(suffix, [channels])).collect();
        Ok(Construction { op: Self { eps, ..default }.into(), parameters })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x", "weight", "bias", "running mean", "running variance"])?;
        if self.epilogue.residual {
            return Err(TypeError::whole("an epilogue without residual", "one"));
        }
        let channels = channels(operands[0])?;
        for (i, name) in PARAMETERS.iter().enumerate() {
            check::shape(operands, i + 1, name, &[channels])?;
        }
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let x = operands[0];
        let [weight, bias, mean, var] = [1, 2, 3, 4].map(|i| operands[i].data());
        let channels = x.shape()[1];
        let pixels: usize = x.shape()[2..].iter().product();
        let mut result = Tensor::zeros(x.shape());
        for (i, (y, &x)) in result.data_mut().iter_mut().zip(x.data()).enumerate() {
            let c = i / pixels % channels;
            let [x, weight, bias, mean, var] = [x, weight[c], bias[c], mean[c], var[c]].map(f64::from);
            *y = self.epilogue.finish((x - mean) / (var + f64::from(self.eps)).sqrt() * weight + bias);
        }
        vec![result]
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(self.epilogue)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Op> {
        (!epilogue.residual).then_some(Self { epilogue, ..*self }.into())
    }

    /// With `x̂ = (x − mean) / √(var + eps)`: `x̄ = ȳ · weight / √(var + eps)`, `w̄eight = Σ ȳ · x̂`, `b̄ias = Σ ȳ`,
    /// `m̄ean = −Σ x̄`, `v̄ar = −½ · w̄eight · weight / (var + eps)`, sums over all but channels. Of images
    /// `Σ ȳ · x̂ = (Σ ȳ · x − mean · Σ ȳ) / √(var + eps)`, for which nothing but x has to be kept.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        a.without(self.epilogue)?;
        let (y, [x, weight, _, mean, var]) = (a.cotangent()?, [0, 1, 2, 3, 4].map(|index| a.operand(index)));
        let channels = a.shape(weight);
        let [zeros, ones] = [0.0, 1.0].map(|value| a.constant(&channels, &[value]));
        // The same operator without its shift.
        let by_x = |a: &mut Adjoint<'_, '_>| a.op(*self, &[y, weight, zeros, zeros, var]);
        let images = a.shape(x).len() == 4;
        let by_weight = |a: &mut Adjoint<'_, '_>| {
            if images {
                let groups = channels[0];
                let one = ConvWeightGradient { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], groups, padding: [0; 4] };
                let products = a.op(one, &[x, y])?;
                let products = a.reshape(products, &channels)?;
                let sum = a.sum_to_channels(y)?;
                let shift = a.mul(mean, sum)?;
                let centred = a.sub(products, shift)?;
                let row = a.reshape(centred, &[1, groups])?;
                let scaled = a.op(*self, &[row, ones, zeros, zeros, var])?;
                return a.reshape(scaled, &channels);
            }
            let normal = a.op(*self, &[x, ones, zeros, mean, var])?;
            let product = a.mul(y, normal)?;
            a.sum_to_channels(product)
        };
        a.give(0, by_x)?;
        a.give(1, by_weight)?;
        a.give(2, |a| a.sum_to_channels(y))?;
        a.give(3, |a| {
            let shift = by_x(a)?;
            let shift = a.sum_to_channels(shift)?;
            a.scaled(shift, -1.0)
        })?;
        a.give(4, |a| {
            let product = by_weight(a)?;
            let product = a.mul(product, weight)?;
            let eps = a.constant(&[], &[self.eps]);
            let shifted = a.add(var, eps)?;
            let quotient = a.div(product, shifted)?;
            a.scaled(quotient, -0.5)
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "BatchNormalization", import }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("BatchNormalization", &[("epsilon", self.eps.into())])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[BLOCKED, PLAIN];

    fn cases() -> Vec<Case> {
        let case = |name: String, op: Self, shape: &[usize]| {
            let channels = [shape[1]];
            let case = Case::new(name, op).input(shape).within(-2.0, 2.0).weight(channels).within(0.5, 1.5);
            case.weight(channels).weight(channels).weight(channels).within(0.25, 2.0).tolerance(2e-6)
        };
        let mut cases = Vec::new();
        const SHAPES: [&[usize]; 8] = [
            &[1, 3, 5, 5],
            &[2, 16, 4, 7],
            &[1, 17, 3, 3],
            &[1, 8, 1, 1],
            &[2, 31, 2, 2],
            &[3, 12],
            &[2, 16],
            &[2, 5, 7],
        ];
        for shape in SHAPES {
            cases.push(case(format!("{shape:?}"), Self::default(), shape));
        }
        cases.push(case("eps 0.1".to_owned(), Self { eps: 0.1, ..Self::default() }, &[1, 20, 3, 3]));
        for (name, activation) in each_activation() {
            if activation != Activation::Identity {
                let op = Self { epilogue: Epilogue::activation(activation), ..Self::default() };
                cases.push(case(format!("then {name}"), op, &[1, 18, 3, 5]));
            }
        }
        cases
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    // The mean and variance of a training batch; `momentum` is for training, too.
    node.only("training_mode", 0)?;
    node.only("spatial", 1)?;
    node.ignore("momentum");
    let eps = node.float("epsilon")?.unwrap_or(1e-5);
    let operands = node.operands()?;
    Ok(vec![node.apply(BatchNorm { eps, ..BatchNorm::default() }, &operands)?])
}

fn channels(x: &TensorType) -> Result<usize, TypeError> {
    match x.shape[..] {
        [_, channels, ..] => Ok(channels),
        _ => Err(TypeError::operand(0, "at least 2 dimensions (N C …)", x.rank())),
    }
}

/// Both algorithms compute `y = fma(x, scale, shift)` with `scale = γ / √(σ² + ε)` and `shift = β − μ · scale`, which
/// are prepared once.
const BLOCKED: Algorithm<BatchNorm> = Algorithm {
    name: "blocked",
    choose: |_, site| {
        if site.layouts[0] != Some(Layout::Blocked) {
            return Err("the source is not blocked".to_owned());
        }
        choice(site, Layout::Blocked)
    },
    schedule: by_elements,
    emit: |op, _, _, e| {
        let (source, result) = (e.operand(0), e.result(0));
        let storage = result.storage;
        let (scale, shift) = prepare(op, e, storage.block, storage.blocks() * storage.block);
        let dense = storage.dense() && source.storage.dense();
        let (rows, width) = if dense { (1, storage.h * storage.w) } else { (storage.h, storage.w) };
        let params = Affine {
            block: storage.block as u32,
            rows: rows as u32,
            len: (width * storage.block) as u32,
            dst_pitch: storage.pitch() as u32,
            src_pitch: source.storage.pitch() as u32,
            activation: op.epilogue.activation.into(),
        };
        e.serial(storage.n, |e, n| {
            e.parallel(storage.blocks(), |e, c| {
                let vectors = [scale, shift].map(|vector| vector.element(c * storage.block));
                e.call(Params::Affine(params), [vec![result.at(n, c, 0, 0), source.at(n, c, 0, 0)], vectors.into()].concat());
            });
        });
    },
};

/// N C …, row-major: a channel is one run of elements with one scale and one shift.
const PLAIN: Algorithm<BatchNorm> = Algorithm {
    name: "plain",
    choose: |_, site| choice(site, Layout::Plain),
    schedule: by_elements,
    emit: |op, work, _, e| {
        let (source, result) = (e.operand(0), e.result(0));
        let [n, c, ref rest @ ..] = work.results[0].shape[..] else { unreachable!("X is N C …") };
        let (scale, shift) = prepare(op, e, 1, c);
        let len = rest.iter().product::<usize>();
        let (pitch, activation) = (len as u32, op.epilogue.activation.into());
        let params = Affine { block: 1, rows: 1, len: len as u32, dst_pitch: pitch, src_pitch: pitch, activation };
        e.serial(n, |e, n| {
            e.parallel(c, |e, channel| {
                let at = n * (c * len) + channel * len;
                let args = [result.element(&at), source.element(at), scale.element(channel), shift.element(channel)];
                e.call(Params::Affine(params), args.into());
            });
        });
    },
};

fn choice(site: &Site<'_>, layout: Layout) -> Result<Choice, String> {
    if (1..5).any(|index| !site.is_weight(index)) {
        return Err("its statistics are computed during the run".to_owned());
    }
    let source = if layout == Layout::Plain { Need::dense(layout) } else { Need::tensor(layout) };
    let operands = std::iter::once(source).chain([Need::Weight; 4]).collect();
    Ok(Choice { operands, results: vec![layout], alias: false })
}

/// Scale and shift, `channels` elements each.
fn prepare(op: &BatchNorm, e: &mut Emitter<'_>, block: usize, channels: usize) -> (View, View) {
    let pack = WeightOp::PackVector { block: block as u32 };
    let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|index| e.postfix(index));
    let scale = [gamma, variance, vec![WeightOp::Rsqrt { epsilon: op.eps }, WeightOp::Mul]].concat();
    let shift = [beta, mean, scale.clone(), vec![WeightOp::Mul, WeightOp::Sub, pack.clone()]].concat();
    let scale = [scale, vec![pack]].concat();
    (e.prepared("scale", scale, channels), e.prepared("shift", shift, channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let table: [(&[usize], usize, &str); 5] = [
            (&[1, 8, 4, 4], 8, "f32[1, 8, 4, 4]"),
            (&[2, 8], 8, "f32[2, 8]"),
            (&[2, 8, 3], 8, "f32[2, 8, 3]"),
            (&[2, 8, 3], 7, "operand 1 expects weight of shape [8], gets [7]"),
            (&[8], 8, "operand 0 expects at least 2 dimensions (N C …), gets 1"),
        ];
        for (x, channels, expected) in table {
            let vector: &[usize] = &[channels];
            assert_eq!(inferred(BatchNorm::default(), &[x, vector, vector, vector, vector]), expected);
        }
        let found = inferred(BatchNorm::default(), &[&[1, 8], &[8], &[8], &[8], &[8, 1]]);
        assert_eq!(found, "operand 4 expects running_var of shape [8], gets [8, 1]");
    }

    #[test]
    fn normalises() {
        let op = BatchNorm { eps: 1.0, ..BatchNorm::default() };
        let c: &[usize] = &[2];
        let result = evaluated(
            op,
            &[
                (&[1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0]),
                (c, &[2.0, 10.0]),
                (c, &[0.5, 0.0]),
                (c, &[1.0, 3.0]),
                (c, &[3.0, 0.0]),
            ],
        );
        assert_eq!(result, [0.5, 1.5, 0.0, 10.0]);
    }

    #[test]
    fn calls() {
        let parameters = "weight f32[8], bias f32[8], running_mean f32[8], running_var f32[8]";
        let x: &[usize] = &[1, 8, 4, 4];
        assert_eq!(called("batch_norm", &[x], &[], &[]), format!("batch_norm {{eps = 1e-5}}, {parameters}"));
        assert_eq!(
            called("batch_norm", &[x], &[], &[("eps", 0.001_f32.into())]),
            format!("batch_norm {{eps = 0.001}}, {parameters}")
        );
        assert_eq!(
            called("batch_norm", &[x], &[], &[("epsilon", 0.001_f32.into())]),
            "epsilon: `epsilon` is unknown; known are `eps`"
        );
        assert_eq!(
            called("batch_norm", &[x], &[8_i64.into()], &[]),
            "argument 0: no constant without a name is expected here"
        );
    }
}

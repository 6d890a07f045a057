//! Operators: one file each, holding attributes, shape rule, naive definition, MACs, lowering and test cases.
//!
//! To add one, write its file and add its line to the list at the end; `docs/add-an-operator.md` leads through it.

pub mod activations;
pub mod adjoint;
pub mod arguments;
mod attributes;
pub mod broadcast;
mod call;
mod case;
mod check;
mod commutative;
pub mod elementwise;
pub mod epilogue;
pub mod export;
pub mod hint;
pub(crate) mod image;
pub mod indexed;
mod moved;
mod normalization;
mod operator;
mod pool;
#[cfg(test)]
mod testing;
mod weighted;
mod window;

pub use adjoint::{Adjoint, Derived, NotDerived};
pub use arguments::{Arguments, Reader};
pub use attributes::{Attribute, Attributes};
pub use call::{Call, CallError, Construction, Constructor, ParameterSpec};
pub use case::{Case, CaseOperand};
pub use epilogue::Epilogue;
pub use operator::{Operator, TypeError};
pub use window::Window;

use std::sync::Arc;

use convoke_runtime::{Activation, Tensor};

use crate::TensorType;
use crate::graph::WeightExpr;
use crate::lower::{self, Emitter, Schedule, Selection, Site, Work};
use crate::onnx::Rule;

macro_rules! operators {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// Any operator. Adding one is adding its file and its line in the list below this macro.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            $(#[allow(missing_docs)] $name($module::$name)),+
        }

        $(impl From<$module::$name> for Op {
            fn from(op: $module::$name) -> Self {
                Self::$name(op)
            }
        })+

        impl Op {
            /// The names of all operators.
            pub const NAMES: &'static [&'static str] = &[$(<$module::$name as Operator>::NAME),+];

            /// See [`Operator::NAME`].
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => <$module::$name as Operator>::NAME),+ }
            }

            /// See [`Operator::attributes`].
            #[must_use]
            pub fn attributes(&self) -> Attributes {
                match self { $(Self::$name(op) => op.attributes()),+ }
            }

            /// The operator called `name` with these attributes.
            ///
            /// # Errors
            /// Says which attribute is missing, unknown or of the wrong kind, or that there is no such operator.
            pub fn from_attributes(name: &str, attributes: Attributes) -> Result<Self, String> {
                $(if name == <$module::$name as Operator>::NAME {
                    let op = <$module::$name as Operator>::from_attributes(attributes);
                    return op.map(Self::$name).map_err(|error| error.to_string());
                })+
                Err(match hint::nearest(name, Self::NAMES.iter().copied()) {
                    Some(meant) => format!("unknown operator `{name}`; did you mean `{meant}`?"),
                    None => format!("unknown operator `{name}`"),
                })
            }

            /// The names by which `cnn!` calls operators, and what each call makes.
            const CALLS: &'static [&'static [(&'static str, Constructor)]] =
                &[$(<$module::$name as Operator>::CALLS),+];

            /// What each operator's [`Operator::ONNX`] lists.
            pub(crate) const ONNX: &'static [&'static [Rule]] = &[$(<$module::$name as Operator>::ONNX),+];

            /// See [`Operator::infer`].
            ///
            /// # Errors
            /// Says which operand has the wrong type.
            pub fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
                match self { $(Self::$name(op) => op.infer(operands)),+ }
            }

            /// See [`Operator::evaluate`].
            #[must_use]
            pub fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
                match self { $(Self::$name(op) => op.evaluate(operands)),+ }
            }

            /// See [`Operator::macs`].
            #[must_use]
            pub fn macs(&self, operands: &[&TensorType], results: &[TensorType]) -> u64 {
                match self { $(Self::$name(op) => op.macs(operands, results)),+ }
            }

            /// See [`Operator::activation`].
            #[must_use]
            pub fn activation(&self) -> Option<Activation> {
                match self { $(Self::$name(op) => op.activation()),+ }
            }

            /// See [`Operator::epilogue`].
            #[must_use]
            pub fn epilogue(&self) -> Option<Epilogue> {
                match self { $(Self::$name(op) => op.epilogue()),+ }
            }

            /// See [`Operator::with_epilogue`].
            #[must_use]
            pub fn with_epilogue(&self, epilogue: Epilogue) -> Option<Self> {
                match self { $(Self::$name(op) => op.with_epilogue(epilogue)),+ }
            }

            /// See [`Operator::to_weight`].
            #[must_use]
            pub fn to_weight(&self, operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
                match self { $(Self::$name(op) => op.to_weight(operands)),+ }
            }

            /// See [`Operator::derive`].
            ///
            /// # Errors
            /// Why it has no derivative.
            pub fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
                match self { $(Self::$name(op) => op.derive(a)),+ }
            }

            /// See [`Operator::export`]; what rides at its end is written as well.
            ///
            /// # Errors
            /// Why ONNX does not say what it does.
            pub fn export(&self, e: &mut export::Exporter<'_>) -> export::Exported {
                let values = match self { $(Self::$name(op) => op.export(e)),+ }?;
                Ok(e.epilogue(values, self.epilogue().unwrap_or_default()))
            }

            /// The first of its [algorithms](Operator::ALGORITHMS) that does not refuse.
            #[must_use]
            pub fn choose(&self, site: &Site<'_>) -> Selection {
                match self { $(Self::$name(op) => lower::select(op, site)),+ }
            }

            /// The schedule of its algorithm with this index.
            #[must_use]
            pub fn schedule(&self, algorithm: usize, work: &Work<'_>) -> Schedule {
                match self { $(Self::$name(op) => (<$module::$name>::ALGORITHMS[algorithm].schedule)(op, work)),+ }
            }

            /// Writes the step of its algorithm with this index.
            pub fn emit(&self, algorithm: usize, work: &Work<'_>, schedule: &Schedule, emitter: &mut Emitter<'_>) {
                match self {
                    $(Self::$name(op) => (<$module::$name>::ALGORITHMS[algorithm].emit)(op, work, schedule, emitter)),+
                }
            }

            /// The conformance cases of all operators.
            #[must_use]
            pub fn cases() -> Vec<Case> {
                let mut cases = Vec::new();
                $(cases.extend(<$module::$name as Operator>::cases());)+
                cases
            }
        }
    };
}

impl Op {
    /// What gives the elements of its only operand, which has this shape, as they are.
    pub(crate) fn copy(shape: &[usize]) -> Self {
        reshape::Reshape { shape: shape.to_vec() }.into()
    }

    /// The names by which operators are called in the language; some operators have several.
    pub fn call_names() -> impl Iterator<Item = &'static str> {
        Self::CALLS.iter().copied().flatten().map(|&(name, _)| name)
    }

    /// Builds the operator called `name` from a call in the language; `None` where there is no such operator.
    pub fn call(name: &str, call: &mut Call<'_>) -> Option<Result<Construction, CallError>> {
        let (_, constructor) = Self::CALLS.iter().copied().flatten().find(|(known, _)| *known == name)?;
        Some(constructor(call))
    }
}

operators! {
    add::Add,
    arg_max::ArgMax,
    avg_pool::AvgPool,
    batch_norm::BatchNorm,
    batch_norm_gradient::BatchNormGradient,
    batch_norm_training::BatchNormTraining,
    binary::Binary,
    cast::Cast,
    clip::Clip,
    compare::Compare,
    concat::Concat,
    conv::Conv,
    conv_transpose::ConvTranspose,
    conv_weight_gradient::ConvWeightGradient,
    cumsum::Cumsum,
    depth_to_space::DepthToSpace,
    dropout::Dropout,
    expand::Expand,
    flatten::Flatten,
    gather::Gather,
    gather_elements::GatherElements,
    gather_nd::GatherNd,
    gelu::Gelu,
    global_avg_pool::GlobalAvgPool,
    global_max_pool::GlobalMaxPool,
    grid_sample::GridSample,
    group_norm::GroupNorm,
    hard_sigmoid::HardSigmoid,
    hard_swish::HardSwish,
    layer_norm::LayerNorm,
    leaky_relu::LeakyRelu,
    linear::Linear,
    matmul::MatMul,
    max_pool::MaxPool,
    max_pool_gradient::MaxPoolGradient,
    mul::Mul,
    one_hot::OneHot,
    pad::Pad,
    predicate::Predicate,
    reduce::Reduce,
    relu6::Relu6,
    relu::Relu,
    reshape::Reshape,
    resize::Resize,
    roi_align::RoiAlign,
    scatter_elements::ScatterElements,
    scatter_nd::ScatterNd,
    select::Select,
    sigmoid::Sigmoid,
    silu::Silu,
    slice::Slice,
    slope::Slope,
    softmax::Softmax,
    space_to_depth::SpaceToDepth,
    split::Split,
    tanh::Tanh,
    tile::Tile,
    top_k::TopK,
    transpose::Transpose,
    unary::Unary,
}

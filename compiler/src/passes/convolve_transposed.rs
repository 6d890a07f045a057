//! Writes transposed convolutions, which gradients by images are, as what has microkernels.
//!
//! ```text
//! conv_transpose(x, W) {stride 1, padding p}            ⟹   conv(x, W′) {padding d·(K − 1) − p}
//! conv_transpose(x, W) {stride s, padding p}, few channels ⟹   depth_to_space(conv(x, W″), s)
//! conv_transpose(x, W), x of one pixel                  ⟹   reshape(linear(reshape(x), W‴))
//! ```
//!
//! W′ is W turned by 180°, with the channels of each group exchanged. Of a stride s, pixels of the result that lie as far
//! beyond a multiple of s meet the same taps: W″ computes the s² kinds as s² times as many channels, with zeros for the
//! taps that a kind does not meet. W‴ is W as a matrix.
//!
//! Requires that W is a weight; that no more is padded than taps reach; in the second form that the s² kinds fill one
//! vector, rather than as many as there are kinds, that there is one group, and that the result has whole squares; in the
//! third that there is one group, no padding and no bias. Other strides are left to the lowering.
//!
//! The result has the name of the transposed convolution, whose value it has.
//!
//! Dumoulin and Visin, "A Guide to Convolution Arithmetic for Deep Learning", arXiv:1603.07285, chapter 4; second form: Shi
//! et al., "Is the Deconvolution Layer the Same as a Convolutional Layer?", arXiv:1609.07009.

use std::sync::Arc;

use convoke_runtime::weights::{WeightError, WeightOp};

use super::Pass;
use crate::Graph;
use crate::graph::{Editor, GraphError, NodeId, Value, WeightExpr};
use crate::ops::conv::Conv;
use crate::ops::conv_transpose::ConvTranspose;
use crate::ops::depth_to_space::{DepthToSpace, Order};
use crate::ops::linear::Linear;
use crate::ops::{Epilogue, Op};

/// Writes transposed convolutions as what has microkernels.
pub const PASS: Pass = Pass { name: "convolve_transposed", run };

/// Channels that fill a vector of the widest instruction set.
const VECTOR: usize = 16;

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let mut changed = false;
    for id in graph.order() {
        if let Some(site) = Site::find(graph, id) {
            changed |= site.apply(&mut graph.edit())?;
        }
    }
    Ok(changed)
}

/// A transposed convolution by a weight.
struct Site {
    node: NodeId,
    op: ConvTranspose,
    /// All operands.
    operands: Vec<Value>,
    weight: Arc<WeightExpr>,
    /// N C H W of X and of the result.
    image: [usize; 4],
    result: [usize; 4],
}

impl Site {
    fn find(graph: &Graph, node: NodeId) -> Option<Self> {
        let &Op::ConvTranspose(op) = graph.node(node).op()? else { return None };
        let operands = graph.operands(node);
        let weight = Arc::new(graph.node(operands[1].node).weight()?.clone());
        let shape = |value: Value| graph.type_of(value).shape[..].try_into().ok();
        Some(Self { node, op, weight, image: shape(operands[0])?, result: shape(node.into())?, operands })
    }

    fn apply(self, edit: &mut Editor<'_>) -> Result<bool, GraphError> {
        if let Some(weight) = self.matrix() {
            self.linear(edit, weight)?;
        } else if let Some((conv, weight)) = self.conv() {
            let weight = self.weight(edit, weight);
            let operands = [&[self.operands[0], weight], &self.operands[2..]].concat();
            edit.replace_op(self.node, conv, &operands, &[self.node])?;
        } else if let Some((conv, weight)) = self.phases() {
            let weight = self.weight(edit, weight);
            let name = format!("{}.phases", edit.graph().node(self.node).name);
            let phases = edit.op(name, conv, &[self.operands[0], weight])?;
            let squares = DepthToSpace { block: self.op.stride[0], order: Order::Dcr };
            edit.replace_op(self.node, squares, &[phases.into()], &[self.node])?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// C, O/G, Kh and Kw.
    fn dims(&self) -> [usize; 4] {
        self.weight.ty().shape[..].try_into().expect("weights are C O/G Kh Kw")
    }

    fn weight(&self, edit: &mut Editor<'_>, expression: WeightExpr) -> Value {
        let name = format!("{}.weight", edit.graph().node(self.node).name);
        let weight = edit.weight(name, expression);
        edit.set_origin(weight.node, &[self.operands[1].node]);
        weight
    }

    /// W‴, O·Kh·Kw C.
    fn matrix(&self) -> Option<WeightExpr> {
        let ConvTranspose {
            groups: 1,
            padding: [0, 0, 0, 0],
            output_padding: [0, 0],
            dilation: [1, 1],
            bias: false,
            ..
        } = self.op
        else {
            return None;
        };
        let [channels, outputs, kh, kw] = self.dims();
        if self.image[2..] != [1, 1] || [kh, kw] == [1, 1] {
            return None;
        }
        let rows = self.weight.clone().reshape(&[channels, outputs * kh * kw]).ok()?;
        WeightExpr::apply(WeightOp::Transpose(vec![1, 0].into()), vec![rows]).ok()
    }

    fn linear(&self, edit: &mut Editor<'_>, weight: WeightExpr) -> Result<(), GraphError> {
        let [n, channels, ..] = self.image;
        let weight = self.weight(edit, weight);
        let name = edit.graph().node(self.node).name.clone();
        let pixels = edit.op(format!("{name}.pixels"), Op::copy(&[n, channels]), &[self.operands[0]])?;
        let linear = Linear { bias: false, epilogue: Epilogue::default() };
        let product = edit.op(format!("{name}.product"), linear, &[pixels.into(), weight])?;
        edit.replace_op(self.node, Op::copy(&self.result), &[product.into()], &[self.node])
    }

    /// The convolution, and W′.
    fn conv(&self) -> Option<(Conv, WeightExpr)> {
        let ConvTranspose { stride, dilation, groups, padding, output_padding, bias } = self.op;
        let [.., kh, kw] = self.dims();
        let reach = [dilation[0] * (kh - 1), dilation[1] * (kw - 1)];
        if stride != [1, 1] {
            return None;
        }
        let mut edges = [0; 4];
        for (edge, width) in edges.iter_mut().enumerate() {
            let after = if edge < 2 { 0 } else { output_padding[edge - 2] };
            *width = (reach[edge % 2] + after).checked_sub(padding[edge])?;
        }
        let conv = Conv { dilation, groups, padding: edges, bias, ..Conv::default() };
        Some((conv, self.turned([1, 1], [kh - 1, kw - 1], [kh, kw]).ok()?))
    }

    /// The convolution to the channels of all kinds of pixels, and W″.
    fn phases(&self) -> Option<(Conv, WeightExpr)> {
        let ConvTranspose { stride: [stride, across], dilation: [1, 1], groups: 1, padding, bias: false, .. } = self.op
        else {
            return None;
        };
        let [_, outputs, kh, kw] = self.dims();
        let whole = self.result[2].is_multiple_of(stride) && self.result[3].is_multiple_of(stride);
        if stride != across || stride == 1 || !whole || stride * stride * outputs > VECTOR {
            return None;
        }
        // Place t of kind φ meets tap before + φ + s · (lead − t): from the last tap of kind 0 on, to the first of the last.
        let (mut first, mut taps, mut edges) = ([0; 2], [0; 2], [0; 4]);
        for (axis, kernel) in [kh, kw].into_iter().enumerate() {
            let before = padding[axis];
            let lead = (kernel - 1).checked_sub(before)? / stride;
            first[axis] = before + stride * lead;
            taps[axis] = first[axis].div_ceil(stride) + 1;
            edges[axis] = lead;
            let places = self.result[axis + 2] / stride + taps[axis] - 1;
            edges[axis + 2] = places.checked_sub(self.image[axis + 2] + lead)?;
        }
        let conv = Conv { padding: edges, bias: false, ..Conv::default() };
        Some((conv, self.turned([stride; 2], first, taps).ok()?))
    }

    /// W as the weight of a convolution: taps by kinds of pixels, kinds before the output channels, C/G input channels.
    fn turned(&self, stride: [usize; 2], first: [usize; 2], taps: [usize; 2]) -> Result<WeightExpr, WeightError> {
        let [channels, outputs, ..] = self.dims();
        let (groups, [th, tw], kinds) = (self.op.groups, taps, stride[0] * stride[1]);
        let [stride, first, taps] = [stride, first, taps].map(|pair| pair.map(|size| size as u32));
        let phases = match taps {
            [1, 1] if kinds == 1 => self.weight.clone(),
            _ => Arc::new(WeightExpr::apply(WeightOp::Phases { stride, first, taps }, vec![self.weight.clone()])?),
        };
        let split = phases.reshape(&[groups, channels / groups, outputs, kinds, th * tw])?;
        let exchanged = WeightExpr::apply(WeightOp::Transpose(vec![0, 3, 2, 1, 4].into()), vec![split])?;
        let shape = [groups * kinds * outputs, channels / groups, th, tw];
        WeightExpr::apply(WeightOp::Reshape(shape.to_vec().into()), vec![Arc::new(exchanged)])
    }
}

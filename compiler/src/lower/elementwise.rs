//! Algorithms that activations, sums and products share.

use convoke_runtime::Activation;
use convoke_runtime::kernels::{self, BinaryOp, Broadcast, Map, Params};

use super::planes::elementwise;
use super::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Site, View, Work};
use crate::TensorType;
use crate::lir::{self, Affine};
use crate::ops::Operator;

/// The algorithms of an operator that is an activation.
pub(crate) const fn map<O: Operator>() -> &'static [Algorithm<O>] {
    const { &[Algorithm { name: "map", choose: choose_map::<O>, schedule: by_elements::<O>, emit: emit_map::<O> }] }
}

/// Threads by the elements that a step writes.
pub(crate) fn by_elements<O>(_: &O, work: &Work<'_>) -> Schedule {
    Schedule::of_elements(work.storages[0].len())
}

/// In whatever layout the operand comes.
fn choose_map<O: Operator>(_: &O, site: &Site<'_>) -> Result<Choice, String> {
    let layout = site.layouts[0].unwrap_or(Layout::Plain);
    Ok(Choice { operands: vec![Need::tensor(layout)], results: vec![layout], alias: false })
}

fn emit_map<O: Operator>(op: &O, _: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let activation = op.activation().expect("only activations are lowered as maps").into();
    let (source, result) = (e.operand(0), e.result(0));
    elementwise(e, &[result, source], |rows, len, pitch| {
        Params::Map(Map { rows, len, dst_pitch: pitch[0], src_pitch: pitch[1], activation })
    })
}

/// An operator `act(a ⋄ b)` with numpy's broadcasting, ⋄ being commutative.
pub(crate) trait Commutative: Operator {
    /// The operation in a kernel.
    const KERNEL: BinaryOp;
    /// The operation in LIR.
    const LIR: lir::Binary;
}

/// The activation that applies last.
fn after<O: Operator>(op: &O) -> Activation {
    op.epilogue().map_or(Activation::Identity, |epilogue| epilogue.activation)
}

/// The algorithms of such an operator.
pub(crate) const fn commutative<O: Commutative>() -> &'static [Algorithm<O>] {
    const {
        &[
            Algorithm { name: "equal", choose: choose_equal::<O>, schedule: by_elements::<O>, emit: emit_equal::<O> },
            Algorithm {
                name: "channels",
                choose: choose_channels::<O>,
                schedule: by_elements::<O>,
                emit: emit_channels::<O>,
            },
            Algorithm { name: "loops", choose: choose_loops::<O>, schedule: by_elements::<O>, emit: emit_loops::<O> },
        ]
    }
}

fn choose_equal<O: Commutative>(_: &O, site: &Site<'_>) -> Result<Choice, String> {
    let [a, b] = site.operands[..] else { return Err(format!("{} operands", site.operands.len())) };
    if a.shape != b.shape {
        return Err("the shapes differ".to_owned());
    }
    let blocked = site.layouts.contains(&Some(Layout::Blocked));
    let layout = if blocked { Layout::Blocked } else { Layout::Plain };
    Ok(Choice { operands: vec![Need::tensor(layout); 2], results: vec![layout], alias: false })
}

fn emit_equal<O: Commutative>(op: &O, _: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let (a, b, result) = (e.operand(0), e.operand(1), e.result(0));
    elementwise(e, &[result, a, b], |rows, len, pitch| {
        Params::Binary(kernels::Binary {
            op: O::KERNEL,
            broadcast: Broadcast::Full,
            block: 1,
            rows,
            len,
            dst_pitch: pitch[0],
            a_pitch: pitch[1],
            b_pitch: pitch[2],
            activation: after(op).into(),
        })
    })
}

/// The operand that is N C 1 1 where the other is N C H W: a channel's scale or shift.
fn narrow(a: &TensorType, b: &TensorType) -> Option<usize> {
    let fits = |wide: &TensorType, narrow: &TensorType| match (&wide.shape[..], &narrow.shape[..]) {
        (&[n, c, _, _], &[m, d, 1, 1]) => (n, c) == (m, d),
        _ => false,
    };
    if fits(a, b) {
        Some(1)
    } else if fits(b, a) {
        Some(0)
    } else {
        None
    }
}

fn choose_channels<O: Commutative>(_: &O, site: &Site<'_>) -> Result<Choice, String> {
    if narrow(site.operands[0], site.operands[1]).is_none() {
        return Err("no operand is N C 1 1 beside N C H W".to_owned());
    }
    let operands = vec![Need::tensor(Layout::Blocked); 2];
    Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
}

fn emit_channels<O: Commutative>(op: &O, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let narrow = narrow(work.operands[0].ty(), work.operands[1].ty()).expect("checked when it was chosen");
    let (wide, vector, result) = (e.operand(1 - narrow), e.operand(narrow), e.result(0));
    let storage = result.storage;
    let dense = storage.dense() && wide.storage.dense();
    let (rows, width) = if dense { (1, storage.h * storage.w) } else { (storage.h, storage.w) };
    e.parallel(storage.n * storage.blocks(), |e, plane| {
        let params = kernels::Binary {
            op: O::KERNEL,
            broadcast: Broadcast::Lanes,
            block: storage.block as u32,
            rows: rows as u32,
            len: (width * storage.block) as u32,
            dst_pitch: storage.pitch() as u32,
            a_pitch: wide.storage.pitch() as u32,
            b_pitch: 0,
            activation: after(op).into(),
        };
        e.call(Params::Binary(params), vec![result.plane(plane), wide.plane(plane), vector.plane(plane)])
    })
}

fn choose_loops<O: Commutative>(_: &O, _: &Site<'_>) -> Result<Choice, String> {
    Ok(Choice { operands: vec![Need::dense(Layout::Plain); 2], results: vec![Layout::Plain], alias: false })
}

/// Lanes of the innermost loop.
const LANES: usize = 8;

/// Row-major loops over the result; a dimension in which an operand is 1 wide does not move it.
struct Nest<'a> {
    shape: &'a [usize],
    /// Strides of the result and of both operands.
    strides: [Vec<usize>; 3],
    /// The result and both operands.
    views: [View; 3],
    /// The dimension that threads divide.
    parallel: usize,
    activation: Activation,
}

fn emit_loops<O: Commutative>(op: &O, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let shape = &work.results[0].shape;
    let strides = [&work.results[0], work.operands[0].ty(), work.operands[1].ty()].map(|ty| strides(&ty.shape, shape));
    let (a, b, result) = (e.operand(0), e.operand(1), e.result(0));
    let parallel = shape.iter().position(|&extent| extent > 1).unwrap_or(shape.len());
    let nest = Nest { shape, strides, views: [result, a, b], parallel, activation: after(op) };
    let start = [Affine::default(), Affine::default(), Affine::default()];
    // Threads do not divide the innermost dimension, over which the activation runs as a whole.
    if parallel + 1 < shape.len() { nest.emit::<O>(e, 0, &start) } else { e.once(|e| nest.emit::<O>(e, 0, &start)) }
}

/// Elements from one index to the next in each dimension of `to`, for a tensor of shape `from` that is broadcast.
fn strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let lead = to.len() - from.len();
    let stride = |dimension: usize| match dimension.checked_sub(lead) {
        Some(own) if from[own] > 1 => from[own + 1..].iter().product(),
        _ => 0,
    };
    (0..to.len()).map(stride).collect()
}

impl Nest<'_> {
    fn emit<O: Commutative>(&self, e: &mut Emitter<'_>, dimension: usize, at: &[Affine; 3]) {
        let moved = |at: &[Affine; 3], var: &Affine, step: usize| {
            std::array::from_fn(|i| &at[i] + var * (self.strides[i][dimension] * step))
        };
        if dimension + 1 < self.shape.len() {
            let parallel = dimension == self.parallel;
            return e.divide(self.shape[dimension], parallel, |e, var| {
                self.emit::<O>(e, dimension + 1, &moved(at, var, 1));
            });
        }
        // The innermost dimension, if there is one: whole vectors, what remains, the activation over the row.
        let extent = self.shape.last().copied().unwrap_or(1);
        if dimension < self.shape.len() {
            let full = extent / LANES;
            e.serial(full, |e, var| self.element::<O>(e, LANES, &moved(at, var, LANES)));
            let rest = std::array::from_fn(|i| &at[i] + full * LANES * self.strides[i][dimension]);
            e.serial(extent % LANES, |e, var| self.element::<O>(e, 1, &moved(&rest, var, 1)));
        } else {
            self.element::<O>(e, 1, at);
        }
        e.activate(self.views[0].element(&at[0]), extent, self.activation);
    }

    fn element<O: Commutative>(&self, e: &mut Emitter<'_>, lanes: usize, at: &[Affine; 3]) {
        let load = |e: &mut Emitter<'_>, operand: usize| {
            let from = self.views[operand].element(&at[operand]);
            if lanes > 1 && self.strides[operand].last() == Some(&0) {
                let one = e.code.load(1, from);
                e.code.splat(lanes as u32, one)
            } else {
                e.code.load(lanes as u32, from)
            }
        };
        let (a, b) = (load(e, 1), load(e, 2));
        let result = e.code.binary(O::LIR, a, b);
        e.code.store(self.views[0].element(&at[0]), result);
    }
}

//! Algorithms that activations and other operators share whose results depend on single elements.

use convoke_runtime::Activation;
use convoke_runtime::kernels::{self, BinaryOp, Broadcast, Map, Params};

use super::nest::{Nest, Walk, blocked_extents};
use super::planes::elementwise;
use super::{Algorithm, Choice, Emitter, Layout, Need, Operand, Schedule, Site, Work};
use crate::TensorType;
use crate::lir::{FunctionBuilder, Reg};
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

/// An operator each element of whose result is a function of one element of each operand, which broadcast as numpy's.
pub(crate) trait Pointwise: Operator {
    /// Elements moved that cost about as much as computing one.
    const COST: usize = 1;

    /// Whether finite operands give finite results: then nothing else stands in lanes past the last channel.
    fn finite(&self) -> bool;

    /// The function, lane by lane.
    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg;
}

/// An operator `act(a ⋄ b)`, ⋄ being commutative, that has kernels.
pub(crate) trait Commutative: Pointwise {
    /// The operation in a kernel.
    const KERNEL: BinaryOp;
}

/// The activation that applies last.
fn after<O: Operator>(op: &O) -> Activation {
    op.epilogue().map_or(Activation::Identity, |epilogue| epilogue.activation)
}

/// The algorithms of an operator that has kernels.
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
            blocked::<O>(),
            plain::<O>(),
        ]
    }
}

/// The algorithms of an operator that has none.
pub(crate) const fn pointwise<O: Pointwise>() -> &'static [Algorithm<O>] {
    const { &[blocked::<O>(), plain::<O>()] }
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

/// Loops over blocks of channels.
const fn blocked<O: Pointwise>() -> Algorithm<O> {
    Algorithm { name: "blocks", choose: choose_blocked::<O>, schedule: by_cost::<O>, emit: emit_blocked::<O> }
}

/// Row-major loops.
const fn plain<O: Pointwise>() -> Algorithm<O> {
    Algorithm { name: "rows", choose: choose_plain::<O>, schedule: by_cost::<O>, emit: emit_plain::<O> }
}

fn by_cost<O: Pointwise>(_: &O, work: &Work<'_>) -> Schedule {
    Schedule::of_elements(work.storages[0].len().saturating_mul(O::COST))
}

fn choose_blocked<O: Pointwise>(op: &O, site: &Site<'_>) -> Result<Choice, String> {
    if !site.layouts.contains(&Some(Layout::Blocked)) {
        return Err("no operand is blocked".to_owned());
    }
    if !op.finite() {
        return Err("of finite operands it may make what is not finite".to_owned());
    }
    let shape = &site.results[0].shape;
    if !matches!(shape.len(), 2 | 4) {
        return Err(format!("{} dimensions", shape.len()));
    }
    let need = |(operand, ty): (usize, &&TensorType)| {
        // The dimension of the channels, counted from the last.
        let channels =
            (ty.rank() + 2).checked_sub(shape.len()).filter(|&end| end > 0).map_or(1, |end| ty.shape[end - 1]);
        let aligned = ty.rank() == shape.len() && channels == shape[1];
        if aligned && (channels > 1 || site.layouts[operand] == Some(Layout::Blocked)) {
            Ok(Need::tensor(Layout::Blocked))
        } else if channels == 1 {
            Ok(Need::tensor(Layout::Plain))
        } else if site.is_weight(operand) && ty.elements() == channels {
            Ok(Need::Weight)
        } else {
            Err(format!("operand {operand} has {channels} channels in {} dimensions", ty.rank()))
        }
    };
    let operands = site.operands.iter().enumerate().map(need).collect::<Result<_, _>>()?;
    Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
}

fn emit_blocked<O: Pointwise>(op: &O, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let result = e.result(0);
    let mut walks = vec![Walk::blocked(&result)];
    for (index, operand) in work.operands.iter().enumerate() {
        walks.push(match operand {
            Operand::Tensor(..) => Walk::blocked(&e.operand(index)),
            Operand::Weight(..) => Walk::channels(&e.channels(index, &result.storage), result.storage.block),
        });
    }
    Nest::new(&blocked_extents(&result), &walks).map(e, after(op), |e, operands| op.compute(&mut e.code, operands));
}

fn choose_plain<O: Pointwise>(_: &O, site: &Site<'_>) -> Result<Choice, String> {
    let operands = vec![Need::tensor(Layout::Plain); site.operands.len()];
    Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
}

fn emit_plain<O: Pointwise>(op: &O, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let shape = &work.results[0].shape;
    let mut walks = vec![Walk::plain(&e.result(0), shape, shape.len())];
    for (index, operand) in work.operands.iter().enumerate() {
        walks.push(Walk::plain(&e.operand(index), &operand.ty().shape, shape.len()));
    }
    Nest::new(shape, &walks).map(e, after(op), |e, operands| op.compute(&mut e.code, operands));
}

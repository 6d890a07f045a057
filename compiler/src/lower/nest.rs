//! Loops over an index space in which tensors move by strides: what elementwise operators, reductions and operators
//! that only move elements share.
//!
//! ```text
//! [`Nest`]    y[i, j, …] = f(a[i, j, …], b[i, j, …], …)              one element from one of each operand
//! [`Lines`]   y[i, k] = f(a[i, ·])   or   y[i, j] = f(a[i, j], a[i, ·])   elements from whole lines
//! ```
//!
//! A tensor that is broadcast along a dimension moves by 0 there, one that is reversed by a negative stride.

use convoke_runtime::Activation;
use convoke_runtime::kernels::{Copy, Params};

use super::{Emitter, Layout, View};
use crate::lir::{Address, Affine, Binary, Expr, ParamId, Reg};

/// Lanes of the innermost loop.
const LANES: usize = 8;

/// Elements from which on a line is worth [`WIDE`] lanes, which hide the latency of their sum.
const LONG: usize = 64;

/// Lanes of the sum of a long line.
const WIDE: usize = 32;

/// Elements of a row from which on a call that copies it costs less than a loop.
const RUN: usize = 16;

/// A tensor in an index space: its element at index 0, and how far it moves along each dimension.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    param: ParamId,
    origin: Affine,
    strides: Vec<i64>,
}

impl Walk {
    /// A tensor that moves by `strides` from element `origin` on.
    pub(crate) fn new(param: ParamId, origin: i64, strides: Vec<i64>) -> Self {
        Self { param, origin: Affine { base: origin, terms: Vec::new() }, strides }
    }

    /// Its element at index 0.
    pub(crate) fn origin(&self) -> Affine {
        self.origin.clone()
    }

    /// How far it moves along a dimension.
    pub(crate) fn stride(&self, dim: usize) -> i64 {
        self.strides[dim]
    }

    /// The address of an element.
    pub(crate) fn at(&self, index: Affine) -> Address {
        self.param.at(index)
    }

    /// A plain tensor of shape `shape`, broadcast to `rank` dimensions.
    pub(crate) fn plain(view: &View, shape: &[usize], rank: usize) -> Self {
        let own = view.storage.strides(shape).into_iter().zip(shape).map(|(stride, &extent)| moving(stride, extent));
        let strides = std::iter::repeat_n(0, rank - shape.len()).chain(own).collect();
        Self::new(view.param, view.storage.origin() as i64, strides)
    }

    /// The numbers 0, 1, … along dimension `dim` of `rank`, a prepared constant.
    pub(crate) fn count(e: &mut Emitter<'_>, rank: usize, dim: usize, extent: usize) -> Self {
        let numbers = e.counted("count", extent);
        Self::new(numbers.param, 0, (0..rank).map(|each| i64::from(each == dim)).collect())
    }

    /// As it is, but that it does not move along dimension `dim`.
    pub(crate) fn still(mut self, dim: usize) -> Self {
        self.strides[dim] = 0;
        self
    }

    /// From the last of `extent` elements along dimension `dim` to the first.
    pub(crate) fn reversed(mut self, dim: usize, extent: usize) -> Self {
        let last = self.strides[dim].saturating_mul(extent as i64 - 1);
        self.origin.base = self.origin.base.saturating_add(last);
        self.strides[dim] = -self.strides[dim];
        self
    }

    /// A plain tensor of shape `shape` that has a dimension for each of the space that is not `missing`.
    pub(crate) fn reduced(view: &View, shape: &[usize], missing: &[bool]) -> Self {
        let mut own = view.storage.strides(shape).into_iter();
        let stride = |&missing: &bool| if missing { 0 } else { own.next().map_or(0, |stride| stride as i64) };
        Self::new(view.param, view.storage.origin() as i64, missing.iter().map(stride).collect())
    }

    /// A tensor N C H W or N C in the space of a blocked result, N ⌈C/B⌉ H W B. A plain one has one channel.
    pub(crate) fn blocked(view: &View) -> Self {
        let s = &view.storage;
        let lane = usize::from(s.layout == Layout::Blocked);
        let channels = if lane == 1 { s.blocks() } else { 1 };
        let dims = [(s.image(), s.n), (s.plane(), channels), (s.pitch(), s.h), (s.block, s.w)];
        let strides = dims.map(|(stride, extent)| moving(stride, extent)).into_iter().chain([lane as i64]).collect();
        Self::new(view.param, s.origin() as i64, strides)
    }

    /// One element for each channel, in the space of a blocked result.
    pub(crate) fn channels(view: &View, block: usize) -> Self {
        Self::new(view.param, 0, vec![0, block as i64, 0, 0, 1])
    }
}

/// A dimension of one element is broadcast.
fn moving(stride: usize, extent: usize) -> i64 {
    if extent > 1 { stride as i64 } else { 0 }
}

/// The extents of a blocked tensor's index space: N ⌈C/B⌉ H W B.
pub(crate) fn blocked_extents(view: &View) -> Vec<usize> {
    let s = &view.storage;
    vec![s.n, s.blocks(), s.h, s.w, s.block]
}

/// A dimension of an index space, and how far each tensor moves along it.
#[derive(Clone, Debug, PartialEq)]
struct Dim {
    extent: usize,
    strides: Vec<i64>,
}

impl Dim {
    /// Whether vectors along it are vectors of tensor 1, and vectors or single elements of the operands after it.
    fn read_in_order(&self) -> bool {
        self.strides[1] == 1 && self.strides[1..].iter().all(|stride| matches!(stride, 0 | 1))
    }

    /// Whether vectors along it are vectors of the result, and vectors or single elements of each operand.
    fn contiguous(&self) -> bool {
        self.strides[0] == 1 && self.strides.iter().all(|stride| matches!(stride, 0 | 1))
    }
}

/// The dimensions without those of one element, and with neighbours as one that every tensor goes through as one.
fn merged(dims: impl IntoIterator<Item = Dim>) -> Vec<Dim> {
    let mut merged: Vec<Dim> = Vec::new();
    for dim in dims.into_iter().filter(|dim| dim.extent > 1) {
        let extent = dim.extent as i64;
        match merged.last_mut() {
            Some(outer) if outer.strides.iter().zip(&dim.strides).all(|(outer, inner)| *outer == inner * extent) => {
                *outer = Dim { extent: outer.extent * dim.extent, strides: dim.strides };
            }
            _ => merged.push(dim),
        }
    }
    merged
}

fn dims(extents: &[usize], walks: &[Walk]) -> Vec<Dim> {
    let strides = |dim: usize| walks.iter().map(|walk| walk.strides[dim]).collect();
    extents.iter().enumerate().map(|(dim, &extent)| Dim { extent, strides: strides(dim) }).collect()
}

/// The place of every tensor.
#[derive(Clone, Debug)]
struct Place {
    params: Vec<ParamId>,
    at: Vec<Affine>,
}

impl Place {
    fn new(walks: &[Walk]) -> Self {
        let params = walks.iter().map(|walk| walk.param).collect();
        Self { params, at: walks.iter().map(|walk| walk.origin.clone()).collect() }
    }

    fn moved(&self, dim: &Dim, by: &Affine) -> Self {
        let at = self.at.iter().zip(&dim.strides).map(|(at, &stride)| at + by.scaled(stride)).collect();
        Self { params: self.params.clone(), at }
    }

    fn address(&self, walk: usize) -> Address {
        self.params[walk].at(self.at[walk].clone())
    }
}

/// Runs `body` for every index of `dims`; the threads divide the outermost if `parallel`.
fn repeat(e: &mut Emitter<'_>, dims: &[Dim], parallel: bool, place: &Place, body: &dyn Fn(&mut Emitter<'_>, &Place)) {
    match dims.split_first() {
        None => e.divide(1, parallel, |e, _| body(e, place)),
        Some((dim, rest)) => {
            e.divide(dim.extent, parallel, |e, var| repeat(e, rest, false, &place.moved(dim, var), body));
        }
    }
}

/// Runs `body` for vectors of `lanes` along one dimension, then for what remains one by one.
fn strip(
    e: &mut Emitter<'_>,
    dim: &Dim,
    lanes: usize,
    parallel: bool,
    place: &Place,
    body: &dyn Fn(&mut Emitter<'_>, usize, &Place),
) {
    let vectors = dim.extent / lanes;
    e.divide(vectors, parallel, |e, var| body(e, lanes, &place.moved(dim, &(var * lanes))));
    let rest = place.moved(dim, &(vectors * lanes).into());
    let remain = dim.extent % lanes;
    if remain > 0 {
        e.divide(1, parallel, |e, _| e.serial(remain, |e, var| body(e, 1, &rest.moved(dim, var))));
    }
}

/// Cuts `extent` in strips of the first size, what remains in strips of the next.
pub(crate) fn strips(
    e: &mut Emitter<'_>,
    extent: usize,
    sizes: &[usize],
    parallel: bool,
    body: impl Fn(&mut Emitter<'_>, usize, Affine),
) {
    let mut start = 0;
    for &size in sizes {
        let count = (extent - start) / size;
        e.divide(count, parallel, |e, var| body(e, size, var * size + start));
        start += count * size;
    }
}

/// A place in an index space: `lanes` consecutive elements of every tensor that moves there.
pub(crate) struct Elements<'a> {
    lanes: usize,
    place: &'a Place,
    strides: &'a [i64],
}

impl Elements<'_> {
    /// The elements of tensor `walk`.
    pub(crate) fn load(&self, e: &mut Emitter<'_>, walk: usize) -> Reg {
        let from = self.place.address(walk);
        if self.lanes > 1 && self.strides[walk] == 0 {
            let one = e.code.load(1, from);
            return e.code.splat(self.lanes as u32, one);
        }
        e.code.load(self.lanes as u32, from)
    }

    /// A register of one lane, or of as many as there are elements, as one of as many.
    pub(crate) fn widen(&self, e: &mut Emitter<'_>, reg: Reg) -> Reg {
        if e.code.lanes(reg) as usize == self.lanes { reg } else { e.code.splat(self.lanes as u32, reg) }
    }
}

/// Elements that depend on one element of each operand. Tensor 0 is the result, which moves by 1 along the last
/// dimension of more than one element.
#[derive(Clone, Debug)]
pub(crate) struct Nest {
    dims: Vec<Dim>,
    place: Place,
    parallel: bool,
}

impl Nest {
    pub(crate) fn new(extents: &[usize], walks: &[Walk]) -> Self {
        Self { dims: merged(dims(extents, walks)), place: Place::new(walks), parallel: true }
    }

    /// The same without loops that threads divide, for use within one.
    pub(crate) fn serial(self) -> Self {
        Self { parallel: false, ..self }
    }

    /// Runs `body` at every place, element by element, with the addresses of all tensors.
    pub(crate) fn each(&self, e: &mut Emitter<'_>, body: impl Fn(&mut Emitter<'_>, &[Address])) {
        repeat(e, &self.dims, self.parallel, &self.place, &|e, place| {
            let addresses: Vec<Address> = (0..place.at.len()).map(|walk| place.address(walk)).collect();
            body(e, &addresses);
        });
    }

    /// Writes `activation(body(…))` of the elements of all other tensors to the result.
    pub(crate) fn map(
        &self,
        e: &mut Emitter<'_>,
        activation: Activation,
        body: impl Fn(&mut Emitter<'_>, &[Reg]) -> Reg,
    ) {
        let operands = self.place.params.len();
        let element = |e: &mut Emitter<'_>, lanes: usize, place: &Place, strides: &[i64]| {
            let elements = Elements { lanes, place, strides };
            let values: Vec<Reg> = (1..operands).map(|walk| elements.load(e, walk)).collect();
            let value = body(e, &values);
            e.code.store(place.address(0), value);
        };
        let Some((inner, outer)) = self.dims.split_last() else {
            return e.divide(1, self.parallel, |e, _| {
                element(e, 1, &self.place, &vec![0; operands]);
                e.activate(self.place.address(0), 1, activation);
            });
        };
        let lanes = if inner.contiguous() { LANES } else { 1 };
        let line = |e: &mut Emitter<'_>, parallel: bool, place: &Place| {
            strip(e, inner, lanes, parallel, place, &|e, lanes, place| element(e, lanes, place, &inner.strides));
        };
        // The activation runs over rows as a whole, which the threads then do not divide.
        let alone = outer.is_empty() && activation == Activation::Identity;
        if alone {
            return line(e, self.parallel, &self.place);
        }
        repeat(e, outer, self.parallel, &self.place, &|e, place| {
            line(e, false, place);
            e.activate(place.address(0), inner.extent, activation);
        });
    }

    /// Writes `value` to the result.
    pub(crate) fn fill(&self, e: &mut Emitter<'_>, value: f32) {
        let line = |e: &mut Emitter<'_>, lanes: usize, place: &Place| {
            let value = e.code.constant(lanes as u32, value);
            e.code.store(place.address(0), value);
        };
        match self.dims.split_last() {
            None => e.once(|e| line(e, 1, &self.place)),
            Some((inner, outer)) => {
                let lanes = if inner.contiguous() { LANES } else { 1 };
                let alone = outer.is_empty();
                let strip = |e: &mut Emitter<'_>, place: &Place| strip(e, inner, lanes, alone, place, &line);
                if alone { strip(e, &self.place) } else { repeat(e, outer, true, &self.place, &strip) }
            }
        }
    }

    /// Copies the elements of tensor 1 to the result.
    pub(crate) fn copy(&self, e: &mut Emitter<'_>) {
        let (len, outer) = match self.dims.split_last() {
            Some((inner, outer)) if inner.extent >= RUN && inner.strides == [1, 1] => (inner.extent, outer),
            _ => return self.map(e, Activation::Identity, |_, values| values[0]),
        };
        // The next dimension are the rows of one call, if others are left to divide.
        let (rows, outer) = match outer.split_last() {
            Some((rows, outer)) if !outer.is_empty() && rows.strides.iter().all(|&stride| stride >= 0) => {
                ([rows.extent as i64, rows.strides[0], rows.strides[1]], outer)
            }
            _ => ([1, len as i64, len as i64], outer),
        };
        let [rows, dst_pitch, src_pitch] = rows.map(|extent| extent as u32);
        let copy = Params::Copy(Copy { rows, len: len as u32, dst_pitch, src_pitch });
        repeat(e, outer, self.parallel, &self.place, &|e, place| {
            e.call(copy, vec![place.address(0), place.address(1)])
        });
    }
}

/// Elements that depend on a whole line of tensor 1: the dimensions of the space are kept, or the line goes along them.
/// Tensor 0 is the result. Lines that lie side by side in memory are computed as vectors, each in a lane.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    /// The dimension along which lines lie side by side.
    across: Option<Dim>,
    kept: Vec<Dim>,
    line: Vec<Dim>,
    place: Place,
}

impl Lines {
    /// The lines along the dimensions for which `along` holds.
    pub(crate) fn new(extents: &[usize], walks: &[Walk], along: impl Fn(usize) -> bool) -> Self {
        let (line, kept): (Vec<_>, Vec<_>) =
            dims(extents, walks).into_iter().enumerate().partition(|&(dim, _)| along(dim));
        let [line, mut kept] = [line, kept].map(|dims| merged(dims.into_iter().map(|(_, dim)| dim)));
        let beside = kept.iter().position(|dim| dim.contiguous() && dim.strides[1] == 1);
        let across = beside.map(|dim| kept.remove(dim));
        Self { across, kept, line, place: Place::new(walks) }
    }

    /// Runs `body` for every line, or every vector of lines.
    pub(crate) fn each(&self, e: &mut Emitter<'_>, body: impl Fn(&mut Emitter<'_>, &Line<'_>)) {
        let line = |e: &mut Emitter<'_>, lanes: usize, place: &Place| {
            let still = vec![0; place.params.len()];
            let strides = self.across.as_ref().map_or(&still, |across| &across.strides);
            body(e, &Line { lines: self, lanes, place, strides });
        };
        match &self.across {
            None => repeat(e, &self.kept, true, &self.place, &|e, place| line(e, 1, place)),
            Some(across) => {
                let alone = self.kept.is_empty();
                let strip = |e: &mut Emitter<'_>, place: &Place| strip(e, across, LANES, alone, place, &line);
                if alone { strip(e, &self.place) } else { repeat(e, &self.kept, true, &self.place, &strip) }
            }
        }
    }
}

/// One line, or in each lane one.
pub(crate) struct Line<'a> {
    lines: &'a Lines,
    lanes: usize,
    place: &'a Place,
    /// How far tensors move from one line to the next.
    strides: &'a [i64],
}

/// What is computed of the elements at a place.
type Term<'a> = &'a dyn Fn(&mut Emitter<'_>, &Elements<'_>) -> Reg;

impl Line<'_> {
    /// `term` of all elements of the line, combined by `combine` from `initial` on: `Add`, `Mul`, `Min` or `Max`. In order
    /// where lines lie side by side; else every so many elements in order, then their results by halving, then the rest.
    pub(crate) fn fold(&self, e: &mut Emitter<'_>, initial: f32, combine: Binary, term: Term<'_>) -> Reg {
        let accumulate = |e: &mut Emitter<'_>, sum: Reg, elements: &Elements<'_>| {
            let value = term(e, elements);
            e.code.set(sum, Expr::Binary(combine, sum, value));
        };
        let (outer, inner) = match self.lines.line.split_last() {
            Some((inner, outer)) if self.lanes == 1 && inner.read_in_order() => (outer, inner),
            _ => {
                let sum = e.code.constant(self.lanes as u32, initial);
                repeat(e, &self.lines.line, false, self.place, &|e, place| {
                    accumulate(e, sum, &Elements { lanes: self.lanes, place, strides: self.strides });
                });
                return sum;
            }
        };
        let lanes = if inner.extent >= LONG { WIDE } else { LANES };
        let (vectors, remain) = (inner.extent / lanes, inner.extent % lanes);
        let mut sum = e.code.constant(1, initial);
        if vectors > 0 {
            let sums = e.code.constant(lanes as u32, initial);
            repeat(e, outer, false, self.place, &|e, place| {
                e.serial(vectors, |e, var| {
                    let place = place.moved(inner, &(var * lanes));
                    accumulate(e, sums, &Elements { lanes, place: &place, strides: &inner.strides });
                });
            });
            sum = e.code.reduce(combine, sums);
        }
        if remain > 0 {
            repeat(e, outer, false, self.place, &|e, place| {
                e.serial(remain, |e, var| {
                    let place = place.moved(inner, &(var + vectors * lanes));
                    accumulate(e, sum, &Elements { lanes: 1, place: &place, strides: &inner.strides });
                });
            });
        }
        sum
    }

    /// Writes `term` of every element of the line to the result.
    pub(crate) fn map(&self, e: &mut Emitter<'_>, term: Term<'_>) {
        let element = |e: &mut Emitter<'_>, elements: &Elements<'_>| {
            let value = term(e, elements);
            e.code.store(elements.place.address(0), value);
        };
        match self.lines.line.split_last() {
            Some((inner, outer)) if self.lanes == 1 && inner.contiguous() => {
                repeat(e, outer, false, self.place, &|e, place| {
                    strip(e, inner, LANES, false, place, &|e, lanes, place| {
                        element(e, &Elements { lanes, place, strides: &inner.strides });
                    });
                });
            }
            _ => repeat(e, &self.lines.line, false, self.place, &|e, place| {
                element(e, &Elements { lanes: self.lanes, place, strides: self.strides });
            }),
        }
    }

    /// Writes for each element the sum of all elements of the line up to it, or only of those before it.
    pub(crate) fn running_sum(&self, e: &mut Emitter<'_>, exclusive: bool) {
        let sum = e.code.constant(self.lanes as u32, 0.0);
        repeat(e, &self.lines.line, false, self.place, &|e, place| {
            let x = Elements { lanes: self.lanes, place, strides: self.strides }.load(e, 1);
            if exclusive {
                e.code.store(place.address(0), sum);
            }
            e.code.set(sum, Expr::Binary(Binary::Add, sum, x));
            if !exclusive {
                e.code.store(place.address(0), sum);
            }
        });
    }

    /// How many lines there are side by side.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes
    }

    /// The line's element of a tensor that does not move along it.
    pub(crate) fn load(&self, e: &mut Emitter<'_>, walk: usize) -> Reg {
        Elements { lanes: self.lanes, place: self.place, strides: self.strides }.load(e, walk)
    }

    /// Writes one value for the line to tensor `walk`, `offset` elements further.
    pub(crate) fn store_at(&self, e: &mut Emitter<'_>, walk: usize, offset: Affine, value: Reg) {
        let mut to = self.place.address(walk);
        to.index = to.index + offset;
        e.code.store(to, value);
    }

    /// Writes one value for the line to the result.
    pub(crate) fn store(&self, e: &mut Emitter<'_>, value: Reg) {
        e.code.store(self.place.address(0), value);
    }
}

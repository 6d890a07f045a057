//! The lowering of resizes: repetition of whole elements as loops, everything else through tables of places and weights,
//! which are prepared as weights are.

use convoke_runtime::weights::WeightOp;

use super::{Filter, Resize};
use crate::TensorType;
use crate::lir::{Address, Affine, Binary, Expr, Reg};
use crate::lower::regions::{self, Movement, Region, Step};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Site, View, Work};

pub(super) const ALGORITHMS: &[Algorithm<Resize>] = &[REPEAT_BLOCKS, REPEAT_ROWS, BLOCKS, ROWS];

impl Resize {
    /// How often each element of each dimension is repeated, where that is all there is to do.
    fn repeats(&self, from: &[usize]) -> Result<Vec<usize>, String> {
        if !matches!(self.filter, Filter::Nearest(_)) {
            return Err("elements are mixed".to_owned());
        }
        let repeats = |(dim, &extent): (usize, &usize)| {
            let times = self.shape[dim] / extent;
            let mut places = self.taps(dim, extent).into_iter().enumerate();
            let even = self.shape[dim].is_multiple_of(extent) && places.all(|(i, taps)| taps[0].0 == i / times);
            even.then_some(times).ok_or_else(|| format!("dimension {dim} does not repeat each element equally often"))
        };
        from.iter().enumerate().map(repeats).collect()
    }
}

impl Movement for Resize {
    fn regions(&self, operand: &TensorType, _: &[TensorType], _: usize) -> Vec<Region> {
        let repeats = self.repeats(&operand.shape).expect("checked when it was chosen");
        let steps = operand.shape.iter().zip(repeats).enumerate().flat_map(|(dim, (&extent, times))| {
            let along = Step { extent, to: (dim, times), from: Some((dim, 1)) };
            let repeated = Step { extent: times, to: (dim, 1), from: None };
            std::iter::once(along).chain((times > 1).then_some(repeated))
        });
        vec![Region::whole(steps.collect(), operand.rank(), operand.rank())]
    }
}

const REPEAT_BLOCKS: Algorithm<Resize> = Algorithm {
    name: "repeat_blocks",
    choose: |op, site| {
        op.repeats(&site.operands[0].shape)?;
        regions::choose_blocks(op, site)
    },
    schedule: regions::schedule,
    emit: regions::emit_blocks,
};

const REPEAT_ROWS: Algorithm<Resize> = Algorithm {
    name: "repeat_rows",
    choose: |op, site| {
        op.repeats(&site.operands[0].shape)?;
        regions::choose_rows(op, site)
    },
    schedule: regions::schedule,
    emit: regions::emit_rows,
};

/// The table of one dimension: for each element of the result places in the operand, then their weights.
struct Table {
    places: View,
    weights: View,
    taps: usize,
}

impl Table {
    /// That of dimension `dim`, whose elements are `stride` apart.
    fn new(e: &mut Emitter<'_>, op: &Resize, dim: usize, extent: usize, stride: usize) -> Self {
        let taps = op.taps(dim, extent);
        let count = taps[0].len();
        let [places, weights] = [0, 1].map(|which| -> Vec<f32> {
            let number = |&(place, weight): &(usize, f64)| if which == 0 { (place * stride) as f32 } else { weight as f32 };
            taps.iter().flatten().map(number).collect()
        });
        let mut view = |name: &str, values: Vec<f32>| {
            let len = values.len();
            let literal = WeightOp::Literal { shape: vec![len].into(), values: values.into() };
            e.prepared(&format!("{name}{dim}"), vec![literal], len)
        };
        Self { places: view("places", places), weights: view("weights", weights), taps: count }
    }

    /// The place and the weight of tap `tap` of element `index`.
    fn load(&self, e: &mut Emitter<'_>, index: &Affine, tap: usize) -> (Reg, Reg) {
        let at = index * self.taps + tap;
        (e.code.load(1, self.places.element(at.clone())), e.code.load(1, self.weights.element(at)))
    }
}

/// What a place of all dimensions is: the sum of places, the product of weights; nothing yet for the first dimension.
type Partial = Option<(Reg, Reg)>;

fn combined(e: &mut Emitter<'_>, partial: Partial, (place, weight): (Reg, Reg)) -> (Reg, Reg) {
    match partial {
        None => (place, weight),
        Some((before, factor)) => {
            (e.code.binary(Binary::Add, before, place), e.code.binary(Binary::Mul, factor, weight))
        }
    }
}

/// `Σ weight · x[place]` over the taps of all tables: `index` has an element of the result for each. Places count rows of
/// X from `from` on, `rows` of them, `stride` elements apart.
fn sample(
    e: &mut Emitter<'_>,
    lanes: usize,
    tables: &[(&Table, &Affine)],
    from: &Address,
    (rows, stride): (usize, usize),
) -> Reg {
    let mut partial: Vec<Partial> = vec![None];
    for (table, index) in tables {
        let taps: Vec<_> = (0..table.taps).map(|tap| table.load(e, index, tap)).collect();
        let mut next = Vec::new();
        for before in partial {
            next.extend(taps.iter().map(|&tap| Some(combined(e, before, tap))));
        }
        partial = next;
    }
    let sum = e.code.constant(lanes as u32, 0.0);
    for (place, weight) in partial.into_iter().flatten() {
        let value = e.code.load(lanes as u32, from.clone().row(place, rows as u32, stride as i64));
        let weight = e.code.splat(lanes as u32, weight);
        e.code.set(sum, Expr::Fma(weight, value, sum));
    }
    sum
}

fn schedule(op: &Resize, work: &Work<'_>) -> Schedule {
    let taps: usize = match op.filter {
        Filter::Nearest(_) => 1,
        Filter::Linear => 4,
        Filter::Cubic { .. } => 16,
    };
    Schedule::of_elements(taps * work.storages[0].len())
}

/// Most rows that float32 counts exactly.
const MAX_ROWS: usize = 1 << 24;

/// Images: rows and columns, blocks of channels as vectors.
const BLOCKS: Algorithm<Resize> = Algorithm {
    name: "blocks",
    choose: |op, site| {
        let from = &site.operands[0].shape;
        if from.len() != 4 || from[..2] != op.shape[..2] || op.scales[..2] != [1.0, 1.0] {
            return Err("not only rows and columns are resized".to_owned());
        }
        if from[2] * from[3] > MAX_ROWS {
            return Err(format!("{} pixels in a plane", from[2] * from[3]));
        }
        let operands = vec![Need::dense(Layout::Blocked)];
        Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
    },
    schedule,
    emit: |op, _, _, e| {
        let (source, result) = (e.operand(0), e.result(0));
        let (from, to) = (source.storage, result.storage);
        let rows = Table::new(e, op, 2, from.h, from.w);
        let columns = Table::new(e, op, 3, from.w, 1);
        e.parallel(to.n * to.blocks(), |e, plane| {
            e.serial(to.h, |e, y| {
                e.serial(to.w, |e, x| {
                    let tables = [(&rows, y), (&columns, x)];
                    let value = sample(e, to.block, &tables, &source.plane(plane), (from.h * from.w, from.block));
                    let mut at = result.plane(plane);
                    at.index = at.index + y * to.pitch() + x * to.block;
                    e.code.store(at, value);
                });
            });
        });
    },
};

/// Any dimensions, number by number.
const ROWS: Algorithm<Resize> = Algorithm {
    name: "rows",
    choose: |_, site: &Site<'_>| {
        if site.operands[0].elements() > MAX_ROWS {
            return Err(format!("{} elements", site.operands[0].elements()));
        }
        Ok(Choice { operands: vec![Need::dense(Layout::Plain)], results: vec![Layout::Plain], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let from = &work.operands[0].ty().shape;
        let (source, result) = (e.operand(0), e.result(0));
        let stride = |dim: usize| from[dim + 1..].iter().product::<usize>();
        let tables: Vec<Table> = (0..from.len()).map(|dim| Table::new(e, op, dim, from[dim], stride(dim))).collect();
        let strides = result.storage.strides(&op.shape);
        let rows = (from.iter().product(), 1);
        loops(e, &op.shape, Vec::new(), &|e, index| {
            let tables: Vec<_> = tables.iter().zip(index).collect();
            let value = if tables.is_empty() {
                e.code.load(1, source.element(0))
            } else {
                sample(e, 1, &tables, &source.element(0), rows)
            };
            let place = index.iter().zip(&strides).fold(Affine::from(0), |sum, (index, &stride)| sum + index * stride);
            e.code.store(result.element(place + result.storage.origin()), value);
        });
    },
};

/// Loops over all indices of a shape; the threads divide the first dimension of more than one.
fn loops(
    e: &mut Emitter<'_>,
    shape: &[usize],
    index: Vec<Affine>,
    body: &dyn Fn(&mut Emitter<'_>, &[Affine]),
) {
    let dim = index.len();
    if dim == shape.len() {
        return body(e, &index);
    }
    let outermost = shape[..dim].iter().all(|&extent| extent == 1);
    let parallel = outermost && (shape[dim] > 1 || dim + 1 == shape.len());
    e.divide(shape[dim], parallel, |e, var| loops(e, shape, [index, vec![var.clone()]].concat(), body));
}

//! Padding: elements around a tensor, constant or taken from it.

use convoke_runtime::Tensor;

use super::arguments::{AXES, EDGES, FLOAT, Reader};
use super::{
    Adjoint, Arguments, Attribute, Attributes, Call, CallError, Case, Construction, Derived, Operator, TypeError, check,
    moved,
};
use crate::TensorType;
use crate::lower::Algorithm;
use crate::lower::regions::{self, From, Movement, Region, Step};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// More elements at both ends of each dimension, or fewer where a number is negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Elements before the first, for each dimension.
    pub before: Vec<i64>,
    /// Elements after the last, for each dimension.
    pub after: Vec<i64>,
    /// Which elements.
    pub mode: Mode,
    /// Their value, where they are constant.
    pub value: f32,
}

/// What stands beyond a tensor of n elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A constant.
    Constant,
    /// The nearest element: a a | a b c | c c.
    Edge,
    /// The elements mirrored at the first and the last: c b | a b c | b a.
    Reflect,
    /// The elements again: b c | a b c | a b.
    Wrap,
}

const MODES: [(&str, Mode); 4] =
    [("constant", Mode::Constant), ("edge", Mode::Edge), ("reflect", Mode::Reflect), ("wrap", Mode::Wrap)];

const MODE: Reader<Mode> = Reader {
    expects: "\"constant\", \"edge\", \"reflect\" or \"wrap\"",
    read: |value| match value {
        Attribute::Text(word) => MODES.iter().find(|(name, _)| name == word).map(|&(_, mode)| mode),
        _ => None,
    },
};

impl Mode {
    /// The element of n that stands at `index`, counted from the first; none where it is constant.
    fn source(self, index: i64, n: i64) -> Option<usize> {
        let inside = match self {
            Self::Constant => return usize::try_from(index).ok().filter(|_| index < n),
            Self::Edge => index.clamp(0, n - 1),
            Self::Wrap => index.rem_euclid(n),
            Self::Reflect => {
                let period = (2 * (n - 1)).max(1);
                let place = index.rem_euclid(period);
                if place < n { place } else { period - place }
            }
        };
        Some(inside as usize)
    }
}

/// Consecutive elements of a dimension of the result, which come from places of a constant step, or from nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    to: usize,
    count: usize,
    from: Option<(usize, i64)>,
}

/// The fewest runs.
fn runs(sources: impl Iterator<Item = Option<usize>>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (to, source) in sources.enumerate() {
        if let Some(run) = runs.last_mut() {
            match (&mut run.from, source) {
                (None, None) => {
                    run.count += 1;
                    continue;
                }
                (Some((first, step)), Some(source)) => {
                    let next = source as i64 - *first as i64;
                    if run.count == 1 {
                        *step = next;
                    }
                    if next == *step * run.count as i64 {
                        run.count += 1;
                        continue;
                    }
                }
                _ => {}
            }
        }
        runs.push(Run { to, count: 1, from: source.map(|source| (source, 1)) });
    }
    runs
}

impl Pad {
    fn shape(&self, shape: &[usize]) -> Result<Vec<usize>, TypeError> {
        if [self.before.len(), self.after.len()] != [shape.len(); 2] {
            return Err(TypeError::operand(0, format!("{} dimensions (before)", self.before.len()), shape.len()));
        }
        let padded = shape.iter().zip(&self.before).zip(&self.after).map(|((&extent, &before), &after)| {
            let sum = i64::try_from(extent).ok()?.checked_add(before)?.checked_add(after)?;
            usize::try_from(sum).ok()
        });
        let padded: Option<Vec<usize>> = padded.collect();
        padded.ok_or_else(|| TypeError::whole("no more taken off than there is", format!("{:?}", [&self.before, &self.after])))
    }

    /// Where the elements of one dimension come from.
    fn sources(&self, dim: usize, extent: usize) -> impl Iterator<Item = Option<usize>> {
        let (mode, before, extent) = (self.mode, self.before[dim], extent as i64);
        (-before..extent + self.after[dim]).map(move |index| mode.source(index, extent))
    }
}

impl Operator for Pad {
    const NAME: &'static str = "pad";

    fn attributes(&self) -> Attributes {
        let (mode, _) = MODES[self.mode as usize];
        Attributes::default()
            .with("before", self.before.as_slice())
            .with("after", self.after.as_slice())
            .with("mode", mode)
            .with_unless("value", self.value, 0.0)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let (before, after) = (arguments.need("before", &AXES)?, arguments.need("after", &AXES)?);
        let mode = arguments.read("mode", &MODE)?.unwrap_or(Mode::Constant);
        Ok(Self { before, after, mode, value: arguments.read("value", &FLOAT)?.unwrap_or(0.0) })
    }

    /// Height and width, which are the last dimensions.
    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let rank = call.operands.first().map_or(0, TensorType::rank);
        let mut arguments = call.arguments(&["padding"])?;
        let [top, left, bottom, right] = arguments.need("padding", &EDGES)?.map(|edge| edge as i64);
        let mode = arguments.read("mode", &MODE)?.unwrap_or(Mode::Constant);
        let value = arguments.read("value", &FLOAT)?.unwrap_or(0.0);
        arguments.finish()?;
        if rank < 2 {
            return Err(TypeError::operand(0, "at least 2 dimensions", rank).into());
        }
        let all = |last: [i64; 2]| [vec![0; rank - 2], last.to_vec()].concat();
        Ok(Self { before: all([top, left]), after: all([bottom, right]), mode, value }.into())
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        check::result_of(operands[0].dtype, self.shape(&operands[0].shape)?)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let own = operands[0].shape();
        let shape = self.shape(own).expect("the operands have types that the operator accepts");
        vec![moved::evaluate(operands[0], &shape, |index| {
            let source = |dim: usize| self.mode.source(index[dim] as i64 - self.before[dim], own[dim] as i64);
            (0..own.len()).map(source).collect::<Option<_>>().ok_or(self.value)
        })]
    }

    /// `x̄` is ȳ without what was added, or where that was taken from x, with it added there.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        if self.mode != Mode::Constant {
            return a.give(0, |a| a.moved(self.clone()));
        }
        let [before, after] = [&self.before, &self.after].map(|list| list.iter().map(|&count| -count).collect());
        a.give(0, |a| a.op(Self { before, after, value: 0.0, ..*self }, &[y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Pad", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        type Row<'a> = (&'a [usize], &'a [i64], &'a [i64]);
        const TABLE: [Row<'_>; 5] = [
            (&[1, 17, 4, 5], &[0, 0, 1, 2], &[0, 0, 3, 1]),
            (&[2, 3, 4], &[1, 0, -1], &[0, 2, 2]),
            (&[3, 20], &[0, 4], &[0, 17]),
            (&[2, 5], &[0, -2], &[0, -1]),
            (&[1], &[2], &[1]),
        ];
        let mut cases = Vec::new();
        for (shape, before, after) in TABLE {
            for (_, mode) in MODES {
                let value = if mode == Mode::Constant { 0.5 } else { 0.0 };
                cases.push(moved::case(Self { before: before.to_vec(), after: after.to_vec(), mode, value }, shape));
            }
        }
        cases
    }
}

/// Amounts and value are attributes before opset 11, and operands since, which may be of some dimensions only.
fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let rank = node.shape(0)?.len();
    let given = node.ints_of("pads", 1)?.ok_or_else(|| Unsupported::new("its pads are missing"))?;
    let value = match node.float("value")? {
        Some(value) => value,
        None => node.constant(2)?.map_or(Ok(0.0), |value| value.number())?,
    };
    let axes = node.ints_operand(3)?.unwrap_or_else(|| (0..rank as i64).collect());
    let mode = node.text("mode")?.unwrap_or("constant");
    let Some(&(_, mode)) = MODES.iter().find(|(name, _)| *name == mode) else {
        return Err(Unsupported::new(format!("attribute `mode` is {mode:?}")));
    };
    if given.len() != 2 * axes.len() {
        return Err(Unsupported::new(format!("{} pads for {} dimensions, expected two for each", given.len(), axes.len())));
    }
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (index, &axis) in axes.iter().enumerate() {
        let axis = check::axis(axis, rank).map_err(|error| Unsupported::new(error.to_string()))?;
        (before[axis], after[axis]) = (given[index], given[index + axes.len()]);
    }
    node.unary(Pad { before, after, mode, value })
}

impl Movement for Pad {
    /// One for each way to take a run of each dimension; where one comes from nowhere, it takes all of those after it.
    fn regions(&self, operand: &TensorType, results: &[TensorType], _: usize) -> Vec<Region> {
        let whole = |dim: usize| Run { to: 0, count: results[0].shape[dim], from: Some((0, 1)) };
        let mut regions: Vec<(Vec<Run>, bool)> = vec![(Vec::new(), true)];
        for (dim, &extent) in operand.shape.iter().enumerate() {
            let runs = runs(self.sources(dim, extent));
            let extended = regions.iter().flat_map(|(taken, inside)| {
                let runs = if *inside { runs.clone() } else { vec![whole(dim)] };
                runs.into_iter().map(move |run| ([taken.as_slice(), &[run]].concat(), *inside && run.from.is_some()))
            });
            regions = extended.collect();
        }
        let region = |(runs, inside): (Vec<Run>, bool)| {
            let step = |(dim, run): (usize, &Run)| {
                let from = run.from.filter(|_| inside).map(|(_, step)| (dim, step));
                Step { extent: run.count, to: (dim, 1), from }
            };
            let from = if inside {
                From::Source(runs.iter().map(|run| run.from.map_or(0, |(first, _)| first)).collect())
            } else {
                From::Value(self.value)
            };
            let steps = runs.iter().enumerate().map(step).collect();
            Region { steps, to: runs.iter().map(|run| run.to).collect(), from }
        };
        regions.into_iter().map(region).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    fn pad(before: i64, after: i64, mode: Mode) -> Pad {
        Pad { before: vec![before], after: vec![after], mode, value: 9.0 }
    }

    #[test]
    fn shapes() {
        assert_eq!(inferred(pad(1, 2, Mode::Edge), &[&[3]]), "f32[6]");
        assert_eq!(inferred(pad(-1, -2, Mode::Edge), &[&[3]]), "expects dimensions of at least 1, gets f32[0]");
        assert_eq!(inferred(pad(-9, 0, Mode::Edge), &[&[3]]), "expects no more taken off than there is, gets [[-9], [0]]");
        assert_eq!(inferred(pad(1, 2, Mode::Edge), &[&[3, 1]]), "operand 0 expects 1 dimensions (before), gets 2");
    }

    #[test]
    fn modes() {
        let table: [(Mode, &[f32]); 4] = [
            (Mode::Constant, &[9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 9.0]),
            (Mode::Edge, &[1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0]),
            (Mode::Reflect, &[2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0]),
            (Mode::Wrap, &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]),
        ];
        for (mode, expected) in table {
            assert_eq!(evaluated(pad(3, 1, mode), &[(&[3], &[1.0, 2.0, 3.0])]), expected, "{mode:?}");
        }
    }

    #[test]
    fn runs_are_few() {
        let run = |to, count, first, step| Run { to, count, from: Some((first, step)) };
        let of = |sources: &[usize]| runs(sources.iter().map(|&source| Some(source)));
        assert_eq!(of(&[2, 1, 0, 1, 2]), [run(0, 3, 2, -1), run(3, 2, 1, 1)]);
        assert_eq!(of(&[0, 0, 0, 1, 2]), [run(0, 3, 0, 0), run(3, 2, 1, 1)]);
        assert_eq!(of(&[4]), [run(0, 1, 4, 1)]);
    }

    #[test]
    fn calls() {
        assert_eq!(
            called("pad", &[&[1, 3, 8, 8]], &[1_i64.into()], &[("mode", "reflect".into())]),
            "pad {before = [0, 0, 1, 1], after = [0, 0, 1, 1], mode = reflect}"
        );
        assert_eq!(called("pad", &[&[8]], &[1_i64.into()], &[]), "tensor 0: expects at least 2 dimensions, gets 1");
    }
}

//! The product of matrices that are both computed, as numpy's `matmul`: `y[…, m, n] = Σₖ a[…, m, k] · b[…, k, n]`, what
//! stands before the last two dimensions broadcasting. An operand of one dimension is a row of A or a column of B, and
//! the result lacks that dimension.

use convoke_runtime::Tensor;

use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, broadcast, check};
use crate::TensorType;
use crate::lir::{Affine, Binary, Expr, Reg};
use crate::lower::nest::{Lines, Walk, strips};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, View, Work};
use crate::onnx::{Item, Node, Rule, Unsupported};
use super::linear::Linear;
use super::transpose::Transpose;
use super::{Epilogue, reshape};

/// `a · b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMul;

/// The extents of a product.
struct Extents {
    batch: Vec<usize>,
    m: usize,
    k: usize,
    n: usize,
    /// Of the result.
    shape: Vec<usize>,
}

/// What stands before the matrix, and its rows and columns; a single dimension is a row, or a column if `column`.
fn split(shape: &[usize], column: bool) -> (Vec<usize>, [usize; 2]) {
    match *shape {
        [only] if column => (Vec::new(), [only, 1]),
        [only] => (Vec::new(), [1, only]),
        [ref batch @ .., rows, columns] => (batch.to_vec(), [rows, columns]),
        [] => (Vec::new(), [1, 1]),
    }
}

impl Extents {
    fn new(a: &[usize], b: &[usize]) -> Result<Self, TypeError> {
        for (operand, shape) in [a, b].into_iter().enumerate() {
            if shape.is_empty() {
                return Err(TypeError::operand(operand, "at least 1 dimension", 0));
            }
        }
        let ((a_batch, [m, k]), (b_batch, [rows, n])) = (split(a, false), split(b, true));
        if rows != k {
            return Err(TypeError::operand(1, format!("{k} rows"), rows));
        }
        let Some(batch) = broadcast::shape(&a_batch, &b_batch) else {
            let expected = format!("dimensions that broadcast with {a_batch:?} before its matrices");
            return Err(TypeError::operand(1, expected, format!("{b_batch:?}")));
        };
        let mut shape = batch.clone();
        shape.extend([m].iter().filter(|_| a.len() > 1));
        shape.extend([n].iter().filter(|_| b.len() > 1));
        Ok(Self { batch, m, k, n, shape })
    }

    /// The index space of the product: the batch, M, N, K.
    fn space(&self) -> Vec<usize> {
        [self.batch.as_slice(), &[self.m, self.n, self.k]].concat()
    }
}

impl Operator for MatMul {
    const NAME: &'static str = "matmul";

    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        let dtype = check::numbers(operands, &["a", "b"])?;
        check::result_of(dtype, Extents::new(&operands[0].shape, &operands[1].shape)?.shape)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [a, b] = [operands[0], operands[1]];
        let extents = Extents::new(a.shape(), b.shape()).expect("the operands have types that the operator accepts");
        let Extents { ref batch, m, k, n, .. } = extents;
        // The matrices of both operands, broadcast: numbered.
        let numbered = |shape: &[usize], column| {
            let (own, _) = split(shape, column);
            let numbers = (0..own.iter().product::<usize>()).map(|number| number as f32).collect();
            let numbers = Tensor::from_vec(&own, numbers).expect("as many as there are");
            broadcast::repeated(&numbers, batch).map(|number| number as usize).collect::<Vec<_>>()
        };
        let mut result = Tensor::zeros(&extents.shape);
        let pairs = numbered(a.shape(), false).into_iter().zip(numbered(b.shape(), true));
        for (y, (a_matrix, b_matrix)) in result.data_mut().chunks_mut(m * n).zip(pairs) {
            let (a, b) = (&a.data()[a_matrix * m * k..], &b.data()[b_matrix * k * n..]);
            for (flat, y) in y.iter_mut().enumerate() {
                let (row, column) = (flat / n, flat % n);
                let product = |i: usize| f64::from(a[row * k + i]) * f64::from(b[i * n + column]);
                *y = (0..k).map(product).sum::<f64>() as f32;
            }
        }
        vec![result]
    }

    fn macs(&self, operands: &[&TensorType], results: &[TensorType]) -> u64 {
        let k = operands[0].shape.last().copied().unwrap_or(1);
        (results[0].elements() as u64).saturating_mul(k as u64)
    }

    /// `ā = ȳ · bᵀ` and `b̄ = aᵀ · ȳ`, of the last two dimensions.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, operands) = (a.cotangent()?, [a.operand(0), a.operand(1)]);
        // A row, or a column, gets the dimension that it lacks.
        let matrix = |a: &Adjoint<'_, '_>, index: usize| {
            let (batch, [rows, columns]) = split(&a.shape(operands[index]), index == 1);
            [batch, vec![rows, columns]].concat()
        };
        let shapes = [matrix(a, 0), matrix(a, 1)];
        let [rows, columns] = [shapes[0][shapes[0].len() - 2], shapes[1][shapes[1].len() - 1]];
        let vectors = operands.iter().filter(|&&operand| a.shape(operand).len() == 1).count();
        let shape = a.shape(y);
        let batch = &shape[..shape.len() - (2 - vectors)];
        let y = a.reshape(y, &[batch, &[rows, columns]].concat())?;
        for index in [0, 1] {
            a.give(index, |a| {
                let other = a.reshape(operands[1 - index], &shapes[1 - index])?;
                let last = shapes[1 - index].len() - 1;
                let order = (0..last - 1).chain([last, last - 1]).collect();
                let other = a.op(Transpose { order }, &[other])?;
                let product = a.op(Self, &if index == 0 { [y, other] } else { [other, y] })?;
                let product = a.sum_to(product, &shapes[index])?;
                let own = a.shape(operands[index]);
                a.reshape(product, &own)
            })?;
        }
        Ok(())
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "MatMul", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[DOTS, TILES];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], &[usize]); 9] = [
            (&[5, 7], &[7, 21]),
            (&[9, 33], &[33, 16]),
            (&[2, 1, 4, 3], &[3, 3, 9]),
            (&[2, 3, 5, 6], &[2, 3, 6, 37]),
            (&[3, 4, 70], &[70, 2]),
            (&[6], &[6, 5]),
            (&[2, 5, 70], &[70]),
            (&[6], &[6]),
            (&[1, 1], &[1, 1]),
        ];
        TABLE.map(|(a, b)| Case::new(format!("{a:?} · {b:?}"), Self).input(a).input(b).tolerance(1e-5)).into()
    }
}

/// A product of rows and a weight is a linear layer.
fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let (a, b) = (node.operand(0)?, node.operand(1)?);
    let (rows, ty) = (node.ty(&a), node.ty(&b));
    if let (Item::Constant(_), Some((&columns, outer)), [_, results], crate::DType::F32) =
        (&b, rows.shape.split_last(), &ty.shape[..], rows.dtype)
        && !outer.is_empty()
    {
        let weight = node.apply(Transpose { order: vec![1, 0] }, &[b])?;
        let flat = reshape::to(node, a, &[outer.iter().product(), columns])?;
        let y = node.apply(Linear { bias: false, epilogue: Epilogue::default() }, &[flat, weight])?;
        return Ok(vec![reshape::to(node, y, &[outer, &[*results]].concat())?]);
    }
    Ok(vec![node.apply(MatMul, &[a, b])?])
}

fn choice() -> Choice {
    Choice { operands: vec![Need::tensor(Layout::Plain); 2], results: vec![Layout::Plain], alias: false }
}

fn schedule(op: &MatMul, work: &Work<'_>) -> Schedule {
    Schedule::of_macs(op.macs(&[work.operands[0].ty(), work.operands[1].ty()], work.results))
}

fn extents(work: &Work<'_>) -> Extents {
    let [a, b] = [0, 1].map(|index| &work.operands[index].ty().shape);
    Extents::new(a, b).expect("the graph is verified")
}

/// How a tensor moves through the batch, then by one row and by one column of its matrix.
fn strides(view: &View, shape: &[usize], batch: usize, column: bool) -> Vec<i64> {
    let own = view.storage.strides(shape);
    let (own_batch, _) = split(shape, column);
    let moving = |dim: usize| if shape[dim] > 1 { own[dim] as i64 } else { 0 };
    let front = std::iter::repeat_n(0, batch - own_batch.len()).chain((0..own_batch.len()).map(moving));
    let matrix = match own[..] {
        [.., row, column] => [row as i64, column as i64],
        [only] if column => [only as i64, 0],
        [only] => [0, only as i64],
        [] => [0, 0],
    };
    front.chain(matrix).collect()
}

/// The strides of the result, A and B through the [space](Extents::space) of the product.
fn walks(e: &mut Emitter<'_>, work: &Work<'_>, extents: &Extents) -> [Walk; 3] {
    let batch = extents.batch.len();
    let [a, b] = [0, 1].map(|index| work.operands[index].ty().shape.as_slice());
    let (result, x, y) = (e.result(0), e.operand(0), e.operand(1));
    let own = result.storage.strides(&extents.shape).into_iter().map(|stride| stride as i64).collect::<Vec<_>>();
    let (front, matrix) = own.split_at(batch);
    let matrix = match (matrix, a.len(), b.len()) {
        (&[m, n], ..) => [m, n],
        (&[n], 1, _) => [0, n],
        (&[m], ..) => [m, 0],
        _ => [0, 0],
    };
    let to = [front, &matrix, &[0]].concat();
    let [from_a, from_b] = [strides(&x, a, batch, false), strides(&y, b, batch, true)];
    let order = |own: &[i64], [m, n, k]: [i64; 3]| [&own[..batch], &[m, n, k]].concat();
    let a_walk = order(&from_a, [from_a[batch], 0, from_a[batch + 1]]);
    let b_walk = order(&from_b, [0, from_b[batch + 1], from_b[batch]]);
    [(result, to), (x, a_walk), (y, b_walk)]
        .map(|(view, strides)| Walk::new(view.param, view.storage.origin() as i64, strides))
}

/// A column: each element by itself, vectors along K.
const DOTS: Algorithm<MatMul> = Algorithm {
    name: "dots",
    choose: |_, site| {
        let extents = Extents::new(&site.operands[0].shape, &site.operands[1].shape);
        let n = extents.map_err(|error| error.to_string())?.n;
        if n > 1 { Err(format!("{n} columns")) } else { Ok(choice()) }
    },
    schedule,
    emit: |_, work, _, e| {
        let extents = extents(work);
        let (walks, space) = (walks(e, work, &extents), extents.space());
        Lines::new(&space, &walks, |dim| dim + 1 == space.len()).each(e, |e, line| {
            let sum = line.fold(e, 0.0, Binary::Add, &|e, at| {
                let (a, b) = (at.load(e, 1), at.load(e, 2));
                e.code.binary(Binary::Mul, a, b)
            });
            line.store(e, sum);
        });
    },
};

/// Rows of a tile, and vectors of its columns.
const ROWS: [usize; 2] = [4, 1];
const COLUMNS: [usize; 3] = [16, 4, 1];

/// Tiles of the result in registers, vectors along N.
const TILES: Algorithm<MatMul> = Algorithm {
    name: "tiles",
    choose: |_, _| Ok(choice()),
    schedule,
    emit: |_, work, _, e| {
        let extents = extents(work);
        let walks = walks(e, work, &extents);
        // Threads divide the outermost loop that has work for two.
        let (batch, rows) = (extents.batch.iter().any(|&extent| extent > 1), extents.m >= 2 * ROWS[0]);
        let divided = extents.batch.iter().position(|&extent| extent > 1).unwrap_or(usize::MAX);
        let place = walks.each_ref().map(Walk::origin);
        batches(e, &extents, &walks, 0, divided, place, &|e, place| {
            strips(e, extents.m, &ROWS, !batch && rows, |e, height, m| {
                strips(e, extents.n, &COLUMNS, !batch && !rows, |e, width, n| {
                    let dim = extents.batch.len();
                    let place = std::array::from_fn(|i| {
                        &place[i] + m.scaled(walks[i].stride(dim)) + n.scaled(walks[i].stride(dim + 1))
                    });
                    tile(e, &extents, &walks, [height, width], &place);
                });
            });
        });
    },
};

/// The loops over the batch.
fn batches(
    e: &mut Emitter<'_>,
    extents: &Extents,
    walks: &[Walk; 3],
    dim: usize,
    divided: usize,
    place: [Affine; 3],
    body: &dyn Fn(&mut Emitter<'_>, &[Affine; 3]),
) {
    let Some(&extent) = extents.batch.get(dim) else { return body(e, &place) };
    e.divide(extent, dim == divided, |e, var| {
        let place = std::array::from_fn(|i| &place[i] + var.scaled(walks[i].stride(dim)));
        batches(e, extents, walks, dim + 1, divided, place, body);
    });
}

fn tile(
    e: &mut Emitter<'_>,
    extents: &Extents,
    walks: &[Walk; 3],
    [height, width]: [usize; 2],
    [to, a, b]: &[Affine; 3],
) {
    let rows = extents.batch.len();
    let [across, along] = [rows + 1, rows + 2];
    let lanes = width as u32;
    debug_assert!(width == 1 || walks[2].stride(across) == 1, "columns are consecutive");
    let sums: Vec<Reg> = (0..height).map(|_| e.code.constant(lanes, 0.0)).collect();
    e.serial(extents.k, |e, k| {
        let b = e.code.load(lanes, walks[2].at(b + k.scaled(walks[2].stride(along))));
        for (row, &sum) in sums.iter().enumerate() {
            let at = a + k.scaled(walks[1].stride(along)) + Affine::from(row).scaled(walks[1].stride(rows));
            let a = e.code.load(1, walks[1].at(at));
            let a = e.code.splat(lanes, a);
            e.code.set(sum, Expr::Fma(a, b, sum));
        }
    });
    for (row, &sum) in sums.iter().enumerate() {
        e.code.store(walks[0].at(to + Affine::from(row).scaled(walks[0].stride(rows))), sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let table: [(&[usize], &[usize], &str); 7] = [
            (&[2, 3], &[3, 4], "f32[2, 4]"),
            (&[5, 1, 2, 3], &[7, 3, 4], "f32[5, 7, 2, 4]"),
            (&[3], &[3, 4], "f32[4]"),
            (&[2, 3], &[3], "f32[2]"),
            (&[3], &[3], "f32[]"),
            (&[2, 3], &[4, 5], "operand 1 expects 3 rows, gets 4"),
            (&[], &[4, 5], "operand 0 expects at least 1 dimension, gets 0"),
        ];
        for (a, b, expected) in table {
            assert_eq!(inferred(MatMul, &[a, b]), expected);
        }
    }

    #[test]
    fn multiplies() {
        let a: &[f32] = &[1.0, 2.0, 3.0, 4.0];
        assert_eq!(evaluated(MatMul, &[(&[2, 2], a), (&[2, 2], a)]), [7.0, 10.0, 15.0, 22.0]);
        assert_eq!(evaluated(MatMul, &[(&[2], &[1.0, -1.0]), (&[2, 2], a)]), [-2.0, -2.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("matmul", &[&[2, 3], &[3, 4]], &[], &[]), "matmul {}");
    }
}

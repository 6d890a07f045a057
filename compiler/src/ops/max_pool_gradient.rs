//! The gradient of maximum pooling: `dx[n, c, y, x] = Σ g[n, c, i, j]` over the windows i, j whose first largest pixel,
//! by rows, is at y, x.
//!
//! Operands: X of shape N C H W, and G of the shape N C H′ W′ of the pooling's result. The result has X's shape.
//!
//! Boureau, Ponce and LeCun, "A Theoretical Analysis of Feature Pooling in Visual Recognition", ICML 2010, section 2.

use convoke_runtime::Tensor;
use convoke_runtime::kernels::{Fill, Params};

use super::max_pool::MaxPool;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check};
use crate::TensorType;
use crate::lir::{Affine, Binary, Compare, Expr};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule};

/// The gradient of a maximum pooling by its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPoolGradient {
    /// The pooling, whose attributes it has.
    pub pool: MaxPool,
}

impl Operator for MaxPoolGradient {
    const NAME: &'static str = "max_pool_gradient";
    const POSITIONAL: &'static [&'static str] = &["kernel"];

    fn attributes(&self) -> Attributes {
        self.pool.attributes()
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { pool: MaxPool::read(arguments)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x", "g"])?;
        let pooled = self.pool.infer(&operands[..1])?;
        check::shape(operands, 1, "g", &pooled[0].shape)?;
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, shape) = (operands[0].data(), operands[0].shape());
        let (height, width) = (shape[2], shape[3]);
        let [oh, ow] = [2, 3].map(|dim| operands[1].shape()[dim]);
        let window = self.pool.window();
        let mut sums = vec![0.0_f64; x.len()];
        for (i, &g) in operands[1].data().iter().enumerate() {
            let (plane, row, column) = (i / (oh * ow), i / ow % oh, i % ow);
            let mut largest: Option<usize> = None;
            for (_, iy) in window.taps(0, row, height) {
                for (_, ix) in window.taps(1, column, width) {
                    let place = (plane * height + iy) * width + ix;
                    if largest.is_none_or(|largest| x[place] > x[largest]) {
                        largest = Some(place);
                    }
                }
            }
            sums[largest.expect("a window meets the image")] += f64::from(g);
        }
        let mut result = Tensor::zeros(shape);
        for (y, sum) in result.data_mut().iter_mut().zip(sums) {
            *y = sum as f32;
        }
        vec![result]
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for second derivatives"))
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[PLANES];

    fn cases() -> Vec<Case> {
        let case = |case: Case| {
            let pool = MaxPool::from_attributes(case.op.attributes()).expect("a case of poolings");
            let [result] = &pool.infer(&case.types()).expect("a case is well typed")[..] else { unreachable!() };
            let shape = result.shape.clone();
            Case { op: Self { pool }.into(), ..case }.input(shape).tolerance(1e-6)
        };
        MaxPool::cases().into_iter().map(case).collect()
    }
}

/// Windows along one axis that meet the same taps.
struct Run {
    first: usize,
    count: usize,
    taps: (usize, usize),
}

impl MaxPoolGradient {
    /// The windows along an axis, those that meet the same taps together.
    fn runs(&self, axis: usize, count: usize, extent: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for place in 0..count {
            let taps: Vec<usize> = self.pool.window().taps(axis, place, extent).map(|(tap, _)| tap).collect();
            let taps = (taps[0], taps.len());
            match runs.last_mut() {
                Some(run) if run.taps == taps => run.count += 1,
                _ => runs.push(Run { first: place, count: 1, taps }),
            }
        }
        runs
    }
}

/// Each plane of a block of channels, whose channels are lanes: window after window, the largest pixel is found and G
/// added where it is.
const PLANES: Algorithm<MaxPoolGradient> = Algorithm {
    name: "planes",
    choose: |_, _| {
        let operands = vec![Need::tensor(Layout::Blocked); 2];
        Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
    },
    schedule: |op, work| {
        let [kh, kw] = op.pool.kernel;
        Schedule::of_elements(work.storage(1).len().saturating_mul(kh * kw))
    },
    emit: |op, _, _, e| {
        let (x, g, result) = (e.operand(0), e.operand(1), e.result(0));
        let storage = result.storage;
        let (len, pitch) = ((storage.w * storage.block) as u32, storage.pitch() as u32);
        let zeros = Fill { rows: storage.h as u32, len, dst_pitch: pitch, value: 0.0 };
        let rows = op.runs(0, g.storage.h, storage.h);
        let columns = op.runs(1, g.storage.w, storage.w);
        e.serial(storage.n, |e, n| {
            e.parallel(storage.blocks(), |e, c| {
                e.call(Params::Fill(zeros), vec![result.at(n, c, 0, 0)]);
                for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))) {
                    e.serial(row.count, |e, i| {
                        e.serial(column.count, |e, j| {
                            let (i, j) = (i + row.first, j + column.first);
                            let pixel = |tap: &Affine, axis: usize, place: &Affine| {
                                let first = [row, column][axis].taps.0 * op.pool.dilation[axis];
                                place * op.pool.stride[axis] + tap * op.pool.dilation[axis] + first
                                    - op.pool.padding[axis]
                            };
                            let each = |e: &mut Emitter<'_>, body: &dyn Fn(&mut Emitter<'_>, Affine, Affine)| {
                                e.serial(row.taps.1, |e, u| {
                                    e.serial(column.taps.1, |e, v| body(e, pixel(u, 0, &i), pixel(v, 1, &j)));
                                });
                            };
                            let lanes = storage.block as u32;
                            let largest = e.code.constant(lanes, f32::NEG_INFINITY);
                            each(e, &|e, y, z| {
                                let pixel = e.code.load(lanes, x.at(n, c, y, z));
                                e.code.set(largest, Expr::Binary(Binary::Max, pixel, largest));
                            });
                            // What is left of G goes to the first pixel that is as large.
                            let left = e.code.load(lanes, g.at(n, c, &i, &j));
                            each(e, &|e, y, z| {
                                let zero = e.code.constant(lanes, 0.0);
                                let pixel = e.code.load(lanes, x.at(n, c, &y, &z));
                                let share = e.code.select(Compare::Eq, pixel, largest, left, zero);
                                let sum = e.code.load(lanes, result.at(n, c, &y, &z));
                                let sum = e.code.binary(Binary::Add, sum, share);
                                e.code.store(result.at(n, c, y, z), sum);
                                let rest = e.code.select(Compare::Eq, pixel, largest, zero, left);
                                e.code.set(left, Expr::Copy(rest));
                            });
                        });
                    });
                }
            });
        });
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{evaluated, inferred};

    fn op() -> MaxPoolGradient {
        let ([kernel, dilation], stride) = ([[2, 2], [1, 1]], [1, 1]);
        MaxPoolGradient { pool: MaxPool { kernel, stride, padding: [0; 4], dilation, ceil_mode: false } }
    }

    #[test]
    fn shapes() {
        assert_eq!(inferred(op(), &[&[1, 3, 4, 4], &[1, 3, 3, 3]]), "f32[1, 3, 4, 4]");
        assert_eq!(
            inferred(op(), &[&[1, 3, 4, 4], &[1, 3, 4, 3]]),
            "operand 1 expects g of shape [1, 3, 3, 3], gets [1, 3, 4, 3]"
        );
    }

    /// Of equal pixels the first takes all.
    #[test]
    fn goes_where_the_maximum_was() {
        let x: &[f32] = &[1.0, 5.0, 5.0, 2.0, 3.0, 4.0];
        let found = evaluated(op(), &[(&[1, 1, 2, 3], x), (&[1, 1, 1, 2], &[10.0, 100.0])]);
        assert_eq!(found, [0.0, 110.0, 0.0, 0.0, 0.0, 0.0]);
    }
}

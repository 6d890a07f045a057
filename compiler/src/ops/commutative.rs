//! What the elementwise operators of two operands share: A and B of shapes that broadcast, one result.

use std::sync::Arc;

use convoke_runtime::weights::WeightOp;
use convoke_runtime::{Activation, Tensor};

use super::epilogue::each_activation;
use super::{Case, Epilogue, Op, TypeError, broadcast, check};
use crate::TensorType;
use crate::graph::WeightExpr;

pub(super) fn infer(operands: &[&TensorType], epilogue: Epilogue) -> Result<Vec<TensorType>, TypeError> {
    let dtype = check::numbers(operands, &["a", "b"])?;
    if epilogue.residual {
        return Err(TypeError::whole("an epilogue without residual", "one"));
    }
    let [a, b] = [&operands[0].shape, &operands[1].shape];
    match broadcast::shape(a, b) {
        Some(shape) => check::result_of(dtype, shape),
        None => Err(TypeError::operand(1, format!("a shape that broadcasts with {a:?}"), format!("{b:?}"))),
    }
}

pub(super) fn evaluate(operands: &[&Tensor], epilogue: Epilogue, op: impl Fn(f64, f64) -> f64) -> Vec<Tensor> {
    let [a, b] = [operands[0], operands[1]];
    let shape = broadcast::shape(a.shape(), b.shape()).expect("the operands have types that the operator accepts");
    let mut result = Tensor::zeros(&shape);
    let pairs = broadcast::repeated(a, &shape).zip(broadcast::repeated(b, &shape));
    for (y, (a, b)) in result.data_mut().iter_mut().zip(pairs) {
        *y = epilogue.finish(op(a.into(), b.into()));
    }
    vec![result]
}

pub(super) fn to_weight(op: WeightOp, epilogue: Epilogue, operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
    if epilogue.is_none() { WeightExpr::apply(op, operands.to_vec()).ok() } else { None }
}

pub(super) fn cases<T: Into<Op>>(make: fn(Epilogue) -> T) -> Vec<Case> {
    const INPUTS: [(&[usize], &[usize]); 16] = [
        (&[1, 3, 5, 7], &[1, 3, 5, 7]),
        (&[2, 16, 6, 6], &[2, 16, 6, 6]),
        (&[1, 17, 3, 14], &[1, 17, 3, 14]),
        (&[1, 33], &[1, 33]),
        (&[7], &[7]),
        (&[1, 8, 7, 7], &[1, 8, 1, 1]),
        (&[2, 19, 5, 5], &[2, 19, 1, 1]),
        (&[2, 32, 3, 3], &[1, 32, 1, 1]),
        (&[1, 8, 1, 1], &[1, 8, 7, 7]),
        (&[1, 16, 5, 5], &[1, 1, 5, 5]),
        (&[1, 15, 4, 4], &[16, 1, 4, 1]),
        (&[2, 5, 3, 1], &[1, 5, 1, 4]),
        (&[1, 20, 4, 4], &[4]),
        (&[1, 6, 4, 4], &[]),
        (&[], &[3, 4]),
        (&[], &[]),
    ];
    const WEIGHTS: [(&[usize], &[usize]); 7] = [
        (&[1, 24, 5, 5], &[]),
        (&[1, 24, 5, 5], &[1]),
        (&[1, 24, 5, 5], &[24, 1, 1]),
        (&[2, 5, 6, 6], &[5, 1, 1]),
        (&[1, 16, 3, 14], &[1, 16, 3, 14]),
        (&[3, 31], &[31]),
        (&[2, 4, 9], &[4, 1]),
    ];
    let mut cases = Vec::new();
    for (a, b) in INPUTS {
        cases.push(Case::new(format!("{a:?} and {b:?}"), make(Epilogue::default())).input(a).input(b));
    }
    for (a, b) in WEIGHTS {
        cases.push(Case::new(format!("{a:?} and weight {b:?}"), make(Epilogue::default())).input(a).weight(b));
        cases.push(Case::new(format!("weight {b:?} and {a:?}"), make(Epilogue::default())).weight(b).input(a));
    }
    for (name, activation) in each_activation() {
        if activation != Activation::Identity {
            let op = make(Epilogue::activation(activation));
            let case = Case::new(format!("then {name}"), op);
            cases.push(case.input([1, 17, 5, 3]).within(-4.0, 4.0).input([1, 17, 5, 3]).within(-3.0, 3.0));
        }
    }
    cases
}

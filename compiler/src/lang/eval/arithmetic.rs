//! Operators between constants. Whole numbers stay whole, and one that leaves 64 bits is an error; a float on either
//! side makes the result a float.

use super::value::Value;
use crate::lang::ast::{BinaryOp, UnaryOp};

/// `-a` or `!a`.
///
/// # Errors
/// What is wrong, for the operator's token.
pub(super) fn unary<'m>(op: UnaryOp, operand: &Value<'m>) -> Result<Value<'m>, String> {
    match (op, operand) {
        (UnaryOp::Negate, Value::Int(value)) => {
            value.checked_neg().map(Value::Int).ok_or_else(|| format!("-({value}) does not fit into 64 bits"))
        }
        (UnaryOp::Negate, Value::Float(value)) => Ok(Value::Float(-value)),
        (UnaryOp::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
        (UnaryOp::Negate, other) => Err(format!("`-` takes a number, found {other}")),
        (UnaryOp::Not, other) => Err(format!("`!` takes `true` or `false`, found {other}")),
    }
}

/// `a op b`, for every operator but `&&` and `||`.
///
/// # Errors
/// What is wrong, for the operator's token.
pub(super) fn binary<'m>(op: BinaryOp, left: &Value<'m>, right: &Value<'m>) -> Result<Value<'m>, String> {
    match op {
        BinaryOp::Equal => return equal(left, right).map(Value::Bool).ok_or_else(|| mismatch(op, left, right)),
        BinaryOp::NotEqual => {
            return equal(left, right).map(|same| Value::Bool(!same)).ok_or_else(|| mismatch(op, left, right));
        }
        _ => {}
    }
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(op, *a, *b),
        (Value::Int(a), Value::Float(b)) => float(op, *a as f64, *b),
        (Value::Float(a), Value::Int(b)) => float(op, *a, *b as f64),
        (Value::Float(a), Value::Float(b)) => float(op, *a, *b),
        (Value::List(a), Value::List(b)) if op == BinaryOp::Add => Ok(Value::list(a.iter().chain(b.iter()).cloned())),
        _ => Err(mismatch(op, left, right)),
    }
}

/// Whether two values are equal; `None` where they are of kinds that have nothing in common.
pub(super) fn equal(left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    Some(match (left, right) {
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(a, b) == Some(true))
        }
        (Value::Tensor(a), Value::Tensor(b)) => a == b,
        (Value::Block(a), Value::Block(b)) | (Value::Function(a), Value::Function(b)) => {
            std::ptr::eq(a.routine, b.routine)
        }
        (Value::Operator(a), Value::Operator(b)) | (Value::Builtin(a), Value::Builtin(b)) => a == b,
        (Value::Block(_) | Value::Operator(_), Value::Block(_) | Value::Operator(_)) => false,
        _ => return None,
    })
}

fn mismatch(op: BinaryOp, left: &Value<'_>, right: &Value<'_>) -> String {
    format!("`{}` does not go between {left} and {right}", op.symbol())
}

fn int<'m>(op: BinaryOp, a: i64, b: i64) -> Result<Value<'m>, String> {
    let shift = || u32::try_from(b).ok().filter(|bits| *bits < 64);
    let value = match op {
        BinaryOp::Less => return Ok(Value::Bool(a < b)),
        BinaryOp::LessEqual => return Ok(Value::Bool(a <= b)),
        BinaryOp::Greater => return Ok(Value::Bool(a > b)),
        BinaryOp::GreaterEqual => return Ok(Value::Bool(a >= b)),
        BinaryOp::Divide | BinaryOp::Remainder if b == 0 => {
            return Err(format!("{a} {} 0 divides by zero", op.symbol()));
        }
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::Divide => a.checked_div(b),
        BinaryOp::Remainder => a.checked_rem(b),
        BinaryOp::ShiftLeft => {
            shift().and_then(|bits| a.checked_mul(1_i64.checked_shl(bits).filter(|power| *power > 0)?))
        }
        BinaryOp::ShiftRight => shift().map(|bits| a >> bits),
        BinaryOp::Equal | BinaryOp::NotEqual | BinaryOp::And | BinaryOp::Or => {
            return Err(mismatch(op, &Value::Int(a), &Value::Int(b)));
        }
    };
    value.map(Value::Int).ok_or_else(|| format!("{a} {} {b} does not fit into 64 bits", op.symbol()))
}

fn float<'m>(op: BinaryOp, a: f64, b: f64) -> Result<Value<'m>, String> {
    Ok(match op {
        BinaryOp::Less => Value::Bool(a < b),
        BinaryOp::LessEqual => Value::Bool(a <= b),
        BinaryOp::Greater => Value::Bool(a > b),
        BinaryOp::GreaterEqual => Value::Bool(a >= b),
        BinaryOp::Add => Value::Float(a + b),
        BinaryOp::Subtract => Value::Float(a - b),
        BinaryOp::Multiply => Value::Float(a * b),
        BinaryOp::Divide => Value::Float(a / b),
        BinaryOp::Remainder => Value::Float(a % b),
        BinaryOp::ShiftLeft
        | BinaryOp::ShiftRight
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::And
        | BinaryOp::Or => return Err(mismatch(op, &Value::Float(a), &Value::Float(b))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_checked() {
        let table = [
            (BinaryOp::Add, i64::MAX, 1),
            (BinaryOp::Subtract, i64::MIN, 1),
            (BinaryOp::Multiply, 1 << 62, 2),
            (BinaryOp::Divide, i64::MIN, -1),
            (BinaryOp::Divide, 1, 0),
            (BinaryOp::Remainder, i64::MIN, -1),
            (BinaryOp::Remainder, 1, 0),
            (BinaryOp::ShiftLeft, 1, 63),
            (BinaryOp::ShiftLeft, 1, 64),
            (BinaryOp::ShiftLeft, 3, 62),
            (BinaryOp::ShiftLeft, 1, -1),
            (BinaryOp::ShiftRight, 1, 64),
        ];
        for (op, a, b) in table {
            let error = int(op, a, b).expect_err(op.symbol());
            assert!(error.contains("64 bits") || error.contains("divides by zero"), "{error}");
        }
        assert!(unary(UnaryOp::Negate, &Value::Int(i64::MIN)).is_err());
    }
}

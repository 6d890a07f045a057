//! Weight expressions as text: `mul(param("conv1.weight": f32[6, 1, 5, 5]), literal([1], 0.5))`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use convoke_runtime::weights::WeightOp;

use super::cursor::{Cursor, MAX_DEPTH};
use super::print::Commas;
use super::{DType, ParseError, TensorType, WeightExpr};

/// Prints an expression.
pub(super) struct Expression<'a>(pub(super) &'a WeightExpr);

impl fmt::Display for Expression<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            WeightExpr::Parameter { name, ty } => write!(f, "param({name:?}: {ty})"),
            WeightExpr::Literal { ty, values } => {
                f.write_str("literal(")?;
                match ty.dtype {
                    DType::F32 => write!(f, "{:?}, ", ty.shape)?,
                    DType::I64 | DType::Bool => write!(f, "{ty}, ")?,
                }
                match &**values {
                    [value] => write!(f, "{value:?})"),
                    values => write!(f, "{values:?})"),
                }
            }
            WeightExpr::Apply { op, operands, .. } => {
                let operands = Commas(operands.iter().map(|operand| Expression(operand)));
                match op {
                    WeightOp::Parameter(index) => write!(f, "parameter({operands}, {index})"),
                    WeightOp::Literal { shape, .. } => write!(f, "literal({operands}, {shape:?})"),
                    WeightOp::Add => write!(f, "add({operands})"),
                    WeightOp::Sub => write!(f, "sub({operands})"),
                    WeightOp::Mul => write!(f, "mul({operands})"),
                    WeightOp::Div => write!(f, "div({operands})"),
                    WeightOp::Rsqrt { epsilon } => write!(f, "rsqrt({operands}, {epsilon:?})"),
                    WeightOp::Reshape(shape) => write!(f, "reshape({operands}, {shape:?})"),
                    WeightOp::Transpose(order) => write!(f, "transpose({operands}, {order:?})"),
                    WeightOp::View { start, strides, shape } => {
                        write!(f, "view({operands}, {start}, {strides:?}, {shape:?})")
                    }
                    WeightOp::Phases { stride, first, taps } => {
                        write!(f, "phases({operands}, {stride:?}, {first:?}, {taps:?})")
                    }
                    WeightOp::BlockDiagonal { outputs, groups } => {
                        write!(f, "block_diagonal({operands}, {outputs}, {groups})")
                    }
                    WeightOp::PackConv { block, nr, inner } => {
                        write!(f, "pack_conv({operands}, {block}, {nr}, {inner})")
                    }
                    WeightOp::PackWinograd { m, block, nr, inner } => {
                        write!(f, "pack_winograd({operands}, {m}, {block}, {nr}, {inner})")
                    }
                    WeightOp::PackDepthwise { block } => write!(f, "pack_depthwise({operands}, {block})"),
                    WeightOp::PackVector { block } => write!(f, "pack_vector({operands}, {block})"),
                }
            }
        }
    }
}

impl fmt::Display for WeightExpr {
    /// As in a graph's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Expression(self).fmt(f)
    }
}

/// Reads an expression.
pub(super) fn expression(cursor: &mut Cursor<'_>) -> Result<WeightExpr, ParseError> {
    expression_at(cursor, 0)
}

fn expression_at(cursor: &mut Cursor<'_>, depth: usize) -> Result<WeightExpr, ParseError> {
    if depth > MAX_DEPTH {
        return Err(cursor.fail("expressions that nest less deeply"));
    }
    let start = cursor.clone();
    let name = cursor.word("an expression over parameters")?;
    cursor.expect("(")?;
    let result = match name {
        "param" => {
            let name = cursor.string()?;
            cursor.expect(":")?;
            WeightExpr::parameter(name, cursor.tensor_type()?)
        }
        "literal" => {
            let ty = if cursor.next_is('[') {
                TensorType::f32(cursor.list(Cursor::integer)?)
            } else {
                cursor.tensor_type()?
            };
            cursor.expect(",")?;
            let values = if cursor.next_is('[') { cursor.list(Cursor::float)? } else { vec![cursor.float()?] };
            WeightExpr::constant(ty, values)
        }
        _ => {
            let (op, operands) = operation(name, &start, cursor, depth + 1)?;
            let at_start = |error| ParseError::Weight { line: start.line(), column: start.column(), error };
            WeightExpr::apply(op, operands).map_err(at_start)?
        }
    };
    cursor.expect(")")?;
    Ok(result)
}

type Operation = (WeightOp, Vec<Arc<WeightExpr>>);

/// Operands and constants of the operation called `name`, up to the closing parenthesis.
fn operation(name: &str, start: &Cursor<'_>, cursor: &mut Cursor<'_>, depth: usize) -> Result<Operation, ParseError> {
    let operand = |cursor: &mut Cursor<'_>| expression_at(cursor, depth).map(Arc::new);
    let two = |cursor: &mut Cursor<'_>| {
        let first = operand(cursor)?;
        cursor.expect(",")?;
        Ok(vec![first, operand(cursor)?])
    };
    let one = |cursor: &mut Cursor<'_>| {
        let only = operand(cursor)?;
        cursor.expect(",")?;
        Ok(vec![only])
    };
    let next = |cursor: &mut Cursor<'_>| {
        cursor.expect(",")?;
        cursor.integer()
    };
    let pair = |cursor: &mut Cursor<'_>| {
        let start = cursor.clone();
        cursor.list(Cursor::integer)?.try_into().map_err(|_| start.fail("two whole numbers"))
    };
    Ok(match name {
        "add" => (WeightOp::Add, two(cursor)?),
        "sub" => (WeightOp::Sub, two(cursor)?),
        "mul" => (WeightOp::Mul, two(cursor)?),
        "div" => (WeightOp::Div, two(cursor)?),
        "rsqrt" => {
            let operands = one(cursor)?;
            (WeightOp::Rsqrt { epsilon: cursor.float()? }, operands)
        }
        "reshape" => {
            let operands = one(cursor)?;
            (WeightOp::Reshape(Cow::Owned(cursor.list(Cursor::integer)?)), operands)
        }
        "transpose" => {
            let operands = one(cursor)?;
            (WeightOp::Transpose(Cow::Owned(cursor.list(Cursor::integer)?)), operands)
        }
        "view" => {
            let operands = one(cursor)?;
            let start = cursor.integer()?;
            let mut sizes = || {
                cursor.expect(",")?;
                cursor.list(Cursor::integer).map(Cow::Owned)
            };
            (WeightOp::View { start, strides: sizes()?, shape: sizes()? }, operands)
        }
        "phases" => {
            let operands = one(cursor)?;
            let stride = pair(cursor)?;
            cursor.expect(",")?;
            let first = pair(cursor)?;
            cursor.expect(",")?;
            (WeightOp::Phases { stride, first, taps: pair(cursor)? }, operands)
        }
        "block_diagonal" => {
            let operands = one(cursor)?;
            (WeightOp::BlockDiagonal { outputs: cursor.integer()?, groups: next(cursor)? }, operands)
        }
        "pack_conv" => {
            let operands = one(cursor)?;
            (WeightOp::PackConv { block: cursor.integer()?, nr: next(cursor)?, inner: next(cursor)? }, operands)
        }
        "pack_winograd" => {
            let operands = one(cursor)?;
            let (m, block) = (cursor.integer()?, next(cursor)?);
            (WeightOp::PackWinograd { m, block, nr: next(cursor)?, inner: next(cursor)? }, operands)
        }
        "pack_depthwise" => {
            let operands = one(cursor)?;
            (WeightOp::PackDepthwise { block: cursor.integer()? }, operands)
        }
        "pack_vector" => {
            let operands = one(cursor)?;
            (WeightOp::PackVector { block: cursor.integer()? }, operands)
        }
        _ => return Err(start.fail("an operation on weights")),
    })
}

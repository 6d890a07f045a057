//! The arithmetic of the LIR on pieces of registers: vectors of four lanes, or single lanes.
//!
//! Each function accepts both. Without FMA or SSE 4.1, Cranelift calls a library for what the machine lacks; see
//! [`exec`](super::exec).

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, F32X4, I32, I32X4, I64};
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;

use crate::lir::{Binary, Compare, Unary};

/// Lanes of a vector.
const WIDTH: u32 = 4;

/// A part of a register.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    /// `F32X4` or `F32`.
    pub(super) ty: Type,
    /// Its first lane.
    pub(super) lane: u32,
}

/// The pieces of a register of `lanes` lanes: vectors, then single lanes.
pub(super) fn pieces(lanes: u32) -> impl Iterator<Item = Piece> {
    let vectors = (0..lanes / WIDTH).map(|i| Piece { ty: F32X4, lane: i * WIDTH });
    let rest = (lanes - lanes % WIDTH..lanes).map(|lane| Piece { ty: F32, lane });
    vectors.chain(rest)
}

/// `value` in every lane.
pub(super) fn constant(to: &mut FunctionBuilder<'_>, ty: Type, value: f32) -> Value {
    if ty == F32 { to.ins().f32const(value) } else { repeated(to, ty, value.to_bits()) }
}

/// A single lane in every lane.
pub(super) fn splat(to: &mut FunctionBuilder<'_>, ty: Type, value: Value) -> Value {
    if ty == F32 { value } else { to.ins().splat(ty, value) }
}

/// An operation of one operand.
pub(super) fn unary(to: &mut FunctionBuilder<'_>, op: Unary, x: Value) -> Value {
    match op {
        Unary::Neg => to.ins().fneg(x),
        Unary::Abs => to.ins().fabs(x),
        Unary::Sqrt => to.ins().sqrt(x),
        Unary::Floor => to.ins().floor(x),
        Unary::Ceil => to.ins().ceil(x),
        Unary::Trunc => to.ins().trunc(x),
        Unary::Nearest => to.ins().nearest(x),
        Unary::Exp2Int => exp2_int(to, x),
    }
}

/// An operation of two operands.
pub(super) fn binary(to: &mut FunctionBuilder<'_>, op: Binary, a: Value, b: Value) -> Value {
    match op {
        Binary::Add => to.ins().fadd(a, b),
        Binary::Sub => to.ins().fsub(a, b),
        Binary::Mul => to.ins().fmul(a, b),
        Binary::Div => to.ins().fdiv(a, b),
        // On x86 each of these is one instruction; `fmin` and `fmax` mean something else.
        Binary::Min => choose(to, FloatCC::LessThan, [a, b], a, b),
        Binary::Max => choose(to, FloatCC::LessThan, [b, a], a, b),
    }
}

/// `if a ⋄ b { then } else { otherwise }`.
pub(super) fn select(
    to: &mut FunctionBuilder<'_>,
    compare: Compare,
    operands: [Value; 2],
    then: Value,
    otherwise: Value,
) -> Value {
    let condition = match compare {
        Compare::Eq => FloatCC::Equal,
        Compare::Ne => FloatCC::NotEqual,
        Compare::Lt => FloatCC::LessThan,
        Compare::Le => FloatCC::LessThanOrEqual,
    };
    choose(to, condition, operands, then, otherwise)
}

/// `stride · index`, the index rounded toward zero and clamped to `0 ..= count − 1`; NaN counts as 0.
pub(super) fn row(to: &mut FunctionBuilder<'_>, index: Value, count: u32, stride: i64) -> Value {
    let index = to.ins().fcvt_to_sint_sat(I64, index);
    let [first, last] = [0, i64::from(count) - 1].map(|bound| to.ins().iconst(I64, bound));
    let index = to.ins().smax(index, first);
    let index = to.ins().smin(index, last);
    to.ins().imul_imm_s(index, stride)
}

/// All lanes of the register with these pieces to one, by halving.
pub(super) fn reduce(to: &mut FunctionBuilder<'_>, op: Binary, mut lanes: Vec<Value>) -> Value {
    loop {
        if let [last] = lanes[..] {
            if to.func.dfg.value_type(last) == F32 {
                return last;
            }
            lanes = (0..WIDTH as u8).map(|lane| to.ins().extractlane(last, lane)).collect();
        }
        let upper = lanes.split_off(lanes.len() / 2);
        lanes = lanes.into_iter().zip(upper).map(|(a, b)| binary(to, op, a, b)).collect();
    }
}

fn choose(
    to: &mut FunctionBuilder<'_>,
    condition: FloatCC,
    [a, b]: [Value; 2],
    then: Value,
    otherwise: Value,
) -> Value {
    let mask = to.ins().fcmp(condition, a, b);
    let ty = to.func.dfg.value_type(then);
    if ty == F32 {
        return to.ins().select(mask, then, otherwise);
    }
    let mask = bitcast(to, ty, mask);
    to.ins().bitselect(mask, then, otherwise)
}

/// `2^x`. After adding 1.5 · 2²³, a whole number stands in the lowest bits; moved up by 23, it is the exponent.
fn exp2_int(to: &mut FunctionBuilder<'_>, x: Value) -> Value {
    let float = to.func.dfg.value_type(x);
    let int = if float == F32 { I32 } else { I32X4 };
    let [low, high, shift] = [-126.0, 127.0, 12_582_912.0].map(|value| constant(to, float, value));
    let x = binary(to, Binary::Max, x, low);
    let x = binary(to, Binary::Min, x, high);
    let x = to.ins().fadd(x, shift);
    let x = bitcast(to, int, x);
    let bits = to.ins().iconst(I32, 23);
    let exponent = to.ins().ishl(x, bits);
    let one = if int == I32 {
        to.ins().iconst(I32, i64::from(1.0_f32.to_bits()))
    } else {
        repeated(to, int, 1.0_f32.to_bits())
    };
    let result = to.ins().iadd(exponent, one);
    bitcast(to, float, result)
}

fn repeated(to: &mut FunctionBuilder<'_>, ty: Type, bits: u32) -> Value {
    let data: Vec<u8> = bits.to_le_bytes().repeat(WIDTH as usize);
    let constant = to.func.dfg.constants.insert(ConstantData::from(data));
    to.ins().vconst(ty, constant)
}

fn bitcast(to: &mut FunctionBuilder<'_>, ty: Type, value: Value) -> Value {
    to.ins().bitcast(ty, MemFlagsData::new().with_endianness(Endianness::Little), value)
}

//! Checks that shape rules share.

use super::TypeError;
use crate::{DType, TensorType};

/// The operands are as many as they are named, of float32, and neither empty nor beyond all memory.
pub(super) fn operands(found: &[&TensorType], names: &[&str]) -> Result<(), TypeError> {
    any_operands(found, names)?;
    (0..found.len()).try_for_each(|operand| dtype(found, operand, &[DType::F32]))
}

/// The operands are as many as they are named, and neither empty nor beyond all memory.
pub(super) fn any_operands(found: &[&TensorType], names: &[&str]) -> Result<(), TypeError> {
    if found.len() != names.len() {
        let expected = match names.len() {
            1 => "1 operand".to_owned(),
            count => format!("{count} operands ({})", names.join(", ")),
        };
        return Err(TypeError::whole(expected, found.len()));
    }
    found.iter().enumerate().try_for_each(|(i, ty)| tensor(ty).map_err(|error| TypeError { operand: Some(i), ..error }))
}

/// The elements of an operand are of one of these types.
pub(super) fn dtype(operands: &[&TensorType], operand: usize, expected: &[DType]) -> Result<(), TypeError> {
    let found = operands[operand].dtype;
    if expected.contains(&found) {
        return Ok(());
    }
    let expected = expected.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(" or ");
    Err(TypeError::operand(operand, format!("elements of type {expected}"), found))
}

/// All operands have elements of the first one's type; that type.
pub(super) fn one_dtype(operands: &[&TensorType]) -> Result<DType, TypeError> {
    let first = operands[0].dtype;
    (1..operands.len()).try_for_each(|operand| dtype(operands, operand, &[first]))?;
    Ok(first)
}

/// The operands are as many as they are named, numbers of one type, and neither empty nor beyond all memory; their type.
pub(super) fn numbers(found: &[&TensorType], names: &[&str]) -> Result<DType, TypeError> {
    any_operands(found, names)?;
    dtype(found, 0, &[DType::F32, DType::I64])?;
    one_dtype(found)
}

/// A float32 result of this shape, if it is neither empty nor beyond all memory.
pub(super) fn result(shape: impl Into<Vec<usize>>) -> Result<Vec<TensorType>, TypeError> {
    result_of(DType::F32, shape)
}

/// A result of this type, if it is neither empty nor beyond all memory.
pub(super) fn result_of(dtype: DType, shape: impl Into<Vec<usize>>) -> Result<Vec<TensorType>, TypeError> {
    let ty = TensorType { dtype, shape: shape.into() };
    tensor(&ty)?;
    Ok(vec![ty])
}

fn tensor(ty: &TensorType) -> Result<(), TypeError> {
    if ty.shape.contains(&0) {
        return Err(TypeError::whole("dimensions of at least 1", ty));
    }
    if ty.bytes().is_none() {
        return Err(TypeError::whole("a tensor that memory can hold", ty));
    }
    Ok(())
}

/// The sizes of an operand of four dimensions, which are called `letters` (`N C H W`).
pub(super) fn four(operands: &[&TensorType], operand: usize, letters: &str) -> Result<[usize; 4], TypeError> {
    let shape = &operands[operand].shape;
    shape[..].try_into().map_err(|_| TypeError::operand(operand, format!("4 dimensions ({letters})"), shape.len()))
}

/// An operand has this shape; `of` says of what: `weight`, `bias`.
pub(super) fn shape(operands: &[&TensorType], operand: usize, of: &str, expected: &[usize]) -> Result<(), TypeError> {
    let found = &operands[operand].shape;
    if found == expected {
        return Ok(());
    }
    Err(TypeError::operand(operand, format!("{of} of shape {expected:?}"), format!("{found:?}")))
}

/// The dimension that `axis` names among `rank`, counted from the last where it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, TypeError> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let from_first = if axis < 0 { axis.saturating_add(signed) } else { axis };
    match usize::try_from(from_first) {
        Ok(dim) if dim < rank => Ok(dim),
        _ if rank == 0 => Err(TypeError::operand(0, "at least 1 dimension", 0)),
        _ => Err(TypeError::whole(format!("an axis in {} ..= {}", -signed, signed - 1), axis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_tensor_is() {
        let whole = |shape: &[usize]| result(shape).map_err(|error| error.to_string());
        assert_eq!(whole(&[2, 3]), Ok(vec![TensorType::f32([2, 3])]));
        assert_eq!(whole(&[]), Ok(vec![TensorType::f32([])]));
        assert_eq!(whole(&[2, 0]), Err("expects dimensions of at least 1, gets f32[2, 0]".to_owned()));
        let half = usize::MAX / 2;
        for huge in [vec![half, 4], vec![usize::MAX], vec![isize::MAX.unsigned_abs() / 4 + 1]] {
            assert_eq!(whole(&huge), Err(format!("expects a tensor that memory can hold, gets f32{huge:?}")));
        }
        let index = TensorType { dtype: DType::I64, shape: vec![1] };
        let error = operands(&[&TensorType::f32([1]), &index], &["a", "b"]).expect_err("an index");
        assert_eq!(error, TypeError::operand(1, "elements of type f32", "i64"));
        let error = operands(&[&index], &["a", "b"]).expect_err("one is missing");
        assert_eq!(error, TypeError::whole("2 operands (a, b)", 1));
    }

    #[test]
    fn axes() {
        let table = [(0, 2, Ok(0)), (1, 2, Ok(1)), (-1, 2, Ok(1)), (-2, 2, Ok(0)), (2, 2, Err(())), (-3, 2, Err(()))];
        for (given, rank, expected) in table {
            assert_eq!(axis(given, rank).map_err(|_| ()), expected, "{given} of {rank}");
        }
        for extreme in [i64::MIN, i64::MAX] {
            let error = axis(extreme, 4).expect_err("out of range");
            assert_eq!(error, TypeError::whole("an axis in -4 ..= 3", extreme));
        }
        assert_eq!(axis(0, 0), Err(TypeError::operand(0, "at least 1 dimension", 0)));
    }
}

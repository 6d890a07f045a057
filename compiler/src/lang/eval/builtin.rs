//! The functions that the language brings.

use super::arithmetic::binary;
use super::value::Value;
use crate::lang::ast::BinaryOp;

/// A function of constants: name, how many arguments it takes (`None` for one or more), and what it does.
/// The error continues a sentence that begins with the name.
type Builtin = (&'static str, Option<usize>, for<'m> fn(&[Value<'m>]) -> Result<Value<'m>, String>);

/// All of them, as `docs/language.md` lists them.
const BUILTINS: [Builtin; 15] = [
    ("min", None, |values| extreme(values, BinaryOp::Less)),
    ("max", None, |values| extreme(values, BinaryOp::Greater)),
    ("abs", Some(1), |values| match &values[0] {
        Value::Int(value) => value.checked_abs().map(Value::Int).ok_or_else(|| too_large(*value as f64)),
        other => Ok(Value::Float(number(other)?.abs())),
    }),
    ("floor", Some(1), |values| round(&values[0], f64::floor)),
    ("ceil", Some(1), |values| round(&values[0], f64::ceil)),
    ("round", Some(1), |values| round(&values[0], f64::round)),
    ("int", Some(1), |values| round(&values[0], f64::trunc)),
    ("float", Some(1), |values| number(&values[0]).map(Value::Float)),
    ("sqrt", Some(1), |values| number(&values[0]).map(|value| Value::Float(value.sqrt()))),
    ("pow", Some(2), |values| match (&values[0], &values[1]) {
        (Value::Int(base), Value::Int(exponent)) if *exponent >= 0 => u32::try_from(*exponent)
            .ok()
            .and_then(|exponent| base.checked_pow(exponent))
            .map(Value::Int)
            .ok_or_else(|| format!("of {base} and {exponent} does not fit into 64 bits")),
        (base, exponent) => Ok(Value::Float(number(base)?.powf(number(exponent)?))),
    }),
    ("sum", Some(1), |values| {
        list(&values[0])?.iter().try_fold(Value::Int(0), |sum, value| {
            number(value)?;
            binary(BinaryOp::Add, &sum, value).map_err(|error| format!("fails: {error}"))
        })
    }),
    ("len", Some(1), |values| list(&values[0]).map(|values| Value::Int(values.len() as i64))),
    ("enumerate", Some(1), |values| {
        let pairs = list(&values[0])?.iter().zip(0_i64..);
        Ok(Value::list(pairs.map(|(value, i)| Value::list([Value::Int(i), value.clone()]))))
    }),
    ("zip", Some(2), |values| {
        let (a, b) = (list(&values[0])?, list(&values[1])?);
        if a.len() != b.len() {
            return Err(format!("takes lists of one length, found {} and {} elements", a.len(), b.len()));
        }
        Ok(Value::list(a.iter().zip(b).map(|(a, b)| Value::list([a.clone(), b.clone()]))))
    }),
    ("reversed", Some(1), |values| list(&values[0]).map(|values| Value::list(values.iter().rev().cloned()))),
];

/// The builtin functions' names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|(name, ..)| *name)
}

/// Calls the builtin `name`.
///
/// # Errors
/// What is wrong with its arguments.
pub(super) fn call<'m>(name: &str, values: &[Value<'m>]) -> Result<Value<'m>, String> {
    let Some((_, count, function)) = BUILTINS.iter().find(|(known, ..)| *known == name) else {
        return Err(format!("there is no function `{name}`"));
    };
    match count {
        Some(count) if *count != values.len() => {
            Err(format!("`{name}` takes {count} argument{}, gets {}", if *count == 1 { "" } else { "s" }, values.len()))
        }
        None if values.is_empty() => Err(format!("`{name}` takes at least one argument")),
        _ => function(values).map_err(|message| format!("`{name}` {message}")),
    }
}

/// The least or greatest of the arguments, or of the elements of the only one.
fn extreme<'m>(values: &[Value<'m>], better: BinaryOp) -> Result<Value<'m>, String> {
    let values: &[Value<'m>] = match values {
        [Value::List(values)] => values,
        _ => values,
    };
    let mut best: Option<&Value<'m>> = None;
    for value in values {
        number(value)?;
        let replace = match best {
            Some(best) => matches!(binary(better, value, best)?, Value::Bool(true)),
            None => true,
        };
        if replace {
            best = Some(value);
        }
    }
    best.cloned().ok_or_else(|| "takes a list with elements, found an empty one".to_owned())
}

fn number(value: &Value<'_>) -> Result<f64, String> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        other => Err(format!("takes numbers, found {other}")),
    }
}

fn list<'a, 'm>(value: &'a Value<'m>) -> Result<&'a [Value<'m>], String> {
    match value {
        Value::List(values) => Ok(values),
        other => Err(format!("takes a list, found {other}")),
    }
}

/// A whole number near `value`.
fn round<'m>(value: &Value<'m>, mode: fn(f64) -> f64) -> Result<Value<'m>, String> {
    if let Value::Int(value) = value {
        return Ok(Value::Int(*value));
    }
    let rounded = mode(number(value)?);
    // 2^63 itself is a float, i64::MAX is none.
    if (-(2_f64.powi(63))..2_f64.powi(63)).contains(&rounded) {
        Ok(Value::Int(rounded as i64))
    } else {
        Err(too_large(rounded))
    }
}

fn too_large(value: f64) -> String {
    format!("makes {value:?} a whole number, which does not fit into 64 bits")
}

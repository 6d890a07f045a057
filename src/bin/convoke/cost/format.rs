//! Numbers as reports show them.

/// What stands for a number that there is none of.
pub(crate) const NONE: &str = "–";

/// Digits in groups of three: `25,557,032`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits, or all before the point: `0.0123`, `1.23`, `1,234`.
pub(crate) fn short(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    match usize::try_from(2 - magnitude) {
        Ok(decimals @ 1..) => format!("{value:.*}", decimals.min(6)),
        _ => count(value.round() as u64),
    }
}

/// [`short`] of a number that may be missing.
pub(crate) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), short)
}

/// A shape: `64×112×112`, without the one of a single image.
pub(crate) fn shape(shape: &[usize]) -> String {
    let shape = if let [1, rest @ ..] = shape { rest } else { shape };
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 25_557_032].map(count), ["0", "999", "1,000", "25,557,032"]);
        let table = [(0.0, "0.00"), (0.01234, "0.0123"), (1.2345, "1.23"), (12.345, "12.3"), (123.45, "123")];
        for (value, expected) in table.into_iter().chain([(1234.5, "1,235"), (f64::INFINITY, NONE), (1e-9, "0.000000")])
        {
            assert_eq!(short(value), expected);
        }
        assert_eq!(shape(&[1, 64, 7, 7]), "64×7×7");
    }
}

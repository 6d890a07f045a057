//! Attributes of operators: constants that print in a graph and are written in `cnn!`.

use std::fmt;

/// The value of an attribute or of a constant argument.
///
/// It prints as it is written in a graph: `3`, `0.5`, `true`, `relu`, `"two words"`, `[1, 2]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A number with a decimal point.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A word or a string.
    Text(String),
    /// A list.
    List(Vec<Attribute>),
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(value) if is_word(value) => f.write_str(value),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Whether `text` prints without quotes: an ASCII identifier that is no truth value.
fn is_word(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !matches!(text, "true" | "false")
}

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Sizes beyond [`i64::MAX`], which no shape rule accepts, become that.
impl From<usize> for Attribute {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// The shortest decimal that is this float32: `0.01`, not `0.009999999776482582`.
impl From<f32> for Attribute {
    fn from(value: f32) -> Self {
        let exact = f64::from(value);
        let short = value.to_string().parse().unwrap_or(exact);
        Self::Float(if short as f32 == value { short } else { exact })
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Attribute {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Attribute>, const N: usize> From<[T; N]> for Attribute {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl From<&[usize]> for Attribute {
    fn from(items: &[usize]) -> Self {
        Self::List(items.iter().map(|&item| item.into()).collect())
    }
}

impl From<&[i64]> for Attribute {
    fn from(items: &[i64]) -> Self {
        Self::List(items.iter().map(|&item| item.into()).collect())
    }
}

/// Named attributes in order; prints as `{stride = [1, 1], bias = false}`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Attributes(pub Vec<(String, Attribute)>);

impl Attributes {
    /// These attributes and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// These attributes, and one more if `value` is not its default.
    #[must_use]
    pub fn with_unless<T: Into<Attribute> + PartialEq>(self, name: &str, value: T, default: T) -> Self {
        if value == default { self } else { self.with(name, value) }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name} = {value}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_written() {
        let table: [(Attribute, &str); 11] = [
            (Attribute::Int(-3), "-3"),
            (Attribute::Float(6.0), "6.0"),
            (Attribute::from(0.01_f32), "0.01"),
            (Attribute::from(1e-5_f32), "1e-5"),
            (Attribute::from(f32::MAX), "3.4028235e38"),
            (Attribute::from(1.0_f32 / 6.0), "0.16666667"),
            (true.into(), "true"),
            ("relu6".into(), "relu6"),
            ("true".into(), "\"true\""),
            ("two words".into(), "\"two words\""),
            (Attribute::List(vec!["clip".into(), Attribute::Float(0.0), [1_usize, 2].into()]), "[clip, 0.0, [1, 2]]"),
        ];
        for (attribute, text) in table {
            assert_eq!(attribute.to_string(), text);
        }
        assert_eq!(Attributes::default().with("a", 1_i64).with("b", false).to_string(), "{a = 1, b = false}");
    }

    #[test]
    fn float32_survives() {
        for bits in (0..u32::MAX).step_by(65_521) {
            let value = f32::from_bits(bits);
            if value.is_finite() {
                let Attribute::Float(wide) = Attribute::from(value) else { panic!("{value} is no float") };
                assert_eq!(wide as f32, value, "{bits:#x}");
            }
        }
    }
}

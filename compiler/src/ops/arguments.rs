//! Reading constants: the attributes of an operator in a graph, or the arguments of a call in `cnn!`.
//!
//! An operator asks for each of its constants by name; [`Arguments::finish`] then refuses what it never asked for,
//! and knows all names by then to say which one was meant.

use super::hint::nearest;
use super::{Attribute, Attributes, Call, CallError};

/// Constants being read.
#[derive(Debug)]
pub struct Arguments {
    given: Vec<Argument>,
    asked: Vec<&'static str>,
}

#[derive(Debug)]
struct Argument {
    name: String,
    /// Its position, where it was given without a name.
    position: Option<usize>,
    value: Attribute,
    read: bool,
}

impl Argument {
    fn error(&self, message: String) -> CallError {
        match self.position {
            Some(position) => CallError::Positional(position, message),
            None => CallError::Named(self.name.clone(), message),
        }
    }
}

/// How a constant is read.
#[derive(Debug)]
pub struct Reader<T> {
    /// What it reads, for messages: `a whole number of at least 1`.
    pub expects: &'static str,
    /// The value, or `None` where the constant is not what is expected.
    pub read: fn(&Attribute) -> Option<T>,
}

impl Arguments {
    /// The constants `attributes`.
    ///
    /// # Errors
    /// Says which one is given twice.
    pub fn of_attributes(attributes: Attributes) -> Result<Self, CallError> {
        Self::new(attributes.0.into_iter().map(|(name, value)| Argument { name, position: None, value, read: false }))
    }

    /// The constants of `call`, which it gives away. Those without a name are, in order, the ones named `positional`.
    ///
    /// # Errors
    /// Says which one is given twice, or is one too many.
    pub fn of_call(call: &mut Call<'_>, positional: &[&'static str]) -> Result<Self, CallError> {
        let unnamed = std::mem::take(&mut call.positional);
        if unnamed.len() > positional.len() {
            let names: Vec<String> = positional.iter().map(|name| format!("`{name}`")).collect();
            let known = match names.len() {
                0 => "no constant without a name is expected here".to_owned(),
                1 => format!("only {} may be given without a name", names[0]),
                _ => format!("only {} may be given without a name, in this order", names.join(" and ")),
            };
            return Err(CallError::Positional(positional.len(), known));
        }
        let unnamed = unnamed.into_iter().zip(positional).enumerate();
        let unnamed = unnamed.map(|(i, (value, &name))| Argument {
            name: name.to_owned(),
            position: Some(i),
            value,
            read: false,
        });
        let named = std::mem::take(&mut call.named).into_iter();
        Self::new(unnamed.chain(named.map(|(name, value)| Argument { name, position: None, value, read: false })))
    }

    fn new(arguments: impl Iterator<Item = Argument>) -> Result<Self, CallError> {
        let mut given: Vec<Argument> = Vec::new();
        for argument in arguments {
            if given.iter().any(|earlier| earlier.name == argument.name) {
                return Err(argument.error(format!("`{}` is given twice", argument.name)));
            }
            given.push(argument);
        }
        Ok(Self { given, asked: Vec::new() })
    }

    /// The constant `name`, or `None` where it is not given.
    ///
    /// # Errors
    /// Says what is expected and what was found.
    pub fn read<T>(&mut self, name: &'static str, reader: &Reader<T>) -> Result<Option<T>, CallError> {
        self.asked.push(name);
        let Some(argument) = self.given.iter_mut().find(|argument| argument.name == name) else { return Ok(None) };
        argument.read = true;
        match (reader.read)(&argument.value) {
            Some(value) => Ok(Some(value)),
            None => Err(argument.error(format!("`{name}` expects {}, found {}", reader.expects, argument.value))),
        }
    }

    /// The constant `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read), and where it is missing.
    pub fn need<T>(&mut self, name: &'static str, reader: &Reader<T>) -> Result<T, CallError> {
        match self.read(name, reader)? {
            Some(value) => Ok(value),
            None => {
                let mut unread = self.given.iter().filter(|argument| !argument.read);
                let misspelt = unread.find(|argument| nearest(&argument.name, [name]).is_some());
                Err(match misspelt {
                    Some(argument) => argument.error(format!("`{}` is unknown; did you mean `{name}`?", argument.name)),
                    None => CallError::Call(format!("`{name}` is missing: {}", reader.expects)),
                })
            }
        }
    }

    /// That the constant `name` is wrong, wherever it stands; `message` names it.
    #[must_use]
    pub fn blame(&self, name: &str, message: String) -> CallError {
        match self.given.iter().find(|argument| argument.name == name) {
            Some(argument) => argument.error(message),
            None => CallError::Call(message),
        }
    }

    /// Ends reading.
    ///
    /// # Errors
    /// Names a constant that was given and never asked for.
    pub fn finish(&self) -> Result<(), CallError> {
        let Some(unknown) = self.given.iter().find(|argument| !argument.read) else { return Ok(()) };
        let name = &unknown.name;
        let known: Vec<String> = self.asked.iter().map(|name| format!("`{name}`")).collect();
        Err(unknown.error(match nearest(name, self.asked.iter().copied()) {
            Some(meant) => format!("`{name}` is unknown; did you mean `{meant}`?"),
            None if known.is_empty() => format!("`{name}` is unknown; there are no constants here"),
            None => format!("`{name}` is unknown; known are {}", known.join(", ")),
        }))
    }
}

/// A count that cannot be 0.
pub const SIZE: Reader<usize> = Reader { expects: "a whole number of at least 1", read: size };

/// A count.
pub const LENGTH: Reader<usize> = Reader { expects: "a whole number of at least 0", read: length };

/// `true` or `false`.
pub const FLAG: Reader<bool> = Reader {
    expects: "`true` or `false`",
    read: |value| match value {
        Attribute::Bool(value) => Some(*value),
        _ => None,
    },
};

/// A finite float32.
pub const FLOAT: Reader<f32> = Reader { expects: "a number in float32's range", read: float };

/// The number of a dimension, counted from the last where it is negative.
pub const AXIS: Reader<i64> = Reader { expects: "a whole number", read: int };

/// The numbers of dimensions, or of one.
pub const AXES: Reader<Vec<i64>> = Reader {
    expects: "a list of whole numbers",
    read: |value| match value {
        Attribute::List(items) => items.iter().map(int).collect(),
        _ => int(value).map(|axis| vec![axis]),
    },
};

/// Height and width, or one number for both.
pub const PAIR: Reader<[usize; 2]> = Reader {
    expects: "a whole number of at least 1, or [height, width]",
    read: |value| match value {
        Attribute::List(items) => match items.as_slice() {
            [height, width] => Some([size(height)?, size(width)?]),
            _ => None,
        },
        _ => size(value).map(|size| [size; 2]),
    },
};

/// Pixels of padding, top, left, bottom and right.
pub const EDGES: Reader<[usize; 4]> =
    Reader { expects: "a whole number, [height, width], or [top, left, bottom, right]", read: edges };

/// [`EDGES`], or the word `same`, which is `None`.
pub const PADDING: Reader<Option<[usize; 4]>> = Reader {
    expects: "a whole number, [height, width], [top, left, bottom, right], or \"same\"",
    read: |value| match value {
        Attribute::Text(word) if word == "same" => Some(None),
        _ => edges(value).map(Some),
    },
};

/// Counts, or one.
pub const LENGTHS: Reader<Vec<usize>> = Reader {
    expects: "a list of whole numbers of at least 0",
    read: |value| match value {
        Attribute::List(items) => items.iter().map(length).collect(),
        _ => length(value).map(|length| vec![length]),
    },
};

/// The sizes of a tensor's dimensions.
pub const SHAPE: Reader<Vec<usize>> = Reader {
    expects: "a list of whole numbers of at least 1",
    read: |value| match value {
        Attribute::List(items) => items.iter().map(size).collect(),
        _ => None,
    },
};

/// A shape with `0` for a dimension that stays as it is, and one `-1` for whatever is left.
pub const NEW_SHAPE: Reader<Vec<i64>> = Reader {
    expects: "a list of whole numbers of at least -1",
    read: |value| match value {
        Attribute::List(items) => items.iter().map(|item| int(item).filter(|&item| item >= -1)).collect(),
        _ => None,
    },
};

fn int(value: &Attribute) -> Option<i64> {
    match value {
        Attribute::Int(value) => Some(*value),
        _ => None,
    }
}

fn size(value: &Attribute) -> Option<usize> {
    length(value).filter(|&size| size > 0)
}

fn length(value: &Attribute) -> Option<usize> {
    usize::try_from(int(value)?).ok()
}

fn edges(value: &Attribute) -> Option<[usize; 4]> {
    let Attribute::List(items) = value else { return length(value).map(|all| [all; 4]) };
    let items: Vec<usize> = items.iter().map(length).collect::<Option<_>>()?;
    match items[..] {
        [height, width] => Some([height, width, height, width]),
        [top, left, bottom, right] => Some([top, left, bottom, right]),
        _ => None,
    }
}

/// The float32 nearest to a whole or decimal number, where it is finite.
pub(super) fn float(value: &Attribute) -> Option<f32> {
    let value = match value {
        Attribute::Int(value) => *value as f32,
        Attribute::Float(value) => *value as f32,
        _ => return None,
    };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(arguments: &[(&str, Attribute)]) -> Arguments {
        let attributes = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Arguments::of_attributes(Attributes(attributes)).expect("distinct names")
    }

    #[test]
    fn reads_each_form() {
        let list = |items: &[i64]| Attribute::List(items.iter().map(|&item| item.into()).collect());
        type Row = (Attribute, Option<[usize; 2]>, Option<[usize; 4]>);
        let table: [Row; 9] = [
            (3_i64.into(), Some([3, 3]), Some([3; 4])),
            (0_i64.into(), None, Some([0; 4])),
            ((-1_i64).into(), None, None),
            (list(&[1, 2]), Some([1, 2]), Some([1, 2, 1, 2])),
            (list(&[1, 0, 2, 3]), None, Some([1, 0, 2, 3])),
            (list(&[1, 2, 3]), None, None),
            (list(&[]), None, None),
            (Attribute::Float(2.0), None, None),
            (true.into(), None, None),
        ];
        for (value, pair, edges) in table {
            assert_eq!((PAIR.read)(&value), pair, "{value}");
            assert_eq!((EDGES.read)(&value), edges, "{value}");
        }
        assert_eq!((PADDING.read)(&"same".into()), Some(None));
        assert_eq!((FLOAT.read)(&2_i64.into()), Some(2.0));
        assert_eq!((FLOAT.read)(&Attribute::Float(1e39)), None);
        assert_eq!((FLOAT.read)(&Attribute::Float(f64::NAN)), None);
        assert_eq!((NEW_SHAPE.read)(&list(&[0, -1])), Some(vec![0, -1]));
        assert_eq!((NEW_SHAPE.read)(&list(&[-2])), None);
        assert_eq!((SHAPE.read)(&list(&[1, 0])), None);
    }

    #[test]
    fn messages() {
        let wrong = named(&[("stride", "two".into())]).read("stride", &PAIR).expect_err("a word");
        assert_eq!(
            wrong,
            CallError::Named(
                "stride".to_owned(),
                "`stride` expects a whole number of at least 1, or [height, width], found two".to_owned()
            )
        );
        let missing = named(&[]).need("kernel", &SIZE).expect_err("nothing given");
        assert_eq!(missing.to_string(), "`kernel` is missing: a whole number of at least 1");
        let misspelt = named(&[("kernal", 3_i64.into())]).need("kernel", &SIZE).expect_err("misspelt");
        assert_eq!(misspelt.to_string(), "`kernal` is unknown; did you mean `kernel`?");

        let mut arguments = named(&[("groops", 3_i64.into())]);
        assert_eq!(arguments.read("groups", &SIZE), Ok(None));
        assert_eq!(arguments.finish().expect_err("unknown").to_string(), "`groops` is unknown; did you mean `groups`?");
        let mut arguments = named(&[("size", 3_i64.into())]);
        assert_eq!(arguments.read("groups", &SIZE), Ok(None));
        assert_eq!(arguments.finish().expect_err("unknown").to_string(), "`size` is unknown; known are `groups`");
    }

    #[test]
    fn positions() {
        let call = |positional: &[i64], named: &[&str]| {
            let positional = positional.iter().map(|&value| value.into()).collect();
            let named = named.iter().map(|&name| (name.to_owned(), Attribute::Int(1))).collect();
            Arguments::of_call(&mut Call { operands: &[], positional, named }, &["channels", "kernel"])
        };
        let mut arguments = call(&[64], &["kernel"]).expect("one of each");
        assert_eq!(arguments.need("channels", &SIZE), Ok(64));
        assert_eq!(arguments.need("kernel", &SIZE), Ok(1));
        assert_eq!(
            call(&[64], &["channels"]).expect_err("twice"),
            CallError::Named("channels".to_owned(), "`channels` is given twice".to_owned())
        );
        assert_eq!(
            call(&[1, 2, 3], &[]).expect_err("one too many"),
            CallError::Positional(
                2,
                "only `channels` and `kernel` may be given without a name, in this order".to_owned()
            )
        );
        let zero = call(&[0], &[]).expect("read later").read("channels", &SIZE).expect_err("zero");
        assert_eq!(
            zero,
            CallError::Positional(0, "`channels` expects a whole number of at least 1, found 0".to_owned())
        );
    }
}

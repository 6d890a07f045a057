//! Pickles, read and not executed.
//!
//! A pickle is a program for a stack machine, which in Python may import and call anything. This machine knows the
//! opcodes that Python writes for dicts, lists, tuples, texts and numbers, and of all that a program may import and call
//! the five kinds in [`Global`]; their results are values of [`Value`], and no code runs. Everything else is an error.
//! The opcodes are described in Python's `pickletools`, what PyTorch does with them in its `torch/serialization.py`.
//!
//! What is allocated is bounded, by some 128 MiB: a pickle has at most [`BYTES`] bytes, makes at most [`VALUES`] values,
//! and a tensor has at most [`RANK`] dimensions.

use std::fmt;

use super::opcode::{self, name};
use crate::parameters::info::DType;

/// The longest pickle. PyTorch writes some 150 bytes a tensor.
const BYTES: usize = 8 << 20;

/// The most values, and places of the memo. A tensor takes some ten.
const VALUES: usize = 1 << 18;

/// The most dimensions of a tensor.
const RANK: usize = 8;

/// Which of a pickle's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// `None`, a truth value, or a number that is no place, length or extent.
    Scalar,
    Int(i64),
    Text(&'a str),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Box<Tensor<'a>>),
}

/// What a pickle may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    Tensor,
    /// `torch._utils._rebuild_parameter`
    Parameter,
    /// `torch.FloatStorage` and others that become float32
    Floats(DType),
    /// `torch.LongStorage` and others that do not
    Others(&'static str),
}

impl Global {
    fn parse(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch", "FloatStorage") => Self::Floats(DType::F32),
            ("torch", "DoubleStorage") => Self::Floats(DType::F64),
            ("torch", "HalfStorage") => Self::Floats(DType::F16),
            ("torch", "BFloat16Storage") => Self::Floats(DType::Bf16),
            ("torch", "LongStorage") => Self::Others("int64"),
            ("torch", "IntStorage") => Self::Others("int32"),
            ("torch", "ShortStorage") => Self::Others("int16"),
            ("torch", "CharStorage") => Self::Others("int8"),
            ("torch", "ByteStorage") => Self::Others("uint8"),
            ("torch", "BoolStorage") => Self::Others("bool"),
            _ => return None,
        })
    }
}

/// Elements of one type, in a file of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    /// Their type, or the name of one that does not become float32.
    pub(super) dtype: Result<DType, &'static str>,
    /// The file's name.
    pub(super) key: &'a str,
}

/// A view of a storage; offset and strides in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// All values of a pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle of protocol 2 to 5.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, PickleError> {
        let machine = Machine { bytes, ..Machine::default() };
        if bytes.len() > BYTES {
            return machine.fail(Problem::Limit("has more than 8 MiB after it"));
        }
        machine.run()
    }

    /// The value that is pickled.
    pub(super) fn root(&self) -> &Value<'a> {
        self.get(self.root)
    }

    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the opcode stands that is being executed.
    opcode_at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<u32>,
    memo: Vec<Option<Id>>,
}

type Step<T = ()> = Result<T, PickleError>;

impl<'a> Machine<'a> {
    fn run(mut self) -> Step<Pickle<'a>> {
        loop {
            self.opcode_at = self.at;
            let [opcode] = self.array()?;
            match opcode {
                opcode::PROTO => {
                    if !matches!(self.array()?, [2..=5]) {
                        return self.fail(Problem::Limit("names a protocol other than 2 to 5"));
                    }
                }
                opcode::FRAME => drop(self.array::<8>()?),
                opcode::STOP => {
                    let root = self.pop()?;
                    return Ok(Pickle { values: self.values, root });
                }
                opcode::MARK => self.marks.push(self.stack.len() as u32),
                opcode::NONE | opcode::NEWTRUE | opcode::NEWFALSE => self.push(Value::Scalar)?,
                opcode::BINFLOAT => {
                    self.array::<8>()?;
                    self.push(Value::Scalar)?;
                }
                opcode::BININT1 => {
                    let [value] = self.array()?;
                    self.push(Value::Int(value.into()))?;
                }
                opcode::BININT2 => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()))?;
                }
                opcode::BININT => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()))?;
                }
                opcode::LONG1 => {
                    let [length] = self.array()?;
                    let value = integer(self.take(length.into())?);
                    self.push(value)?;
                }
                opcode::SHORT_BINUNICODE => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                opcode::BINUNICODE => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length.into())?;
                }
                opcode::BINUNICODE8 => {
                    let length = u64::from_le_bytes(self.array()?);
                    self.text(length)?;
                }
                opcode::EMPTY_TUPLE => self.push(Value::Tuple(Vec::new()))?,
                opcode::EMPTY_LIST => self.push(Value::List(Vec::new()))?,
                opcode::EMPTY_DICT => self.push(Value::Dict(Vec::new()))?,
                opcode::TUPLE1..=opcode::TUPLE3 => {
                    let length = usize::from(opcode - opcode::TUPLE1) + 1;
                    let first = self.stack.len().checked_sub(length).filter(|first| *first >= self.floor());
                    let Some(first) = first else { return self.fail(Problem::Stack) };
                    let items = self.stack.split_off(first);
                    self.push(Value::Tuple(items))?;
                }
                opcode::TUPLE => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Tuple(items))?;
                }
                opcode::APPEND => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                opcode::APPENDS => {
                    let items = self.pop_to_mark()?;
                    self.append(items)?;
                }
                opcode::SETITEM => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                opcode::SETITEMS => {
                    let items = self.pop_to_mark()?;
                    self.set(&items)?;
                }
                opcode::BINPUT => {
                    let [index] = self.array()?;
                    self.memoize(index.into())?;
                }
                opcode::LONG_BINPUT => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.memoize(index as usize)?;
                }
                opcode::MEMOIZE => self.memoize(self.memo.len())?,
                opcode::BINGET => {
                    let [index] = self.array()?;
                    self.recall(index.into())?;
                }
                opcode::LONG_BINGET => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.recall(index as usize)?;
                }
                opcode::GLOBAL => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.import(module, name)?;
                }
                opcode::STACK_GLOBAL => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(module), Value::Text(name)) = (self.value(module), self.value(name)) else {
                        return self.fail(Problem::Arguments);
                    };
                    self.import(module, name)?;
                }
                opcode::BINPERSID => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(Value::Storage(storage))?;
                }
                opcode::REDUCE => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let result = self.call(function, arguments)?;
                    self.push(result)?;
                }
                opcode::BUILD => {
                    // The attributes of an `OrderedDict`: PyTorch keeps versions of modules there.
                    let (attributes, object) = (self.pop()?, self.top()?);
                    let dicts = [self.value(attributes), self.value(object)];
                    if !dicts.iter().all(|value| matches!(value, Value::Dict(_))) {
                        return self.fail(Problem::Refused);
                    }
                }
                _ => return self.fail(Problem::Refused),
            }
        }
    }

    #[cold]
    fn fail<T>(&self, problem: Problem) -> Step<T> {
        let opcode = self.bytes.get(self.opcode_at).copied();
        Err(PickleError { opcode, at: self.opcode_at, problem })
    }

    fn take(&mut self, length: u64) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let Some(taken) = taken else { return self.fail(Problem::Truncated) };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let bytes = self.take(N as u64)?;
        Ok(std::array::from_fn(|i| bytes[i]))
    }

    /// The text up to the next end of line.
    fn line(&mut self) -> Step<&'a str> {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == b'\n');
        let Some(length) = length else { return self.fail(Problem::Truncated) };
        let line = self.take(length as u64)?;
        self.at += 1;
        self.utf8(line)
    }

    fn text(&mut self, length: u64) -> Step {
        let bytes = self.take(length)?;
        let text = self.utf8(bytes)?;
        self.push(Value::Text(text))
    }

    fn utf8(&self, bytes: &'a [u8]) -> Step<&'a str> {
        str::from_utf8(bytes).or_else(|_| self.fail(Problem::Utf8))
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    fn push(&mut self, value: Value<'a>) -> Step {
        if self.values.len() >= VALUES {
            return self.fail(Problem::Limit("makes more than 262,144 values"));
        }
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    /// The height down to which the stack may be taken.
    fn floor(&self) -> usize {
        self.marks.last().map_or(0, |mark| *mark as usize)
    }

    fn top(&self) -> Step<Id> {
        match self.stack.last() {
            Some(top) if self.stack.len() > self.floor() => Ok(*top),
            _ => self.fail(Problem::Stack),
        }
    }

    fn pop(&mut self) -> Step<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark as usize)),
            None => self.fail(Problem::Stack),
        }
    }

    fn append(&mut self, new: Vec<Id>) -> Step {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::List(items) => items.extend(new),
            _ => return self.fail(Problem::Arguments),
        }
        Ok(())
    }

    /// Adds keys and values, alternating, to the dict on the stack.
    fn set(&mut self, items: &[Id]) -> Step {
        let dict = self.top()?;
        match (&mut self.values[dict.0 as usize], items.as_chunks()) {
            (Value::Dict(entries), (pairs, [])) => entries.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return self.fail(Problem::Arguments),
        }
        Ok(())
    }

    fn memoize(&mut self, index: usize) -> Step {
        let top = self.top()?;
        if index >= VALUES {
            return self.fail(Problem::Limit("remembers more than 262,144 values"));
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(top);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Step {
        match self.memo.get(index) {
            Some(Some(id)) => self.stack.push(*id),
            _ => return self.fail(Problem::Memo),
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str) -> Step {
        match Global::parse(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => self.fail(Problem::Import(format!("{module}.{name}"))),
        }
    }

    /// `("storage", type, file, device, length)`
    fn storage(&self, id: Id) -> Step<Storage<'a>> {
        if let Value::Tuple(items) = self.value(id)
            && let [kind, class, key, _device, _length] = items[..]
            && let (Value::Text("storage"), Value::Global(class), Value::Text(key)) =
                (self.value(kind), self.value(class), self.value(key))
        {
            match class {
                Global::Floats(dtype) => return Ok(Storage { dtype: Ok(*dtype), key }),
                Global::Others(name) => return Ok(Storage { dtype: Err(name), key }),
                Global::OrderedDict | Global::Tensor | Global::Parameter => {}
            }
        }
        self.fail(Problem::Arguments)
    }

    fn call(&self, function: Id, arguments: Id) -> Step<Value<'a>> {
        let (Value::Global(function), Value::Tuple(arguments)) = (self.value(function), self.value(arguments)) else {
            return self.fail(Problem::Refused);
        };
        match (function, &arguments[..]) {
            (Global::OrderedDict, []) => Ok(Value::Dict(Vec::new())),
            (Global::Tensor, [storage, offset, shape, strides, ..]) => {
                if let (Value::Storage(storage), Value::Int(offset)) = (self.value(*storage), self.value(*offset))
                    && let (Ok(offset), Some(shape), Some(strides)) =
                        (usize::try_from(*offset), self.sizes(*shape), self.sizes(*strides))
                    && shape.len() == strides.len()
                {
                    return Ok(Value::Tensor(Box::new(Tensor { storage: *storage, offset, shape, strides })));
                }
                self.fail(Problem::Arguments)
            }
            (Global::Parameter, [tensor, ..]) => match self.value(*tensor) {
                tensor @ Value::Tensor(_) => Ok(tensor.clone()),
                _ => self.fail(Problem::Arguments),
            },
            _ => self.fail(Problem::Arguments),
        }
    }

    /// A tuple of whole numbers from 0, at most [`RANK`].
    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Tuple(items) = self.value(id) else { return None };
        if items.len() > RANK {
            return None;
        }
        let size = |item: &Id| match self.value(*item) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        };
        items.iter().map(size).collect()
    }
}

/// A little-endian number in two's complement; one that does not fit is no place, length or extent.
fn integer(bytes: &[u8]) -> Value<'static> {
    if bytes.len() > 8 {
        return Value::Scalar;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}

/// A pickle that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickleError {
    /// The opcode that it ends with, where there is one.
    pub opcode: Option<u8>,
    /// Byte of the pickle where it stands.
    pub at: usize,
    /// What is wrong with it.
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Truncated,
    Refused,
    Import(String),
    Arguments,
    Stack,
    Memo,
    Utf8,
    Limit(&'static str),
}

impl PickleError {
    /// What the pickle would import, if that is what is wrong with it: `os.system`.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        match &self.problem {
            Problem::Import(name) => Some(name),
            _ => None,
        }
    }
}

impl std::error::Error for PickleError {}

impl fmt::Display for PickleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const READ: &str = "only tensors, dicts, lists, tuples, texts and numbers are read, and nothing is executed";
        let Some(opcode) = self.opcode else {
            return write!(f, "pickle: it ends at byte {}, without STOP", self.at);
        };
        write!(f, "pickle: opcode {} at byte {} ", name(opcode), self.at)?;
        match &self.problem {
            Problem::Truncated => f.write_str("exceeds the pickle"),
            Problem::Refused => write!(f, "is refused: {READ}"),
            Problem::Import(name) => write!(f, "wants `{name}`, which is refused: {READ}"),
            Problem::Arguments => f.write_str("has other arguments than it takes"),
            Problem::Stack => f.write_str("finds too little on the stack"),
            Problem::Memo => f.write_str("recalls what nobody has remembered"),
            Problem::Utf8 => f.write_str("has a text that is not UTF-8"),
            Problem::Limit(what) => f.write_str(what),
        }
    }
}

//! Everything but functions: values, buffers, weight expressions, steps.

use std::borrow::Cow;
use std::collections::HashMap;

use convoke_runtime::DType;
use convoke_runtime::network::ValueInfo;
use convoke_runtime::weights::WeightOp;

use super::function::function;
use super::lex::Token;
use super::{ParseError, Parser};
use crate::lir::{Arg, Buffer, BufferId, Place, Program, Step};

/// Indices by name, in one list of a program.
#[derive(Default)]
pub(super) struct Names(HashMap<String, u32>);

impl Names {
    /// Adds the name that was read last, from token `at` on.
    pub(super) fn define(&mut self, parser: &Parser, at: usize, name: &str) -> Result<(), ParseError> {
        let index = self.0.len() as u32;
        match self.0.insert(name.to_owned(), index) {
            None => Ok(()),
            Some(_) => Err(parser.error_at(at, "a new name", format!("`{name}` for the second time"))),
        }
    }

    /// Reads a name and looks it up.
    pub(super) fn reference(&self, parser: &mut Parser, what: &str) -> Result<u32, ParseError> {
        let at = parser.at;
        let name = parser.name(what)?;
        self.0.get(&name).copied().ok_or_else(|| parser.error_at(at, what, format!("`{name}`, which is unknown")))
    }
}

/// The names of what later lines refer to.
#[derive(Default)]
struct Scope {
    parameters: Names,
    buffers: Names,
    functions: Names,
}

/// `program NAME : ISA`, then items in any order that defines before it refers.
pub(super) fn program(parser: &mut Parser) -> Result<Program, ParseError> {
    parser.expect_word("program")?;
    let name = parser.name("the program's name")?;
    parser.expect(':')?;
    let at = parser.at;
    let isa = parser.word("an instruction set")?;
    let isa = isa.parse().map_err(|_| parser.error_at(at, "scalar, neon, avx2 or avx512", format!("`{isa}`")))?;
    let mut program = Program {
        name,
        isa,
        inputs: Vec::new(),
        outputs: Vec::new(),
        parameters: Vec::new(),
        buffers: Vec::new(),
        arena_len: 0,
        weights_len: 0,
        functions: Vec::new(),
        steps: Vec::new(),
    };
    let mut scope = Scope::default();
    while *parser.peek() != Token::End {
        item(parser, &mut program, &mut scope)?;
    }
    Ok(program)
}

fn item(parser: &mut Parser, program: &mut Program, scope: &mut Scope) -> Result<(), ParseError> {
    const ITEMS: &str = "`input`, `output`, `parameter`, `arena`, `weights`, `buffer`, `fn` or `step`";
    let start = parser.at;
    match parser.word(ITEMS)?.as_str() {
        "input" => program.inputs.push(value(parser)?),
        "output" => program.outputs.push(value(parser)?),
        "parameter" => {
            let at = parser.at;
            let parameter = value(parser)?;
            scope.parameters.define(parser, at, &parameter.name)?;
            program.parameters.push(parameter);
        }
        "arena" => program.arena_len = parser.int()?,
        "weights" => program.weights_len = parser.int()?,
        "buffer" => {
            let at = parser.at;
            let buffer = buffer(parser, &scope.parameters)?;
            scope.buffers.define(parser, at, &buffer.name)?;
            program.buffers.push(buffer);
        }
        "fn" => {
            let at = parser.at;
            let function = function(parser)?;
            scope.functions.define(parser, at, &function.name)?;
            program.functions.push(function);
        }
        "step" => program.steps.push(step(parser, scope)?),
        other => return Err(parser.error_at(start, ITEMS, format!("`{other}`"))),
    }
    Ok(())
}

/// `NAME : f32[1, 3, 224, 224]`
fn value(parser: &mut Parser) -> Result<ValueInfo, ParseError> {
    let name = parser.name("a name")?;
    parser.expect(':')?;
    let at = parser.at;
    let word = parser.word("a type such as `f32`")?;
    let dtype = DType::ALL.into_iter().find(|dtype| dtype.name() == word);
    let dtype = dtype.ok_or_else(|| parser.error_at(at, "`f32`, `i64` or `bool`", format!("`{word}`")))?;
    Ok(ValueInfo { name: Cow::Owned(name), dtype, shape: Cow::Owned(parser.list('[', ']', Parser::int)?) })
}

/// `f32[1, 3]`, of a constant.
fn shape(parser: &mut Parser) -> Result<Vec<usize>, ParseError> {
    parser.expect_word("f32")?;
    parser.list('[', ']', Parser::int)
}

/// `NAME : LEN = PLACE`
fn buffer(parser: &mut Parser, parameters: &Names) -> Result<Buffer, ParseError> {
    const PLACES: &str = "`arena`, `weights`, `input` or `output`";
    let name = parser.name("a name")?;
    parser.expect(':')?;
    let len = parser.int()?;
    parser.expect('=')?;
    let at = parser.at;
    let place = match parser.word(PLACES)?.as_str() {
        "arena" => Place::Arena(offset(parser)?),
        "weights" => {
            let offset = offset(parser)?;
            Place::Weights { offset, expression: parser.list('[', ']', |parser| weight_op(parser, parameters))? }
        }
        "input" => Place::Input(parser.int()?),
        "output" => Place::Output(parser.int()?),
        other => return Err(parser.error_at(at, PLACES, format!("`{other}`"))),
    };
    Ok(Buffer { name, len, place })
}

/// `+ OFFSET`
fn offset(parser: &mut Parser) -> Result<usize, ParseError> {
    parser.expect('+')?;
    parser.int()
}

fn weight_op(parser: &mut Parser, parameters: &Names) -> Result<WeightOp, ParseError> {
    if parser.accept('@') {
        return Ok(WeightOp::Parameter(parameters.reference(parser, "the name of a parameter")?));
    }
    let at = parser.at;
    Ok(match parser.word("`@` with a parameter's name or an operation on weights")?.as_str() {
        "literal" => {
            let shape = Cow::Owned(shape(parser)?);
            WeightOp::Literal { shape, values: Cow::Owned(parser.list('{', '}', Parser::float)?) }
        }
        "add" => WeightOp::Add,
        "sub" => WeightOp::Sub,
        "mul" => WeightOp::Mul,
        "div" => WeightOp::Div,
        "rsqrt" => {
            parser.expect('(')?;
            let epsilon = parser.float()?;
            parser.expect(')')?;
            WeightOp::Rsqrt { epsilon }
        }
        "reshape" => WeightOp::Reshape(Cow::Owned(parser.list('[', ']', Parser::int)?)),
        "transpose" => WeightOp::Transpose(Cow::Owned(parser.list('[', ']', Parser::int)?)),
        "view" => {
            parser.expect('(')?;
            let start = parser.int()?;
            parser.expect(')')?;
            let mut sizes = || parser.list('[', ']', Parser::int).map(Cow::Owned);
            WeightOp::View { start, strides: sizes()?, shape: sizes()? }
        }
        "phases" => {
            let mut pair = || -> Result<[u32; 2], ParseError> {
                let at = parser.at;
                let sizes = parser.list('[', ']', Parser::int)?;
                sizes
                    .try_into()
                    .map_err(|sizes: Vec<u32>| parser.error_at(at, "two numbers", format!("{}", sizes.len())))
            };
            WeightOp::Phases { stride: pair()?, first: pair()?, taps: pair()? }
        }
        "block_diagonal" => {
            let [outputs, groups] = counts(parser, ["outputs", "groups"])?;
            WeightOp::BlockDiagonal { outputs, groups }
        }
        "pack_conv" => {
            let [block, nr, inner] = counts(parser, ["block", "nr", "inner"])?;
            WeightOp::PackConv { block, nr, inner }
        }
        "pack_winograd" => {
            let [m, block, nr, inner] = counts(parser, ["m", "block", "nr", "inner"])?;
            WeightOp::PackWinograd { m, block, nr, inner }
        }
        "pack_depthwise" => {
            let [block] = counts(parser, ["block"])?;
            WeightOp::PackDepthwise { block }
        }
        "pack_vector" => {
            let [block] = counts(parser, ["block"])?;
            WeightOp::PackVector { block }
        }
        other => return Err(parser.error_at(at, "an operation on weights", format!("`{other}`"))),
    })
}

/// `{first = 1, second = 2}`
fn counts<const N: usize>(parser: &mut Parser, names: [&str; N]) -> Result<[u32; N], ParseError> {
    let mut values = [0; N];
    for (i, name) in names.into_iter().enumerate() {
        parser.expect(if i == 0 { '{' } else { ',' })?;
        parser.expect_word(name)?;
        parser.expect('=')?;
        values[i] = parser.int()?;
    }
    parser.expect('}')?;
    Ok(values)
}

/// `NAME = FUNCTION(BUFFER + OFFSET, …) threads N`
fn step(parser: &mut Parser, scope: &Scope) -> Result<Step, ParseError> {
    let name = parser.name("the step's name")?;
    parser.expect('=')?;
    let function = scope.functions.reference(parser, "the name of a function")?;
    let args = parser.list('(', ')', |parser| {
        let buffer = BufferId(scope.buffers.reference(parser, "the name of a buffer")?);
        let offset = if *parser.peek() == Token::Char('+') { offset(parser)? } else { 0 };
        Ok(Arg { buffer, offset })
    })?;
    parser.expect_word("threads")?;
    Ok(Step { name, function, args, threads: parser.int()? })
}

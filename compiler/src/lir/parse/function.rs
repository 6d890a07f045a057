//! Functions and their statements.

use std::collections::BTreeMap;

use convoke_runtime::kernels::{self, Field, Params};

use super::lex::Token;
use super::program::Names;
use super::{MAX_DEPTH, ParseError, Parser};
use crate::lir::{
    Address, Affine, Binary, Compare, Expr, Function, Kernel, LoopVar, Param, ParamId, Reg, Row, Stmt, Unary,
};

/// What the statements of a function refer to.
struct Scope {
    params: Names,
    /// The lanes of each register, and the token that said so.
    registers: BTreeMap<u32, (u32, usize)>,
    /// The largest register that is read, and where.
    largest: Option<(u32, usize)>,
    /// One more than the largest loop variable, or 0.
    loops: u32,
}

/// `NAME(mut PARAM: LEN, …) { statements }`
pub(super) fn function(parser: &mut Parser) -> Result<Function, ParseError> {
    let name = parser.name("the function's name")?;
    let mut scope = Scope { params: Names::default(), registers: BTreeMap::new(), largest: None, loops: 0 };
    let params = parser.list('(', ')', |parser| {
        let written = parser.accept_word("mut");
        let at = parser.at;
        let name = parser.name("a parameter")?;
        scope.params.define(parser, at, &name)?;
        parser.expect(':')?;
        Ok(Param { name, len: parser.int()?, written })
    })?;
    let loops = if parser.accept_word("loops") { Some(parser.int()?) } else { None };
    parser.expect('{')?;
    while parser.accept_word("register") {
        define(parser, &mut scope)?;
    }
    let body = statements(parser, &mut scope, 0)?;
    let registers = scope.lanes(parser)?;
    Ok(Function { name, params, registers, loops: loops.unwrap_or(scope.loops), body })
}

impl Scope {
    /// The lanes of all registers, which are numbered from 0 without gaps.
    fn lanes(&self, parser: &Parser) -> Result<Vec<u32>, ParseError> {
        for (expected, (&register, &(_, at))) in (0..).zip(&self.registers) {
            if register != expected {
                let found = format!("`%r{register}` and no `%r{expected}`");
                return Err(parser.error_at(at, "registers numbered without gaps", found));
            }
        }
        match self.largest {
            Some((register, at)) if register as usize >= self.registers.len() => {
                Err(parser.error_at(at, "a register that is set", format!("`%r{register}`, which nowhere is")))
            }
            _ => Ok(self.registers.values().map(|&(lanes, _)| lanes).collect()),
        }
    }
}

/// The number in a word such as `r3` or `i0`; `None` where it is not written as it prints.
fn number(word: &str, prefix: char) -> Option<u32> {
    let digits = word.strip_prefix(prefix)?;
    let value: u32 = digits.parse().ok()?;
    (value.to_string() == digits).then_some(value)
}

/// `%r3:16`: sets the lanes of a register.
fn define(parser: &mut Parser, scope: &mut Scope) -> Result<Reg, ParseError> {
    let at = parser.at;
    let Reg(index) = register(parser)?;
    parser.expect(':')?;
    let lanes_at = parser.at;
    let lanes = parser.int()?;
    let &mut (first, _) = scope.registers.entry(index).or_insert((lanes, at));
    if first != lanes {
        return Err(parser.error_at(
            lanes_at,
            format!("`{first}`, as where %r{index} is set before"),
            lanes.to_string(),
        ));
    }
    Ok(Reg(index))
}

/// `%r3`
fn register(parser: &mut Parser) -> Result<Reg, ParseError> {
    let what = "a register such as `%r0`";
    if !parser.accept('%') {
        return Err(parser.error(what));
    }
    let at = parser.at;
    let word = parser.word(what)?;
    number(&word, 'r').map(Reg).ok_or_else(|| parser.error_at(at, what, format!("`%{word}`")))
}

/// A register that is read.
fn read(parser: &mut Parser, scope: &mut Scope) -> Result<Reg, ParseError> {
    let at = parser.at;
    let reg = register(parser)?;
    if scope.largest.is_none_or(|(largest, _)| largest < reg.0) {
        scope.largest = Some((reg.0, at));
    }
    Ok(reg)
}

fn statements(parser: &mut Parser, scope: &mut Scope, depth: usize) -> Result<Vec<Stmt>, ParseError> {
    let mut body = Vec::new();
    while !parser.accept('}') {
        body.push(statement(parser, scope, depth)?);
    }
    Ok(body)
}

fn statement(parser: &mut Parser, scope: &mut Scope, depth: usize) -> Result<Stmt, ParseError> {
    const STATEMENTS: &str = "`for`, `store`, `call`, a register to set, or `}`";
    if *parser.peek() == Token::Char('%') {
        let reg = define(parser, scope)?;
        parser.expect('=')?;
        return Ok(Stmt::Set { reg, value: expression(parser, scope)? });
    }
    let at = parser.at;
    match parser.word(STATEMENTS)?.as_str() {
        "for" if depth == MAX_DEPTH => {
            Err(parser.error_at(at, format!("at most {MAX_DEPTH} nested loops"), "one more".to_owned()))
        }
        "for" => {
            let var = variable(parser)?;
            scope.loops = scope.loops.max(var.0.saturating_add(1));
            parser.expect_word("in")?;
            let zero_at = parser.at;
            if parser.int::<u32>()? != 0 {
                return Err(parser.error_at(zero_at, "`0`", parser.tokens[zero_at].token.to_string()));
            }
            if *parser.peek() != Token::Range {
                return Err(parser.error("`..`"));
            }
            parser.next();
            let extent = parser.int()?;
            let parallel = parser.accept_word("parallel");
            parser.expect('{')?;
            Ok(Stmt::For { var, extent, parallel, body: statements(parser, scope, depth + 1)? })
        }
        "store" => {
            let to = address(parser, scope)?;
            parser.expect('=')?;
            Ok(Stmt::Store { to, from: read(parser, scope)? })
        }
        "call" => call(parser, scope),
        other => Err(parser.error_at(at, STATEMENTS, format!("`{other}`"))),
    }
}

/// `i0`
fn variable(parser: &mut Parser) -> Result<LoopVar, ParseError> {
    let what = "a loop variable such as `i0`";
    let at = parser.at;
    let word = parser.word(what)?;
    number(&word, 'i').map(LoopVar).ok_or_else(|| parser.error_at(at, what, format!("`{word}`")))
}

fn expression(parser: &mut Parser, scope: &mut Scope) -> Result<Expr, ParseError> {
    const WHAT: &str = "an expression such as `load` or `fma`";
    let at = parser.at;
    let op = parser.word(WHAT)?;
    if let Some(&op) = Unary::ALL.iter().find(|unary| unary.name() == op) {
        return Ok(Expr::Unary(op, read(parser, scope)?));
    }
    if let Some(&op) = Binary::ALL.iter().find(|binary| binary.name() == op) {
        return Ok(Expr::Binary(op, read(parser, scope)?, read(parser, scope)?));
    }
    Ok(match op.as_str() {
        "const" => Expr::Const(parser.float()?),
        "copy" => Expr::Copy(read(parser, scope)?),
        "load" => Expr::Load(address(parser, scope)?),
        "splat" => Expr::Splat(read(parser, scope)?),
        "fma" => Expr::Fma(read(parser, scope)?, read(parser, scope)?, read(parser, scope)?),
        "select" => Expr::Select {
            compare: one_of(parser, "a comparison", Compare::ALL, Compare::name)?,
            a: read(parser, scope)?,
            b: read(parser, scope)?,
            then: read(parser, scope)?,
            otherwise: read(parser, scope)?,
        },
        "reduce" => {
            let op = one_of(parser, "an operation of two operands", Binary::ALL, Binary::name)?;
            Expr::Reduce(op, read(parser, scope)?)
        }
        other => return Err(parser.error_at(at, WHAT, format!("`{other}`"))),
    })
}

/// A word that is the name of one of `all`.
fn one_of<T: Copy>(parser: &mut Parser, what: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, ParseError> {
    let at = parser.at;
    let word = parser.word(what)?;
    all.iter().copied().find(|&item| name(item) == word).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|&item| format!("`{}`", name(item))).collect();
        parser.error_at(at, format!("{what}: {}", names.join(", ")), format!("`{word}`"))
    })
}

/// `PARAM[64*i0 - 3]` or `PARAM[64*i0 - 3; %r0 of 8 by 16]`
fn address(parser: &mut Parser, scope: &mut Scope) -> Result<Address, ParseError> {
    let param = ParamId(scope.params.reference(parser, "a parameter of the function")?);
    parser.expect('[')?;
    let mut index = Affine::default();
    let mut negative = parser.accept('-');
    loop {
        term(parser, &mut index, negative)?;
        if parser.accept(']') {
            return Ok(Address { param, index, row: None });
        }
        if parser.accept(';') {
            let row = Some(row(parser, scope)?);
            parser.expect(']')?;
            return Ok(Address { param, index, row });
        }
        negative = match parser.peek() {
            Token::Char('+') => false,
            Token::Char('-') => true,
            _ => return Err(parser.error("`+`, `-`, `;` or `]`")),
        };
        parser.next();
    }
}

/// `%r0 of 8 by 16`
fn row(parser: &mut Parser, scope: &mut Scope) -> Result<Row, ParseError> {
    let index = read(parser, scope)?;
    parser.expect_word("of")?;
    let count = parser.int()?;
    parser.expect_word("by")?;
    let negative = parser.accept('-');
    let at = parser.at;
    let magnitude: u64 = parser.int()?;
    Ok(Row { index, count, stride: signed(parser, at, magnitude, negative)? })
}

fn signed(parser: &Parser, at: usize, magnitude: u64, negative: bool) -> Result<i64, ParseError> {
    let value = i128::from(magnitude) * if negative { -1 } else { 1 };
    i64::try_from(value).map_err(|_| parser.error_at(at, "a number of 64 bits", magnitude.to_string()))
}

/// `64*i0`, `i0` or `64`
fn term(parser: &mut Parser, index: &mut Affine, negative: bool) -> Result<(), ParseError> {
    if matches!(parser.peek(), Token::Word(_)) {
        index.terms.push((variable(parser)?, if negative { -1 } else { 1 }));
        return Ok(());
    }
    let at = parser.at;
    let magnitude: u64 = parser.int()?;
    let value = signed(parser, at, magnitude, negative)?;
    if parser.accept('*') {
        index.terms.push((variable(parser)?, value));
    } else {
        index.base = index
            .base
            .checked_add(value)
            .ok_or_else(|| parser.error_at(at, "a number of 64 bits", magnitude.to_string()))?;
    }
    Ok(())
}

/// `KERNEL(ADDRESS, …) {FIELD = VALUE, …}`
fn call(parser: &mut Parser, scope: &mut Scope) -> Result<Stmt, ParseError> {
    let at = parser.at;
    let name = parser.word("the name of a kernel")?;
    let row = kernels::find(&name)
        .ok_or_else(|| parser.error_at(at, "the name of a kernel", format!("`{name}`, which the table lacks")))?;
    let args = parser.list('(', ')', |parser| address(parser, scope))?;
    let fields_at = parser.at;
    let fields = parser.list('{', '}', |parser| {
        let name = parser.word("the name of a field")?;
        parser.expect('=')?;
        let field = match parser.peek() {
            Token::Int(_) => Field::U32(parser.int()?),
            _ => Field::F32(parser.float()?),
        };
        Ok((name, field))
    })?;
    let family = format!("the fields of `{}`", row.family.name());
    let find = |name: &str| fields.iter().find(|(field, _)| field == name).map(|&(_, value)| value);
    let params = Params::from_fields(row.family, &find)
        .map_err(|reason| parser.error_at(fields_at, &family, format!("others: {reason}")))?;
    let known = params.fields();
    for (i, (field, _)) in fields.iter().enumerate() {
        if fields[..i].iter().any(|(other, _)| other == field) {
            return Err(parser.error_at(fields_at, &family, format!("`{field}` for the second time")));
        }
        if !known.iter().any(|(name, _)| name == field) {
            return Err(parser.error_at(fields_at, &family, format!("`{field}`, which is none")));
        }
    }
    Ok(Stmt::Call { kernel: Kernel(row), params, args })
}

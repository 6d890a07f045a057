//! The syntax tree of a description. `docs/language.md` has the grammar.

use super::token::Span;
use crate::DType;

/// A name where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// An item of a description.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// `const NAME = value;`
    Const(Const),
    /// `fn name(a, b = 1) { … }`, a function of constants.
    Function(Routine),
    /// `block name(x, width = 64) { … }`, a part of a network that can be called often.
    Block(Routine),
    /// `network Name(…) -> output { … }` or `network Name = Other(…);`
    Network(Network),
}

impl Item {
    pub(crate) fn name(&self) -> &Name {
        match self {
            Self::Const(item) => &item.name,
            Self::Function(item) | Self::Block(item) => &item.name,
            Self::Network(item) => &item.name,
        }
    }

    /// The word for what it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Const(_) => "constant",
            Self::Function(_) => "function",
            Self::Block(_) => "block",
            Self::Network(_) => "network",
        }
    }
}

/// A constant.
#[derive(Clone, Debug)]
pub(crate) struct Const {
    pub(crate) name: Name,
    pub(crate) value: Expr,
}

/// A function or a block.
#[derive(Clone, Debug)]
pub(crate) struct Routine {
    pub(crate) name: Name,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Body,
}

/// A parameter of a function, a block or a network.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Name,
    /// The type that a tensor must have.
    pub(crate) ty: Option<TypePattern>,
    pub(crate) default: Option<Expr>,
}

/// `f32[1, 64, _, _]`: a type of tensors; `None` is any extent.
#[derive(Clone, Debug)]
pub(crate) struct TypePattern {
    pub(crate) dtype: DType,
    pub(crate) dimensions: Vec<Option<Expr>>,
    pub(crate) span: Span,
}

/// A network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// The lines of its doc comment.
    pub(crate) docs: Vec<String>,
    /// Whether it is marked `#[exact]`.
    pub(crate) exact: bool,
    /// `pub`, `pub(crate)`, … or nothing.
    pub(crate) visibility: String,
    pub(crate) name: Name,
    pub(crate) definition: Definition,
}

/// What a network is.
#[derive(Clone, Debug)]
pub(crate) enum Definition {
    /// Written out.
    Body {
        /// Tensors; each has a type.
        inputs: Vec<Parameter>,
        /// Constants, given by instances or at run time.
        constants: Vec<Parameter>,
        outputs: Vec<Name>,
        body: Body,
    },
    /// Another network with constants given.
    Instance { base: Name, arguments: Vec<Argument> },
}

/// Statements and a result: `{ let y = x -> relu; y + x }`.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) statements: Vec<Statement>,
    pub(crate) result: Option<Box<Expr>>,
    /// The braces and all between them.
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Let(Let),
    /// `x = value;`
    Assign {
        target: Name,
        value: Expr,
    },
    /// `for (i, n) in list { … }`
    For {
        pattern: Pattern,
        list: Expr,
        body: Body,
    },
    /// `if condition { … } else { … }`, without results.
    If {
        branches: Vec<(Expr, Body)>,
        otherwise: Option<Body>,
    },
    /// `assert(condition, "why");`
    Assert {
        condition: Expr,
        message: Option<Expr>,
        span: Span,
    },
}

/// `let pattern: type = value;` or `const NAME = value;`
#[derive(Clone, Debug)]
pub(crate) struct Let {
    pub(crate) pattern: Pattern,
    pub(crate) ty: Option<TypePattern>,
    pub(crate) value: Expr,
    pub(crate) constant: bool,
}

/// What a value is bound to.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Name(Name),
    /// `_`
    Ignore,
    /// `(a, b)`: the elements of a list of this length.
    List(Vec<Pattern>, Span),
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    /// The depth of its tree, which the parser limits.
    pub(crate) depth: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Name(String),
    List(Vec<Expr>),
    /// `a..b` (or `a..=b` where `inclusive`): the list of the whole numbers between.
    Range {
        start: Box<Expr>,
        end: Box<Expr>,
        inclusive: bool,
    },
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        symbol: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Property {
        of: Box<Expr>,
        name: Name,
    },
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    Call(Call),
    If {
        branches: Vec<(Expr, Body)>,
        otherwise: Option<Body>,
    },
    Body(Body),
    /// `head -> stage -> stage`
    Chain {
        head: Box<Expr>,
        stages: Vec<Stage>,
    },
    /// `name: call(…)` or `name: { … }` with nothing flowing in.
    Scope {
        path: Path,
        of: Box<Expr>,
    },
}

/// A call; in a stage the arguments in parentheses may be missing.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) callee: Box<Expr>,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) name: Option<Name>,
    pub(crate) value: Expr,
}

impl Argument {
    pub(crate) fn span(&self) -> Span {
        match &self.name {
            Some(name) => name.span.to(self.value.span),
            None => self.value.span,
        }
    }
}

/// What stands after an arrow; `path` names it.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) path: Option<Path>,
    pub(crate) kind: StageKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum StageKind {
    /// `conv(6, kernel: 5)`, `relu`
    Call(Call),
    /// `{ 0: conv(…) -> 1: batch_norm }`
    Stages(Stages),
    /// `for i in 0..3 { {i}: basic(64) }`: the stages once for each element.
    For { pattern: Pattern, list: Expr, body: Stages },
    /// `if stride > 1 { … } else { … }`; without `else`, what comes in goes out.
    If { branches: Vec<(Expr, Stages)>, otherwise: Option<Stages> },
    /// `|x| { … }`: what comes in, under a name.
    Bind { pattern: Pattern, body: Body },
}

/// `let`s and then stages.
#[derive(Clone, Debug)]
pub(crate) struct Stages {
    pub(crate) lets: Vec<Let>,
    pub(crate) stages: Vec<Stage>,
}

/// `layer{i + 1}.0`: the name of an operator or scope.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) parts: Vec<PathPart>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum PathPart {
    /// Letters, digits, underscores and dots.
    Text(String),
    /// `{i + 1}`
    Expr(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Negate,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl BinaryOp {
    /// The operators with their binding strength, stronger binds closer.
    const TABLE: [(&'static str, Self, u8); 15] = [
        ("||", Self::Or, 1),
        ("&&", Self::And, 2),
        ("==", Self::Equal, 3),
        ("!=", Self::NotEqual, 3),
        ("<", Self::Less, 3),
        ("<=", Self::LessEqual, 3),
        (">", Self::Greater, 3),
        (">=", Self::GreaterEqual, 3),
        ("<<", Self::ShiftLeft, 4),
        (">>", Self::ShiftRight, 4),
        ("+", Self::Add, 5),
        ("-", Self::Subtract, 5),
        ("*", Self::Multiply, 6),
        ("/", Self::Divide, 6),
        ("%", Self::Remainder, 6),
    ];

    pub(crate) fn of(symbol: &str) -> Option<(Self, u8)> {
        Self::TABLE.iter().find(|(text, ..)| *text == symbol).map(|(_, op, strength)| (*op, *strength))
    }

    pub(crate) fn symbol(self) -> &'static str {
        Self::TABLE.iter().find(|(_, op, _)| *op == self).map_or("", |(text, ..)| text)
    }
}

//! Building a graph: runs a network's body, in which every operator call becomes a node.
//!
//! An error is noted and the evaluation goes on with [`Value::Poison`] in place of what failed, so that independent
//! errors come out together and one mistake is told once.

mod apply;
mod arithmetic;
mod bind;
pub(super) mod builtin;
mod expression;
mod network;
mod operator;
mod scope;
mod stage;
mod statement;
mod value;

use std::collections::{HashMap, HashSet};

pub(super) use network::network;
use value::Value;

use super::Module;
use super::ast::Const;
use super::error::Error;
use super::limits;
use super::prelude::prelude;
use super::token::Span;
use crate::Graph;
use crate::graph::NodeId;

/// Why there is no value.
#[derive(Clone, Copy, Debug)]
enum Failed {
    /// An error is noted; what does not depend on the value goes on.
    Here,
    /// A limit is reached: nothing goes on.
    Entirely,
}

type Eval<T> = Result<T, Failed>;

/// What a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameKind {
    Network,
    Block,
    Function,
    /// A constant item, or the arguments of an instance.
    Constant,
}

/// One call that is running.
#[derive(Debug)]
struct Frame<'m> {
    kind: FrameKind,
    /// Where its names are found.
    module: &'m Module,
    /// The name of the routine.
    name: &'m str,
    /// Where it is called, in the text of the caller.
    site: Span,
    /// The path it is called as, where it is named.
    path: Option<String>,
    variables: Vec<Variable<'m>>,
}

#[derive(Debug)]
struct Variable<'m> {
    name: &'m str,
    value: Value<'m>,
    constant: bool,
}

/// The state of an evaluation.
struct Evaluator<'m> {
    module: &'m Module,
    graph: Graph,
    errors: Vec<Error>,
    frames: Vec<Frame<'m>>,
    /// The path of the scope that names are put into: `layer1.0`.
    prefix: String,
    /// Whether the prefix was named since the frame began, so that `self` stands for it.
    scoped: bool,
    /// Paths of operators, which have to differ.
    operator_paths: HashSet<String>,
    /// Paths of calls of blocks, which have to differ; a block and the operator that is its `self` share one.
    block_paths: HashSet<String>,
    /// How often each automatic name was given.
    automatic: HashMap<String, usize>,
    /// Nodes with an automatic name: they may take the name of the scope that they end.
    unnamed: HashSet<NodeId>,
    /// Constant items; `None` while one is being evaluated.
    constants: HashMap<*const Const, Option<Value<'m>>>,
    operators: usize,
    macs: u64,
    steps: u64,
    depth: u32,
}

impl<'m> Evaluator<'m> {
    fn new(module: &'m Module, name: &str) -> Self {
        Self {
            module,
            graph: Graph::new(name),
            errors: Vec::new(),
            frames: Vec::new(),
            prefix: String::new(),
            scoped: false,
            operator_paths: HashSet::new(),
            block_paths: HashSet::new(),
            automatic: HashMap::new(),
            unnamed: HashSet::new(),
            constants: HashMap::new(),
            operators: 0,
            macs: 0,
            steps: 0,
            depth: 0,
        }
    }

    /// Notes an error. Inside the prelude the call of the prelude's block is to blame.
    fn fail(&mut self, mut error: Error) -> Failed {
        let is_prelude = |frame: &&Frame<'_>| std::ptr::eq(frame.module, prelude());
        let hidden = self.frames.iter().rev().take_while(is_prelude).count();
        let shown = self.frames.len() - hidden;
        if let Some(outermost) = self.frames.get(shown).filter(|_| hidden > 0) {
            error.span = outermost.site;
        }
        for frame in self.frames[..shown].iter().rev() {
            let name = frame.name;
            match (frame.kind, &frame.path) {
                (FrameKind::Block, Some(path)) => error.notes.push(format!("in block `{name}`, called as `{path}`")),
                (FrameKind::Block, None) => error.notes.push(format!("in block `{name}`")),
                (FrameKind::Function, _) => error.notes.push(format!("in function `{name}`")),
                (FrameKind::Network | FrameKind::Constant, _) => {}
            }
        }
        // A fault deep in recursion would list hundreds of calls.
        if error.notes.len() > 8 {
            let left_out = error.notes.len() - 7;
            error.notes.splice(5..error.notes.len() - 2, [format!("… {left_out} more …")]);
        }
        self.errors.push(error);
        if self.errors.len() < limits::ERRORS { Failed::Here } else { Failed::Entirely }
    }

    /// Notes an error of the caller of what runs.
    fn fail_in_caller(&mut self, error: Error) -> Failed {
        let frame = self.frames.pop();
        let failed = self.fail(error);
        self.frames.extend(frame);
        failed
    }

    fn error(&mut self, span: Span, message: impl Into<String>) -> Failed {
        self.fail(Error::new(span, message))
    }

    /// Ends the evaluation.
    fn stop(&mut self, span: Span, message: impl Into<String>) -> Failed {
        self.error(span, message);
        Failed::Entirely
    }

    /// Counts work.
    fn spend(&mut self, steps: usize, span: Span) -> Eval<()> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > limits::STEPS {
            return Err(self.stop(span, format!("this takes more than {} steps; does it ever end?", limits::STEPS)));
        }
        Ok(())
    }

    /// Runs `run` one level deeper.
    fn deeper<T>(&mut self, span: Span, run: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        if self.depth >= limits::EVALUATION_DEPTH {
            return Err(self.stop(span, "evaluation is nested too deeply; does it call itself forever?"));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn frame(&mut self) -> &mut Frame<'m> {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Runs `run` in a frame of its own.
    fn in_frame<T>(&mut self, frame: Frame<'m>, run: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        if self.frames.len() >= limits::CALL_DEPTH {
            let (name, site) = (frame.name, frame.site);
            let message = format!("calls nest deeper than {}; does `{name}` call itself forever?", limits::CALL_DEPTH);
            return Err(self.stop(site, message));
        }
        self.frames.push(frame);
        let result = run(self);
        self.frames.pop();
        result
    }

    /// Runs `run`; variables that it binds end with it.
    fn in_block<T>(&mut self, run: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        let mark = self.frame().variables.len();
        let result = run(self);
        self.frame().variables.truncate(mark);
        result
    }
}

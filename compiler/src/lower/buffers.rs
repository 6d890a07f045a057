//! The buffers of a program while it is written: unique names, offsets of prepared weights.

use std::collections::{HashMap, HashSet};

use convoke_runtime::weights::WeightOp;

use super::arena::ALIGN;
use crate::graph::WeightExpr;
use crate::lir::{Buffer, BufferId, Place};

/// The buffers written so far.
pub(super) struct Buffers {
    pub(super) list: Vec<Buffer>,
    /// Elements of prepared weights.
    pub(super) weights_len: usize,
    names: HashSet<String>,
    /// Indices of parameters by name.
    parameters: HashMap<String, u32>,
}

impl Buffers {
    pub(super) fn new(parameters: impl Iterator<Item = String>) -> Self {
        let parameters = parameters.zip(0..).collect();
        Self { list: Vec::new(), weights_len: 0, names: HashSet::new(), parameters }
    }

    /// The instructions that evaluate an expression.
    pub(super) fn postfix(&self, expression: &WeightExpr) -> Vec<WeightOp> {
        expression.postfix(|name: &str| self.parameters[name])
    }

    /// A new buffer of prepared weights.
    pub(super) fn weights(&mut self, name: &str, len: usize, expression: Vec<WeightOp>) -> BufferId {
        let offset = self.weights_len;
        self.weights_len += len.next_multiple_of(ALIGN);
        self.add(name, len, Place::Weights { offset, expression })
    }

    /// A new buffer; its name gets a number where it is taken.
    pub(super) fn add(&mut self, name: &str, len: usize, place: Place) -> BufferId {
        let mut unique = name.to_owned();
        let mut count = 1;
        while !self.names.insert(unique.clone()) {
            count += 1;
            unique = format!("{name}.{count}");
        }
        let id = BufferId(u32::try_from(self.list.len()).expect("buffers are few"));
        self.list.push(Buffer { name: unique, len, place });
        id
    }
}

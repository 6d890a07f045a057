//! Operators of ONNX that are none of ours: they say what is known when a model is imported, or become several.

mod composite;
mod constant;
mod control;
mod einsum;
mod identity;
mod recurrent;
mod shape;

use super::Rule;

/// The rules of each file.
pub(super) const ALL: &[&[Rule]] = &[
    composite::RULES,
    constant::RULES,
    control::RULES,
    einsum::RULES,
    identity::RULES,
    recurrent::RULES,
    shape::RULES,
];

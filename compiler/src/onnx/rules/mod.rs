//! Operators of ONNX that are none of ours: they say what is known when a model is imported, or become several.

mod composite;
mod constant;
mod control;
mod einsum;
mod identity;
mod known;
mod parts;
mod quantize;
mod recurrent;
mod sampling;
mod shape;
mod windows;

use super::Rule;

/// The rules of each file.
pub(super) const ALL: &[&[Rule]] = &[
    composite::RULES,
    constant::RULES,
    control::RULES,
    einsum::RULES,
    identity::RULES,
    known::RULES,
    parts::RULES,
    quantize::RULES,
    recurrent::RULES,
    sampling::RULES,
    shape::RULES,
    windows::RULES,
];

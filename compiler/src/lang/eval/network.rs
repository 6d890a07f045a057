//! Networks: constants, inputs, body, outputs.

use super::value::Value;
use super::{Eval, Evaluator, Failed, Frame, FrameKind, Variable};
use crate::Graph;
use crate::TensorType;
use crate::lang::Module;

use crate::lang::ast::{Body, Definition, Item, Name, Network, Parameter};
use crate::lang::check::no_constant;
use crate::lang::error::Error;
use crate::lang::limits;
use crate::lang::token::Span;
use crate::ops::Attribute;
use crate::ops::hint::nearest;

/// A constant that is given, and where.
type Constant<'m> = (&'m str, Value<'m>, Span);

/// Builds the network `name`, with constants given from outside.
///
/// # Errors
/// Everything wrong with it.
pub(crate) fn network(module: &Module, name: &str, given: &[(&str, Attribute)]) -> Result<Graph, Vec<Error>> {
    let start = Span { first: 0, last: 0 };
    let Some(Item::Network(network)) = module.find(name) else {
        let infos = module.networks();
        let names: Vec<&str> = infos.iter().map(|info| info.name).collect();
        let error = Error::new(start, format!("there is no network `{name}`"))
            .note(format!("the networks are {}", names.join(", ")))
            .suggest(nearest(name, names.iter().copied()));
        return Err(vec![error]);
    };
    let mut eval = Evaluator::new(module, name);
    let built = eval.build(network, given);
    if eval.errors.is_empty() && built.is_ok() {
        return match eval.graph.verify() {
            Ok(()) if module.is_exact(network) => Ok(eval.graph.exact()),
            Ok(()) => Ok(eval.graph),
            Err(faults) => {
                Err(vec![Error::new(network.name.span, format!("internal error, please report it: {faults}"))])
            }
        };
    }
    Err(eval.errors)
}

impl<'m> Evaluator<'m> {
    fn build(&mut self, network: &'m Network, outside: &'m [(&str, Attribute)]) -> Eval<()> {
        let mut given: Vec<Constant<'m>> =
            outside.iter().map(|(name, value)| (*name, Value::of_attribute(value), network.name.span)).collect();
        let frame = |kind| Frame {
            kind,
            module: self.module,
            name: &network.name.text,
            site: network.name.span,
            path: None,
            variables: Vec::new(),
        };
        let (outer, inner) = (frame(FrameKind::Constant), frame(FrameKind::Network));
        let base = self.in_frame(outer, |eval| eval.instance(network, &mut given))?;
        let Definition::Body { inputs, constants, outputs, body } = &base.definition else { return Err(Failed::Here) };
        self.in_frame(inner, |eval| {
            eval.bind_constants(base, constants, given)?;
            eval.bind_inputs(inputs)?;
            eval.outputs(outputs, body)
        })
    }

    /// The network that is written out, at the end of a chain of instances; collects the constants that they give. What
    /// is given nearer to the start counts.
    fn instance(&mut self, network: &'m Network, given: &mut Vec<Constant<'m>>) -> Eval<&'m Network> {
        let mut at = network;
        for _ in 0..=self.module.items().len() {
            let Definition::Instance { base, arguments } = &at.definition else { return Ok(at) };
            for argument in arguments {
                // One without a name is a mistake that the check of names tells.
                let Some(name) = &argument.name else { continue };
                let value = self.expr(&argument.value)?;
                if given.iter().all(|(earlier, ..)| *earlier != name.text) {
                    given.push((&name.text, value, name.span));
                }
            }
            at = match self.module.find(&base.text) {
                Some(Item::Network(next)) => next,
                // The check of names has told of it.
                _ => return Err(Failed::Here),
            };
        }
        Err(Failed::Here)
    }

    fn bind_constants(&mut self, base: &'m Network, constants: &'m [Parameter], given: Vec<Constant<'m>>) -> Eval<()> {
        for (name, _, span) in &given {
            if constants.iter().all(|constant| constant.name.text != *name) {
                let known: Vec<_> = constants.iter().map(|constant| constant.name.text.as_str()).collect();
                let error = no_constant(&base.name.text, name, *span, &known);
                return Err(self.fail(error));
            }
        }
        let mut missing = Vec::new();
        for constant in constants {
            let name = constant.name.text.as_str();
            let value = match (given.iter().find(|(known, ..)| *known == name), &constant.default) {
                (Some((_, value, _)), _) => value.clone(),
                (None, Some(default)) => self.expr(default)?,
                (None, None) => {
                    missing.push(format!("`{name}`"));
                    continue;
                }
            };
            self.frame().variables.push(Variable { name, value, constant: true });
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("network `{}` needs {}", base.name.text, missing.join(", "));
        let site = self.frame().site;
        Err(self.error(site, message))
    }

    fn bind_inputs(&mut self, inputs: &'m [Parameter]) -> Eval<()> {
        for input in inputs {
            let Some(ty) = &input.ty else { continue };
            let mut shape = Vec::new();
            for dimension in &ty.dimensions {
                match dimension {
                    Some(expr) => shape.push(self.dimension(expr)?),
                    None => return Err(self.error(ty.span, "an input's dimensions are all known")),
                }
            }
            let elements = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
            if elements.is_none_or(|elements| elements > limits::ELEMENTS) || shape.len() > limits::RANK {
                let message = format!(
                    "a tensor has at most {} elements in {} dimensions, this has shape {shape:?}",
                    limits::ELEMENTS,
                    limits::RANK
                );
                return Err(self.error(ty.span, message));
            }
            let value = self.graph.edit().input(&input.name.text, TensorType { dtype: ty.dtype, shape });
            self.operator_paths.insert(input.name.text.clone());
            let variable = Variable { name: &input.name.text, value: Value::Tensor(value), constant: false };
            self.frame().variables.push(variable);
        }
        Ok(())
    }

    fn outputs(&mut self, outputs: &'m [Name], body: &'m Body) -> Eval<()> {
        let result = self.body_result(body, "the network")?;
        let values = match (&result, outputs.len()) {
            (Value::List(values), count) if values.len() == count => values.to_vec(),
            (_, 1) => vec![result],
            (other, count) => {
                let found = match other {
                    Value::List(values) => format!("{} values", values.len()),
                    other => other.to_string(),
                };
                let span = body.result.as_ref().map_or(body.span, |result| result.span);
                let message = format!("the network has {count} outputs, its result is {found}");
                return Err(self.error(span, message));
            }
        };
        for (name, value) in outputs.iter().zip(values) {
            let Value::Tensor(tensor) = value else {
                let message = format!("output `{}` is a tensor, found {value}", name.text);
                return Err(self.error(name.span, message));
            };
            self.graph.edit().output(&name.text, tensor);
        }
        Ok(())
    }
}

//! All spaces of a program, one after the other in one slice.

use std::ops::Range;

use convoke_runtime::weights::{Evaluator, Source};
use convoke_runtime::{Parameters, Tensor};

use super::InterpError;
use crate::lir::{Arg, BufferId, Place, Program};

/// What elements hold that nothing has written: a signalling NaN, which no operation returns.
const UNWRITTEN: u32 = 0x7fa0_dead;

/// Whether an element holds the pattern of what nothing has written.
pub(super) fn is_unwritten(element: f32) -> bool {
    element.to_bits() == UNWRITTEN
}

/// The elements of all buffers.
pub(super) struct Memory {
    pub(super) elements: Vec<f32>,
    /// Where each buffer lies in `elements`.
    buffers: Vec<Range<usize>>,
}

impl Memory {
    /// Memory with inputs and prepared weights; nothing else is written.
    pub(super) fn new(program: &Program, inputs: &[&Tensor], parameters: &Parameters) -> Result<Self, InterpError> {
        check_inputs(program, inputs)?;
        let mut memory = Self::unwritten(program)?;
        for (range, buffer) in memory.buffers.iter().zip(&program.buffers) {
            if let Place::Input(index) = buffer.place {
                memory.elements[range.clone()].copy_from_slice(inputs[usize::from(index)].data());
            }
        }
        memory.prepare(program, parameters)?;
        Ok(memory)
    }

    /// Arena, weights, inputs and outputs in this order.
    fn unwritten(program: &Program) -> Result<Self, InterpError> {
        let mut end: u128 = program.arena_len as u128 + program.weights_len as u128;
        let mut buffers = Vec::with_capacity(program.buffers.len());
        for buffer in &program.buffers {
            let start = match buffer.place {
                Place::Arena(offset) => offset as u128,
                Place::Weights { offset, .. } => program.arena_len as u128 + offset as u128,
                Place::Input(_) | Place::Output(_) => {
                    let start = end;
                    end += buffer.len as u128;
                    start
                }
            };
            buffers.push(start..start + buffer.len as u128);
        }
        let too_large = InterpError::TooLarge { elements: end };
        let mut elements = Vec::new();
        match usize::try_from(end) {
            Ok(len) if elements.try_reserve_exact(len).is_ok() => elements.resize(len, f32::from_bits(UNWRITTEN)),
            _ => return Err(too_large),
        }
        // All of them end within `elements`.
        let buffers = buffers.into_iter().map(|range| range.start as usize..range.end as usize).collect();
        Ok(Self { elements, buffers })
    }

    fn prepare(&mut self, program: &Program, parameters: &Parameters) -> Result<(), InterpError> {
        parameters.check(&program.parameters)?;
        let views = program.parameters.iter().filter_map(|parameter| parameters.get(&parameter.name));
        let sources: Vec<Source<'_>> = views.map(Source::from).collect();
        let mut evaluator = Evaluator::new(&sources);
        for (range, buffer) in self.buffers.iter().zip(&program.buffers) {
            if let Place::Weights { expression, .. } = &buffer.place {
                evaluator
                    .evaluate(expression, &mut self.elements[range.clone()])
                    .map_err(|error| InterpError::Weights { buffer: buffer.name.clone(), error })?;
            }
        }
        Ok(())
    }

    /// The elements of a buffer.
    pub(super) fn buffer(&self, id: BufferId) -> &[f32] {
        &self.elements[self.buffers[id.0 as usize].clone()]
    }

    /// Where an argument of `len` elements lies in [`elements`](Self::elements).
    pub(super) fn argument(&self, arg: Arg, len: usize) -> Range<usize> {
        let start = self.buffers[arg.buffer.0 as usize].start + arg.offset;
        start..start + len
    }

    /// The outputs in order.
    pub(super) fn outputs(&self, program: &Program) -> Result<Vec<Tensor>, InterpError> {
        let mut outputs: Vec<Tensor> = program.outputs.iter().map(|output| Tensor::zeros(&output.shape)).collect();
        for (range, buffer) in self.buffers.iter().zip(&program.buffers) {
            let Place::Output(index) = buffer.place else { continue };
            let elements = &self.elements[range.clone()];
            if let Some(element) = elements.iter().position(|&element| is_unwritten(element)) {
                let name = program.outputs[usize::from(index)].name.to_string();
                return Err(InterpError::UnwrittenOutput { name, element });
            }
            outputs[usize::from(index)].data_mut().copy_from_slice(elements);
        }
        Ok(outputs)
    }
}

fn check_inputs(program: &Program, inputs: &[&Tensor]) -> Result<(), InterpError> {
    let (expected, found) = (program.inputs.len(), inputs.len());
    if expected != found {
        return Err(InterpError::InputCount { program: program.name.clone(), expected, found });
    }
    for (info, tensor) in program.inputs.iter().zip(inputs) {
        if tensor.shape() != &*info.shape {
            let (expected, found) = (info.shape.to_vec(), tensor.shape().to_vec());
            return Err(InterpError::InputShape { name: info.name.to_string(), expected, found });
        }
    }
    Ok(())
}

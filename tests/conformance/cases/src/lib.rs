//! The conformance cases: programs, and what they are run on.
//!
//! They are a crate of their own because two read them: the build script of `convoke-conformance`, which writes their
//! Rust, and its tests, which run them. To add cases, add them to [`all`].

mod arithmetic;
mod case;
mod kernels;
mod operators;
pub mod random;
mod texts;

pub use case::{Case, Random, Values};

use convoke_compiler::lir::{Arg, Buffer, BufferId, Function, Place, Program, Step};
use convoke_runtime::Isa;
use convoke_runtime::network::ValueInfo;

/// Programs of random arithmetic that become Rust.
const RANDOM: u32 = 8;

/// All cases that become Rust: for every instruction set of this machine, but operators, of which there are many, for
/// [`Isa::detect`] only, which `CONVOKE_ISA` caps.
#[must_use]
pub fn all() -> Vec<Case> {
    let written = |isa| arithmetic::cases(isa).into_iter().chain(kernels::cases(isa)).chain(texts::cases(isa));
    let random = |isa| (0..RANDOM).map(move |seed| random::case(isa, seed));
    let isas = Isa::ALL.into_iter().filter(|isa| isa.available());
    isas.flat_map(|isa| written(isa).chain(random(isa))).chain(operators::cases(Isa::detect())).collect()
}

/// The program of one step that runs `function` with two threads: parameters that it writes are outputs, the others
/// inputs.
fn program(isa: Isa, function: Function) -> Program {
    let (mut inputs, mut outputs, mut buffers) = (Vec::new(), Vec::new(), Vec::new());
    for param in &function.params {
        let info = ValueInfo::f32(param.name.clone(), vec![param.len]);
        let (list, place) = if param.written {
            (&mut outputs, Place::Output as fn(u16) -> Place)
        } else {
            (&mut inputs, Place::Input as fn(u16) -> Place)
        };
        buffers.push(Buffer { name: param.name.clone(), len: param.len, place: place(list.len() as u16) });
        list.push(info);
    }
    let args = (0..buffers.len() as u32).map(|index| Arg { buffer: BufferId(index), offset: 0 }).collect();
    Program {
        name: function.name.clone(),
        isa,
        inputs,
        outputs,
        parameters: Vec::new(),
        buffers,
        arena_len: 0,
        weights_len: 0,
        steps: vec![Step { name: function.name.clone(), function: 0, args, threads: 2 }],
        functions: vec![function],
    }
}

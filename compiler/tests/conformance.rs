//! Every operator's cases, lowered for every instruction set that this machine runs, in the interpreter, against the
//! naive definition; without passes, with all of them, and on images in blocks of channels.

use convoke_compiler::backend::interp;
use convoke_compiler::graph::{Value, evaluate};
use convoke_compiler::lower::{self, Target};
use convoke_compiler::ops::{Case, Op, max_pool::MaxPool};
use convoke_compiler::{Graph, TensorType, compile, lir};
use convoke_runtime::{DType, Isa, Parameters, Tensor};

/// The graph of a case: its operands as inputs and parameters, the operator, one output for each result. If `blocked`,
/// images come in blocks of channels, from a pooling of single pixels.
fn graph_of(case: &Case, blocked: bool) -> Graph {
    let mut graph = Graph::new("case");
    let mut edit = graph.edit();
    let mut operands: Vec<Value> = Vec::new();
    for (index, operand) in case.operands.iter().enumerate() {
        let (name, ty) = (format!("x{index}"), operand.ty.clone());
        operands.push(if operand.weight { edit.parameter(name, ty) } else { edit.input(name, ty) });
        if blocked && !operand.weight && operand.ty.rank() == 4 && operand.ty.dtype == DType::F32 {
            let [kernel, stride, dilation] = [[1, 1]; 3];
            let pool = MaxPool { kernel, stride, padding: [0; 4], dilation, ceil_mode: false };
            let pooled = edit.op(format!("blocked{index}"), pool, &[operands[index]]).expect("an image");
            operands[index] = pooled.into();
        }
    }
    let node = edit.op("y", case.op.clone(), &operands).expect("a case is well typed");
    let types: Vec<&TensorType> = case.types();
    let results = case.op.infer(&types).expect("a case is well typed").len();
    for output in 0..results as u16 {
        edit.output(format!("y{output}"), Value { node, output });
    }
    graph
}

/// The largest difference, relative to the largest expected value, or where that has all but vanished to a quarter of
/// the operands': the tail of GELU is a difference of numbers near 1.
fn relative_error(found: &Tensor, expected: &Tensor, operands: &[Tensor]) -> f32 {
    let largest = |tensor: &Tensor| tensor.data().iter().fold(0.0_f32, |max, x| max.max(x.abs()));
    let scale = operands.iter().map(|tensor| largest(tensor) / 4.0).fold(largest(expected), f32::max);
    let differences = found.data().iter().zip(expected.data()).map(|(a, b)| (a - b).abs());
    differences.fold(0.0_f32, |max, x| if x > max || x.is_nan() { x } else { max }) / scale
}

/// The interpreter's results, with which the JIT's agree bit for bit on one thread and on two.
fn run(program: &lir::Program, inputs: &[&Tensor], parameters: &Parameters) -> Result<Vec<Tensor>, String> {
    lir::verify(program).map_err(|faults| format!("{faults}\n{program}"))?;
    let expected = interp::run(program, inputs, parameters).map_err(|error| error.to_string())?;
    #[cfg(feature = "jit")]
    let compiled = convoke_compiler::backend::jit::compile(program).map_err(|error| error.to_string())?;
    #[cfg(feature = "jit")]
    for threads in [1, 2] {
        let mut model = compiled.model(parameters).map_err(|error| error.to_string())?.threads(threads);
        let found = model.run(inputs).map_err(|error| error.to_string())?;
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        for (found, expected) in found.iter().zip(&expected) {
            if !found.data().iter().zip(expected.data()).all(same) {
                return Err(format!("the JIT on {threads} threads disagrees with the interpreter\n{program}"));
            }
        }
    }
    Ok(expected)
}

fn lowered(graph: &Graph, target: &Target) -> Result<lir::Program, String> {
    let program = lower::plan(graph, target).and_then(|plan| lower::program(graph, &plan, &graph.parameters()));
    program.map_err(|error| error.to_string())
}

#[test]
fn every_case_on_every_instruction_set() {
    let mut failures = Vec::new();
    for case in Op::cases() {
        let [graph, behind_pooling] = [false, true].map(|blocked| graph_of(&case, blocked));
        let (mut inputs, mut parameters) = (Vec::new(), Vec::new());
        for (index, (operand, tensor)) in case.operands.iter().zip(case.tensors()).enumerate() {
            if operand.weight { parameters.push((format!("x{index}"), tensor)) } else { inputs.push(tensor) }
        }
        let parameters = Parameters::from_tensors(parameters);
        let expected = evaluate::evaluate(&graph, &inputs, &parameters).expect("the naive definition runs");
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.available()) {
            let target = Target::new(isa);
            let plain = lowered(&graph, &target);
            let optimized = compile(&graph, &target).map_err(|error| error.to_string());
            let mut programs = vec![("no passes", plain), ("all passes", optimized)];
            if isa == Isa::detect() && behind_pooling.len() > graph.len() {
                programs.push(("blocked", lowered(&behind_pooling, &target)));
            }
            for (passes, program) in programs {
                let name = format!("{} {} on {isa}, {passes}", case.op.name(), case.name);
                let result = program.and_then(|program| run(&program, &inputs, &parameters));
                match result {
                    Err(error) => failures.push(format!("{name}: {error}")),
                    Ok(found) => {
                        for (found, expected) in found.iter().zip(&expected) {
                            let error = relative_error(found, expected, &case.tensors());
                            if error.is_nan() || error > case.tolerance {
                                failures.push(format!("{name}: error {error:e} above {:e}", case.tolerance));
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

//! Every case of every operator, lowered as it is and, where that is another program, after all passes.

use convoke_compiler::graph::Value;
use convoke_compiler::lower::{self, Target};
use convoke_compiler::ops::{Case as OpCase, Op};
use convoke_compiler::{Graph, compile};
use convoke_runtime::{Isa, Parameters};

use crate::Case;

/// One or two cases for each of [`Op::cases`].
pub(crate) fn cases(isa: Isa) -> Vec<Case> {
    let target = Target::new(isa);
    let both = |case: &OpCase| {
        let graph = graph(case);
        let plain = lower::plan(&graph, &target).and_then(|plan| lower::program(&graph, &plan, &graph.parameters()));
        let name = |passes: &str| format!("operators/{}/{}/{passes}/{isa}", case.op.name(), case.name);
        let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", name("lowering")) };
        let plain = plain.unwrap_or_else(|error| fail(&error));
        let optimized = compile(&graph, &target).unwrap_or_else(|error| fail(&error));
        let optimized = (optimized != plain).then_some(("all passes", optimized));
        let programs = std::iter::once(("no passes", plain)).chain(optimized);
        let case = |(passes, program)| {
            let (mut inputs, mut parameters) = (Vec::new(), Vec::new());
            for ((index, operand), tensor) in (0..).zip(&case.operands).zip(case.tensors()) {
                if operand.weight { parameters.push((operand_name(index), tensor)) } else { inputs.push(tensor) }
            }
            let parameters = Parameters::from_tensors(parameters);
            Case { name: name(passes), program, inputs, parameters }
        };
        programs.map(case).collect::<Vec<_>>()
    };
    Op::cases().iter().flat_map(both).collect()
}

/// The graph of a case: its operands as inputs and parameters, the operator, one output for each result.
fn graph(case: &OpCase) -> Graph {
    let mut graph = Graph::new("case");
    let mut edit = graph.edit();
    let mut operands: Vec<Value> = Vec::new();
    for (index, operand) in (0..).zip(&case.operands) {
        let (name, ty) = (operand_name(index), operand.ty.clone());
        operands.push(if operand.weight { edit.parameter(name, ty) } else { edit.input(name, ty) });
    }
    let node = edit.op("y", case.op.clone(), &operands).expect("a case is well typed");
    let results = case.op.infer(&case.types()).expect("a case is well typed").len();
    for output in 0..results as u16 {
        edit.output(format!("y{output}"), Value { node, output });
    }
    graph
}

fn operand_name(index: usize) -> String {
    format!("x{index}")
}

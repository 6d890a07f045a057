//! Steps of the same shape share one function: the repeated blocks of a deep network are compiled once.

use std::collections::HashMap;

use super::{Function, Program};

/// Merges functions that are equal but for their names, and drops those that no step calls.
#[must_use]
pub fn share_functions(mut program: Program) -> Program {
    let mut kept: Vec<Function> = Vec::new();
    let mut known: HashMap<String, u32> = HashMap::new();
    for step in &mut program.steps {
        let function = &program.functions[step.function as usize];
        // The text says all that a function is; it hashes where floats do not.
        let text = Function { name: String::new(), ..function.clone() }.to_string();
        step.function = *known.entry(text).or_insert_with(|| {
            kept.push(function.clone());
            u32::try_from(kept.len() - 1).expect("functions are fewer than steps")
        });
    }
    program.functions = kept;
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::Step;

    #[test]
    fn equal_functions_become_one() {
        let function = |name: &str, len: usize| {
            let mut f = crate::lir::FunctionBuilder::new(name);
            let (to, from) = (f.written("y", len), f.read("x", len));
            let x = f.load(1, from.at(0));
            f.store(to.at(0), x);
            f.finish()
        };
        let step = |function| Step { name: format!("s{function}"), function, args: Vec::new(), threads: 1 };
        let program = Program {
            name: "p".to_owned(),
            isa: convoke_runtime::Isa::Scalar,
            inputs: Vec::new(),
            outputs: Vec::new(),
            parameters: Vec::new(),
            buffers: Vec::new(),
            arena_len: 0,
            weights_len: 0,
            functions: vec![function("a", 4), function("b", 4), function("c", 8), function("unused", 2)],
            steps: vec![step(0), step(1), step(2), step(0)],
        };
        let shared = share_functions(program);
        let names: Vec<&str> = shared.functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(shared.steps.iter().map(|step| step.function).collect::<Vec<_>>(), [0, 0, 1, 0]);
    }
}

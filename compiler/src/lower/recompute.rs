//! Values that are cheap to compute and wait long for late uses, as activations wait for the gradient: made again just
//! before, their memory serves others in between.
//!
//! ```text
//! y = f(x);  g(y) …            … h(x, y)      ⟹      y = f(x);  g(y) …          … y = f(x);  h(x, y)
//! ```
//!
//! for f a normalisation or an activation, and x a value that is used no earlier than y's late uses end, or known before
//! the run. So nothing lives longer than it did, and a run computes the same numbers.
//!
//! Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174, section 3, whose
//! cheapest choice this is: what takes no sum of products.

use std::collections::HashMap;

use crate::Graph;
use crate::graph::{NodeId, NodeKind, Value};
use crate::ops::Op;

/// Nodes between two uses from which on a value is worth making again.
const LONG: usize = 8;

/// What to make again, by the first of the late users.
pub(super) fn late_uses(graph: &Graph) -> HashMap<NodeId, Vec<Value>> {
    let order = graph.order();
    let places: HashMap<NodeId, usize> = order.iter().copied().zip(0..).collect();
    // Where each value is used: by its users, and by what is made again of it.
    let mut uses: HashMap<Value, Vec<usize>> = HashMap::new();
    for &id in &order {
        for operand in graph.operands(id) {
            uses.entry(operand).or_default().push(places[&id]);
        }
    }
    let mut late: HashMap<NodeId, Vec<Value>> = HashMap::new();
    // From the last node on, so that a node knows when it is wanted for another that is made again.
    for &id in order.iter().rev() {
        let value = Value::from(id);
        if !is_cheap(graph, id) || graph.is_output(id) {
            continue;
        }
        let mut at = uses.get(&value).cloned().unwrap_or_default();
        at.sort_unstable();
        let gap = |pair: &[usize]| pair[1] - pair[0];
        let Some(longest) = at.windows(2).max_by_key(|pair| gap(pair)).filter(|pair| gap(pair) >= LONG) else {
            continue;
        };
        let (first, last) = (longest[1], at[at.len() - 1]);
        let waits = |operand: &Value| match graph.node(operand.node).kind {
            NodeKind::Weight(_) | NodeKind::Input => true,
            NodeKind::Op(_) => uses[operand].iter().any(|&place| place >= last),
        };
        let operands = graph.operands(id);
        if operands.iter().all(waits) {
            operands.into_iter().for_each(|operand| uses.entry(operand).or_default().push(first));
            late.entry(order[first]).or_default().push(value);
        }
    }
    // What others are made of comes first.
    late.values_mut().for_each(|values| values.sort_by_key(|value| places[&value.node]));
    late
}

/// Whether a node takes no sum of products, and has one result.
fn is_cheap(graph: &Graph, id: NodeId) -> bool {
    graph.node(id).op().is_some_and(|op| matches!(op, Op::BatchNorm(_)) || op.activation().is_some())
}

#[cfg(test)]
mod tests {
    use convoke_runtime::{Isa, Parameters, Tensor};

    use super::super::{Plan, StepKind, Target};
    use super::*;
    use crate::backend::interp;

    /// Layers of a convolution, a normalisation and an activation, and the gradient by all of their parameters.
    fn gradient(layers: usize) -> Graph {
        let mut text = "graph g\n%x0 = input : f32[1, 8, 6, 6]\n".to_owned();
        for i in 0..layers {
            text += &format!(
                "%w{i} = parameter : f32[8, 8, 3, 3]\n%gamma{i} = parameter : f32[8]\n%beta{i} = parameter : f32[8]\n\
                 %mean{i} = parameter : f32[8]\n%var{i} = parameter : f32[8]\n\
                 %c{i} = conv(%x{i}, %w{i}) {{padding = [1, 1, 1, 1], bias = false}}\n\
                 %n{i} = batch_norm(%c{i}, %gamma{i}, %beta{i}, %mean{i}, %var{i})\n%x{} = silu(%n{i})\n",
                i + 1
            );
        }
        text += &format!("output y = %x{layers}\n");
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let trained = (0..layers).flat_map(|i| [format!("w{i}"), format!("gamma{i}"), format!("beta{i}")]);
        let by: Vec<Value> = trained.map(|name| graph.find(&name).expect("it is there").into()).collect();
        let output = graph.outputs()[0].1;
        graph.gradient(&[output], &by).expect("every operator has a rule")
    }

    fn normalisations(plan: &Plan) -> usize {
        let is_norm = |kind: &StepKind| matches!(kind, StepKind::Node(node) if node.op == "batch_norm");
        plan.steps.iter().filter(|step| is_norm(&step.kind)).count()
    }

    #[test]
    fn saves_memory_and_changes_no_bit() {
        let (graph, target) = (gradient(6), Target::new(Isa::Scalar));
        let frugal = graph.clone().frugal();
        assert_eq!(frugal.to_string().parse::<Graph>().map(|graph| graph.is_frugal()), Ok(true));
        let plans = [&graph, &frugal].map(|graph| crate::plan(graph, &target).expect("it has a plan").1);
        assert!(normalisations(&plans[1]) > normalisations(&plans[0]));
        assert!(plans[1].arena_len < plans[0].arena_len, "{} {}", plans[1].arena_len, plans[0].arena_len);
        let tensor = |shape: &[usize], scale: f32| {
            let count: usize = shape.iter().product();
            let values = (0..count).map(|i| scale * ((i * 37 % 101) as f32 / 50.0 - 0.9)).collect();
            Tensor::from_vec(shape, values).expect("as many as the shape has")
        };
        let parameters = graph.parameters().into_iter().map(|(name, ty)| {
            let variance = name.starts_with("var");
            (
                name,
                if variance { Tensor::from_vec(&ty.shape, vec![1.5; 8]).expect("8") } else { tensor(&ty.shape, 0.2) },
            )
        });
        let parameters = Parameters::from_tensors(parameters);
        let inputs: Vec<Tensor> =
            graph.inputs().iter().map(|&id| tensor(&graph.type_of(id.into()).shape, 1.0)).collect();
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let results = [&graph, &frugal].map(|graph| {
            let program = crate::compile(graph, &target).expect("it compiles");
            let outputs = interp::run(&program, &inputs, &parameters).expect("it runs");
            outputs.into_iter().flat_map(|output| output.data().to_vec()).map(f32::to_bits).collect::<Vec<_>>()
        });
        assert_eq!(results[0], results[1]);
    }

    /// One normalisation, whose result is used late, of a value that is not.
    #[test]
    fn nothing_lives_longer() {
        let mut text = "graph g\n%x = input : f32[1, 4, 3, 3]\n%v = parameter : f32[4]\n%r0 = sigmoid(%x)\n\
            %n = batch_norm(%r0, %v, %v, %v, %v)\n%a0 = tanh(%n)\n"
            .to_owned();
        (0..20).for_each(|i| text += &format!("%a{} = tanh(%a{i})\n", i + 1));
        let of =
            |end: &str| format!("{text}%y = {end}\noutput y = %y\n").parse::<Graph>().map(|graph| late_uses(&graph));
        assert_eq!(of("add(%a20, %n)"), Ok(HashMap::new()));
        assert_eq!(of("add(%a20, %r0)").map(|late| late.len()), Ok(1), "the sigmoid, of an input");
    }
}

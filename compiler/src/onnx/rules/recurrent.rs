//! Recurrent layers, unrolled: the product of the whole sequence with the input's weights, then a few nodes a step.

use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use crate::ops::add::Add;
use crate::ops::binary::{Binary, Function};
use crate::ops::clip::Clip;
use crate::ops::concat::Concat;
use crate::ops::hard_sigmoid::HardSigmoid;
use crate::ops::leaky_relu::LeakyRelu;
use crate::ops::matmul::MatMul;
use crate::ops::mul::Mul;
use crate::ops::relu::Relu;
use crate::ops::sigmoid::Sigmoid;
use crate::ops::slice::Slice;
use crate::ops::tanh::Tanh;
use crate::ops::transpose::Transpose;
use crate::ops::unary::{self, Unary};
use crate::ops::{Op, reshape};
use convoke_runtime::Tensor;

pub(super) const RULES: &[Rule] = &[
    Rule { operator: "RNN", import: |node| recurrent(node, Cell::Rnn) },
    Rule { operator: "GRU", import: |node| recurrent(node, Cell::Gru) },
    Rule { operator: "LSTM", import: |node| recurrent(node, Cell::Lstm) },
];

/// The most steps of a sequence; each becomes nodes of its own.
const MAX_STEPS: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// `h′ = tanh(W x + R h + b)`.
    Rnn,
    /// Cho et al. 2014, arXiv:1406.1078, section 2.3.
    Gru,
    /// Hochreiter and Schmidhuber 1997, with peepholes: Gers and Schmidhuber 2000.
    Lstm,
}

/// One direction's weights: W is I × G·H, R is H × G·H, biases are G·H.
struct Weights {
    r: Item,
    /// The biases of W and R.
    biases: Option<[Item; 2]>,
    /// Input, output and forget gate's, H each.
    peepholes: Option<[Item; 3]>,
    hidden: usize,
    linear_before_reset: bool,
    /// The gates' functions, the new value's, and that of what an LSTM shows of its cell.
    activations: Vec<Op>,
    /// The largest magnitude of what the gates' and the new value's functions are applied to.
    clip: Option<f32>,
}

fn recurrent(node: &mut Node<'_, '_>, cell: Cell) -> Result<Vec<Item>, Unsupported> {
    node.ignore("hidden_size");
    let linear_before_reset = cell == Cell::Gru && node.flag("linear_before_reset")?;
    if cell == Cell::Lstm {
        node.only("input_forget", 0)?;
    }
    let batch_first = node.flag("layout")?;
    let reverse: &[bool] = match node.text("direction")? {
        None | Some("forward") => &[false],
        Some("reverse") => &[true],
        Some("bidirectional") => &[false, true],
        Some(other) => return Err(Unsupported::new(format!("attribute `direction` is \"{other}\""))),
    };
    let mut activations = activations(node, cell, reverse.len())?.into_iter();
    let clip = node.float("clip")?.filter(|&clip| clip > 0.0);
    let mut x = node.operand(0)?;
    if batch_first {
        x = node.apply(Transpose { order: vec![1, 0, 2] }, &[x])?;
    }
    let (shape, weight) = (node.ty(&x).shape, node.shape(2)?);
    let (&[steps, batch, _], &[_, _, hidden]) = (&shape[..], &weight[..]) else {
        return Err(Unsupported::new(format!("operands 0 and 2 are {shape:?} and {weight:?}, expected 3 dimensions")));
    };
    if steps > MAX_STEPS {
        return Err(Unsupported::new(format!("its sequence has {steps} steps, at most {MAX_STEPS} are supported")));
    }
    if node.ints_operand(4)?.is_some_and(|lens| lens.iter().any(|&len| len != steps as i64)) {
        return Err(Unsupported::new("its sequences end before the last step (operand 4)"));
    }
    let mut parts: [Vec<Item>; 3] = Default::default();
    for (direction, &reverse) in reverse.iter().enumerate() {
        let one = |node: &mut Node<'_, '_>, item: &Item| picked(node, item, 0, direction);
        let (w, r) = (node.operand(1)?, node.operand(2)?);
        let [w, r] = [one(node, &w)?, one(node, &r)?];
        let [w, r] = [transposed(node, w)?, transposed(node, r)?];
        let gates = node.ty(&r).shape[1];
        let mut lines = [None, None];
        for (line, index) in lines.iter_mut().zip([3, 7]) {
            let Some(item) = node.optional(index) else { continue };
            *line = Some(one(node, &item)?);
        }
        let [biases, peepholes] = lines;
        let biases = biases.map(|b| Ok::<_, Unsupported>([part(node, &b, 0, gates)?, part(node, &b, 1, gates)?]));
        let peepholes = peepholes.map(|p| {
            Ok::<_, Unsupported>([part(node, &p, 0, hidden)?, part(node, &p, 1, hidden)?, part(node, &p, 2, hidden)?])
        });
        let (biases, peepholes) = (biases.transpose()?, peepholes.transpose()?);
        let activations = activations.next().unwrap_or_default();
        let weights = Weights { r, biases, peepholes, hidden, linear_before_reset, activations, clip };
        let mut state = [initial(node, 5, direction, batch_first, [batch, hidden])?, zeros([batch, hidden])?];
        if cell == Cell::Lstm {
            state[1] = initial(node, 6, direction, batch_first, [batch, hidden])?;
        }
        let mut projected = node.apply(MatMul, &[x.clone(), w])?;
        if let Some([of_w, _]) = &weights.biases {
            projected = add(node, projected, of_w.clone())?;
        }
        let mut outputs = Vec::with_capacity(steps);
        for step in 0..steps {
            let step = if reverse { steps - 1 - step } else { step };
            let input = picked(node, &projected, 0, step)?;
            state = match cell {
                Cell::Rnn => rnn(node, &weights, input, state)?,
                Cell::Gru => gru(node, &weights, &input, state)?,
                Cell::Lstm => lstm(node, &weights, input, state)?,
            };
            outputs.push(reshape::to(node, state[0].clone(), &[1, 1, batch, hidden])?);
        }
        if reverse {
            outputs.reverse();
        }
        parts[0].push(joined(node, outputs, 0)?);
        for (part, last) in parts[1..].iter_mut().zip(state) {
            part.push(reshape::to(node, last, &[1, batch, hidden])?);
        }
    }
    let [y, last, cells] = parts;
    let mut results = vec![joined(node, y, 1)?, joined(node, last, 0)?];
    if cell == Cell::Lstm {
        results.push(joined(node, cells, 0)?);
    }
    if batch_first {
        for (result, order) in results.iter_mut().zip([vec![2, 0, 1, 3], vec![1, 0, 2], vec![1, 0, 2]]) {
            *result = node.apply(Transpose { order }, std::slice::from_ref(result))?;
        }
    }
    Ok(results)
}

/// The functions of each direction.
fn activations(node: &mut Node<'_, '_>, cell: Cell, directions: usize) -> Result<Vec<Vec<Op>>, Unsupported> {
    let usual: &[&str] = match cell {
        Cell::Rnn => &["Tanh"],
        Cell::Gru => &["Sigmoid", "Tanh"],
        Cell::Lstm => &["Sigmoid", "Tanh", "Tanh"],
    };
    let names = match node.texts("activations")? {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => usual.repeat(directions),
    };
    if names.len() != usual.len() * directions {
        let (found, expected) = (names.len(), usual.len() * directions);
        return Err(Unsupported::new(format!("attribute `activations` has {found} names, expected {expected}")));
    }
    // Functions that have constants take the next of these.
    let mut alpha = node.floats("activation_alpha")?.unwrap_or_default().iter().copied();
    let mut beta = node.floats("activation_beta")?.unwrap_or_default().iter().copied();
    let mut functions = Vec::with_capacity(names.len());
    for name in names {
        let mut unary = |function: unary::Function| {
            let mut op = Unary::new(function);
            for (constant, given) in op.constants.iter_mut().zip(function.constants().iter().map(|_| alpha.next())) {
                *constant = given.unwrap_or(*constant);
            }
            op.into()
        };
        functions.push(match name {
            "Sigmoid" => Sigmoid.into(),
            "Tanh" => Tanh.into(),
            "Relu" => Relu.into(),
            "LeakyRelu" => LeakyRelu { alpha: alpha.next().unwrap_or(0.01) }.into(),
            "HardSigmoid" => {
                HardSigmoid { alpha: alpha.next().unwrap_or(0.2), beta: beta.next().unwrap_or(0.5) }.into()
            }
            "Elu" => unary(unary::Function::Elu),
            "Softplus" => unary(unary::Function::Softplus),
            "Softsign" => unary(unary::Function::Softsign),
            "ThresholdedRelu" => unary(unary::Function::ThresholdedRelu),
            other => return Err(Unsupported::new(format!("attribute `activations` has the name \"{other}\""))),
        });
    }
    Ok(functions.chunks(usual.len()).map(<[Op]>::to_vec).collect())
}

impl Weights {
    /// Function `index` of a sum.
    fn activate(&self, node: &mut Node<'_, '_>, index: usize, mut sum: Item) -> Result<Item, Unsupported> {
        if let Some(clip) = self.clip {
            sum = node.apply(Clip { low: -clip, high: clip }, &[sum])?;
        }
        node.apply(self.activations[index].clone(), &[sum])
    }
}

fn rnn(node: &mut Node<'_, '_>, w: &Weights, input: Item, [h, c]: [Item; 2]) -> Result<[Item; 2], Unsupported> {
    let sum = gates(node, w, input, &h)?;
    Ok([w.activate(node, 0, sum)?, c])
}

/// Gates in the order update, reset, new.
fn gru(node: &mut Node<'_, '_>, w: &Weights, input: &Item, [h, c]: [Item; 2]) -> Result<[Item; 2], Unsupported> {
    // The new gate's product waits for the reset, where that comes first.
    let ready = |node: &mut Node<'_, '_>, item: &Item| {
        if w.linear_before_reset { Ok(item.clone()) } else { range(node, item, -1, 0, 2 * w.hidden) }
    };
    let r = ready(node, &w.r)?;
    let mut recurrent = node.apply(MatMul, &[h.clone(), r])?;
    if let Some([_, of_r]) = &w.biases {
        let of_r = ready(node, of_r)?;
        recurrent = add(node, recurrent, of_r)?;
    }
    let gate = |node: &mut Node<'_, '_>, index| {
        let [a, b] = [part(node, input, index, w.hidden)?, part(node, &recurrent, index, w.hidden)?];
        let sum = add(node, a, b)?;
        w.activate(node, 0, sum)
    };
    let (update, reset) = (gate(node, 0)?, gate(node, 1)?);
    let own = if w.linear_before_reset {
        let own = part(node, &recurrent, 2, w.hidden)?;
        mul(node, reset, own)?
    } else {
        let (kept, r) = (mul(node, reset, h.clone())?, part(node, &w.r, 2, w.hidden)?);
        let own = node.apply(MatMul, &[kept, r])?;
        match &w.biases {
            Some([_, of_r]) => {
                let of_r = part(node, of_r, 2, w.hidden)?;
                add(node, own, of_r)?
            }
            None => own,
        }
    };
    let input = part(node, input, 2, w.hidden)?;
    let sum = add(node, input, own)?;
    let new = w.activate(node, 1, sum)?;
    // (1 − z) ñ + z h
    let rest = node.apply(Binary { function: Function::Sub }, &[Constant::scalar(1.0).into(), update.clone()])?;
    let (new, old) = (mul(node, rest, new)?, mul(node, update, h)?);
    Ok([add(node, new, old)?, c])
}

/// Gates in the order input, output, forget, cell.
fn lstm(node: &mut Node<'_, '_>, w: &Weights, input: Item, [h, c]: [Item; 2]) -> Result<[Item; 2], Unsupported> {
    let sum = gates(node, w, input, &h)?;
    let gate = |node: &mut Node<'_, '_>, index: usize, cell: &Item| {
        let mut own = part(node, &sum, index, w.hidden)?;
        if let Some(peepholes) = &w.peepholes {
            let seen = mul(node, peepholes[index].clone(), cell.clone())?;
            own = add(node, own, seen)?;
        }
        w.activate(node, 0, own)
    };
    let (input, forget) = (gate(node, 0, &c)?, gate(node, 2, &c)?);
    let new = part(node, &sum, 3, w.hidden)?;
    let new = w.activate(node, 1, new)?;
    let (new, old) = (mul(node, input, new)?, mul(node, forget, c)?);
    let cell = add(node, new, old)?;
    let output = gate(node, 1, &cell)?;
    let shown = node.apply(w.activations[2].clone(), std::slice::from_ref(&cell))?;
    Ok([mul(node, output, shown)?, cell])
}

/// `input + h R + b`, B × G·H.
fn gates(node: &mut Node<'_, '_>, w: &Weights, input: Item, h: &Item) -> Result<Item, Unsupported> {
    let recurrent = node.apply(MatMul, &[h.clone(), w.r.clone()])?;
    let sum = add(node, input, recurrent)?;
    match &w.biases {
        Some([_, of_r]) => add(node, sum, of_r.clone()),
        None => Ok(sum),
    }
}

/// One direction of a first state, B × H; zeros where it is left out.
fn initial(
    node: &mut Node<'_, '_>,
    operand: usize,
    direction: usize,
    batch_first: bool,
    shape: [usize; 2],
) -> Result<Item, Unsupported> {
    match node.optional(operand) {
        Some(item) => picked(node, &item, usize::from(batch_first), direction),
        None => zeros(shape),
    }
}

fn zeros(shape: [usize; 2]) -> Result<Item, Unsupported> {
    let zeros: Tensor = Tensor::try_zeros(&shape).map_err(|error| Unsupported::new(error.to_string()))?;
    Ok(Constant::from(zeros).into())
}

fn add(node: &mut Node<'_, '_>, a: Item, b: Item) -> Result<Item, Unsupported> {
    node.apply(Add::default(), &[a, b])
}

fn mul(node: &mut Node<'_, '_>, a: Item, b: Item) -> Result<Item, Unsupported> {
    node.apply(Mul::default(), &[a, b])
}

fn transposed(node: &mut Node<'_, '_>, item: Item) -> Result<Item, Unsupported> {
    node.apply(Transpose { order: vec![1, 0] }, &[item])
}

fn joined(node: &mut Node<'_, '_>, mut items: Vec<Item>, axis: i64) -> Result<Item, Unsupported> {
    if items.len() == 1 { Ok(items.swap_remove(0)) } else { node.apply(Concat { axis }, &items) }
}

/// Part `index` of `len` elements along the last dimension.
fn part(node: &mut Node<'_, '_>, item: &Item, index: usize, len: usize) -> Result<Item, Unsupported> {
    range(node, item, -1, index * len, len)
}

/// Element `index` along a dimension, which disappears.
fn picked(node: &mut Node<'_, '_>, item: &Item, axis: usize, index: usize) -> Result<Item, Unsupported> {
    let mut shape = node.ty(item).shape;
    if axis >= shape.len() {
        return Err(Unsupported::new(format!("an operand is {shape:?}, expected more dimensions")));
    }
    shape.remove(axis);
    let one = range(node, item, axis as i64, index, 1)?;
    reshape::to(node, one, &shape)
}

fn range(node: &mut Node<'_, '_>, item: &Item, axis: i64, start: usize, len: usize) -> Result<Item, Unsupported> {
    let (starts, ends) = (vec![start as i64], vec![(start + len) as i64]);
    node.apply(Slice { axes: vec![axis], starts, ends, steps: vec![1] }, std::slice::from_ref(item))
}

//! Sums of products over named dimensions, as products of matrices.

use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::ops::matmul::MatMul;
use crate::ops::reduce::{Function, Reduce};
use crate::ops::reshape;
use crate::ops::transpose::Transpose;

pub(super) const RULES: &[Rule] = &[Rule { operator: "Einsum", import: einsum }];

/// A tensor and the names of its dimensions, all different.
struct Term {
    item: Item,
    names: Vec<char>,
}

/// Of the operands the first two are contracted, then the result and the third, and so on. A dimension is summed over
/// as soon as neither a later operand nor the result has it.
fn einsum(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let equation = node.text("equation")?.ok_or_else(|| Unsupported::new("attribute `equation` is missing"))?;
    let fail = |what: &str| Unsupported::new(format!("attribute `equation` is \"{equation}\": {what}"));
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = text.split_once("->").map_or((&*text, None), |(left, right)| (left, Some(right)));
    let operands = node.operands()?;
    let words: Vec<&str> = left.split(',').collect();
    if words.len() != operands.len() {
        return Err(fail(&format!("there are {} operands", operands.len())));
    }
    let mut terms = Vec::with_capacity(words.len());
    let mut beyond = 0;
    for (word, item) in words.into_iter().zip(operands) {
        let rank = node.ty(&item).rank();
        let named = word.chars().filter(|&c| c != '.').count();
        let hidden = rank.checked_sub(named).ok_or_else(|| fail("an operand has fewer dimensions"))?;
        let names = named_dims(word, hidden).filter(|names| names.len() == rank);
        let names = names.ok_or_else(|| fail("its names are not those of the operands' dimensions"))?;
        if names.iter().enumerate().any(|(place, name)| names[..place].contains(name)) {
            return Err(fail("diagonals are not supported"));
        }
        beyond = beyond.max(if word.contains("...") { hidden } else { 0 });
        terms.push(Term { item, names });
    }
    let result = match right {
        Some(word) => named_dims(word, beyond).ok_or_else(|| fail("its result is none"))?,
        None => implicit(&terms, beyond),
    };
    let known = |name: &char| terms.iter().any(|term| term.names.contains(name));
    if !result.iter().all(known) || result.iter().enumerate().any(|(place, name)| result[..place].contains(name)) {
        return Err(fail("its result has a dimension that no operand has, or one twice"));
    }
    let mut terms = terms.into_iter();
    let mut sum = terms.next().ok_or_else(|| fail("there is no operand"))?;
    while let Some(term) = terms.next() {
        let later = terms.as_slice();
        let kept = |name: char| result.contains(&name) || later.iter().any(|term| term.names.contains(&name));
        sum = contracted(node, sum, term, kept)?;
    }
    let sum = summed(node, sum, |name| result.contains(&name))?;
    Ok(vec![ordered(node, sum, &result)?])
}

/// The names that a word of the equation stands for; `...` is for `hidden` dimensions, the last of which is the same
/// in all words. `None` where the word is none.
fn named_dims(word: &str, hidden: usize) -> Option<Vec<char>> {
    let (before, after) = word.split_once("...").unwrap_or((word, ""));
    if !before.chars().chain(after.chars()).all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    let hidden = if word.contains("...") { hidden } else { 0 };
    Some(before.chars().chain(unnamed(hidden)).chain(after.chars()).collect())
}

/// Names of the dimensions that `...` stands for: digits, which no equation has.
fn unnamed(count: usize) -> impl Iterator<Item = char> {
    (0..count as u32).rev().filter_map(|place| char::from_u32('0' as u32 + place).filter(char::is_ascii_digit))
}

/// The result of an equation that does not say it: what `...` stands for, then the letters that stand once, sorted.
fn implicit(terms: &[Term], hidden: usize) -> Vec<char> {
    let names = || terms.iter().flat_map(|term| &term.names).copied().filter(char::is_ascii_alphabetic);
    let mut once: Vec<char> = names().filter(|&name| names().filter(|&other| other == name).count() == 1).collect();
    once.sort_unstable();
    unnamed(hidden).chain(once).collect()
}

/// The sum over the dimensions that are not kept.
fn summed(node: &mut Node<'_, '_>, term: Term, kept: impl Fn(char) -> bool) -> Result<Term, Unsupported> {
    let gone = |(place, &name): (usize, &char)| (!kept(name)).then_some(place as i64);
    let axes: Vec<i64> = term.names.iter().enumerate().filter_map(gone).collect();
    if axes.is_empty() {
        return Ok(term);
    }
    let names = term.names.into_iter().filter(|&name| kept(name)).collect();
    let item = node.apply(Reduce { function: Function::Sum, axes, keepdims: false }, &[term.item])?;
    Ok(Term { item, names })
}

/// The term with its dimensions in this order.
fn ordered(node: &mut Node<'_, '_>, term: Term, names: &[char]) -> Result<Item, Unsupported> {
    if term.names == names {
        return Ok(term.item);
    }
    let place = |name| term.names.iter().position(|own| own == name);
    let order: Option<Vec<usize>> = names.iter().map(place).collect();
    let order = order.ok_or_else(|| Unsupported::new("its operands' `...` stand for different dimensions"))?;
    node.apply(Transpose { order }, &[term.item])
}

/// The product of two terms, summed over what both have and what is not kept: a product of matrices, for each element
/// of the dimensions that both have and the result too.
fn contracted(node: &mut Node<'_, '_>, a: Term, b: Term, kept: impl Fn(char) -> bool) -> Result<Term, Unsupported> {
    let (in_a, in_b) = (a.names.clone(), b.names.clone());
    let a = summed(node, a, |name| kept(name) || in_b.contains(&name))?;
    let b = summed(node, b, |name| kept(name) || in_a.contains(&name))?;
    let part = |own: &[char], other: &[char], both: bool, stays: bool| -> Vec<char> {
        own.iter().copied().filter(|name| other.contains(name) == both && kept(*name) == stays).collect()
    };
    let batch = part(&a.names, &b.names, true, true);
    let inner = part(&a.names, &b.names, true, false);
    let (rows, columns) = (part(&a.names, &b.names, false, true), part(&b.names, &a.names, false, true));
    let (type_a, type_b) = (node.ty(&a.item).shape, node.ty(&b.item).shape);
    let size = |name: &char| {
        let of = |names: &[char], shape: &[usize]| names.iter().position(|own| own == name).map(|place| shape[place]);
        of(&a.names, &type_a).or(of(&b.names, &type_b)).unwrap_or(1)
    };
    let sizes = |names: &[char]| names.iter().map(size).collect::<Vec<usize>>();
    for (place, name) in b.names.iter().enumerate() {
        if size(name) != type_b[place] {
            let found = type_b[place];
            return Err(Unsupported::new(format!("a dimension of its equation is {} and {found}", size(name))));
        }
    }
    let count = |names: &[char]| sizes(names).iter().product::<usize>();
    let [batches, m, k, n] = [&batch, &rows, &inner, &columns].map(|names| count(names));
    let result = [&batch[..], &rows, &columns].concat();
    let shape = sizes(&result);
    let left = ordered(node, a, &[&batch[..], &rows, &inner].concat())?;
    let left = reshape::to(node, left, &[batches, m, k])?;
    let right = ordered(node, b, &[&batch[..], &inner, &columns].concat())?;
    let right = reshape::to(node, right, &[batches, k, n])?;
    let product = node.apply(MatMul, &[left, right])?;
    Ok(Term { item: reshape::to(node, product, &shape)?, names: result })
}

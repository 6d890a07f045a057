//! Weights, evaluated before the first run, and after parameters have changed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::LoadError;
use crate::network::{NetworkParts, WeightBuffer};
use crate::weights::{Evaluator, Source, WeightError, WeightOp};
use crate::{AlignedVec, Parameters, available_threads};

/// Elements of prepared weights that are worth one more thread, which takes 50 µs to start.
const ELEMENTS_PER_THREAD: usize = 1 << 19;

/// The prepared weights. A parameter that no other buffer reads leaves memory at once, where it lies in a file: file and
/// prepared weights are never there both.
pub(super) fn weights(network: &NetworkParts, parameters: &Parameters) -> Result<AlignedVec<f32>, LoadError> {
    let mut weights = AlignedVec::zeroed(network.weights_len);
    let done = |index: usize| parameters.release(&network.parameters[index].name);
    evaluate(network, parameters, &mut weights, |_| true, done)?;
    Ok(weights)
}

/// Evaluates once more what reads one of the parameters for whose names `changed` holds.
pub(super) fn again(
    network: &NetworkParts,
    parameters: &Parameters,
    weights: &mut [f32],
    changed: impl Fn(&str) -> bool,
) -> Result<(), LoadError> {
    let changed: Vec<bool> = network.parameters.iter().map(|parameter| changed(&parameter.name)).collect();
    let reads_it = |weight: &WeightBuffer| read(weight).any(|index| changed.get(index) == Some(&true));
    evaluate(network, parameters, weights, reads_it, |_| {})
}

/// Evaluates the buffers that are `wanted`; a parameter that no other of them reads is `done`.
fn evaluate(
    network: &NetworkParts,
    parameters: &Parameters,
    weights: &mut [f32],
    wanted: impl Fn(&WeightBuffer) -> bool,
    done: impl Fn(usize) + Sync,
) -> Result<(), LoadError> {
    let name = || network.name.clone().into_owned();
    parameters.check(&network.parameters).map_err(|errors| LoadError::Parameters { network: name(), errors })?;
    let sources: Vec<Source<'_>> =
        network.parameters.iter().filter_map(|parameter| parameters.source(&parameter.name)).collect();
    let mut places = places(network, weights)
        .map_err(|buffer| LoadError::Network { network: name(), reason: format!("weight buffer {buffer} overlaps") })?;
    places.retain(|(buffer, _)| wanted(&network.weights[*buffer]));
    let elements: usize = places.iter().map(|(_, place)| place.len()).sum();
    // The buffers that have yet to read each parameter.
    let readers: Vec<AtomicUsize> = sources.iter().map(|_| AtomicUsize::new(0)).collect();
    let reads = places.iter().flat_map(|(buffer, _)| read(&network.weights[*buffer]));
    reads.filter_map(|index| readers.get(index)).for_each(|readers| {
        readers.fetch_add(1, Ordering::Relaxed);
    });
    let (queue, failure) = (Mutex::new(places.into_iter()), Mutex::new(None::<(usize, WeightError)>));
    let work = || {
        let mut evaluator = Evaluator::new(&sources);
        // The queue is free again before the buffer is written.
        let next = || queue.lock().ok().and_then(|mut queue| queue.next());
        while let Some((buffer, dst)) = next() {
            let weight = &network.weights[buffer];
            if let Err(error) = evaluator.evaluate(&weight.expression, dst) {
                // The first in the network's order, whoever finds which first.
                let mut failure = failure.lock().expect("nobody panics with it");
                if failure.as_ref().is_none_or(|(first, _)| buffer < *first) {
                    *failure = Some((buffer, error));
                }
            }
            for index in read(weight) {
                if readers.get(index).is_some_and(|readers| readers.fetch_sub(1, Ordering::AcqRel) == 1) {
                    done(index);
                }
            }
        }
    };
    let threads = available_threads().min(elements / ELEMENTS_PER_THREAD);
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(std::thread::Builder::new().spawn_scoped(scope, work)));
        work();
    });
    match failure.into_inner().expect("nobody panics with it") {
        Some((buffer, error)) => Err(LoadError::Weight { network: name(), buffer, error }),
        None => Ok(()),
    }
}

/// The parameters that a buffer reads, each as often as it does.
fn read(weight: &WeightBuffer) -> impl Iterator<Item = usize> {
    weight
        .expression
        .iter()
        .filter_map(|op| if let WeightOp::Parameter(index) = op { Some(*index as usize) } else { None })
}

/// The place of each buffer, the largest first, so that no thread begins with one when the others are done; or the buffer
/// that has none of its own.
fn places<'w>(network: &NetworkParts, mut rest: &'w mut [f32]) -> Result<Vec<(usize, &'w mut [f32])>, usize> {
    let mut order: Vec<usize> = (0..network.weights.len()).collect();
    order.sort_by_key(|&buffer| network.weights[buffer].offset);
    let (mut places, mut at) = (Vec::with_capacity(order.len()), 0);
    for buffer in order {
        let WeightBuffer { offset, len, .. } = network.weights[buffer];
        let skipped = offset.checked_sub(at).ok_or(buffer)?;
        let (place, after) = rest.split_at_mut_checked(skipped + len).ok_or(buffer)?;
        places.push((buffer, &mut place[skipped..]));
        (rest, at) = (after, offset + len);
    }
    places.sort_by_key(|(_, place)| std::cmp::Reverse(place.len()));
    Ok(places)
}

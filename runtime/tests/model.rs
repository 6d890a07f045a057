//! Models of a network whose steps are written by hand.

mod toy;

use std::sync::Arc;

use convoke_runtime::network::{NetworkParts, Space, ValueInfo, WeightBuffer};
use convoke_runtime::weights::WeightOp;
use convoke_runtime::{DType, Isa, LoadError, Model, Network, Parameters, RunError, Tensor};

fn assert_outputs(outputs: &[Tensor], input: f32) {
    let (y, total) = toy::expected(input);
    assert_eq!((outputs[0].shape(), outputs[0].data()), (&[1, toy::N][..], &y[..]));
    assert_eq!((outputs[1].shape(), outputs[1].data()), (&[][..], &[total][..]));
}

#[test]
fn runs_on_any_number_of_threads() {
    for wanted in [1, 3, 100] {
        for threads in [1, 2, 3, 5] {
            let mut model = Model::new(toy::network(wanted), &toy::parameters()).unwrap().threads(threads);
            assert_eq!(model.thread_count(), threads.min(wanted as usize));
            for value in [1.0, -2.0, 0.5].repeat(20) {
                assert_outputs(model.run(&[&toy::input(value)]).unwrap(), value);
            }
        }
    }
}

#[test]
fn is_moved_between_threads() {
    let mut model = Model::new(toy::network(4), &toy::parameters()).unwrap().threads(2);
    assert_outputs(model.run(&[&toy::input(1.0)]).unwrap(), 1.0);
    let mut model = Box::new(model);
    std::thread::spawn(move || {
        assert_outputs(model.outputs(), 1.0);
        assert_outputs(model.run(&[&toy::input(3.0)]).unwrap(), 3.0);
    })
    .join()
    .unwrap();
}

#[test]
fn forks_run_at_the_same_time() {
    let model = Model::new(toy::network(4), &toy::parameters()).unwrap().threads(2);
    let fork = |value: f32| {
        let mut fork = model.fork();
        move || {
            for _ in 0..500 {
                assert_outputs(fork.run(&[&toy::input(value)]).unwrap(), value);
            }
        }
    };
    let forks: Vec<_> = [1.0, 2.0, 3.0, 4.0].map(fork).into_iter().map(std::thread::spawn).collect();
    for fork in forks {
        fork.join().unwrap();
    }
    // What the forks did shows nowhere but in the forks.
    assert_eq!(model.outputs()[1].data(), [0.0]);
}

#[test]
fn refuses_other_inputs() {
    let mut model = Model::new(toy::network(1), &toy::parameters()).unwrap();
    let input = toy::input(1.0);
    for (inputs, message) in [
        (&[][..], "the network has 1 inputs, 0 are given"),
        (&[&input, &input], "the network has 1 inputs, 2 are given"),
        (&[&Tensor::zeros(&[64])], "input `x` has the shape [1, 64], a tensor of shape [64] is given"),
        (&[&Tensor::zeros(&[1, 63])], "input `x` has the shape [1, 64], a tensor of shape [1, 63] is given"),
    ] {
        assert_eq!(model.run(inputs).unwrap_err().to_string(), message);
        assert_eq!(model.profile(inputs).unwrap_err().to_string(), message);
    }
    assert!(matches!(model.run(&[]), Err(RunError::Count { expected: 1, found: 0 })));
    assert_outputs(model.run(&[&input]).unwrap(), 1.0);
}

#[test]
fn refuses_elements_that_the_type_does_not_have() {
    let mut parts = toy::parts(1);
    let run = |parts: &NetworkParts, element: f32| {
        // SAFETY: as `toy::network`; the type of an input says nothing about memory.
        let network = unsafe { Network::new(parts.clone()) };
        let mut input = toy::input(1.0);
        input.data_mut()[3] = element;
        Model::new(network, &toy::parameters()).unwrap().run(&[&input]).err().map(|error| error.to_string())
    };
    let refused =
        |dtype: &str, found: &str| Some(format!("input `x` expects elements of {dtype}, element 3 is {found}"));
    parts.inputs.to_mut()[0].dtype = DType::I64;
    assert_eq!(run(&parts, -16_777_216.0), None);
    assert_eq!(run(&parts, 0.5), refused("i64", "0.5"));
    assert_eq!(run(&parts, 16_777_218.0), refused("i64", "16777218"));
    assert_eq!(run(&parts, f32::NAN), refused("i64", "NaN"));
    parts.inputs.to_mut()[0].dtype = DType::Bool;
    assert_eq!(run(&parts, 0.0), None);
    assert_eq!(run(&parts, 2.0), refused("bool", "2"));
}

#[test]
fn refuses_other_parameters() {
    let tensors = [("fc.scale".to_owned(), Tensor::zeros(&[1])), ("fc.bais".to_owned(), Tensor::zeros(&[64]))];
    let error = Model::new(toy::network(1), &Parameters::from_tensors(tensors)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "network `toy`: the parameters are not those of this network
  1 missing:
    `fc.bias` [64] (is it `fc.bais`?)
  1 superfluous:
    `fc.bais` [64]
  1 of another shape:
    `fc.scale` expected [64], found [1]"
    );
}

/// The error of a network whose parts were changed.
fn load_error(change: impl FnOnce(&mut NetworkParts)) -> String {
    let mut parts = toy::parts(1);
    change(&mut parts);
    // SAFETY: it is refused before a step runs.
    let network = unsafe { Network::new(parts) };
    Model::new(network, &toy::parameters()).unwrap_err().to_string()
}

#[test]
fn refuses_inconsistent_networks() {
    unsafe extern "C" fn nothing(_: *const *mut f32, _: u32, _: u32) {}
    let place =
        |space, offset| load_error(|parts| parts.steps = vec![toy::step("s", nothing, 1, &[(space, offset)])].into());
    const FAULT: &str = "(this is a fault of the compiler)";
    for (space, offset) in [
        (Space::Arena, 65),
        (Space::Weights, 129),
        (Space::Input(0), 65),
        (Space::Input(1), 0),
        (Space::Output(1), 2),
        (Space::Output(2), 0),
    ] {
        let expected = format!(
            "network `toy`: step `s` has a buffer outside its space: Arg {{ space: {space:?}, offset: {offset} }} {FAULT}"
        );
        assert_eq!(place(space, offset), expected);
    }
    let error = load_error(|parts| parts.weights.to_mut()[1].offset = usize::MAX);
    assert_eq!(error, format!("network `toy`: weight buffer 1 lies outside the 128 prepared weights {FAULT}"));
    let error = load_error(|parts| {
        let expression = vec![WeightOp::Parameter(0), WeightOp::Add].into();
        parts.weights = vec![WeightBuffer { offset: 0, len: 64, expression }].into();
    });
    assert_eq!(error, format!("network `toy`, weight buffer 0: add does not take 1 operands {FAULT}"));
    let error = load_error(|parts| {
        parts.outputs = vec![ValueInfo::f32("y", vec![usize::MAX, 2])].into();
    });
    assert!(error.contains("`y` of shape [18446744073709551615, 2] exceeds the address space"), "{error}");
}

#[test]
fn refuses_other_processors() {
    let mut parts = toy::parts(1);
    parts.isa = if cfg!(target_arch = "x86_64") { Isa::Neon } else { Isa::Avx512 };
    // SAFETY: it is refused before a step runs.
    let network = unsafe { Network::new(parts) };
    let error = Model::new(network, &toy::parameters()).unwrap_err();
    assert!(matches!(error, LoadError::Isa { .. }), "{error}");
}

#[test]
fn profiles_each_step() {
    let mut model = Model::new(toy::network(2), &toy::parameters()).unwrap().threads(2);
    let steps = model.profile(&[&toy::input(2.0)]).unwrap();
    assert_eq!(steps.iter().map(|step| step.name).collect::<Vec<_>>(), ["multiply", "total", "finish"]);
    assert!(steps.iter().any(|step| step.nanoseconds > 0));
    assert_outputs(model.outputs(), 2.0);
}

#[test]
fn keeps_code_alive_and_no_longer() {
    let code = Arc::new(());
    let network: Arc<Network> = Arc::new(toy::network(1).keep_alive(code.clone()));
    let model = Model::new(network, &toy::parameters()).unwrap();
    let fork = model.fork();
    let clone = Network::clone(model.network());
    drop(model);
    drop(fork);
    assert_eq!(Arc::strong_count(&code), 2);
    drop(clone);
    assert_eq!(Arc::strong_count(&code), 1);
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn flushes_denormals_during_a_run_only() {
    for threads in [1, 3] {
        let mut model = Model::new(toy::network(3), &toy::parameters()).unwrap().threads(threads);
        // The products of this input are denormal; were they not flushed, so would be the sum.
        let denormal = f32::MIN_POSITIVE / 4096.0;
        let outputs = model.run(&[&toy::input(denormal)]).unwrap();
        assert_eq!(outputs[1].data(), [0.0]);
        assert!(std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5) > 0.0);
    }
}

#[test]
fn weights_are_prepared_anew() {
    let parameters = toy::parameters();
    let mut model = Model::new(toy::network(1), &parameters).unwrap();
    let fork = model.fork();
    let name = parameters.names().next().unwrap().to_owned();
    let mut doubled = parameters.clone();
    doubled.get_mut(&name).unwrap().iter_mut().for_each(|x| *x *= 2.0);
    let mut fresh = Model::new(toy::network(1), &doubled).unwrap();
    let expected = fresh.run(&[&toy::input(1.5)]).unwrap().to_vec();
    // What has not changed is left as it is.
    model.update(&doubled, |_| false).unwrap();
    assert_outputs(model.run(&[&toy::input(1.5)]).unwrap(), 1.5);
    model.update(&doubled, |changed| changed == name).unwrap();
    assert_eq!(model.run(&[&toy::input(1.5)]).unwrap(), expected);
    assert_outputs(fork.fork().run(&[&toy::input(1.5)]).unwrap(), 1.5);
    assert!(model.update(&Parameters::default(), |_| true).is_err());
    assert_eq!(model.run(&[&toy::input(1.5)]).unwrap(), expected);
}

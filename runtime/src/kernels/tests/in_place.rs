//! Operands of which [`Params::in_place`] says that they may be the destination.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{call, operands, params, runs};
use crate::kernels::{Access, Affine, Binary, Conv, Map, Params, Role, WinogradOutput, ukernels};

/// The parameters with the destination's pitch for all operands, so that all rows lie alike.
fn alike(params: Params) -> Params {
    match params {
        Params::Conv(p) => Params::Conv(Conv { residual_block: p.dst_block, ..p }),
        Params::Map(p) => Params::Map(Map { src_pitch: p.dst_pitch, ..p }),
        Params::Affine(p) => Params::Affine(Affine { src_pitch: p.dst_pitch, ..p }),
        Params::Binary(p) => Params::Binary(Binary { a_pitch: p.dst_pitch, b_pitch: p.dst_pitch, ..p }),
        Params::WinogradOutput(p) => Params::WinogradOutput(WinogradOutput { residual_pitch: p.dst_pitch, ..p }),
        other => other,
    }
}

fn same_elements(a: &Access, b: &Access) -> bool {
    a.dims == b.dims && a.len == b.len
}

#[test]
fn a_call_in_place_gives_what_it_gives_elsewhere() {
    for row in ukernels().iter().filter(|row| runs(row)) {
        let cases = if row.tile.mr == 0 { 128 } else { 12 };
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(&(params(row), any::<u64>()), |(params, seed)| {
            let params = alike(params);
            let accesses = params.accesses();
            let mut expected = operands(&params, seed);
            call(row, &params, &mut expected);
            for operand in (1..accesses.len()).filter(|&operand| params.in_place(operand)) {
                prop_assert!(accesses[operand].role == Role::Read && same_elements(&accesses[operand], &accesses[0]));
                let mut found = operands(&params, seed);
                let mut args: Vec<*mut f32> = found.iter_mut().map(super::Operand::as_mut_ptr).collect();
                args[0] = args[operand];
                // SAFETY: each pointer is valid for its access, that of the destination for the same access of the
                // operand in its place; the processor runs the row.
                unsafe { (row.entry)(args.as_ptr(), params.as_ptr()) };
                found[operand].check_accessed(&expected[0])?;
            }
            Ok(())
        });
        assert!(result.is_ok(), "{}: {}", row.name, result.unwrap_err());
    }
}

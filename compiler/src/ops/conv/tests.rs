use std::collections::HashSet;

use convoke_runtime::{Activation, Isa};

use super::*;
use crate::Graph;
use crate::lower::winograd::Split;
use crate::lower::{self, Target, tile};
use crate::ops::Op;
use crate::ops::Attribute;
use crate::ops::testing::{called, evaluated, inferred};

#[test]
fn shapes() {
    let plain = Conv { bias: false, ..Conv::default() };
    let padded = Conv { padding: [1; 4], ..plain };
    let table: [(Conv, &[usize], &[usize], &str); 15] = [
        (padded, &[1, 64, 28, 28], &[32, 64, 3, 3], "f32[1, 32, 28, 28]"),
        (plain, &[2, 1, 32, 32], &[6, 1, 5, 5], "f32[2, 6, 28, 28]"),
        (Conv { stride: [2, 1], ..padded }, &[1, 3, 9, 9], &[8, 3, 3, 3], "f32[1, 8, 5, 9]"),
        (Conv { dilation: [2, 2], ..plain }, &[1, 3, 9, 9], &[8, 3, 3, 3], "f32[1, 8, 5, 5]"),
        (Conv { padding: [0, 0, 1, 1], stride: [2, 2], ..plain }, &[1, 3, 224, 224], &[8, 3, 3, 3], "f32[1, 8, 112, 112]"),
        (Conv { groups: 4, ..plain }, &[1, 8, 5, 5], &[12, 2, 1, 1], "f32[1, 12, 5, 5]"),
        (padded, &[1, 32, 28, 28], &[32, 64, 3, 3], "operand 0 expects 64 input channels, gets 32"),
        (Conv { groups: 2, ..plain }, &[1, 8, 5, 5], &[12, 2, 1, 1], "operand 0 expects 4 input channels, gets 8"),
        (Conv { groups: 5, ..plain }, &[1, 10, 5, 5], &[12, 2, 1, 1], "expects groups that divide its 12 output channels, gets 5"),
        (Conv { groups: 0, ..plain }, &[1, 10, 5, 5], &[12, 2, 1, 1], "expects groups that divide its 12 output channels, gets 0"),
        (plain, &[1, 3, 4, 9], &[8, 3, 5, 5], "operand 0 expects a height of at least 5, padding included, gets 4"),
        (Conv { dilation: [1, 4], ..padded }, &[1, 3, 6, 6], &[8, 3, 3, 3], "operand 0 expects a width of at least 9, padding included, gets 8"),
        (plain, &[3, 32, 32], &[8, 3, 3, 3], "operand 0 expects 4 dimensions (N C H W), gets 3"),
        (plain, &[1, 3, 32, 32], &[8, 27], "operand 1 expects 4 dimensions (O I Kh Kw), gets 2"),
        (Conv { stride: [1, 0], ..plain }, &[1, 3, 32, 32], &[8, 3, 1, 1], "expects a stride of at least 1, gets 0"),
    ];
    for (op, x, weight, expected) in table {
        assert_eq!(inferred(op, &[x, weight]), expected, "{op:?}");
    }
}

/// What the cases are there for: each way in which the algorithm divides its work.
#[test]
fn winograd_cases_are_computed_so() {
    if tile::conv_tiles(Isa::Avx512, 16).is_empty() {
        return; // Another architecture.
    }
    let mut found = HashSet::new();
    for case in Op::cases().into_iter().filter(|case| case.name.starts_with("winograd ")) {
        let mut graph = Graph::new("case");
        let mut edit = graph.edit();
        let operands: Vec<_> = (0..)
            .zip(&case.operands)
            .map(|(index, operand)| {
                let (name, ty) = (format!("x{index}"), operand.ty.clone());
                if operand.weight { edit.parameter(name, ty) } else { edit.input(name, ty) }
            })
            .collect();
        let y = edit.op("y", case.op, &operands).unwrap();
        edit.output("y", y.into());
        let schedules = |graph: &Graph| {
            let plan = lower::plan(graph, &Target::new(Isa::Avx512)).unwrap();
            plan.steps.into_iter().filter_map(|step| step.schedule.winograd).collect::<Vec<_>>()
        };
        let [tiles] = &schedules(&graph)[..] else { panic!("{} is computed otherwise", case.name) };
        found.insert((tiles.m, matches!(tiles.split, Split::Rows(_))));
        assert!(schedules(&graph.exact()).is_empty(), "{} is exact", case.name);
    }
    assert_eq!(found, HashSet::from([(4, true), (4, false), (2, true)]));
}

#[test]
fn optional_operands() {
    let (x, weight): (&[usize], &[usize]) = (&[1, 3, 5, 5], &[8, 3, 3, 3]);
    let residual = Epilogue { residual: true, activation: Activation::Relu };
    let table: [(bool, bool, &[&[usize]], &str); 8] = [
        (true, false, &[&[8]], "f32[1, 8, 3, 3]"),
        (true, true, &[&[8], &[1, 8, 3, 3]], "f32[1, 8, 3, 3]"),
        (false, true, &[&[1, 8, 3, 3]], "f32[1, 8, 3, 3]"),
        (true, false, &[], "expects 3 operands (x, weight, bias), gets 2"),
        (false, false, &[&[8]], "expects 2 operands (x, weight), gets 3"),
        (true, true, &[&[8]], "expects 4 operands (x, weight, bias, residual), gets 3"),
        (true, false, &[&[7]], "operand 2 expects bias of shape [8], gets [7]"),
        (true, true, &[&[8], &[1, 8, 1, 1]], "operand 3 expects residual of shape [1, 8, 3, 3], gets [1, 8, 1, 1]"),
    ];
    for (bias, with_residual, rest, expected) in table {
        let epilogue = if with_residual { residual } else { Epilogue::default() };
        let operands: Vec<&[usize]> = [x, weight].into_iter().chain(rest.iter().copied()).collect();
        assert_eq!(inferred(Conv { bias, epilogue, ..Conv::default() }, &operands), expected);
    }
}

#[test]
fn hostile_numbers() {
    let huge = usize::MAX;
    let plain = Conv { bias: false, ..Conv::default() };
    for op in [
        Conv { groups: huge, ..plain },
        Conv { dilation: [huge, huge], ..plain },
        Conv { padding: [huge; 4], ..plain },
        Conv { padding: [1 << 62, 1 << 62, 0, 0], ..plain },
    ] {
        let text = inferred(op, &[&[1, 3, 5, 5], &[8, 3, 3, 3]]);
        assert!(text.contains("expects"), "{op:?}: {text}");
    }
    let text = inferred(plain, &[&[huge, 1, 1, 1], &[huge, 1, 1, 1]]);
    assert!(text.starts_with("operand 0 expects a tensor that memory can hold"), "{text}");
}

#[test]
fn convolves() {
    let x: &[f32] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let corner: &[f32] = &[1.0, 10.0, 100.0, 1000.0];
    let plain = Conv { bias: false, ..Conv::default() };
    let table: [(Conv, &[f32]); 4] = [
        (plain, &[5421.0, 6532.0, 8754.0, 9865.0]),
        (Conv { padding: [1, 0, 0, 0], ..plain }, &[2100.0, 3200.0, 5421.0, 6532.0, 8754.0, 9865.0]),
        (Conv { padding: [0, 0, 1, 1], stride: [2, 2], ..plain }, &[5421.0, 603.0, 87.0, 9.0]),
        (Conv { dilation: [2, 2], ..plain }, &[9731.0]),
    ];
    for (op, expected) in table {
        assert_eq!(evaluated(op, &[(&[1, 1, 3, 3], x), (&[1, 1, 2, 2], corner)]), expected, "{op:?}");
    }
}

#[test]
fn groups_do_not_mix() {
    let op = Conv { groups: 2, bias: true, epilogue: Epilogue { residual: true, ..Epilogue::default() }, ..Conv::default() };
    let operands: [(&[usize], &[f32]); 4] = [
        (&[1, 4, 1, 1], &[1.0, 2.0, 3.0, 4.0]),
        (&[2, 2, 1, 1], &[1.0, 10.0, 100.0, 1000.0]),
        (&[2], &[0.5, 0.25]),
        (&[1, 2, 1, 1], &[10_000.0, 20_000.0]),
    ];
    assert_eq!(evaluated(op, &operands), [10_021.5, 24_300.25]);
}

#[test]
fn counts_macs() {
    let op = Conv { groups: 4, ..Conv::default() };
    let types = [[2, 8, 7, 7], [12, 2, 3, 3]].map(TensorType::f32);
    assert_eq!(op.macs(&types.each_ref(), &[TensorType::f32([2, 12, 5, 5])]), 2 * 12 * 25 * 18);
    assert_eq!(op.macs(&[], &[]), 0);
}

#[test]
fn calls() {
    let x: &[usize] = &[1, 8, 9, 6];
    type Row<'a> = (&'a str, &'a [Attribute], &'a [(&'a str, Attribute)], &'a str);
    let int = Attribute::Int;
    let table: [Row<'_>; 17] = [
        (
            "conv",
            &[int(64)],
            &[("kernel", int(3)), ("stride", int(2)), ("padding", int(1)), ("bias", false.into())],
            "conv {stride = [2, 2], padding = [1, 1, 1, 1], bias = false}, weight f32[64, 8, 3, 3]",
        ),
        (
            "conv",
            &[int(64), [1_usize, 7].into()],
            &[("padding", [0_usize, 3].into()), ("dilation", int(2))],
            "conv {stride = [1, 1], dilation = [2, 2], padding = [0, 3, 0, 3]}, weight f32[64, 8, 1, 7], bias f32[64]",
        ),
        (
            "conv",
            &[int(12)],
            &[("kernel", int(3)), ("groups", int(4))],
            "conv {stride = [1, 1], groups = 4, padding = [0, 0, 0, 0]}, weight f32[12, 2, 3, 3], bias f32[12]",
        ),
        (
            "conv",
            &[int(12)],
            &[("kernel", int(3)), ("stride", int(2)), ("padding", "same".into())],
            "conv {stride = [2, 2], padding = [1, 0, 1, 1]}, weight f32[12, 8, 3, 3], bias f32[12]",
        ),
        (
            "depthwise",
            &[],
            &[("kernel", int(3)), ("padding", int(1)), ("bias", false.into())],
            "conv {stride = [1, 1], groups = 8, padding = [1, 1, 1, 1], bias = false}, weight f32[8, 1, 3, 3]",
        ),
        (
            "depthwise",
            &[int(5)],
            &[("multiplier", int(2))],
            "conv {stride = [1, 1], groups = 8, padding = [0, 0, 0, 0]}, weight f32[16, 1, 5, 5], bias f32[16]",
        ),
        (
            "pointwise",
            &[int(24)],
            &[("bias", false.into())],
            "conv {stride = [1, 1], padding = [0, 0, 0, 0], bias = false}, weight f32[24, 8, 1, 1]",
        ),
        ("conv", &[int(12)], &[("kernel", int(3)), ("groups", int(3))], "groups: `groups` 3 does not divide the 8 input channels"),
        ("conv", &[int(10)], &[("kernel", int(3)), ("groups", int(4))], "groups: `groups` 4 does not divide the 10 output channels"),
        ("conv", &[int(10)], &[], "call: `kernel` is missing: a whole number of at least 1, or [height, width]"),
        ("conv", &[int(10)], &[("kernal", int(3))], "kernal: `kernal` is unknown; did you mean `kernel`?"),
        ("conv", &[int(0)], &[("kernel", int(3))], "argument 0: `channels` expects a whole number of at least 1, found 0"),
        (
            "conv",
            &[int(1)],
            &[("kernel", int(3)), ("stride", int(0))],
            "stride: `stride` expects a whole number of at least 1, or [height, width], found 0",
        ),
        ("conv", &[int(1)], &[("kernel", int(3)), ("activation", "relu".into())], "activation: `activation` is unknown; known are `channels`, `kernel`, `groups`, `in_channels`, `stride`, `dilation`, `padding`, `bias`"),
        ("pointwise", &[int(1)], &[("padding", int(1))], "padding: `padding` is unknown; known are `channels`, `groups`, `in_channels`, `stride`, `bias`"),
        ("depthwise", &[int(3)], &[("groups", int(2))], "groups: `groups` is unknown; known are `kernel`, `multiplier`, `in_channels`, `stride`, `dilation`, `padding`, `bias`"),
        ("depthwise", &[int(3)], &[("multiplier", int(i64::MAX))], "multiplier: `multiplier` 9223372036854775807 is too large"),
    ];
    for (name, positional, named, expected) in table {
        assert_eq!(called(name, &[x], positional, named), expected);
    }
    assert_eq!(called("conv", &[&[1, 8]], &[], &[]), "tensor 0: expects 4 dimensions (N C H W), gets 2");
    assert_eq!(called("conv", &[x, x], &[], &[]), "call: expects 1 operand, gets 2");
}

//! Conformance cases of convolution: sizes below, at and above the multiples of every blocking and tile that kernels
//! use (4, 8 and 16 channels; 6 and 14 pixels).

use super::Conv;
use crate::ops::epilogue::each_activation;
use crate::ops::{Case, Epilogue};

/// A convolution of X by a weight, in text the row of a table.
struct Row {
    x: [usize; 4],
    weight: [usize; 4],
    op: Conv,
}

/// Stride 1, no padding, no dilation, one group, with a bias.
fn row(x: [usize; 4], weight: [usize; 4]) -> Row {
    Row { x, weight, op: Conv { groups: x[1] / weight[1], ..Conv::default() } }
}

impl Row {
    fn stride(mut self, stride: usize) -> Self {
        self.op.stride = [stride; 2];
        self
    }

    fn pad(mut self, padding: usize) -> Self {
        self.op.padding = [padding; 4];
        self
    }

    fn edges(mut self, padding: [usize; 4]) -> Self {
        self.op.padding = padding;
        self
    }

    fn dilation(mut self, dilation: usize) -> Self {
        self.op.dilation = [dilation; 2];
        self
    }

    fn unbiased(mut self) -> Self {
        self.op.bias = false;
        self
    }

    fn case(&self, prefix: &str, epilogue: Epilogue) -> Case {
        let Self { x, weight, op } = self;
        let op = Conv { epilogue, ..*op };
        let [o, _, kh, kw] = *weight;
        let [oh, ow] = op.window([kh, kw]).count([x[2], x[3]]).expect("rows of the tables fit");
        // Few enough addends for results of about 1, where activations bend.
        let addends: usize = weight[1..].iter().product();
        let range = (3.0 / addends as f32).sqrt().min(1.0);
        let name = format!("{prefix}{:?} by {weight:?}, {}", x, crate::ops::Operator::attributes(&op));
        let mut case = Case::new(name, op).input(*x).within(-2.0, 2.0).weight(*weight).within(-range, range);
        if op.bias {
            case = case.weight([o]);
        }
        if epilogue.residual {
            case = case.input([x[0], o, oh, ow]).within(-2.0, 2.0);
        }
        case.tolerance(1e-5)
    }
}

pub(super) fn all() -> Vec<Case> {
    let none = Epilogue::default();
    let mut cases = Vec::new();
    let tables = [("dense ", dense()), ("pointwise ", pointwise()), ("grouped ", grouped()), ("depthwise ", depthwise()), ("winograd ", winograd())];
    for (kind, rows) in tables {
        cases.extend(rows.iter().map(|row| row.case(kind, none)));
    }
    let bases = [
        ("dense ", row([1, 16, 5, 15], [16, 16, 3, 3]).pad(1)),
        ("odd ", row([2, 5, 7, 6], [19, 5, 3, 3]).stride(2).pad(1).unbiased()),
        ("pointwise ", row([1, 24, 4, 7], [33, 24, 1, 1])),
        ("grouped ", row([1, 24, 5, 5], [24, 12, 3, 3]).pad(1)),
        ("depthwise ", row([1, 20, 6, 9], [20, 1, 3, 3]).pad(1)),
        ("winograd ", row([1, 16, 10, 11], [32, 16, 3, 3]).pad(1)),
    ];
    for (kind, row) in &bases {
        for (_, activation) in each_activation() {
            for residual in [false, true] {
                let epilogue = Epilogue { residual, activation };
                if !epilogue.is_none() {
                    cases.push(row.case(kind, epilogue));
                }
            }
        }
    }
    cases
}

fn dense() -> Vec<Row> {
    let mut rows = vec![
        // First layers: planar images of few channels.
        row([1, 1, 12, 12], [6, 1, 5, 5]),
        row([1, 3, 9, 9], [8, 3, 3, 3]).stride(2).pad(1),
        row([1, 3, 13, 30], [16, 3, 3, 3]).stride(2).pad(1).unbiased(),
        row([2, 3, 15, 17], [32, 3, 3, 3]).stride(2).edges([0, 0, 1, 1]),
        row([1, 3, 21, 21], [12, 3, 7, 7]).stride(2).pad(3),
        row([1, 3, 19, 23], [5, 3, 11, 11]).stride(4).pad(2),
        row([1, 4, 6, 6], [17, 4, 2, 2]),
        row([2, 2, 9, 41], [7, 2, 3, 5]).pad(1),
        row([1, 1, 11, 20], [13, 1, 3, 3]).dilation(2).pad(2).unbiased(),
        // Later ones: channels around multiples of 4, 8 and 16.
        row([1, 16, 7, 7], [16, 16, 3, 3]).pad(1),
        row([1, 16, 6, 14], [32, 16, 3, 3]).pad(1),
        row([1, 32, 5, 13], [48, 32, 3, 3]).pad(1),
        row([1, 17, 5, 5], [15, 17, 3, 3]).pad(1),
        row([1, 31, 4, 6], [33, 31, 3, 3]).pad(1).unbiased(),
        row([1, 8, 6, 6], [8, 8, 3, 3]).pad(1),
        row([2, 4, 6, 6], [4, 4, 3, 3]).pad(1),
        row([1, 12, 5, 7], [20, 12, 3, 3]),
        row([1, 7, 6, 5], [9, 7, 3, 3]).pad(1),
        // LeNet-5's.
        row([1, 6, 14, 14], [16, 6, 5, 5]),
        row([2, 16, 5, 5], [40, 16, 5, 5]),
        // Strides, dilations, windows that are not square, paddings of all kinds.
        row([1, 16, 9, 9], [16, 16, 3, 3]).stride(2).pad(1),
        row([2, 16, 8, 10], [18, 16, 3, 3]).stride(2).edges([0, 0, 1, 1]),
        row([1, 16, 11, 11], [16, 16, 3, 3]).stride(3).pad(1),
        row([1, 16, 9, 16], [16, 16, 3, 3]).dilation(2).pad(2),
        row([1, 5, 13, 9], [6, 5, 3, 3]).dilation(3).stride(2).pad(3),
        row([1, 16, 5, 15], [16, 16, 1, 7]).edges([0, 3, 0, 3]),
        row([1, 16, 15, 5], [16, 16, 7, 1]).edges([3, 0, 3, 0]),
        row([1, 8, 6, 6], [8, 8, 2, 2]).edges([0, 0, 1, 1]),
        row([1, 9, 5, 5], [10, 9, 3, 3]).edges([2, 1, 0, 3]),
        row([1, 16, 4, 4], [16, 16, 3, 3]).pad(3),
        row([1, 16, 1, 1], [16, 16, 3, 3]).pad(1),
        row([1, 16, 3, 3], [20, 16, 3, 3]),
    ];
    // Widths around the tiles.
    rows.extend([1, 2, 5, 7, 12, 27, 28, 29].map(|width| row([1, 16, 3, width], [32, 16, 3, 3]).pad(1)));
    rows
}

/// Layers that Winograd's algorithm takes: whole tiles and ones that are cut off, below or at the right; rows divided among
/// threads, and channels.
fn winograd() -> Vec<Row> {
    vec![
        row([1, 32, 16, 16], [32, 32, 3, 3]).pad(1),
        row([1, 16, 16, 24], [16, 16, 3, 3]).pad(1).unbiased(),
        row([1, 16, 17, 18], [32, 16, 3, 3]).pad(1),
        row([1, 17, 19, 10], [40, 17, 3, 3]).pad(1),
        row([2, 32, 12, 12], [16, 32, 3, 3]),
        row([1, 16, 9, 29], [16, 16, 3, 3]).edges([2, 1, 0, 3]),
        row([1, 64, 6, 6], [64, 64, 3, 3]).pad(1),
        row([1, 160, 13, 13], [160, 160, 3, 3]).pad(1).unbiased(),
        row([3, 64, 7, 12], [80, 64, 3, 3]).pad(1),
    ]
}

fn pointwise() -> Vec<Row> {
    let mut rows = vec![
        row([1, 16, 7, 7], [16, 16, 1, 1]),
        row([1, 64, 7, 7], [24, 64, 1, 1]).unbiased(),
        row([1, 24, 5, 6], [144, 24, 1, 1]),
        row([2, 17, 7, 7], [31, 17, 1, 1]),
        row([1, 10, 1, 1], [10, 10, 1, 1]),
        row([1, 32, 1, 1], [8, 32, 1, 1]),
        row([1, 8, 1, 1], [32, 8, 1, 1]),
        row([1, 3, 4, 4], [3, 3, 1, 1]),
        row([1, 16, 9, 9], [32, 16, 1, 1]).stride(2),
        row([2, 12, 8, 7], [20, 12, 1, 1]).stride(2),
        row([1, 16, 4, 4], [16, 16, 1, 1]).pad(1),
        row([1, 160, 2, 3], [16, 160, 1, 1]),
    ];
    rows.extend([13, 14, 15, 43].map(|width| row([1, 16, 2, width], [48, 16, 1, 1])));
    rows
}

fn grouped() -> Vec<Row> {
    vec![
        row([1, 8, 6, 6], [8, 4, 3, 3]).pad(1),
        row([1, 32, 5, 7], [64, 8, 3, 3]).pad(1),
        row([2, 9, 5, 5], [15, 3, 3, 3]).pad(1),
        row([1, 64, 5, 5], [64, 4, 3, 3]).pad(1).unbiased(),
        row([1, 32, 7, 7], [32, 16, 3, 3]).stride(2).pad(1),
        row([1, 64, 4, 14], [32, 32, 3, 3]).pad(1),
        row([1, 24, 7, 7], [48, 8, 1, 1]),
        row([1, 16, 5, 9], [32, 2, 3, 3]).pad(1),
        row([2, 64, 4, 4], [128, 8, 3, 3]).stride(2).pad(1),
        row([1, 34, 6, 6], [38, 17, 3, 3]).edges([1, 0, 0, 1]),
        row([1, 6, 9, 9], [4, 3, 5, 5]).dilation(2).pad(4),
    ]
}

fn depthwise() -> Vec<Row> {
    let mut rows = vec![
        row([1, 16, 7, 7], [16, 1, 3, 3]).pad(1),
        row([1, 32, 6, 14], [32, 1, 3, 3]).pad(1).unbiased(),
        row([2, 17, 5, 15], [17, 1, 3, 3]).pad(1),
        row([1, 15, 7, 13], [15, 1, 3, 3]).pad(1),
        row([1, 3, 8, 8], [3, 1, 3, 3]).pad(1),
        row([1, 8, 9, 9], [8, 1, 3, 3]).stride(2).pad(1),
        row([2, 48, 8, 8], [48, 1, 3, 3]).stride(2).edges([0, 0, 1, 1]),
        row([1, 24, 14, 14], [24, 1, 5, 5]).stride(2).pad(2),
        row([1, 20, 7, 7], [20, 1, 5, 5]).pad(2),
        row([1, 16, 9, 9], [16, 1, 7, 7]).pad(3),
        row([1, 16, 3, 3], [16, 1, 7, 7]).pad(3),
        row([1, 16, 9, 9], [16, 1, 3, 3]).dilation(2).pad(2),
        row([1, 12, 6, 6], [12, 1, 2, 4]).edges([0, 1, 1, 2]),
        row([1, 16, 3, 3], [16, 1, 3, 3]),
        row([1, 16, 5, 5], [16, 1, 1, 1]),
        // With a multiplier.
        row([1, 8, 6, 6], [16, 1, 3, 3]).pad(1),
        row([2, 5, 6, 6], [15, 1, 3, 3]).pad(1),
        row([1, 16, 5, 5], [32, 1, 3, 3]).stride(2).pad(1),
    ];
    rows.extend([1, 2, 5, 28, 29].map(|width| row([1, 16, 3, width], [16, 1, 3, 3]).pad(1)));
    rows
}

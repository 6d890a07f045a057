//! The body of a network as papers print it.

use std::fmt::Write as _;

use convoke::Graph;
use convoke::compiler::ops::Op;
use convoke::graph::NodeId;

/// A row of the table.
type Row = [String; 3];

/// A table in Markdown: type and stride, filter shape, input size of each layer with weights, pooling and softmax, as
/// table 1 of Howard et al. 2017 (arXiv:1704.04861) has them.
///
/// Filters are Kh × Kw × I × O, inputs H × W × C. Layers that follow one another more than once stand there once, each
/// behind how often.
pub(crate) fn table(graph: &Graph) -> String {
    let rows: Vec<Row> = graph.order().into_iter().filter_map(|id| row(graph, id)).collect();
    let mut text = String::from("| Type / Stride | Filter Shape | Input Size |\n| --- | --- | --- |\n");
    let mut at = 0;
    while at < rows.len() {
        let (period, times) = repetition(&rows[at..]);
        for [kind, filter, input] in &rows[at..at + period] {
            let factor = if times > 1 { format!("{times}× ") } else { String::new() };
            let _ = writeln!(text, "| {factor}{kind} | {filter} | {input} |");
        }
        at += period * times;
    }
    text
}

/// How many rows at the start repeat, and how often they stand there: what leaves out most.
fn repetition(rows: &[Row]) -> (usize, usize) {
    let times =
        |period: usize| 1 + rows[period..].chunks_exact(period).take_while(|next| *next == &rows[..period]).count();
    let candidates = (1..=rows.len() / 2).map(|period| (period, times(period))).filter(|(_, times)| *times > 1);
    // Of equals the shortest period.
    candidates.rev().max_by_key(|(period, times)| period * (times - 1)).unwrap_or((1, 1))
}

fn row(graph: &Graph, id: NodeId) -> Option<Row> {
    let op = graph.node(id).op()?;
    let shapes: Vec<_> = graph.operands(id).into_iter().map(|value| &graph.type_of(value).shape[..]).collect();
    let by = |extents: &[usize]| extents.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
    let (input, [h, w]) = match *shapes[0] {
        [_, c, h, w] => (by(&[h, w, c]), [h, w]),
        [_, c] => (by(&[1, 1, c]), [1, 1]),
        ref other => (by(other), [1, 1]),
    };
    let pool =
        |kind: &str, [kh, kw]: [usize; 2], stride: usize| (format!("{kind} / s{stride}"), format!("Pool {kh} × {kw}"));
    let (kind, filter) = match (op, &shapes[..]) {
        (Op::Conv(conv), [_, [o, i, kh, kw], ..]) => {
            let depthwise = *i == 1 && conv.groups == *o;
            let filter = match conv.groups {
                _ if depthwise => format!("{} dw", by(&[*kh, *kw, *o])),
                1 => by(&[*kh, *kw, *i, *o]),
                groups => format!("{}, {groups} groups", by(&[*kh, *kw, *i, *o])),
            };
            (format!("Conv{} / s{}", if depthwise { " dw" } else { "" }, conv.stride[0]), filter)
        }
        (Op::Linear(_), [_, [o, i], ..]) => ("FC / s1".to_owned(), by(&[*i, *o])),
        (Op::AvgPool(op), _) => pool("Avg Pool", op.kernel, op.stride[0]),
        (Op::MaxPool(op), _) => pool("Max Pool", op.kernel, op.stride[0]),
        (Op::GlobalAvgPool(_), _) => pool("Avg Pool", [h, w], 1),
        (Op::GlobalMaxPool(_), _) => pool("Max Pool", [h, w], 1),
        (Op::Softmax(_), _) => ("Softmax / s1".to_owned(), "Classifier".to_owned()),
        _ => return None,
    };
    Some([kind, filter, input])
}

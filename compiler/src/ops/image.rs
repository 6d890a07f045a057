//! What ONNX's nodes over images share: windows, and images of one dimension, which are imported as those of one row.

use super::window::Window;
use super::{Op, reshape};
use crate::onnx::{Item, Node, Unsupported};

/// Operand `index` with two dimensions behind the first two: N C L becomes N C 1 L.
pub(crate) fn operand(node: &mut Node<'_, '_>, index: usize) -> Result<Item, Unsupported> {
    let item = node.operand(index)?;
    planar(node, item, index)
}

/// What operand `index` has become, with two dimensions behind the first two.
pub(crate) fn planar(node: &mut Node<'_, '_>, item: Item, index: usize) -> Result<Item, Unsupported> {
    match node.ty(&item).shape[..] {
        [n, c, len] => reshape::to(node, item, &[n, c, 1, len]),
        [_, _, _, _] => Ok(item),
        ref shape => {
            let spatial = shape.len().saturating_sub(2);
            Err(Unsupported::new(format!(
                "operand {index} has {spatial} spatial dimensions, only 1 or 2 are supported"
            )))
        }
    }
}

/// The two last of an operand's four dimensions.
pub(crate) fn size(node: &Node<'_, '_>, item: &Item) -> [usize; 2] {
    let shape = node.ty(item).shape;
    [shape[2], shape[3]]
}

/// The node's result `y`, with as many dimensions as operand 0 has.
pub(crate) fn result(node: &mut Node<'_, '_>, y: Item) -> Result<Item, Unsupported> {
    if node.shape(0)?.len() == 4 {
        return Ok(y);
    }
    let shape = node.ty(&y).shape;
    reshape::to(node, y, &[&shape[..2], &shape[3..]].concat())
}

/// A pooling of each whole plane of operand 0.
pub(crate) fn global(node: &mut Node<'_, '_>, op: impl Into<Op>) -> Result<Vec<Item>, Unsupported> {
    let shape = node.shape(0)?;
    let [n, c, spatial @ ..] = &shape[..] else {
        return Err(Unsupported::new(format!("operand 0 has {} dimensions, expected N C and others", shape.len())));
    };
    let x = node.operand(0)?;
    let x = reshape::to(
        node,
        x,
        &match spatial {
            [h, w] => [*n, *c, *h, *w],
            spatial => [*n, *c, 1, spatial.iter().product()],
        },
    )?;
    let y = node.apply(op, &[x])?;
    let ones = vec![1; spatial.len()];
    Ok(vec![reshape::to(node, y, &[&[*n, *c], &ones[..]].concat())?])
}

/// The window of a pooling.
pub(crate) fn pooling(node: &mut Node<'_, '_>, x: &Item) -> Result<Window, Unsupported> {
    let ceil = node.flag("ceil_mode")?;
    let kernel = pair(node, "kernel_shape")?.ok_or_else(|| Unsupported::new("attribute `kernel_shape` is missing"))?;
    Ok(Window { ceil, ..window(node, kernel, size(node, x))? })
}

/// The window of `kernel` taps that a node says by its attributes, over an image of `size` [height, width].
pub(crate) fn window(node: &mut Node<'_, '_>, kernel: [usize; 2], size: [usize; 2]) -> Result<Window, Unsupported> {
    if let Some(found) = pair(node, "kernel_shape")?.filter(|&found| found != kernel) {
        return Err(Unsupported::new(format!("attribute `kernel_shape` is {found:?}, the weight has {kernel:?} taps")));
    }
    let stride = pair(node, "strides")?.unwrap_or([1, 1]);
    let dilation = pair(node, "dilations")?.unwrap_or([1, 1]);
    let given = pads(node)?;
    let window = Window { kernel, stride, dilation, padding: given.unwrap_or_default(), ceil: false };
    let padding = match node.text("auto_pad")? {
        None | Some("" | "NOTSET") => window.padding,
        Some("VALID") => [0; 4],
        Some("SAME_UPPER") => window.same(size),
        Some("SAME_LOWER") => {
            let [top, left, bottom, right] = window.same(size);
            [bottom, right, top, left]
        }
        Some(other) => return Err(Unsupported::new(format!("attribute `auto_pad` is {other:?}"))),
    };
    Ok(Window { padding, ..window })
}

/// An attribute of one number for each spatial dimension.
pub(crate) fn pair(node: &mut Node<'_, '_>, name: &str) -> Result<Option<[usize; 2]>, Unsupported> {
    let Some(ints) = node.ints(name)? else { return Ok(None) };
    let size = |value: i64| usize::try_from(value).ok();
    let pair = match *ints {
        [w] => size(w).map(|w| [1, w]),
        [h, w] => size(h).zip(size(w)).map(|(h, w)| [h, w]),
        _ => None,
    };
    pair.map(Some).ok_or_else(|| Unsupported::new(format!("attribute `{name}` is {ints:?}, expected 1 or 2 sizes")))
}

/// The attribute `pads`: before each spatial dimension, then behind each.
pub(crate) fn pads(node: &mut Node<'_, '_>) -> Result<Option<[usize; 4]>, Unsupported> {
    let Some(ints) = node.ints("pads")? else { return Ok(None) };
    let sizes: Option<Vec<usize>> = ints.iter().map(|&pad| usize::try_from(pad).ok()).collect();
    match sizes.as_deref() {
        Some(&[left, right]) => Ok(Some([0, left, 0, right])),
        Some(&[top, left, bottom, right]) => Ok(Some([top, left, bottom, right])),
        _ => Err(Unsupported::new(format!("attribute `pads` is {ints:?}, expected 2 or 4 sizes"))),
    }
}

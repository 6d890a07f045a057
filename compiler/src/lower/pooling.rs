//! The algorithm of poolings: one kernel call for each plane.

use convoke_runtime::kernels::{Params, PlanarPool, Pool, PoolKind};

use super::{Choice, Emitter, Layout, Need, Site, Storage};

/// What poolings ask for.
pub(crate) fn choice() -> Choice {
    Choice { operands: vec![Need::tensor(Layout::Blocked)], results: vec![Layout::Blocked], alias: false }
}

/// What poolings of rows ask for: a planar source, and windows that lie inside it.
pub(crate) fn choose_rows(pooling: &Pooling, site: &Site<'_>) -> Result<Choice, String> {
    if site.layouts[0] != Some(Layout::Plain) {
        return Err("the source is blocked".to_owned());
    }
    let (source, result) = (&site.operands[0].shape, &site.results[0].shape);
    let reach = |axis: usize| {
        (result[axis + 2] - 1) * pooling.stride[axis] + (pooling.kernel[axis] - 1) * pooling.dilation[axis]
    };
    if pooling.padding != [0; 4] || (0..2).any(|axis| reach(axis) >= source[axis + 2]) {
        return Err("windows reach beyond the source".to_owned());
    }
    if 2 * result[3] < site.target.block() {
        return Err(format!("rows of {} results leave most lanes empty", result[3]));
    }
    Ok(Choice { operands: vec![Need::tensor(Layout::Plain)], results: vec![Layout::Plain], alias: false })
}

/// A pooling's window, as its kernel takes it. Pairs are [height, width].
pub(crate) struct Pooling {
    pub(crate) kind: PoolKind,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Top, left, bottom, right.
    pub(crate) padding: [usize; 4],
}

impl Pooling {
    /// The mean or maximum of whole planes.
    pub(crate) fn global(kind: PoolKind, source: &Storage) -> Self {
        let kernel = [source.h, source.w];
        Self { kind, kernel, stride: [1, 1], dilation: [1, 1], padding: [0; 4] }
    }

    /// Writes the calls for planar tensors.
    pub(crate) fn emit_rows(&self, e: &mut Emitter<'_>) {
        let (from, to) = (e.operand(0), e.result(0));
        let (source, result) = (from.storage, to.storage);
        let params = PlanarPool {
            kind: self.kind,
            rows: result.h as u32,
            len: result.w as u32,
            kh: self.kernel[0] as u32,
            kw: self.kernel[1] as u32,
            row_stride: (self.stride[0] * source.pitch()) as u32,
            stride: self.stride[1] as u32,
            kh_stride: (self.dilation[0] * source.pitch()) as u32,
            kw_stride: self.dilation[1] as u32,
            dst_pitch: result.pitch() as u32,
        };
        e.parallel(result.n * result.c, |e, plane| {
            e.call(Params::PlanarPool(params), vec![to.plane(plane), from.plane(plane)])
        })
    }

    /// Writes the calls for blocked tensors.
    pub(crate) fn emit(&self, e: &mut Emitter<'_>) {
        let (from, to) = (e.operand(0), e.result(0));
        let (source, result) = (from.storage, to.storage);
        let params = Pool {
            kind: self.kind,
            block: source.block as u32,
            in_h: source.h as u32,
            in_w: source.w as u32,
            out_h: result.h as u32,
            out_w: result.w as u32,
            kh: self.kernel[0] as u32,
            kw: self.kernel[1] as u32,
            stride_h: self.stride[0] as u32,
            stride_w: self.stride[1] as u32,
            pad_top: self.padding[0] as u32,
            pad_left: self.padding[1] as u32,
            pad_bottom: self.padding[2] as u32,
            pad_right: self.padding[3] as u32,
            dilation_h: self.dilation[0] as u32,
            dilation_w: self.dilation[1] as u32,
            src_pitch: source.pitch() as u32,
            dst_pitch: result.pitch() as u32,
        };
        e.parallel(result.n * result.blocks(), |e, plane| {
            e.call(Params::Pool(params), vec![to.plane(plane), from.plane(plane)])
        })
    }
}

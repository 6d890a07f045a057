//! The algorithm of poolings: one kernel call for each plane.

use convoke_runtime::kernels::{Params, Pool, PoolKind};

use super::{Choice, Emitter, Layout, Need, Storage};

/// What poolings ask for.
pub(crate) fn choice() -> Choice {
    Choice { operands: vec![Need::tensor(Layout::Blocked)], results: vec![Layout::Blocked], alias: false }
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

    /// Writes the calls.
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

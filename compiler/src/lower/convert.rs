//! Conversions between storages of one tensor, and the zeros of halos.

use convoke_runtime::kernels::{Block, Copy, Fill, Params, Unblock};

use super::{Emitter, Layout, Storage, View};
use crate::lir::Affine;

/// Writes the elements of `from` to `to`, another storage of the same tensor.
pub(super) fn convert(e: &mut Emitter<'_>, from: View, to: View) {
    match (from.storage.layout, to.storage.layout) {
        (Layout::Plain, Layout::Blocked) => block(e, from, to),
        (Layout::Blocked, Layout::Plain) => unblock(e, from, to),
        (Layout::Plain, Layout::Plain) | (Layout::Blocked, Layout::Blocked) => {
            super::planes::elementwise(e, &[to, from], |rows, len, pitch| {
                Params::Copy(Copy { rows, len, dst_pitch: pitch[0], src_pitch: pitch[1] })
            })
        }
    }
}

/// For each image the full blocks of channels in one loop, then the block in which the channels end. `each` gets the
/// image, the block, its first channel, and how many channels it holds.
fn blocks(e: &mut Emitter<'_>, blocked: &Storage, each: impl Fn(&mut Emitter<'_>, &Affine, Affine, Affine, usize)) {
    let block = blocked.block;
    let (full, rest) = (blocked.c / block, blocked.c % block);
    e.serial(blocked.n, |e, n| {
        if full > 0 {
            e.parallel(full, |e, b| each(e, n, b.into(), b * block, block));
        }
        if rest > 0 {
            e.once(|e| each(e, n, full.into(), (full * block).into(), rest));
        }
    })
}

fn block(e: &mut Emitter<'_>, from: View, to: View) {
    let (source, result) = (from.storage, to.storage);
    blocks(e, &result, |e, n, block, channel, channels| {
        let params = Block {
            block: result.block as u32,
            channels: channels as u32,
            h: result.h as u32,
            w: result.w as u32,
            dst_pitch: result.pitch() as u32,
            src_plane: source.plane() as u32,
            src_pitch: source.pitch() as u32,
        };
        e.call(Params::Block(params), vec![to.at(n, block, 0, 0), from.at(n, channel, 0, 0)])
    })
}

fn unblock(e: &mut Emitter<'_>, from: View, to: View) {
    let (source, result) = (from.storage, to.storage);
    blocks(e, &source, |e, n, block, channel, channels| {
        let params = Unblock {
            block: source.block as u32,
            channels: channels as u32,
            h: source.h as u32,
            w: source.w as u32,
            dst_plane: result.plane() as u32,
            dst_pitch: result.pitch() as u32,
            src_pitch: source.pitch() as u32,
        };
        e.call(Params::Unblock(params), vec![to.at(n, channel, 0, 0), from.at(n, block, 0, 0)])
    })
}

/// Zeroes the halo of every plane: the rows above and below, and between them the right margin of each row together
/// with the left margin of the next, which it touches.
pub(super) fn halo(e: &mut Emitter<'_>, view: View) {
    let s = view.storage;
    let pitch = s.pitch();
    let (left, right) = (s.halo.left * s.block, s.halo.right * s.block);
    let strips = [
        // Above, with the left margin of the first row.
        (0, 1, s.halo.top * pitch + left),
        // Between rows.
        (s.halo.top * pitch + left + s.w * s.block, s.h - 1, left + right),
        // The right margin of the last row, and below.
        ((s.halo.top + s.h) * pitch - right, 1, right + s.halo.bottom * pitch),
    ];
    e.parallel(s.n * s.blocks(), |e, plane| {
        for (start, rows, len) in strips {
            if rows > 0 && len > 0 {
                let fill = Fill { rows: rows as u32, len: len as u32, dst_pitch: pitch as u32, value: 0.0 };
                e.call(Params::Fill(fill), vec![view.element(plane * s.plane() + start)]);
            }
        }
    })
}

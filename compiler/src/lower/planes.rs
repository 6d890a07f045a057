//! Elementwise work on planes: what activations, sums, affine maps, copies and fills share.

use convoke_runtime::kernels::Params;

use super::{Emitter, Storage, View};

/// How to walk several tensors of equal logical shape and layout: as runs of rows, each run one kernel call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Calls in all; the threads divide them.
    pub count: usize,
    /// Rows of one call.
    pub rows: usize,
    /// Elements of a row.
    pub len: usize,
}

/// Elements of one call where everything is in one piece: a few microseconds of work.
const CHUNK: usize = 16_384;

impl Planes {
    /// One call for each plane.
    #[must_use]
    pub fn of(storage: &Storage) -> Self {
        let (count, len) = (storage.n * storage.blocks(), storage.w * storage.block);
        if storage.dense() {
            Self { count, rows: 1, len: storage.h * len }
        } else {
            Self { count, rows: storage.h, len }
        }
    }

    /// The fewest calls: tensors in one piece are cut in chunks, whatever their planes.
    #[must_use]
    pub fn chunks(storages: &[&Storage]) -> Vec<(usize, Self)> {
        let first = storages[0];
        if !storages.iter().all(|storage| storage.dense()) {
            let rows = Self { count: first.n * first.blocks(), rows: first.h, len: first.w * first.block };
            return vec![(0, rows)];
        }
        let (full, rest) = (first.len() / CHUNK, first.len() % CHUNK);
        let mut chunks = Vec::new();
        if full > 0 {
            chunks.push((0, Self { count: full, rows: 1, len: CHUNK }));
        }
        if rest > 0 {
            chunks.push((full * CHUNK, Self { count: 1, rows: 1, len: rest }));
        }
        chunks
    }
}

/// Calls a kernel on every element of `views`, which have equal logical shape and layout: `params` gets rows, length
/// and the row pitch of each view.
///
/// # Errors
/// If the kernel table lacks the row.
pub(crate) fn elementwise(e: &mut Emitter<'_>, views: &[View], params: impl Fn(u32, u32, &[u32]) -> Params) {
    let storages: Vec<&Storage> = views.iter().map(|view| &view.storage).collect();
    for (start, planes) in Planes::chunks(&storages) {
        let dense = planes.rows == 1 && storages.iter().all(|storage| storage.dense());
        let pitches: Vec<u32> = storages.iter().map(|s| if dense { planes.len } else { s.pitch() } as u32).collect();
        let call = params(planes.rows as u32, planes.len as u32, &pitches);
        e.parallel(planes.count, |e, plane| {
            let args: Vec<_> = views
                .iter()
                .map(|view| if dense { view.element(plane * planes.len + start) } else { view.plane(plane) })
                .collect();
            e.call(call, args)
        });
    }
}

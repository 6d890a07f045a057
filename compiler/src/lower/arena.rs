//! Offsets in the arena: slots whose lives overlap get disjoint elements.
//!
//! Greedy by size (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", section 5.2):
//! the largest slot first, each at the lowest offset where it meets no placed slot of overlapping life.

use super::plan::{Plan, SlotPlace};

/// Arena buffers begin on cache lines: 16 elements.
pub(super) const ALIGN: usize = 16;

/// Gives every slot in the arena its offset.
pub(super) fn assign(plan: &mut Plan) {
    let mut order: Vec<usize> =
        (0..plan.slots.len()).filter(|&slot| matches!(plan.slots[slot].place, SlotPlace::Arena(_))).collect();
    order.sort_by_key(|&slot| (std::cmp::Reverse(plan.slots[slot].storage.len()), slot));
    let mut placed: Vec<(usize, usize, (usize, usize))> = Vec::new();
    for slot in order {
        let len = plan.slots[slot].storage.len().next_multiple_of(ALIGN);
        let live = plan.slots[slot].live;
        let mut offset = 0;
        // `placed` is sorted by offset, so one sweep finds the lowest gap.
        for &(start, end, other) in &placed {
            let meets = live.0 <= other.1 && other.0 <= live.1;
            if meets && start < offset + len && offset < end {
                offset = end;
            }
        }
        plan.slots[slot].place = SlotPlace::Arena(offset);
        let at = placed.partition_point(|&(start, ..)| start <= offset);
        placed.insert(at, (offset, offset + len, live));
        plan.arena_len = plan.arena_len.max(offset + len);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Halo, Layout, Slot, Storage, Target};
    use super::*;
    use crate::TensorType;
    use convoke_runtime::Isa;

    fn slot(len: usize, live: (usize, usize)) -> Slot {
        let storage = Storage { layout: Layout::Plain, block: 1, n: 1, c: 1, h: 1, w: len, halo: Halo::NONE };
        Slot { name: String::new(), ty: TensorType::f32([len]), storage, place: SlotPlace::Arena(0), live }
    }

    #[test]
    fn overlapping_lives_get_disjoint_elements() {
        // A deterministic mix of sizes and lives.
        let slots: Vec<Slot> = (0..60_usize)
            .map(|i| {
                let start = i * 37 % 50;
                slot(1 + i * 7919 % 1000, (start, start + i * 11 % 9))
            })
            .collect();
        let total: usize = slots.iter().map(|slot| slot.storage.len().next_multiple_of(ALIGN)).sum();
        let mut plan =
            Plan { name: String::new(), target: Target::new(Isa::Scalar), slots, steps: Vec::new(), arena_len: 0 };
        assign(&mut plan);
        let range = |slot: &Slot| {
            let SlotPlace::Arena(offset) = slot.place else { panic!("every slot is in the arena") };
            assert_eq!(offset % ALIGN, 0);
            (offset, offset + slot.storage.len())
        };
        for (i, a) in plan.slots.iter().enumerate() {
            for b in &plan.slots[..i] {
                let (x, y) = (range(a), range(b));
                let apart = x.1 <= y.0 || y.1 <= x.0 || a.live.1 < b.live.0 || b.live.1 < a.live.0;
                assert!(apart, "{a:?} and {b:?}");
            }
            assert!(range(a).1 <= plan.arena_len);
        }
        assert!(plan.arena_len < total / 2, "{} of {total}", plan.arena_len);
    }
}

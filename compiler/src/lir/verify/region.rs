//! Sets of elements: what an access touches, as a lattice and as intervals.

use std::collections::BTreeMap;

/// The elements `base + Σ stride·k`, each `k` running over `0..count`. Counts are at least 1.
///
/// Numbers have 128 bits: strides have 64, counts 32, and there are few dimensions, so that no sum overflows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// The element where every `k` is 0.
    pub(super) base: i128,
    /// Count and stride of each dimension.
    pub(super) dims: Vec<(u64, i128)>,
}

/// The most intervals that the accesses of one function are taken apart into. Networks need some thousands.
pub(super) const MAX_INTERVALS: usize = 1 << 20;

impl Region {
    /// The lowest and the highest element.
    pub(super) fn range(&self) -> (i128, i128) {
        self.dims.iter().fold((self.base, self.base), |(low, high), &(count, stride)| {
            let reach = stride * i128::from(count - 1);
            (low + reach.min(0), high + reach.max(0))
        })
    }

    /// The same set with positive strides in ascending order and as few dimensions as easily found: where one stride
    /// is `m` times another that has at least `m` places, both together are one dimension.
    fn normal(&self) -> Self {
        let (base, _) = self.range();
        let mut dims: Vec<(u64, i128)> =
            self.dims.iter().filter(|(n, s)| *n > 1 && *s != 0).map(|&(n, s)| (n, s.abs())).collect();
        dims.sort_unstable_by_key(|&(_, stride)| stride);
        let mut inner = 0;
        while inner < dims.len() {
            let (count, stride) = dims[inner];
            let merge = (inner + 1..dims.len()).find_map(|outer| {
                let (n, s) = dims[outer];
                let joined = i128::from(count) + s / stride * i128::from(n - 1);
                (s % stride == 0 && s / stride <= i128::from(count))
                    .then(|| u64::try_from(joined).ok())
                    .flatten()
                    .map(|joined| (outer, joined))
            });
            match merge {
                Some((outer, joined)) => {
                    dims.remove(outer);
                    dims[inner].0 = joined;
                }
                None => inner += 1,
            }
        }
        Self { base, dims }
    }

    /// The set as intervals; `None` where it has more than `max` or elements beyond 64 bits.
    pub(super) fn intervals(&self, max: usize) -> Option<Intervals> {
        let (low, high) = self.range();
        if i64::try_from(low).is_err() || i64::try_from(high).is_err() {
            return None;
        }
        let Self { base, dims } = self.normal();
        let (run, outer) = match dims.split_first() {
            Some((&(count, 1), outer)) => (i128::from(count), outer),
            _ => (1, &dims[..]),
        };
        let total = outer.iter().try_fold(1_u64, |total, &(count, _)| total.checked_mul(count));
        if total.is_none_or(|total| total > max as u64) {
            return None;
        }
        let mut starts = vec![base];
        for &(count, stride) in outer.iter().rev() {
            starts = starts.iter().flat_map(|&s| (0..count).map(move |k| s + stride * i128::from(k))).collect();
        }
        // All within `low ..= high`, which fits.
        Some(Intervals::new(starts.into_iter().map(|start| (start as i64, (start + run) as i64)).collect()))
    }
}

/// The same elements in fewer regions: those that differ only in where they begin, at equal distances, are one with a
/// dimension more. What statements of an unrolled loop touch comes together so, and may then be intervals of whole rows.
/// With each region the index in `regions` of one that is part of it.
pub(super) fn joined(regions: &[Region]) -> Vec<(usize, Region)> {
    // Beginnings, with the index of each, by dimensions.
    let mut alike = BTreeMap::<_, Vec<_>>::new();
    for (index, region) in regions.iter().enumerate() {
        let Region { base, dims } = region.normal();
        alike.entry(dims).or_default().push((base, index));
    }
    let mut joined = Vec::new();
    for (mut dims, mut bases) in alike {
        bases.sort_unstable();
        bases.dedup_by_key(|&mut (base, _)| base);
        // Runs of equal distances, as long as all have the same length; then the runs' beginnings likewise.
        while let Some((count, stride)) = even(&bases) {
            dims.push((count as u64, stride));
            bases = bases.into_iter().step_by(count).collect();
        }
        joined.extend(bases.into_iter().map(|(base, index)| (index, Region { base, dims: dims.clone() })));
    }
    joined
}

/// The length and the distance of the runs that sorted numbers fall into, if they fall into runs of two or more that
/// are alike.
fn even(bases: &[(i128, usize)]) -> Option<(usize, i128)> {
    let stride = bases.get(1)?.0 - bases[0].0;
    let count = 1 + bases.windows(2).take_while(|pair| pair[1].0 - pair[0].0 == stride).count();
    let alike = bases.len().is_multiple_of(count)
        && bases.chunks(count).all(|run| run.windows(2).all(|pair| pair[1].0 - pair[0].0 == stride));
    alike.then_some((count, stride))
}

/// A set of elements as half-open intervals: sorted, not empty, not touching each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<(i64, i64)>);

impl Intervals {
    fn new(mut intervals: Vec<(i64, i64)>) -> Self {
        intervals.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (start, end) in intervals {
            match merged.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        Self(merged)
    }

    /// The intervals in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0.iter().copied()
    }

    /// The number of intervals.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The interval from its first element to its last; `None` where there is none.
    pub(super) fn hull(&self) -> Option<(i64, i64)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }

    /// Whether it has no element.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the elements of `other`.
    pub(super) fn add(&mut self, other: &Self) {
        *self = Self::new(self.iter().chain(other.iter()).collect());
    }

    /// The elements that are not in `other`.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut holes = other.0.as_slice();
        for (mut start, end) in self.iter() {
            while let Some((&(_, hole_end), after)) = holes.split_first() {
                if hole_end > start {
                    break;
                }
                holes = after;
            }
            for &(hole_start, hole_end) in holes {
                if hole_start >= end {
                    break;
                }
                if start < hole_start {
                    rest.push((start, hole_start));
                }
                start = start.max(hole_end);
            }
            if start < end {
                rest.push((start, end));
            }
        }
        Self(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(region: &Region) -> Vec<i64> {
        let mut all = vec![region.base as i64];
        for &(count, stride) in &region.dims {
            all = all.iter().flat_map(|&e| (0..count as i64).map(move |k| e + stride as i64 * k)).collect();
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn listed(intervals: &Intervals) -> Vec<i64> {
        intervals.iter().flat_map(|(start, end)| start..end).collect()
    }

    #[test]
    fn intervals_are_the_elements() {
        let cases: &[(i128, &[(u64, i128)])] = &[
            (5, &[]),
            (0, &[(16, 1)]),
            (3, &[(4, 8), (8, 1)]),
            (3, &[(4, 9), (8, 1)]),
            // A 3×3 window at stride 2 over rows of 10 pixels of 4 channels.
            (0, &[(4, 80), (3, 40), (4, 8), (3, 4), (4, 1)]),
            (100, &[(4, -7), (3, 2)]),
            (0, &[(3, 0), (2, 6), (2, 4)]),
            (-9, &[(5, 3), (2, 1), (7, -30)]),
        ];
        for (base, dims) in cases {
            let region = Region { base: *base, dims: dims.to_vec() };
            assert_eq!(listed(&region.intervals(MAX_INTERVALS).unwrap()), elements(&region), "{region:?}");
            let expected = elements(&region);
            assert_eq!(region.range(), (i128::from(expected[0]), i128::from(expected[expected.len() - 1])));
        }
    }

    #[test]
    fn unrolled_loops_are_one_region() {
        // Rows of 8 elements, each in halves of two elements that two statements touch, in two blocks.
        let dims = vec![(5, 100), (2, 4), (1, 1)];
        let bases = [0, 1, 2, 3, 1000, 1001, 1002, 1003, 7];
        let regions: Vec<_> = bases.map(|base| Region { base, dims: dims.clone() }).into();
        let all = |regions: &[Region]| {
            let mut all: Vec<i64> = regions.iter().flat_map(elements).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let eight = joined(&regions[..8]);
        assert_eq!(eight.len(), 1);
        assert_eq!(eight[0].1.normal().dims, [(8, 1), (5, 100), (2, 1000)]);
        for count in 1..=9 {
            let joined: Vec<_> = joined(&regions[..count]).into_iter().map(|(_, region)| region).collect();
            assert_eq!(all(&joined), all(&regions[..count]));
        }
    }

    #[test]
    fn windows_merge_into_rows() {
        let region = Region { base: 0, dims: vec![(112, 3616), (3, 3616), (112, 32), (3, 16), (16, 1)] };
        assert_eq!(region.normal().dims, [(16 + 16 * 2 + 32 * 111, 1), (114, 3616)]);
    }

    #[test]
    fn too_many_or_too_far_is_none() {
        let fragments = Region { base: 0, dims: vec![(MAX_INTERVALS as u64 + 1, 2)] };
        assert_eq!(fragments.intervals(MAX_INTERVALS), None);
        let far = Region { base: i128::from(i64::MAX), dims: vec![(2, 1)] };
        assert_eq!(far.intervals(MAX_INTERVALS), None);
        let wide = Region { base: 0, dims: vec![(u64::from(u32::MAX), i128::from(i64::MAX)); 60] };
        assert!(wide.range().1 > 0 && wide.intervals(MAX_INTERVALS).is_none());
    }

    #[test]
    fn without_subtracts() {
        let set = |list: &[(i64, i64)]| Intervals::new(list.to_vec());
        let all = set(&[(0, 10), (20, 30)]);
        assert_eq!(all.without(&set(&[])), all);
        assert_eq!(all.without(&set(&[(-5, 2), (4, 6), (9, 22), (29, 40)])), set(&[(2, 4), (6, 9), (22, 29)]));
        assert!(all.without(&set(&[(0, 30)])).is_empty());
        assert_eq!((all.hull(), set(&[]).hull()), (Some((0, 30)), None));
        assert_eq!(set(&[(0, 5), (5, 9)]).iter().collect::<Vec<_>>(), [(0, 9)]);
    }
}

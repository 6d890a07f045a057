//! Whether a linear equation over bounded integers has a solution: the question behind every proof that two accesses
//! keep off each other.
//!
//! `Σ strideᵢ·zᵢ = target`, `lowᵢ ≤ zᵢ ≤ highᵢ`, is decided by search. Terms are taken in the order of falling strides,
//! and each is given the values that the smaller terms together can still make up for. Where strides form a mixed radix,
//! as those of a tensor's dimensions do, hardly more than one value remains at each level, and the search is a division
//! with remainder. A budget bounds it where they do not.

/// A term `stride·z`, `low ≤ z ≤ high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) stride: i128,
    pub(super) low: i128,
    pub(super) high: i128,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// There is no solution.
    Never,
    /// There is one.
    Solvable,
    /// The budget ran out.
    Unknown,
}

/// The most values tried in one search.
const BUDGET: u32 = 1 << 16;

/// One level of the search: a term, and what the terms after it can add up to.
struct Level {
    term: Term,
    /// The least and the greatest sum of all later terms.
    rest: (i128, i128),
    /// The greatest common divisor of this stride and all later ones.
    divisor: i128,
}

/// Decides `Σ terms = target`.
pub(super) fn solve(terms: &[Term], target: i128) -> Answer {
    if terms.iter().any(|term| term.low > term.high) {
        return Answer::Never;
    }
    let mut terms: Vec<Term> = terms.iter().filter(|term| term.stride != 0).map(|&term| positive(term)).collect();
    terms.sort_unstable_by_key(|term| term.stride);
    terms.dedup_by(|term, kept| {
        let same = term.stride == kept.stride;
        if same {
            (kept.low, kept.high) = (kept.low + term.low, kept.high + term.high);
        }
        same
    });
    let (mut rest, mut divisor) = ((0, 0), 0);
    let mut levels: Vec<Level> = Vec::with_capacity(terms.len());
    for term in terms {
        divisor = gcd(divisor, term.stride);
        levels.push(Level { term, rest, divisor });
        rest = (rest.0 + term.stride * term.low, rest.1 + term.stride * term.high);
    }
    levels.reverse();
    search(&levels, target, &mut BUDGET.clone())
}

fn positive(Term { stride, low, high }: Term) -> Term {
    if stride < 0 { Term { stride: -stride, low: -high, high: -low } } else { Term { stride, low, high } }
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn search(levels: &[Level], target: i128, budget: &mut u32) -> Answer {
    let Some((Level { term, rest, divisor }, later)) = levels.split_first() else {
        return if target == 0 { Answer::Solvable } else { Answer::Never };
    };
    if target % divisor != 0 {
        return Answer::Never;
    }
    // stride·z has to lie in target − rest.
    let first = term.low.max(-(rest.1 - target).div_euclid(term.stride));
    let last = term.high.min((target - rest.0).div_euclid(term.stride));
    let mut z = first;
    while z <= last {
        let Some(left) = budget.checked_sub(1) else { return Answer::Unknown };
        *budget = left;
        match search(later, target - term.stride * z, budget) {
            Answer::Never => z += 1,
            answer @ (Answer::Solvable | Answer::Unknown) => return answer,
        }
    }
    Answer::Never
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn term(stride: i128, low: i128, high: i128) -> Term {
        Term { stride, low, high }
    }

    fn brute(terms: &[Term], target: i128) -> bool {
        let Some((first, rest)) = terms.split_first() else { return target == 0 };
        (first.low..=first.high).any(|z| brute(rest, target - first.stride * z))
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(
            terms in prop::collection::vec((-20_i128..20, -3_i128..3, 0_i128..5), 0..5),
            target in -60_i128..60,
        ) {
            let terms: Vec<_> = terms.into_iter().map(|(stride, low, more)| term(stride, low, low + more)).collect();
            let expected = if brute(&terms, target) { Answer::Solvable } else { Answer::Never };
            prop_assert_eq!(solve(&terms, target), expected);
        }
    }

    #[test]
    fn a_mixed_radix_is_decided_at_once() {
        // Blocks of channels, rows, columns, lanes of a large tensor: different rows never meet.
        let spread = |stride, count: i128| term(stride, 1 - count, count - 1);
        let others = [spread(1 << 40, 1 << 30), spread(16, 1 << 20), spread(1, 16)];
        let rows = term(1 << 24, 1, (1 << 16) - 1);
        assert_eq!(solve(&[&others[..], &[rows]].concat(), 0), Answer::Never);
        assert_eq!(solve(&[&others[..], &[term(1 << 24, 1, 1 << 16)]].concat(), 0), Answer::Solvable);
    }

    #[test]
    fn a_term_without_values_has_no_solution() {
        assert_eq!(solve(&[term(0, 1, 0)], 0), Answer::Never);
    }

    #[test]
    fn a_hard_case_is_given_up() {
        let terms: Vec<_> = (0..40).map(|i| term(2 * (1_000_003 + 17 * i * i), -1000, 1000)).collect();
        let odd = [&terms[..], &[term(1_000_001, 0, 0), term(2_000_029, 1, 1)]].concat();
        assert_eq!(solve(&odd, 0), Answer::Unknown);
    }
}

//! Sets of series references: ascending vectors and their set operations.

/// References in both. Gallops where one set is much the smaller.
pub fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut out = Vec::with_capacity(small.len());
    let mut rest = large;
    for item in small {
        let skip = gallop(rest, *item);
        rest = &rest[skip..];
        match rest.first() {
            None => break,
            Some(found) if found == item => out.push(*item),
            Some(_) => {}
        }
    }
    out
}

/// References of `set` that are not in `removed`.
pub fn without(set: &[u32], removed: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(set.len());
    let mut rest = removed;
    for item in set {
        let skip = gallop(rest, *item);
        rest = &rest[skip..];
        if rest.first() != Some(item) {
            out.push(*item);
        }
    }
    out
}

/// Ascending runs, one after another in `runs`, as one set. Costs a merge of the runs.
pub fn union_of_runs(mut runs: Vec<u32>) -> Vec<u32> {
    if !runs.windows(2).all(|w| w[0] < w[1]) {
        // The standard stable sort finds the runs and merges them.
        runs.sort();
        runs.dedup();
    }
    runs
}

/// How many items of `set` are below `item`.
fn gallop(set: &[u32], item: u32) -> usize {
    let mut bound = 1;
    while bound < set.len() && set[bound - 1] < item {
        bound *= 2;
    }
    let low = bound / 2;
    low + set[low..set.len().min(bound)].partition_point(|x| *x < item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(0u32..200, 0..120)
    }

    proptest! {
        #[test]
        fn operations_equal_those_of_sets(a in set(), b in set()) {
            let (va, vb): (Vec<_>, Vec<_>) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(intersect(&va, &vb), a.intersection(&b).copied().collect::<Vec<_>>());
            prop_assert_eq!(without(&va, &vb), a.difference(&b).copied().collect::<Vec<_>>());
            let runs = [va, vb].concat();
            prop_assert_eq!(union_of_runs(runs), a.union(&b).copied().collect::<Vec<_>>());
        }
    }
}

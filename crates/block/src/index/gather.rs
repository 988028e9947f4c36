//! Which series have which label pair, gathered while series are written: a number for each label of each series, in order, and turned
//! round at the end, some lists at a time. Four bytes a label; a hash map of growing lists would take two to ten times as much.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;

/// Name and value as symbols.
type Pair = (u32, u32);

/// Set in the number of a series' first label.
const FIRST: u32 = 1 << 31;
/// Entries of a block of the log: it grows without being moved.
const BLOCK: usize = 1 << 16;
/// Postings that are turned round at once, unless one list has more.
const AT_ONCE: u64 = if cfg!(test) { 1 << 10 } else { 1 << 19 };

#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Pairs by number, in order of first sight, and how many series have each.
    pairs: Vec<Pair>,
    counts: Vec<u32>,
    numbers: HashTable<u32>,
    log: Vec<Vec<u32>>,
    /// Labels of the series before and their numbers: the next in order has many of them.
    last: Vec<(Pair, u32)>,
}

impl Gathered {
    /// Adds the next series.
    pub(crate) fn add(&mut self, labels: &[Pair]) {
        if self.log.last().is_none_or(|block| block.len() + labels.len() > BLOCK) {
            self.log.push(Vec::with_capacity(BLOCK.max(labels.len())));
        }
        let mut first = FIRST;
        for (at, pair) in labels.iter().enumerate() {
            let number = match self.last.get(at) {
                Some((last, number)) if last == pair => *number,
                _ => self.number(*pair),
            };
            self.counts[number as usize] += 1;
            match self.last.get_mut(at) {
                Some(last) => *last = (*pair, number),
                None => self.last.push((*pair, number)),
            }
            if let Some(block) = self.log.last_mut() {
                block.push(number | first);
            }
            first = 0;
        }
        if labels.is_empty() {
            // No list has it, yet the next series' labels must not pass for its own.
            if let Some(block) = self.log.last_mut() {
                block.push(u32::MAX);
            }
        }
    }

    fn number(&mut self, pair: Pair) -> u32 {
        let hasher = FixedState::default();
        let Self { pairs, numbers, counts, .. } = self;
        let entry = numbers.entry(
            hasher.hash_one(pair),
            |number| pairs[*number as usize] == pair,
            |number| hasher.hash_one(pairs[*number as usize]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(found) => *found.get(),
            hashbrown::hash_table::Entry::Vacant(place) => {
                // Below 2^31 - 1: each pair stands in a series entry of 16 bytes and more, of which an index has 2^32 at most.
                let number = counts.len() as u32;
                place.insert(number);
                pairs.push(pair);
                counts.push(0);
                number
            }
        }
    }

    /// No more series come.
    pub(crate) fn into_lists(self) -> Lists {
        let Self { pairs, counts, numbers, log, .. } = self;
        drop(numbers);
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        order.sort_unstable_by_key(|number| pairs[*number as usize]);
        let sorted = order.iter().map(|number| pairs[*number as usize]).collect();
        Lists { sorted, order, counts, log }
    }
}

/// The lists, in order of pair.
#[derive(Debug)]
pub(crate) struct Lists {
    sorted: Vec<Pair>,
    /// Numbers in order of pair.
    order: Vec<u32>,
    counts: Vec<u32>,
    log: Vec<Vec<u32>>,
}

impl Lists {
    /// Pairs in the order of [`Lists::for_each`].
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        self.sorted.clone()
    }

    /// Calls `each` with the series of each pair; `series` are all series in the order in which they were added.
    pub(crate) fn for_each<E>(
        &self,
        series: &[u32],
        mut each: impl FnMut(&[u32]) -> Result<(), E>,
    ) -> Result<(), E> {
        /// The pair is not of those at hand.
        const ELSEWHERE: u32 = u32::MAX;
        let mut next = vec![ELSEWHERE; self.counts.len()];
        let mut found: Vec<u32> = Vec::new();
        let mut rest = &self.order[..];
        while !rest.is_empty() {
            let (mut taken, mut sum) = (0, 0u64);
            for number in rest {
                let count = self.counts[*number as usize];
                if taken > 0 && sum + u64::from(count) > AT_ONCE {
                    break;
                }
                // A list is bounded by the number of series, the sum by that and AT_ONCE: below 2^32.
                next[*number as usize] = sum as u32;
                sum += u64::from(count);
                taken += 1;
            }
            let (group, after) = rest.split_at(taken);
            found.clear();
            found.resize(sum as usize, 0);
            let mut at = usize::MAX;
            for entry in self.log.iter().flatten() {
                at = at.wrapping_add((entry >> 31) as usize);
                let number = (entry & !FIRST) as usize;
                if let Some(place) = next.get_mut(number).filter(|place| **place != ELSEWHERE) {
                    found[*place as usize] = series[at];
                    *place += 1;
                }
            }
            let mut start = 0;
            for number in group {
                let end = start + self.counts[*number as usize] as usize;
                each(&found[start..end])?;
                start = end;
                next[*number as usize] = ELSEWHERE;
            }
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn lists_are_what_a_map_of_lists_would_hold() {
        let mut gathered = Gathered::default();
        let mut expected: BTreeMap<Pair, Vec<u32>> = BTreeMap::new();
        let mut series = Vec::new();
        // The first list alone is longer than what is turned round at once.
        for n in 0..AT_ONCE as u32 + 20_000 {
            let of = 10 + n * 3;
            series.push(of);
            let labels: Vec<Pair> = match n % 1000 {
                7 => Vec::new(),
                8 => vec![(1, 1)],
                _ => vec![(1, 1), (2, n % 50), (3, n / 100), (4, n % 7)],
            };
            gathered.add(&labels);
            for pair in labels {
                expected.entry(pair).or_default().push(of);
            }
        }
        let lists = gathered.into_lists();
        let pairs = lists.pairs();
        let mut found = Vec::new();
        lists
            .for_each(&series, |list| {
                found.push(list.to_vec());
                Ok::<(), ()>(())
            })
            .unwrap();
        assert!(pairs.into_iter().zip(found).eq(expected));
    }
}

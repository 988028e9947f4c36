//! Which series of the storage a sender's label bytes mean. About 40 bytes a series.
//!
//! The key is a keyed 128-bit hash of the bytes; two label sets that share one do not occur. A reference may have died since: the
//! storage then asks for labels and the entry is replaced. Senders name their series in the same order again and again: each entry
//! remembers which was asked for after it, so that most are found by a look at what is next in memory. Two generations bound the
//! memory: what was not seen during a whole generation is forgotten.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU32, Ordering};

use gauntlet_model::SeriesRef;
use hashbrown::HashTable;
use parking_lot::RwLock;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Series a generation: about 80 MB at most, both together.
const GENERATION: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };

#[derive(Debug)]
struct Entry {
    key: u128,
    series: SeriesRef,
    /// The entry that was asked for after it.
    next: AtomicU32,
}

#[derive(Debug, Default)]
struct Generation {
    entries: Vec<Entry>,
    /// By key, which is a hash already.
    index: HashTable<u32>,
}

impl Generation {
    /// `last` is the entry that was found before; it becomes this one.
    #[inline]
    fn find(&self, key: u128, last: &mut u32) -> Option<SeriesRef> {
        let before = self.entries.get(*last as usize);
        let guess = before.map_or(0, |before| before.next.load(Ordering::Relaxed));
        if let Some(entry) = self.entries.get(guess as usize)
            && entry.key == key
        {
            *last = guess;
            return Some(entry.series);
        }
        let at = *self.index.find(key as u64, |at| self.entries[*at as usize].key == key)?;
        if let Some(before) = before {
            before.next.store(at, Ordering::Relaxed);
        }
        *last = at;
        Some(self.entries[at as usize].series)
    }

    fn put(&mut self, key: u128, series: SeriesRef) {
        let Self { entries, index } = self;
        if let Some(at) = index.find(key as u64, |at| entries[*at as usize].key == key) {
            entries[*at as usize].series = series;
            return;
        }
        let at = entries.len() as u32;
        entries.push(Entry { key, series, next: AtomicU32::new(at + 1) });
        index.insert_unique(key as u64, at, |at| entries[*at as usize].key as u64);
    }
}

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

/// The cache. Shared by all requests.
#[derive(Debug)]
pub(super) struct SeriesCache {
    seed: u64,
    generations: RwLock<Generations>,
}

impl Default for SeriesCache {
    fn default() -> Self {
        let seed = std::hash::RandomState::new().hash_one(0);
        Self { seed, generations: RwLock::default() }
    }
}

impl SeriesCache {
    #[inline]
    pub(super) fn key(&self, bytes: &[u8]) -> u128 {
        xxh3_128_with_seed(bytes, self.seed)
    }

    /// Series of `keys`, in their order; `SeriesRef(0)` for those not known. Replaces what is in `out`.
    pub(super) fn find_all(&self, keys: &[u128], out: &mut Vec<SeriesRef>) {
        out.clear();
        let mut again = Vec::new();
        {
            let generations = self.generations.read();
            let (mut last, mut last_old) = (u32::MAX, u32::MAX);
            for key in keys {
                let found = generations.young.find(*key, &mut last).or_else(|| {
                    let found = generations.old.find(*key, &mut last_old);
                    again.extend(found.map(|series| (*key, series)));
                    found
                });
                out.push(found.unwrap_or(SeriesRef(0)));
            }
        }
        self.put_all(&again);
    }

    pub(super) fn put_all(&self, entries: &[(u128, SeriesRef)]) {
        if entries.is_empty() {
            return;
        }
        let mut generations = self.generations.write();
        for (key, series) in entries {
            if generations.young.entries.len() >= GENERATION {
                generations.old = std::mem::take(&mut generations.young);
            }
            generations.young.put(*key, *series);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_in_each_generation_stays() {
        let cache = SeriesCache::default();
        let mut out = Vec::new();
        for round in 0..4u64 {
            let fill: Vec<_> = (0..GENERATION as u64)
                .map(|n| (u128::from(round) << 64 | u128::from(n) | 1 << 100, SeriesRef(n + 1)))
                .collect();
            if round == 0 {
                cache.put_all(&[(7, SeriesRef(42)), (8, SeriesRef(43))]);
            }
            cache.put_all(&fill[..GENERATION / 2]);
            cache.find_all(&[7], &mut out);
            assert_eq!(out, [SeriesRef(42)], "round {round}");
            cache.put_all(&fill[GENERATION / 2..]);
        }
        cache.find_all(&[8, 7], &mut out);
        assert_eq!(out, [SeriesRef(0), SeriesRef(42)]);
    }

    #[test]
    fn any_order_finds_what_was_put() {
        let cache = SeriesCache::default();
        let key =
            |n: u64| u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(n * 7);
        let all: Vec<_> = (0..200).map(|n| (key(n), SeriesRef(n + 1))).collect();
        cache.put_all(&all);
        cache.put_all(&[(key(5), SeriesRef(5005))]);
        let mut out = Vec::new();
        for stride in [1, 3, 7, 199] {
            let order: Vec<u64> = (0..200).map(|n| n * stride % 200).collect();
            for _ in 0..2 {
                let keys: Vec<u128> = order.iter().map(|n| key(*n)).collect();
                cache.find_all(&keys, &mut out);
                let want: Vec<_> =
                    order.iter().map(|n| SeriesRef(if *n == 5 { 5005 } else { n + 1 })).collect();
                assert_eq!(out, want, "stride {stride}");
            }
        }
        cache.find_all(&[key(3), 1, key(4)], &mut out);
        assert_eq!(out, [SeriesRef(4), SeriesRef(0), SeriesRef(5)]);
    }
}

//! Which series of the storage a sender's label bytes mean. 24 bytes a series.
//!
//! The key is a keyed 128-bit hash of the bytes; two label sets that share one do not occur. A reference may have died since: the
//! storage then asks for labels and the entry is replaced. Two generations bound the memory: what was not seen during a
//! whole generation is forgotten.

use std::hash::BuildHasher as _;

use gauntlet_model::SeriesRef;
use hashbrown::HashMap;
use parking_lot::RwLock;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Series a generation: about 50 MB at most, both together.
const GENERATION: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };

type Map = HashMap<u128, SeriesRef, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
struct Generations {
    young: Map,
    old: Map,
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
            for key in keys {
                let found = generations.young.get(key).copied().or_else(|| {
                    let found = generations.old.get(key).copied();
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
            if generations.young.len() >= GENERATION {
                generations.old = std::mem::take(&mut generations.young);
            }
            generations.young.insert(*key, *series);
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
}

//! The chance seam: random numbers that one seed replays. Not for secrets.

use std::hash::{BuildHasher as _, RandomState};

/// A stream of random numbers (SplitMix64). Equal seeds give equal streams.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Seeded by the machine, each time differently.
    pub fn from_system() -> Self {
        Self::seeded(RandomState::new().hash_one(0u64))
    }

    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound`, `bound` not included; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// An index of a slice of `len` items.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_bounds_hold() {
        let (mut one, mut two) = (Chance::seeded(7), Chance::seeded(7));
        let mut seen = [0u32; 5];
        for _ in 0..1000 {
            let drawn = one.below(5);
            assert_eq!(drawn, two.below(5));
            seen[drawn as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(one.below(0), 0);
        let mut items: Vec<u32> = (0..20).collect();
        one.shuffle(&mut items);
        assert_ne!(items, (0..20).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }
}

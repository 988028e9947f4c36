//! The head's inverted index: label sets of its series and who has which pair. Touched when a series is born, looked up by labels
//! or selected; never when a sample of a known series is appended.
//!
//! A series' labels are a *base*, the pairs that all series of its target share, and its own pairs. Postings of a pair name the
//! series that own it and the bases that hold it; a base names its series. So a series of ten labels, six of them its target's,
//! costs five list entries, and 24 bytes of labels. Ids ascend with birth and are never reused; the dead are passed over until
//! [`Index::rebuilt`] makes a new index of the living.

use foldhash::fast::FixedState;
use gauntlet_model::Labels;
use gauntlet_model::labels::METRIC_NAME;
use hashbrown::{HashMap, HashTable};

use super::pairs::{NameId, PairId, Pairs};
use super::postings::IdList;

/// Number of a series in this index.
pub(crate) type SeriesId = u32;
/// Where a series' state is: shard and slot, packed by the head.
pub(crate) type Place = u32;

/// A place that no series has.
pub(crate) const DEAD: Place = Place::MAX;
/// The base without pairs.
const NO_BASE: u32 = 0;
/// Most labels of a series: their count is packed into a byte.
const MAX_PACKED: usize = 255;
const MAX_BASES: usize = 1 << 24;

#[derive(Debug, Default)]
struct Base {
    /// In order of name.
    pairs: Vec<PairId>,
    hash: u64,
    series: IdList,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) pairs: Pairs,
    /// Series that own a pair, by pair.
    own: Vec<IdList>,
    bases: Vec<Base>,
    bases_of: HashMap<PairId, Vec<u32>, FixedState>,
    /// The base that the next series of a target (its job and instance pairs) gets if it fits.
    base_of_target: HashMap<[Option<PairId>; 2], u32, FixedState>,
    places: Vec<Place>,
    /// Start of a series' words: base << 8 | own count, then own pairs in order of name.
    words_at: Vec<u32>,
    words: Vec<u32>,
    by_labels: HashTable<SeriesId>,
    dead: usize,
}

/// Why a series found no place in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Strings,
    Labels,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { bases: vec![Base::default()], ..Self::default() }
    }

    /// Living series.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.dead
    }

    pub(crate) fn dead(&self) -> usize {
        self.dead
    }

    /// Ids in use, the dead among them.
    pub(crate) fn end(&self) -> SeriesId {
        self.places.len() as SeriesId
    }

    pub(crate) fn place(&self, id: SeriesId) -> Place {
        self.places[id as usize]
    }

    pub(crate) fn find(&self, labels: &Labels) -> Option<SeriesId> {
        let mut pairs = Vec::with_capacity(16);
        for (name, value) in labels {
            pairs.push(self.pairs.find(name, value)?);
        }
        self.find_pairs(&pairs)
    }

    fn find_pairs(&self, pairs: &[PairId]) -> Option<SeriesId> {
        let same = |id: &SeriesId| {
            let (base, own) = self.split(*id);
            own.len() + base.len() == pairs.len()
                && own.iter().chain(base).all(|pair| pairs.contains(pair))
        };
        self.by_labels.find(hash_pairs(pairs), same).copied()
    }

    /// Adds a series that [`Index::find`] does not know.
    pub(crate) fn insert(&mut self, labels: &Labels, place: Place) -> Result<SeriesId, Full> {
        let mut pairs = Vec::with_capacity(16);
        for (name, value) in labels {
            pairs.push(self.pairs.intern(name, value).ok_or(Full::Strings)?);
        }
        self.insert_pairs(&pairs, place)
    }

    fn insert_pairs(&mut self, pairs: &[PairId], place: Place) -> Result<SeriesId, Full> {
        if pairs.len() > MAX_PACKED {
            return Err(Full::Labels);
        }
        let id = self.end();
        while self.own.len() < self.pairs.len() {
            push_tight(&mut self.own, IdList::default());
        }
        let base = self.choose_base(pairs);
        let words_at = u32::try_from(self.words.len()).map_err(|_| Full::Labels)?;
        push_tight(&mut self.words, 0);
        for pair in pairs {
            if !self.bases[base as usize].pairs.contains(pair) {
                push_tight(&mut self.words, *pair);
                self.own[*pair as usize].push(id);
            }
        }
        let own = self.words.len() - words_at as usize - 1;
        self.words[words_at as usize] = base << 8 | own as u32;
        self.bases[base as usize].series.push(id);
        push_tight(&mut self.words_at, words_at);
        push_tight(&mut self.places, place);
        let Self { by_labels, words, words_at, bases, .. } = self;
        by_labels.insert_unique(hash_pairs(pairs), id, |id| {
            let at = words_at[*id as usize] as usize;
            let own = &words[at + 1..at + 1 + (words[at] & 0xff) as usize];
            bases[(words[at] >> 8) as usize].hash.wrapping_add(hash_pairs(own))
        });
        Ok(id)
    }

    /// Forgets a series. Its words and postings stay until the index is rebuilt.
    pub(crate) fn kill(&mut self, id: SeriesId) {
        if self.places[id as usize] == DEAD {
            return;
        }
        let hash = self.hash(id);
        if let Ok(entry) = self.by_labels.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        self.places[id as usize] = DEAD;
        self.dead += 1;
    }

    /// A new index of the living, ids in the same order.
    pub(crate) fn rebuilt(&self) -> Result<Self, Full> {
        let mut new = Self::new();
        let mut pairs = Vec::new();
        for id in 0..self.end() {
            if self.place(id) == DEAD {
                continue;
            }
            self.pairs_of(id, &mut pairs);
            for pair in &mut pairs {
                let (name, value) = self.pairs.pair(*pair);
                *pair = new.pairs.intern(name, value).ok_or(Full::Strings)?;
            }
            new.insert_pairs(&pairs, self.place(id))?;
        }
        Ok(new)
    }

    pub(crate) fn labels(&self, id: SeriesId) -> Labels {
        let mut pairs = Vec::with_capacity(16);
        self.pairs_of(id, &mut pairs);
        Labels::from_sorted(pairs.iter().map(|pair| self.pairs.pair(*pair)))
    }

    /// The series' labels of these names alone. `pairs` is the caller's buffer.
    pub(crate) fn labels_of(
        &self,
        id: SeriesId,
        names: &[NameId],
        pairs: &mut Vec<PairId>,
    ) -> Labels {
        pairs.clear();
        self.for_each_pair(id, |pair| {
            if names.contains(&self.pairs.name_of(pair)) {
                pairs.push(pair);
            }
        });
        Labels::from_sorted(pairs.iter().map(|pair| self.pairs.pair(*pair)))
    }

    /// The series' pair with this name.
    pub(crate) fn pair_with(&self, id: SeriesId, name: NameId) -> Option<PairId> {
        let (base, own) = self.split(id);
        own.iter().chain(base).find(|pair| self.pairs.name_of(**pair) == name).copied()
    }

    /// Living ids in order of label set.
    pub(crate) fn sorted_ids(&self) -> Vec<SeriesId> {
        let mut ids: Vec<SeriesId> = (0..self.end()).filter(|id| self.place(*id) != DEAD).collect();
        self.sort_by_labels(&mut ids);
        ids
    }

    /// Brings ids into the order of their label sets. Pairs that occur are ranked by text once; then numbers are compared.
    pub(crate) fn sort_by_labels(&self, ids: &mut [SeriesId]) {
        let mut rank = vec![0u32; self.pairs.len()];
        let mut pairs: Vec<PairId> = Vec::new();
        for id in &*ids {
            let (base, own) = self.split(*id);
            for pair in base.iter().chain(own) {
                if rank[*pair as usize] == 0 {
                    rank[*pair as usize] = 1;
                    pairs.push(*pair);
                }
            }
        }
        pairs.sort_unstable_by_key(|pair| self.pairs.sort_key(*pair));
        for (position, pair) in pairs.iter().enumerate() {
            rank[*pair as usize] = position as u32;
        }
        // Names differ within a set, so that ranks in order of name ascend.
        let mut keys: Vec<u32> = Vec::with_capacity(ids.len() * 12);
        let mut order: Vec<(SeriesId, usize, usize)> = Vec::with_capacity(ids.len());
        for id in &*ids {
            let start = keys.len();
            self.for_each_pair(*id, |pair| keys.push(rank[pair as usize]));
            order.push((*id, start, keys.len()));
        }
        order.sort_unstable_by(|a, b| keys[a.1..a.2].cmp(&keys[b.1..b.2]));
        for (to, (id, ..)) in ids.iter_mut().zip(order) {
            *to = id;
        }
    }

    /// Calls `each` with the series' pairs in order of name.
    fn for_each_pair(&self, id: SeriesId, mut each: impl FnMut(PairId)) {
        let (mut base, mut own) = self.split(id);
        loop {
            match (base, own) {
                ([b, base_rest @ ..], [o, ..])
                    if self.pairs.name_rank(*b) < self.pairs.name_rank(*o) =>
                {
                    each(*b);
                    base = base_rest;
                }
                (_, [o, own_rest @ ..]) => {
                    each(*o);
                    own = own_rest;
                }
                ([b, base_rest @ ..], []) => {
                    each(*b);
                    base = base_rest;
                }
                ([], []) => return,
            }
        }
    }

    /// The series' pairs in order of name.
    pub(crate) fn pairs_of(&self, id: SeriesId, out: &mut Vec<PairId>) {
        out.clear();
        self.for_each_pair(id, |pair| out.push(pair));
    }

    /// Base and own pairs.
    pub(crate) fn split(&self, id: SeriesId) -> (&[PairId], &[PairId]) {
        let at = self.words_at[id as usize] as usize;
        let head = self.words[at];
        let own = &self.words[at + 1..at + 1 + (head & 0xff) as usize];
        (&self.bases[(head >> 8) as usize].pairs, own)
    }

    /// Number of series that [`Index::append_postings`] gives.
    pub(crate) fn count(&self, pair: PairId) -> usize {
        let of_bases = self.bases_of.get(&pair).map_or(0, |bases| {
            bases.iter().map(|base| self.bases[*base as usize].series.len()).sum()
        });
        self.own[pair as usize].len() + of_bases
    }

    /// Appends the ids of the series that have a pair, the dead among them; true if they ascend.
    pub(crate) fn append_postings(&self, pair: PairId, out: &mut Vec<u32>) -> bool {
        let own = &self.own[pair as usize];
        own.append_to(out);
        let mut lists = usize::from(own.len() > 0);
        for base in self.bases_of.get(&pair).into_iter().flatten() {
            let series = &self.bases[*base as usize].series;
            series.append_to(out);
            lists += usize::from(series.len() > 0);
        }
        lists <= 1
    }

    /// Whether a living series has the pair.
    pub(crate) fn is_alive(&self, pair: PairId) -> bool {
        if self.dead == 0 {
            return self.count(pair) > 0;
        }
        let mut ids = Vec::new();
        self.append_postings(pair, &mut ids);
        ids.iter().any(|id| self.place(*id) != DEAD)
    }

    /// Pairs that a living series has.
    pub(crate) fn live_pairs(&self) -> usize {
        (0..self.pairs.len() as PairId).filter(|pair| self.is_alive(*pair)).count()
    }

    fn hash(&self, id: SeriesId) -> u64 {
        let (base, own) = self.split(id);
        hash_pairs(base).wrapping_add(hash_pairs(own))
    }

    /// The base for a new series. A target's first series proposes all but the labels that vary by nature; each further series
    /// that does not fit narrows the target's base for those to come.
    fn choose_base(&mut self, pairs: &[PairId]) -> u32 {
        let of = |name: &str| {
            let name = self.pairs.find_name(name)?;
            pairs.iter().find(|pair| self.pairs.name_of(**pair) == name).copied()
        };
        let target = [of("job"), of("instance")];
        if target == [None, None] {
            return NO_BASE;
        }
        let proposed: Vec<PairId> = match self.base_of_target.get(&target) {
            Some(base) => {
                let current = &self.bases[*base as usize].pairs;
                let common: Vec<PairId> =
                    current.iter().filter(|pair| pairs.contains(pair)).copied().collect();
                if common.len() == current.len() {
                    return *base;
                }
                common
            }
            None => {
                let varies = |pair: &PairId| {
                    matches!(
                        self.pairs.name(self.pairs.name_of(*pair)),
                        METRIC_NAME | "le" | "quantile"
                    )
                };
                pairs.iter().filter(|pair| !varies(pair)).copied().collect()
            }
        };
        if self.bases.len() >= MAX_BASES {
            return NO_BASE;
        }
        let base = self.bases.len() as u32;
        for pair in &proposed {
            self.bases_of.entry(*pair).or_default().push(base);
        }
        self.bases.push(Base {
            hash: hash_pairs(&proposed),
            pairs: proposed,
            series: IdList::default(),
        });
        self.base_of_target.insert(target, base);
        base
    }

    /// Heap bytes: labels, strings, pair tables, postings, table by labels.
    pub(crate) fn heap_bytes(&self) -> IndexBytes {
        let (strings, pairs) = self.pairs.heap_bytes();
        let base_pairs: usize = self.bases.iter().map(|b| b.pairs.capacity() * 4).sum();
        let base_lists: usize = self.bases.iter().map(|b| b.series.heap_bytes()).sum();
        let own: usize = self.own.iter().map(IdList::heap_bytes).sum();
        IndexBytes {
            labels: self.words.capacity() * 4
                + self.words_at.capacity() * 4
                + self.places.capacity() * 4
                + self.bases.capacity() * size_of::<Base>()
                + base_pairs,
            strings,
            pairs,
            postings: own + base_lists + self.own.capacity() * size_of::<IdList>(),
            by_labels: self.by_labels.allocation_size(),
        }
    }
}

/// Heap bytes of an index by purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IndexBytes {
    pub(crate) labels: usize,
    pub(crate) strings: usize,
    pub(crate) pairs: usize,
    pub(crate) postings: usize,
    pub(crate) by_labels: usize,
}

/// Pushes; grows by an eighth instead of doubling, since columns of the head are large and live long.
pub(crate) fn push_tight<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact((column.len() / 8).max(64));
    }
    column.push(value);
}

/// A hash that does not depend on the order, so that base and own pairs add up.
fn hash_pairs(pairs: &[PairId]) -> u64 {
    pairs.iter().fold(0, |sum, pair| sum.wrapping_add(mix(*pair)))
}

fn mix(pair: PairId) -> u64 {
    let x = (u64::from(pair) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(n: u32) -> Labels {
        Labels::from_pairs([
            ("__name__", format!("m{}", n % 7)),
            ("instance", format!("host-{}", n % 3)),
            ("job", "api".to_owned()),
            ("pod", format!("pod-{}", n / 7)),
            ("zone", if n.is_multiple_of(5) { String::new() } else { "z".to_owned() }),
        ])
    }

    #[test]
    fn series_are_found_by_their_labels_and_by_their_pairs() {
        let mut index = Index::new();
        for n in 0..500 {
            assert_eq!(index.find(&labels(n)), None);
            assert_eq!(index.insert(&labels(n), n).unwrap(), n);
        }
        for n in 0..500 {
            assert_eq!(index.find(&labels(n)), Some(n));
            assert_eq!(index.labels(n), labels(n));
        }
        for (name, value) in
            [("job", "api"), ("instance", "host-1"), ("pod", "pod-9"), ("zone", "z")]
        {
            let pair = index.pairs.find(name, value).unwrap();
            let mut ids = Vec::new();
            index.append_postings(pair, &mut ids);
            ids.sort_unstable();
            let expect: Vec<u32> = (0..500).filter(|n| labels(*n).value(name) == value).collect();
            assert_eq!(ids, expect, "{name}={value}");
            assert_eq!(index.count(pair), expect.len());
        }
    }

    #[test]
    fn a_rebuilt_index_holds_the_living() {
        let mut index = Index::new();
        for n in 0..300 {
            index.insert(&labels(n), n).unwrap();
        }
        for n in (0..300).filter(|n| n % 3 != 1) {
            index.kill(n);
            assert_eq!(index.find(&labels(n)), None);
        }
        let new = index.rebuilt().unwrap();
        assert_eq!((index.len(), new.len(), new.dead()), (100, 100, 0));
        for id in 0..new.end() {
            assert_eq!(new.place(id), id * 3 + 1);
            assert_eq!(new.labels(id), labels(id * 3 + 1));
        }
        assert!(new.pairs.find("instance", "host-0").is_none());
    }
}

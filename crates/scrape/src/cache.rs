//! The series of one target: text as exposed -> reference in storage, and which of them were there last time.
//!
//! Bodies hardly change from scrape to scrape, so entries are kept in exposition order and the next line is expected to be the next
//! entry: its text is hashed once, at the length that the entry has, and neither parsed nor looked up. Lines that moved are found a few
//! places ahead, else by a hash table. No text is kept: 32 bytes an entry and 8 a table slot. Two texts of one target
//! that share 64 bits of a seeded hash and their length would be taken for one another; at a million series that is one chance in 10^7.

use gauntlet_model::SeriesRef;
use hashbrown::hash_table::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How far ahead a line that is not the expected one is looked for.
const LOOK_AHEAD: usize = 8;
/// Entries allowed beyond twice the last good scrape's before those not seen are dropped although scrapes fail.
const GROWTH: usize = 1000;
/// The reference of series that relabelling drops.
const DROPPED: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u64,
    series: u64,
    /// Bytes of the text; 0 for a free place.
    len: u32,
    /// The scrape that had it last.
    seen: u32,
    /// The last scrape after which a stale marker is due when it goes.
    tracked: u32,
    /// Whether it was tracked in the scrape before `tracked`, too.
    before: bool,
}

/// A place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryId(u32);

/// A series text looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// `again`: it was seen in this scrape already.
    Known {
        id: EntryId,
        series: SeriesRef,
        again: bool,
    },
    Dropped,
    New(TextHash),
}

/// What [`Cache::insert`] needs to know of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextHash {
    hash: u64,
    len: u32,
}

#[derive(Debug)]
pub(crate) struct Cache {
    seed: u64,
    entries: Vec<Entry>,
    free: Vec<u32>,
    table: HashTable<u32>,
    /// Entries in the order of the last body, rewritten from the first line that differs.
    order: Vec<u32>,
    /// The rest of the last order, once this body has left it.
    tail: Vec<u32>,
    /// Next place in `tail`, or in `order` as long as nothing differed.
    cursor: usize,
    diverged: bool,
    /// The expected entry's text was recognised by [`Cache::probe`].
    hit: bool,
    scrape: u32,
    seen: usize,
    tracked: usize,
    tracked_before: usize,
    still_tracked: usize,
    after_success: usize,
}

impl Cache {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            entries: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            order: Vec::new(),
            tail: Vec::new(),
            cursor: 0,
            diverged: false,
            hit: false,
            scrape: 2,
            seen: 0,
            tracked: 0,
            tracked_before: 0,
            still_tracked: 0,
            after_success: 0,
        }
    }

    /// Length of the series text at the start of `rest`, if it is the one expected next.
    #[inline]
    pub(crate) fn probe(&mut self, rest: &[u8]) -> Option<usize> {
        let order = if self.diverged { &self.tail } else { &self.order };
        let entry = self.entries.get(*order.get(self.cursor)? as usize)?;
        let len = entry.len as usize;
        let text = rest.get(..len).filter(|_| len > 0)?;
        self.hit = xxh3_64_with_seed(text, self.seed) == entry.hash;
        self.hit.then_some(len)
    }

    /// Looks a series text up. `raw` is what the parser made of the bytes last probed.
    #[inline]
    pub(crate) fn find(&mut self, raw: &[u8]) -> Found {
        if std::mem::take(&mut self.hit) {
            let order = if self.diverged { &self.tail } else { &self.order };
            let id = order[self.cursor];
            if self.entries[id as usize].len as usize == raw.len() {
                self.cursor += 1;
                if self.diverged {
                    self.order.push(id);
                }
                return self.see(id);
            }
        }
        self.find_by_hash(raw)
    }

    fn find_by_hash(&mut self, raw: &[u8]) -> Found {
        let text = TextHash {
            hash: xxh3_64_with_seed(raw, self.seed),
            len: u32::try_from(raw.len()).unwrap_or(u32::MAX),
        };
        let is = |entries: &[Entry], id: u32| {
            let entry = &entries[id as usize];
            entry.hash == text.hash && entry.len == text.len
        };
        if !self.diverged {
            if let Some(&id) = self.order.get(self.cursor)
                && is(&self.entries, id)
            {
                self.cursor += 1;
                return self.see(id);
            }
            self.tail.clear();
            self.tail.extend(self.order.drain(self.cursor..));
            self.cursor = 0;
            self.diverged = true;
        }
        let ahead = &self.tail[self.cursor.min(self.tail.len())..];
        if let Some(skip) = ahead.iter().take(LOOK_AHEAD).position(|id| is(&self.entries, *id)) {
            let id = ahead[skip];
            self.cursor += skip + 1;
            self.order.push(id);
            return self.see(id);
        }
        let entries = &self.entries;
        match self.table.find(text.hash, |id| is(entries, *id)).copied() {
            Some(id) => {
                self.order.push(id);
                self.see(id)
            }
            None => Found::New(text),
        }
    }

    #[inline]
    fn see(&mut self, id: u32) -> Found {
        let entry = &mut self.entries[id as usize];
        let again = entry.seen == self.scrape;
        if !again {
            entry.seen = self.scrape;
            self.seen += 1;
        }
        if entry.series == DROPPED {
            return Found::Dropped;
        }
        Found::Known { id: EntryId(id), series: SeriesRef(entry.series), again }
    }

    /// Remembers a new text's series.
    pub(crate) fn insert(&mut self, text: TextHash, series: SeriesRef) -> EntryId {
        let entry = Entry {
            hash: text.hash,
            series: series.0,
            len: text.len,
            seen: self.scrape,
            tracked: 0,
            before: false,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let entries = &self.entries;
        self.table.insert_unique(text.hash, id, |id| entries[*id as usize].hash);
        // A new text has been looked up, and not found where it was expected.
        self.order.push(id);
        self.seen += 1;
        EntryId(id)
    }

    /// Remembers that relabelling drops a text's series.
    pub(crate) fn insert_dropped(&mut self, text: TextHash) {
        self.insert(text, SeriesRef(DROPPED));
    }

    /// Storage gave a series another reference.
    #[inline]
    pub(crate) fn set_series(&mut self, id: EntryId, series: SeriesRef) {
        self.entries[id.0 as usize].series = series.0;
    }

    /// When the series is gone next time, it gets a stale marker.
    #[inline]
    pub(crate) fn track(&mut self, id: EntryId) {
        let entry = &mut self.entries[id.0 as usize];
        if entry.tracked == self.scrape {
            return;
        }
        entry.before = entry.tracked == self.scrape - 1;
        self.still_tracked += usize::from(entry.before);
        entry.tracked = self.scrape;
        self.tracked += 1;
    }

    /// Series tracked by the last scrape and not by this one.
    pub(crate) fn stale(&self) -> Vec<SeriesRef> {
        if self.still_tracked == self.tracked_before {
            return Vec::new();
        }
        let gone = self.entries.iter().filter(|e| e.len > 0 && e.tracked == self.scrape - 1);
        let mut gone: Vec<u64> = gone.map(|e| e.series).collect();
        gone.sort_unstable();
        gone.dedup();
        // A series whose text changed its looks (labels in another order, say) is still there.
        for entry in self.entries.iter().filter(|e| e.len > 0 && e.tracked == self.scrape) {
            if let Ok(at) = gone.binary_search(&entry.series) {
                gone.remove(at);
            }
        }
        gone.into_iter().map(SeriesRef).collect()
    }

    /// Takes back what this scrape tracked: its batch was not taken.
    pub(crate) fn abort(&mut self) {
        for entry in self.entries.iter_mut().filter(|e| e.tracked == self.scrape) {
            entry.tracked = if entry.before { self.scrape - 1 } else { 0 };
        }
        self.still_tracked = 0;
        self.tracked = 0;
        self.hit = false;
        if self.diverged {
            let rest = self.cursor.min(self.tail.len());
            self.order.extend_from_slice(&self.tail[rest..]);
        }
        self.cursor = 0;
        self.diverged = false;
        self.tail.clear();
    }

    /// Ends a scrape. After a good one, what was not seen is forgotten; after a bad one only if the cache has grown out of
    /// bounds, which is told.
    pub(crate) fn finish(&mut self, good: bool) -> bool {
        let len = self.table.len();
        let forced = !good && len > self.after_success * 2 + GROWTH;
        if good && !self.diverged {
            self.order.truncate(self.cursor);
        }
        if (good || forced) && self.seen != len {
            self.evict();
        }
        if good {
            self.after_success = self.table.len();
        }
        self.cursor = 0;
        self.diverged = false;
        self.hit = false;
        self.tail.clear();
        self.seen = 0;
        self.tracked_before = self.tracked;
        self.tracked = 0;
        self.still_tracked = 0;
        // Wrapping would take 4 billion scrapes.
        self.scrape += 1;
        forced
    }

    fn evict(&mut self) {
        for id in 0..self.entries.len() {
            let entry = self.entries[id];
            if entry.len == 0 || entry.seen == self.scrape {
                continue;
            }
            if let Ok(slot) = self.table.find_entry(entry.hash, |other| *other as usize == id) {
                slot.remove();
            }
            self.entries[id] = Entry::default();
            self.free.push(id as u32);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One scrape of `texts`: which were new, and what went stale.
    fn scrape(cache: &mut Cache, next: &mut u64, texts: &[&str]) -> (Vec<String>, Vec<u64>) {
        let mut new = Vec::new();
        for text in texts {
            cache.probe(text.as_bytes());
            let id = match cache.find(text.as_bytes()) {
                Found::Known { id, .. } => id,
                Found::Dropped => continue,
                Found::New(hash) => {
                    new.push((*text).to_owned());
                    *next += 1;
                    cache.insert(hash, SeriesRef(*next))
                }
            };
            cache.track(id);
        }
        let stale = cache.stale().iter().map(|s| s.0).collect();
        cache.finish(true);
        (new, stale)
    }

    #[test]
    fn texts_are_known_wherever_they_moved() {
        let (mut cache, mut next) = (Cache::new(7), 0);
        let none: Vec<String> = Vec::new();
        assert_eq!(scrape(&mut cache, &mut next, &["a", "b", "c", "d"]).0.len(), 4);
        assert_eq!(scrape(&mut cache, &mut next, &["a", "b", "c", "d"]), (none.clone(), vec![]));
        assert_eq!(scrape(&mut cache, &mut next, &["d", "c", "a", "b"]), (none.clone(), vec![]));
        assert_eq!(
            scrape(&mut cache, &mut next, &["d", "x", "a", "b"]),
            (vec!["x".into()], vec![3])
        );
        assert_eq!(scrape(&mut cache, &mut next, &["d", "x"]), (none.clone(), vec![1, 2]));
        assert_eq!(cache.len(), 2);
        assert_eq!(scrape(&mut cache, &mut next, &["d", "x"]), (none, vec![]));
        assert_eq!(scrape(&mut cache, &mut next, &["a"]), (vec!["a".into()], vec![4, 5]));
    }

    #[test]
    fn a_failed_scrape_makes_all_stale_and_forgets_nothing() {
        let (mut cache, mut next) = (Cache::new(7), 0);
        scrape(&mut cache, &mut next, &["a", "b", "c"]);
        // Two lines were read before the body broke.
        for text in ["a", "x"] {
            cache.probe(text.as_bytes());
            let id = match cache.find(text.as_bytes()) {
                Found::Known { id, .. } => id,
                Found::New(hash) => cache.insert(hash, SeriesRef(9)),
                Found::Dropped => unreachable!(),
            };
            cache.track(id);
        }
        cache.abort();
        assert_eq!(cache.stale(), [SeriesRef(1), SeriesRef(2), SeriesRef(3)]);
        cache.finish(false);
        assert_eq!(cache.stale(), []);
        cache.finish(false);
        assert_eq!(scrape(&mut cache, &mut next, &["a", "b", "c"]), (Vec::new(), vec![]));
    }

    #[test]
    fn a_series_that_changed_its_looks_is_not_stale() {
        let mut cache = Cache::new(7);
        for text in ["m{a=1,b=2}", "m{b=2,a=1}"] {
            let Found::New(hash) = cache.find(text.as_bytes()) else { panic!("known") };
            let id = cache.insert(hash, SeriesRef(5));
            cache.track(id);
            assert_eq!(cache.stale(), []);
            cache.finish(true);
        }
    }

    #[test]
    fn growth_without_success_is_bounded() {
        let mut cache = Cache::new(7);
        let mut forced = 0;
        for scrape in 0..10 {
            for i in 0..300 {
                let text = format!("m{scrape}_{i}");
                if let Found::New(hash) = cache.find(text.as_bytes()) {
                    cache.insert(hash, SeriesRef(i + 1));
                }
            }
            cache.abort();
            forced += u32::from(cache.finish(false));
        }
        assert!(forced > 0);
        assert!(cache.len() <= 1300, "{}", cache.len());
    }
}

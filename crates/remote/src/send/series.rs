//! The series of the log as one destination sees them: external labels added, relabelled, or dropped.
//!
//! Label strings are interned, so that a series costs 8 bytes a label, and about 50 for how it differs from the series that comes
//! before it (`delta`). Series of the log come in the same order again and again: each remembers which came after it, so that
//! finding it is a look, not a search. What is gone from the log is forgotten with [`SeriesTable::forget_before`], which makes the
//! strings anew.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;
use gauntlet_model::relabel::{Rule, Scratch, process};
use gauntlet_model::{Labels, Metadata, MetricType};
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashTable};

use super::delta::{Ends, Head, Runs, head_len, labels_len};
use super::elements::Elements;

/// Number of a string.
pub(super) type StringId = u32;

/// Strings, each once.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    ends: Vec<usize>,
    table: HashTable<StringId>,
}

impl Strings {
    pub(super) fn get(&self, id: StringId) -> &str {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.text[start..self.ends[id]]
    }

    fn intern(&mut self, text: &str) -> StringId {
        let hasher = FixedState::default();
        let hash = hasher.hash_one(text);
        if let Some(id) = self.table.find(hash, |id| self.get(*id) == text) {
            return *id;
        }
        let id = self.ends.len() as StringId;
        self.text.push_str(text);
        self.ends.push(self.text.len());
        let Self { text, ends, table } = self;
        table.insert_unique(hash, id, |id| {
            let id = *id as usize;
            let start = if id == 0 { 0 } else { ends[id - 1] };
            hasher.hash_one(&text[start..ends[id]])
        });
        id
    }
}

/// Place of a series in the table, until [`SeriesTable::forget_before`].
pub(super) type Slot = u32;
/// No place.
const NOWHERE: Slot = Slot::MAX;
/// The reference of what has changed since: nothing finds it. No log has as many series.
const NOBODY: u64 = u64::MAX;

/// One series as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// Name and value in turn, in order of names.
    pub(super) pairs: Box<[StringId]>,
    /// Length of its labels as fields of a 1.0 series.
    pub(super) encoded_len: u32,
    /// The series that `delta` is for.
    after: Slot,
    delta: Vec<u8>,
    ends: Ends,
    pub(super) metadata: Option<Arc<Metadata>>,
}

#[derive(Debug)]
struct Known {
    series: u64,
    /// Newest segment that names the series.
    segment: u32,
    /// The one that came after it last.
    next: Slot,
    /// `None`: dropped by relabelling.
    sent: Option<Sent>,
}

/// What the table says of a reference.
#[derive(Debug)]
pub(super) enum Lookup {
    Sent(Slot),
    /// Dropped by a rule.
    Dropped,
    /// No record of the log names it.
    Unknown,
}

#[derive(Debug)]
pub(super) struct SeriesTable {
    external: Labels,
    rules: Vec<Rule>,
    /// Metadata is taken from the labels `__type__` and `__unit__`.
    typed: bool,
    scratch: Scratch,
    strings: Strings,
    /// What is here stays as it is: a series that changes gets another place.
    known: Vec<Known>,
    slots: HashMap<u64, Slot, FixedState>,
    /// The one that was found last.
    last: Slot,
    heads: [Head; 2],
    runs: Runs,
}

impl SeriesTable {
    pub(super) fn new(external: Labels, rules: Vec<Rule>) -> Self {
        Self {
            external,
            rules,
            typed: false,
            scratch: Scratch::default(),
            strings: Strings::default(),
            known: Vec::new(),
            slots: HashMap::default(),
            last: NOWHERE,
            heads: Default::default(),
            runs: Runs::default(),
        }
    }

    pub(super) fn typed(mut self, typed: bool) -> Self {
        self.typed = typed;
        self
    }

    pub(super) fn strings(&self) -> &Strings {
        &self.strings
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Takes a series record of a segment.
    pub(super) fn add(&mut self, series: u64, labels: &Labels, segment: u32) {
        if series == NOBODY {
            return;
        }
        let old = self.slots.get(&series).map(|slot| &self.known[*slot as usize]);
        let mut metadata = old.and_then(|old| old.sent.as_ref()?.metadata.clone());
        if self.typed {
            metadata = Some(Arc::new(Metadata {
                metric_type: metric_type(labels.value("__type__")),
                unit: labels.value("__unit__").to_owned(),
                help: metadata.map(|known| known.help.clone()).unwrap_or_default(),
            }));
        }
        let mut builder = labels.to_builder();
        for (name, value) in &self.external {
            if builder.get(name).is_none() {
                builder.set(name, value);
            }
        }
        let kept = process(&mut builder, &self.rules, &mut self.scratch).is_ok();
        let sent = kept.then(|| {
            let mut pairs = Vec::with_capacity(16);
            for (name, value) in builder.iter() {
                pairs.push(self.strings.intern(name));
                pairs.push(self.strings.intern(value));
            }
            Sent {
                pairs: pairs.into(),
                encoded_len: labels_len(builder.iter()) as u32,
                after: NOWHERE,
                delta: Vec::new(),
                ends: Ends::default(),
                metadata,
            }
        });
        let slot = self.known.len() as Slot;
        match self.slots.entry(series) {
            Entry::Occupied(mut entry) => {
                let old = &mut self.known[*entry.get() as usize];
                let pairs = |sent: &Option<Sent>| sent.as_ref().map(|sent| sent.pairs.clone());
                if pairs(&old.sent) == pairs(&sent) {
                    old.segment = segment;
                    if let (Some(old), Some(sent)) = (&mut old.sent, sent) {
                        old.metadata = sent.metadata;
                    }
                    return;
                }
                // Others are written as copies of it as it was.
                old.series = NOBODY;
                entry.insert(slot);
            }
            Entry::Vacant(entry) => {
                entry.insert(slot);
            }
        }
        self.known.push(Known { series, segment, next: slot.saturating_add(1), sent });
    }

    pub(super) fn set_metadata(&mut self, series: u64, metadata: &Metadata) {
        let Some(slot) = self.slots.get(&series) else { return };
        if let Some(sent) = &mut self.known[*slot as usize].sent {
            let mut metadata = metadata.clone();
            if let Some(known) = sent.metadata.as_ref().filter(|_| self.typed) {
                metadata.metric_type = known.metric_type;
                metadata.unit.clone_from(&known.unit);
            }
            sent.metadata = Some(Arc::new(metadata));
        }
    }

    #[inline]
    pub(super) fn find(&mut self, series: u64) -> Lookup {
        if series == NOBODY {
            return Lookup::Unknown;
        }
        let guess = self.known.get(self.last as usize).map_or(0, |last| last.next);
        let slot = match self.known.get(guess as usize) {
            Some(known) if known.series == series => guess,
            _ => {
                let Some(slot) = self.slots.get(&series).copied() else { return Lookup::Unknown };
                if let Some(last) = self.known.get_mut(self.last as usize) {
                    last.next = slot;
                }
                slot
            }
        };
        self.last = slot;
        match self.known[slot as usize].sent {
            Some(_) => Lookup::Sent(slot),
            None => Lookup::Dropped,
        }
    }

    /// A series that was found.
    pub(super) fn sent(&self, slot: Slot) -> &Sent {
        self.known[slot as usize].sent.as_ref().expect("BUG: only what is sent has been found")
    }

    /// The head of a record as snappy elements, alone.
    pub(super) fn put_head(
        &mut self,
        slot: Slot,
        inner: usize,
        trailer: &[u8],
        out: &mut Elements,
    ) {
        let mut head = std::mem::take(&mut self.heads[1]);
        head.fill(&self.strings, self.sent(slot), inner, trailer);
        out.literal(head.bytes());
        self.heads[1] = head;
    }

    /// The head of a record as snappy elements, where the record of `before` begins `distance` bytes before. Of that one, too, how
    /// many bytes it carries and how they begin.
    pub(super) fn put_head_after(
        &mut self,
        before: (Slot, usize, &[u8]),
        distance: usize,
        slot: Slot,
        inner: usize,
        trailer: &[u8],
        out: &mut Elements,
    ) {
        let mut delta = Vec::with_capacity(64);
        let (ends, behind) = self.compare(before, distance, slot, (inner, trailer), &mut delta);
        out.copy(distance, ends.first);
        out.written(&delta);
        out.copy(behind, ends.last);
    }

    /// How heads differ: what to write between the copies at their ends, and the distance of the copy at the end.
    fn compare(
        &mut self,
        (before, before_inner, before_trailer): (Slot, usize, &[u8]),
        distance: usize,
        slot: Slot,
        (inner, trailer): (usize, &[u8]),
        delta: &mut Vec<u8>,
    ) -> (Ends, usize) {
        let [mut old, mut next] = std::mem::take(&mut self.heads);
        old.fill(&self.strings, self.sent(before), before_inner, before_trailer);
        next.fill(&self.strings, self.sent(slot), inner, trailer);
        let ends = self.runs.write(&old, distance, &next, delta);
        let behind = distance + next.bytes().len() - old.bytes().len();
        self.heads = [old, next];
        (ends, behind)
    }

    /// As [`SeriesTable::put_head_after`] for records that follow each other and both carry `inner` bytes: what was written last
    /// time, if it came after the same series then.
    #[inline]
    pub(super) fn put_head_again(
        &mut self,
        before: Slot,
        slot: Slot,
        inner: usize,
        trailer: &[u8],
        out: &mut Elements,
    ) {
        let len = |sent: &Sent| head_len(sent.encoded_len as usize, inner) + inner;
        let distance = len(self.sent(before));
        if self.sent(slot).after != before {
            let mut delta = Vec::with_capacity(64);
            let next = (inner, trailer);
            let (ends, _) =
                self.compare((before, inner, trailer), distance, slot, next, &mut delta);
            if let Some(sent) = &mut self.known[slot as usize].sent {
                delta.shrink_to_fit();
                (sent.after, sent.delta, sent.ends) = (before, delta, ends);
            }
        }
        let sent = self.sent(slot);
        out.copy(distance, sent.ends.first);
        out.written(&sent.delta);
        // What carries as much ends as far from its like as it is long.
        out.copy(len(sent), sent.ends.last);
    }

    /// A checkpoint names the series.
    pub(super) fn touch(&mut self, series: u64, segment: u32) {
        if let Some(slot) = self.slots.get(&series) {
            let known = &mut self.known[*slot as usize];
            known.segment = known.segment.max(segment);
        }
    }

    /// Forgets series that no segment from `segment` on names. Places change: nothing that has one may be under construction.
    pub(super) fn forget_before(&mut self, segment: u32) {
        let before = self.known.len();
        self.known.retain(|known| known.segment >= segment && known.series != NOBODY);
        if self.known.len() == before {
            return;
        }
        let mut strings = Strings::default();
        self.slots.clear();
        for (slot, known) in self.known.iter_mut().enumerate() {
            self.slots.insert(known.series, slot as Slot);
            known.next = slot as Slot + 1;
            if let Some(sent) = &mut known.sent {
                (sent.after, sent.delta) = (NOWHERE, Vec::new());
                for id in &mut sent.pairs {
                    *id = strings.intern(self.strings.get(*id));
                }
            }
        }
        (self.strings, self.last) = (strings, NOWHERE);
    }
}

fn metric_type(name: &str) -> MetricType {
    use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary};
    let all = [Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet];
    all.into_iter().find(|one| one.as_str() == name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &mut SeriesTable, series: u64) -> String {
        match table.find(series) {
            Lookup::Sent(slot) => {
                let pairs = table.sent(slot).pairs.iter();
                pairs.map(|id| table.strings.get(*id)).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn external_labels_yield_to_the_series_own() {
        let external = Labels::from_pairs([("cluster", "x"), ("job", "never")]);
        let mut table = SeriesTable::new(external, Vec::new());
        table.add(1, &Labels::from_pairs([("__name__", "up"), ("job", "a")]), 0);
        assert_eq!(text(&mut table, 1), "__name__ up cluster x job a");
        assert_eq!(text(&mut table, 2), "Unknown");
    }

    #[test]
    fn what_the_log_forgot_is_forgotten() {
        let mut table = SeriesTable::new(Labels::empty(), Vec::new());
        for n in 0..10u64 {
            table.add(
                n,
                &Labels::from_pairs([("n", &n.to_string()), ("same", &"x".to_owned())]),
                1,
            );
        }
        table.touch(3, 5);
        table.add(7, &Labels::from_pairs([("n", "7"), ("same", "x")]), 6);
        table.forget_before(5);
        assert_eq!(table.len(), 2);
        assert_eq!(
            (text(&mut table, 3), text(&mut table, 7)),
            ("n 3 same x".into(), "n 7 same x".into())
        );
        assert_eq!(table.strings.ends.len(), 5);
    }

    #[test]
    fn a_series_that_changes_is_found_as_it_is_now() {
        let mut table = SeriesTable::new(Labels::empty(), Vec::new());
        let one = |n: &str| Labels::from_pairs([("n", n)]);
        table.add(1, &one("1"), 0);
        table.add(2, &one("2"), 0);
        assert_eq!((text(&mut table, 1), text(&mut table, 2)), ("n 1".into(), "n 2".into()));
        table.add(2, &one("2"), 3);
        assert_eq!(table.len(), 2);
        table.add(2, &one("3"), 3);
        assert_eq!((text(&mut table, 1), text(&mut table, 2)), ("n 1".into(), "n 3".into()));
        assert_eq!(text(&mut table, u64::MAX), "Unknown");
        table.forget_before(3);
        assert_eq!((table.len(), text(&mut table, 2)), (1, "n 3".into()));
        assert_eq!(text(&mut table, 1), "Unknown");
    }
}

//! The series of the log as one destination sees them: external labels added, relabelled, or dropped.
//!
//! Label strings are interned, so that a series costs 8 bytes a label; encoding a sample copies its strings. What is gone from
//! the log is forgotten with [`SeriesTable::forget`], which makes the strings anew.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;
use gauntlet_model::relabel::{Rule, Scratch, process};
use gauntlet_model::{Labels, Metadata, MetricType};
use hashbrown::{HashMap, HashTable};

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

/// One series as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// Name and value in turn, in order of names.
    pub(super) pairs: Box<[StringId]>,
    /// Length of its labels as fields of a 1.0 series.
    pub(super) encoded_len: u32,
    pub(super) metadata: Option<Arc<Metadata>>,
}

#[derive(Debug)]
struct Known {
    /// Newest segment that names the series.
    segment: u32,
    /// `None`: dropped by relabelling.
    sent: Option<Sent>,
}

/// What the table says of a reference.
#[derive(Debug)]
pub(super) enum Lookup<'a> {
    Sent(&'a Sent),
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
    series: HashMap<u64, Known, FixedState>,
}

impl SeriesTable {
    pub(super) fn new(external: Labels, rules: Vec<Rule>) -> Self {
        Self {
            external,
            rules,
            typed: false,
            scratch: Scratch::default(),
            strings: Strings::default(),
            series: HashMap::default(),
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
        self.series.len()
    }

    /// Takes a series record of a segment.
    pub(super) fn add(&mut self, series: u64, labels: &Labels, segment: u32) {
        let known = self.series.get_mut(&series).and_then(|known| known.sent.as_mut());
        let mut metadata = known.and_then(|sent| sent.metadata.take());
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
            let (mut pairs, mut encoded_len) = (Vec::with_capacity(16), 0);
            for (name, value) in builder.iter() {
                pairs.push(self.strings.intern(name));
                pairs.push(self.strings.intern(value));
                encoded_len += super::batch::label_field_len(name, value);
            }
            Sent { pairs: pairs.into(), encoded_len: encoded_len as u32, metadata }
        });
        self.series.insert(series, Known { segment, sent });
    }

    pub(super) fn set_metadata(&mut self, series: u64, metadata: &Metadata) {
        if let Some(sent) = self.series.get_mut(&series).and_then(|known| known.sent.as_mut()) {
            let mut metadata = metadata.clone();
            if let Some(known) = sent.metadata.as_ref().filter(|_| self.typed) {
                metadata.metric_type = known.metric_type;
                metadata.unit.clone_from(&known.unit);
            }
            sent.metadata = Some(Arc::new(metadata));
        }
    }

    pub(super) fn get(&self, series: u64) -> Lookup<'_> {
        match self.series.get(&series) {
            Some(Known { sent: Some(sent), .. }) => Lookup::Sent(sent),
            Some(_) => Lookup::Dropped,
            None => Lookup::Unknown,
        }
    }

    /// A checkpoint names the series.
    pub(super) fn touch(&mut self, series: u64, segment: u32) {
        if let Some(known) = self.series.get_mut(&series) {
            known.segment = known.segment.max(segment);
        }
    }

    /// Forgets series that no segment from `segment` on names.
    pub(super) fn forget_before(&mut self, segment: u32) {
        let before = self.series.len();
        self.series.retain(|_, known| known.segment >= segment);
        if self.series.len() == before {
            return;
        }
        let mut strings = Strings::default();
        for known in self.series.values_mut() {
            for id in known.sent.iter_mut().flat_map(|sent| sent.pairs.iter_mut()) {
                *id = strings.intern(self.strings.get(*id));
            }
        }
        self.strings = strings;
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

    fn text(table: &SeriesTable, series: u64) -> String {
        match table.get(series) {
            Lookup::Sent(sent) => {
                let all: Vec<_> = sent.pairs.iter().map(|id| table.strings.get(*id)).collect();
                all.join(" ")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn external_labels_yield_to_the_series_own() {
        let external = Labels::from_pairs([("cluster", "x"), ("job", "never")]);
        let mut table = SeriesTable::new(external, Vec::new());
        table.add(1, &Labels::from_pairs([("__name__", "up"), ("job", "a")]), 0);
        assert_eq!(text(&table, 1), "__name__ up cluster x job a");
        assert_eq!(text(&table, 2), "Unknown");
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
        assert_eq!((text(&table, 3), text(&table, 7)), ("n 3 same x".into(), "n 7 same x".into()));
        assert_eq!(table.strings.ends.len(), 5);
    }
}

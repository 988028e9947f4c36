//! The series that the agent's log has.

use std::collections::HashMap;

use gauntlet_model::{Labels, Timestamp};

/// One series. Its label set is shared with the table by labels.
#[derive(Debug)]
struct Series {
    labels: Labels,
    /// Newest committed sample; `Timestamp::MIN` while there is none.
    newest: Timestamp,
    logged: bool,
}

#[derive(Debug, Default)]
pub(super) struct SeriesSet {
    by_labels: HashMap<Labels, u64, foldhash::fast::RandomState>,
    by_ref: HashMap<u64, Series, foldhash::fast::RandomState>,
    /// Forgotten series and other numbers of known ones, with the last segment that may have samples of them.
    deleted: HashMap<u64, u32, foldhash::fast::RandomState>,
    /// Other numbers of known series.
    aliases: HashMap<u64, u64, foldhash::fast::RandomState>,
    last: u64,
}

impl SeriesSet {
    pub(super) fn len(&self) -> usize {
        self.by_ref.len()
    }

    pub(super) fn deleted(&self) -> usize {
        self.deleted.len()
    }

    pub(super) fn newest(&self, series: u64) -> Option<Timestamp> {
        self.by_ref.get(&series).map(|series| series.newest)
    }

    pub(super) fn find(&self, labels: &Labels) -> Option<u64> {
        self.by_labels.get(labels).copied()
    }

    /// The number of the series with these labels, made if need be.
    pub(super) fn get_or_create(&mut self, labels: &Labels) -> u64 {
        if let Some(series) = self.find(labels) {
            return series;
        }
        self.last += 1;
        self.insert(self.last, labels, false);
        self.last
    }

    fn insert(&mut self, series: u64, labels: &Labels, logged: bool) {
        self.by_labels.insert(labels.clone(), series);
        let entry = Series { labels: labels.clone(), newest: Timestamp::MIN, logged };
        self.by_ref.insert(series, entry);
    }

    /// Takes a series record of a segment.
    pub(super) fn replayed(&mut self, series: u64, labels: &Labels, segment: u32) {
        self.last = self.last.max(series);
        match self.find(labels) {
            None => self.insert(series, labels, true),
            Some(known) if known != series => {
                self.aliases.insert(series, known);
                self.deleted.insert(series, segment);
            }
            Some(_) => {}
        }
    }

    /// A sample was committed.
    pub(super) fn saw(&mut self, series: u64, t: Timestamp) {
        let series = self.aliases.get(&series).copied().unwrap_or(series);
        if let Some(series) = self.by_ref.get_mut(&series) {
            series.newest = series.newest.max(t);
        }
    }

    /// The labels of a series that the log does not know yet; it is known from now on.
    pub(super) fn take_unlogged(&mut self, series: u64) -> Option<Labels> {
        let series = self.by_ref.get_mut(&series).filter(|series| !series.logged)?;
        series.logged = true;
        Some(series.labels.clone())
    }

    /// The log could not be written: the series are not in it.
    pub(super) fn unlog(&mut self, series: &[(u64, Labels)]) {
        for (number, _) in series {
            if let Some(series) = self.by_ref.get_mut(number) {
                series.logged = false;
            }
        }
    }

    /// Forgets series without samples since `min_t`; the log may have older ones of them up to `segment`.
    pub(super) fn forget_before(&mut self, min_t: Timestamp, segment: u32) {
        let Self { by_ref, by_labels, deleted, .. } = self;
        by_ref.retain(|number, series| {
            let keep = series.newest >= min_t || !series.logged;
            if !keep {
                by_labels.remove(&series.labels);
                deleted.insert(*number, segment);
            }
            keep
        });
    }

    /// Whether a checkpoint up to `segment` needs the series.
    pub(super) fn keeps(&self, series: u64, segment: u32) -> bool {
        self.by_ref.contains_key(&series)
            || self.deleted.get(&series).is_some_and(|last| *last > segment)
    }

    /// Segments up to `segment` are gone.
    pub(super) fn forget_deleted(&mut self, segment: u32) {
        self.deleted.retain(|_, last| *last > segment);
        let deleted = &self.deleted;
        self.aliases.retain(|series, _| deleted.contains_key(series));
    }
}

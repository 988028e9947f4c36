//! The ledger: what happened to each alert and why, append-only and bounded, so that "why was (n't) I told" has an answer.
//!
//! The state machine notes changes, never repetitions: a report that only moves an end, a flush that finds nothing new, an
//! alert that is still silenced leave no trace. Recent entries are in memory ([`Ledger`]), older ones in segments of JSON
//! lines on disk ([`LedgerFiles`]); [`LedgerQuery`] looks at both. Page: docs/formats/alert-ledger.md.

mod event;
mod files;
mod json;
mod query;
mod words;

use std::collections::VecDeque;
use std::sync::Arc;

use gauntlet_model::Labels;

use crate::labels::Fingerprint;
use crate::metrics::LedgerMetrics;
use crate::time::Time;

pub use event::{Cause, Event, Kind};
pub use files::LedgerFiles;
pub use query::LedgerQuery;

/// Most alerts that one entry names; of larger groups the rest is counted.
pub const MAX_ALERTS_AN_ENTRY: usize = 1000;

/// An alert as an entry names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub fingerprint: Fingerprint,
    /// Empty in entries read from disk that name many alerts.
    pub labels: Labels,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// Rises by one with each entry, over restarts too.
    pub number: u64,
    pub at: Time,
    pub alerts: Arc<[Subject]>,
    /// Alerts beyond those named.
    pub more: usize,
    pub event: Event,
}

/// The part in memory. Owned by the state machine.
#[derive(Debug)]
pub struct Ledger {
    recent: VecDeque<Arc<LedgerEntry>>,
    capacity: usize,
    next: u64,
    /// Not yet taken to disk.
    unwritten: Vec<Arc<LedgerEntry>>,
    keep_unwritten: bool,
    metrics: LedgerMetrics,
}

/// Most entries held back for the disk.
const MAX_UNWRITTEN: usize = 200_000;

impl Ledger {
    /// Keeps `capacity` entries at hand. `next` is the number of the first entry; `keep_unwritten` if someone takes entries to
    /// disk.
    pub(crate) fn new(
        capacity: usize,
        next: u64,
        keep_unwritten: bool,
        metrics: LedgerMetrics,
    ) -> Self {
        Self {
            recent: VecDeque::new(),
            capacity,
            next,
            unwritten: Vec::new(),
            keep_unwritten,
            metrics,
        }
    }

    /// Notes what happened to one alert.
    pub(crate) fn note(&mut self, at: Time, subject: Subject, event: Event) {
        self.note_all(at, Arc::from([subject]), 0, event);
    }

    /// Notes what happened to several at once.
    pub(crate) fn note_all(&mut self, at: Time, alerts: Arc<[Subject]>, more: usize, event: Event) {
        let entry = Arc::new(LedgerEntry { number: self.next, at, alerts, more, event });
        self.next += 1;
        self.metrics.entries.inc();
        if self.keep_unwritten {
            if self.unwritten.len() < MAX_UNWRITTEN {
                self.unwritten.push(Arc::clone(&entry));
            } else {
                self.metrics.dropped.inc();
            }
        }
        if self.recent.len() >= self.capacity {
            self.recent.pop_front();
        }
        self.recent.push_back(entry);
    }

    /// Takes what is to go to disk.
    pub(crate) fn take_unwritten(&mut self) -> Vec<Arc<LedgerEntry>> {
        std::mem::take(&mut self.unwritten)
    }

    /// Entries at hand, oldest first.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &Arc<LedgerEntry>> {
        self.recent.iter()
    }

    /// Number of the oldest entry at hand, or of the next.
    pub fn first_number(&self) -> u64 {
        self.recent.front().map_or(self.next, |entry| entry.number)
    }
}

#[cfg(test)]
mod tests;

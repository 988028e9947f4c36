//! The ledger: what happened to each alert and why, append-only and bounded, so that "why was (n't) I told" has an answer.
//!
//! The state machine notes changes, never repetitions: a report that only moves an end, a flush that finds nothing new, an
//! alert that is still silenced leave no trace. Recent entries are in memory ([`Ledger`]), all in segments of JSON
//! lines on disk ([`LedgerFiles`]); [`LedgerQuery`] looks at both. Page: docs/formats/alert-ledger.md.

mod deliveries;
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

pub use deliveries::{Delivery, Failure};
pub use event::{Cause, Event, Kind};
pub use files::LedgerFiles;
pub use query::LedgerQuery;

/// Most alerts that one entry names; of larger groups the rest is counted.
pub const MAX_ALERTS_AN_ENTRY: usize = 1000;

/// An alert as an entry names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub fingerprint: Fingerprint,
    /// Empty in lines of entries that name many alerts; answers fill them in as far as they are known.
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

/// Lines of entries that follow each other. Written once, then shared by memory and the way to disk.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Number of the first entry.
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) lines: Vec<u8>,
}

impl Chunk {
    /// Its entries, oldest first; labels are left out of those about many alerts.
    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        files::parse(&self.lines)
    }
}

/// The part in memory: the newest entries as the lines they are on disk, so that one costs its text and no more. Owned by the
/// state machine.
#[derive(Debug)]
pub struct Ledger {
    chunks: VecDeque<Arc<Chunk>>,
    /// The one that grows.
    open: Chunk,
    /// Of `chunks`.
    bytes: usize,
    capacity_bytes: usize,
    next: u64,
    /// Not yet taken to disk.
    unwritten: Vec<Arc<Chunk>>,
    unwritten_bytes: usize,
    keep_unwritten: bool,
    deliveries: deliveries::Deliveries,
    metrics: LedgerMetrics,
}

/// A chunk that is larger is closed.
const CHUNK_BYTES: usize = 256 << 10;
/// Most bytes held back for the disk.
const MAX_UNWRITTEN_BYTES: usize = 64 << 20;

impl Ledger {
    /// Keeps about `capacity_bytes` at hand. `next` is the number of the first entry; `keep_unwritten` if someone takes entries
    /// to disk.
    pub(crate) fn new(
        capacity_bytes: usize,
        next: u64,
        keep_unwritten: bool,
        metrics: LedgerMetrics,
    ) -> Self {
        Self {
            chunks: VecDeque::new(),
            open: Chunk { first: next, ..Chunk::default() },
            bytes: 0,
            capacity_bytes,
            next,
            unwritten: Vec::new(),
            unwritten_bytes: 0,
            keep_unwritten,
            deliveries: deliveries::Deliveries::default(),
            metrics,
        }
    }

    /// Notes what happened to one alert.
    pub(crate) fn note(&mut self, at: Time, subject: Subject, event: Event) {
        self.note_all(at, Arc::from([subject]), 0, event);
    }

    /// Notes what happened to several at once.
    pub(crate) fn note_all(&mut self, at: Time, alerts: Arc<[Subject]>, more: usize, event: Event) {
        self.deliveries.note(at, &event);
        let entry = LedgerEntry { number: self.next, at, alerts, more, event };
        self.next += 1;
        self.metrics.entries.inc();
        self.open.lines.extend_from_slice(entry.line().as_bytes());
        self.open.count += 1;
        if self.open.lines.len() >= CHUNK_BYTES.min(self.capacity_bytes / 8) {
            self.close();
        }
    }

    /// Closes the chunk that grows; of the oldest at hand those are let go that exceed the bound.
    fn close(&mut self) {
        if self.open.count == 0 {
            return;
        }
        let fresh = Chunk { first: self.next, ..Chunk::default() };
        let mut chunk = std::mem::replace(&mut self.open, fresh);
        chunk.lines.shrink_to_fit();
        let chunk = Arc::new(chunk);
        if self.keep_unwritten {
            if self.unwritten_bytes < MAX_UNWRITTEN_BYTES {
                self.unwritten_bytes += chunk.lines.len();
                self.unwritten.push(Arc::clone(&chunk));
            } else {
                self.metrics.dropped.add(chunk.count);
            }
        }
        self.bytes += chunk.lines.len();
        self.chunks.push_back(chunk);
        while self.bytes > self.capacity_bytes
            && self.chunks.len() > 1
            && let Some(oldest) = self.chunks.pop_front()
        {
            self.bytes -= oldest.lines.len();
        }
    }

    /// Bytes of closed chunks that wait for the disk.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    /// Takes what is to go to disk.
    pub(crate) fn take_unwritten(&mut self) -> Vec<Arc<Chunk>> {
        self.close();
        self.unwritten_bytes = 0;
        std::mem::take(&mut self.unwritten)
    }

    /// What is at hand, oldest first.
    pub(crate) fn recent(&mut self) -> Vec<Arc<Chunk>> {
        self.close();
        self.chunks.iter().cloned().collect()
    }

    /// How telling goes now, by receiver and integration.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter()
    }

    /// Entries noted so far, or the number of the next where numbers began at 1.
    pub fn next_number(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests;

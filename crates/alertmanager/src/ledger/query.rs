//! Questions to the ledger.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use gauntlet_model::Labels;

use super::{Chunk, Kind, LedgerEntry, LedgerFiles, Subject};
use crate::labels::Fingerprint;
use crate::matcher::Matchers;
use crate::time::Time;

/// What is wanted: all that are given must hold. Answers come newest first.
#[derive(Clone, Debug)]
pub struct LedgerQuery {
    /// An alert of the entry passes them.
    pub matchers: Matchers,
    pub fingerprint: Option<Fingerprint>,
    /// Empty: all.
    pub kinds: Vec<Kind>,
    pub receiver: Option<String>,
    /// Both ends are in.
    pub from: Option<Time>,
    pub to: Option<Time>,
    /// Only entries with lower numbers: where an earlier answer ended.
    pub before: Option<u64>,
    /// Most entries of an answer.
    pub limit: usize,
}

impl Default for LedgerQuery {
    fn default() -> Self {
        Self {
            matchers: Matchers::default(),
            fingerprint: None,
            kinds: Vec::new(),
            receiver: None,
            from: None,
            to: None,
            before: None,
            limit: 1000,
        }
    }
}

impl LedgerQuery {
    /// Entries at hand that are wanted, newest first; `chunks` are oldest first. `labels` tells those of alerts that are known
    /// now. Takes a few microseconds an entry.
    pub(crate) fn recent(
        &self,
        chunks: &[Arc<Chunk>],
        labels: &dyn Fn(Fingerprint) -> Option<Labels>,
    ) -> Vec<LedgerEntry> {
        let mut known = Known { told: HashMap::new(), now: labels };
        let mut answer = Vec::new();
        if !self.matchers.is_empty() {
            chunks.iter().for_each(|chunk| known.learn(&chunk.entries()));
        }
        for chunk in chunks.iter().rev() {
            if answer.len() >= self.limit {
                break;
            }
            self.take(chunk.entries(), u64::MAX, &known, &mut answer);
        }
        answer
    }

    /// Adds wanted entries on disk with numbers below `below`, newest first, as many as the limit still allows. Blocks.
    pub fn older(
        &self,
        files: &LedgerFiles,
        below: u64,
        labels: &dyn Fn(Fingerprint) -> Option<Labels>,
        answer: &mut Vec<LedgerEntry>,
    ) -> io::Result<()> {
        for segment in files.segments_newest_first()? {
            if answer.len() >= self.limit {
                break;
            }
            let entries = files.read(&segment)?;
            if entries.last().is_some_and(|last| self.from.is_some_and(|from| last.at < from)) {
                break;
            }
            let mut known = Known { told: HashMap::new(), now: labels };
            known.learn(&entries);
            self.take(entries, below, &known, answer);
        }
        Ok(())
    }

    /// Adds what is wanted of entries that come oldest first, newest first.
    fn take(
        &self,
        entries: Vec<LedgerEntry>,
        below: u64,
        known: &Known<'_>,
        answer: &mut Vec<LedgerEntry>,
    ) {
        let left = self.limit.saturating_sub(answer.len());
        let wanted = entries.into_iter().rev();
        let wanted = wanted.filter(|entry| entry.number < below && self.wants(entry, known));
        answer.extend(wanted.take(left).map(|entry| known.complete(entry)));
    }

    fn wants(&self, entry: &LedgerEntry, known: &Known<'_>) -> bool {
        let alert = |subject: &super::Subject| {
            self.fingerprint.is_none_or(|fp| fp == subject.fingerprint)
                && (self.matchers.is_empty() || self.matchers.matches(&known.labels(subject)))
        };
        let all = self.fingerprint.is_none() && self.matchers.is_empty();
        self.before.is_none_or(|before| entry.number < before)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at <= to)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.event.kind()))
            && self.receiver.as_deref().is_none_or(|r| entry.event.receiver() == Some(r))
            && (all || entry.alerts.iter().any(alert))
    }
}

/// Labels of alerts that entries leave out: those about many alerts do.
struct Known<'q> {
    /// By entries about single alerts.
    told: HashMap<Fingerprint, Labels>,
    now: &'q dyn Fn(Fingerprint) -> Option<Labels>,
}

impl Known<'_> {
    fn learn(&mut self, entries: &[LedgerEntry]) {
        for entry in entries {
            if let [subject] = &*entry.alerts {
                self.told.insert(subject.fingerprint, subject.labels.clone());
            }
        }
    }

    fn labels(&self, subject: &Subject) -> Labels {
        if !subject.labels.is_empty() {
            return subject.labels.clone();
        }
        let told = self.told.get(&subject.fingerprint).cloned();
        told.or_else(|| (self.now)(subject.fingerprint)).unwrap_or_default()
    }

    /// The entry with the labels that are known.
    fn complete(&self, mut entry: LedgerEntry) -> LedgerEntry {
        if entry.alerts.iter().any(|subject| subject.labels.is_empty()) {
            let whole = |subject: &Subject| Subject {
                fingerprint: subject.fingerprint,
                labels: self.labels(subject),
            };
            entry.alerts = entry.alerts.iter().map(whole).collect();
        }
        entry
    }
}

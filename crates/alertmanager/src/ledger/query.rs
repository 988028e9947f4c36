//! Questions to the ledger.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use gauntlet_model::Labels;

use super::{Kind, Ledger, LedgerEntry, LedgerFiles};
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
    /// Entries at hand that are wanted, newest first.
    pub fn recent(&self, ledger: &Ledger) -> Vec<Arc<LedgerEntry>> {
        let known = HashMap::new();
        ledger
            .recent()
            .rev()
            .filter(|entry| self.wants(entry, &known))
            .take(self.limit)
            .cloned()
            .collect()
    }

    /// Wanted entries on disk with numbers below `below`, newest first, as many as `limit` still allows after `found`. Blocks.
    pub fn older(
        &self,
        files: &LedgerFiles,
        below: u64,
        found: usize,
    ) -> io::Result<Vec<Arc<LedgerEntry>>> {
        let mut left = self.limit.saturating_sub(found);
        let mut answer = Vec::new();
        for segment in files.segments_newest_first()? {
            if left == 0 {
                break;
            }
            let entries = files.read(&segment)?;
            if entries.last().is_some_and(|last| self.from.is_some_and(|from| last.at < from)) {
                break;
            }
            // Entries about many alerts leave labels out; those of single alerts tell them.
            let known: HashMap<Fingerprint, Labels> = entries
                .iter()
                .filter(|entry| entry.alerts.len() == 1)
                .map(|entry| (entry.alerts[0].fingerprint, entry.alerts[0].labels.clone()))
                .collect();
            for entry in entries.into_iter().rev() {
                if left == 0 {
                    break;
                }
                if entry.number < below && self.wants(&entry, &known) {
                    left -= 1;
                    answer.push(Arc::new(entry));
                }
            }
        }
        Ok(answer)
    }

    fn wants(&self, entry: &LedgerEntry, known: &HashMap<Fingerprint, Labels>) -> bool {
        let alert = |subject: &super::Subject| {
            let labels = match subject.labels.is_empty() {
                true => known.get(&subject.fingerprint).unwrap_or(&subject.labels),
                false => &subject.labels,
            };
            self.fingerprint.is_none_or(|fp| fp == subject.fingerprint)
                && self.matchers.matches(labels)
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

//! All known alerts: an arena of slots, found by fingerprint.
//!
//! A slot lives as long as the store holds the alert or a group does: a resolved alert leaves the store with the next
//! collection but its slot stays until all its groups have told of the end. A report of a known alert costs one look-up, a
//! comparison of texts and four stores; nothing is allocated. About 200 bytes a slot beside the label set.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::merge::{Times, merge};
use super::{Alert, NameLimits, Report};
use crate::dispatch::{GroupId, RouteId};
use crate::inhibit::SlotRules;
use crate::labels::{Fingerprint, log_hash};
use crate::silence::SilenceCache;
use crate::time::Time;

/// Number of a slot. Reused after its alert is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(pub(crate) u32);

/// What a report did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not known before, or forgotten since.
    New,
    /// Other texts, another start, or over from now on, or firing again.
    Changed,
    /// Known; at most its end moved.
    Touched,
}

/// Why a report was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    #[error("alert limited")]
    Limited,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) alert: Alert,
    /// How the notification log names it.
    pub(crate) log_hash: u64,
    /// The store holds it; otherwise only groups do.
    pub(crate) stored: bool,
    /// Groups that hold it.
    pub(crate) groups: Vec<GroupId>,
    /// Routes that take it; empty until it was routed.
    pub(crate) routes: Box<[RouteId]>,
    /// All groups of its routes hold it, so that a report need not be routed.
    pub(crate) routed: bool,
    pub(crate) rules: SlotRules,
    pub(crate) silences: SilenceCache,
}

/// The arena.
#[derive(Debug)]
pub struct AlertStore {
    slots: Vec<Option<Slot>>,
    free: Vec<AlertId>,
    by_fingerprint: HashMap<Fingerprint, AlertId>,
    limits: NameLimits,
    /// Generator URLs: alerts of one rule share theirs.
    urls: HashSet<Arc<str>>,
    stored: usize,
}

impl AlertStore {
    /// `per_name_limit` is the most alerts of one name; 0 is no limit.
    pub fn new(per_name_limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_fingerprint: HashMap::new(),
            limits: NameLimits::new(per_name_limit),
            urls: HashSet::new(),
            stored: 0,
        }
    }

    /// Alerts the store holds.
    pub fn len(&self) -> usize {
        self.stored
    }

    pub fn is_empty(&self) -> bool {
        self.stored == 0
    }

    pub fn per_name_limit(&self) -> usize {
        self.limits.limit()
    }

    /// Takes a report in.
    pub fn put(&mut self, report: &Report<'_>, now: Time) -> Result<(AlertId, Change), PutError> {
        let fingerprint = report.fingerprint;
        let posted = &report.posted;
        let mut times = Times {
            starts_at: posted.starts_at,
            ends_at: posted.ends_at,
            updated_at: report.updated_at,
            timeout: report.timeout,
        };
        let known = self.by_fingerprint.get(&fingerprint).copied();
        let mut takes_texts = true;
        if let Some(slot) = known.map(|id| self.slot(id)).filter(|slot| slot.stored) {
            (times, takes_texts) = merge(Times::from(&slot.alert), times, now);
        }
        if self.limits.limit() > 0
            && !self.limits.admit(report.name(), fingerprint, times.ends_at, now)
        {
            return Err(PutError::Limited);
        }
        let Some(id) = known else {
            let mut alert = report.to_alert();
            alert.generator_url = self.url(&posted.generator_url);
            return Ok((self.insert(alert), Change::New));
        };
        let url = match takes_texts
            && self.slot(id).alert.generator_url.as_ref() != posted.generator_url
        {
            true => Some(self.url(&posted.generator_url)),
            false => None,
        };
        let slot = self.slot_mut(id);
        let alert = &mut slot.alert;
        let same_texts = !takes_texts || report.has_texts_of(alert);
        if !same_texts {
            alert.annotations = report.annotations();
            if let Some(url) = url {
                alert.generator_url = url;
            }
        }
        let was_over = alert.resolved_at(now);
        let same_start = alert.starts_at == times.starts_at;
        (alert.starts_at, alert.ends_at) = (times.starts_at, times.ends_at);
        (alert.updated_at, alert.timeout) = (times.updated_at, times.timeout);
        let change = if !slot.stored {
            slot.stored = true;
            self.stored += 1;
            Change::New
        } else if same_texts && same_start && was_over == self.slot(id).alert.resolved_at(now) {
            Change::Touched
        } else {
            Change::Changed
        };
        Ok((id, change))
    }

    /// Adds an alert that is not known; for restoring.
    pub(crate) fn insert(&mut self, alert: Alert) -> AlertId {
        let fingerprint = alert.fingerprint;
        let slot = Slot {
            log_hash: log_hash(&alert.labels),
            alert,
            stored: true,
            groups: Vec::new(),
            routes: Box::default(),
            routed: false,
            rules: SlotRules::default(),
            silences: SilenceCache::default(),
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id.0 as usize] = Some(slot);
                id
            }
            None => {
                self.slots.push(Some(slot));
                AlertId((self.slots.len() - 1) as u32)
            }
        };
        self.by_fingerprint.insert(fingerprint, id);
        self.stored += 1;
        id
    }

    pub(crate) fn slot(&self, id: AlertId) -> &Slot {
        self.slots[id.0 as usize].as_ref().expect("BUG: a freed slot is asked for")
    }

    pub(crate) fn slot_mut(&mut self, id: AlertId) -> &mut Slot {
        self.slots[id.0 as usize].as_mut().expect("BUG: a freed slot is asked for")
    }

    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<AlertId> {
        self.by_fingerprint.get(&fingerprint).copied()
    }

    /// Numbers of all slots, those that only groups hold included.
    pub(crate) fn ids(&self) -> Vec<AlertId> {
        let present = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        present.map(|(at, _)| AlertId(at as u32)).collect()
    }

    /// Alerts the store holds, in no order.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (AlertId, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| slot.as_ref().map(|slot| (AlertId(at as u32), slot)))
            .filter(|(_, slot)| slot.stored)
    }

    /// Lets go of resolved alerts. Returns those that no group holds either: they are to be [`AlertStore::free`]d.
    pub(crate) fn collect(&mut self, now: Time) -> Vec<AlertId> {
        self.limits.collect(now);
        let mut loose = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            if slot.stored && slot.alert.resolved_at(now) {
                slot.stored = false;
                self.stored -= 1;
            }
            if !slot.stored && slot.groups.is_empty() {
                loose.push(AlertId(at as u32));
            }
        }
        self.urls.retain(|url| Arc::strong_count(url) > 1);
        loose
    }

    /// Forgets a slot that neither store nor groups hold.
    pub(crate) fn free(&mut self, id: AlertId) -> Option<Alert> {
        let slot = self.slots[id.0 as usize].take()?;
        debug_assert!(!slot.stored && slot.groups.is_empty(), "BUG: freed while held");
        self.by_fingerprint.remove(&slot.alert.fingerprint);
        self.free.push(id);
        Some(slot.alert)
    }

    fn url(&mut self, url: &str) -> Arc<str> {
        if let Some(known) = self.urls.get(url) {
            return Arc::clone(known);
        }
        let url: Arc<str> = url.into();
        self.urls.insert(Arc::clone(&url));
        url
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::PostedAlert;
    use super::*;
    use crate::matcher::ParseMode;

    fn at(secs: i64) -> Time {
        Time::from_unix(1000 + secs, 0)
    }

    fn put(
        store: &mut AlertStore,
        name: &'static str,
        text: &'static str,
        starts: i64,
        ends: i64,
        now: i64,
    ) -> Result<(AlertId, Change), PutError> {
        let posted = PostedAlert {
            labels: vec![("alertname".into(), "A".into()), ("n".into(), name.into())],
            annotations: vec![(Cow::Borrowed("t"), Cow::Borrowed(text))],
            generator_url: "http://p".into(),
            starts_at: at(starts),
            ends_at: at(ends),
        };
        let (_, report) = Report::check(posted, at(now), 1, ParseMode::Fallback);
        store.put(&report.expect("valid"), at(now))
    }

    #[test]
    fn a_known_alert_keeps_its_slot_and_is_told_apart_by_what_changed() {
        let mut store = AlertStore::new(0);
        let (a, change) = put(&mut store, "a", "x", 0, 100, 0).expect("a");
        assert_eq!(change, Change::New);
        let (b, _) = put(&mut store, "b", "x", 0, 100, 0).expect("b");
        assert_ne!(a, b);
        assert_eq!(put(&mut store, "a", "x", 0, 160, 60), Ok((a, Change::Touched)));
        assert_eq!(store.slot(a).alert.ends_at, at(160));
        assert_eq!(put(&mut store, "a", "y", 0, 170, 70), Ok((a, Change::Changed)));
        assert_eq!(put(&mut store, "a", "y", 0, 80, 90), Ok((a, Change::Changed)), "over");
        assert!(store.slot(a).alert.resolved_at(at(90)));
        assert_eq!(put(&mut store, "a", "y", 0, 80, 91), Ok((a, Change::Touched)));
        assert!(Arc::ptr_eq(
            &store.slot(a).alert.generator_url,
            &store.slot(b).alert.generator_url
        ));
    }

    #[test]
    fn a_resolved_alert_stays_while_a_group_holds_it() {
        let mut store = AlertStore::new(0);
        let (a, _) = put(&mut store, "a", "x", 0, 10, 0).expect("a");
        let (b, _) = put(&mut store, "b", "x", 0, 10, 0).expect("b");
        store.slot_mut(a).groups.push(GroupId(7));
        assert_eq!(store.collect(at(20)), [b]);
        store.free(b).expect("freed");
        assert_eq!((store.len(), store.find(store.slot(a).alert.fingerprint)), (0, Some(a)));
        // The same alert again is a new one in the same slot: no merge with the old times.
        assert_eq!(put(&mut store, "a", "x", 30, 40, 30), Ok((a, Change::New)));
        assert_eq!(store.slot(a).alert.starts_at, at(30));
        let (c, _) = put(&mut store, "c", "x", 0, 100, 30).expect("c");
        assert_eq!(c, b, "slots are used again");
    }

    #[test]
    fn a_name_at_its_limit_is_refused() {
        let mut store = AlertStore::new(1);
        put(&mut store, "a", "x", 0, 100, 0).expect("a");
        assert_eq!(put(&mut store, "b", "x", 0, 100, 0), Err(PutError::Limited));
        put(&mut store, "a", "x", 0, 120, 1).expect("known");
    }
}

//! All known alerts: an arena of slots, found by fingerprint.
//!
//! A slot lives as long as the store holds the alert or a group does: a resolved alert leaves the store with the next
//! collection but its slot stays until all its groups have told of the end. A report of a known alert costs one look-up, a
//! comparison of texts and four stores; nothing is allocated. 160 bytes a slot beside the packed texts, 5 to 10 in the index.

use std::collections::HashSet;
use std::sync::Arc;

use gauntlet_model::Labels;
use hashbrown::HashTable;

use super::merge::{Times, merge};
use super::texts::{Packed, Texts};
use super::{Alert, NameLimits, Report};
use crate::dispatch::{GroupId, RouteId};
use crate::inhibit::SlotRules;
use crate::labels::Fingerprint;
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
    pub(crate) fingerprint: Fingerprint,
    pub(crate) times: Times,
    texts: Packed,
    url: Arc<str>,
    /// The store holds it; otherwise only groups do.
    pub(crate) stored: bool,
    /// All groups of its routes hold it, so that a report need not be routed.
    pub(crate) routed: bool,
    /// Groups that hold it.
    pub(crate) groups: GroupIds,
    /// Routes that take it, shared by all alerts that go there; empty until it was routed.
    pub(crate) routes: Arc<[RouteId]>,
    pub(crate) rules: SlotRules,
    pub(crate) silences: SilenceCache,
}

/// A set of groups: hardly ever more than one.
#[derive(Debug, Default)]
pub(crate) enum GroupIds {
    #[default]
    None,
    One(GroupId),
    #[expect(clippy::box_collection, reason = "a slot has room for one word")]
    Several(Box<Vec<GroupId>>),
}

impl GroupIds {
    fn as_slice(&self) -> &[GroupId] {
        match self {
            Self::None => &[],
            Self::One(id) => std::slice::from_ref(id),
            Self::Several(ids) => ids,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(crate) fn contains(&self, id: GroupId) -> bool {
        self.as_slice().contains(&id)
    }

    pub(crate) fn insert(&mut self, id: GroupId) {
        match self {
            Self::None => *self = Self::One(id),
            Self::One(other) => *self = Self::Several(Box::new(vec![*other, id])),
            Self::Several(ids) => ids.push(id),
        }
    }

    pub(crate) fn remove(&mut self, id: GroupId) {
        match self {
            Self::None => {}
            Self::One(other) if *other == id => *self = Self::None,
            Self::One(_) => {}
            Self::Several(ids) => ids.retain(|other| *other != id),
        }
    }
}

/// The arena.
#[derive(Debug)]
pub struct AlertStore {
    slots: Vec<Option<Slot>>,
    free: Vec<AlertId>,
    by_fingerprint: HashTable<AlertId>,
    texts: Texts,
    limits: NameLimits,
    /// Generator URLs: alerts of one rule share theirs.
    urls: HashSet<Arc<str>>,
    stored: usize,
    /// Length of the texts of all slots, unpacked.
    text_bytes: usize,
}

impl AlertStore {
    /// `per_name_limit` is the most alerts of one name; 0 is no limit.
    pub fn new(per_name_limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_fingerprint: HashTable::new(),
            texts: Texts::default(),
            limits: NameLimits::new(per_name_limit),
            urls: HashSet::new(),
            stored: 0,
            text_bytes: 0,
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
        let known = self.find(fingerprint);
        let mut takes_texts = true;
        if let Some(slot) = known.map(|id| self.slot(id)).filter(|slot| slot.stored) {
            (times, takes_texts) = merge(slot.times, times, now);
        }
        if self.limits.limit() > 0
            && !self.limits.admit(report.name(), fingerprint, times.ends_at, now)
        {
            return Err(PutError::Limited);
        }
        let Some(id) = known else {
            let texts = self.texts.pack(report.labels(), report.annotations());
            let url = self.url(&posted.generator_url);
            return Ok((self.add(fingerprint, times, texts, url), Change::New));
        };
        let slot = self.slot(id);
        let same_texts = !takes_texts
            || (*slot.url == *posted.generator_url
                && self.texts.has_annotations(&slot.texts, report.annotations()));
        if !same_texts {
            self.set_texts(id, report);
        }
        let slot = self.slot_mut(id);
        let was_over = slot.times.resolved_at(now);
        let same_start = slot.times.starts_at == times.starts_at;
        slot.times = times;
        let change = if !slot.stored {
            slot.stored = true;
            self.stored += 1;
            Change::New
        } else if same_texts && same_start && was_over == times.resolved_at(now) {
            Change::Touched
        } else {
            Change::Changed
        };
        Ok((id, change))
    }

    /// Takes annotations and URL of a report.
    fn set_texts(&mut self, id: AlertId, report: &Report<'_>) {
        let url = self.url(&report.posted.generator_url);
        let old = std::mem::take(&mut self.slot_mut(id).texts);
        let labels = self.texts.labels(&old);
        let pairs: Vec<(&str, &str)> = labels.iter().collect();
        let new = self.texts.pack(pairs.into_iter(), report.annotations());
        self.text_bytes += self.texts.size_bytes(&new);
        self.text_bytes -= self.texts.size_bytes(&old);
        self.texts.release(&old);
        let slot = self.slot_mut(id);
        (slot.texts, slot.url) = (new, url);
    }

    /// Adds an alert that is not known; for restoring.
    pub(crate) fn insert(&mut self, alert: &Alert) -> AlertId {
        let labels: Vec<(&str, &str)> = alert.labels.iter().collect();
        let texts = self.texts.pack(labels.into_iter(), alert.annotations.iter());
        let url = self.url(&alert.generator_url);
        self.add(alert.fingerprint, alert.times(), texts, url)
    }

    fn add(
        &mut self,
        fingerprint: Fingerprint,
        times: Times,
        texts: Packed,
        url: Arc<str>,
    ) -> AlertId {
        self.text_bytes += self.texts.size_bytes(&texts);
        let slot = Slot {
            fingerprint,
            times,
            texts,
            url,
            stored: true,
            routed: false,
            groups: GroupIds::None,
            routes: Arc::default(),
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
        let slots = &self.slots;
        self.by_fingerprint.insert_unique(fingerprint.0, id, |id| {
            slots[id.0 as usize].as_ref().map_or(0, |slot| slot.fingerprint.0)
        });
        self.stored += 1;
        id
    }

    /// What a slot holds, unpacked.
    pub(crate) fn alert(&self, id: AlertId) -> Alert {
        let (labels, annotations) = self.texts.unpack(&self.slot(id).texts);
        let slot = self.slot(id);
        let Times { starts_at, ends_at, updated_at, timeout } = slot.times;
        Alert {
            labels,
            annotations,
            generator_url: Arc::clone(&slot.url),
            starts_at,
            ends_at,
            updated_at,
            timeout,
            fingerprint: slot.fingerprint,
        }
    }

    /// Its labels alone.
    pub(crate) fn labels(&self, id: AlertId) -> Labels {
        self.texts.labels(&self.slot(id).texts)
    }

    /// About the size of all alerts as the journal writes them, in bytes.
    pub(crate) fn journal_bytes(&self) -> usize {
        // Lengths, times and the frame.
        self.text_bytes + 80 * (self.slots.len() - self.free.len())
    }

    pub(crate) fn slot(&self, id: AlertId) -> &Slot {
        self.slots[id.0 as usize].as_ref().expect("BUG: a freed slot is asked for")
    }

    pub(crate) fn slot_mut(&mut self, id: AlertId) -> &mut Slot {
        self.slots[id.0 as usize].as_mut().expect("BUG: a freed slot is asked for")
    }

    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<AlertId> {
        let same = |id: &AlertId| self.slot(*id).fingerprint == fingerprint;
        self.by_fingerprint.find(fingerprint.0, same).copied()
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
            if slot.stored && slot.times.resolved_at(now) {
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
        self.slots[id.0 as usize].as_ref()?;
        let alert = self.alert(id);
        let slot = self.slots[id.0 as usize].take()?;
        debug_assert!(!slot.stored && slot.groups.is_empty(), "BUG: freed while held");
        self.text_bytes -= self.texts.size_bytes(&slot.texts);
        self.texts.release(&slot.texts);
        let found = self.by_fingerprint.find_entry(slot.fingerprint.0, |other| *other == id);
        if let Ok(found) = found {
            found.remove();
        }
        self.free.push(id);
        Some(alert)
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
        assert_eq!(store.alert(a).ends_at, at(160));
        assert_eq!(put(&mut store, "a", "y", 0, 170, 70), Ok((a, Change::Changed)));
        assert_eq!(put(&mut store, "a", "y", 0, 80, 90), Ok((a, Change::Changed)), "over");
        assert!(store.alert(a).resolved_at(at(90)));
        assert_eq!(store.alert(a).annotations.get("t"), Some("y"));
        assert_eq!(store.alert(a).labels.value("n"), "a");
        assert_eq!(put(&mut store, "a", "y", 0, 80, 91), Ok((a, Change::Touched)));
        assert!(Arc::ptr_eq(&store.alert(a).generator_url, &store.alert(b).generator_url));
    }

    #[test]
    fn a_resolved_alert_stays_while_a_group_holds_it() {
        let mut store = AlertStore::new(0);
        let (a, _) = put(&mut store, "a", "x", 0, 10, 0).expect("a");
        let (b, _) = put(&mut store, "b", "x", 0, 10, 0).expect("b");
        store.slot_mut(a).groups.insert(GroupId(7));
        assert_eq!(store.collect(at(20)), [b]);
        store.free(b).expect("freed");
        assert_eq!((store.len(), store.find(store.slot(a).fingerprint)), (0, Some(a)));
        // The same alert again is a new one in the same slot: no merge with the old times.
        assert_eq!(put(&mut store, "a", "x", 30, 40, 30), Ok((a, Change::New)));
        assert_eq!(store.alert(a).starts_at, at(30));
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

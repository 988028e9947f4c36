//! What is asked of the state machine: alerts and groups as they stand, silences, merging and snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::Labels;
use hashbrown::HashMap;

use super::core::Core;
use crate::alert::{Alert, AlertId, AlertState, Status};
use crate::config::Config;
use crate::dispatch::Route;
use crate::labels::{Fingerprint, alert_order, set_order};
use crate::ledger::{Event, Ledger, MAX_ALERTS_AN_ENTRY, Subject};
use crate::metrics::Metrics;
use crate::nflog::NotificationLog;
use crate::silence::{Silence, SilenceError, Silences};
use crate::time::Time;

/// An alert with whom it goes to and what keeps it quiet.
#[derive(Clone, Debug)]
pub struct AlertInfo {
    pub alert: Alert,
    pub receivers: Vec<Arc<str>>,
    /// As of the question, not of the last flush.
    pub status: Status,
}

/// A group as `GET /api/v2/alerts/groups` shows it.
#[derive(Clone, Debug)]
pub struct GroupInfo {
    pub labels: Labels,
    /// As configured: values are templates.
    pub route_labels: BTreeMap<String, String>,
    pub receiver: Arc<str>,
    pub key: Arc<str>,
    pub route_id: Arc<str>,
    /// Intervals that kept the last flush quiet.
    pub muted_by: Vec<String>,
    pub alerts: Vec<AlertInfo>,
}

/// Which alerts are wanted. The tests are asked in this order, the dear one last.
#[derive(Clone, Copy)]
pub struct AlertQuery<'q> {
    pub labels: &'q dyn Fn(&Labels) -> bool,
    /// Names of the receivers it goes to.
    pub receivers: &'q dyn Fn(&[Arc<str>]) -> bool,
    pub status: &'q dyn Fn(&Status) -> bool,
}

impl AlertQuery<'_> {
    /// All alerts.
    pub const ALL: AlertQuery<'static> =
        AlertQuery { labels: &|_| true, receivers: &|_| true, status: &|_| true };
}

impl std::fmt::Debug for AlertQuery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AlertQuery")
    }
}

impl Core {
    /// Alerts that are not over, ascending by fingerprint as text.
    pub fn alerts(&mut self, query: AlertQuery<'_>, now: Time) -> Vec<AlertInfo> {
        let present = |ends_at: Time| ends_at.is_zero() || ends_at >= now;
        let ids: Vec<AlertId> = self
            .store
            .stored()
            .filter(|(_, slot)| present(slot.times.ends_at))
            .map(|(id, _)| id)
            .collect();
        let mut found = Vec::new();
        for id in ids {
            let labels = self.store.labels(id);
            if !(query.labels)(&labels) {
                continue;
            }
            let receivers = self.receivers_of(id, &labels);
            if !(query.receivers)(&receivers) {
                continue;
            }
            let status = self.status(id, &labels, now);
            if (query.status)(&status) {
                found.push(AlertInfo { alert: self.store.alert(id), receivers, status });
            }
        }
        found.sort_by_key(|info| info.alert.fingerprint);
        found
    }

    /// Groups of wanted routes with their wanted alerts, in upstream's order; groups without any are left out. The query's
    /// `receivers` is not asked. Alerts of a muted group count as suppressed.
    pub fn groups(
        &mut self,
        wanted: &dyn Fn(&Route) -> bool,
        query: AlertQuery<'_>,
        now: Time,
    ) -> Vec<GroupInfo> {
        let groups: Vec<_> = self
            .groups
            .iter()
            .filter(|(_, group)| wanted(&group.route))
            .map(|(_, group)| {
                let ids: Vec<AlertId> = group.members.keys().copied().collect();
                let info = GroupInfo {
                    labels: group.labels.clone(),
                    route_labels: group.route.labels.clone(),
                    receiver: Arc::clone(&group.route.receiver),
                    key: Arc::clone(&group.key),
                    route_id: Arc::clone(&group.route.id_text),
                    muted_by: group.muted_by.clone(),
                    alerts: Vec::new(),
                };
                (info, ids)
            })
            .collect();
        let mut receivers: HashMap<Fingerprint, Vec<Arc<str>>> = HashMap::new();
        let mut found = Vec::new();
        for (mut info, ids) in groups {
            for id in ids {
                if self.store.slot(id).times.ends_at < now {
                    continue;
                }
                let alert = self.store.alert(id);
                if !(query.labels)(&alert.labels) {
                    continue;
                }
                let status = self.status(id, &alert.labels, now);
                if (query.status)(&status) {
                    let names = receivers.entry(alert.fingerprint).or_default();
                    names.push(Arc::clone(&info.receiver));
                    info.alerts.push(AlertInfo { alert, receivers: Vec::new(), status });
                }
            }
            if !info.alerts.is_empty() {
                info.alerts.sort_by(|a, b| alert_order(&a.alert.labels, &b.alert.labels));
                found.push(info);
            }
        }
        for group in found.iter_mut().filter(|group| !group.muted_by.is_empty()) {
            group.alerts.iter_mut().for_each(|info| info.status.state = AlertState::Suppressed);
        }
        for info in found.iter_mut().flat_map(|group| &mut group.alerts) {
            info.receivers = receivers.get(&info.alert.fingerprint).cloned().unwrap_or_default();
            info.receivers.sort();
        }
        let order = |a: &GroupInfo, b: &GroupInfo| {
            set_order(&a.labels, &b.labels)
                .then_with(|| a.receiver.cmp(&b.receiver))
                .then_with(|| a.route_id.cmp(&b.route_id))
        };
        found.sort_by(order);
        found
    }

    /// One alert by its fingerprint, over or not, as long as it is known.
    pub fn alert(&mut self, fingerprint: Fingerprint, now: Time) -> Option<AlertInfo> {
        let id = self.store.find(fingerprint)?;
        let alert = self.store.alert(id);
        let receivers = self.receivers_of(id, &alert.labels);
        let status = self.status(id, &alert.labels, now);
        Some(AlertInfo { alert, receivers, status })
    }

    /// Labels of an alert that is known.
    pub(crate) fn labels(&self, fingerprint: Fingerprint) -> Option<Labels> {
        self.store.find(fingerprint).map(|id| self.store.labels(id))
    }

    /// What keeps an alert quiet now.
    fn status(&mut self, id: AlertId, labels: &Labels, now: Time) -> Status {
        let mut inhibited_by = Vec::new();
        if let Some(active) = &mut self.active {
            active.inhibitor.learn(&mut self.store, id);
            let found = active.inhibitor.inhibiting(&self.store, id, now);
            inhibited_by.extend(found.map(|inhibition| inhibition.source));
        }
        let slot = self.store.slot_mut(id);
        let silenced_by = self.silences.silencing(labels, &mut slot.silences, now);
        Status::of(silenced_by, inhibited_by)
    }

    fn receivers_of(&mut self, id: AlertId, labels: &Labels) -> Vec<Arc<str>> {
        let routes = self.routes_of(id, labels);
        let Some(active) = &self.active else { return Vec::new() };
        routes.iter().map(|route| Arc::clone(&active.tree.route(*route).receiver)).collect()
    }

    /// Alerts that fire by the state that the last flush of their groups gave them (the most quiet one where groups differ):
    /// active, suppressed, unprocessed.
    pub fn count_states(&self, now: Time) -> [usize; 3] {
        let mut seen: HashMap<AlertId, AlertState> = HashMap::new();
        for (_, group) in self.groups.iter() {
            for (id, member) in &group.members {
                if !self.store.slot(*id).times.resolved_at(now) {
                    let state = seen.entry(*id).or_default();
                    *state = (*state).max(member.state);
                }
            }
        }
        let count = |wanted| seen.values().filter(|state| **state == wanted).count();
        [AlertState::Active, AlertState::Suppressed, AlertState::Unprocessed].map(count)
    }

    /// The same by group: key, active, suppressed, unprocessed.
    pub fn count_states_by_group(&self, now: Time) -> Vec<(Arc<str>, [usize; 3])> {
        let groups = self.groups.iter().map(|(_, group)| {
            let mut counts = [0; 3];
            for (id, member) in &group.members {
                if !self.store.slot(*id).times.resolved_at(now) {
                    counts[match member.state {
                        AlertState::Active => 0,
                        AlertState::Suppressed => 1,
                        AlertState::Unprocessed => 2,
                    }] += 1;
                }
            }
            (Arc::clone(&group.key), counts)
        });
        groups.collect()
    }

    /// The configuration in force.
    pub fn config(&self) -> Option<&Arc<Config>> {
        self.active.as_ref().map(|active| &active.config)
    }

    /// Makes or changes a silence; see [`Silences::set`].
    pub fn set_silence(&mut self, silence: Silence, now: Time) -> Result<String, SilenceError> {
        let (high, low) = (self.chance.next_u64(), self.chance.next_u64());
        self.silences.set(silence, now, || uuid(high, low))
    }

    pub fn expire_silence(&mut self, id: &str, now: Time) -> Result<(), SilenceError> {
        self.silences.expire(id, now)
    }

    pub fn silences(&self) -> &Silences {
        &self.silences
    }

    pub(crate) fn silences_mut(&mut self) -> &mut Silences {
        &mut self.silences
    }

    pub fn log(&self) -> &NotificationLog {
        &self.log
    }

    pub(crate) fn log_mut(&mut self) -> &mut NotificationLog {
        &mut self.log
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes in a message of the cluster, or a peer's whole state: `sil` or `nfl`. Errs, after taking in what is good, if some
    /// was not.
    pub fn merge(&mut self, channel: &str, bytes: &[u8], now: Time) -> Result<(), String> {
        match channel {
            "sil" => self.silences.merge(bytes, now).map(drop),
            "nfl" => {
                let merged = self.log.merge(bytes, now).map(drop);
                self.note_duplicates(now);
                merged
            }
            other => Err(format!("unknown state {other:?}")),
        }
    }

    /// Notes what a peer told as well, about the alerts that the group has now.
    fn note_duplicates(&mut self, now: Time) {
        for twice in self.log.take_duplicates() {
            let group = self.groups.iter().find(|(_, group)| group.key == twice.group_key);
            let mut ids: Vec<AlertId> =
                group.map(|(_, group)| group.members.keys().copied().collect()).unwrap_or_default();
            ids.sort_unstable();
            let named = ids.iter().take(MAX_ALERTS_AN_ENTRY).map(|id| Subject {
                fingerprint: self.store.slot(*id).fingerprint,
                labels: self.store.labels(*id),
            });
            let alerts: Arc<[Subject]> = named.collect();
            let more = ids.len() - alerts.len();
            let event = Event::Duplicate {
                group_key: twice.group_key.as_ref().to_owned(),
                receiver: twice.receiver.group_name.as_ref().to_owned(),
                integration: format!("{}[{}]", twice.receiver.integration, twice.receiver.index),
                at: twice.at,
            };
            self.ledger.note_all(now, alerts, more, event);
        }
    }

    /// The whole state of a channel, for a peer that joins.
    pub fn full_state(&self, channel: &str) -> Vec<u8> {
        match channel {
            "sil" => self.silences.encode(),
            "nfl" => self.log.encode(),
            _ => Vec::new(),
        }
    }

    /// About the size of [`Core::journal_snapshot`].
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.store.journal_bytes() as u64
    }

    /// All alerts whose end may still have to be told: what a restart needs.
    pub(crate) fn journal_snapshot(&self) -> Vec<u8> {
        let ids = self.store.ids();
        crate::alert::journal_snapshot(ids.into_iter().map(|id| self.store.alert(id)))
    }
}

/// A version 4 UUID out of 128 random bits.
fn uuid(high: u64, low: u64) -> String {
    let high = high & !0xF000 | 0x4000;
    let low = low & !(0b11 << 62) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )
}

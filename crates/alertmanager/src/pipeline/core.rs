//! [`Core`]: the state, how alerts come in, and how due work is found.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::flush::{Flush, FlushId, SendId};
use super::reload::Active;
use super::timers::{Timer, Timers};
use super::{Integration, Notification};
use crate::alert::{
    Alert, AlertId, AlertJournal, AlertStore, Change, PostedAlert, PutError, Report,
};
use crate::dispatch::{GroupId, Groups, Member, RouteId};
use crate::labels::SetText;
use crate::ledger::{Event, Ledger, Subject};
use crate::matcher::ParseMode;
use crate::metrics::Metrics;
use crate::nflog::{LogReceiver, NotificationLog};
use crate::silence::{SilenceLimits, Silences};
use crate::time::Time;
use gauntlet_model::Labels;
use gauntlet_runtime::Chance;

/// Timers that a slice of a large group's flush counts for.
const SLICE_WEIGHT: usize = 8;

/// What a peer of a cluster knows of its place in it.
pub trait Peer: fmt::Debug + Send + Sync {
    /// Number of live peers that speak before this one.
    fn position(&self) -> usize;
    /// Whether this one has heard what the others know.
    fn is_ready(&self) -> bool;
}

/// What the state machine is made with. Durations are in nanoseconds.
#[derive(Clone, Debug)]
pub struct CoreOptions {
    pub mode: ParseMode,
    /// How long silences and log entries are remembered.
    pub retention_ns: i64,
    pub silence_limits: SilenceLimits,
    /// 0 is none.
    pub per_name_limit: usize,
    /// Most groups; 0 is none.
    pub max_groups: usize,
    /// How often resolved alerts leave the store.
    pub collect_interval_ns: i64,
    /// Nothing is sent before.
    pub start_at: Time,
    /// How long each peer before this one is given to speak.
    pub peer_timeout_ns: i64,
    /// Newest entries of the ledger at hand, in bytes; older ones are on disk.
    pub ledger_recent_bytes: usize,
}

impl Default for CoreOptions {
    fn default() -> Self {
        const MINUTE: i64 = 60_000_000_000;
        Self {
            mode: ParseMode::Fallback,
            retention_ns: 120 * 60 * MINUTE,
            silence_limits: SilenceLimits::default(),
            per_name_limit: 0,
            max_groups: 0,
            collect_interval_ns: 30 * MINUTE,
            start_at: Time::ZERO,
            peer_timeout_ns: MINUTE / 4,
            ledger_recent_bytes: 2 << 20,
        }
    }
}

/// Something for the owner to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Try to tell; answer with [`Core::complete`], at the deadline at the latest.
    Send { id: SendId, integration: Arc<Integration>, notification: Arc<Notification> },
    /// Spread to the cluster: `sil` or `nfl`, and the message.
    Broadcast { channel: &'static str, message: Vec<u8> },
}

/// What became of reported alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// Why alerts were refused, in upstream's words.
    pub invalid: Vec<String>,
    /// Alerts that were left out because there are too many of their name; upstream does not tell the sender.
    pub limited: usize,
    /// Something changed that must be on disk before the sender is told.
    pub changed: bool,
    /// Position in the journal to wait for.
    pub journal_end: u64,
}

/// The state machine.
#[derive(Debug)]
pub struct Core {
    pub(super) options: CoreOptions,
    pub(super) store: AlertStore,
    pub(super) journal: Option<AlertJournal>,
    pub(super) silences: Silences,
    pub(super) log: NotificationLog,
    pub(super) ledger: Ledger,
    pub(super) active: Option<Active>,
    pub(super) groups: Groups,
    pub(super) flushes: HashMap<FlushId, Flush>,
    /// Flushes that began to wait for the cluster, in this order.
    pub(super) settling: Vec<FlushId>,
    pub(super) sends: HashMap<SendId, (FlushId, usize)>,
    /// Integrations that a flush of an earlier configuration is still telling, by group.
    pub(super) busy: HashMap<(Arc<str>, LogReceiver), usize>,
    pub(super) timers: Timers,
    pub(super) peer: Option<Arc<dyn Peer>>,
    pub(super) actions: Vec<Action>,
    pub(super) metrics: Metrics,
    pub(super) numbers: u64,
    pub(super) generation: u64,
    pub(super) chance: Chance,
}

impl Core {
    /// `chance` is for jitter and ids.
    pub fn new(options: CoreOptions, chance: Chance, metrics: Metrics, now: Time) -> Self {
        let store = AlertStore::new(options.per_name_limit);
        metrics.alerts.per_name_limit.set(options.per_name_limit as f64);
        let silences = Silences::new(
            options.retention_ns,
            options.silence_limits,
            options.mode,
            metrics.silences.clone(),
        );
        let log = NotificationLog::new(options.retention_ns, metrics.log.clone());
        let ledger = Ledger::new(options.ledger_recent_bytes, 1, false, metrics.ledger.clone());
        let mut timers = Timers::default();
        timers.add(now.plus_ns(options.collect_interval_ns), Timer::Collect);
        Self {
            store,
            journal: None,
            silences,
            log,
            ledger,
            active: None,
            groups: Groups::default(),
            flushes: HashMap::new(),
            settling: Vec::new(),
            sends: HashMap::new(),
            busy: HashMap::new(),
            timers,
            peer: None,
            actions: Vec::new(),
            metrics,
            numbers: 0,
            generation: 0,
            chance,
            options,
        }
    }

    pub fn set_peer(&mut self, peer: Option<Arc<dyn Peer>>) {
        self.peer = peer;
    }

    /// Takes a ledger that numbers on from an earlier one and keeps entries for the disk.
    pub(crate) fn set_ledger(&mut self, next: u64) {
        let capacity = self.options.ledger_recent_bytes;
        self.ledger = Ledger::new(capacity, next, true, self.metrics.ledger.clone());
    }

    /// Takes back alerts of an earlier process that was alive until `alive_at`. One that fired then, and whose end has passed
    /// since, is given `grace_ns` to be reported again: nobody could report it meanwhile.
    pub fn restore_alerts(
        &mut self,
        alerts: Vec<Alert>,
        alive_at: Time,
        journal: Option<AlertJournal>,
        grace_ns: i64,
        now: Time,
    ) {
        self.journal = journal;
        for mut alert in alerts {
            let extended = alert.resolved_at(now) && !alert.resolved_at(alive_at);
            if extended {
                alert.ends_at = now.plus_ns(grace_ns);
                alert.timeout = true;
                if let Some(journal) = &self.journal {
                    journal.times(alert.fingerprint, alert.times());
                }
            }
            self.ledger.note(now, subject(&alert), Event::Restored { extended });
            self.store.insert(&alert);
        }
    }

    /// Takes in reports. The good ones are stored, the bad ones named.
    pub fn post(&mut self, posted: Vec<PostedAlert<'_>>, from: &str, now: Time) -> Posted {
        let mut out = Posted::default();
        let resolve_timeout_ns = self.resolve_timeout_ns();
        for alert in posted {
            let (firing, report) = Report::check(alert, now, resolve_timeout_ns, self.options.mode);
            let alerts = &self.metrics.alerts;
            if firing {
                alerts.received_firing.inc()
            } else {
                alerts.received_resolved.inc()
            }
            match report {
                Ok(report) => self.put(&report, from, now, &mut out),
                Err(reason) => {
                    alerts.invalid.inc();
                    out.invalid.push(reason);
                }
            }
        }
        if let Some(journal) = &self.journal {
            out.journal_end = journal.file().end();
        }
        out
    }

    fn put(&mut self, report: &Report<'_>, from: &str, now: Time, out: &mut Posted) {
        let (id, change) = match self.store.put(report, now) {
            Ok(done) => done,
            Err(PutError::Limited) => {
                let alert = report.to_alert();
                let named = self.metrics.features.alert_names_in_metrics;
                let labels: &[&str] = if named { &[alert.name()] } else { &[] };
                self.metrics.alerts.limited.with(labels).inc();
                let limit = self.store.per_name_limit();
                tracing::warn!(
                    component = "provider",
                    alertname = alert.name(),
                    limit,
                    "alert limited"
                );
                self.ledger.note(now, subject(&alert), Event::Limited { limit });
                out.limited += 1;
                return;
            }
        };
        if change == Change::Touched {
            if let Some(journal) = &self.journal {
                let slot = self.store.slot(id);
                journal.times(slot.fingerprint, slot.times);
            }
        } else {
            out.changed = true;
            let alert = self.store.alert(id);
            if let Some(journal) = &self.journal {
                journal.alert(&alert);
            }
            let what = match (change, alert.resolved_at(now)) {
                (Change::New, false) => "new",
                (_, true) => "resolved",
                (_, false) => "changed",
            };
            let Alert { starts_at, ends_at, .. } = alert;
            let event = Event::Received { from: from.to_owned(), change: what, starts_at, ends_at };
            self.ledger.note(now, subject(&alert), event);
        }
        self.metrics.alerts.dispatcher_writes.inc();
        self.metrics.alerts.inhibitor_writes.inc();
        if let Some(active) = &mut self.active {
            active.inhibitor.learn(&mut self.store, id);
            if !self.store.slot(id).routed {
                self.route(id, now);
            }
        }
    }

    /// Puts an alert into the groups of its routes, making those that are missing.
    pub(super) fn route(&mut self, id: AlertId, now: Time) {
        let labels = self.store.labels(id);
        let routes = self.routes_of(id, &labels);
        let mut complete = true;
        for route in routes.iter() {
            let Some(active) = &self.active else { return };
            let route = Arc::clone(active.tree.route(*route));
            let group = match self.groups.find(&route, &labels) {
                Some(group) => group,
                None => {
                    let limit = self.options.max_groups;
                    if limit > 0 && self.groups.len() >= limit {
                        self.metrics.dispatch.limit_reached.inc();
                        tracing::error!(
                            component = "dispatcher",
                            limit,
                            alert = %SetText(&labels),
                            "too many aggregation groups, cannot create new group for alert"
                        );
                        complete = false;
                        continue;
                    }
                    let waited = self.store.slot(id).times.starts_at.plus_ns(route.group_wait_ns);
                    let flush_at =
                        if waited < now { now } else { now.plus_ns(route.group_wait_ns) };
                    let flush_at = flush_at.max(self.options.start_at);
                    let group = self.groups.create(&route, &labels, flush_at);
                    self.timers.add(flush_at, Timer::Flush(group));
                    self.metrics.dispatch.groups.set(self.groups.len() as f64);
                    group
                }
            };
            self.join(group, id, &labels, now);
        }
        self.store.slot_mut(id).routed = complete;
    }

    /// The routes that take an alert.
    pub(super) fn routes_of(&mut self, id: AlertId, labels: &Labels) -> Arc<[RouteId]> {
        let Some(active) = &mut self.active else { return Arc::default() };
        let slot = self.store.slot_mut(id);
        if slot.routes.is_empty() {
            let routes = active.tree.matching(labels);
            slot.routes = match active.route_sets.get(routes.as_slice()) {
                Some(known) => Arc::clone(known),
                None => {
                    let routes: Arc<[RouteId]> = routes.into();
                    active.route_sets.insert(Arc::clone(&routes));
                    routes
                }
            };
        }
        Arc::clone(&slot.routes)
    }

    fn join(&mut self, group_id: GroupId, id: AlertId, labels: &Labels, now: Time) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let slot = self.store.slot_mut(id);
        if slot.groups.contains(group_id) {
            return;
        }
        slot.groups.insert(group_id);
        group.members.insert(id, Member::default());
        // Senders go on reporting what is over for a while; that it passes through a group once more is no news.
        if slot.times.resolved_at(now) {
            return;
        }
        let event = Event::Grouped {
            group_key: group.key.as_ref().to_owned(),
            receiver: group.route.receiver.as_ref().to_owned(),
            flush_at: group.next_flush,
        };
        let subject = Subject { fingerprint: slot.fingerprint, labels: labels.clone() };
        self.ledger.note(now, subject, event);
    }

    /// Does all that is due and returns when to call again. What is to be sent is in [`Core::take_actions`].
    pub fn poll(&mut self, now: Time) -> Option<Time> {
        self.poll_some(now, usize::MAX)
    }

    /// The same for at most so many due timers, so that an owner with others waiting can let them in between. A time that is
    /// not after `now` means that there is more to do.
    pub fn poll_some(&mut self, now: Time, most: usize) -> Option<Time> {
        let mut left = most;
        while left > 0 {
            let Some((due, timer)) = self.timers.due(now) else { break };
            left -= 1;
            match timer {
                Timer::Flush(group) => self.flush_due(group, due, now),
                Timer::Work(flush) => {
                    self.flush_on(flush, now);
                    // A slice is as much as many groups.
                    left = left.saturating_sub(SLICE_WEIGHT);
                }
                Timer::Step(flush, step) => self.step_due(flush, step, due, now),
                Timer::Deadline(flush) => self.deadline(flush, now),
                Timer::Collect => self.collect(now),
            }
        }
        self.timers.next()
    }

    /// When [`Core::poll`] has something to do next.
    pub fn next_wake(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Takes what is to be done.
    pub fn take_actions(&mut self) -> Vec<Action> {
        for (channel, messages) in
            [("sil", self.silences.take_outgoing()), ("nfl", self.log.take_outgoing())]
        {
            let broadcast = |message| Action::Broadcast { channel, message };
            self.actions.extend(messages.into_iter().map(broadcast));
        }
        std::mem::take(&mut self.actions)
    }

    fn collect(&mut self, now: Time) {
        for id in self.store.collect(now) {
            self.free(id, now);
        }
        if let Some(active) = &mut self.active {
            active.inhibitor.collect();
        }
        self.timers.add(now.plus_ns(self.options.collect_interval_ns), Timer::Collect);
    }

    /// Forgets an alert that neither store nor groups hold.
    pub(super) fn free(&mut self, id: AlertId, now: Time) {
        if let Some(active) = &mut self.active {
            active.inhibitor.forget(&self.store, id);
        }
        let Some(alert) = self.store.free(id) else { return };
        if let Some(journal) = &self.journal {
            journal.forget(alert.fingerprint);
        }
        self.ledger.note(now, subject(&alert), Event::Forgotten);
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// An alert as the ledger names it.
pub(super) fn subject(alert: &Alert) -> Subject {
    Subject { fingerprint: alert.fingerprint, labels: alert.labels.clone() }
}

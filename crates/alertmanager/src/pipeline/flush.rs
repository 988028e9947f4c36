//! One flush of a group, up to the point where its integrations go their own ways: settle, inhibition, intervals, silences.
//!
//! The alerts of a large group are gone through in slices, so that whoever else needs the state machine waits for a slice and
//! not for the group. What fires is settled by the time that the flush began, whatever comes in between.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::core::{Core, subject};
use super::send::Step;
use super::timers::Timer;
use super::{NotifyError, ReceiverPipeline};
use crate::alert::{Alert, AlertId, AlertState};
use crate::dispatch::{GroupId, Route};
use crate::labels::{alert_order, log_hash};
use crate::ledger::{Cause, Event};
use crate::time::Time;
use gauntlet_model::Labels;

/// Number of a flush, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FlushId(pub(crate) u64);

/// Number of an attempt, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub(crate) u64);

/// Least time that a flush is given.
const MIN_TIMEOUT_NS: i64 = 10_000_000_000;

/// An alert as the flush took it.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) id: AlertId,
    pub(super) alert: Alert,
    pub(super) log_hash: u64,
}

#[derive(Debug)]
pub(super) struct Flush {
    /// `None` once the configuration has changed beneath it.
    pub(super) group: Option<GroupId>,
    pub(super) route: Arc<Route>,
    pub(super) key: Arc<str>,
    pub(super) labels: Labels,
    pub(super) receiver: ReceiverPipeline,
    pub(super) now: Time,
    pub(super) deadline: Time,
    /// Not kept quiet, in the order of notifications.
    pub(super) alerts: Vec<Taken>,
    /// Over when the flush began, with when they were last reported.
    resolved: Vec<(AlertId, Time)>,
    progress: Progress,
    /// Waits for the cluster.
    pub(super) settling: bool,
    pub(super) steps: Vec<Step>,
}

impl Flush {
    /// Lets a filter see all alerts that are left.
    fn begin(&mut self, filter: Filter) {
        let rest = std::mem::take(&mut self.alerts).into_iter();
        self.progress = Progress::Filtering { filter, rest, quiet: 0 };
    }
}

/// Alerts that are gone through at once: a millisecond or so.
const SLICE: usize = 512;

/// How far a flush has come.
#[derive(Debug)]
enum Progress {
    /// Alerts to take, and those that were, in sorted runs.
    Taking { ids: Vec<AlertId>, runs: Vec<Vec<Taken>> },
    /// All were taken.
    Taken,
    /// Alerts that a filter has still to see, and how many it has kept quiet.
    Filtering { filter: Filter, rest: std::vec::IntoIter<Taken>, quiet: usize },
}

/// What keeps alerts quiet, in this order.
#[derive(Debug)]
enum Filter {
    Inhibition,
    /// With the word for it in metrics.
    Intervals(Cause, &'static str),
    Silences,
}

impl Core {
    pub(super) fn flush_due(&mut self, id: GroupId, due: Time, now: Time) {
        let Some(group) = self.groups.get_mut(id) else { return };
        if group.next_flush != due {
            return;
        }
        if group.flushing.is_some() {
            group.overdue = true;
            return;
        }
        self.start_flush(id, now);
    }

    fn start_flush(&mut self, id: GroupId, now: Time) {
        let flush_id = FlushId(self.number());
        let Some(group) = self.groups.get_mut(id) else { return };
        let route = Arc::clone(&group.route);
        group.overdue = false;
        group.next_flush = now.plus_ns(route.group_interval_ns);
        self.timers.add(group.next_flush, Timer::Flush(id));
        let Some(active) = &self.active else { return };
        let Some(receiver) = active.receivers.get(&route.receiver).cloned() else { return };
        let ids: Vec<AlertId> = group.members.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let wait_ns = self.turn_ns();
        let deadline = now.plus_ns(route.group_interval_ns.max(MIN_TIMEOUT_NS)).plus_ns(wait_ns);
        let Some(group) = self.groups.get_mut(id) else { return };
        group.flushing = Some(flush_id);
        let flush = Flush {
            group: Some(id),
            key: Arc::clone(&group.key),
            labels: group.labels.clone(),
            route,
            receiver,
            now,
            deadline,
            alerts: Vec::new(),
            resolved: Vec::new(),
            progress: Progress::Taking { ids, runs: Vec::new() },
            settling: false,
            steps: Vec::new(),
        };
        self.flushes.insert(flush_id, flush);
        self.timers.add(deadline, Timer::Deadline(flush_id));
        self.flush_on(flush_id, now);
    }

    /// Goes on with a flush for a slice of its alerts.
    pub(super) fn flush_on(&mut self, id: FlushId, now: Time) {
        let mut left = SLICE;
        while left > 0 {
            let Some(mut flush) = self.flushes.remove(&id) else { return };
            match std::mem::replace(&mut flush.progress, Progress::Taken) {
                Progress::Taken => {
                    self.flushes.insert(id, flush);
                    return;
                }
                Progress::Taking { ids, runs } => {
                    self.take_some(&mut flush, ids, runs, &mut left);
                    let all = matches!(flush.progress, Progress::Taken);
                    flush.settling = all && self.peer.as_ref().is_some_and(|peer| !peer.is_ready());
                    if flush.settling {
                        self.settling.push(id);
                    } else if all {
                        flush.begin(Filter::Inhibition);
                    }
                    self.flushes.insert(id, flush);
                }
                Progress::Filtering { filter, mut rest, mut quiet } => {
                    for taken in rest.by_ref().take(left) {
                        left -= 1;
                        match self.kept_quiet(&flush, &filter, &taken, now) {
                            true => quiet += 1,
                            false => flush.alerts.push(taken),
                        }
                    }
                    if rest.len() > 0 {
                        flush.progress = Progress::Filtering { filter, rest, quiet };
                        self.flushes.insert(id, flush);
                    } else {
                        self.filtered(id, flush, &filter, quiet, now);
                    }
                }
            }
        }
        if self.flushes.contains_key(&id) {
            self.timers.add(now, Timer::Work(id));
        }
    }

    /// Takes some of the alerts; all of them, in the order of notifications, in the end.
    fn take_some(
        &self,
        flush: &mut Flush,
        mut ids: Vec<AlertId>,
        mut runs: Vec<Vec<Taken>>,
        left: &mut usize,
    ) {
        let order = |a: &Taken, b: &Taken| alert_order(&a.alert.labels, &b.alert.labels);
        let some = ids.split_off(ids.len() - ids.len().min(*left));
        *left -= some.len();
        let mut run: Vec<Taken> = some.into_iter().map(|id| self.take(id, flush.now)).collect();
        let resolved = run.iter().filter(|taken| taken.alert.is_resolved());
        flush.resolved.extend(resolved.map(|taken| (taken.id, taken.alert.updated_at)));
        run.sort_by(order);
        // Runs of about the same length become one: each alert is moved a few times, and never all at once but in the end.
        while let Some(before) = runs.pop_if(|before| ids.is_empty() || before.len() <= run.len()) {
            let mut both = before;
            both.append(&mut run);
            both.sort_by(order);
            run = both;
        }
        if ids.is_empty() {
            flush.alerts = run;
        } else {
            runs.push(run);
            flush.progress = Progress::Taking { ids, runs };
        }
    }

    fn take(&self, id: AlertId, now: Time) -> Taken {
        let mut alert = self.store.alert(id);
        // Whether it fires is settled here: it must not end under way.
        if !alert.resolved_at(now) {
            alert.ends_at = Time::ZERO;
        }
        Taken { id, log_hash: log_hash(&alert.labels), alert }
    }

    /// How long peers before this one are given, in nanoseconds.
    pub(super) fn turn_ns(&self) -> i64 {
        let position = self.peer.as_ref().map_or(0, |peer| peer.position());
        self.options.peer_timeout_ns.saturating_mul(i64::try_from(position).unwrap_or(i64::MAX))
    }

    /// To be called when the cluster has become ready: flushes that waited for it go on.
    pub fn cluster_changed(&mut self, now: Time) {
        if self.settling.is_empty() || self.peer.as_ref().is_some_and(|peer| !peer.is_ready()) {
            return;
        }
        for id in std::mem::take(&mut self.settling) {
            let Some(flush) = self.flushes.get_mut(&id) else { continue };
            if std::mem::take(&mut flush.settling) {
                flush.begin(Filter::Inhibition);
                self.flush_on(id, now);
            }
        }
    }

    /// Whether flushes wait for the cluster.
    pub fn is_settling(&self) -> bool {
        let waits = |id| self.flushes.get(id).is_some_and(|flush| flush.settling);
        self.settling.iter().any(waits)
    }

    /// Whether a filter keeps an alert quiet; marks and notes it then.
    fn kept_quiet(&mut self, flush: &Flush, filter: &Filter, taken: &Taken, now: Time) -> bool {
        let cause = match filter {
            Filter::Inhibition => self.inhibition(taken.id, now),
            Filter::Intervals(cause, _) => Some(cause.clone()),
            Filter::Silences => {
                let slot = self.store.slot_mut(taken.id);
                let labels = &taken.alert.labels;
                let silences = self.silences.silencing(labels, &mut slot.silences, now);
                (!silences.is_empty()).then_some(Cause::Silenced { silences })
            }
        };
        match cause {
            Some(cause) => {
                self.quiet(flush, taken, cause, now);
                true
            }
            None => {
                if matches!(filter, Filter::Silences) {
                    self.speaking(flush, taken, now);
                }
                false
            }
        }
    }

    fn inhibition(&mut self, id: AlertId, now: Time) -> Option<Cause> {
        let active = self.active.as_mut()?;
        active.inhibitor.learn(&mut self.store, id);
        let found = active.inhibitor.inhibiting(&self.store, id, now)?;
        let rule = &active.inhibitor.rules()[found.rule];
        let rule = match rule.name.is_empty() {
            true => format!("#{}", found.rule + 1),
            false => rule.name.clone(),
        };
        Some(Cause::Inhibited { source: found.source, rule })
    }

    /// A filter has seen all alerts: goes on to the next one, or hands what is left to the integrations.
    fn filtered(&mut self, id: FlushId, mut flush: Flush, done: &Filter, quiet: usize, now: Time) {
        let reason = match done {
            Filter::Inhibition => "inhibition",
            Filter::Intervals(_, reason) => reason,
            Filter::Silences => "silence",
        };
        self.count_suppressed(reason, quiet);
        if flush.alerts.is_empty() {
            self.flushes.insert(id, flush);
            self.end_flush(id, true, now);
        } else if matches!(done, Filter::Inhibition) {
            let muted = self.muted(&flush);
            flush.begin(
                muted.map_or(Filter::Silences, |(cause, why)| Filter::Intervals(cause, why)),
            );
            self.flushes.insert(id, flush);
        } else {
            self.start_steps(id, flush, now);
        }
    }

    /// The intervals that keep the whole group quiet, which is told so.
    fn muted(&mut self, flush: &Flush) -> Option<(Cause, &'static str)> {
        let active = self.active.as_ref()?;
        let (open, mute) = (&flush.route.active_time_intervals, &flush.route.mute_time_intervals);
        let inactive = !open.is_empty() && active.intervals.holding(open, flush.now).is_empty();
        let muting = if inactive { Vec::new() } else { active.intervals.holding(mute, flush.now) };
        let (muted, muted_by) = if inactive {
            let cause = Cause::Inactive { intervals: open.clone() };
            (Some((cause, "active_time_interval")), open.clone())
        } else if muting.is_empty() {
            (None, Vec::new())
        } else {
            let cause = Cause::Muted { intervals: muting.clone() };
            (Some((cause, "mute_time_interval")), muting)
        };
        if let Some(group) = flush.group.and_then(|id| self.groups.get_mut(id)) {
            group.muted_by = muted_by;
        }
        muted
    }

    fn count_suppressed(&self, reason: &str, count: usize) {
        if count > 0 {
            self.metrics.dispatch.suppressed.with(&[reason]).add(count as u64);
        }
    }

    /// Marks an alert as kept quiet, and notes it if that is new or the cause is another.
    fn quiet(&mut self, flush: &Flush, taken: &Taken, cause: Cause, now: Time) {
        let mut hasher = DefaultHasher::new();
        cause.hash(&mut hasher);
        let hash = hasher.finish() as u32 | 1;
        // Intervals quieten a group, not its alerts, as far as states are counted.
        let state = match cause {
            Cause::Inhibited { .. } | Cause::Silenced { .. } => AlertState::Suppressed,
            Cause::Muted { .. } | Cause::Inactive { .. } => AlertState::Active,
        };
        if !self.mark(flush, taken, state, hash) {
            return;
        }
        let event = Event::Suppressed {
            group_key: flush.key.as_ref().to_owned(),
            receiver: flush.route.receiver.as_ref().to_owned(),
            cause,
        };
        self.ledger.note(now, subject(&taken.alert), event);
    }

    fn speaking(&mut self, flush: &Flush, taken: &Taken, now: Time) {
        let was_quiet = self.member_cause(flush, taken) != 0;
        if self.mark(flush, taken, AlertState::Active, 0) && was_quiet {
            let event = Event::Resumed {
                group_key: flush.key.as_ref().to_owned(),
                receiver: flush.route.receiver.as_ref().to_owned(),
            };
            self.ledger.note(now, subject(&taken.alert), event);
        }
    }

    fn member_cause(&self, flush: &Flush, taken: &Taken) -> u32 {
        let group = flush.group.and_then(|id| self.groups.get(id));
        let member = group.and_then(|group| group.members.get(&taken.id));
        member.map_or(0, |member| member.cause)
    }

    /// Returns whether the cause changed.
    fn mark(&mut self, flush: &Flush, taken: &Taken, state: AlertState, cause: u32) -> bool {
        let group = flush.group.and_then(|id| self.groups.get_mut(id));
        let Some(member) = group.and_then(|group| group.members.get_mut(&taken.id)) else {
            return false;
        };
        member.state = state;
        std::mem::replace(&mut member.cause, cause) != cause
    }

    /// Ends a flush. After a successful one, resolved alerts that were not reported again meanwhile leave the group.
    pub(super) fn end_flush(&mut self, id: FlushId, success: bool, now: Time) {
        let Some(flush) = self.flushes.remove(&id) else { return };
        let Some(group_id) = flush.group else { return };
        let Some(group) = self.groups.get_mut(group_id) else { return };
        group.flushing = None;
        let mut loose = Vec::new();
        for (alert, updated_at) in flush.resolved.iter().filter(|_| success) {
            let slot = self.store.slot_mut(*alert);
            if slot.times.updated_at != *updated_at {
                continue;
            }
            group.members.remove(alert);
            slot.groups.remove(group_id);
            slot.routed = false;
            if !slot.stored && slot.groups.is_empty() {
                loose.push(*alert);
            }
        }
        let (empty, overdue) = (group.members.is_empty(), group.overdue);
        if empty {
            self.groups.remove(group_id);
            self.metrics.dispatch.groups.set(self.groups.len() as f64);
        }
        loose.into_iter().for_each(|id| self.free(id, now));
        if overdue && !empty {
            self.start_flush(group_id, now);
        }
    }

    /// Ends what a flush without time left has not ended by itself.
    pub(super) fn deadline(&mut self, id: FlushId, now: Time) {
        let Some(flush) = self.flushes.get(&id) else { return };
        if flush.settling {
            let key = Arc::clone(&flush.key);
            tracing::error!(component = "dispatcher", aggr_group = %key, "notify for alerts failed: the cluster did not settle in time");
            self.end_flush(id, false, now);
            return;
        }
        let error = NotifyError {
            message: "context deadline exceeded".to_owned(),
            retry: false,
            reason: super::FailureReason::ContextDeadlineExceeded,
        };
        for step in 0..flush.steps.len() {
            self.give_up(id, step, &error, now);
        }
    }
}

//! The steps of a flush, one for each integration of the receiver: wait for one's turn, compare with the log, send and try
//! again, note. Each goes its own way; the flush ends with the last.

use std::sync::Arc;

use super::backoff::Backoff;
use super::core::{Action, Core, subject};
use super::dedup::{Partition, reason_to_notify};
use super::flush::{Flush, FlushId, SendId};
use super::timers::Timer;
use super::{FailureReason, Integration, Notification, NotifyError, NotifyReason, Outcome};
use crate::alert::Alert;
use crate::ledger::{Event, MAX_ALERTS_AN_ENTRY, Subject};
use crate::nflog::{LogReceiver, ReceiverData};
use crate::time::Time;

/// What an integration of a flush is at.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) integration: Arc<Integration>,
    pub(super) state: State,
    reason: NotifyReason,
    told: Partition,
    notification: Option<Arc<Notification>>,
    backoff: Backoff,
    tries: u32,
    last_error: Option<NotifyError>,
    began: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Peers before this one speak first, until then.
    Waiting(Time),
    /// A flush of an earlier configuration still tells the same receiver of the same group.
    Blocked,
    /// An attempt is under way since then.
    Sending(SendId, Time),
    /// The next attempt is due then.
    Pausing(Time),
    Done {
        failed: bool,
    },
}

impl Core {
    pub(super) fn start_steps(&mut self, id: FlushId, mut flush: Flush, now: Time) {
        let turn = now.plus_ns(self.turn_ns());
        let step = |integration: &Arc<Integration>| Step {
            integration: Arc::clone(integration),
            state: State::Waiting(turn),
            reason: NotifyReason::First,
            told: Partition::default(),
            notification: None,
            backoff: Backoff::new(),
            tries: 0,
            last_error: None,
            began: now,
        };
        flush.steps = flush.receiver.integrations.iter().map(step).collect();
        let count = flush.steps.len();
        self.flushes.insert(id, flush);
        if count == 0 {
            // A receiver without integrations is told by saying nothing.
            self.end_flush(id, true, now);
            return;
        }
        for step in 0..count {
            if turn > now {
                self.timers.add(turn, Timer::Step(id, step));
            } else {
                self.compare(id, step, now);
            }
        }
    }

    pub(super) fn step_due(&mut self, id: FlushId, step: usize, due: Time, now: Time) {
        match self.flushes.get(&id).and_then(|flush| flush.steps.get(step)).map(|s| s.state) {
            Some(State::Waiting(turn)) if turn == due => self.compare(id, step, now),
            Some(State::Pausing(until)) if until == due => {
                if self.told_meanwhile(id, step, now) {
                    self.note_told_elsewhere(id, step, now);
                    self.done(id, step, false, now);
                } else {
                    self.send(id, step, now);
                }
            }
            _ => {}
        }
    }

    /// Whether a peer told what this process could not.
    fn told_meanwhile(&self, id: FlushId, at: usize, now: Time) -> bool {
        let Some(flush) = self.flushes.get(&id) else { return false };
        let step = &flush.steps[at];
        let Some(entry) = self.log.get(&flush.key, &step.integration.log) else { return false };
        // There was a reason to tell when the first attempt was made.
        let send_resolved = step.integration.send_resolved;
        let repeat_ns = flush.route.repeat_interval_ns;
        reason_to_notify(Some(entry), &step.told, send_resolved, repeat_ns, flush.now, now)
            .is_none()
    }

    /// Compares with the log, and sends if there is something to tell.
    fn compare(&mut self, id: FlushId, at: usize, now: Time) {
        let Some(flush) = self.flushes.get_mut(&id) else { return };
        let step = &mut flush.steps[at];
        let busy = (Arc::clone(&flush.key), step.integration.log.clone());
        if self.busy.contains_key(&busy) {
            step.state = State::Blocked;
            return;
        }
        // What this process told it knows best itself.
        let heard = self.log.is_of_peer(&flush.key, &step.integration.log);
        let mut alerts = Partition::default();
        for taken in &flush.alerts {
            if taken.alert.is_resolved() {
                alerts.resolved.push(taken.log_hash);
                continue;
            }
            alerts.firing.push(taken.log_hash);
            if heard {
                alerts.reported.push(taken.alert.updated_at);
            }
        }
        let entry = self.log.get(&flush.key, &step.integration.log);
        let send_resolved = step.integration.send_resolved;
        let repeat_ns = flush.route.repeat_interval_ns;
        let reason = reason_to_notify(entry, &alerts, send_resolved, repeat_ns, flush.now, now);
        let Some(reason) = reason else {
            self.note_told_elsewhere(id, at, now);
            self.done(id, at, false, now);
            return;
        };
        // A group that starts afresh does not go on with what was kept for the one before.
        let receiver_data = match (reason, entry) {
            (NotifyReason::First, _) | (_, None) => ReceiverData::new(),
            (_, Some(entry)) => entry.receiver_data.clone(),
        };
        let told_nobody = alerts.firing.is_empty() && !send_resolved;
        let wanted = |alert: &Alert| send_resolved || !alert.is_resolved();
        let sent: Arc<[Alert]> =
            flush.alerts.iter().map(|t| &t.alert).filter(|a| wanted(a)).cloned().collect();
        let notification = Notification {
            receiver: Arc::clone(&flush.receiver.name),
            group_key: Arc::clone(&flush.key),
            group_labels: flush.labels.clone(),
            route_labels: flush.route.labels.clone(),
            reason,
            alerts: sent,
            receiver_data,
            now: flush.now,
            deadline: flush.deadline,
        };
        step.reason = reason;
        step.told = alerts;
        step.began = now;
        let kept = notification.receiver_data.clone();
        step.notification = Some(Arc::new(notification));
        self.count(id, at, |metrics, labels| metrics.total.with(labels).inc());
        if told_nobody {
            // Nobody wants to hear of it, but the log must forget that it fires.
            self.note_in_log(id, at, kept, now);
            self.done(id, at, false, now);
            return;
        }
        self.send(id, at, now);
    }

    fn send(&mut self, id: FlushId, at: usize, now: Time) {
        let send_id = SendId(self.number());
        let Some(flush) = self.flushes.get_mut(&id) else { return };
        let step = &mut flush.steps[at];
        let Some(notification) = &step.notification else { return };
        step.tries += 1;
        step.state = State::Sending(send_id, now);
        let integration = Arc::clone(&step.integration);
        let notification = Arc::clone(notification);
        self.sends.insert(send_id, (id, at));
        self.actions.push(Action::Send { id: send_id, integration, notification });
    }

    /// Takes the outcome of an attempt.
    pub fn complete(&mut self, send: SendId, outcome: Outcome, now: Time) {
        let Some((id, at)) = self.sends.remove(&send) else { return };
        let Some(flush) = self.flushes.get_mut(&id) else { return };
        let (orphan, deadline) = (flush.group.is_none(), flush.deadline);
        let step = &mut flush.steps[at];
        let State::Sending(_, started) = step.state else { return };
        let took_secs = now.since_ns(started).max(0) as f64 / 1e9;
        let failed = outcome.result.is_err();
        self.count(id, at, |metrics, labels| {
            metrics.latency.with(labels).observe(took_secs);
            metrics.requests.with(labels).inc();
            if failed {
                metrics.requests_failed.with(labels).inc();
            }
        });
        let error = match outcome.result {
            Ok(()) => {
                self.note_sent(id, at, now);
                self.note_in_log(id, at, outcome.receiver_data, now);
                self.done(id, at, false, now);
                return;
            }
            Err(error) => error,
        };
        if !error.retry || orphan || now >= deadline {
            self.give_up_on(id, at, &error, now);
            return;
        }
        let random = self.chance.next_u64();
        let Some(flush) = self.flushes.get_mut(&id) else { return };
        let step = &mut flush.steps[at];
        let next = started.plus_ns(step.backoff.next_ns(random)).max(now);
        step.state = State::Pausing(next);
        let news = step.last_error.as_ref().is_none_or(|last| last.message != error.message);
        if news {
            tracing::warn!(
                component = "dispatcher",
                receiver = %flush.receiver.name,
                integration = %step.integration.name(),
                aggr_group = %flush.key,
                attempts = step.tries,
                err = %error,
                "notify attempt failed, will retry later"
            );
        }
        step.last_error = Some(error);
        self.timers.add(next, Timer::Step(id, at));
        if news {
            self.note(id, at, now, |flush, step| Event::Attempt {
                group_key: flush.key.as_ref().to_owned(),
                receiver: flush.receiver.name.as_ref().to_owned(),
                integration: step.integration.name(),
                tries: step.tries,
                error: step.last_error.as_ref().map(ToString::to_string).unwrap_or_default(),
            });
        }
    }

    /// Ends a step that is not done and has no attempt under way: such a one answers for itself.
    pub(super) fn give_up(&mut self, id: FlushId, at: usize, error: &NotifyError, now: Time) {
        let Some(step) = self.flushes.get(&id).and_then(|flush| flush.steps.get(at)) else {
            return;
        };
        if matches!(step.state, State::Done { .. } | State::Sending(..)) {
            return;
        }
        let error = step.last_error.clone().unwrap_or_else(|| error.clone());
        self.give_up_on(id, at, &error, now);
    }

    fn give_up_on(&mut self, id: FlushId, at: usize, error: &NotifyError, now: Time) {
        let reason = error.reason;
        self.count_failed(id, at, reason);
        let Some(flush) = self.flushes.get_mut(&id) else { return };
        let step = &mut flush.steps[at];
        step.last_error = Some(error.clone());
        tracing::error!(
            component = "dispatcher",
            receiver = %flush.receiver.name,
            integration = %step.integration.name(),
            aggr_group = %flush.key,
            num_alerts = flush.alerts.len(),
            attempts = step.tries,
            err = %error,
            "notify for alerts failed"
        );
        self.note(id, at, now, |flush, step| Event::Failed {
            group_key: flush.key.as_ref().to_owned(),
            receiver: flush.receiver.name.as_ref().to_owned(),
            integration: step.integration.name(),
            tries: step.tries,
            error: step.last_error.as_ref().map(ToString::to_string).unwrap_or_default(),
        });
        self.done(id, at, true, now);
    }

    fn done(&mut self, id: FlushId, at: usize, failed: bool, now: Time) {
        let Some(flush) = self.flushes.get_mut(&id) else { return };
        flush.steps[at].state = State::Done { failed };
        let orphan = flush.group.is_none();
        let key = (Arc::clone(&flush.key), flush.steps[at].integration.log.clone());
        let all_done = flush.steps.iter().all(|s| matches!(s.state, State::Done { .. }));
        let success = flush.steps.iter().all(|s| s.state == State::Done { failed: false });
        if all_done {
            self.end_flush(id, success, now);
        }
        if orphan {
            self.no_longer_busy(&key, now);
        }
    }

    /// Lets those go on who waited for a flush of an earlier configuration.
    fn no_longer_busy(&mut self, key: &(Arc<str>, LogReceiver), now: Time) {
        if let Some(count) = self.busy.get_mut(key) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        self.busy.remove(key);
        let mut blocked: Vec<(FlushId, usize)> = Vec::new();
        for (id, flush) in self.flushes.iter().filter(|(_, flush)| flush.key == key.0) {
            for (at, step) in flush.steps.iter().enumerate() {
                if step.state == State::Blocked && step.integration.log == key.1 {
                    blocked.push((*id, at));
                }
            }
        }
        blocked.sort_unstable();
        blocked.into_iter().for_each(|(id, at)| self.compare(id, at, now));
    }

    fn note_in_log(&mut self, id: FlushId, at: usize, data: ReceiverData, now: Time) {
        let Some(flush) = self.flushes.get(&id) else { return };
        let step = &flush.steps[at];
        let told = (step.told.firing.clone(), step.told.resolved.clone());
        let expiry_ns = flush.route.repeat_interval_ns.saturating_mul(2);
        self.log.log(&flush.key, &step.integration.log, told, data, expiry_ns, now);
    }

    fn note_sent(&mut self, id: FlushId, at: usize, now: Time) {
        self.note(id, at, now, |flush, step| Event::Sent {
            group_key: flush.key.as_ref().to_owned(),
            receiver: flush.receiver.name.as_ref().to_owned(),
            integration: step.integration.name(),
            reason: step.reason.as_str(),
            tries: step.tries,
            took_ms: now.since_ns(step.began) / 1_000_000,
        });
    }

    /// Notes that somebody else told of the group while this one waited its turn.
    fn note_told_elsewhere(&mut self, id: FlushId, at: usize, now: Time) {
        let Some(flush) = self.flushes.get(&id) else { return };
        let Some(entry) = self.log.get(&flush.key, &flush.steps[at].integration.log) else {
            return;
        };
        let told_at = entry.timestamp;
        if told_at < flush.now {
            return;
        }
        self.note(id, at, now, |flush, step| Event::Told {
            group_key: flush.key.as_ref().to_owned(),
            receiver: flush.receiver.name.as_ref().to_owned(),
            integration: step.integration.name(),
            at: told_at,
        });
    }

    fn note(
        &mut self,
        id: FlushId,
        at: usize,
        now: Time,
        event: impl FnOnce(&Flush, &Step) -> Event,
    ) {
        let Some(flush) = self.flushes.get(&id) else { return };
        let named = flush.alerts.iter().take(MAX_ALERTS_AN_ENTRY);
        let subjects: Arc<[Subject]> = named.map(|taken| subject(&taken.alert)).collect();
        let more = flush.alerts.len() - subjects.len();
        let event = event(flush, &flush.steps[at]);
        self.ledger.note_all(now, subjects, more, event);
    }

    fn count(
        &self,
        id: FlushId,
        at: usize,
        with: impl FnOnce(&crate::metrics::NotifyMetrics, &[&str]),
    ) {
        let Some(flush) = self.flushes.get(&id) else { return };
        let integration = flush.steps[at].integration.log.integration.as_ref();
        if self.metrics.features.receiver_name_in_metrics {
            with(&self.metrics.notify, &[integration, flush.receiver.name.as_ref()]);
        } else {
            with(&self.metrics.notify, &[integration]);
        }
    }

    fn count_failed(&self, id: FlushId, at: usize, reason: FailureReason) {
        self.count(id, at, |metrics, labels| {
            let mut labels = labels.to_vec();
            labels.push(reason.as_str());
            metrics.failed.with(&labels).inc();
        });
    }
}

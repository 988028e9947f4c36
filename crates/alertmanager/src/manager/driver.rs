//! The task that runs the machine: wakes it when something is due, sends what it wants sent, brings the outcomes back.
//!
//! Stop: attempts under way are dropped (they are not in the log, so that whoever starts next tells again), then all state is
//! written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::Shutdown;
use tokio::task::{Id, JoinSet};

use super::Manager;
use crate::nflog::ReceiverData;
use crate::pipeline::{Action, FailureReason, NotifyError, Outcome, SendId};
use crate::time::Time;

/// Longest sleep: wall clocks jump.
const TICK: Duration = Duration::from_secs(1);
/// Due timers done before others get at the machine; a timer may be a group's whole flush.
const AT_ONCE: usize = 8;
/// How often the cluster is looked at while flushes wait for it.
const SETTLE_TICK: Duration = Duration::from_millis(50);

impl Manager {
    /// Runs until the shutdown fires, then writes all state.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let mut sends = Sends::default();
        let mut sync = tokio::time::interval(TICK);
        sync.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut syncing: JoinSet<()> = JoinSet::new();
        let mut maintain_at = self.now().plus_ns(self.maintenance_interval_ns);
        loop {
            let pause = self.work();
            for send in std::mem::take(&mut *self.sends.lock()) {
                sends.start(&self, send);
            }
            tokio::select! {
                () = shutdown.wait() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some((id, outcome)) = sends.next() => {
                    self.run_once(|core, now| core.complete(id, outcome, now));
                }
                _ = sync.tick() => {
                    while syncing.try_join_next().is_some() {}
                    if syncing.is_empty() {
                        let maintain = self.now() >= maintain_at;
                        if maintain {
                            maintain_at = self.now().plus_ns(self.maintenance_interval_ns);
                        }
                        let manager = Arc::clone(&self);
                        syncing.spawn_blocking(move || {
                            if maintain {
                                manager.maintain();
                            }
                            manager.shrink_journal();
                            manager.sync_all();
                            manager.give_back();
                        });
                    }
                }
            }
        }
        drop(sends);
        while syncing.join_next().await.is_some() {}
        let manager = Arc::clone(&self);
        let last = tokio::task::spawn_blocking(move || {
            manager.maintain();
            manager.sync_all();
        });
        if let Err(err) = last.await {
            tracing::error!(%err, "state could not be written at the end");
        }
    }

    /// Does some of what is due and tells how long there is nothing more to do.
    fn work(&self) -> Duration {
        let (next, settling) = self.run_once(|core, now| {
            core.cluster_changed(now);
            (core.poll_some(now, AT_ONCE), core.is_settling())
        });
        let longest = if settling { SETTLE_TICK } else { TICK };
        let left_ns = next.map_or(i64::MAX, |next| next.since_ns(self.now())).max(0);
        Duration::from_nanos(left_ns.unsigned_abs()).min(longest)
    }
}

/// Attempts under way.
#[derive(Default)]
struct Sends {
    tasks: JoinSet<Outcome>,
    ids: HashMap<Id, SendId>,
}

impl Sends {
    fn start(&mut self, manager: &Manager, send: Action) {
        let Action::Send { id, integration, notification } = send else { return };
        let permits = Arc::clone(&manager.permits);
        let left_ns = notification.deadline.since_ns(Time::now(manager.clock.as_ref())).max(0);
        let left = Duration::from_nanos(left_ns.unsigned_abs());
        let task = self.tasks.spawn(async move {
            let attempt = async {
                let _permit = permits.acquire().await;
                integration.notifier.notify(notification).await
            };
            tokio::time::timeout(left, attempt).await.unwrap_or_else(|_| {
                failure("context deadline exceeded", FailureReason::ContextDeadlineExceeded, true)
            })
        });
        self.ids.insert(task.id(), id);
    }

    /// The next outcome; never, while nothing is under way.
    async fn next(&mut self) -> Option<(SendId, Outcome)> {
        if self.tasks.is_empty() {
            return std::future::pending().await;
        }
        let (task, outcome) = match self.tasks.join_next_with_id().await? {
            Ok((task, outcome)) => (task, outcome),
            // A sender that panics must not take the others with it.
            Err(err) => (err.id(), failure(&err.to_string(), FailureReason::Other, false)),
        };
        Some((self.ids.remove(&task)?, outcome))
    }
}

fn failure(message: &str, reason: FailureReason, retry: bool) -> Outcome {
    let error = NotifyError { message: message.to_owned(), retry, reason };
    Outcome { result: Err(error), receiver_data: ReceiverData::new() }
}

//! What of a discovery's objects changed and was not looked at yet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::Clock;
use gauntlet_telemetry::{Counter, Gauge, Summary};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Which of a discovery's inputs a change came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Input {
    /// What the role is about.
    Main,
    Service,
    Pod,
    Node,
    Namespace,
    ReplicaSet,
    Job,
}

/// Which events a subscriber counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    All,
    Updates,
    Nothing,
}

/// What changed since a discovery last looked: no more than there are objects.
#[derive(Debug)]
pub(super) struct Queue {
    pending: Mutex<Pending>,
    woken: Notify,
    pub(super) metrics: QueueMetrics,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
pub(super) struct QueueMetrics {
    pub(super) added: Counter,
    pub(super) depth: Gauge,
    pub(super) latency: Summary,
    pub(super) work: Summary,
}

#[derive(Debug, Default)]
struct Pending {
    keys: BTreeSet<(Input, String)>,
    since: Option<Duration>,
    failure: Option<String>,
}

impl Queue {
    pub(super) fn new(metrics: QueueMetrics, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { pending: Mutex::default(), woken: Notify::new(), metrics, clock })
    }

    pub(super) fn add(&self, input: Input, key: &str) {
        let mut pending = self.pending.lock();
        if pending.keys.insert((input, key.to_owned())) {
            self.metrics.added.inc();
            self.metrics.depth.set(pending.keys.len() as f64);
            if pending.since.is_none() {
                pending.since = Some(self.clock.monotonic());
            }
        }
        drop(pending);
        self.woken.notify_one();
    }

    pub(super) fn fail(&self, reason: &str) {
        self.pending.lock().failure = Some(reason.to_owned());
        self.woken.notify_one();
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Makes the discovery look, whether or not there is something new.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    pub(super) fn take_failure(&self) -> Option<String> {
        self.pending.lock().failure.take()
    }

    pub(super) fn take(&self) -> BTreeSet<(Input, String)> {
        let mut pending = self.pending.lock();
        if let Some(since) = pending.since.take() {
            let waited = self.clock.monotonic().saturating_sub(since);
            self.metrics.latency.observe(waited.as_secs_f64());
        }
        self.metrics.depth.set(0.0);
        std::mem::take(&mut pending.keys)
    }
}

//! Channels: how the owner of a piece of state tells the others of a change.
//!
//! A broadcast only queues; the state machine takes from the queues at its next step. So it may be called under any lock,
//! from within [`State::merge`](super::State::merge) too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::Notify;

use crate::codec::Part;
use crate::metrics::Metrics;
use crate::swim::PACKET_BUDGET;

/// Longest message (key and framing included) that is gossiped; longer ones go over streams.
pub const MAX_GOSSIPED_BYTES: usize = PACKET_BUDGET / 2;
/// Most oversize messages that wait, per key.
const MAX_OVERSIZE: usize = 200;
/// Most small messages that wait for the state machine's next step.
const MAX_SMALL: usize = 16_384;

/// Sends news of one key's state to all members. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Channel {
    key: Arc<str>,
    outbox: Arc<Outbox>,
}

impl Channel {
    /// Queues `data`, which every other node hands to its state of the same key: by gossip if it is small, else over a stream
    /// to each member. Best effort: what gets lost comes with a later exchange of whole states.
    pub fn broadcast(&self, data: impl Into<Bytes>) {
        let part = Part { key: self.key.to_string(), data: data.into() };
        self.outbox.push(&self.key, Bytes::from(part.encode_to_vec()));
    }

    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Messages between their broadcast and the state machine's next step.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    wake: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Waiting {
    small: VecDeque<Bytes>,
    oversize: BTreeMap<Arc<str>, VecDeque<Bytes>>,
}

impl Outbox {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::default(), wake: Notify::new(), metrics })
    }

    pub(super) fn channel(self: &Arc<Self>, key: &str) -> Channel {
        let key = Arc::from(key);
        self.waiting.lock().oversize.entry(Arc::clone(&key)).or_default();
        self.metrics.touch_key(&key);
        Channel { key, outbox: Arc::clone(self) }
    }

    fn push(&self, key: &Arc<str>, message: Bytes) {
        let mut waiting = self.waiting.lock();
        if message.len() <= MAX_GOSSIPED_BYTES {
            if waiting.small.len() >= MAX_SMALL {
                waiting.small.pop_front();
                self.metrics.pruned.inc();
            }
            waiting.small.push_back(message);
        } else {
            let queue = waiting.oversize.entry(Arc::clone(key)).or_default();
            if queue.len() >= MAX_OVERSIZE {
                self.metrics.oversize_dropped.with(&[key]).inc();
                tracing::debug!(%key, "oversize message dropped: too many wait");
                return;
            }
            queue.push_back(message);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Completes when something was queued since it last did.
    pub(crate) async fn queued(&self) {
        self.wake.notified().await;
    }

    pub(super) fn take_small(&self) -> VecDeque<Bytes> {
        std::mem::take(&mut self.waiting.lock().small)
    }

    /// The next oversize message of each key that `idle` says can send one.
    pub(super) fn take_oversize(&self, idle: impl Fn(&str) -> bool) -> Vec<(Arc<str>, Bytes)> {
        let mut waiting = self.waiting.lock();
        waiting
            .oversize
            .iter_mut()
            .filter(|(key, _)| idle(key))
            .filter_map(|(key, queue)| Some((Arc::clone(key), queue.pop_front()?)))
            .collect()
    }

    /// Whether something waits that could go now.
    pub(super) fn is_due(&self, idle: impl Fn(&str) -> bool) -> bool {
        let waiting = self.waiting.lock();
        !waiting.small.is_empty()
            || waiting.oversize.iter().any(|(key, queue)| !queue.is_empty() && idle(key))
    }
}

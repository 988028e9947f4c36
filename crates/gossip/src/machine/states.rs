//! The pieces of state that the cluster keeps alike, by key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use prost::Message as _;

use crate::codec::stream::MAX_USER_STATE_BYTES;
use crate::codec::{FullState, Part, part};
use crate::error::MergeError;
use crate::metrics::Metrics;
use crate::swim::LocalState;

/// A piece of state that all members keep alike. Neither method may wait for the cluster; both may be called from any thread.
pub trait State: Send + Sync {
    /// The whole state.
    fn marshal(&self) -> Bytes;

    /// Takes in what is newer of `data`: another node's whole state, or news of it. What was news here may be broadcast again.
    ///
    /// # Errors
    /// When `data` are not what [`Self::marshal`] gives. They come from the network.
    fn merge(&self, data: &[u8]) -> Result<(), MergeError>;
}

/// All pieces of state of this node.
pub(crate) struct States {
    by_key: RwLock<BTreeMap<String, Arc<dyn State>>>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").finish_non_exhaustive()
    }
}

impl States {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { by_key: RwLock::default(), metrics })
    }

    pub(super) fn add(&self, key: &str, state: Arc<dyn State>) {
        self.by_key.write().insert(key.to_owned(), state);
    }

    fn get(&self, key: &str) -> Option<Arc<dyn State>> {
        self.by_key.read().get(key).cloned()
    }

    fn merge_update(&self, data: Bytes) {
        self.metrics.received.update.inc();
        self.metrics.received.update_bytes.add(data.len() as u64);
        let part = match Part::decode(data) {
            Ok(part) => part,
            Err(err) => {
                tracing::warn!(%err, "decode broadcast");
                return;
            }
        };
        let Some(state) = self.get(&part.key) else { return };
        if let Err(err) = state.merge(&part.data) {
            tracing::warn!(key = %part.key, %err, "merge broadcast");
        }
    }

    fn merge_full(&self, data: Bytes) {
        self.metrics.received.full_state.inc();
        self.metrics.received.full_state_bytes.add(data.len() as u64);
        let parts = match part::read_full_state(data) {
            Ok(parts) => parts,
            Err(err) => {
                tracing::warn!(%err, "merge remote state");
                return;
            }
        };
        for part in parts {
            let Some(state) = self.get(&part.key) else {
                tracing::warn!(key = %part.key, len = part.data.len(), "unknown state key");
                continue;
            };
            if let Err(err) = state.merge(&part.data) {
                tracing::warn!(key = %part.key, %err, "merge remote state");
                return;
            }
        }
    }
}

impl LocalState for Arc<States> {
    fn local_state(&self) -> Bytes {
        let states: Vec<_> = self
            .by_key
            .read()
            .iter()
            .map(|(key, state)| (key.clone(), Arc::clone(state)))
            .collect();
        let parts =
            states.into_iter().map(|(key, state)| Part { key, data: state.marshal() }).collect();
        let whole = FullState { parts }.encode_to_vec();
        if whole.len() > MAX_USER_STATE_BYTES {
            tracing::error!(
                bytes = whole.len(),
                limit = MAX_USER_STATE_BYTES,
                "state is too large to be exchanged; only membership is"
            );
            return Bytes::new();
        }
        self.metrics.sent.full_state.inc();
        self.metrics.sent.full_state_bytes.add(whole.len() as u64);
        Bytes::from(whole)
    }
}

/// State of another node, to be merged. Apart from the state machine, as it may take long.
#[derive(Debug)]
pub struct Merge {
    states: Arc<States>,
    data: Bytes,
    whole: bool,
}

impl Merge {
    pub(super) fn new(states: &Arc<States>, data: Bytes, whole: bool) -> Self {
        Self { states: Arc::clone(states), data, whole }
    }

    /// Bytes that wait here.
    pub fn size_bytes(&self) -> usize {
        self.data.len()
    }

    /// Merges; what cannot be merged is logged.
    pub fn apply(self) {
        if self.whole {
            self.states.merge_full(self.data);
        } else {
            self.states.merge_update(self.data);
        }
    }
}

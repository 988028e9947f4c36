//! The notification log: what was last told to whom about which group. It is why a repeat is quiet, why a restart tells nothing
//! twice, and how peers know that one of them has spoken.
//!
//! One entry per group and receiver's integration; the newer counts. Snapshot and gossip share the peer's format (`proto`).

mod proto;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::time::Time;

pub use proto::{RestoredLog, decode as decode_log, fuzz_state};
pub use store::NotificationLog;

/// One integration of a receiver: who is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogReceiver {
    pub group_name: Arc<str>,
    pub integration: Arc<str>,
    /// Position among the receiver's integrations of this kind.
    pub index: u32,
}

impl fmt::Display for LogReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group_name, self.integration, self.index)
    }
}

/// A value that an integration keeps between notifications of a group, such as the id of a message to edit.
#[derive(Clone, Debug, PartialEq)]
pub enum ReceiverValue {
    Text(String),
    Int(i64),
    Double(f64),
}

/// What an integration keeps.
pub type ReceiverData = BTreeMap<String, ReceiverValue>;

/// What was told last.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    pub group_key: Arc<str>,
    pub receiver: LogReceiver,
    pub timestamp: Time,
    /// Hashes of alerts; see [`crate::log_hash`].
    pub firing: Vec<u64>,
    pub resolved: Vec<u64>,
    pub receiver_data: ReceiverData,
}

/// An entry with the time until which it is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshEntry {
    pub entry: LogEntry,
    pub expires_at: Time,
}

#[cfg(test)]
mod tests;

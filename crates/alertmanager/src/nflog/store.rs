//! The log of this process and its cluster. A new entry is merged, appended to the snapshot file and queued for the cluster.

use std::collections::HashMap;
use std::sync::Arc;

use super::proto::decode;
use super::{LogEntry, LogReceiver, MeshEntry, ReceiverData};
use crate::durable::AppendFile;
use crate::metrics::LogMetrics;
use crate::silence::after;
use crate::snapshot::OVERSIZED_BYTES;
use crate::time::Time;

type Key = (Arc<str>, LogReceiver);

#[derive(Debug)]
struct Known {
    mesh: MeshEntry,
    /// Told by this process, not heard of from a peer.
    own: bool,
    /// When a peer told the same, if that is known already.
    duplicate: Option<Time>,
}

/// The log.
#[derive(Debug)]
pub struct NotificationLog {
    entries: HashMap<Key, Known>,
    retention_ns: i64,
    file: Option<Arc<AppendFile>>,
    outgoing: Vec<Vec<u8>>,
    /// What peers told as this process did, since that was last asked for.
    duplicates: Vec<Duplicate>,
    metrics: LogMetrics,
}

/// A peer has told what this process told.
#[derive(Clone, Debug)]
pub(crate) struct Duplicate {
    pub(crate) group_key: Arc<str>,
    pub(crate) receiver: LogReceiver,
    /// When the peer did.
    pub(crate) at: Time,
}

impl NotificationLog {
    /// An empty log. An entry is remembered for at most `retention_ns`.
    pub fn new(retention_ns: i64, metrics: LogMetrics) -> Self {
        Self {
            entries: HashMap::new(),
            retention_ns,
            file: None,
            outgoing: Vec::new(),
            duplicates: Vec::new(),
            metrics,
        }
    }

    /// Takes in a snapshot and goes on appending to `file`, which holds it.
    pub fn restore(&mut self, entries: Vec<MeshEntry>, file: Option<Arc<AppendFile>>) {
        for mesh in entries {
            let known = Known { own: false, duplicate: None, mesh };
            self.entries.insert(key(&known.mesh.entry), known);
        }
        self.file = file;
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What was last told about a group.
    pub fn get(&self, group_key: &Arc<str>, receiver: &LogReceiver) -> Option<&LogEntry> {
        self.metrics.queries.inc();
        let found = self.entries.get(&(Arc::clone(group_key), receiver.clone()));
        if found.is_none() {
            // Upstream counts "not found" among the errors.
            self.metrics.query_errors.inc();
        }
        found.map(|known| &known.mesh.entry)
    }

    /// Whether the last word about a group is a peer's.
    pub(crate) fn is_of_peer(&self, group_key: &Arc<str>, receiver: &LogReceiver) -> bool {
        let found = self.entries.get(&(Arc::clone(group_key), receiver.clone()));
        found.is_some_and(|known| !known.own)
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &MeshEntry> {
        self.entries.values().map(|known| &known.mesh)
    }

    /// Notes a notification. It is remembered for `expiry_ns`, if that is above 0 and below the retention. An entry from the
    /// future (clocks of peers differ) is left alone.
    pub fn log(
        &mut self,
        group_key: &Arc<str>,
        receiver: &LogReceiver,
        told: (Vec<u64>, Vec<u64>),
        receiver_data: ReceiverData,
        expiry_ns: i64,
        now: Time,
    ) {
        let key = (Arc::clone(group_key), receiver.clone());
        let mut timestamp = now;
        if let Some(known) = self.entries.get(&key) {
            if known.mesh.entry.timestamp > now {
                return;
            }
            timestamp = after(known.mesh.entry.timestamp, now);
        }
        let keep_ns =
            if expiry_ns > 0 { expiry_ns.min(self.retention_ns) } else { self.retention_ns };
        let (firing, resolved) = told;
        let entry = LogEntry {
            group_key: Arc::clone(group_key),
            receiver: receiver.clone(),
            timestamp,
            firing,
            resolved,
            receiver_data,
        };
        let mesh = MeshEntry { entry, expires_at: now.plus_ns(keep_ns) };
        let mut bytes = Vec::new();
        mesh.encode(&mut bytes);
        self.entries.insert(key, Known { mesh, own: true, duplicate: None });
        self.append(&bytes);
        self.outgoing.push(bytes);
    }

    /// Takes in what the cluster sent. Returns whether anything was new. Errs, after taking in what is good, if some was not.
    pub fn merge(&mut self, bytes: &[u8], now: Time) -> Result<bool, String> {
        let decoded = decode(bytes);
        let mut own = Vec::new();
        for mesh in decoded.entries {
            let key = key(&mesh.entry);
            let known = self.entries.get_mut(&key);
            let newer =
                known.as_ref().is_none_or(|k| k.mesh.entry.timestamp < mesh.entry.timestamp);
            let twice = known.is_some_and(|known| known.told_twice(&mesh));
            if twice {
                self.metrics.duplicates.inc();
                self.duplicates.push(Duplicate {
                    group_key: Arc::clone(&mesh.entry.group_key),
                    receiver: mesh.entry.receiver.clone(),
                    at: mesh.entry.timestamp,
                });
            }
            if mesh.expires_at < now || !newer {
                continue;
            }
            mesh.encode(&mut own);
            self.entries.insert(key, Known { mesh, own: false, duplicate: None });
        }
        self.append(&own);
        let news = !own.is_empty();
        if news && bytes.len() <= OVERSIZED_BYTES {
            self.outgoing.push(bytes.to_vec());
            self.metrics.propagated.inc();
        }
        if decoded.damage.is_empty() { Ok(news) } else { Err(decoded.damage.join("; ")) }
    }

    /// Messages for the cluster since the last call.
    pub fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.outgoing)
    }

    /// What was told twice since the last call.
    pub(crate) fn take_duplicates(&mut self) -> Vec<Duplicate> {
        std::mem::take(&mut self.duplicates)
    }

    /// Forgets what was to be remembered until now. Returns how many.
    pub fn collect(&mut self, now: Time) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, known| known.mesh.expires_at > now);
        before - self.entries.len()
    }

    /// The whole state, as in the snapshot file and for a peer that joins.
    pub fn encode(&self) -> Vec<u8> {
        let mut entries: Vec<&MeshEntry> = self.iter().collect();
        entries.sort_unstable_by_key(|mesh| (&mesh.entry.group_key, &mesh.entry.receiver));
        let mut out = Vec::new();
        entries.iter().for_each(|mesh| mesh.encode(&mut out));
        out
    }

    fn append(&self, bytes: &[u8]) {
        if let Some(file) = self.file.as_ref().filter(|_| !bytes.is_empty()) {
            file.append(bytes);
        }
    }
}

impl Known {
    /// Whether a peer told what this process told, and not as a repetition; each time is noticed once.
    fn told_twice(&mut self, other: &MeshEntry) -> bool {
        let (mine, theirs) = (&self.mesh.entry, &other.entry);
        let apart_ns = mine.timestamp.since_ns(theirs.timestamp).saturating_abs();
        // Entries are remembered for two repeat intervals.
        let repeat_ns = self.mesh.expires_at.since_ns(mine.timestamp) / 2;
        let twice = self.own
            && apart_ns > 0
            && apart_ns < repeat_ns
            && self.duplicate != Some(theirs.timestamp)
            && mine.firing == theirs.firing
            && mine.resolved == theirs.resolved;
        if twice {
            self.duplicate = Some(theirs.timestamp);
        }
        twice
    }
}

fn key(entry: &LogEntry) -> Key {
    (Arc::clone(&entry.group_key), entry.receiver.clone())
}

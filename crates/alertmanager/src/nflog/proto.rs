//! Log entries on the wire and in the snapshot `nflog`. Source: upstream `nflogpb`; field numbers are those of its schema.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

use super::{LogEntry, LogReceiver, MeshEntry, ReceiverData, ReceiverValue};
use crate::snapshot::{Timestamp, read_delimited};
use crate::time::Time;

#[derive(Clone, PartialEq, Message)]
struct ReceiverProto {
    #[prost(string, tag = "1")]
    group_name: String,
    #[prost(string, tag = "2")]
    integration: String,
    #[prost(uint32, tag = "3")]
    idx: u32,
}

#[derive(Clone, PartialEq, Message)]
struct ReceiverDataValueProto {
    #[prost(oneof = "ValueProto", tags = "1, 2, 3")]
    value: Option<ValueProto>,
}

#[derive(Clone, PartialEq, Oneof)]
enum ValueProto {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "2")]
    Int(i64),
    #[prost(double, tag = "3")]
    Double(f64),
}

#[derive(Clone, PartialEq, Message)]
struct EntryProto {
    /// Bytes by the schema; text by all that write it.
    #[prost(bytes = "vec", tag = "1")]
    group_key: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    receiver: Option<ReceiverProto>,
    #[prost(bytes = "vec", tag = "3")]
    group_hash: Vec<u8>,
    #[prost(bool, tag = "4")]
    resolved: bool,
    #[prost(message, optional, tag = "5")]
    timestamp: Option<Timestamp>,
    #[prost(uint64, repeated, tag = "6")]
    firing_alerts: Vec<u64>,
    #[prost(uint64, repeated, tag = "7")]
    resolved_alerts: Vec<u64>,
    #[prost(btree_map = "string, message", tag = "8")]
    receiver_data: BTreeMap<String, ReceiverDataValueProto>,
}

#[derive(Clone, PartialEq, Message)]
struct MeshEntryProto {
    #[prost(message, optional, tag = "1")]
    entry: Option<EntryProto>,
    #[prost(message, optional, tag = "2")]
    expires_at: Option<Timestamp>,
}

/// What bytes held.
#[derive(Debug, Default)]
pub struct RestoredLog {
    /// In the order of the bytes; of equal keys the later counts.
    pub entries: Vec<MeshEntry>,
    pub damage: Vec<String>,
}

impl MeshEntry {
    /// Adds the message with its length before it.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let entry = &self.entry;
        let value = |value: &ReceiverValue| ReceiverDataValueProto {
            value: Some(match value {
                ReceiverValue::Text(text) => ValueProto::Text(text.clone()),
                ReceiverValue::Int(n) => ValueProto::Int(*n),
                ReceiverValue::Double(n) => ValueProto::Double(*n),
            }),
        };
        let proto = EntryProto {
            group_key: entry.group_key.as_bytes().to_vec(),
            receiver: Some(ReceiverProto {
                group_name: entry.receiver.group_name.as_ref().to_owned(),
                integration: entry.receiver.integration.as_ref().to_owned(),
                idx: entry.receiver.index,
            }),
            group_hash: Vec::new(),
            resolved: false,
            timestamp: Some(entry.timestamp.into()),
            firing_alerts: entry.firing.clone(),
            resolved_alerts: entry.resolved.clone(),
            receiver_data: entry.receiver_data.iter().map(|(k, v)| (k.clone(), value(v))).collect(),
        };
        let mesh = MeshEntryProto { entry: Some(proto), expires_at: Some(self.expires_at.into()) };
        mesh.encode_length_delimited(out).expect("BUG: a vector grows");
    }

    fn from_proto(mesh: MeshEntryProto) -> Result<Self, String> {
        let entry = mesh.entry.ok_or("invalid state")?;
        let receiver = entry.receiver.ok_or("invalid state")?;
        let group_key = String::from_utf8(entry.group_key).map_err(|_| "group key is no text")?;
        let value = |value: ReceiverDataValueProto| {
            Some(match value.value? {
                ValueProto::Text(text) => ReceiverValue::Text(text),
                ValueProto::Int(n) => ReceiverValue::Int(n),
                ValueProto::Double(n) => ReceiverValue::Double(n),
            })
        };
        let data = entry.receiver_data.into_iter().filter_map(|(k, v)| Some((k, value(v)?)));
        let entry = LogEntry {
            group_key: group_key.into(),
            receiver: LogReceiver {
                group_name: receiver.group_name.into(),
                integration: receiver.integration.into(),
                index: receiver.idx,
            },
            timestamp: Time::from(entry.timestamp.unwrap_or_default()),
            firing: entry.firing_alerts,
            resolved: entry.resolved_alerts,
            receiver_data: data.collect::<ReceiverData>(),
        };
        Ok(Self { entry, expires_at: Time::from(mesh.expires_at.unwrap_or_default()) })
    }
}

/// Reads a snapshot or a gossip message.
pub fn decode(bytes: &[u8]) -> RestoredLog {
    let (entries, damage) = read_delimited(bytes, MeshEntry::from_proto);
    RestoredLog { entries, damage }
}

/// For the fuzzer: reads any bytes, and reads again what was read.
pub fn fuzz_state(bytes: &[u8]) {
    let first = decode(bytes);
    let mut again = Vec::new();
    first.entries.iter().for_each(|mesh| mesh.encode(&mut again));
    let second = decode(&again);
    assert!(second.damage.is_empty(), "BUG: our own bytes are unreadable");
    assert_eq!(second.entries.len(), first.entries.len());
}

//! Every packet and stream of recorded clusters of the real peer: read to the same, and written to the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gauntlet_runtime::Budget;
use prost::Message as _;
use serde_json::{Value, json};

use super::message::kind;
use super::packet::{inflate, put_label, split_compound, strip_checksum, strip_label};
use super::stream::{NodeState, StreamDecoder, StreamMessage};
use super::{Ack, FullState, Message, Part, lzw, message, packet, part};
use crate::swim::table::ip_from;

const LIMIT: usize = 1 << 20;

#[test]
fn recorded_packets_and_streams_are_read_and_written_alike() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let text = std::fs::read_to_string(dir.join("golden/memberlist.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let items = golden["packets"].as_array().unwrap();
    let mut compared = 0;
    for (number, item) in items.iter().enumerate() {
        let bytes = STANDARD.decode(item["base64"].as_str().unwrap()).unwrap();
        let expected = &item["decoded"];
        if item["transport"] == "udp" {
            let (found, again) = packet_layer(&bytes);
            assert_same(&found, expected, number);
            assert_eq!(again, bytes, "item {number}");
            // The way that is used in earnest gives the same messages.
            let label = expected["label"].as_str().unwrap_or_default();
            let opened = packet::open(&bytes, label);
            assert_eq!(opened.error, None, "item {number}");
            let mut leaves = Vec::new();
            collect(expected, &mut leaves);
            let messages: Vec<_> = opened.messages.iter().map(message_json).collect();
            assert_eq!(messages.len(), leaves.len(), "item {number}");
            messages.iter().zip(leaves).for_each(|(found, leaf)| assert_same(found, leaf, number));
        } else {
            check_stream(&bytes, expected, number);
        }
        compared += 1;
    }
    assert_eq!(compared, 830, "recordings");
}

/// Reads a layer and what is inside; gives its description and the same bytes written anew.
fn packet_layer(data: &[u8]) -> (Value, Vec<u8>) {
    match data[0] {
        kind::LABEL => {
            let (label, rest) = strip_label(data).unwrap();
            let (inner, again) = packet_layer(rest);
            let mut out = Vec::new();
            put_label(&mut out, label);
            out.extend(again);
            (json!({ "type": "label", "label": label, "inner": inner }), out)
        }
        kind::CHECKSUM => {
            let rest = strip_checksum(data).unwrap();
            let (inner, again) = packet_layer(rest);
            let crc = crc32fast::hash(&again);
            let mut out = vec![kind::CHECKSUM];
            out.extend(crc.to_be_bytes());
            out.extend(again);
            (json!({ "type": "crc", "crc": format!("{crc:08x}"), "inner": inner }), out)
        }
        kind::COMPRESS => {
            let plain = inflate(&data[1..], LIMIT).unwrap();
            let (inner, again) = packet_layer(&plain);
            let mut out = Vec::new();
            message::put_compressed(&mut out, &lzw::deflate(&again));
            (json!({ "type": "compress", "inner": inner }), out)
        }
        kind::COMPOUND => {
            let (parts, whole) = split_compound(&data[1..]).unwrap();
            assert!(whole);
            let (parts, again): (Vec<_>, Vec<_>) = parts.into_iter().map(packet_layer).unzip();
            (json!({ "type": "compound", "parts": parts }), packet::compound(&again))
        }
        _ => {
            let message = Message::decode(data).unwrap();
            (message_json(&message), message.encode())
        }
    }
}

fn check_stream(bytes: &[u8], expected: &Value, number: usize) {
    let label = expected["label"].as_str().unwrap_or_default();
    let inner = if expected["type"] == "label" { &expected["inner"] } else { expected };
    let from_listener = bytes.first() != Some(&kind::LABEL);
    let decode = |label: &str, step: usize| {
        let mut decoder = StreamDecoder::inbound(label, &Budget::new(1 << 20)).unwrap();
        let mut found = Ok(None);
        for chunk in bytes.chunks(step) {
            found = decoder.feed(chunk);
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        found
    };
    if inner["type"] == "encrypted" || inner["type"] == "nack" {
        assert!(decode("", 100).is_err(), "item {number}");
        return;
    }
    if !label.is_empty() {
        assert!(decode("other", 100).is_err() && decode("", 100).is_err(), "item {number}");
        assert!(!from_listener);
    }
    assert_eq!(inner["type"], "compress", "item {number}");
    for step in [1, 7, bytes.len()] {
        let message = decode(label, step).unwrap().expect("whole");
        let (found, again) = (stream_json(&message), message.encode(label));
        assert_same(&found, &inner["inner"], number);
        assert_eq!(again, bytes, "item {number}");
    }
    let cut = &bytes[..bytes.len() - 1];
    let mut decoder = StreamDecoder::inbound(label, &Budget::new(1 << 20)).unwrap();
    assert_eq!(decoder.feed(cut), Ok(None), "item {number}");
}

/// Compares but for the entries of state, which are the affair of the layer above.
fn assert_same(found: &Value, expected: &Value, number: usize) {
    let mut expected = expected.clone();
    strip_entries(&mut expected);
    assert_eq!(sorted(found), sorted(&expected), "item {number}");
}

fn strip_entries(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.shift_remove("entries");
            map.values_mut().for_each(strip_entries);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_entries),
        _ => {}
    }
}

/// The text with keys in order, fields that are left out on the wire included.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().filter(|(_, v)| !v.is_null()).collect();
            keys.sort_by_key(|(key, _)| *key);
            let fields: Vec<_> = keys.iter().map(|(k, v)| format!("{k}: {}", sorted(v))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn collect<'a>(value: &'a Value, leaves: &mut Vec<&'a Value>) {
    if let Some(inner) = value.get("inner") {
        collect(inner, leaves);
    } else if let Some(parts) = value.get("parts").and_then(Value::as_array) {
        parts.iter().for_each(|part| collect(part, leaves));
    } else {
        leaves.push(value);
    }
}

fn message_json(message: &Message) -> Value {
    match message {
        Message::Ping(ping) => json!({ "type": "ping", "body": ping_json(ping) }),
        Message::IndirectPing(ping) => json!({ "type": "indirect_ping", "body": {
            "Nack": ping.nack, "Node": ping.node, "Port": ping.port, "SeqNo": ping.seq,
            "SourceAddr": ip(&ping.source_addr), "SourceNode": ping.source_node,
            "SourcePort": ping.source_port, "Target": ip(&ping.target),
        }}),
        Message::Ack(ack) => json!({ "type": "ack", "body": ack_json(ack) }),
        Message::Nack(seq) => json!({ "type": "nack", "body": { "SeqNo": seq } }),
        Message::Suspect(verdict) => json!({ "type": "suspect", "body": {
            "From": verdict.from, "Incarnation": verdict.incarnation, "Node": verdict.node,
        }}),
        Message::Dead(verdict) => json!({ "type": "dead", "body": {
            "From": verdict.from, "Incarnation": verdict.incarnation, "Node": verdict.node,
        }}),
        Message::Alive(alive) => json!({ "type": "alive", "body": {
            "Addr": ip(&alive.addr), "Incarnation": alive.incarnation, "Meta": hex(&alive.meta),
            "Node": alive.node, "Port": alive.port, "Vsn": alive.versions,
        }}),
        Message::User(data) => json!({ "type": "user", "part": part_json(data) }),
    }
}

fn ping_json(ping: &message::Ping) -> Value {
    json!({
        "Node": ping.node, "SeqNo": ping.seq, "SourceAddr": ip(&ping.source_addr),
        "SourceNode": ping.source_node, "SourcePort": ping.source_port,
    })
}

fn ack_json(ack: &Ack) -> Value {
    json!({ "Payload": ack.payload.as_deref().map(hex), "SeqNo": ack.seq })
}

fn stream_json(message: &StreamMessage) -> Value {
    match message {
        StreamMessage::Ping(ping) => json!({ "type": "ping", "body": ping_json(ping) }),
        StreamMessage::Ack(ack) => json!({ "type": "ack", "body": ack_json(ack) }),
        StreamMessage::Error(text) => json!({ "type": "error", "body": { "Error": text } }),
        StreamMessage::User(data) => {
            json!({ "type": "user", "UserMsgLen": data.len(), "part": part_json(data) })
        }
        StreamMessage::PushPull(all) => {
            let parts = part::read_full_state(all.user_state.clone()).unwrap();
            let whole = FullState { parts: parts.clone() };
            assert_eq!(whole.encode_to_vec(), all.user_state, "user state");
            let keys: Vec<_> = parts.iter().map(|part| json!({ "key": part.key })).collect();
            json!({
                "type": "push_pull",
                "header": {
                    "Join": all.join,
                    "Nodes": all.nodes.len(),
                    "UserStateLen": all.user_state.len(),
                },
                "nodes": all.nodes.iter().map(node_json).collect::<Vec<_>>(),
                "user_state": { "parts": keys },
            })
        }
    }
}

fn node_json(node: &NodeState) -> Value {
    json!({
        "Addr": ip(&node.addr), "Incarnation": node.incarnation, "Meta": hex(&node.meta),
        "Name": node.name, "Port": node.port, "State": node.state, "Vsn": node.versions,
    })
}

fn part_json(data: &[u8]) -> Value {
    let part = Part::decode(Bytes::copy_from_slice(data)).unwrap();
    assert_eq!(part.encode_to_vec(), data, "part");
    json!({ "key": part.key })
}

fn ip(bytes: &[u8]) -> String {
    ip_from(bytes).unwrap().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

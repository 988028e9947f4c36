//! Entry points for fuzzing: whatever bytes come, nothing panics and memory stays bounded.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_runtime::{Budget, Chance};
use gauntlet_telemetry::Registry;

use crate::codec::{Message, StreamDecoder, StreamMessage, part};
use crate::machine::{Machine, MachineConfig};

/// A packet: read, and what was read is written and read again to the same; then a node of a small cluster lives with it.
pub fn packet(data: &[u8]) {
    for message in crate::codec::packet::open(data, "").messages {
        let again = Message::decode(&message.encode());
        assert_eq!(again.as_ref(), Ok(&message), "BUG: not the same after a round");
    }
    let mut machine = node();
    let now = Duration::from_secs(1);
    machine.on_packet(now, address(9), data);
    for second in 1..20 {
        machine.advance(now + Duration::from_secs(second));
    }
    for action in machine.take_actions() {
        if let crate::machine::Action::Merge(merge) = action {
            merge.apply();
        }
    }
}

/// A stream, fed in two halves and byte by byte: the same comes of both, and a node lives with it.
pub fn stream(data: &[u8]) {
    let whole = read(data.chunks(data.len().div_ceil(2).max(1)));
    if data.len() < 4096 {
        assert_eq!(whole, read(data.chunks(1)), "BUG: the end depends on how bytes come");
    }
    let Some(message) = whole else { return };
    let again = read([message.encode("").as_slice()].into_iter());
    assert_eq!(again.as_ref(), Some(&message), "BUG: not the same after a round");
    let mut machine = node();
    let now = Duration::from_secs(1);
    let _ = machine.on_stream(now, address(9), message);
    machine.advance(now + Duration::from_secs(30));
    for action in machine.take_actions() {
        if let crate::machine::Action::Merge(merge) = action {
            merge.apply();
        }
    }
}

/// The user state of an exchange.
pub fn full_state(data: &[u8]) {
    let _ = part::read_full_state(Bytes::copy_from_slice(data));
}

fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Option<StreamMessage> {
    let budget = Budget::new(1 << 30);
    let mut decoder = StreamDecoder::inbound("", &budget).ok()?;
    for chunk in chunks {
        match decoder.feed(chunk) {
            Ok(None) => {}
            Ok(message) => return message,
            Err(_) => return None,
        }
    }
    None
}

fn node() -> Machine {
    let config = MachineConfig::new("fuzz", address(1));
    Machine::new(config, &Registry::new(), Chance::seeded(1), Duration::ZERO)
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// Recorded bytes, and each of them damaged in a few ways.
    fn seeds(transport: &str) -> Vec<Vec<u8>> {
        let Some(dir) = gauntlet_testkit::conformance_dir() else { return Vec::new() };
        let text = std::fs::read_to_string(dir.join("golden/memberlist.json")).unwrap();
        let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
        let items = golden["packets"].as_array().unwrap();
        let mut chance = Chance::seeded(11);
        let mut seeds = Vec::new();
        for item in items.iter().filter(|item| item["transport"] == transport).step_by(3) {
            let bytes = STANDARD.decode(item["base64"].as_str().unwrap()).unwrap();
            for _ in 0..3 {
                let mut damaged = bytes.clone();
                for _ in 0..=chance.below(3) {
                    let place = chance.index(damaged.len());
                    damaged[place] ^= 1 << chance.below(8);
                }
                seeds.push(damaged);
            }
            seeds.push(bytes[..chance.index(bytes.len())].to_vec());
            seeds.push(bytes);
        }
        seeds
    }

    #[test]
    fn damaged_packets_do_no_harm() {
        seeds("udp").iter().for_each(|seed| packet(seed));
    }

    #[test]
    fn damaged_streams_do_no_harm() {
        let seeds = seeds("tcp");
        for seed in &seeds {
            stream(seed);
            full_state(seed);
            // What is inside a compressed stream is reached by damage only when it is packed anew.
            if let Ok(plain) =
                crate::codec::packet::inflate(seed.get(1..).unwrap_or_default(), 1 << 20)
            {
                stream(&plain);
                for place in (0..plain.len()).step_by(31) {
                    let mut damaged = plain.clone();
                    damaged[place] = damaged[place].wrapping_add(0x40);
                    stream(&damaged);
                }
            }
        }
    }
}

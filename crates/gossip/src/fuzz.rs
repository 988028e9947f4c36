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

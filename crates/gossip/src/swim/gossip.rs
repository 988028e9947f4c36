//! Sending packets: broadcasts carried along with other messages, and the gossip ticks that carry nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use super::rules::DEAD_LINGER;
use super::table::NodeStatus;
use super::{Note, Outgoing, PACKET_BUDGET, Swim};
use crate::codec::message::kind;
use crate::codec::packet::{self, COMPOUND_OVERHEAD};

/// What a user message costs in a compound beside its own bytes: its length and its type.
const USER_OVERHEAD: usize = COMPOUND_OVERHEAD + 1;

impl Swim {
    /// Sends a message and what broadcasts still fit the packet.
    pub(super) fn send_with_broadcasts(&mut self, to: SocketAddr, message: Vec<u8>) {
        let room = self.packet_room().saturating_sub(message.len());
        let mut messages = vec![message];
        messages.extend(self.fill(room));
        self.send_packet(to, &messages, false);
    }

    /// Sends messages as one packet, or more where a compound cannot take them all.
    pub(super) fn send_packet(&mut self, to: SocketAddr, messages: &[Vec<u8>], checksum: bool) {
        for data in packet::seal(messages, &self.config.label, checksum) {
            self.sends.push(Outgoing::Packet { to, data });
        }
    }

    /// One tick: a few random nodes get what there is to tell.
    pub(super) fn gossip(&mut self, now: Duration) {
        if self.queue.len() == 0 && self.user_queue.len() == 0 {
            return;
        }
        let own = self.config.name.clone();
        let targets = self.table.pick(self.config.fan_out as usize, &mut self.chance, |record| {
            record.name != own
                && match record.status {
                    NodeStatus::Alive | NodeStatus::Suspect => true,
                    NodeStatus::Dead => now.saturating_sub(record.changed_at) <= DEAD_LINGER,
                    NodeStatus::Left => false,
                }
        });
        for target in targets {
            let messages = self.fill(self.packet_room());
            if messages.is_empty() {
                return;
            }
            let checksum = target.versions.protocol_max() >= 5;
            self.send_packet(target.address(), &messages, checksum);
        }
    }

    fn packet_room(&self) -> usize {
        PACKET_BUDGET - COMPOUND_OVERHEAD - packet::label_overhead(&self.config.label)
    }

    /// Broadcasts for `room` bytes: membership first, then messages of the layer above.
    pub(super) fn fill(&mut self, room: usize) -> Vec<Vec<u8>> {
        let taken = self.queue.take(COMPOUND_OVERHEAD, room, self.table.len());
        if taken.finished {
            self.notes.push(Note::LeaveTold);
        }
        let mut messages: Vec<_> = taken.messages.iter().map(|message| message.to_vec()).collect();
        let left = room.saturating_sub(taken.used);
        if left > USER_OVERHEAD && self.user_queue.len() > 0 {
            let members = self.table.members().count();
            for message in self.user_queue.take(USER_OVERHEAD, left, members).messages {
                self.metrics.sent.update.inc();
                self.metrics.sent.update_bytes.add(message.len() as u64);
                let mut prefixed = Vec::with_capacity(1 + message.len());
                prefixed.push(kind::USER);
                prefixed.extend_from_slice(&message);
                messages.push(prefixed);
            }
        }
        messages
    }
}

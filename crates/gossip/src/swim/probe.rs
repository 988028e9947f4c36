//! Probing: one node at a time is pinged, then pinged through others and over a stream, then suspected. And the answering side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::rules::DEAD_LINGER;
use super::table::{NodeStatus, Record, ip_bytes, ip_from};
use super::{Note, Purpose, Swim};
use crate::codec::{Ack, IndirectPing, Message, Ping, StreamMessage, Verdict};

/// Nodes asked to ping in our place.
const INDIRECT_CHECKS: usize = 3;
/// Most pings under way for others; further requests are ignored.
const MAX_RELAYS: usize = 1024;
/// Protocol versions from which a node sends nacks, and answers pings on streams.
const NACKS_FROM: u8 = 4;
const STREAM_PINGS_FROM: u8 = 3;

/// A probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    seq: u32,
    target: Record,
    started: Duration,
    /// When others are asked.
    indirect_at: Duration,
    /// When the target is suspected.
    ends_at: Duration,
    asked_others: bool,
    nacks_wanted: i32,
    nacks: i32,
    stream_answered: bool,
}

impl Probe {
    pub(super) fn deadline(&self) -> Duration {
        if self.asked_others { self.ends_at } else { self.indirect_at }
    }
}

/// A ping made for another node, by our sequence number.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) deadline: Duration,
    requester: SocketAddr,
    seq: u32,
    nack: bool,
}

impl Swim {
    /// Probes the next node of the round; at its end the table is tidied and shuffled.
    pub(super) fn start_probe(&mut self, now: Duration) {
        for _ in 0..=self.table.len() {
            if self.probe_place >= self.table.len() {
                self.probe_place = 0;
                let since = now.saturating_sub(DEAD_LINGER);
                for name in self.table.reap(since, &mut self.chance) {
                    self.notes.push(Note::Forgotten(name));
                }
            }
            let Some(record) = self.table.at(self.probe_place) else { return };
            let skip = record.name == self.config.name || !record.is_member();
            let target = (!skip).then(|| record.clone());
            self.probe_place += 1;
            if let Some(target) = target {
                self.probe_node(now, target);
                return;
            }
        }
    }

    fn probe_node(&mut self, now: Duration, target: Record) {
        let span = self.config.probe_interval * (self.health + 1);
        let seq = self.next_seq();
        let ping = Message::Ping(self.own_ping(seq, target.name.to_string())).encode();
        let to = target.address();
        if target.status == NodeStatus::Alive {
            self.send_with_broadcasts(to, ping);
        } else {
            let suspect = Message::Suspect(self.suspicion_of(&target)).encode();
            let checksum = target.versions.protocol_max() >= 5;
            self.send_packet(to, &[ping, suspect], checksum);
        }
        self.probe = Some(Probe {
            seq,
            target,
            started: now,
            indirect_at: now + self.config.probe_timeout.min(span),
            ends_at: now + span,
            asked_others: false,
            nacks_wanted: 0,
            nacks: 0,
            stream_answered: false,
        });
    }

    pub(super) fn advance_probe(&mut self, now: Duration) {
        if let Some(probe) = &self.probe
            && !probe.asked_others
            && probe.indirect_at <= now
        {
            self.ask_others();
        }
        let Some(probe) = self.probe.take_if(|probe| probe.asked_others && probe.ends_at <= now)
        else {
            return;
        };
        let name = &probe.target.name;
        if probe.stream_answered {
            tracing::warn!(peer = %name, "peer answers on streams but not to packets");
            self.change_health(-1);
            return;
        }
        let missed = if probe.nacks_wanted > 0 { probe.nacks_wanted - probe.nacks } else { 1 };
        self.change_health(missed.max(0));
        tracing::info!(peer = %name, "no answer to a probe; suspected");
        let verdict = self.suspicion_of(&probe.target);
        self.on_suspect(now, &verdict);
    }

    /// The second step: others ping in our place, and a stream tries whether only packets are lost.
    fn ask_others(&mut self) {
        let Some(mut probe) = self.probe.take() else { return };
        probe.asked_others = true;
        let own = Arc::clone(&self.config.name);
        let helpers = self.table.pick(INDIRECT_CHECKS, &mut self.chance, |record| {
            record.status == NodeStatus::Alive
                && record.name != own
                && record.name != probe.target.name
        });
        for helper in helpers {
            let nack = helper.versions.protocol_max() >= NACKS_FROM;
            probe.nacks_wanted += i32::from(nack);
            let ask = IndirectPing {
                nack,
                node: probe.target.name.to_string(),
                port: probe.target.port,
                seq: probe.seq,
                source_addr: ip_bytes(self.config.advertise.ip()),
                source_node: own.to_string(),
                source_port: self.config.advertise.port(),
                target: ip_bytes(probe.target.ip),
            };
            let message = Message::IndirectPing(ask).encode();
            self.send_with_broadcasts(helper.address(), message);
        }
        if probe.target.versions.protocol_max() >= STREAM_PINGS_FROM {
            let ping = self.own_ping(probe.seq, probe.target.name.to_string());
            let data = StreamMessage::Ping(ping).encode(&self.config.label);
            let timeout = probe.ends_at.saturating_sub(probe.indirect_at);
            let purpose = Purpose::Ping { seq: probe.seq };
            self.open_stream(probe.target.address(), data, true, timeout, purpose);
        }
        self.probe = Some(probe);
    }

    /// A packet could not be sent: a probe of that address need not wait for an answer.
    pub(crate) fn on_packet_failed(&mut self, to: SocketAddr) {
        if self.probe.as_ref().is_some_and(|p| !p.asked_others && p.target.address() == to) {
            self.ask_others();
        }
    }

    pub(super) fn on_ack(&mut self, now: Duration, seq: u32) {
        if let Some(probe) = self.probe.take_if(|probe| probe.seq == seq) {
            self.change_health(-1);
            if !probe.asked_others {
                let took = now.saturating_sub(probe.started);
                self.metrics.pings.with(&[&probe.target.name]).observe(took.as_secs_f64());
            }
            return;
        }
        if let Some(relay) = self.relays.remove(&seq) {
            let ack = Message::Ack(Ack { payload: None, seq: relay.seq }).encode();
            self.send_with_broadcasts(relay.requester, ack);
        }
    }

    pub(super) fn on_nack(&mut self, seq: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
            probe.nacks += 1;
        }
    }

    pub(super) fn on_stream_ack(&mut self, seq: u32, answered: bool) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
            probe.stream_answered |= answered;
        }
    }

    pub(super) fn on_ping(&mut self, from: SocketAddr, ping: &Ping) {
        if !ping.node.is_empty() && !self.is_self(&ping.node) {
            tracing::debug!(%from, node = %ping.node, "ping for another name");
            return;
        }
        let to = answer_address(from, &ping.source_addr, ping.source_port);
        let ack = Message::Ack(Ack { payload: Some(Vec::new()), seq: ping.seq }).encode();
        self.send_with_broadcasts(to, ack);
    }

    pub(super) fn on_stream_ping(&mut self, from: SocketAddr, ping: &Ping) -> Option<Vec<u8>> {
        if !ping.node.is_empty() && !self.is_self(&ping.node) {
            tracing::debug!(%from, node = %ping.node, "ping for another name");
            return None;
        }
        Some(StreamMessage::Ack(Ack { payload: None, seq: ping.seq }).encode(""))
    }

    pub(super) fn on_indirect_ping(&mut self, now: Duration, from: SocketAddr, ask: &IndirectPing) {
        let Some(ip) = ip_from(&ask.target) else { return };
        if self.relays.len() >= MAX_RELAYS {
            return;
        }
        let port = if ask.port == 0 { self.config.bind_port } else { ask.port };
        let seq = self.next_seq();
        let relay = Relay {
            deadline: now + self.config.probe_timeout,
            requester: answer_address(from, &ask.source_addr, ask.source_port),
            seq: ask.seq,
            nack: ask.nack,
        };
        self.relays.insert(seq, relay);
        let ping = Message::Ping(self.own_ping(seq, ask.node.clone())).encode();
        self.send_with_broadcasts(SocketAddr::new(ip.to_canonical(), port), ping);
    }

    /// Pings for others that got no answer.
    pub(super) fn expire_relays(&mut self, now: Duration) {
        let due: Vec<u32> = self
            .relays
            .iter()
            .filter(|(_, relay)| relay.deadline <= now)
            .map(|(seq, _)| *seq)
            .collect();
        for seq in due {
            if let Some(relay) = self.relays.remove(&seq).filter(|relay| relay.nack) {
                self.send_with_broadcasts(relay.requester, Message::Nack(relay.seq).encode());
            }
        }
    }

    fn own_ping(&self, seq: u32, node: String) -> Ping {
        Ping {
            node,
            seq,
            source_addr: ip_bytes(self.config.advertise.ip()),
            source_node: self.config.name.to_string(),
            source_port: self.config.advertise.port(),
        }
    }

    fn suspicion_of(&self, target: &Record) -> Verdict {
        Verdict {
            from: self.config.name.to_string(),
            incarnation: target.incarnation,
            node: target.name.to_string(),
        }
    }
}

/// Where to answer to: the address a message names, else where it came from.
fn answer_address(from: SocketAddr, addr: &[u8], port: u16) -> SocketAddr {
    match ip_from(addr) {
        Some(ip) if port != 0 => SocketAddr::new(ip.to_canonical(), port),
        _ => from,
    }
}

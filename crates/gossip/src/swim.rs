//! Membership: the memberlist state machine. No I/O: packets, streams and the time go in, packets and streams to send come out.
//!
//! SWIM with Lifeguard: probes, suspicion, incarnations, broadcasts carried along, whole tables exchanged now and then. The
//! layer above gets [`Note`]s of what happened. Times are of a clock that never falls. Page: docs/formats/gossip.md.

pub(crate) mod exchange;
pub(crate) mod gossip;
pub(crate) mod probe;
pub(crate) mod queue;
pub(crate) mod rules;
pub(crate) mod suspicion;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_runtime::Chance;

use crate::codec::{Message, StreamMessage, packet};
use crate::metrics::Metrics;
use probe::{Probe, Relay};
use queue::Queue;
use suspicion::Suspicion;
use table::{Record, Table};

/// Bytes that a packet's messages may take, label included.
pub(crate) const PACKET_BUDGET: usize = 1400;
/// Transmits of a membership broadcast per decade of nodes.
const RETRANSMIT: u32 = 4;
/// Most user messages that wait for being gossiped; the peer has no bound between its prunings.
const MAX_USER_QUEUE: usize = 16_384;

/// Ties a stream's result to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What membership needs to know.
#[derive(Clone, Debug)]
pub(crate) struct SwimConfig {
    pub(crate) name: Arc<str>,
    pub(crate) label: String,
    pub(crate) advertise: SocketAddr,
    /// Stands for port 0 in what others say.
    pub(crate) bind_port: u16,
    pub(crate) probe_interval: Duration,
    pub(crate) probe_timeout: Duration,
    pub(crate) gossip_interval: Duration,
    pub(crate) push_pull_interval: Duration,
    pub(crate) stream_timeout: Duration,
    /// Targets of a gossip tick, and transmits of a user message per decade of members.
    pub(crate) fan_out: u32,
}

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Packet {
        to: SocketAddr,
        data: Vec<u8>,
    },
    /// Dial, write, and read one message if one is expected; all within the timeout.
    Stream {
        id: StreamId,
        to: SocketAddr,
        data: Vec<u8>,
        answered: bool,
        timeout: Duration,
    },
}

/// What the layer above hears.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Joined(Record),
    Left(Record),
    Updated(Record),
    Forgotten(Arc<str>),
    User(Bytes),
    UserState(Bytes),
    /// Of a push/pull begun with a token.
    Exchanged {
        token: u64,
        error: Option<String>,
    },
    /// Of a user message sent on a stream.
    Delivered {
        token: u64,
        error: Option<String>,
    },
    /// The own leave was told as often as it is told.
    LeaveTold,
}

/// State of the layer above, for a push/pull.
pub(crate) trait LocalState: Send {
    fn local_state(&self) -> Bytes;
}

/// What a stream of ours is for.
#[derive(Debug)]
enum Purpose {
    Exchange { token: Option<u64> },
    Ping { seq: u32 },
    User { token: u64 },
}

pub(crate) struct Swim {
    config: SwimConfig,
    chance: Chance,
    metrics: Arc<Metrics>,
    local_state: Box<dyn LocalState>,
    table: Table,
    incarnation: u32,
    seq: u32,
    /// 0 is best, 7 worst: how often we missed what others should have seen.
    health: u32,
    leaving: bool,
    suspicions: BTreeMap<Arc<str>, Suspicion>,
    queue: Queue,
    user_queue: Queue,
    probe: Option<Probe>,
    probe_place: usize,
    /// A tick of probing came while a probe ran.
    probe_due: bool,
    relays: BTreeMap<u32, Relay>,
    streams: BTreeMap<StreamId, Purpose>,
    next_stream: u64,
    next_probe: Duration,
    next_gossip: Duration,
    next_push_pull: Duration,
    sends: Vec<Outgoing>,
    notes: Vec<Note>,
}

impl std::fmt::Debug for Swim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swim").field("name", &self.config.name).finish_non_exhaustive()
    }
}

impl Swim {
    /// A node that knows itself alone, at `now`.
    pub(crate) fn new(
        config: SwimConfig,
        chance: Chance,
        metrics: Arc<Metrics>,
        local_state: Box<dyn LocalState>,
        now: Duration,
    ) -> Self {
        let mut swim = Self {
            next_probe: now + config.probe_interval,
            next_gossip: now + config.gossip_interval,
            next_push_pull: Duration::MAX,
            queue: Queue::new(RETRANSMIT, 2 * table::MAX_NODES),
            user_queue: Queue::new(config.fan_out, MAX_USER_QUEUE),
            config,
            chance,
            metrics,
            local_state,
            table: Table::default(),
            incarnation: 0,
            seq: 0,
            health: 0,
            leaving: false,
            suspicions: BTreeMap::new(),
            probe: None,
            probe_place: 0,
            probe_due: false,
            relays: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_stream: 0,
            sends: Vec::new(),
            notes: Vec::new(),
        };
        swim.begin(now);
        let interval = swim.config.push_pull_interval;
        if !interval.is_zero() {
            let stagger = interval.mul_f64(swim.chance.below(1 << 32) as f64 / (1u64 << 32) as f64);
            swim.next_push_pull = now + stagger + swim.push_pull_pause();
        }
        swim
    }

    /// A packet came.
    pub(crate) fn on_packet(&mut self, now: Duration, from: SocketAddr, data: &[u8]) {
        let opened = packet::open(data, &self.config.label);
        if let Some(err) = opened.error {
            self.metrics.refused_packets.inc();
            tracing::debug!(%from, %err, "dropped a packet or a part of it");
        }
        for message in opened.messages {
            match message {
                Message::Ping(ping) => self.on_ping(from, &ping),
                Message::IndirectPing(ping) => self.on_indirect_ping(now, from, &ping),
                Message::Ack(ack) => self.on_ack(now, ack.seq),
                Message::Nack(seq) => self.on_nack(seq),
                Message::Alive(alive) => self.on_alive(now, &alive),
                Message::Suspect(verdict) => self.on_suspect(now, &verdict),
                Message::Dead(verdict) => self.on_dead(now, &verdict),
                Message::User(data) => self.notes.push(Note::User(Bytes::from(data))),
            }
        }
    }

    /// A stream that another node opened said this. Gives the answer to write, if there is one.
    pub(crate) fn on_stream(
        &mut self,
        now: Duration,
        from: SocketAddr,
        message: StreamMessage,
    ) -> Option<Vec<u8>> {
        match message {
            StreamMessage::Ping(ping) => self.on_stream_ping(from, &ping),
            StreamMessage::User(data) => {
                self.notes.push(Note::User(data));
                None
            }
            StreamMessage::PushPull(theirs) => Some(self.on_push_pull(now, from, theirs)),
            StreamMessage::Ack(_) | StreamMessage::Error(_) => {
                tracing::debug!(%from, "unexpected message on a stream");
                None
            }
        }
    }

    /// A stream of ours ended: with an answer, with none where none was due, or in an error.
    pub(crate) fn on_stream_end(
        &mut self,
        now: Duration,
        id: StreamId,
        result: Result<Option<StreamMessage>, String>,
    ) {
        match self.streams.remove(&id) {
            Some(Purpose::Exchange { token }) => self.on_exchange_end(now, token, result),
            Some(Purpose::Ping { seq }) => {
                let answered = matches!(
                    result,
                    Ok(Some(StreamMessage::Ack(ack))) if ack.seq == seq
                );
                self.on_stream_ack(seq, answered);
            }
            Some(Purpose::User { token }) => {
                self.notes.push(Note::Delivered { token, error: result.err() });
            }
            None => {}
        }
    }

    /// When [`Self::advance`] is next worth calling.
    pub(crate) fn deadline(&self) -> Duration {
        let mut next = self.next_gossip.min(self.next_push_pull).min(self.next_probe);
        if let Some(probe) = &self.probe {
            next = next.min(probe.deadline());
        }
        for suspicion in self.suspicions.values() {
            next = next.min(suspicion.deadline);
        }
        for relay in self.relays.values() {
            next = next.min(relay.deadline);
        }
        next
    }

    /// Does all that is due at `now`.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.expire_suspicions(now);
        self.expire_relays(now);
        self.advance_probe(now);
        if self.next_probe <= now {
            self.next_probe = next_tick(self.next_probe, self.config.probe_interval, now);
            self.probe_due = true;
        }
        if self.probe_due && self.probe.is_none() && !self.leaving {
            self.probe_due = false;
            self.start_probe(now);
        }
        if self.next_gossip <= now {
            self.next_gossip = next_tick(self.next_gossip, self.config.gossip_interval, now);
            self.gossip(now);
        }
        if self.next_push_pull <= now {
            self.next_push_pull = now + self.push_pull_pause();
            self.push_pull_random();
        }
    }

    pub(crate) fn take_sends(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.sends)
    }

    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    pub(crate) fn health(&self) -> u32 {
        self.health
    }

    /// Alive and suspect nodes, this one included.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Record> {
        self.table.members()
    }

    /// Queues a message of the layer above for gossip; says how many were dropped for want of room.
    pub(crate) fn queue_user(&mut self, data: Bytes) -> usize {
        self.user_queue.push(None, data, false).1
    }

    pub(crate) fn queued_user(&self) -> usize {
        self.user_queue.len()
    }

    pub(crate) fn prune_user(&mut self, keep: usize) -> usize {
        self.user_queue.prune(keep)
    }

    /// Sends a message of the layer above on a stream of its own.
    pub(crate) fn send_user(&mut self, to: SocketAddr, data: Bytes, token: u64) {
        let bytes = StreamMessage::User(data).encode(&self.config.label);
        let timeout = self.config.stream_timeout;
        self.open_stream(to, bytes, false, timeout, Purpose::User { token });
    }

    fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    fn open_stream(
        &mut self,
        to: SocketAddr,
        data: Vec<u8>,
        answered: bool,
        timeout: Duration,
        purpose: Purpose,
    ) {
        self.next_stream += 1;
        let id = StreamId(self.next_stream);
        self.streams.insert(id, purpose);
        self.sends.push(Outgoing::Stream { id, to, data, answered, timeout });
    }

    /// The name, where it is this node's.
    fn is_self(&self, name: &str) -> bool {
        *self.config.name == *name
    }
}

/// The next tick of a ticker after `now`; ticks that were missed are dropped.
fn next_tick(due: Duration, interval: Duration, now: Duration) -> Duration {
    let interval = interval.max(Duration::from_millis(1));
    let missed = (now - due).as_nanos() / interval.as_nanos();
    due + interval * (u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1)
}

#[cfg(test)]
mod tests;

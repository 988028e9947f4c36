//! Many nodes over a network in virtual time: loss, delay, partitions, crashes and restarts, all replayed by one seed.
//!
//! For tests of this crate and of what is built on it. A node is a [`Machine`] with its states; time jumps from event to event.
//! Events at one moment happen in the order they were caused. States are merged at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::{Budget, Chance};
use gauntlet_telemetry::Registry;

use crate::codec::{StreamDecoder, StreamMessage};
use crate::machine::{Action, Channel, Machine, MachineConfig, State, View};
use crate::swim::StreamId;

/// How the network treats packets and streams. Streams are not lost; across a partition they fail.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Packets lost of a thousand.
    pub loss_per_mille: u32,
    /// Packets that arrive twice, of a thousand.
    pub duplicated_per_mille: u32,
    pub min_delay: Duration,
    pub max_delay: Duration,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            loss_per_mille: 0,
            duplicated_per_mille: 0,
            min_delay: Duration::from_micros(200),
            max_delay: Duration::from_millis(2),
        }
    }
}

/// A network and its nodes. A node is named by its address.
#[derive(Debug)]
pub struct Network {
    now: Duration,
    chance: Chance,
    conditions: Conditions,
    nodes: BTreeMap<SocketAddr, Node>,
    /// Addresses whose group differs cannot reach each other; those without an entry are of group 0.
    groups: BTreeMap<SocketAddr, u32>,
    events: BinaryHeap<Reverse<Queued>>,
    /// What came for frozen nodes.
    held: Vec<Queued>,
    next_id: u64,
    /// Packets and streams sent so far.
    pub sent: u64,
}

#[derive(Debug)]
struct Node {
    machine: Machine,
    label: String,
    /// Stands still: takes nothing in and sees no time pass.
    frozen: bool,
    /// Tells the node from one that was at its address before.
    life: u64,
    peers: Vec<SocketAddr>,
}

#[derive(Debug, PartialEq, Eq)]
struct Queued {
    at: Duration,
    id: u64,
    to: SocketAddr,
    what: Event,
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.id).cmp(&(other.at, other.id))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Packet {
        from: SocketAddr,
        data: Vec<u8>,
    },
    Stream {
        from: SocketAddr,
        life: u64,
        id: StreamId,
        data: Vec<u8>,
        answered: bool,
        deadline: Duration,
    },
    StreamEnd {
        life: u64,
        id: StreamId,
        result: Result<Option<StreamMessage>, String>,
    },
}

impl Network {
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            now: Duration::ZERO,
            chance: Chance::seeded(seed),
            conditions,
            nodes: BTreeMap::new(),
            groups: BTreeMap::new(),
            events: BinaryHeap::new(),
            held: Vec::new(),
            next_id: 0,
            sent: 0,
        }
    }

    pub fn now(&self) -> Duration {
        self.now
    }

    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Starts a node with its states; gives their channels in the same order. Call [`Self::join`] next. A node that ran at the
    /// same address is gone without a word.
    pub fn start(
        &mut self,
        config: MachineConfig,
        states: Vec<(&str, Arc<dyn State>)>,
    ) -> Vec<Channel> {
        let address = config.advertise;
        let label = config.label.clone();
        let chance = Chance::seeded(self.chance.next_u64());
        let machine = Machine::new(config, &Registry::new(), chance, self.now);
        let channels =
            states.into_iter().map(|(key, state)| machine.add_state(key, state)).collect();
        self.next_id += 1;
        let node = Node { machine, label, frozen: false, life: self.next_id, peers: Vec::new() };
        self.nodes.insert(address, node);
        channels
    }

    /// Lets a node join `peers`, and settle.
    pub fn join(&mut self, node: SocketAddr, peers: &[SocketAddr], settle_timeout: Duration) {
        let now = self.now;
        if let Some(found) = self.nodes.get_mut(&node) {
            found.peers = peers.to_vec();
            found.machine.join(now, peers.to_vec());
            found.machine.settle(now, settle_timeout);
        }
        self.act(node);
    }

    /// Ends a node without a word to the others.
    pub fn crash(&mut self, node: SocketAddr) {
        self.nodes.remove(&node);
    }

    /// Lets a node say that it leaves; end it with [`Self::crash`] a little later.
    pub fn leave(&mut self, node: SocketAddr) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&node) {
            node.machine.leave(now);
        }
        self.act(node);
    }

    /// Lets a node stand still, as a paused process does: what is sent to it waits.
    pub fn freeze(&mut self, node: SocketAddr) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.frozen = true;
        }
    }

    /// Lets a frozen node go on.
    pub fn thaw(&mut self, node: SocketAddr) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.frozen = false;
        }
        let (waiting, rest) = self.held.drain(..).partition(|queued| queued.to == node);
        self.held = rest;
        let waiting: Vec<Queued> = waiting;
        self.events
            .extend(waiting.into_iter().map(|queued| Reverse(Queued { at: self.now, ..queued })));
    }

    /// Cuts `apart` off from all others; packets and streams under way still arrive.
    pub fn partition(&mut self, apart: &[SocketAddr]) {
        self.groups = apart.iter().map(|address| (*address, 1)).collect();
    }

    /// Ends all partitions.
    pub fn heal(&mut self) {
        self.groups.clear();
    }

    /// What the cluster looks like from a node; `None` where none runs.
    pub fn view(&self, node: SocketAddr) -> Option<Arc<View>> {
        self.nodes.get(&node).map(|node| node.machine.view())
    }

    /// Whether all running nodes see exactly all running nodes.
    pub fn is_whole(&self) -> bool {
        let running: BTreeSet<SocketAddr> = self.nodes.keys().copied().collect();
        self.nodes.values().all(|node| {
            let seen = node.machine.view().members();
            seen.len() == running.len() && seen.iter().all(|m| running.contains(&m.address))
        })
    }

    /// Runs everything up to `until`, that moment included.
    pub fn run_until(&mut self, until: Duration) {
        while let Some(at) = self.next_moment().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Runs for `span`.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Runs until `done` holds, looked at after each moment; `false` if it does not within `span`.
    pub fn run_until_true(&mut self, span: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + span;
        while !done(self) {
            match self.next_moment().filter(|at| *at <= until) {
                Some(at) => self.now = self.now.max(at),
                None => return false,
            }
            self.step();
        }
        true
    }

    /// When something happens next.
    pub fn next_moment(&self) -> Option<Duration> {
        let awake = self.nodes.values().filter(|node| !node.frozen);
        let timers = awake.map(|node| node.machine.deadline());
        timers.chain(self.events.peek().map(|Reverse(queued)| queued.at)).min()
    }

    /// All that happens at the present moment.
    fn step(&mut self) {
        while let Some(Reverse(queued)) = self.events.peek()
            && queued.at <= self.now
        {
            let Some(Reverse(queued)) = self.events.pop() else { break };
            self.deliver(queued);
        }
        let due: Vec<SocketAddr> = self
            .nodes
            .iter()
            .filter(|(_, node)| !node.frozen && node.machine.deadline() <= self.now)
            .map(|(address, _)| *address)
            .collect();
        for address in due {
            let now = self.now;
            if let Some(node) = self.nodes.get_mut(&address) {
                node.machine.advance(now);
            }
            self.act(address);
        }
    }

    fn deliver(&mut self, queued: Queued) {
        let (now, to) = (self.now, queued.to);
        if self.nodes.get(&to).is_some_and(|node| node.frozen) {
            if let Event::Stream { from, life, id, deadline, .. } = &queued.what {
                // Who dialled does not wait for ever; the stream is read all the same.
                let result = Err("timed out".to_owned());
                let what = Event::StreamEnd { life: *life, id: *id, result };
                self.queue(deadline.saturating_sub(now), *from, what);
            }
            self.held.push(queued);
            return;
        }
        match queued.what {
            Event::Packet { from, data } => {
                if let Some(node) = self.nodes.get_mut(&to) {
                    node.machine.on_packet(now, from, &data);
                }
            }
            Event::StreamEnd { life, id, result } => {
                if let Some(node) = self.nodes.get_mut(&to).filter(|node| node.life == life) {
                    node.machine.on_stream_end(now, id, result);
                }
            }
            Event::Stream { from, life, id, data, answered, .. } => {
                let result = self.serve(from, to, &data, answered);
                let what = Event::StreamEnd { life, id, result };
                self.queue_delayed(from, what);
            }
        }
        self.act(to);
    }

    /// A stream arrives: what its dialler gets.
    fn serve(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        data: &[u8],
        answered: bool,
    ) -> Result<Option<StreamMessage>, String> {
        let now = self.now;
        let node = self.nodes.get_mut(&to).ok_or("connection refused")?;
        let message = decode(StreamDecoder::inbound(&node.label, &Budget::unlimited()), data)?;
        let answer = node.machine.on_stream(now, from, message);
        match answer {
            Some(answer) if answered => decode(Ok(StreamDecoder::answer()), &answer).map(Some),
            None if answered => Err("the peer closed the stream".to_owned()),
            _ => Ok(None),
        }
    }

    /// Does what a node's machine says.
    fn act(&mut self, address: SocketAddr) {
        let Some(node) = self.nodes.get_mut(&address) else { return };
        let (actions, life) = (node.machine.take_actions(), node.life);
        for action in actions {
            match action {
                Action::Packet { to, data } => self.send_packet(address, to, data),
                Action::Stream { id, to, data, answered, timeout } => {
                    self.sent += 1;
                    let reachable = self.reaches(address, to);
                    if reachable {
                        let deadline = self.now + timeout;
                        let what =
                            Event::Stream { from: address, life, id, data, answered, deadline };
                        self.queue_delayed(to, what);
                    } else {
                        let result = Err("timed out".to_owned());
                        self.queue(timeout, address, Event::StreamEnd { life, id, result });
                    }
                }
                Action::Merge(merge) => merge.apply(),
                Action::Resolve => {
                    let now = self.now;
                    if let Some(node) = self.nodes.get_mut(&address) {
                        node.machine.on_resolved(now, node.peers.clone());
                    }
                    self.act(address);
                }
                Action::Joined { .. } | Action::LeaveTold => {}
            }
        }
    }

    fn send_packet(&mut self, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        self.sent += 1;
        let lost = self.chance.below(1000) < u64::from(self.conditions.loss_per_mille);
        if lost || !self.reaches(from, to) {
            return;
        }
        if self.chance.below(1000) < u64::from(self.conditions.duplicated_per_mille) {
            let what = Event::Packet { from, data: data.clone() };
            self.queue_delayed(to, what);
        }
        self.queue_delayed(to, Event::Packet { from, data });
    }

    fn reaches(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let group = |address| self.groups.get(&address).copied().unwrap_or_default();
        group(from) == group(to)
    }

    fn delay(&mut self) -> Duration {
        let Conditions { min_delay, max_delay, .. } = self.conditions;
        let spread = max_delay.saturating_sub(min_delay).as_nanos() as u64;
        min_delay + Duration::from_nanos(self.chance.below(spread + 1))
    }

    fn queue_delayed(&mut self, to: SocketAddr, what: Event) {
        let after = self.delay();
        self.queue(after, to, what);
    }

    fn queue(&mut self, after: Duration, to: SocketAddr, what: Event) {
        self.next_id += 1;
        let at = self.now + after;
        self.events.push(Reverse(Queued { at, id: self.next_id, to, what }));
    }
}

fn decode(
    decoder: Result<StreamDecoder, crate::codec::StreamError>,
    data: &[u8],
) -> Result<StreamMessage, String> {
    let text = |err: crate::codec::StreamError| err.to_string();
    let mut decoder = decoder.map_err(text)?;
    decoder.feed(data).map_err(text)?.ok_or_else(|| "the stream was cut short".to_owned())
}

//! The whole cluster node as a state machine: membership, and Alertmanager's layer on it.
//!
//! No I/O and no clock: [`Machine`] is told what came and what time it is, and says what to send. The driver of
//! [`Cluster`](crate::Cluster) runs it over sockets; [`sim`](crate::sim) runs many in virtual time.

pub(crate) mod channel;
mod failed;
mod join;
mod settle;
pub(crate) mod states;
pub(crate) mod view;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_runtime::Chance;
use gauntlet_telemetry::Registry;

pub use channel::{Channel, MAX_GOSSIPED_BYTES};
pub use join::{JoinId, JoinOutcome};
pub use states::{Merge, State};
pub use view::{Member, View};

use crate::codec::StreamMessage;
use crate::metrics::Metrics;
use crate::swim::{Note, Outgoing, StreamId, Swim, SwimConfig};
use channel::Outbox;
use failed::Peers;
use join::{Join, Why};
use settle::Settle;
use states::States;

/// Gossip messages that are kept at a pruning.
const KEPT_MESSAGES: usize = 4096;
const PRUNE_INTERVAL: Duration = Duration::from_secs(15 * 60);
const SWEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);
const REFRESH_INTERVAL: Duration = Duration::from_secs(15);
/// Least number of gossip targets and of retransmits.
const LEAST_FAN_OUT: usize = 3;

/// Configuration of a node; the defaults are Alertmanager's.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Unique in the cluster.
    pub name: String,
    /// Packets and streams of another label are dropped; empty for none, at most 255 bytes.
    pub label: String,
    /// Where others reach this node.
    pub advertise: SocketAddr,
    /// Where this node listens.
    pub bind: SocketAddr,
    /// How many peers were configured: as in the peer, this (not the number of members) says how far news are spread.
    pub configured_peers: usize,
    pub push_pull_interval: Duration,
    pub gossip_interval: Duration,
    pub stream_timeout: Duration,
    pub probe_timeout: Duration,
    pub probe_interval: Duration,
    /// Zero: failed peers are not joined again.
    pub reconnect_interval: Duration,
    /// Zero: failed peers are never given up.
    pub reconnect_timeout: Duration,
}

impl MachineConfig {
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            label: String::new(),
            advertise: address,
            bind: address,
            configured_peers: 0,
            push_pull_interval: Duration::from_secs(60),
            gossip_interval: Duration::from_millis(200),
            stream_timeout: Duration::from_secs(10),
            probe_timeout: Duration::from_millis(500),
            probe_interval: Duration::from_secs(1),
            reconnect_interval: Duration::from_secs(10),
            reconnect_timeout: Duration::from_secs(6 * 3600),
        }
    }
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Action {
    /// Send a packet; a failure that speaks of the receiver goes to [`Machine::on_packet_failed`].
    Packet { to: SocketAddr, data: Vec<u8> },
    /// Dial, write, and read one message if one is expected, all within the timeout; the end goes to [`Machine::on_stream_end`].
    Stream { id: StreamId, to: SocketAddr, data: Vec<u8>, answered: bool, timeout: Duration },
    /// Merge another node's state, in the order of the actions.
    Merge(Merge),
    /// A join is done. What it brought stands in the actions before.
    Joined { id: JoinId, outcome: JoinOutcome },
    /// Resolve the configured peers again, for [`Machine::on_resolved`].
    Resolve,
    /// The others have been told that this node leaves.
    LeaveTold,
}

/// A cluster node.
#[derive(Debug)]
pub struct Machine {
    config: MachineConfig,
    swim: Swim,
    states: Arc<States>,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    view: Arc<View>,
    peers: Peers,
    settle: Option<Settle>,
    joins: BTreeMap<u64, Join>,
    oversize: BTreeMap<u64, OversizeSend>,
    /// Sends under way per key.
    oversize_busy: BTreeMap<Arc<str>, usize>,
    next_token: u64,
    next_reconnect: Duration,
    next_sweep: Duration,
    next_refresh: Duration,
    next_prune: Duration,
    actions: Vec<Action>,
}

#[derive(Debug)]
struct OversizeSend {
    key: Arc<str>,
    started: Duration,
}

/// What callers hold of a machine that a driver runs.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) states: Arc<States>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) view: Arc<View>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Shared {
    pub(crate) fn add_state(&self, key: &str, state: Arc<dyn State>) -> Channel {
        self.states.add(key, state);
        self.outbox.channel(key)
    }
}

impl Machine {
    /// A node that knows itself alone.
    pub fn new(config: MachineConfig, registry: &Registry, chance: Chance, now: Duration) -> Self {
        let view = Arc::new(View::new(&config.name));
        let metrics = Arc::new(Metrics::new(registry, &config.name, &view));
        let states = States::new(Arc::clone(&metrics));
        let swim_config = SwimConfig {
            name: Arc::from(config.name.as_str()),
            label: config.label.clone(),
            advertise: config.advertise,
            bind_port: config.bind.port(),
            probe_interval: config.probe_interval,
            probe_timeout: config.probe_timeout,
            gossip_interval: config.gossip_interval,
            push_pull_interval: config.push_pull_interval,
            stream_timeout: config.stream_timeout,
            fan_out: (config.configured_peers / 2).max(LEAST_FAN_OUT) as u32,
        };
        let local_state = Box::new(Arc::clone(&states));
        let swim = Swim::new(swim_config, chance, Arc::clone(&metrics), local_state, now);
        let mut machine = Self {
            config,
            swim,
            outbox: Outbox::new(Arc::clone(&metrics)),
            states,
            metrics,
            view,
            peers: Peers::default(),
            settle: None,
            joins: BTreeMap::new(),
            oversize: BTreeMap::new(),
            oversize_busy: BTreeMap::new(),
            next_token: 0,
            next_reconnect: Duration::MAX,
            next_sweep: Duration::MAX,
            next_refresh: Duration::MAX,
            next_prune: now + PRUNE_INTERVAL,
            actions: Vec::new(),
        };
        machine.finish_step(now);
        machine
    }

    /// Takes a piece of state into the exchange. States are to be added before the first join.
    pub fn add_state(&self, key: &str, state: Arc<dyn State>) -> Channel {
        self.shared().add_state(key, state)
    }

    /// Joins addresses, one after the other, and from now on watches over who is missing.
    pub fn join(&mut self, now: Duration, addresses: Vec<SocketAddr>) -> JoinId {
        self.next_token += 1;
        let id = JoinId(self.next_token);
        if self.next_refresh == Duration::MAX {
            self.start_upkeep(now);
        }
        for address in &addresses {
            if *address != self.config.advertise
                && *address != self.config.bind
                && !self.peers.knows(*address)
            {
                self.peers.set_failed(*address, now);
            }
        }
        self.start_join(Why::Asked(id), addresses);
        self.finish_step(now);
        id
    }

    /// Starts to settle: [`View::is_ready`] turns true when the cluster has stood still for a while, or after `timeout`.
    pub fn settle(&mut self, now: Duration, timeout: Duration) {
        let interval = self.config.gossip_interval * 10;
        self.settle = Some(Settle::new(now, interval, timeout));
    }

    /// Tells the others that this node leaves; [`Action::LeaveTold`] follows.
    pub fn leave(&mut self, now: Duration) {
        self.next_reconnect = Duration::MAX;
        self.next_refresh = Duration::MAX;
        self.swim.leave(now);
        self.finish_step(now);
    }

    /// A packet came.
    pub fn on_packet(&mut self, now: Duration, from: SocketAddr, data: &[u8]) {
        self.swim.on_packet(now, from, data);
        self.finish_step(now);
    }

    /// A packet could not be sent to this address.
    pub fn on_packet_failed(&mut self, now: Duration, to: SocketAddr) {
        self.swim.on_packet_failed(to);
        self.finish_step(now);
    }

    /// A stream that another node opened said this. Gives the bytes to answer with, if any.
    pub fn on_stream(
        &mut self,
        now: Duration,
        from: SocketAddr,
        message: StreamMessage,
    ) -> Option<Vec<u8>> {
        let answer = self.swim.on_stream(now, from, message);
        self.finish_step(now);
        answer
    }

    /// A stream asked for by [`Action::Stream`] ended: with the message that was expected, with `None` where none was, or in an
    /// error.
    pub fn on_stream_end(
        &mut self,
        now: Duration,
        id: StreamId,
        result: Result<Option<StreamMessage>, String>,
    ) {
        self.swim.on_stream_end(now, id, result);
        self.finish_step(now);
    }

    /// The configured peers resolve to these addresses now.
    pub fn on_resolved(&mut self, now: Duration, addresses: Vec<SocketAddr>) {
        if self.joins.values().any(|join| join.why == Why::Refresh) {
            return;
        }
        let members = self.view.members();
        let missing = addresses
            .into_iter()
            .filter(|address| !members.iter().any(|member| member.address == *address))
            .collect();
        self.start_join(Why::Refresh, missing);
        self.finish_step(now);
    }

    /// When [`Self::advance`] is to be called next; earlier, if something is broadcast.
    pub fn deadline(&self) -> Duration {
        if self.outbox.is_due(|key| self.is_idle(key)) {
            return Duration::ZERO;
        }
        let settle = self.settle.as_ref().map_or(Duration::MAX, Settle::deadline);
        [self.next_reconnect, self.next_sweep, self.next_refresh, self.next_prune, settle]
            .into_iter()
            .fold(self.swim.deadline(), Duration::min)
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Duration) {
        self.take_outbox(now);
        self.swim.advance(now);
        if self.next_reconnect <= now {
            self.next_reconnect = now + self.config.reconnect_interval;
            if !self.joins.values().any(|join| join.why == Why::Reconnect) {
                self.start_join(Why::Reconnect, self.peers.failed_addresses());
            }
        }
        if self.next_sweep <= now {
            self.next_sweep = now + SWEEP_INTERVAL;
            if let Some(before) = now.checked_sub(self.config.reconnect_timeout) {
                self.peers.sweep(before);
            }
        }
        if self.next_refresh <= now {
            self.next_refresh = now + REFRESH_INTERVAL;
            self.actions.push(Action::Resolve);
        }
        if self.next_prune <= now {
            self.next_prune = now + PRUNE_INTERVAL;
            let pruned = self.swim.prune_user(KEPT_MESSAGES);
            self.metrics.pruned.add(pruned as u64);
        }
        let members = self.view.members().len();
        if self.settle.as_mut().is_some_and(|settle| settle.poll(now, members)) {
            self.settle = None;
            self.view.set_ready();
        }
        self.finish_step(now);
    }

    /// What to do now, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// A picture of the cluster that stays up to date.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    pub(crate) fn shared(&self) -> Shared {
        Shared {
            states: Arc::clone(&self.states),
            outbox: Arc::clone(&self.outbox),
            view: Arc::clone(&self.view),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn start_upkeep(&mut self, now: Duration) {
        self.next_refresh = now + REFRESH_INTERVAL;
        if !self.config.reconnect_interval.is_zero() {
            self.next_reconnect = now + self.config.reconnect_interval;
        }
        if !self.config.reconnect_timeout.is_zero() {
            self.next_sweep = now + SWEEP_INTERVAL;
        }
    }

    fn start_join(&mut self, why: Why, addresses: Vec<SocketAddr>) {
        let Some(join) = Join::new(why, addresses) else {
            if let Why::Asked(id) = why {
                let outcome = JoinOutcome { joined: 0, errors: Vec::new() };
                self.actions.push(Action::Joined { id, outcome });
            }
            return;
        };
        self.next_token += 1;
        self.swim.exchange(join.current, true, Some(self.next_token));
        self.joins.insert(self.next_token, join);
    }

    /// An address of a join was tried: on to the next.
    fn on_exchanged(&mut self, token: u64, error: Option<String>) {
        let Some(mut join) = self.joins.remove(&token) else { return };
        let (done, failed) = match join.why {
            Why::Asked(_) => (None, None),
            Why::Reconnect => {
                (Some(&self.metrics.reconnections), Some(&self.metrics.reconnections_failed))
            }
            Why::Refresh => (Some(&self.metrics.refreshed), Some(&self.metrics.refresh_failed)),
        };
        let address = join.current;
        match error {
            None => {
                tracing::debug!(%address, why = ?join.why, "joined a peer");
                join.outcome.joined += 1;
                done.inspect(|counter| counter.inc());
            }
            Some(err) => {
                tracing::debug!(%address, why = ?join.why, err, "failed to join a peer");
                join.outcome.errors.push(format!("{address}: {err}"));
                failed.inspect(|counter| counter.inc());
            }
        }
        if let Some(next) = join.left.pop_front() {
            join.current = next;
            self.swim.exchange(next, true, Some(token));
            self.joins.insert(token, join);
        } else if let Why::Asked(id) = join.why {
            self.actions.push(Action::Joined { id, outcome: join.outcome });
        }
    }

    fn take_outbox(&mut self, now: Duration) {
        for message in self.outbox.take_small() {
            let dropped = self.swim.queue_user(message);
            self.metrics.pruned.add(dropped as u64);
        }
        let due = self.outbox.take_oversize(|key| self.is_idle(key));
        for (key, message) in due {
            self.send_oversize(now, &key, &message);
        }
    }

    /// To all others at once; the key's next message waits until all of these are done.
    fn send_oversize(&mut self, now: Duration, key: &Arc<str>, message: &Bytes) {
        let targets: Vec<SocketAddr> = self
            .swim
            .members()
            .filter(|member| *member.name != *self.config.name)
            .map(|member| member.address())
            .collect();
        for to in targets {
            self.next_token += 1;
            let send = OversizeSend { key: Arc::clone(key), started: now };
            self.oversize.insert(self.next_token, send);
            *self.oversize_busy.entry(Arc::clone(key)).or_default() += 1;
            self.metrics.oversize_sent.with(&[key]).inc();
            self.swim.send_user(to, message.clone(), self.next_token);
        }
    }

    fn is_idle(&self, key: &str) -> bool {
        self.oversize_busy.get(key).is_none_or(|busy| *busy == 0)
    }

    fn on_delivered(&mut self, now: Duration, token: u64, error: Option<String>) {
        let Some(OversizeSend { key, started }) = self.oversize.remove(&token) else { return };
        if let Some(busy) = self.oversize_busy.get_mut(&key) {
            *busy -= 1;
        }
        match error {
            None => {
                let took = now.saturating_sub(started).as_secs_f64();
                self.metrics.oversize_duration.with(&[&key]).observe(took);
            }
            Some(err) => {
                tracing::debug!(%key, err, "failed to send an oversize message");
                self.metrics.oversize_failed.with(&[&key]).inc();
            }
        }
    }

    /// Acts on what membership noted, and keeps the view up to date.
    fn finish_step(&mut self, now: Duration) {
        let mut changed = false;
        loop {
            let notes = self.swim.take_notes();
            if notes.is_empty() {
                break;
            }
            for note in notes {
                changed |= matches!(note, Note::Joined(_) | Note::Left(_));
                self.on_note(now, note);
            }
        }
        self.actions.extend(self.swim.take_sends().into_iter().map(|out| match out {
            Outgoing::Packet { to, data } => Action::Packet { to, data },
            Outgoing::Stream { id, to, data, answered, timeout } => {
                Action::Stream { id, to, data, answered, timeout }
            }
        }));
        if changed {
            let member = |m: &crate::swim::table::Record| Member {
                name: m.name.to_string(),
                address: m.address(),
            };
            self.view.set_members(self.swim.members().map(member).collect());
        }
        let (health, queued) = (self.swim.health() as usize, self.swim.queued_user());
        self.view.set_numbers(health, self.peers.failed(), queued);
    }

    fn on_note(&mut self, now: Duration, note: Note) {
        match note {
            Note::Joined(record) => {
                self.metrics.joined.inc();
                self.peers.set_alive(record.address());
                tracing::debug!(peer = %record.name, address = %record.address(), "peer joined");
            }
            Note::Left(record) => {
                self.metrics.left.inc();
                // Restarted under another name, a node is still there when its old name dies. (The peer goes on joining it.)
                if !self.swim.members().any(|member| member.address() == record.address()) {
                    self.peers.set_failed(record.address(), now);
                }
                tracing::debug!(peer = %record.name, address = %record.address(), "peer left");
            }
            Note::Updated(record) => {
                self.metrics.updated.inc();
                tracing::debug!(peer = %record.name, "peer updated");
            }
            Note::Forgotten(name) => self.metrics.forget(&name),
            Note::User(data) => {
                self.actions.push(Action::Merge(Merge::new(&self.states, data, false)));
            }
            Note::UserState(data) => {
                self.actions.push(Action::Merge(Merge::new(&self.states, data, true)));
            }
            Note::Exchanged { token, error } => self.on_exchanged(token, error),
            Note::Delivered { token, error } => self.on_delivered(now, token, error),
            Note::LeaveTold => self.actions.push(Action::LeaveTold),
        }
    }
}

#[cfg(test)]
mod tests;

//! A node of the cluster over real sockets: what the rest of the program holds.

mod advertise;
mod options;
mod plain;
mod resolve;
mod runner;
mod tls;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::{Chance, Clock};
use gauntlet_telemetry::Registry;
use tokio::sync::{mpsc, oneshot, watch};

pub use options::ClusterOptions;

use crate::error::GossipError;
use crate::machine::{Channel, Machine, MachineConfig, Member, Shared, State, View};
use runner::{Command, Runner};
use transport::Transport;

/// A node of the cluster. Dropping it closes its sockets without telling the others; see [`Self::leave`].
#[derive(Debug)]
pub struct Cluster {
    shared: Shared,
    commands: mpsc::Sender<Command>,
    ready: watch::Receiver<bool>,
    peers: Vec<std::net::SocketAddr>,
    advertise: std::net::SocketAddr,
}

impl Cluster {
    /// Listens, and resolves the configured peers. Nobody is contacted before [`Self::join`].
    ///
    /// # Errors
    /// When the options are no good, the address is taken, or peers have no usable form.
    pub async fn create(
        options: ClusterOptions,
        registry: &Registry,
        clock: Arc<dyn Clock>,
        mut chance: Chance,
    ) -> Result<Self, GossipError> {
        let checked = options.check()?;
        let resolver = resolve::Resolver::new(&options.peers, checked.advertise)?;
        let peers = resolver.wait(options.resolve_timeout).await;
        let transport = Transport::open(&options, checked.bind, registry).await?;
        let bound = transport.address();
        let advertise = advertise::choose(&options, checked.advertise, bound, &peers)?;
        let name = match &options.name {
            Some(name) => name.clone(),
            None => new_name(clock.now_ms(), &mut chance),
        };
        let config = MachineConfig {
            label: options.label.clone(),
            bind: bound,
            configured_peers: options.peers.len(),
            push_pull_interval: options.push_pull_interval,
            gossip_interval: options.gossip_interval,
            stream_timeout: options.stream_timeout,
            probe_timeout: options.probe_timeout,
            probe_interval: options.probe_interval,
            reconnect_interval: options.reconnect_interval,
            reconnect_timeout: options.reconnect_timeout,
            ..MachineConfig::new(name, advertise)
        };
        let label = options.label.clone();
        let machine = Machine::new(config, registry, chance, clock.monotonic());
        let shared = machine.shared();
        let (commands, ready) =
            Runner::start(machine, transport, clock, label, options.stream_timeout, resolver);
        tracing::info!(name = shared.view.name(), %bound, %advertise, "cluster node listens");
        Ok(Self { shared, commands, ready, peers, advertise })
    }

    /// Takes a piece of state into the exchange; all are to be added before [`Self::join`].
    pub fn add_state(&self, key: &str, state: Arc<dyn State>) -> Channel {
        self.shared.add_state(key, state)
    }

    /// Joins the configured peers and from now on keeps trying those that are missing. Gives the number of peers that answered.
    ///
    /// # Errors
    /// When there are peers and none answered. That is no reason to give up: later tries run by themselves.
    pub async fn join(&self) -> Result<usize, GossipError> {
        let (done, outcome) = oneshot::channel();
        self.send(Command::Join { addresses: self.peers.clone(), done }).await?;
        let outcome = outcome.await.map_err(|_| GossipError::Closed)?;
        if outcome.joined == 0 && !outcome.errors.is_empty() {
            return Err(GossipError::Join(outcome.errors.join("; ")));
        }
        Ok(outcome.joined)
    }

    /// Begins to settle: the node is ready when the number of members has stood still, or after `timeout`.
    ///
    /// # Errors
    /// When the node has been shut down.
    pub async fn settle(&self, timeout: Duration) -> Result<(), GossipError> {
        self.send(Command::Settle { timeout }).await
    }

    /// Waits until gossip has settled.
    pub async fn wait_ready(&self) {
        let _ = self.ready.clone().wait_for(|ready| *ready).await;
    }

    pub fn is_ready(&self) -> bool {
        self.shared.view.is_ready()
    }

    /// `ready` or `settling`.
    pub fn status(&self) -> &'static str {
        if self.is_ready() { "ready" } else { "settling" }
    }

    pub fn name(&self) -> &str {
        self.shared.view.name()
    }

    /// Where others are told to reach this node.
    pub fn advertise(&self) -> std::net::SocketAddr {
        self.advertise
    }

    /// All members, this node included, ascending by name.
    pub fn members(&self) -> Arc<Vec<Member>> {
        self.shared.view.members()
    }

    /// This node's index among the members by name.
    pub fn position(&self) -> usize {
        self.shared.view.position()
    }

    /// A picture of the cluster that stays up to date.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.shared.view)
    }

    /// Tells the others that this node leaves, then closes its sockets.
    ///
    /// # Errors
    /// When telling them took longer than `timeout`; the sockets are closed all the same.
    pub async fn leave(self, timeout: Duration) -> Result<(), GossipError> {
        let (done, told) = oneshot::channel();
        self.send(Command::Leave { done }).await?;
        let told = tokio::time::timeout(timeout, told).await;
        let (done, closed) = oneshot::channel();
        self.send(Command::Close { done }).await?;
        let _ = closed.await;
        told.map_err(|_| GossipError::LeaveTimeout(timeout))?.map_err(|_| GossipError::Closed)
    }

    async fn send(&self, command: Command) -> Result<(), GossipError> {
        self.commands.send(command).await.map_err(|_| GossipError::Closed)
    }
}

/// A name that no other start of any process has: a ULID.
fn new_name(now_ms: i64, chance: &mut Chance) -> String {
    let random = u128::from(chance.next_u64()) << 64 | u128::from(chance.next_u64());
    ulid::Ulid::from_parts(u64::try_from(now_ms).unwrap_or(0), random).to_string()
}

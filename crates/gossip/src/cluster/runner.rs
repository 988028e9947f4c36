//! The task that owns the state machine: feeds it what comes and the time, does what it says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::{Budget, Charge, Clock};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::resolve::Resolver;
use super::transport::{Dialer, Event, Inbound, Transport};
use crate::machine::{Action, JoinId, JoinOutcome, Machine, Merge, Shared};
use crate::swim::StreamId;

/// Most packets and streams that wait for the state machine; further packets are dropped, as in the peer.
const MAX_EVENTS: usize = 1024;
/// Events taken before the state machine looks at the time again.
const EVENTS_A_STEP: usize = 64;
/// Most streams of ours at once that carry user messages.
const MAX_OUTBOUND: usize = 64;
/// Most bytes of states that wait for being merged.
const MERGE_BYTES: u64 = 128 << 20;

/// What the node is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Join { addresses: Vec<SocketAddr>, done: oneshot::Sender<JoinOutcome> },
    Settle { timeout: Duration },
    Leave { done: oneshot::Sender<()> },
    Close { done: oneshot::Sender<()> },
}

pub(super) struct Runner {
    machine: Machine,
    shared: Shared,
    transport: Transport,
    clock: Arc<dyn Clock>,
    resolver: Resolver,
    events: mpsc::Sender<Event>,
    work: mpsc::UnboundedSender<Work>,
    merge_budget: Arc<Budget>,
    joins: HashMap<JoinId, oneshot::Sender<JoinOutcome>>,
    leaving: Option<oneshot::Sender<()>>,
    ready: watch::Sender<bool>,
    outbound: Arc<Semaphore>,
    /// Streams of ours and look-ups of names; ended with the task.
    tasks: JoinSet<()>,
}

/// What must happen in order, apart from the state machine.
enum Work {
    Merge(Merge, Charge),
    Joined(oneshot::Sender<JoinOutcome>, JoinOutcome),
}

impl Runner {
    /// Starts the task; it ends when told to close, or when the sender of commands is dropped.
    pub(super) fn start(
        machine: Machine,
        mut transport: Transport,
        clock: Arc<dyn Clock>,
        label: String,
        timeout: Duration,
        resolver: Resolver,
    ) -> (mpsc::Sender<Command>, watch::Receiver<bool>) {
        let (commands, asked) = mpsc::channel(16);
        let (events, incoming) = mpsc::channel(MAX_EVENTS);
        let (work, to_do) = mpsc::unbounded_channel();
        let (ready, is_ready) = watch::channel(false);
        let shared = machine.shared();
        let dropped = shared.metrics.dropped_inbound.clone();
        transport.start(Inbound::new(events.clone(), label, timeout, dropped));
        tokio::spawn(do_work(to_do));
        let runner = Self {
            machine,
            shared,
            transport,
            clock,
            resolver,
            events,
            work,
            merge_budget: Budget::new(MERGE_BYTES),
            joins: HashMap::new(),
            leaving: None,
            ready,
            outbound: Arc::new(Semaphore::new(MAX_OUTBOUND)),
            tasks: JoinSet::new(),
        };
        tokio::spawn(runner.run(asked, incoming));
        (commands, is_ready)
    }

    async fn run(mut self, mut asked: mpsc::Receiver<Command>, mut events: mpsc::Receiver<Event>) {
        let closed = loop {
            let wait = self.machine.deadline().saturating_sub(self.clock.monotonic());
            tokio::select! {
                command = asked.recv() => match command {
                    None => break None,
                    Some(Command::Close { done }) => break Some(done),
                    Some(command) => self.obey(command),
                },
                Some(event) = events.recv() => {
                    self.take(event);
                    for _ in 1..EVENTS_A_STEP {
                        let Ok(event) = events.try_recv() else { break };
                        self.take(event);
                    }
                }
                () = self.shared.outbox.queued() => {}
                Some(_) = self.tasks.join_next() => {}
                () = tokio::time::sleep(wait) => {}
            }
            self.machine.advance(self.clock.monotonic());
            self.act();
            if self.shared.view.is_ready() {
                self.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
            }
        };
        self.tasks.shutdown().await;
        self.transport.close().await;
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.clock.monotonic();
        match command {
            Command::Join { addresses, done } => {
                let id = self.machine.join(now, addresses);
                self.joins.insert(id, done);
            }
            Command::Settle { timeout } => self.machine.settle(now, timeout),
            Command::Leave { done } => {
                self.leaving = Some(done);
                self.machine.leave(now);
            }
            Command::Close { .. } => {}
        }
    }

    fn take(&mut self, event: Event) {
        let now = self.clock.monotonic();
        match event {
            Event::Packet { from, data } => self.machine.on_packet(now, from, &data),
            Event::PacketFailed(to) => self.machine.on_packet_failed(now, to),
            Event::Stream { from, message, answer } => {
                let bytes = self.machine.on_stream(now, from, message);
                let _ = answer.send(bytes);
            }
            Event::StreamEnd { id, result } => self.machine.on_stream_end(now, id, result),
            Event::Resolved(addresses) => self.machine.on_resolved(now, addresses),
        }
    }

    fn act(&mut self) {
        for action in self.machine.take_actions() {
            match action {
                Action::Packet { to, data } => self.transport.send_packet(to, data),
                Action::Stream { id, to, data, answered, timeout } => {
                    self.open_stream(id, to, data, answered, timeout);
                }
                Action::Merge(merge) => self.merge(merge),
                Action::Joined { id, outcome } => {
                    if let Some(done) = self.joins.remove(&id) {
                        let _ = self.work.send(Work::Joined(done, outcome));
                    }
                }
                Action::Resolve => self.resolve(),
                Action::LeaveTold => {
                    if let Some(done) = self.leaving.take() {
                        let _ = done.send(());
                    }
                }
            }
        }
    }

    fn open_stream(
        &mut self,
        id: StreamId,
        to: SocketAddr,
        data: Vec<u8>,
        answered: bool,
        timeout: Duration,
    ) {
        let (dialer, events) = (self.transport.dialer(), self.events.clone());
        let outbound = Arc::clone(&self.outbound);
        self.tasks.spawn(async move {
            // Pings and exchanges are few and must not wait behind messages.
            let _permit = if answered { None } else { outbound.acquire_owned().await.ok() };
            let result = exchange(&dialer, to, &data, answered, timeout).await;
            let _ = events.send(Event::StreamEnd { id, result }).await;
        });
    }

    /// Merging may take long: it is done on another thread, one after the other.
    fn merge(&mut self, merge: Merge) {
        match self.merge_budget.charge(merge.size_bytes() as u64) {
            Ok(charge) => {
                let _ = self.work.send(Work::Merge(merge, charge));
            }
            Err(err) => {
                self.shared.metrics.dropped_inbound.inc();
                tracing::warn!(%err, "dropped a peer's state: too much waits for being merged");
            }
        }
    }

    fn resolve(&mut self) {
        let (resolver, events) = (self.resolver.clone(), self.events.clone());
        self.tasks.spawn(async move {
            let addresses = resolver.once().await.addresses;
            let _ = events.send(Event::Resolved(addresses)).await;
        });
    }
}

async fn exchange(
    dialer: &Dialer,
    to: SocketAddr,
    data: &[u8],
    answered: bool,
    timeout: Duration,
) -> Result<Option<crate::codec::StreamMessage>, String> {
    match tokio::time::timeout(timeout, dialer.exchange(to, data, answered)).await {
        Ok(result) => result,
        Err(_) => Err(format!("no end within {timeout:?}")),
    }
}

async fn do_work(mut to_do: mpsc::UnboundedReceiver<Work>) {
    while let Some(work) = to_do.recv().await {
        match work {
            Work::Merge(merge, charge) => {
                let merged = tokio::task::spawn_blocking(move || merge.apply()).await;
                drop(charge);
                if let Err(err) = merged {
                    tracing::error!(%err, "BUG: merging a peer's state panicked");
                }
            }
            Work::Joined(done, outcome) => {
                let _ = done.send(outcome);
            }
        }
    }
}

//! What the cluster looks like from here, readable at any time without asking the state machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::RwLock;

/// An alive or suspect node, this one included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub address: SocketAddr,
}

/// A picture of the cluster that the state machine keeps up to date.
#[derive(Debug)]
pub struct View {
    name: String,
    members: RwLock<Arc<Vec<Member>>>,
    ready: AtomicBool,
    health: AtomicUsize,
    failed: AtomicUsize,
    queued: AtomicUsize,
}

impl View {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            members: RwLock::default(),
            ready: AtomicBool::new(false),
            health: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
        }
    }

    /// This node's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All members, ascending by name.
    pub fn members(&self) -> Arc<Vec<Member>> {
        Arc::clone(&self.members.read())
    }

    /// This node's index among the members by name; their number when it is none of them.
    pub fn position(&self) -> usize {
        let members = self.members();
        members.iter().position(|member| member.name == self.name).unwrap_or(members.len())
    }

    /// Whether gossip has settled.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// 0 is best, 7 worst.
    pub fn health(&self) -> usize {
        self.health.load(Ordering::Relaxed)
    }

    /// Peers that are being reconnected to.
    pub fn failed_peers(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }

    /// Messages that wait for being gossiped.
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    pub(super) fn set_members(&self, mut members: Vec<Member>) {
        members.sort_by(|a, b| a.name.cmp(&b.name));
        *self.members.write() = Arc::new(members);
    }

    pub(super) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(super) fn set_numbers(&self, health: usize, failed: usize, queued: usize) {
        self.health.store(health, Ordering::Relaxed);
        self.failed.store(failed, Ordering::Relaxed);
        self.queued.store(queued, Ordering::Relaxed);
    }
}

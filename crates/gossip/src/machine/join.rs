//! Joins: exchanging whole states with addresses, one after the other.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// Ties the outcome of a join to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinId(pub u64);

/// What came of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinOutcome {
    /// Addresses that answered.
    pub joined: usize,
    /// What was wrong with the others.
    pub errors: Vec<String>,
}

/// Why addresses are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Asked(JoinId),
    Reconnect,
    Refresh,
}

/// A join under way.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) why: Why,
    /// Being joined now.
    pub(super) current: SocketAddr,
    pub(super) left: VecDeque<SocketAddr>,
    pub(super) outcome: JoinOutcome,
}

impl Join {
    /// `None` where there is nobody to join.
    pub(super) fn new(why: Why, addresses: Vec<SocketAddr>) -> Option<Self> {
        let mut left = VecDeque::from(addresses);
        let current = left.pop_front()?;
        let outcome = JoinOutcome { joined: 0, errors: Vec::new() };
        Some(Self { why, current, left, outcome })
    }
}

//! Cluster membership and broadcast: the memberlist protocol on the wire, and Alertmanager's layer on it.
//!
//! [`codec`] is the bytes, `swim` membership, [`Machine`] both with Alertmanager's layer as one state machine without I/O,
//! [`Cluster`] that machine over sockets, [`sim`] many of them over a network in virtual time. What the state is that the nodes
//! keep alike is the caller's: a [`State`] per key.

mod cluster;
pub mod codec;
mod error;
pub mod fuzz;
mod machine;
mod metrics;
pub mod sim;
mod swim;

pub use cluster::{Cluster, ClusterOptions};
pub use error::{GossipError, MergeError};
pub use machine::{
    Action, Channel, JoinId, JoinOutcome, MAX_GOSSIPED_BYTES, Machine, MachineConfig, Member,
    Merge, State, View,
};
pub use swim::StreamId;

//! What can go wrong for a user of the cluster.

use std::net::SocketAddr;

/// Errors of [`crate::Cluster`] and its configuration.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    #[error("invalid cluster configuration: {0}")]
    Config(String),
    #[error("cannot listen on {address}: {err}")]
    Listen { address: SocketAddr, err: std::io::Error },
    #[error("resolve peers: {0}")]
    Resolve(String),
    #[error("TLS: {0}")]
    Tls(String),
    /// No peer could be joined; joining is tried again as configured.
    #[error("failed to join cluster: {0}")]
    Join(String),
    #[error("timed out after {0:?} while leaving the cluster")]
    LeaveTimeout(std::time::Duration),
    #[error("the cluster has been shut down")]
    Closed,
}

/// Why a piece of state could not be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MergeError(pub String);

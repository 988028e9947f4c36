//! Why a bucket did not do what was asked, by what a caller does next.

use std::time::Duration;

/// Names are as the caller gave them, without the bucket's prefix where a wrapper adds one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObjstoreError {
    #[error("object {name} does not exist")]
    NotFound { name: String },
    /// A conditional put found another state.
    #[error("object {name} was changed by somebody else")]
    Precondition { name: String },
    #[error("range starts at {start}, object {name} ends at {size}")]
    Range { name: String, start: u64, size: u64 },
    #[error("bucket refuses access to {name}: {reason}")]
    Denied { name: String, reason: String },
    #[error("\"{name}\" cannot be the name of an object: {reason}")]
    BadName { name: String, reason: String },
    /// Network, overload, disk: trying again may help. The outcome of a write is unknown.
    #[error("{operation} {name}: {reason}")]
    Temporary { operation: &'static str, name: String, reason: String },
    #[error("{operation} {name}: no answer in {after:?}")]
    TimedOut { operation: &'static str, name: String, after: Duration },
    #[error("{operation} {name}: {reason}")]
    Failed { operation: &'static str, name: String, reason: String },
}

impl ObjstoreError {
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Temporary { .. } | Self::TimedOut { .. })
    }
}

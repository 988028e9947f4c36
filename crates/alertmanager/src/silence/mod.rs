//! Silences: who wants to hear nothing about which alerts, from when to when.
//!
//! [`Silences`] keeps them, finds those of an alert by an index, and merges what the cluster sends. Snapshot and gossip share
//! the peer's format (`proto`). Leaves out the HTTP shape, and who may silence what.

mod proto;
mod snapshot;
mod store;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::MatchOp;

use crate::time::Time;

pub use snapshot::{MeshSilence, RestoredSilences, decode as decode_silences, fuzz_state};
pub(crate) use store::after;
pub use store::{SilenceLimits, Silences};

/// One comparison of a silence, as written: a regex is not anchored here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceMatcher {
    pub op: MatchOp,
    pub name: String,
    pub pattern: String,
}

/// A silence. An alert is silenced if all matchers of any set pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// A UUID; empty in a new one.
    pub id: String,
    pub matcher_sets: Vec<Vec<SilenceMatcher>>,
    /// Carried for the peer; not looked at, as the peer does not yet either.
    pub receiver_matcher_sets: Vec<Vec<SilenceMatcher>>,
    pub starts_at: Time,
    /// The silence holds at this very time still.
    pub ends_at: Time,
    pub updated_at: Time,
    pub created_by: String,
    pub comment: String,
    pub annotations: BTreeMap<String, String>,
}

impl Silence {
    pub fn state(&self, now: Time) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now > self.ends_at {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }
}

/// Where a silence stands in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SilenceState {
    Active,
    Pending,
    Expired,
}

impl SilenceState {
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

/// Why a silence could not be made, changed or ended; prints as upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    #[error("silence not found")]
    NotFound,
    #[error("invalid silence: {0}")]
    Invalid(String),
    #[error("{0}")]
    Limit(String),
    /// It holds in memory and was sent to the cluster, but the disk refused it.
    #[error("the silence could not be written to disk: {0}")]
    NotDurable(String),
}

/// The silences of an alert as of a version of the store. Kept with the alert.
#[derive(Clone, Debug, Default)]
pub struct SilenceCache {
    version: u64,
    /// Pending and active ones.
    ids: Box<[Arc<str>]>,
}

#[cfg(test)]
mod tests;

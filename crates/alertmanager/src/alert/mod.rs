//! Alerts: what one is, how two reports of the same one merge, and where they are kept.
//!
//! [`AlertStore`] is an arena: an alert is a slot with a small number, found by its fingerprint; groups hold numbers. Its texts
//! are packed; an [`Alert`] is what they unpack to. A report of a known alert writes times into its slot and allocates nothing.
//! [`AlertJournal`] makes reports durable.

mod journal;
mod limit;
mod merge;
mod posted;
mod store;
mod texts;

use std::sync::Arc;

use gauntlet_model::Labels;

use crate::labels::{ALERT_NAME, Annotations, Fingerprint};
use crate::time::Time;

pub(crate) use journal::snapshot as journal_snapshot;
pub use journal::{AlertJournal, Restored, fuzz_records};
pub use limit::NameLimits;
pub(crate) use merge::Times;
pub use posted::{PostedAlert, Report};
pub(crate) use store::GroupIds;
pub use store::{AlertId, AlertStore, Change, PutError};

/// An alert as it is known at one moment. Clones share labels and texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub labels: Labels,
    pub annotations: Annotations,
    pub generator_url: Arc<str>,
    pub starts_at: Time,
    /// When it ends or ended; [`Time::ZERO`] in notifications of firing alerts, where the end is not known.
    pub ends_at: Time,
    pub updated_at: Time,
    /// The end is a guess of ours, not the sender's word.
    pub timeout: bool,
    pub fingerprint: Fingerprint,
}

impl Alert {
    /// Whether it is over at a time.
    pub fn resolved_at(&self, time: Time) -> bool {
        !self.ends_at.is_zero() && self.ends_at <= time
    }

    /// Whether it is over; for alerts in notifications, where a firing one has no end.
    pub fn is_resolved(&self) -> bool {
        !self.ends_at.is_zero()
    }

    pub fn name(&self) -> &str {
        self.labels.value(ALERT_NAME)
    }

    pub(crate) fn times(&self) -> Times {
        let Self { starts_at, ends_at, updated_at, timeout, .. } = *self;
        Times { starts_at, ends_at, updated_at, timeout }
    }
}

/// What the pipeline made of an alert last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    #[default]
    Unprocessed,
    Active,
    Suppressed,
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unprocessed => "unprocessed",
            Self::Active => "active",
            Self::Suppressed => "suppressed",
        }
    }
}

/// State with its causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub state: AlertState,
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts.
    pub inhibited_by: Vec<Fingerprint>,
}

impl Status {
    /// The state that follows from the causes.
    pub fn of(silenced_by: Vec<String>, inhibited_by: Vec<Fingerprint>) -> Self {
        let state = if silenced_by.is_empty() && inhibited_by.is_empty() {
            AlertState::Active
        } else {
            AlertState::Suppressed
        };
        Self { state, silenced_by, inhibited_by }
    }
}

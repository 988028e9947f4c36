//! What can happen to an alert.

use crate::labels::Fingerprint;
use crate::time::Time;

/// Kinds of events, for filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Received,
    Restored,
    Limited,
    Grouped,
    Suppressed,
    Resumed,
    Attempt,
    Sent,
    Failed,
    Told,
    Duplicate,
    Forgotten,
}

impl Kind {
    pub const ALL: [Self; 12] = [
        Self::Received,
        Self::Restored,
        Self::Limited,
        Self::Grouped,
        Self::Suppressed,
        Self::Resumed,
        Self::Attempt,
        Self::Sent,
        Self::Failed,
        Self::Told,
        Self::Duplicate,
        Self::Forgotten,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Restored => "restored",
            Self::Limited => "limited",
            Self::Grouped => "grouped",
            Self::Suppressed => "suppressed",
            Self::Resumed => "resumed",
            Self::Attempt => "attempt",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Told => "told",
            Self::Duplicate => "duplicate",
            Self::Forgotten => "forgotten",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What keeps an alert quiet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Another alert, by a rule (its name, or its number in the configuration).
    Inhibited { source: Fingerprint, rule: String },
    /// Ids of silences.
    Silenced { silences: Vec<String> },
    /// Names of mute intervals that hold now.
    Muted { intervals: Vec<String> },
    /// Names of active intervals none of which holds now.
    Inactive { intervals: Vec<String> },
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A report changed something: the alert is new, fires again, is over, or has other texts.
    Received { from: String, change: &'static str, starts_at: Time, ends_at: Time },
    /// Read back at start. `extended` if its end had passed meanwhile and it was given time to be reported again.
    Restored { extended: bool },
    /// Refused: too many alerts of its name.
    Limited { limit: usize },
    /// Put into a group.
    Grouped { group_key: String, receiver: String, flush_at: Time },
    /// From this flush on the group does not tell of it.
    Suppressed { group_key: String, receiver: String, cause: Cause },
    /// The group tells of it again.
    Resumed { group_key: String, receiver: String },
    /// An attempt to tell failed; there will be another.
    Attempt { group_key: String, receiver: String, integration: String, tries: u32, error: String },
    /// Told.
    Sent {
        group_key: String,
        receiver: String,
        integration: String,
        reason: &'static str,
        tries: u32,
        took_ms: i64,
    },
    /// Not told, and no further attempt until the next flush.
    Failed { group_key: String, receiver: String, integration: String, tries: u32, error: String },
    /// A peer told, or this process before it was started again: there is nothing left to tell.
    Told { group_key: String, receiver: String, integration: String, at: Time },
    /// A peer has told the same of the group as this process, which neither knew of the other.
    Duplicate { group_key: String, receiver: String, integration: String, at: Time },
    /// Over, told of, gone.
    Forgotten,
}

impl Event {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Received { .. } => Kind::Received,
            Self::Restored { .. } => Kind::Restored,
            Self::Limited { .. } => Kind::Limited,
            Self::Grouped { .. } => Kind::Grouped,
            Self::Suppressed { .. } => Kind::Suppressed,
            Self::Resumed { .. } => Kind::Resumed,
            Self::Attempt { .. } => Kind::Attempt,
            Self::Sent { .. } => Kind::Sent,
            Self::Failed { .. } => Kind::Failed,
            Self::Told { .. } => Kind::Told,
            Self::Duplicate { .. } => Kind::Duplicate,
            Self::Forgotten => Kind::Forgotten,
        }
    }

    /// The receiver it is about.
    pub fn receiver(&self) -> Option<&str> {
        match self {
            Self::Grouped { receiver, .. }
            | Self::Suppressed { receiver, .. }
            | Self::Resumed { receiver, .. }
            | Self::Attempt { receiver, .. }
            | Self::Sent { receiver, .. }
            | Self::Failed { receiver, .. }
            | Self::Told { receiver, .. }
            | Self::Duplicate { receiver, .. } => Some(receiver),
            _ => None,
        }
    }
}

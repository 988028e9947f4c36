//! The state machine between alerts and notifications. It does no I/O and reads no clock: calls bring the time, due work is
//! done by [`Core::poll`], and what is to be sent comes out as [`Action`]s whose outcomes come back by [`Core::complete`].
//! Whoever owns it (the manager's task, a test with a clock of its own) drives it; nothing in it waits.
//!
//! A group's flush goes through: settle (the cluster has a common view), inhibition, active and mute intervals, silences; then
//! for each integration of the receiver on its own: wait for one's turn among the peers, compare with the notification log,
//! send with retries, note in the log. A flush that fails leaves resolved alerts in the group for the next one.

mod backoff;
mod core;
mod dedup;
mod flush;
mod notification;
mod query;
mod reload;
mod send;
mod timers;

pub use self::core::{Action, Core, CoreOptions, Peer, Posted};
pub(crate) use flush::FlushId;
pub use flush::SendId;
pub use notification::{
    Attempt, FailureReason, Integration, Notification, Notifier, NotifyError, NotifyReason,
    Outcome, ReceiverPipeline,
};
pub use query::{AlertInfo, AlertQuery, GroupInfo};
pub use reload::Pipelines;

#[cfg(test)]
mod tests;

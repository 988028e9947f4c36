//! Alerts in, notifications out: routing, grouping, inhibition, silences, the notification log, and the ledger of it all.
//!
//! [`pipeline::Core`] is the state machine; it reads no clock and does no I/O. [`Manager`] owns it in a process: files, timers,
//! sends. [`config`] reads `alertmanager.yml`. Left out: the HTTP API (`api`), the gossip protocol, and the making of
//! notifications out of templates, which are crates of their own.

pub mod alert;
pub mod api;
pub mod config;
pub mod dispatch;
mod durable;
mod features;
pub mod inhibit;
pub mod intervals;
mod labels;
pub mod ledger;
mod manager;
pub mod matcher;
pub mod metrics;
pub mod nflog;
pub mod pipeline;
pub mod silence;
mod snapshot;
pub mod time;

pub use config::{Config, ConfigErrors};
pub use durable::AppendFile;
pub use features::FeatureFlags;
pub use labels::{
    ALERT_NAME, Annotations, Fingerprint, SetText, alert_order, fingerprint, fingerprint_of,
    log_hash, set_order,
};
pub use manager::{
    Manager, ManagerError, ManagerOptions, PostOutcome, build_pipelines, rendered_route_labels,
};
pub use matcher::{Matcher, Matchers, ParseMode};
pub use snapshot::OVERSIZED_BYTES;
pub use time::Time;

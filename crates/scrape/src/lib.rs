//! Scraping targets: from groups of discovered addresses to samples in storage.
//!
//! [`manager`] owns one `pool` per job; a pool turns target groups into [`target`]s by relabelling and runs one loop each (`target_loop`), which
//! fetches (`fetch`), parses and appends (`ingest`, over `cache`) and writes the synthetic series (`report`); [`recent`] keeps how the last ones went. [`status`] is what the API shows.
//! Discovery is not known here: groups arrive as [`gauntlet_model::TargetSets`].

mod cache;
pub mod config;
mod error;
mod failure_log;
mod fetch;
mod ingest;
mod labels;
pub mod manager;
mod metadata;
mod metrics;
mod pool;
pub mod recent;
mod report;
pub mod status;
pub mod target;
mod target_loop;
#[cfg(test)]
mod tests;
mod url;

pub use config::ScrapeConfig;
pub use error::ScrapeError;
pub use ingest::bench_support;
pub use manager::{Manager, ManagerHandle, ManagerOptions, offset_seed};
pub use metadata::MetricMetadata;
pub use target::{Health, Target};

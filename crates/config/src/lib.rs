//! Whole configuration files composed of each component's own type.
//!
//! [`Config::load`] reads a `prometheus.yml` with the files it names, fills defaults in, checks everything and lists all that
//! is wrong; [`Config::yaml`] prints it as `/api/v1/status/config` shows it.

mod alerting;
mod env;
mod errors;
pub mod fuzz;
mod global;
mod job;
mod load;
mod prometheus;
mod storage;
mod tracing;

pub use alerting::{AlertingConfig, AlertmanagerConfig};
pub use env::{Env, NoEnv, ProcessEnv};
pub use errors::{ConfigError, ConfigErrors};
pub use global::GlobalConfig;
pub use job::ScrapeJob;
pub use load::{LoadOptions, Loaded};
pub use prometheus::Config;
pub use storage::{FloatEncoding, RetentionConfig, StorageConfig, TsdbConfig};
pub use tracing::{TracingClient, TracingConfig};

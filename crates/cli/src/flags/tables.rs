//! The flag tables, a file for each peer's command.

mod alertmanager;
mod prometheus;
pub(crate) mod promtool;
mod thanos;
mod thanos_query;
mod thanos_sidecar;
mod thanos_store;
mod up;

pub(crate) use alertmanager::ALERTMANAGER;
pub(crate) use prometheus::PROMETHEUS;
pub(crate) use thanos::GLOBAL as THANOS_GLOBAL;
pub(crate) use thanos_query::QUERY;
pub(crate) use thanos_sidecar::SIDECAR;
pub(crate) use thanos_store::STORE;
pub(crate) use up::UP;

//! Host metrics collectors: a drop-in for node_exporter 1.12 on Linux, as a library.
//!
//! A [`NodeExporter`] is built once from a [`NodeConfig`]; each scrape runs the wanted collectors on a few worker threads and
//! writes the text exposition format 0.0.4, byte for byte as the upstream exporter does. The HTTP side (paths, TLS, request
//! limits, `go_*` and `promhttp_*` metrics) belongs to the caller.
//!
//! Reading order: `exporter` is the whole scrape; `collectors` holds one file per collector and the table of all of them;
//! `exposition` is where samples become text.

mod collector;
mod collectors;
mod config;
mod dbus;
mod env;
mod error;
mod exporter;
mod exposition;
mod flags;
mod json;
mod netlink;
mod number;
mod pattern;
mod pool;
mod scan;

pub mod parsers;

pub use collector::{CollectorInfo, Kind};
pub use collectors::all as collectors;
pub use config::{Filter, NodeConfig, Paths};
pub use error::{ConfigError, Failure, FilterError, Malformed};
pub use exporter::{CollectorStatus, NodeExporter, Outcome};
pub use exposition::{Exposition, Family};
pub use flags::{FlagKind, FlagSpec, flags};

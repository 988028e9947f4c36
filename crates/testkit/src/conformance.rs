//! Runners of the peers' own test data. A runner takes what to test as a function, so that it needs no upper crate.

pub mod node_exporter;
pub mod prometheus_config;

//! Remote read and write, both directions.

pub mod config;
pub mod read;
pub mod read_client;
pub mod read_prometheus;
pub mod read_server;
pub mod read_source;

//! Remote read and write, both directions.

pub mod config;
mod nowhere;
pub mod otlp;
pub mod read;
pub mod read_client;
pub mod read_prometheus;
pub mod read_server;
pub mod read_source;
pub mod receive;
pub mod send;

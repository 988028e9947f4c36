//! Remote read and write, both directions.

pub mod config;

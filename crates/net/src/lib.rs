//! HTTP and gRPC clients and listeners built from configuration.

pub mod config;

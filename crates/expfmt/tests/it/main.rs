//! Integration tests.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod golden;
mod histograms;
mod protobuf;
mod scanner;

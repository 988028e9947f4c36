//! Integration tests of the crate, over the oracles of the real peers.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod engine;
mod explain;
mod golden_api;
mod kernels;
mod limits;
mod names;
mod numbers;
mod reference;
mod roundtrip;
mod scripts;

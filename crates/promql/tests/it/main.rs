//! Integration tests of the crate, over the oracles of the real peers.

mod golden_api;
mod numbers;
mod scripts;

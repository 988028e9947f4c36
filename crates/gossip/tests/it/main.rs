//! Integration tests: clusters in virtual time, clusters over sockets, a real peer.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic, and say what they skip"
)]

mod real;
mod simulated;
mod sockets;
mod store;

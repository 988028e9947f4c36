//! The crate against blocks that real peers wrote, and against crafted ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blocks;
mod compact;
mod crash;
mod fuzz;
mod golden;

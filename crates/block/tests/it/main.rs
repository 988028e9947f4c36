//! The crate against blocks that real peers wrote, and against crafted ones.

mod blocks;
mod compact;
mod golden;

//! Whole-crate checks against the peer's programs.

mod peers;

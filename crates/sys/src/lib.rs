//! The only unsafe code: system calls and mapped files behind safe functions.

pub mod btrfs;
pub mod ethtool;
pub mod heap;
pub mod perf;
pub mod prefetch;
pub mod simd;
pub mod sockets;
pub mod timex;

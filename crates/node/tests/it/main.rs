//! Tests of the node collectors: upstream's recorded output, upstream's smaller cases, trees of our own, and this host.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may panic and print"
)]

mod cases;
mod golden;
mod live;
mod own;
mod tables;

//! Tests of the node collectors against upstream's expected output, and on this host.

mod golden;
mod live;

//! Fakes, builders and script runners for tests.

mod oracle;
#[cfg(feature = "promql")]
pub mod promqltest;
pub mod ttar;

pub use oracle::conformance_dir;

//! Fakes, builders and script runners for tests.

pub mod conformance;
pub mod http;
mod oracle;
pub mod process;
#[cfg(feature = "promql")]
pub mod promqltest;
#[cfg(feature = "promql")]
pub mod reference;
pub mod ttar;

pub use oracle::conformance_dir;

//! Fakes, builders and script runners for tests.

pub mod conformance;
pub mod faultfs;
pub mod http;
mod oracle;
pub mod process;
#[cfg(feature = "promql")]
pub mod promqltest;
#[cfg(feature = "promql")]
pub mod reference;
pub mod ttar;

pub use faultfs::{FaultFs, Loss};
pub use oracle::conformance_dir;

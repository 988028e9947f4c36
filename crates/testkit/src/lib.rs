//! Fakes, builders and script runners for tests.

pub mod conformance;
pub mod fault_proxy;
pub mod faultfs;
pub mod http;
mod oracle;
pub mod process;
#[cfg(feature = "promql")]
pub mod promqltest;
#[cfg(feature = "promql")]
pub mod reference;
pub mod sink;
#[cfg(feature = "smtp")]
pub mod smtp;
pub mod ttar;

pub use faultfs::{FaultFs, Loss};
pub use oracle::conformance_dir;

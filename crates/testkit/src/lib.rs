//! Fakes, builders and script runners for tests.

mod oracle;
pub mod ttar;

pub use oracle::conformance_dir;

//! Fakes, builders and script runners for tests.

mod oracle;

pub use oracle::conformance_dir;

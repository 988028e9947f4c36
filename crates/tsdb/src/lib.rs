//! The local storage: head, write-ahead log, checkpoints, retention and the local querier.

pub mod error;
pub mod head;
pub mod wal;

pub use error::{Result, TsdbError};

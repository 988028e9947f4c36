//! The local storage: head, write-ahead log, checkpoints, retention and the local querier.

pub mod db;
pub mod error;
pub mod head;
pub mod metrics;
pub mod options;
pub mod wal;

pub use db::{Db, ReadOnlyDb};
pub use error::{Result, TsdbError};
pub use head::Head;
pub use metrics::register_metrics;
pub use options::{Durability, Options};

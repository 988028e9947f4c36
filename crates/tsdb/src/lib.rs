//! The local storage: head, write-ahead log, checkpoints, retention and the local querier.
//!
//! A batch of samples is logged ([`wal`]), then applied to the [`head`]; full chunks leave memory for head chunk files; every two
//! hours the oldest range becomes a block ([`db`]). Folders are upstream's, and may be given back to it at any time. Knows no
//! configuration file, no HTTP and no bucket.

pub mod agent;
pub mod db;
pub mod error;
pub mod head;
pub mod metrics;
pub mod options;
pub mod tools;
pub mod wal;

pub use agent::{AgentDb, AgentOptions, register_agent_metrics};
pub use db::{Db, ReadOnlyDb, Retention};
pub use error::{Result, TsdbError};
pub use head::Head;
pub use metrics::register_metrics;
pub use options::{Durability, Options};

//! The write-ahead log in upstream's format: segments, records, checkpoints. Pages: docs/formats/wal.md, docs/formats/checkpoint.md.
//!
//! `wal/` holds segments `00000007` and at most one checkpoint `checkpoint.00000006`, which stands for all segments up to its
//! number. `wbl/` holds late samples in the same framing. Knows nothing of the head.

pub mod checkpoint;
pub mod encode;
pub mod format;
pub mod reader;
pub mod record;
pub(crate) mod snapshot;
pub mod tail;
pub mod writer;

pub use checkpoint::{CheckpointStats, Needed, write_checkpoint};
pub use format::{Compression, list_segments};
pub use reader::{Damage, SegmentReader};
pub use record::Records;
pub use snapshot::check_record as check_snapshot_record;
pub use tail::{LogTail, Position};
#[cfg(test)]
mod tests;

pub use writer::{Lsn, RecordBuffer, Wal, WalOptions};

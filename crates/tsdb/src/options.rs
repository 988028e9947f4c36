//! What may be set of a database. Names follow upstream's flags.

use crate::wal::Compression;

/// When an acknowledged write is on disk. A sender that is told asks for it (see `AppendOptions::durable`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Each commit waits for the disk; commits at the same time share a sync.
    Sync,
    /// A commit whose sender is told waits, together with others at the same time; any other survives the process at once, the
    /// machine after at most the group delay.
    #[default]
    Group,
    /// A commit whose sender is told waits, any other is left to the system. Without a thread, for tests.
    OnRequest,
    /// Nobody waits: as the system sees fit, at the latest when a segment ends; upstream's behaviour.
    Async,
}

impl Durability {
    /// The flag's values: `sync`, `group`, `async`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "sync" => Self::Sync,
            "group" => Self::Group,
            "async" => Self::Async,
            _ => return None,
        })
    }
}

/// Upper bound of the time between a commit and its sync in [`Durability::Group`].
pub const GROUP_DELAY_MS: u64 = 100;

/// `--storage.tsdb.*`. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct Options {
    /// `retention.time`: 0 for no limit.
    pub retention_ms: i64,
    /// `retention.size`: blocks, log and head chunks; 0 for no limit.
    pub retention_bytes: u64,
    /// `min-block-duration`: width of head chunk ranges and first blocks.
    pub min_block_ms: i64,
    /// `max-block-duration`: 0 takes a tenth of the retention, at most 31 days.
    pub max_block_ms: i64,
    /// `samples-per-chunk`.
    pub samples_per_chunk: u16,
    /// `chunk_encoding.floats: xor2` of the configuration file, or feature `xor2-encoding`: new float chunks are of encoding 4.
    pub xor2: bool,
    /// Feature `histograms-st-encoding`: new histogram chunks are of the encodings with start timestamps.
    pub histogram_starts: bool,
    /// Feature `st-storage`: start timestamps of samples are logged, and kept in chunks that can.
    pub store_starts: bool,
    /// `wal-segment-size`; rounded up to whole pages.
    pub wal_segment_bytes: u64,
    pub wal_compression: Compression,
    /// `out_of_order_time_window` of the configuration file; 0 for none.
    pub out_of_order_window_ms: i64,
    /// `max_exemplars` of the configuration file; 0 keeps none.
    pub max_exemplars: usize,
    pub durability: Durability,
    /// With fewer bytes left on the disk of the folder nothing is written, until there are more again; 0 for no limit.
    pub min_free_bytes: u64,
    /// `retention.percentage`: share of the disk in percent; 0 for no limit.
    pub retention_percent: f64,
    /// `no-lockfile`.
    pub no_lockfile: bool,
    /// Merge overlapping blocks (`--storage.tsdb.allow-overlapping-compaction`).
    pub overlapping_compaction: bool,
}

/// Two hours.
pub const DEFAULT_BLOCK_MS: i64 = 2 * 60 * 60 * 1000;
/// Fifteen days.
pub const DEFAULT_RETENTION_MS: i64 = 15 * 24 * 60 * 60 * 1000;
const MAX_BLOCK_MS: i64 = 31 * 24 * 60 * 60 * 1000;

impl Default for Options {
    fn default() -> Self {
        Self {
            retention_ms: DEFAULT_RETENTION_MS,
            retention_bytes: 0,
            min_block_ms: DEFAULT_BLOCK_MS,
            max_block_ms: 0,
            samples_per_chunk: 120,
            xor2: false,
            histogram_starts: false,
            store_starts: false,
            wal_segment_bytes: crate::wal::format::DEFAULT_SEGMENT_BYTES,
            wal_compression: Compression::default(),
            out_of_order_window_ms: 0,
            max_exemplars: 100_000,
            durability: Durability::default(),
            min_free_bytes: 0,
            retention_percent: 0.0,
            no_lockfile: false,
            overlapping_compaction: true,
        }
    }
}

impl Options {
    /// Width of the largest block that compaction makes.
    pub fn largest_block_ms(&self) -> i64 {
        if self.max_block_ms > 0 {
            return self.max_block_ms.max(self.min_block_ms);
        }
        let tenth = if self.retention_ms > 0 { self.retention_ms / 10 } else { MAX_BLOCK_MS };
        tenth.min(MAX_BLOCK_MS).max(self.min_block_ms)
    }
}

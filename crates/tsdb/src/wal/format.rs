//! Names and layout of segments. Page: docs/formats/wal.md. Source: upstream WAL format.
//!
//! segment = page*, page = 32 KiB (the last may be shorter); page = fragment* zero*
//! | kind u8 | len u16 be | crc32c u32 be | data |    kind: low 3 bits 1 full, 2 first, 3 middle, 4 last; 8 snappy, 16 zstd
//!
//! A zero byte in a kind's place ends the page. A record is its fragments' data put together, then decompressed; it never crosses a
//! segment. The checksum covers `data` alone.

use std::io;
use std::path::Path;

use gauntlet_runtime::Fs;

/// Size of a page in bytes.
pub const PAGE_BYTES: usize = 32 * 1024;
/// Size of a fragment's header in bytes.
pub const HEADER_BYTES: usize = 7;
/// Upstream's default size of a segment.
pub const DEFAULT_SEGMENT_BYTES: u64 = 128 << 20;
/// Upper bound of a record after decompression: a bomb in a damaged file must not take the memory.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

pub(crate) const KIND_MASK: u8 = 0b111;
pub(crate) const KIND_FULL: u8 = 1;
pub(crate) const KIND_FIRST: u8 = 2;
pub(crate) const KIND_MIDDLE: u8 = 3;
pub(crate) const KIND_LAST: u8 = 4;
pub(crate) const SNAPPY: u8 = 1 << 3;
pub(crate) const ZSTD: u8 = 1 << 4;

/// How records are compressed (`--storage.tsdb.wal-compression`, `-type`). Upstream's default is snappy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    None,
    #[default]
    Snappy,
    Zstd,
}

impl Compression {
    /// The flag's values: `none`, `snappy`, `zstd`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "none" => Self::None,
            "snappy" => Self::Snappy,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

/// File name of a segment.
pub fn segment_name(segment: u32) -> String {
    format!("{segment:08}")
}

/// Segments in a folder, ascending, with their sizes. A missing folder has none; names that are no number are passed over.
pub fn list_segments(fs: &dyn Fs, dir: &Path) -> io::Result<Vec<(u32, u64)>> {
    let entries = match fs.list(dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments: Vec<(u32, u64)> = entries
        .iter()
        .filter(|entry| !entry.is_dir && entry.name.bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|entry| Some((entry.name.parse().ok()?, entry.size_bytes)))
        .collect();
    segments.sort_unstable();
    Ok(segments)
}

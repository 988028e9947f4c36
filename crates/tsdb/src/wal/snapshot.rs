//! Chunk snapshots: `chunk_snapshot.N.M` folders, in which upstream writes its open chunks when it stops. Page:
//! docs/formats/chunk-snapshot.md. Source: upstream `tsdb/docs/format/memory_snapshot.md` and `tsdb/head_wal.go`.
//!
//! A folder is a log of its own. Its records: 1 a series and its open chunk, 2 all deletions, 3 exemplars. They are read, never written.

use std::path::{Path, PathBuf};

use gauntlet_chunk::Encoding;
use gauntlet_encoding::{Cursor, DecodeError};
use gauntlet_model::Timestamp;
use gauntlet_runtime::Fs;

use super::record::{EXEMPLARS, RecordError, Records, SeriesEntry, TombstoneEntry, read_labels};
use crate::error::{At as _, Result};

const PREFIX: &str = "chunk_snapshot.";
const SERIES: u8 = 1;
const DELETIONS: u8 = 2;
const EXEMPLAR_LIST: u8 = 3;
const TOMBSTONES_VERSION: u8 = 1;

/// A series of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SnapshotSeries {
    pub(crate) entry: SeriesEntry,
    pub(crate) open: Option<OpenChunk>,
}

/// Its open chunk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenChunk {
    /// Time of the newest sample.
    pub(crate) max_t: Timestamp,
    pub(crate) encoding: Encoding,
    pub(crate) data: Vec<u8>,
}

/// What a record says: a series; or deletions or exemplars, which go to `more`.
pub(crate) fn decode(
    record: &[u8],
    more: &mut Records,
) -> std::result::Result<Option<SnapshotSeries>, Fault> {
    let mut cursor = Cursor::new(record);
    match cursor.u8()? {
        SERIES => read_series(&mut cursor).map(Some),
        DELETIONS => {
            let len = cursor.uvarint_len()?;
            let content = cursor.bytes(len)?;
            read_deletions(content, more)?;
            Ok(None)
        }
        // The same entries as in the log, behind another number.
        EXEMPLAR_LIST => {
            let mut as_logged = record.to_vec();
            as_logged[0] = EXEMPLARS;
            more.decode(&as_logged)?;
            Ok(None)
        }
        kind => Err(Fault::Kind(kind)),
    }
}

/// Why a record was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("snapshot record of kind {0}")]
    Kind(u8),
    #[error("open chunk of encoding {0}")]
    Encoding(u8),
    #[error("deletions of version {0}")]
    Version(u8),
}

fn read_series(cursor: &mut Cursor<'_>) -> std::result::Result<SnapshotSeries, Fault> {
    let series = cursor.u64()?;
    let entry = SeriesEntry { series, labels: read_labels(cursor)? };
    let _chunk_range = cursor.u64()?;
    if cursor.uvarint()? == 0 {
        return Ok(SnapshotSeries { entry, open: None });
    }
    let (_min_t, max_t) = (cursor.u64()?, cursor.u64()? as Timestamp);
    let number = cursor.u8()?;
    let encoding = Encoding::from_u8(number).ok_or(Fault::Encoding(number))?;
    let len = cursor.uvarint_len()?;
    let data = cursor.bytes(len)?.to_vec();
    // The newest value follows; the chunk has it, too.
    Ok(SnapshotSeries { entry, open: Some(OpenChunk { max_t, encoding, data }) })
}

fn read_deletions(content: &[u8], more: &mut Records) -> std::result::Result<(), Fault> {
    let mut cursor = Cursor::new(content);
    let version = cursor.u8()?;
    if version != TOMBSTONES_VERSION {
        return Err(Fault::Version(version));
    }
    while !cursor.is_empty() {
        let series = cursor.uvarint()?;
        let (min_t, max_t): (Timestamp, Timestamp) = (cursor.varint()?, cursor.varint()?);
        more.tombstones.push(TombstoneEntry { series, min_t, max_t });
    }
    Ok(())
}

/// Snapshots in a data folder, oldest first.
pub(crate) fn list_snapshots(fs: &dyn Fs, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match fs.list(dir) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("listing", dir)?,
    };
    for entry in entries {
        if let Some(place) = parse_name(&entry.name).filter(|_| entry.is_dir) {
            found.push((place, dir.join(entry.name)));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Segment and offset of the log that a folder's name states.
fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (segment, offset) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some((segment.parse().ok()?, offset.parse().ok()?))
}

/// Door for fuzzing: bytes as a record. Must neither panic nor hang.
pub fn check_record(record: &[u8]) -> bool {
    let mut more = Records::default();
    let Ok(series) = decode(record, &mut more) else { return false };
    let open = series.and_then(|series| series.open);
    open.is_none_or(|open| gauntlet_chunk::read_samples(open.encoding, &open.data).is_ok())
}

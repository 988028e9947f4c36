//! One input of a compaction: its series in order, labels in common symbols, chunks without what was deleted.

use std::sync::Arc;

use bytes::Bytes;
use gauntlet_chunk::{Encoding, filter_chunk};
use gauntlet_model::Timestamp;

use super::Piece;
use super::symbols::SymbolMap;
use crate::BlockError;
use crate::block::{BlockReader, BlockScan};
use crate::index::{ChunkMeta, IndexSource as _, SeriesEntry};
use crate::tombstones::{Interval, Intervals, Tombstones};

pub(crate) struct Input {
    scan: BlockScan,
    map: SymbolMap,
    postings: std::vec::IntoIter<u32>,
    tombstones: Arc<Tombstones>,
    /// Samples outside are left out; both ends in.
    range: (Timestamp, Timestamp),
}

impl Input {
    pub(crate) fn new(
        block: &Arc<BlockReader>,
        map: SymbolMap,
        range: (Timestamp, Timestamp),
    ) -> Result<Self, BlockError> {
        let postings = block.index().all_postings()?.into_iter();
        Ok(Self { scan: block.scan(), map, postings, tombstones: block.tombstones(), range })
    }
}

/// Stands on a series.
pub(crate) struct SeriesCursor {
    input: Input,
    entry: SeriesEntry,
    labels: Vec<(u32, u32)>,
    /// The entry's chunks that are not wholly gone.
    chunks: Vec<ChunkMeta>,
    deleted: Intervals,
}

impl SeriesCursor {
    pub(crate) fn new(input: Input) -> Self {
        Self {
            input,
            entry: SeriesEntry::default(),
            labels: Vec::new(),
            chunks: Vec::new(),
            deleted: Intervals::default(),
        }
    }

    /// Moves to the next series that has chunks left; false behind the last.
    pub(crate) fn advance(&mut self) -> Result<bool, BlockError> {
        let input = &mut self.input;
        let (min, max) = input.range;
        for series_ref in input.postings.by_ref() {
            input.scan.series(series_ref, &mut self.entry)?;
            self.deleted = input.tombstones.get(u64::from(series_ref)).cloned().unwrap_or_default();
            self.chunks.clear();
            let in_range =
                self.entry.chunks.iter().filter(|c| c.max_time >= min && c.min_time <= max);
            self.chunks.extend(in_range.filter(|c| !self.deleted.covers(c.min_time, c.max_time)));
            if self.chunks.is_empty() {
                continue;
            }
            if self.chunks.iter().any(|c| c.min_time < min) {
                self.deleted.add(Interval { min: Timestamp::MIN, max: min - 1 });
            }
            if self.chunks.iter().any(|c| c.max_time > max) {
                self.deleted.add(Interval { min: max + 1, max: Timestamp::MAX });
            }
            self.labels.clear();
            for (name, value) in &self.entry.labels {
                let common = |symbol: &u32| {
                    input.map.get(*symbol).ok_or_else(|| {
                        let name = input.scan.block().index().source().name();
                        BlockError::corrupt(name, 0, "one of its symbols", symbol)
                    })
                };
                self.labels.push((common(name)?, common(value)?));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Labels of the current series, in common symbols.
    pub(crate) fn labels(&self) -> &[(u32, u32)] {
        &self.labels
    }

    /// Where the current series' chunks are.
    pub(crate) fn metas(&self) -> &[ChunkMeta] {
        &self.chunks
    }

    /// Appends the chunks of the current series.
    pub(crate) fn append_chunks(&self, pieces: &mut Vec<Piece>) -> Result<(), BlockError> {
        for meta in &self.chunks {
            let raw = self.input.scan.raw_chunk(meta.chunk_ref)?;
            let (min_time, max_time) = (meta.min_time, meta.max_time);
            if !self.deleted.overlaps(min_time, max_time) {
                let (encoding, data, crc) = (raw.encoding, raw.data, Some(raw.crc));
                pieces.push(Piece { min_time, max_time, encoding, data, crc });
                continue;
            }
            let refuse = |reason: String| {
                let folder = self.input.scan.block().folder().display();
                BlockError::Refused(format!(
                    "{folder}: chunk {} has deleted samples: {reason}",
                    meta.chunk_ref
                ))
            };
            let encoding = Encoding::from_u8(raw.encoding)
                .ok_or_else(|| refuse(format!("encoding {} cannot be rewritten", raw.encoding)))?;
            let kept = filter_chunk(encoding, &raw.data, |t| !self.deleted.contains(t))
                .map_err(|err| refuse(err.to_string()))?;
            if let Some(kept) = kept {
                pieces.push(Piece {
                    min_time: kept.min_time,
                    max_time: kept.max_time,
                    encoding: raw.encoding,
                    data: Bytes::from(kept.bytes),
                    crc: None,
                });
            }
        }
        Ok(())
    }
}

//! Merging blocks into one. Symbols of all inputs are mapped to common ids once; from then on label sets are compared as numbers. Chunks
//! that overlap no other are copied as they are after their checksum was verified; only what overlaps is decoded and encoded again.
//! Same input, same bytes as upstream's compactor.
//!
//! Leaves out when to compact (see [`plan`]), downsampling, and the Thanos section of the new meta, which its caller writes.

mod go_heap;
mod overlap;
mod plan;
mod series;
mod symbols;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_model::Timestamp;
use gauntlet_runtime::{Cancel, Fs};
use ulid::Ulid;

pub use overlap::{MergeOverlaps, SampleMerge};
pub use plan::{block_ranges, plan};

use self::go_heap::GoHeap;
use self::series::{Input, SeriesCursor};
use self::symbols::merge_symbols;
use crate::BlockError;
use crate::block::BlockReader;
use crate::meta::{
    BlockMeta, BlockStats, Compaction, HINT_OUT_OF_ORDER, HINT_SELECTED_SERIES, HINT_STALE_SERIES,
    META_VERSION,
};
use crate::segment::SEGMENT_BYTES;
use crate::writer::BlockWriter;

/// A chunk on its way from a block into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First and last sample's time, both in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    /// Encoding byte.
    pub encoding: u8,
    pub data: Bytes,
    /// Checksum over encoding and data, where these are as they were read and verified.
    pub crc: Option<u32>,
}

/// How to compact.
#[derive(Debug)]
pub struct CompactOptions<'a> {
    pub segment_bytes: u64,
    /// What becomes of chunks of one series that several blocks have.
    pub merge: &'a dyn MergeOverlaps,
    pub cancel: Cancel,
}

impl Default for CompactOptions<'_> {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            merge: &SampleMerge { prefer_xor2: false },
            cancel: Cancel::new(),
        }
    }
}

/// Why compaction stopped.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompactError {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error("compaction stopped: {0}")]
    Canceled(#[from] gauntlet_runtime::CancelReason),
}

/// Merges `blocks` (ascending by min_time) into block `ulid` below `dest`. `None` where all their samples were deleted: then nothing is
/// written. Neither outcome touches the inputs; see [`mark_deletable`] and [`mark_failed`].
pub fn compact_blocks(
    fs: &Arc<dyn Fs>,
    dest: &Path,
    blocks: &[Arc<BlockReader>],
    ulid: Ulid,
    options: &CompactOptions<'_>,
) -> Result<Option<BlockMeta>, CompactError> {
    let metas: Vec<BlockMeta> = blocks.iter().map(|b| b.meta()).collect();
    let meta = merged_meta(ulid, &metas)
        .ok_or_else(|| BlockError::Refused("cannot populate block from no readers".to_owned()))?;
    populate(fs, dest, blocks, meta, options)
}

/// Writes `block` anew as block `ulid` below `dest`, without what was deleted: level 1, the old block as parent. `None` where nothing
/// is left, or nothing was deleted.
pub fn clean_tombstones(
    fs: &Arc<dyn Fs>,
    dest: &Path,
    block: &Arc<BlockReader>,
    ulid: Ulid,
    options: &CompactOptions<'_>,
) -> Result<Option<BlockMeta>, CompactError> {
    if block.tombstones().is_empty() {
        return Ok(None);
    }
    let old = block.meta();
    let mut meta = BlockMeta::new(ulid, old.min_time, old.max_time);
    meta.compaction.parents = vec![old.as_parent()];
    for hint in [HINT_OUT_OF_ORDER, HINT_STALE_SERIES, HINT_SELECTED_SERIES] {
        if old.compaction.has_hint(hint) {
            meta.compaction.add_hint(hint);
        }
    }
    populate(fs, dest, std::slice::from_ref(block), meta, options)
}

fn populate(
    fs: &Arc<dyn Fs>,
    dest: &Path,
    blocks: &[Arc<BlockReader>],
    meta: BlockMeta,
    options: &CompactOptions<'_>,
) -> Result<Option<BlockMeta>, CompactError> {
    // The end is outside of a block.
    let range = (meta.min_time, meta.max_time - 1);
    let indexes: Vec<_> = blocks.iter().map(|block| block.index()).collect();
    let (symbols, maps) = merge_symbols(&indexes)?;
    let mut writer =
        BlockWriter::create_with_table(fs, dest, meta, symbols, options.segment_bytes)?;
    let inputs =
        blocks.iter().zip(maps).map(|(block, map)| Input::new(block, map, range)).collect();
    match write_merged(inputs, &mut writer, options) {
        Ok(()) => Ok(writer.finish()?),
        Err(err) => {
            writer.abort()?;
            Err(err)
        }
    }
}

fn write_merged(
    inputs: Vec<Result<Input, BlockError>>,
    writer: &mut BlockWriter,
    options: &CompactOptions<'_>,
) -> Result<(), CompactError> {
    let before = |a: &SeriesCursor, b: &SeriesCursor| a.labels() < b.labels();
    let mut heap: GoHeap<SeriesCursor> = GoHeap::default();
    for input in inputs {
        let mut cursor = SeriesCursor::new(input?);
        if cursor.advance()? {
            heap.push(cursor, before);
        }
    }
    let mut same: Vec<SeriesCursor> = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut order: Vec<usize> = Vec::new();
    while let Some(first) = heap.pop(before) {
        options.cancel.check()?;
        same.push(first);
        while heap.peek().is_some_and(|next| next.labels() == same[0].labels()) {
            same.extend(heap.pop(before));
        }
        if same.len() == 1 {
            same[0].append_chunks(&mut pieces)?;
        } else if options.merge.leaves_apart() && is_apart(&same, &mut order) {
            order.iter().try_for_each(|at| same[*at].append_chunks(&mut pieces))?;
        } else {
            let mut lists = Vec::with_capacity(same.len());
            for cursor in &same {
                let mut list = Vec::new();
                cursor.append_chunks(&mut list)?;
                lists.push(list);
            }
            pieces = options.merge.merge(lists)?;
        }
        writer.add_series_pieces(same[0].labels(), &pieces)?;
        pieces.clear();
        for mut cursor in same.drain(..) {
            if cursor.advance()? {
                heap.push(cursor, before);
            }
        }
    }
    Ok(())
}

/// Puts into `order` which cursors' chunks come first; false where chunks overlap.
fn is_apart(same: &[SeriesCursor], order: &mut Vec<usize>) -> bool {
    order.clear();
    order.extend(0..same.len());
    order.sort_by_key(|at| same[*at].metas().first().map(|chunk| chunk.min_time));
    let chunks = || order.iter().flat_map(|at| same[*at].metas());
    chunks().zip(chunks().skip(1)).all(|(chunk, next)| chunk.max_time < next.min_time)
}

/// The meta of the merged block, without statistics; `None` without inputs.
pub fn merged_meta(ulid: Ulid, metas: &[BlockMeta]) -> Option<BlockMeta> {
    let mut compaction = Compaction {
        level: metas.iter().map(|m| m.compaction.level).max()? + 1,
        parents: metas.iter().map(BlockMeta::as_parent).collect(),
        ..Compaction::default()
    };
    let sources: BTreeSet<Ulid> =
        metas.iter().flat_map(|m| m.compaction.sources.iter().copied()).collect();
    compaction.sources = sources.into_iter().collect();
    // A partial view of the head must stay known as one; out-of-order data among ordered data is ordinary data.
    for hint in [HINT_STALE_SERIES, HINT_SELECTED_SERIES] {
        if metas.iter().any(|m| m.compaction.has_hint(hint)) {
            compaction.add_hint(hint);
        }
    }
    if metas.iter().all(|m| m.compaction.has_hint(HINT_OUT_OF_ORDER)) {
        compaction.add_hint(HINT_OUT_OF_ORDER);
    }
    Some(BlockMeta {
        ulid,
        min_time: metas.iter().map(|m| m.min_time).min()?,
        max_time: metas.iter().map(|m| m.max_time).max()?,
        stats: BlockStats::default(),
        compaction,
        version: META_VERSION,
        thanos: None,
        unknown: serde_json::Map::new(),
    })
}

/// Says in the metas of blocks whose samples were all deleted that they may go.
pub fn mark_deletable(blocks: &[Arc<BlockReader>]) -> Result<(), BlockError> {
    blocks.iter().try_for_each(|b| b.update_meta(|meta| meta.compaction.deletable = true))
}

/// Says in the metas of blocks that could not be compacted to leave them alone.
pub fn mark_failed(blocks: &[Arc<BlockReader>]) -> Result<(), BlockError> {
    blocks.iter().try_for_each(|b| b.update_meta(|meta| meta.compaction.failed = true))
}

//! Merging blocks into one. Symbols of all inputs are mapped to common ids once; from then on label sets are compared as numbers. Chunks
//! that overlap no other are copied as they are after their checksum was verified; only what overlaps is decoded and encoded again.
//! Same input, same bytes as upstream's compactor.
//!
//! Leaves out when to compact (see [`plan`]), downsampling, and the Thanos section of the new meta, which its caller writes.

mod go_heap;
mod overlap;
mod plan;
mod series;

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
use crate::BlockError;
use crate::block::BlockReader;
use crate::meta::{
    BlockMeta, BlockStats, Compaction, HINT_OUT_OF_ORDER, HINT_SELECTED_SERIES, HINT_STALE_SERIES,
    META_VERSION,
};
use crate::segment::SEGMENT_BYTES;
use crate::writer::{BlockWriter, NewChunk};

/// A chunk on its way from a block into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First and last sample's time, both in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    /// Encoding byte.
    pub encoding: u8,
    pub data: Bytes,
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
    let (symbols, maps) = merge_symbols(blocks)?;
    let mut writer =
        BlockWriter::create_with_segments(fs, dest, meta, &symbols, options.segment_bytes)?;
    drop(symbols);
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
    inputs: Vec<Result<Input<'_>, BlockError>>,
    writer: &mut BlockWriter,
    options: &CompactOptions<'_>,
) -> Result<(), CompactError> {
    let before = |a: &SeriesCursor<'_>, b: &SeriesCursor<'_>| a.labels() < b.labels();
    let mut heap: GoHeap<SeriesCursor<'_>> = GoHeap::default();
    for input in inputs {
        let mut cursor = SeriesCursor::new(input?);
        if cursor.advance()? {
            heap.push(cursor, before);
        }
    }
    let mut same: Vec<SeriesCursor<'_>> = Vec::new();
    while let Some(first) = heap.pop(before) {
        options.cancel.check()?;
        same.push(first);
        while heap.peek().is_some_and(|next| next.labels() == same[0].labels()) {
            same.extend(heap.pop(before));
        }
        let mut lists = Vec::with_capacity(same.len());
        for cursor in &mut same {
            lists.push(cursor.chunks()?);
        }
        let pieces = match lists.len() {
            1 => lists.remove(0),
            _ => options.merge.merge(lists)?,
        };
        let chunks: Vec<_> = pieces
            .iter()
            .map(|p| NewChunk {
                min_time: p.min_time,
                max_time: p.max_time,
                encoding: p.encoding,
                data: &p.data,
            })
            .collect();
        writer.add_series_symbols(same[0].labels(), &chunks)?;
        for mut cursor in same.drain(..) {
            if cursor.advance()? {
                heap.push(cursor, before);
            }
        }
    }
    Ok(())
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

type SymbolMaps = Vec<Vec<u32>>;

/// The symbols of all blocks, ascending, and for each block a map from its symbols to these, which keeps their order.
fn merge_symbols(blocks: &[Arc<BlockReader>]) -> Result<(Vec<Arc<str>>, SymbolMaps), BlockError> {
    let mut lists: Vec<Vec<Arc<str>>> = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut symbols: Vec<Arc<str>> = Vec::with_capacity(block.index().symbol_count());
        block.index().for_each_symbol(|symbol| {
            symbols.push(symbol.into());
            Ok(())
        })?;
        lists.push(symbols);
    }
    let mut merged: Vec<Arc<str>> = lists.iter().flatten().cloned().collect();
    merged.sort();
    merged.dedup();
    let mut maps = Vec::with_capacity(lists.len());
    for list in &lists {
        let mut position = 0;
        let map = list.iter().map(|symbol| {
            while merged[position] != *symbol {
                position += 1;
            }
            position as u32
        });
        maps.push(map.collect());
    }
    Ok((merged, maps))
}

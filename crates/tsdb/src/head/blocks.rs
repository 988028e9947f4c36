//! From the head to blocks: in-order samples of a range, and late samples of any.

use std::collections::BTreeSet;
use std::path::Path;

use gauntlet_block::meta::HINT_OUT_OF_ORDER;
use gauntlet_block::{BlockError, BlockMeta, BlockWriter, NewChunk, Ulid};
use gauntlet_model::Timestamp;
use gauntlet_storage::{ChunkData, TimeRange};
use tracing::warn;

use super::index::SeriesId;
use super::pairs::PairId;
use super::samples::{EncodedChunk, Value, decode_samples, encode_samples};
use super::shard::{Found, range_end};
use super::{Head, ref_of, split_place};
use crate::error::{Result, TsdbError};

/// Samples per chunk where samples are encoded anew.
const REENCODED_SAMPLES: usize = 120;

/// Series that go into a block, and how their pairs are called there.
struct Plan {
    ids: Vec<SeriesId>,
    symbols: Vec<(u32, u32)>,
}

/// Late chunks that went into blocks: shard, slot, reference, count.
#[derive(Debug, Default)]
pub(crate) struct LateWritten {
    chunks: Vec<(usize, u32, u64, usize)>,
    /// The late log is needed from this segment on.
    segment: Option<u32>,
}

impl Head {
    /// Whether the oldest range is old enough to become a block.
    pub fn is_compactable(&self) -> bool {
        let (min_t, max_t) = (self.min_time(), self.max_time());
        !self.is_replaying() && min_t <= max_t && max_t - min_t > self.options.min_block_ms / 2 * 3
    }

    /// End, out, of the range that the next block takes.
    pub fn next_block_end(&self) -> Timestamp {
        range_end(self.min_time(), self.options.min_block_ms)
    }

    /// Refuses samples before `t` from now on, and waits until those on their way have arrived.
    pub fn close_before(&self, t: Timestamp) {
        self.min_valid.fetch_max(t, std::sync::atomic::Ordering::AcqRel);
        for shard in &self.shards {
            drop(shard.commit.lock());
        }
    }

    /// Writes in-order samples of `min_t <= t < end` to a block below `dest`. `None` where there is no sample.
    pub fn write_block(
        &self,
        dest: &Path,
        ulid: Ulid,
        min_t: Timestamp,
        end: Timestamp,
    ) -> Result<Option<BlockMeta>> {
        self.refuse_while_replaying("no block can be made of the head yet")?;
        let range = TimeRange::new(min_t, end - 1);
        let meta = BlockMeta::new(ulid, min_t, end);
        self.write(
            dest,
            meta,
            |head, id| head.overlaps_in_order(id, range),
            |head, id| head.chunks_for_block(id, range),
        )
    }

    /// Writes all late samples to blocks below `dest`, one for each range of the least block width.
    pub(crate) fn write_late_blocks(
        &self,
        dest: &Path,
        mut ulid: impl FnMut() -> Ulid,
    ) -> Result<(Vec<BlockMeta>, LateWritten)> {
        self.refuse_while_replaying("no block can be made of late samples yet")?;
        let mut written = LateWritten::default();
        if let Some(wbl) = &self.wbl {
            written.segment = Some(wbl.next_segment()?);
        }
        let mut bounds: Option<(Timestamp, Timestamp)> = None;
        for (shard, state) in self.shards.iter().enumerate() {
            let _commit = state.commit.lock();
            let mut data = state.data.write();
            let mut slots: Vec<u32> = data.late.keys().copied().collect();
            slots.sort_unstable();
            for slot in slots {
                let series = ref_of(shard, &data, slot);
                let Some(late) = data.late.get_mut(&slot) else { continue };
                late.write_out(series, &self.files, self.encodings());
                if let Some((low, high)) = late.bounds() {
                    let (min, max) = bounds.get_or_insert((low, high));
                    (*min, *max) = ((*min).min(low), (*max).max(high));
                }
                written.chunks.push((shard, slot, series, late.chunk_count()));
            }
        }
        let Some((min_t, max_t)) = bounds else { return Ok((Vec::new(), written)) };
        let width = self.options.min_block_ms;
        let mut blocks = Vec::new();
        let mut start = min_t.div_euclid(width) * width;
        while start <= max_t {
            let range = TimeRange::new(start, start + width - 1);
            let mut meta = BlockMeta::new(ulid(), start, start + width);
            meta.compaction.add_hint(HINT_OUT_OF_ORDER);
            let has = |head: &Self, id| head.late_overlaps(id, range);
            blocks.extend(self.write(dest, meta, has, |head, id| head.late_for_block(id, range))?);
            start += width;
        }
        Ok((blocks, written))
    }

    /// Forgets late samples that are in blocks.
    pub(crate) fn drop_late(&self, written: &LateWritten) -> Result<()> {
        self.departures.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        for (shard, slot, series, count) in &written.chunks {
            let mut data = self.shards[*shard].data.write();
            if data.slot_of((series / super::SHARDS as u64) as u32) != Some(*slot) {
                continue;
            }
            if let Some(late) = data.late.get_mut(slot) {
                late.drop_first(*count);
                if late.is_empty() {
                    data.late.remove(slot);
                }
            }
        }
        self.narrow_late();
        written.segment.map_or(Ok(()), |segment| self.truncate_late_log(segment))
    }

    /// Finds the bounds of late samples anew.
    pub(crate) fn narrow_late(&self) {
        use std::sync::atomic::Ordering;
        // Samples widen the bounds under their shard's lock: with all shards held none is missed.
        let guards: Vec<_> = self.shards.iter().map(|shard| shard.data.read()).collect();
        let bounds = guards.iter().flat_map(|data| data.late.values()).filter_map(|l| l.bounds());
        let (min, max) = bounds
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .unwrap_or((Timestamp::MAX, Timestamp::MIN));
        self.late_min_t.store(min, Ordering::Release);
        self.late_max_t.store(max, Ordering::Release);
    }

    /// Whether there are late samples.
    pub(crate) fn has_late(&self) -> bool {
        self.shards.iter().any(|shard| !shard.data.read().late.is_empty())
    }

    pub(super) fn write(
        &self,
        dest: &Path,
        meta: BlockMeta,
        has: impl Fn(&Self, SeriesId) -> bool,
        chunks: impl Fn(&Self, SeriesId) -> Result<Vec<EncodedChunk>>,
    ) -> Result<Option<BlockMeta>> {
        let index = self.index.read();
        let ids: Vec<SeriesId> =
            index.sorted_ids().into_iter().filter(|id| has(self, *id)).collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let mut used = vec![false; index.pairs.len()];
        for id in &ids {
            let (base, own) = index.split(*id);
            base.iter().chain(own).for_each(|pair| used[*pair as usize] = true);
        }
        let mut texts: BTreeSet<&str> = (0..used.len() as PairId)
            .filter(|pair| used[*pair as usize])
            .flat_map(|pair| <[&str; 2]>::from(index.pairs.pair(pair)))
            .collect();
        // Upstream's blocks of a head have it, as name and value of all series.
        texts.insert("");
        let mut writer = BlockWriter::create(&self.fs, dest, meta, texts).map_err(block_error)?;
        let symbols = (0..used.len() as PairId).map(|pair| {
            let (name, value) = index.pairs.pair(pair);
            (writer.symbol(name).unwrap_or(0), writer.symbol(value).unwrap_or(0))
        });
        let plan = Plan { ids, symbols: symbols.collect() };
        drop(index);
        match self.write_series(&mut writer, &plan, chunks) {
            Ok(()) => writer.finish().map_err(block_error),
            Err(err) => {
                writer.abort().map_err(block_error)?;
                Err(err)
            }
        }
    }

    fn write_series(
        &self,
        writer: &mut BlockWriter,
        plan: &Plan,
        chunks: impl Fn(&Self, SeriesId) -> Result<Vec<EncodedChunk>>,
    ) -> Result<()> {
        let (mut pairs, mut labels) = (Vec::new(), Vec::new());
        for id in &plan.ids {
            let chunks = chunks(self, *id)?;
            let new: Vec<NewChunk<'_>> = chunks
                .iter()
                .map(|chunk| NewChunk {
                    min_time: chunk.min_t,
                    max_time: chunk.max_t,
                    encoding: chunk.encoding as u8,
                    data: &chunk.data,
                })
                .collect();
            self.index.read().pairs_of(*id, &mut pairs);
            labels.clear();
            labels.extend(pairs.iter().map(|pair| plan.symbols[*pair as usize]));
            writer.add_series_symbols(&labels, &new).map_err(block_error)?;
        }
        Ok(())
    }

    pub(super) fn overlaps_in_order(&self, id: SeriesId, range: TimeRange) -> bool {
        let (shard, slot) = self.place_of(id);
        self.shards[shard].data.read().overlaps_in_order(slot, range)
    }

    fn late_overlaps(&self, id: SeriesId, range: TimeRange) -> bool {
        let (shard, slot) = self.place_of(id);
        self.shards[shard].data.read().late.get(&slot).is_some_and(|late| late.overlaps(range))
    }

    fn place_of(&self, id: SeriesId) -> (usize, u32) {
        split_place(self.index.read_recursive().place(id))
    }

    /// A series' in-order chunks, cut to the range and without what was deleted.
    pub(super) fn chunks_for_block(
        &self,
        id: SeriesId,
        range: TimeRange,
    ) -> Result<Vec<EncodedChunk>> {
        let (shard, slot) = self.place_of(id);
        let (mut copies, mut found) = (Vec::new(), Vec::new());
        {
            let data = self.shards[shard].data.read();
            data.chunks_in_order(slot, range, 0, &mut copies, &mut found);
            if let Some(spans) = data.deleted.get(&slot) {
                self.cut_out(spans, range, &mut copies, &mut found, 0)
                    .map_err(|err| TsdbError::Block(err.to_string()))?;
            }
        }
        let mut out = Vec::with_capacity(found.len());
        for chunk in found {
            let Some(chunk) = self.whole(chunk, &copies) else { continue };
            if chunk.min_t >= range.min && chunk.max_t <= range.max {
                out.push(chunk);
                continue;
            }
            let Some(samples) = decoded(&chunk, range) else { continue };
            out.extend(encode_samples(
                samples.iter().map(|(t, v)| (*t, v)),
                usize::from(u16::MAX),
                self.encodings(),
            ));
        }
        Ok(out)
    }

    /// A series' late samples in the range, in order, each time once.
    fn late_for_block(&self, id: SeriesId, range: TimeRange) -> Result<Vec<EncodedChunk>> {
        let (shard, slot) = self.place_of(id);
        let (mut copies, mut found) = (Vec::new(), Vec::new());
        let deleted = {
            let data = self.shards[shard].data.read();
            if let Some(late) = data.late.get(&slot) {
                late.chunks(range, 0, &mut copies, &mut found);
            }
            data.deleted.get(&slot).cloned().unwrap_or_default()
        };
        let mut samples: Vec<(Timestamp, Value)> = Vec::new();
        for chunk in found {
            if let Some(decoded) = self.whole(chunk, &copies).and_then(|c| decoded(&c, range)) {
                samples.extend(decoded);
            }
        }
        samples.retain(|(t, _)| !deleted.iter().any(|(from, to)| from <= t && t <= to));
        // Stable: of equal times the one written first stays.
        samples.sort_by_key(|(t, _)| *t);
        samples.dedup_by_key(|(t, _)| *t);
        Ok(encode_samples(
            samples.iter().map(|(t, v)| (*t, v)),
            REENCODED_SAMPLES,
            self.encodings(),
        ))
    }

    /// A chunk with its bytes; a damaged one is named and left out, so that the rest becomes a block.
    fn whole(&self, chunk: Found, copies: &[u8]) -> Option<EncodedChunk> {
        let (min_t, max_t) = chunk.bounds();
        match chunk {
            Found::Copied { encoding, start, end, .. } => {
                Some(EncodedChunk { encoding, min_t, max_t, data: copies[start..end].to_vec() })
            }
            Found::Chunk(chunk) => {
                let ChunkData::Stored { chunk_ref, .. } = chunk.data else { return None };
                let mut data = Vec::new();
                match self.files.read(chunk_ref, &mut data) {
                    Ok(encoding) => Some(EncodedChunk { encoding, min_t, max_t, data }),
                    Err(err) => {
                        warn!(component = "tsdb", %err, "chunk left out of the block");
                        None
                    }
                }
            }
        }
    }
}

fn decoded(chunk: &EncodedChunk, range: TimeRange) -> Option<Vec<(Timestamp, Value)>> {
    match decode_samples(chunk.encoding, &chunk.data, range.min, range.max) {
        Ok(samples) => Some(samples),
        Err(err) => {
            warn!(component = "tsdb", %err, "chunk left out of the block");
            None
        }
    }
}

pub(crate) fn block_error(err: BlockError) -> TsdbError {
    TsdbError::Block(err.to_string())
}

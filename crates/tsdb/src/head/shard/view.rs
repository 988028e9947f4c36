//! What a shard's series have: chunks for readers, bounds, and bytes.

use bytes::Bytes;
use gauntlet_chunk::Encoding;
use gauntlet_encoding::put::{put_u16, put_u64, put_varint};
use gauntlet_model::Timestamp;
use gauntlet_storage::{Chunk, ChunkData, TimeRange};

use super::super::chunk_files::LOST_CHUNK;
use super::super::series::HAS_SAMPLE;
use super::{HistogramState, ShardData};

impl ShardData {
    /// Appends the series' chunks with samples in `range`, oldest first. Bytes of open chunks go to `copies`: their place
    /// in it stands in for them until the caller knows the buffer.
    pub(crate) fn chunks(
        &self,
        slot: u32,
        range: TimeRange,
        source: u32,
        copies: &mut Vec<u8>,
        out: &mut Vec<Found>,
    ) {
        self.chunks_in_order(slot, range, source, copies, out);
        if let Some(late) = self.late.get(&slot) {
            late.chunks(range, source, copies, out);
        }
    }

    /// The newest sample alone, as a chunk of its own, where it is in the range and the series has floats in order only, without
    /// start timestamps. Returns whether that was it; else nothing is appended.
    pub(crate) fn latest(
        &self,
        slot: u32,
        range: TimeRange,
        copies: &mut Vec<u8>,
        out: &mut Vec<Found>,
    ) -> bool {
        let series = &self.series[slot as usize];
        if series.count == 0
            || !(range.min..=range.max).contains(&series.t)
            || !self.young.is_empty()
            || self.histograms.contains_key(&slot)
            || self.late.contains_key(&slot)
            || !self.starts.is_empty() && self.starts.contains_key(&slot)
        {
            return false;
        }
        let start = copies.len();
        put_u16(copies, 1);
        put_varint(copies, series.t);
        put_u64(copies, series.last_bits());
        let (t, end) = (series.t, copies.len());
        out.push(Found::Copied { min_t: t, max_t: t, encoding: Encoding::Xor, start, end });
        true
    }

    /// As [`ShardData::chunks`], without late samples.
    pub(crate) fn chunks_in_order(
        &self,
        slot: u32,
        range: TimeRange,
        source: u32,
        copies: &mut Vec<u8>,
        out: &mut Vec<Found>,
    ) {
        let before = out.len();
        for closed in self.closed_chunks(slot) {
            let (min_t, place) = (closed.min_t, closed.place);
            let max_t = min_t.saturating_add(i64::from(closed.span));
            if range.overlaps(min_t, max_t) {
                let data = ChunkData::Stored { source, chunk_ref: place };
                out.push(Found::Chunk(Chunk {
                    min_time: min_t,
                    max_time: max_t,
                    replica: 0,
                    data,
                }));
            }
        }
        out[before..].reverse();
        let series = &self.series[slot as usize];
        let start = copies.len();
        let encoding = match self.histograms.get(&slot) {
            Some(state) if range.overlaps(series.min_t, series.t) => {
                copies.extend_from_slice(state.open.bytes());
                Some(state.open.encoding())
            }
            None if series.count > 0 && range.overlaps(series.min_t, series.t) => {
                let copied = self.copy_open(slot, copies);
                if copied.is_err() {
                    // Whoever reads the chunk is told.
                    copies.truncate(start);
                    let data = ChunkData::Stored { source, chunk_ref: LOST_CHUNK };
                    let (min_time, max_time) = (series.min_t, series.t);
                    out.push(Found::Chunk(Chunk { min_time, max_time, replica: 0, data }));
                }
                copied.ok()
            }
            _ => None,
        };
        if let Some(encoding) = encoding {
            let (min_t, max_t) = (series.min_t, series.t);
            out.push(Found::Copied { min_t, max_t, encoding, start, end: copies.len() });
        }
        if !self.young.is_empty() {
            self.young_chunks(slot, range, copies, out);
        }
    }

    /// Whether the series has a sample, by chunk bounds, in the range; late ones among them.
    pub(crate) fn overlaps(&self, slot: u32, range: TimeRange) -> bool {
        self.overlaps_in_order(slot, range)
            || self.late.get(&slot).is_some_and(|late| late.overlaps(range))
    }

    pub(crate) fn overlaps_in_order(&self, slot: u32, range: TimeRange) -> bool {
        let series = &self.series[slot as usize];
        let open = series.count > 0 || self.histograms.contains_key(&slot);
        open && range.overlaps(series.min_t, series.t)
            || self
                .closed_chunks(slot)
                .any(|c| range.overlaps(c.min_t, c.min_t.saturating_add(i64::from(c.span))))
            || self.young_bounds(slot).is_some_and(|(min, max)| range.overlaps(min, max))
    }

    /// First and last time of the series' samples, late ones among them, by chunk bounds.
    pub(crate) fn bounds_of(&self, slot: u32) -> Option<(Timestamp, Timestamp)> {
        let series = &self.series[slot as usize];
        let open = series.count > 0 || self.histograms.contains_key(&slot);
        let open = open.then_some((series.min_t, series.t));
        let closed =
            self.closed_chunks(slot).map(|c| (c.min_t, c.min_t.saturating_add(i64::from(c.span))));
        let late = self.late.get(&slot).and_then(|late| late.bounds());
        let young = self.young_bounds(slot);
        let all = open.into_iter().chain(closed).chain(late).chain(young);
        all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Least and greatest time of in-order samples.
    pub(crate) fn bounds(&self) -> Option<(Timestamp, Timestamp)> {
        let mut bounds: Option<(Timestamp, Timestamp)> = None;
        for slot in self.slots() {
            let series = &self.series[slot as usize];
            if !series.has(HAS_SAMPLE) {
                continue;
            }
            let oldest = self.closed_chunks(slot).last().map(|c| c.min_t);
            let open = series.count > 0 || self.histograms.contains_key(&slot);
            let Some(min) = oldest.or(open.then_some(series.min_t)) else { continue };
            let (low, high) = bounds.get_or_insert((min, series.t));
            (*low, *high) = ((*low).min(min), (*high).max(series.t));
        }
        bounds
    }

    /// Lowest file number that a closed chunk of the shard is in.
    pub(crate) fn first_file(&self) -> Option<u32> {
        let in_order = self.slots().flat_map(|slot| self.closed_chunks(slot)).map(|c| c.place);
        let late = self.late.values().flat_map(|late| late.places());
        in_order.chain(late).map(|place| (place >> 32) as u32).min()
    }

    /// Heap bytes: series states, references, open chunks (used, taken), closed chunks, side maps.
    pub(crate) fn heap_bytes(&self) -> ShardBytes {
        let (used, cells) = self.cells.heap_bytes();
        let histograms: usize = self
            .histograms
            .values()
            .map(|state| size_of::<HistogramState>() + state.open.bytes().len() * 2 + 512)
            .sum();
        ShardBytes {
            series: self.series.heap_bytes() + self.free.capacity() * 4,
            refs: self.refs.heap_bytes(),
            cells_used: used,
            cells,
            closed: self.closed.heap_bytes(),
            side: histograms
                + self.histograms.allocation_size()
                + self.starts.allocation_size()
                + self.late.allocation_size()
                + self.young.allocation_size()
                + self.young.values().map(|young| young.heap_bytes()).sum::<usize>()
                + self.late.values().map(|late| late.heap_bytes()).sum::<usize>()
                + self.metadata.allocation_size(),
        }
    }
}

/// A chunk on its way into an answer.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Chunk(Chunk),
    /// Bytes in the shared copy buffer.
    Copied {
        min_t: Timestamp,
        max_t: Timestamp,
        encoding: Encoding,
        start: usize,
        end: usize,
    },
}

impl Found {
    pub(crate) fn into_chunk(self, copies: &Bytes) -> Chunk {
        match self {
            Self::Chunk(chunk) => chunk,
            Self::Copied { min_t, max_t, encoding, start, end } => Chunk {
                min_time: min_t,
                max_time: max_t,
                replica: 0,
                data: ChunkData::Encoded { encoding, bytes: copies.slice(start..end) },
            },
        }
    }

    /// First and last time, both in.
    pub(crate) fn bounds(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::Chunk(chunk) => (chunk.min_time, chunk.max_time),
            Self::Copied { min_t, max_t, .. } => (*min_t, *max_t),
        }
    }
}

/// Heap bytes of a shard by purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShardBytes {
    pub(crate) series: usize,
    pub(crate) refs: usize,
    pub(crate) cells_used: usize,
    pub(crate) cells: usize,
    pub(crate) closed: usize,
    pub(crate) side: usize,
}

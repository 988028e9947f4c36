//! A shard: states of the series that live together, their open chunks, and side maps for what few series have. One lock guards
//! it (in [`super`]); nothing here is shared by itself.

mod append;
mod view;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gauntlet_chunk::histogram::HistogramChunkAppender;
use gauntlet_chunk::{Encoding, Starts};
use gauntlet_model::{Metadata, Timestamp};
use gauntlet_storage::AppendError;
use gauntlet_sys::prefetch::prefetch;
use hashbrown::HashMap;

use super::cells::Cells;
use super::chunk_files::{ChunkFiles, FoundChunk, HeadChunkRef};
use super::column::Column;
use super::late::Late;
use super::refs::RefTable;
use super::samples::{Encodings, Value, decode_samples};
use super::series::{
    ALIVE, FLOAT_HISTOGRAM, HAS_SAMPLE, HISTOGRAM, LOGGED, NO_CHUNK, NO_VALUE, STALE, Series, XOR2,
};
use super::spill::SpillLost;
use super::young::Young;

pub(crate) use self::append::range_end;
pub(crate) use self::view::Found;

type SideMap<T> = HashMap<u32, T, foldhash::fast::FixedState>;

/// A full chunk in a head chunk file. 24 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Closed {
    place: HeadChunkRef,
    min_t: Timestamp,
    span: u32,
    /// The chunk before it.
    older: u32,
}

/// What appending needs to know of its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutting<'a> {
    pub(crate) files: &'a ChunkFiles,
    /// Chunks do not cross multiples of this, in ms.
    pub(crate) chunk_range: i64,
    pub(crate) samples_per_chunk: u16,
    pub(crate) encodings: Encodings,
    pub(crate) shard: u32,
    pub(crate) shards: u32,
}

/// Bounds of what is taken; the same for a whole batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) min_valid: Timestamp,
    pub(crate) head_max: Timestamp,
    /// Width of the out-of-order window in ms; 0 for none.
    pub(crate) window: i64,
}

/// Where a sample may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    InOrder,
    /// It is there already.
    Known,
    Late,
}

/// The open histogram chunk of a series, and its last histogram.
#[derive(Debug)]
struct HistogramState {
    open: OpenHistogram,
    last: Value,
    next_at: Timestamp,
    has_computed_end: bool,
}

#[derive(Debug)]
enum OpenHistogram {
    Whole(HistogramChunkAppender<i64>),
    Float(HistogramChunkAppender<f64>),
}

impl OpenHistogram {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(appender) => appender.bytes(),
            Self::Float(appender) => appender.bytes(),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Whole(appender) => appender.count(),
            Self::Float(appender) => appender.count(),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Self::Whole(appender) => appender.encoding(),
            Self::Float(appender) => appender.encoding(),
        }
    }
}

/// Counts that a shard keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) series: u64,
    pub(crate) stale: u64,
    pub(crate) histogram_series: u64,
    pub(crate) chunks: u64,
    pub(crate) chunks_created: u64,
    pub(crate) chunks_removed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ShardData {
    pub(crate) series: Column<Series>,
    free: Vec<u32>,
    refs: RefTable,
    next_number: u32,
    pub(crate) cells: Cells,
    closed: Column<Closed>,
    free_closed: u32,
    histograms: SideMap<Box<HistogramState>>,
    /// Of open float chunks that have start timestamps.
    starts: SideMap<Starts>,
    pub(crate) late: SideMap<Box<Late>>,
    pub(crate) metadata: SideMap<Arc<Metadata>>,
    /// Deleted spans by slot, both ends in.
    pub(crate) deleted: SideMap<Vec<(Timestamp, Timestamp)>>,
    pub(crate) counts: Counts,
    /// Living series without a record in the log.
    pub(crate) unlogged: usize,
    /// While the log replays: its newest time. Samples that come wait in `young`.
    pub(crate) replaying: Option<Timestamp>,
    pub(crate) young: SideMap<Young>,
    scratch: Vec<u8>,
}

impl ShardData {
    pub(crate) fn new() -> Self {
        Self { next_number: 1, free_closed: NO_CHUNK, ..Self::default() }
    }

    /// Makes a series with a number of its own.
    pub(crate) fn create(&mut self, id: u32, round: u8) -> (u32, u32) {
        let number = self.next_number;
        self.next_number += 1;
        self.unlogged += 1;
        (number, self.place(number, id, round))
    }

    /// Makes a series that the log names.
    pub(crate) fn create_logged(&mut self, number: u32, id: u32, round: u8) -> u32 {
        self.reserve_number(number);
        let slot = self.place(number, id, round);
        self.series[slot as usize].set(LOGGED, true);
        slot
    }

    /// Keeps a number of the log from being given anew.
    pub(crate) fn reserve_number(&mut self, number: u32) {
        self.next_number = self.next_number.max(number.saturating_add(1));
    }

    fn place(&mut self, number: u32, id: u32, round: u8) -> u32 {
        let series = Series::new(number, id, round);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.series[slot as usize] = series;
                slot
            }
            None => {
                self.series.push(series);
                (self.series.len() - 1) as u32
            }
        };
        self.refs.set(number, slot);
        self.counts.series += 1;
        slot
    }

    /// The number that the next new series gets.
    pub(crate) fn next_number(&self) -> u32 {
        self.next_number
    }

    #[inline]
    pub(crate) fn slot_of(&self, number: u32) -> Option<u32> {
        self.refs.get(number)
    }

    /// Asks for a series' state to be brought near: it will be appended to soon.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        if let Some(series) = self.series.get(slot as usize) {
            prefetch(series);
        }
    }

    /// Asks for the end of a series' open chunk to be brought near. Its state should be.
    #[inline]
    pub(crate) fn prefetch_end(&self, slot: u32) {
        if let Some(series) = self.series.get(slot as usize) {
            self.cells.prefetch(series.chain);
        }
    }

    /// The log has lost the series' record: its next sample brings another.
    pub(crate) fn set_unlogged(&mut self, slot: u32) {
        let series = &mut self.series[slot as usize];
        if series.has(LOGGED) {
            series.set(LOGGED, false);
            self.unlogged += 1;
        }
    }

    pub(crate) fn set_logged(&mut self, slot: u32) {
        let series = &mut self.series[slot as usize];
        if !series.has(LOGGED) {
            series.set(LOGGED, true);
            self.unlogged -= 1;
        }
    }

    /// Whether and where a sample is taken. Rules and their order are upstream's.
    #[inline]
    pub(crate) fn route(
        &self,
        slot: u32,
        t: Timestamp,
        value: &Value,
        bounds: &Bounds,
    ) -> Result<Route, AppendError> {
        if let Some(log_end) = self.replaying {
            return self.route_young(slot, t, value, bounds, log_end);
        }
        let series = &self.series[slot as usize];
        if t >= bounds.min_valid {
            let Some(last) = series.last_t() else { return Ok(Route::InOrder) };
            if t > last {
                return Ok(Route::InOrder);
            }
            if t == last && !series.has(NO_VALUE) {
                let same = match value.plain() {
                    Value::Float(value) => {
                        !series.is_histogram() && series.last_bits() == value.to_bits()
                    }
                    value => self.histograms.get(&slot).is_some_and(|state| state.last.same(value)),
                };
                return if same { Ok(Route::Known) } else { Err(AppendError::DuplicateSample) };
            }
        }
        if bounds.window > 0 {
            return if t >= bounds.head_max.saturating_sub(bounds.window) {
                Ok(Route::Late)
            } else {
                Err(AppendError::TooOld)
            };
        }
        Err(if t < bounds.min_valid { AppendError::OutOfBounds } else { AppendError::OutOfOrder })
    }

    /// Takes over a chunk that was found in a head chunk file, if it lies behind those that are there. Behind samples of the log
    /// none is taken: what lies between the two could not be told from what is lost.
    pub(crate) fn attach(&mut self, slot: u32, found: &FoundChunk) -> bool {
        if self.series[slot as usize].count > 0 || self.histograms.contains_key(&slot) {
            return false;
        }
        let series = &mut self.series[slot as usize];
        let span = found.max_t.checked_sub(found.min_t).and_then(|span| u32::try_from(span).ok());
        let (Some(span), false) = (span, series.has(HAS_SAMPLE) && found.min_t <= series.t) else {
            return false;
        };
        series.t = found.max_t;
        series.flags |= HAS_SAMPLE | NO_VALUE;
        // The kind of the last sample decides what a stale marker becomes.
        let was_histogram = series.is_histogram();
        let kind = |plain, with_start| found.encoding == plain || found.encoding == with_start;
        series.set(HISTOGRAM, kind(Encoding::Histogram, Encoding::HistogramSt));
        series.set(FLOAT_HISTOGRAM, kind(Encoding::FloatHistogram, Encoding::FloatHistogramSt));
        let is_histogram = series.is_histogram();
        self.counts.histogram_series -= u64::from(was_histogram);
        self.counts.histogram_series += u64::from(is_histogram);
        self.push_closed(slot, found.chunk, found.min_t, span);
        self.counts.chunks += 1;
        self.counts.chunks_created += 1;
        true
    }

    /// The stale marker in the kind of the series' newest sample.
    pub(crate) fn stale_for(&self, slot: u32, marker: Value) -> Value {
        if marker.kind() != Encoding::Xor {
            return marker;
        }
        let series = &self.series[slot as usize];
        if series.has(HISTOGRAM) {
            let h =
                gauntlet_model::Histogram { sum: gauntlet_model::STALE_NAN, ..Default::default() };
            return Value::Histogram(Box::new(h));
        }
        if series.has(FLOAT_HISTOGRAM) {
            let h = gauntlet_model::FloatHistogram {
                sum: gauntlet_model::STALE_NAN,
                ..Default::default()
            };
            return Value::FloatHistogram(Box::new(h));
        }
        marker
    }

    /// The end of the closed chunk that spans `t`; in.
    pub(crate) fn covering_end(&self, slot: u32, t: Timestamp) -> Option<Timestamp> {
        let end = |c: &Closed| c.min_t.saturating_add(i64::from(c.span));
        self.closed_chunks(slot).find(|c| c.min_t <= t && t <= end(c)).map(|c| end(&c))
    }

    pub(crate) fn has_closed(&self, slot: u32) -> bool {
        self.series[slot as usize].closed != NO_CHUNK
    }

    /// Whether the series has an open chunk.
    pub(crate) fn has_open(&self, slot: u32) -> bool {
        let series = &self.series[slot as usize];
        series.count > 0 || series.is_histogram() && self.histograms.contains_key(&slot)
    }

    /// Newest time in closed chunks.
    pub(crate) fn closed_end(&self, slot: u32) -> Option<Timestamp> {
        self.closed_chunks(slot).map(|c| c.min_t.saturating_add(i64::from(c.span))).max()
    }

    /// Samples of the open chunk; `None` where they are lost.
    pub(crate) fn open_samples(&self, slot: u32) -> Option<Vec<(Timestamp, Value)>> {
        let mut bytes = Vec::new();
        let encoding = match self.histograms.get(&slot) {
            Some(state) => {
                bytes.extend_from_slice(state.open.bytes());
                state.open.encoding()
            }
            None if self.series[slot as usize].count > 0 => {
                self.copy_open(slot, &mut bytes).ok()?
            }
            None => return Some(Vec::new()),
        };
        decode_samples(encoding, &bytes, Timestamp::MIN, Timestamp::MAX).ok()
    }

    /// Forgets closed chunks that begin after `t`, and the open one, so that the log's samples take their place.
    pub(crate) fn forget_after(&mut self, slot: u32, t: Timestamp) {
        if self.series[slot as usize].count > 0 {
            self.drop_open(slot);
        }
        self.histograms.remove(&slot);
        self.retain_closed(slot, |min_t, _| min_t <= t);
        let newest =
            self.closed_chunks(slot).next().map(|c| c.min_t.saturating_add(i64::from(c.span)));
        let series = &mut self.series[slot as usize];
        self.counts.histogram_series -= u64::from(series.is_histogram());
        self.counts.stale -= u64::from(series.has(STALE));
        series.set(HISTOGRAM | FLOAT_HISTOGRAM | STALE, false);
        series.set(HAS_SAMPLE | NO_VALUE, newest.is_some());
        series.t = newest.unwrap_or(0);
    }

    /// Drops chunks that end before `min_t`. True if the series has none left.
    pub(crate) fn truncate(&mut self, slot: u32, min_t: Timestamp) -> bool {
        self.retain_closed(slot, |_, max_t| max_t >= min_t);
        let series = &self.series[slot as usize];
        if series.has(HAS_SAMPLE) && series.t < min_t {
            if series.count > 0 {
                self.drop_open(slot);
            }
            if self.histograms.remove(&slot).is_some() {
                self.counts.chunks -= 1;
                self.counts.chunks_removed += 1;
            }
        }
        // Late samples leave for blocks of their own.
        if let Some(spans) = self.deleted.get_mut(&slot)
            && !self.late.contains_key(&slot)
        {
            spans.retain(|(_, max)| *max >= min_t);
            if spans.is_empty() {
                self.deleted.remove(&slot);
            }
        }
        let series = &self.series[slot as usize];
        series.count == 0
            && series.closed == NO_CHUNK
            && !self.histograms.contains_key(&slot)
            && !self.late.contains_key(&slot)
            && !self.young.contains_key(&slot)
    }

    /// Gives the slot of a series free.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.truncate(slot, Timestamp::MAX);
        self.retain_closed(slot, |_, _| false);
        if self.series[slot as usize].count > 0 {
            self.drop_open(slot);
        }
        self.drop_young(slot);
        self.histograms.remove(&slot);
        self.late.remove(&slot);
        self.metadata.remove(&slot);
        self.deleted.remove(&slot);
        let series = &mut self.series[slot as usize];
        self.counts.series -= 1;
        self.counts.stale -= u64::from(series.has(STALE));
        self.counts.histogram_series -= u64::from(series.is_histogram());
        self.unlogged -= usize::from(!series.has(LOGGED));
        self.refs.remove(series.number);
        series.flags = 0;
        self.free.push(slot);
    }

    pub(crate) fn trim(&mut self) {
        self.refs.trim();
        self.histograms.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.late.shrink_to_fit();
        self.young.shrink_to_fit();
        self.metadata.shrink_to_fit();
    }

    /// Living slots.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.series.iter().enumerate().filter(|(_, s)| s.has(ALIVE)).map(|(slot, _)| slot as u32)
    }

    pub(crate) fn touch(&self, slot: u32, round: u8) {
        self.series[slot as usize].touched.store(round, Ordering::Relaxed);
    }

    fn closed_chunks(&self, slot: u32) -> impl Iterator<Item = Closed> + '_ {
        let mut at = self.series[slot as usize].closed;
        std::iter::from_fn(move || {
            let closed = *self.closed.get(at as usize)?;
            at = closed.older;
            Some(closed)
        })
    }

    fn push_closed(&mut self, slot: u32, place: HeadChunkRef, min_t: Timestamp, span: u32) {
        let series = &mut self.series[slot as usize];
        let closed = Closed { place, min_t, span, older: series.closed };
        if self.free_closed == NO_CHUNK {
            series.closed = self.closed.len() as u32;
            self.closed.push(closed);
        } else {
            series.closed = self.free_closed;
            let entry = &mut self.closed[self.free_closed as usize];
            self.free_closed = entry.older;
            *entry = closed;
        }
    }

    fn retain_closed(&mut self, slot: u32, keep: impl Fn(Timestamp, Timestamp) -> bool) {
        let mut at = self.series[slot as usize].closed;
        let mut newer = NO_CHUNK;
        while at != NO_CHUNK {
            let closed = self.closed[at as usize];
            let max_t = closed.min_t.saturating_add(i64::from(closed.span));
            if keep(closed.min_t, max_t) {
                newer = at;
            } else {
                if newer == NO_CHUNK {
                    self.series[slot as usize].closed = closed.older;
                } else {
                    self.closed[newer as usize].older = closed.older;
                }
                self.closed[at as usize].older = self.free_closed;
                self.free_closed = at;
                self.counts.chunks -= 1;
                self.counts.chunks_removed += 1;
            }
            at = closed.older;
        }
    }

    /// Appends the bytes of the open float chunk to `out`. Errs where a part of it is lost; `out` may have a part of it then.
    fn copy_open(&self, slot: u32, out: &mut Vec<u8>) -> Result<Encoding, SpillLost> {
        let series = &self.series[slot as usize];
        let (mut encoding, mut header) = (Encoding::Xor, None);
        if series.has(XOR2) {
            encoding = Encoding::Xor2;
            let starts = if self.starts.is_empty() { None } else { self.starts.get(&slot) };
            header = Some(starts.map_or(0, Starts::header));
        }
        let bits = u32::from(series.len_bits);
        self.cells.copy_to(series.chain, bits, series.count, header, out)?;
        Ok(encoding)
    }

    fn drop_open(&mut self, slot: u32) {
        self.starts.remove(&slot);
        let series = &mut self.series[slot as usize];
        self.cells.release(series.chain, u32::from(series.len_bits));
        series.count = 0;
        self.counts.chunks -= 1;
        self.counts.chunks_removed += 1;
    }
}

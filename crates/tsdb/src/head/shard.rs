//! A shard: states of the series that live together, their open chunks, and side maps for what few series have. One lock guards
//! it (in [`super`]); nothing here is shared by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use gauntlet_chunk::histogram::{Appended, Bucket, HistogramChunkAppender};
use gauntlet_chunk::{Encoding, XorState};
use gauntlet_model::{Metadata, Timestamp, is_stale_nan};
use gauntlet_storage::{AppendError, Chunk, ChunkData, TimeRange};
use hashbrown::HashMap;

use super::cells::Cells;
use super::chunk_files::{ChunkFiles, FoundChunk, HeadChunkRef, NewChunk};
use super::index::push_tight;
use super::late::Late;
use super::refs::RefTable;
use super::samples::Value;
use super::series::{
    ALIVE, FLOAT_HISTOGRAM, HAS_SAMPLE, HISTOGRAM, LOGGED, NO_CHUNK, NO_VALUE, STALE, Series,
};

/// Floats: a chunk is cut before it would grow above this.
const MAX_XOR_BYTES: usize = 1005;
/// Histograms: size to aim for, and least samples of a chunk.
const HISTOGRAM_TARGET_BYTES: usize = 1024;
const HISTOGRAM_LEAST_SAMPLES: usize = 10;

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
    pub(crate) series: Vec<Series>,
    free: Vec<u32>,
    refs: RefTable,
    next_number: u32,
    cells: Cells,
    closed: Vec<Closed>,
    free_closed: u32,
    histograms: SideMap<Box<HistogramState>>,
    pub(crate) late: SideMap<Box<Late>>,
    pub(crate) metadata: SideMap<Arc<Metadata>>,
    /// Deleted spans by slot, both ends in.
    pub(crate) deleted: SideMap<Vec<(Timestamp, Timestamp)>>,
    pub(crate) counts: Counts,
    /// Living series without a record in the log.
    pub(crate) unlogged: usize,
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
                push_tight(&mut self.series, series);
                (self.series.len() - 1) as u32
            }
        };
        self.refs.set(number, slot);
        self.counts.series += 1;
        slot
    }

    #[inline]
    pub(crate) fn slot_of(&self, number: u32) -> Option<u32> {
        self.refs.get(number)
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
        let series = &self.series[slot as usize];
        if t >= bounds.min_valid {
            let Some(last) = series.last_t() else { return Ok(Route::InOrder) };
            if t > last {
                return Ok(Route::InOrder);
            }
            if t == last && !series.has(NO_VALUE) {
                let same = match value {
                    Value::Float(value) => {
                        !series.is_histogram() && series.value_bits == value.to_bits()
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

    /// Appends an in-order float. False where it is not newer than what is there.
    #[inline]
    pub(crate) fn append_float(
        &mut self,
        slot: u32,
        t: Timestamp,
        value: f64,
        cutting: &Cutting<'_>,
    ) -> bool {
        let series = &self.series[slot as usize];
        if series.has(HAS_SAMPLE) && t <= series.t {
            return false;
        }
        if series.is_histogram() {
            self.close_histogram(slot, cutting);
        }
        let series = &mut self.series[slot as usize];
        if series.count > 0 && must_cut(series, t, cutting.samples_per_chunk) {
            self.close_float(slot, cutting);
        }
        let series = &mut self.series[slot as usize];
        let mut state = series.xor_state();
        if series.count == 0 {
            state = XorState::default();
            series.min_t = t;
            series.next_in = offset(t, range_end(t, cutting.chunk_range));
            self.counts.chunks += 1;
            self.counts.chunks_created += 1;
        }
        let mut chain = series.chain;
        self.cells.append(&mut chain, &mut state, t, value);
        let stale = is_stale_nan(value);
        let was_stale = series.has(STALE);
        series.chain = chain;
        series.set_xor_state(&state);
        series.flags =
            series.flags & !(STALE | NO_VALUE) | HAS_SAMPLE | if stale { STALE } else { 0 };
        if stale != was_stale {
            self.counts.stale = if stale { self.counts.stale + 1 } else { self.counts.stale - 1 };
        }
        true
    }

    /// Appends an in-order sample of any kind. False where it is not newer than what is there, or no chunk can hold it.
    pub(crate) fn append(
        &mut self,
        slot: u32,
        t: Timestamp,
        value: &Value,
        cutting: &Cutting<'_>,
    ) -> bool {
        if let Value::Float(value) = value {
            return self.append_float(slot, t, *value, cutting);
        }
        let series = &self.series[slot as usize];
        if series.has(HAS_SAMPLE) && t <= series.t {
            return false;
        }
        if series.count > 0 {
            self.close_float(slot, cutting);
        }
        let mut state = self.histograms.remove(&slot);
        let min_t = self.series[slot as usize].min_t;
        let max_t = self.series[slot as usize].t;
        let mut before = None;
        if let Some(current) = &mut state
            && (current.open.encoding() != value.encoding()
                || must_cut_histogram(current, min_t, max_t, t, cutting.chunk_range))
        {
            self.write_out(
                slot,
                min_t,
                max_t,
                current.open.encoding(),
                current.open.bytes(),
                cutting,
            );
            before = state.take().map(|state| state.open);
        }
        let fresh = state.is_none();
        let mut state = state.unwrap_or_else(|| {
            let open = match value {
                Value::FloatHistogram(_) => {
                    OpenHistogram::Float(HistogramChunkAppender::new(false))
                }
                _ => OpenHistogram::Whole(HistogramChunkAppender::new(false)),
            };
            let next_at = range_end(t, cutting.chunk_range);
            Box::new(HistogramState { open, last: value.clone(), next_at, has_computed_end: false })
        });
        let replaced = match (&mut state.open, value) {
            (OpenHistogram::Whole(appender), Value::Histogram(h)) => {
                let before = match &before {
                    Some(OpenHistogram::Whole(before)) => Some(before),
                    _ => None,
                };
                append_histogram(appender, before, t, h)
                    .map(|full| full.map(|full| (Encoding::Histogram, full)))
            }
            (OpenHistogram::Float(appender), Value::FloatHistogram(h)) => {
                let before = match &before {
                    Some(OpenHistogram::Float(before)) => Some(before),
                    _ => None,
                };
                append_histogram(appender, before, t, h)
                    .map(|full| full.map(|full| (Encoding::FloatHistogram, full)))
            }
            _ => unreachable!("BUG: the open chunk was chosen for the value"),
        };
        let Some(replaced) = replaced else {
            if !fresh {
                self.histograms.insert(slot, state);
            }
            return false;
        };
        let begun = fresh || replaced.is_some();
        if let Some((encoding, full)) = replaced {
            self.write_out(slot, min_t, max_t, encoding, &full, cutting);
            state.next_at = range_end(t, cutting.chunk_range);
            state.has_computed_end = false;
        }
        if begun {
            self.counts.chunks += 1;
            self.counts.chunks_created += 1;
        }
        let series = &mut self.series[slot as usize];
        if !series.is_histogram() {
            self.counts.histogram_series += 1;
        }
        if begun {
            series.min_t = t;
        }
        let (stale, was_stale) = (value.is_stale(), series.has(STALE));
        let kind = if matches!(value, Value::Histogram(_)) { HISTOGRAM } else { FLOAT_HISTOGRAM };
        series.flags = series.flags & !(HISTOGRAM | FLOAT_HISTOGRAM | STALE | NO_VALUE)
            | HAS_SAMPLE
            | kind
            | if stale { STALE } else { 0 };
        series.t = t;
        if stale != was_stale {
            self.counts.stale = if stale { self.counts.stale + 1 } else { self.counts.stale - 1 };
        }
        state.last = value.clone();
        self.histograms.insert(slot, state);
        true
    }

    /// Takes over a chunk that was found in a head chunk file, if it lies behind those that are there.
    pub(crate) fn attach(&mut self, slot: u32, found: &FoundChunk) -> bool {
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

    /// Whether a closed chunk spans `t`.
    pub(crate) fn is_covered(&self, slot: u32, t: Timestamp) -> bool {
        self.closed_chunks(slot)
            .any(|c| c.min_t <= t && t <= c.min_t.saturating_add(i64::from(c.span)))
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
        let (start, encoding) = (
            copies.len(),
            match self.histograms.get(&slot) {
                Some(state) if range.overlaps(series.min_t, series.t) => {
                    copies.extend_from_slice(state.open.bytes());
                    Some(state.open.encoding())
                }
                None if series.count > 0 && range.overlaps(series.min_t, series.t) => {
                    self.cells.copy_to(
                        series.chain,
                        u32::from(series.len_bits),
                        series.count,
                        copies,
                    );
                    Some(Encoding::Xor)
                }
                _ => None,
            },
        );
        if let Some(encoding) = encoding {
            let (min_t, max_t) = (series.min_t, series.t);
            out.push(Found::Copied { min_t, max_t, encoding, start, end: copies.len() });
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
            || self.late.get(&slot).is_some_and(|late| late.overlaps(range))
    }

    /// First and last time of the series' samples, late ones among them, by chunk bounds.
    pub(crate) fn bounds_of(&self, slot: u32) -> Option<(Timestamp, Timestamp)> {
        let series = &self.series[slot as usize];
        let open = series.count > 0 || self.histograms.contains_key(&slot);
        let open = open.then_some((series.min_t, series.t));
        let closed =
            self.closed_chunks(slot).map(|c| (c.min_t, c.min_t.saturating_add(i64::from(c.span))));
        let late = self.late.get(&slot).and_then(|late| late.bounds());
        open.into_iter().chain(closed).chain(late).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
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
    }

    /// Gives the slot of a series free.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.truncate(slot, Timestamp::MAX);
        self.retain_closed(slot, |_, _| false);
        if self.series[slot as usize].count > 0 {
            self.drop_open(slot);
        }
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
        self.late.shrink_to_fit();
        self.metadata.shrink_to_fit();
    }

    /// Living slots.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.series.iter().enumerate().filter(|(_, s)| s.has(ALIVE)).map(|(slot, _)| slot as u32)
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

    pub(crate) fn touch(&self, slot: u32, round: u8) {
        self.series[slot as usize].touched.store(round, Ordering::Relaxed);
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
            series: self.series.capacity() * size_of::<Series>() + self.free.capacity() * 4,
            refs: self.refs.heap_bytes(),
            cells_used: used,
            cells,
            closed: self.closed.capacity() * size_of::<Closed>(),
            side: histograms
                + self.histograms.allocation_size()
                + self.late.allocation_size()
                + self.late.values().map(|late| late.heap_bytes()).sum::<usize>()
                + self.metadata.allocation_size(),
        }
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
            push_tight(&mut self.closed, closed);
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

    fn close_float(&mut self, slot: u32, cutting: &Cutting<'_>) {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        let series = &mut self.series[slot as usize];
        let bits = u32::from(series.len_bits);
        self.cells.copy_to(series.chain, bits, series.count, &mut bytes);
        self.cells.release(series.chain, bits);
        series.count = 0;
        let (min_t, max_t) = (series.min_t, series.t);
        self.write_out(slot, min_t, max_t, Encoding::Xor, &bytes, cutting);
        self.scratch = bytes;
    }

    fn close_histogram(&mut self, slot: u32, cutting: &Cutting<'_>) {
        if let Some(state) = self.histograms.remove(&slot) {
            let series = &self.series[slot as usize];
            let (min_t, max_t) = (series.min_t, series.t);
            self.write_out(slot, min_t, max_t, state.open.encoding(), state.open.bytes(), cutting);
        }
        let series = &mut self.series[slot as usize];
        if series.is_histogram() {
            series.set(HISTOGRAM | FLOAT_HISTOGRAM, false);
            self.counts.histogram_series -= 1;
        }
    }

    fn write_out(
        &mut self,
        slot: u32,
        min_t: Timestamp,
        max_t: Timestamp,
        encoding: Encoding,
        data: &[u8],
        cutting: &Cutting<'_>,
    ) {
        let number = self.series[slot as usize].number;
        let series = u64::from(number) * u64::from(cutting.shards) + u64::from(cutting.shard);
        let chunk = NewChunk { series, min_t, max_t, encoding, late: false, data };
        let place = cutting.files.append(&chunk);
        self.push_closed(slot, place, min_t, offset(min_t, max_t));
    }

    fn drop_open(&mut self, slot: u32) {
        let series = &mut self.series[slot as usize];
        self.cells.release(series.chain, u32::from(series.len_bits));
        series.count = 0;
        self.counts.chunks -= 1;
        self.counts.chunks_removed += 1;
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

/// Appends to an open chunk. `None`: no chunk can hold the histogram. `Some(Some)`: the chunk was full; these are its bytes, and
/// `appender` is its successor now.
fn append_histogram<B: Bucket>(
    appender: &mut HistogramChunkAppender<B>,
    before: Option<&HistogramChunkAppender<B>>,
    t: Timestamp,
    histogram: &B::Histogram,
) -> Option<Option<Vec<u8>>> {
    match appender.append(before, 0, t, histogram, false) {
        Ok(Appended::Same | Appended::Recoded) => Some(None),
        Ok(Appended::NewChunk(next)) => Some(Some(std::mem::replace(appender, *next).into_bytes())),
        Err(_) => None,
    }
}

/// Whether the open float chunk ends before `t`. At a quarter of its samples its end is predicted so that chunks share the rest
/// of the range evenly.
#[inline]
fn must_cut(series: &mut Series, t: Timestamp, samples_per_chunk: u16) -> bool {
    if series.chunk_bytes() > MAX_XOR_BYTES || offset_of(series.min_t, t).is_none() {
        return true;
    }
    let next_at = series.min_t.saturating_add(i64::from(series.next_in));
    if series.count == samples_per_chunk / 4 {
        let end = predicted_end(series.min_t, series.t, next_at, 4.0);
        series.next_in = offset(series.min_t, end);
    }
    let next_at = series.min_t.saturating_add(i64::from(series.next_in));
    t >= next_at || series.count >= samples_per_chunk.saturating_mul(2)
}

fn must_cut_histogram(
    state: &mut HistogramState,
    min_t: Timestamp,
    max_t: Timestamp,
    t: Timestamp,
    chunk_range: i64,
) -> bool {
    let (bytes, count) = (state.open.bytes().len(), state.open.count());
    let range_start =
        if state.has_computed_end { range_end(min_t, chunk_range) } else { state.next_at };
    if !state.has_computed_end && bytes >= HISTOGRAM_TARGET_BYTES / 4 {
        let ratio = HISTOGRAM_TARGET_BYTES as f64 / bytes as f64;
        state.next_at = predicted_end(min_t, max_t, state.next_at, ratio);
        state.has_computed_end = true;
    }
    offset_of(min_t, t).is_none()
        || (t >= state.next_at || bytes >= HISTOGRAM_TARGET_BYTES * 2)
            && (count >= HISTOGRAM_LEAST_SAMPLES || t >= range_start)
}

/// End of the aligned range that `t` lies in; out.
pub(crate) fn range_end(t: Timestamp, width: i64) -> Timestamp {
    (t / width).saturating_mul(width).saturating_add(width)
}

fn predicted_end(
    start: Timestamp,
    last: Timestamp,
    max: Timestamp,
    ratio_to_full: f64,
) -> Timestamp {
    let n = (max - start) as f64 / ((last - start + 1) as f64 * ratio_to_full);
    if n <= 1.0 {
        return max;
    }
    (start as f64 + (max - start) as f64 / n.floor()) as Timestamp
}

fn offset_of(from: Timestamp, to: Timestamp) -> Option<u32> {
    to.checked_sub(from).and_then(|distance| u32::try_from(distance).ok())
}

fn offset(from: Timestamp, to: Timestamp) -> u32 {
    offset_of(from, to).unwrap_or(u32::MAX)
}

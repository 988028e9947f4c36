//! In-order samples into a shard's open chunks, and when these end. The rules are upstream's, so that blocks come out alike.

use gauntlet_chunk::histogram::{Appended, Bucket, HistogramChunkAppender};
use gauntlet_chunk::{Encoding, Starts, XorState};
use gauntlet_model::{Timestamp, is_stale_nan};
use tracing::warn;

use super::super::chunk_files::NewChunk;
use super::super::samples::Value;
use super::super::series::{FLOAT_HISTOGRAM, HAS_SAMPLE, HISTOGRAM, NO_VALUE, STALE, Series, XOR2};
use super::{Cutting, HistogramState, OpenHistogram, ShardData};

/// Floats: a chunk is cut before it would grow above this.
const MAX_XOR_BYTES: usize = 1005;
/// Histograms: size to aim for, and least samples of a chunk.
const HISTOGRAM_TARGET_BYTES: usize = 1024;
const HISTOGRAM_LEAST_SAMPLES: usize = 10;

impl ShardData {
    /// Takes a sample of an appender: while the log replays it waits for that.
    #[inline]
    pub(crate) fn take(
        &mut self,
        slot: u32,
        t: Timestamp,
        value: &Value,
        cutting: &Cutting<'_>,
    ) -> bool {
        match (self.replaying, value) {
            (Some(_), value) => self.append_young(slot, t, value),
            (None, Value::Float(value)) => self.append_float(slot, t, *value, 0, cutting),
            (None, value) => self.append(slot, t, value, cutting),
        }
    }

    /// Appends an in-order float. False where it is not newer than what is there.
    #[inline]
    pub(crate) fn append_float(
        &mut self,
        slot: u32,
        t: Timestamp,
        value: f64,
        start: Timestamp,
        cutting: &Cutting<'_>,
    ) -> bool {
        let series = &self.series[slot as usize];
        if series.has(HAS_SAMPLE) && t <= series.t {
            return false;
        }
        if series.is_histogram() {
            self.close_histogram(slot, cutting);
        }
        let encodings = cutting.encodings;
        let series = &mut self.series[slot as usize];
        if series.count > 0 {
            let other = encodings.starts && series.has(XOR2) != encodings.xor2;
            if other || must_cut(series, t, cutting.samples_per_chunk) {
                self.close_float(slot, cutting);
            }
        }
        let series = &mut self.series[slot as usize];
        let mut state = series.xor_state();
        if series.count == 0 {
            state = XorState::default();
            series.min_t = t;
            series.next_in = offset(t, range_end(t, cutting.chunk_range));
            series.set(XOR2, encodings.xor2);
            self.counts.chunks += 1;
            self.counts.chunks_created += 1;
        }
        let mut chain = series.chain;
        if series.has(XOR2) {
            let starts = if Starts::are_needed(state.count, start) {
                Some(self.starts.entry(slot).or_default())
            } else if self.starts.is_empty() {
                None
            } else {
                self.starts.get_mut(&slot)
            };
            let starts = starts.map(|starts| (starts, start));
            self.cells.append_xor2(&mut chain, &mut state, t, value, starts);
        } else {
            self.cells.append(&mut chain, &mut state, t, value);
        }
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
        let (start, value) = (value.start(), value.plain());
        if let Value::Float(value) = value {
            return self.append_float(slot, t, *value, start, cutting);
        }
        let encoding = cutting.encodings.plain(value);
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
            && (current.open.encoding() != encoding
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
            let with_start = cutting.encodings.histogram_starts;
            let open = match value {
                Value::FloatHistogram(_) => {
                    OpenHistogram::Float(HistogramChunkAppender::new(with_start))
                }
                _ => OpenHistogram::Whole(HistogramChunkAppender::new(with_start)),
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
                append_histogram(appender, before, start, t, h)
            }
            (OpenHistogram::Float(appender), Value::FloatHistogram(h)) => {
                let before = match &before {
                    Some(OpenHistogram::Float(before)) => Some(before),
                    _ => None,
                };
                append_histogram(appender, before, start, t, h)
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
        if let Some(full) = replaced {
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

    fn close_float(&mut self, slot: u32, cutting: &Cutting<'_>) {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        let copied = self.copy_open(slot, &mut bytes);
        let series = &mut self.series[slot as usize];
        self.cells.release(series.chain, u32::from(series.len_bits));
        series.count = 0;
        let (min_t, max_t) = (series.min_t, series.t);
        if !self.starts.is_empty() {
            self.starts.remove(&slot);
        }
        if let Err(err) = &copied {
            let series = &self.series[slot as usize];
            // The log has it still: the next replay makes the chunk anew.
            let series = ref_of(series.number, cutting);
            warn!(component = "tsdb", series, min_t, max_t, %err, "a chunk is missing until a restart");
            self.counts.chunks -= 1;
            self.counts.chunks_removed += 1;
        }
        if let Ok(encoding) = copied {
            self.write_out(slot, min_t, max_t, encoding, &bytes, cutting);
        }
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
        let series = ref_of(self.series[slot as usize].number, cutting);
        let chunk = NewChunk { series, min_t, max_t, encoding, late: false, data };
        let place = cutting.files.append(&chunk);
        self.push_closed(slot, place, min_t, offset(min_t, max_t));
    }
}

fn ref_of(number: u32, cutting: &Cutting<'_>) -> u64 {
    u64::from(number) * u64::from(cutting.shards) + u64::from(cutting.shard)
}

/// Appends to an open chunk. `None`: no chunk can hold the histogram. `Some(Some)`: the chunk was full; these are its bytes, and
/// `appender` is its successor now.
fn append_histogram<B: Bucket>(
    appender: &mut HistogramChunkAppender<B>,
    before: Option<&HistogramChunkAppender<B>>,
    start: Timestamp,
    t: Timestamp,
    histogram: &B::Histogram,
) -> Option<Option<Vec<u8>>> {
    match appender.append(before, start, t, histogram, false) {
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

//! Downsampling: a block of raw or finely downsampled chunks becomes one with five aggregates per window. Source: Thanos
//! `pkg/compact/downsample`; same input, same chunks and index.
//!
//! A window ends at `t - t % resolution + resolution - 1`, but not behind the last sample of its batch. Raw samples are cut into batches at
//! window ends; downsampled ones at chunk ends, since a counter chunk's first and last values are raw. Stale markers and NaNs are dropped.
//! Leaves out which blocks to downsample.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_chunk::aggregate::{AGGREGATE_ENCODING, AggregateError, CounterMerge};
use gauntlet_chunk::{Aggregate, AggregateChunk, Columns, Encoding, XorAppender, decode};
use gauntlet_model::{Timestamp, is_stale_nan};
use gauntlet_runtime::{Cancel, Fs};
use ulid::Ulid;

use crate::BlockError;
use crate::block::BlockReader;
use crate::compact::{CompactError, Piece};
use crate::index::{IndexSource as _, SeriesEntry, SymbolTable};
use crate::segment::SEGMENT_BYTES;
use crate::writer::BlockWriter;

mod histograms;

/// Resolutions that Thanos makes, in ms.
pub const RESOLUTION_5M_MS: i64 = 5 * 60 * 1000;
pub const RESOLUTION_1H_MS: i64 = 60 * 60 * 1000;
/// What raw samples are taken to be apart, for sizing chunks.
const RAW_RESOLUTION_MS: i64 = 60 * 1000;
/// Windows that a chunk should not exceed on average.
const WINDOWS_PER_CHUNK: i64 = 140;

/// Downsamples `block` to `resolution_ms` as block `ulid` below `dest`. `None` where nothing is left: then nothing is written. The meta
/// is the source's, with another name, resolution and counts, and `compactor` as source.
pub fn downsample_block(
    fs: &Arc<dyn Fs>,
    dest: &Path,
    block: &Arc<BlockReader>,
    ulid: Ulid,
    resolution_ms: i64,
    cancel: &Cancel,
) -> Result<Option<crate::BlockMeta>, CompactError> {
    let mut meta = block.meta();
    let source_stats = meta.stats;
    let mut thanos = meta.thanos.take().unwrap_or_default();
    let from_ms = thanos.downsample.resolution_ms;
    if from_ms >= resolution_ms {
        let text = "target resolution not lower than existing one".to_owned();
        return Err(BlockError::Refused(text).into());
    }
    thanos.downsample.resolution_ms = resolution_ms;
    thanos.source = "compactor".to_owned();
    meta.ulid = ulid;
    let mut symbols = SymbolTable::default();
    block.index().for_each_symbol(|symbol| symbols.push(symbol).map(|_| ()))?;
    let mut writer = BlockWriter::create_with_table(fs, dest, meta, symbols, SEGMENT_BYTES)?;
    if let Err(err) = write_series(block, &mut writer, from_ms, resolution_ms, cancel) {
        writer.abort()?;
        return Err(err);
    }
    thanos.segment_files = writer.segment_files();
    let meta = writer.meta_mut();
    meta.stats.num_float_samples = source_stats.num_float_samples;
    meta.stats.num_histogram_samples = source_stats.num_histogram_samples;
    meta.stats.num_tombstones = source_stats.num_tombstones;
    meta.thanos = Some(thanos);
    Ok(writer.finish()?)
}

fn write_series(
    block: &Arc<BlockReader>,
    writer: &mut BlockWriter,
    from_ms: i64,
    resolution_ms: i64,
    cancel: &Cancel,
) -> Result<(), CompactError> {
    let mut entry = SeriesEntry::default();
    let scan = block.scan();
    for series_ref in block.index().all_postings().map_err(CompactError::Block)? {
        cancel.check()?;
        scan.series(series_ref, &mut entry)?;
        if entry.chunks.windows(2).any(|w| w[0].max_time >= w[1].min_time) {
            let text = format!("found overlapping chunks within series {series_ref}");
            return Err(BlockError::Refused(text).into());
        }
        let mut chunks = Vec::with_capacity(entry.chunks.len());
        for meta in &entry.chunks {
            let raw = scan.raw_chunk(meta.chunk_ref)?;
            let (min_time, max_time) = (meta.min_time, meta.max_time);
            let (encoding, data, crc) = (raw.encoding, raw.data, Some(raw.crc));
            chunks.push(Piece { min_time, max_time, encoding, data, crc });
        }
        let pieces = match from_ms {
            0 => raw_to_aggregates(&chunks, resolution_ms),
            _ => aggregates_to_coarser(&chunks, from_ms, resolution_ms),
        }
        .map_err(|reason| {
            BlockError::Refused(format!(
                "{}: series {series_ref}: {reason}",
                block.folder().display()
            ))
        })?;
        // The new index has the same symbols under the same numbers.
        writer.add_series_pieces(&entry.labels, &pieces)?;
    }
    Ok(())
}

/// Why a series could not be downsampled.
#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("unexpected chunk encoding {0}")]
    Encoding(u8),
    #[error(transparent)]
    Chunk(#[from] gauntlet_chunk::ChunkError),
    #[error(transparent)]
    Aggregate(#[from] AggregateError),
    #[error("histograms cannot be combined: {0}")]
    Histogram(String),
}

/// The aggregates of a series' raw chunks.
fn raw_to_aggregates(chunks: &[Piece], resolution_ms: i64) -> Result<Vec<Piece>, Reason> {
    let mut out = Vec::new();
    let mut samples = Columns::default();
    let mut of_histograms = None;
    for chunk in chunks {
        let encoding = Encoding::from_u8(chunk.encoding).ok_or(Reason::Encoding(chunk.encoding))?;
        if of_histograms.is_some_and(|before| before != encoding.is_histogram()) {
            downsample_samples(&samples, resolution_ms, &mut out)?;
            samples.clear();
        }
        of_histograms = Some(encoding.is_histogram());
        expand(encoding, &chunk.data, &mut samples)?;
    }
    downsample_samples(&samples, resolution_ms, &mut out)?;
    Ok(out)
}

/// Appends a chunk's samples, without stale markers and what goes back in time.
fn expand(encoding: Encoding, data: &[u8], samples: &mut Columns) -> Result<(), Reason> {
    let mut chunk = Columns::default();
    decode(encoding, data, Timestamp::MIN, Timestamp::MAX, &mut chunk)?;
    expand_columns(&chunk, samples);
    Ok(())
}

fn expand_columns(chunk: &Columns, samples: &mut Columns) {
    let mut last_t = 0;
    let mut histograms = chunk.histograms.iter().peekable();
    for (i, (t, value)) in chunk.timestamps.iter().zip(&chunk.values).enumerate() {
        let histogram = histograms.next_if(|(at, _)| *at as usize == i);
        let stale = histogram.map_or(is_stale_nan(*value), |(_, h)| is_stale_nan(h.sum));
        if stale || *t < last_t {
            continue;
        }
        last_t = *t;
        match histogram {
            Some((_, h)) => samples.push_histogram(*t, Arc::clone(h)),
            None => samples.push_float(*t, *value),
        }
    }
}

/// Cuts samples of one kind into batches and makes a chunk of each.
fn downsample_samples(
    samples: &Columns,
    resolution_ms: i64,
    out: &mut Vec<Piece>,
) -> Result<(), Reason> {
    let times = &samples.timestamps;
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(()) };
    let chunks = target_chunks(*first, *last, RAW_RESOLUTION_MS, resolution_ms, times.len());
    let batch = times.len() / chunks + 1;
    let mut start = 0;
    while start < times.len() {
        let mut end = (start + batch).min(times.len());
        let window = window_end(times[end - 1], resolution_ms);
        end += times[end..].iter().take_while(|t| **t <= window).count();
        if samples.histograms.is_empty() {
            let floats = (start..end).filter(|i| !samples.values[*i].is_nan());
            let (times, values): (Vec<_>, Vec<_>) =
                floats.map(|i| (samples.timestamps[i], samples.values[i])).unzip();
            out.extend(float_batch(&times, &values, resolution_ms));
        } else {
            let kept = |(at, _): &&(u32, _)| (start..end).contains(&(*at as usize));
            let batch: Vec<_> = samples
                .histograms
                .iter()
                .filter(kept)
                .filter(|(_, h)| !h.sum.is_nan())
                .map(|(at, h)| (samples.timestamps[*at as usize], Arc::clone(h)))
                .collect();
            out.extend(histograms::batch(&batch, resolution_ms)?);
        }
        start = end;
    }
    Ok(())
}

/// End of the window that `t` lies in.
fn window_end(t: Timestamp, resolution_ms: i64) -> Timestamp {
    t - t % resolution_ms + resolution_ms - 1
}

/// How many chunks to make, so that each has up to 140 windows, judged by range and density of the input.
fn target_chunks(
    min_t: Timestamp,
    max_t: Timestamp,
    from_ms: i64,
    to_ms: i64,
    count: usize,
) -> usize {
    let range = max_t.saturating_sub(min_t);
    let fullness = (count as f64 / (range as f64 / from_ms as f64)).min(1.0);
    let expected = ((range / to_ms) as f64 * fullness) as i64 + 1;
    let mut chunks = 1;
    while expected / chunks > WINDOWS_PER_CHUNK {
        chunks += 1;
    }
    chunks as usize
}

/// Calls `add` for each sample; before a window's first `begin`, behind its last `end` with its time. Returns the last window's time.
fn windows<S>(
    state: &mut S,
    times: &[Timestamp],
    resolution_ms: i64,
    begin: impl Fn(&mut S),
    mut add: impl FnMut(&mut S, usize) -> Result<(), Reason>,
    mut end: impl FnMut(&mut S, Timestamp) -> Result<(), Reason>,
) -> Result<Timestamp, Reason> {
    let mut window = -1;
    let Some(last) = times.last() else { return Ok(window) };
    for (i, t) in times.iter().enumerate() {
        if *t > window {
            if window != -1 {
                end(state, window)?;
            }
            begin(state);
            window = window_end(*t, resolution_ms).min(*last);
        }
        add(state, i)?;
    }
    end(state, window)?;
    Ok(window)
}

/// What a window and the batch so far amount to.
#[derive(Default)]
struct FloatTotals {
    started: bool,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    /// Sum of all increases since the batch began.
    counter: f64,
    last: f64,
}

impl FloatTotals {
    fn begin(&mut self) {
        (self.count, self.sum) = (0, 0.0);
        (self.min, self.max) = (f64::MAX, -f64::MAX);
    }

    fn add(&mut self, value: f64) {
        if !self.started {
            self.counter = value;
        } else if value < self.last {
            self.counter += value;
        } else {
            self.counter += value - self.last;
        }
        self.started = true;
        self.last = value;
        self.sum += value;
        self.count += 1;
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
    }
}

/// One aggregate chunk of a batch of floats.
fn float_batch(times: &[Timestamp], values: &[f64], resolution_ms: i64) -> Option<Piece> {
    let (first_t, first, last) = (*times.first()?, *values.first()?, *values.last()?);
    let mut parts: [XorAppender; 5] = Default::default();
    // The first raw value, for the join with the chunk before.
    parts[Aggregate::Counter as usize].append(first_t, first);
    let mut range = TimeSpan::default();
    let mut totals = FloatTotals::default();
    let last_t = windows(
        &mut totals,
        times,
        resolution_ms,
        FloatTotals::begin,
        |totals, i| {
            totals.add(values[i]);
            Ok(())
        },
        |totals, t| {
            range.take(t);
            let of = [totals.count as f64, totals.sum, totals.min, totals.max, totals.counter];
            parts.iter_mut().zip(of).for_each(|(part, value)| {
                part.append(t, value);
            });
            Ok(())
        },
    )
    .ok()?;
    // The last raw value, for the join with the chunk behind.
    parts[Aggregate::Counter as usize].append(last_t, last);
    let bytes = parts.each_ref().map(|part| Some((Encoding::Xor, part.bytes())));
    Some(aggregate_piece(bytes, range))
}

fn aggregate_piece(parts: [Option<(Encoding, &[u8])>; 5], range: TimeSpan) -> Piece {
    Piece {
        min_time: range.min,
        max_time: range.max,
        encoding: AGGREGATE_ENCODING,
        data: Bytes::from(AggregateChunk::new(parts).encode()),
        crc: None,
    }
}

/// First and last window of a chunk.
#[derive(Clone, Copy)]
struct TimeSpan {
    min: Timestamp,
    max: Timestamp,
}

impl Default for TimeSpan {
    fn default() -> Self {
        Self { min: Timestamp::MAX, max: Timestamp::MIN }
    }
}

impl TimeSpan {
    fn take(&mut self, t: Timestamp) {
        self.min = self.min.min(t);
        self.max = self.max.max(t);
    }
}

/// Coarser aggregates of a series' downsampled chunks.
fn aggregates_to_coarser(chunks: &[Piece], from_ms: i64, to_ms: i64) -> Result<Vec<Piece>, Reason> {
    let mut fixed: Vec<Piece> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        if chunk.encoding == AGGREGATE_ENCODING {
            fixed.push(chunk.clone());
        } else {
            // Some old blocks have raw chunks, even empty ones, among the downsampled.
            fixed.extend(raw_to_aggregates(std::slice::from_ref(chunk), RESOLUTION_5M_MS)?);
        }
    }
    let mut parsed = Vec::with_capacity(fixed.len());
    for piece in &fixed {
        let chunk = AggregateChunk::parse(&piece.data)?;
        let of_histograms =
            chunk.get(Aggregate::Counter).is_ok_and(|(encoding, _)| encoding.is_histogram());
        parsed.push((piece, chunk, of_histograms));
    }
    let mut out = Vec::new();
    for run in parsed.chunk_by(|a, b| a.2 == b.2) {
        let (min_t, max_t) = (run[0].0.min_time, run[run.len() - 1].0.max_time);
        let samples = run.iter().map(|(_, chunk, _)| chunk.windows()).sum();
        let batch = (run.len() / target_chunks(min_t, max_t, from_ms, to_ms, samples)).max(1);
        for part in run.chunks(batch) {
            let part: Vec<_> = part.iter().map(|(_, chunk, _)| *chunk).collect();
            out.extend(match run[0].2 {
                true => histograms::coarser(&part, to_ms)?,
                false => coarser_floats(&part, to_ms)?,
            });
        }
    }
    Ok(out)
}

/// One chunk of several downsampled ones.
fn coarser_floats(
    chunks: &[AggregateChunk<'_>],
    resolution_ms: i64,
) -> Result<Option<Piece>, Reason> {
    let mut range = TimeSpan::default();
    let mut parts: [Option<XorAppender>; 5] = Default::default();
    for aggregate in [Aggregate::Count, Aggregate::Sum, Aggregate::Min, Aggregate::Max] {
        parts[aggregate as usize] = coarser_part(aggregate, chunks, resolution_ms, &mut range)?;
    }
    let mut merge = CounterMerge::new();
    let mut merged = Columns::default();
    for chunk in chunks {
        let Ok((encoding, data)) = chunk.get(Aggregate::Counter) else { continue };
        let mut raw = Columns::default();
        decode(encoding, data, Timestamp::MIN, Timestamp::MAX, &mut raw)?;
        merge.push(&raw, &mut merged);
    }
    let mut samples = Columns::default();
    expand_columns(&merged, &mut samples);
    if let (Some(t), Some(value)) = (samples.timestamps.first(), samples.values.first()) {
        let mut part = XorAppender::new();
        part.append(*t, *value);
        let mut totals = FloatTotals::default();
        let last_t = windows(
            &mut totals,
            &samples.timestamps,
            resolution_ms,
            FloatTotals::begin,
            |totals, i| {
                totals.add(samples.values[i]);
                Ok(())
            },
            |totals, t| {
                range.take(t);
                part.append(t, totals.counter);
                Ok(())
            },
        )?;
        part.append(last_t, merge.last_raw());
        parts[Aggregate::Counter as usize] = Some(part);
    }
    if range.min > range.max {
        return Ok(None);
    }
    let bytes =
        parts.each_ref().map(|part| part.as_ref().map(|part| (Encoding::Xor, part.bytes())));
    Ok(Some(aggregate_piece(bytes, range)))
}

/// Counts and sums add up, extremes are those of extremes. `None` where no chunk has the aggregate.
fn coarser_part(
    aggregate: Aggregate,
    chunks: &[AggregateChunk<'_>],
    resolution_ms: i64,
    range: &mut TimeSpan,
) -> Result<Option<XorAppender>, Reason> {
    let mut samples = Columns::default();
    for chunk in chunks {
        if let Ok((encoding, data)) = chunk.get(aggregate) {
            expand(encoding, data, &mut samples)?;
        }
    }
    if samples.is_empty() {
        return Ok(None);
    }
    let mut part = XorAppender::new();
    let mut totals = FloatTotals::default();
    windows(
        &mut totals,
        &samples.timestamps,
        resolution_ms,
        FloatTotals::begin,
        |totals, i| {
            totals.add(samples.values[i]);
            Ok(())
        },
        |totals, t| {
            range.take(t);
            part.append(
                t,
                match aggregate {
                    Aggregate::Min => totals.min,
                    Aggregate::Max => totals.max,
                    _ => totals.sum,
                },
            );
            Ok(())
        },
    )?;
    Ok(Some(part))
}

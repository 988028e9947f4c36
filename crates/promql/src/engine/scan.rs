//! Leaves: from series to rows, a tile of series at a time.
//!
//! A worker takes a tile, decodes each of its series whole, evaluates all steps and applies the maps above while the row is in
//! cache. Tiles are handed on in order of series, so results do not depend on the number of threads.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gauntlet_chunk::Columns;
use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::{FloatHistogram, Labels, Timestamp, is_stale_nan};
use gauntlet_runtime::{Budget, Cancel};
use gauntlet_storage::{DecodeScratch, DeferredSeries, SeriesSet, TimeRange};
use rayon::prelude::*;

use super::elementwise::{Mapper, Strip};
use super::error::EngineError;
use super::grid::Grid;
use super::node::Selector;
use super::profile::{OperatorStats, Probe, TileProbe};
use super::rows::{
    HistogramRow, Meta, Rows, histogram_bytes, histogram_row_bytes, is_absent, is_metadata_label,
    strip_metadata,
};
use super::steps::ByStep;
use super::window::{Frame, RowOut, RowStats, Samples, Window, smooth_row};
use crate::annotations::{Annotation, Annotations};

/// Cells of a tile: small enough for a core's second-level cache.
const TILE_CELLS: usize = 4 * 1024;
const TILE_MIN_SERIES: usize = 4;
const TILE_MAX_SERIES: usize = 256;
/// Series of a tile between two looks at whether the query is still wanted: even those of a day take a few ms.
const CHECK_EVERY: usize = 16;
/// Tiles a thread gets at once; while their results are taken up, the next ones are computed.
const WAVE_TILES_PER_THREAD: usize = 4;
/// Labels that say what a metric is: annotations name it, and arithmetic takes them away.
pub(super) const METADATA_LABELS: [&str; 3] = ["__name__", "__type__", "__unit__"];

/// What was loaded of a selection, for explaining.
#[derive(Debug, Default)]
pub(super) struct Tally {
    chunks: AtomicU64,
    /// As it was charged.
    bytes: AtomicU64,
}

impl Tally {
    /// Counts a set, or a part of one.
    pub(super) fn add(&self, set: &SeriesSet) {
        let chunks = set.iter().map(|(_, chunks)| chunks.len() as u64).sum();
        self.chunks.fetch_add(chunks, Ordering::Relaxed);
        let bytes = set.charges.iter().map(gauntlet_runtime::Charge::bytes).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn chunks(&self) -> u64 {
        self.chunks.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Where series come from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Set {
        set: &'a SeriesSet,
        range: TimeRange,
        skip_buckets: bool,
        tally: &'a Tally,
    },
    /// What an inner expression evaluated to on its own grid.
    Rows {
        rows: &'a Rows,
        grid: Grid,
    },
}

impl Source<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Set { set, .. } => set.len(),
            Self::Rows { rows, .. } => rows.len(),
        }
    }

    /// Label set of a series that need not be loaded.
    pub(super) fn labels(&self, series: usize) -> &Labels {
        match self {
            Self::Set { set, .. } => set.labels(series),
            Self::Rows { rows, .. } => &rows.metas[series].labels,
        }
    }

    /// The series, where they are to be loaded first: see [`Source::part`].
    pub(super) fn deferred(&self) -> Option<&dyn DeferredSeries> {
        match self {
            Self::Set { set, .. } => set.deferred(),
            Self::Rows { .. } => None,
        }
    }

    /// Loads series, with these labels alone if they are named, where they have to be loaded.
    pub(super) fn part(
        &self,
        series: Range<usize>,
        names: Option<&[&str]>,
    ) -> Result<Option<SeriesSet>, EngineError> {
        let (Some(deferred), Self::Set { tally, .. }) = (self.deferred(), self) else {
            return Ok(None);
        };
        let part = deferred.load(series, names)?;
        tally.add(&part);
        Ok(Some(part))
    }

    /// The same as to range and buckets, of another set.
    pub(super) fn of<'b>(&'b self, set: &'b SeriesSet) -> Source<'b> {
        match *self {
            Self::Set { range, skip_buckets, tally, .. } => {
                Source::Set { set, range, skip_buckets, tally }
            }
            rows @ Self::Rows { .. } => rows,
        }
    }

    pub(super) fn drop_name(&self, series: usize) -> bool {
        match self {
            Self::Set { .. } => false,
            Self::Rows { rows, .. } => rows.metas[series].drop_name,
        }
    }

    /// All samples of a series, stale markers included.
    pub(super) fn load(
        &self,
        series: usize,
        scratch: &mut DecodeScratch,
        out: &mut Columns,
    ) -> Result<(), EngineError> {
        match self {
            Self::Set { set, range, skip_buckets, .. } => {
                set.decode(series, *range, scratch, out)?;
                if *skip_buckets && !out.histograms.is_empty() {
                    reduce_to_stats(out);
                }
            }
            Self::Rows { rows, grid } => {
                out.clear();
                let histograms = rows.histogram_row(series);
                for (i, value) in rows.floats(series).iter().enumerate() {
                    if !is_absent(*value) {
                        out.push_float(grid.time(i), *value);
                    } else if let Some(h) = histograms.and_then(|row| row[i].as_ref()) {
                        out.push_histogram(grid.time(i), without_reset_knowledge(h));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is known of resets is about samples that an inner expression does not show one by one.
fn without_reset_knowledge(histogram: &Arc<FloatHistogram>) -> Arc<FloatHistogram> {
    match histogram.counter_reset_hint {
        CounterResetHint::Unknown | CounterResetHint::Gauge => Arc::clone(histogram),
        CounterResetHint::CounterReset | CounterResetHint::NotCounterReset => {
            let mut copy = FloatHistogram::clone(histogram);
            copy.counter_reset_hint = CounterResetHint::Unknown;
            Arc::new(copy)
        }
    }
}

/// Leaves count and sum; the resets that only buckets show are found first and kept as hints.
fn reduce_to_stats(columns: &mut Columns) {
    let mut previous: Option<Arc<FloatHistogram>> = None;
    for (_, histogram) in &mut columns.histograms {
        let mut hint = histogram.counter_reset_hint;
        let stale = is_stale_nan(histogram.sum);
        if let (CounterResetHint::Unknown, Some(previous), false) = (hint, &previous, stale) {
            hint = if histogram.detect_reset(previous) {
                CounterResetHint::CounterReset
            } else {
                CounterResetHint::NotCounterReset
            };
        }
        let reduced = FloatHistogram {
            counter_reset_hint: hint,
            schema: histogram.schema,
            count: histogram.count,
            sum: histogram.sum,
            ..FloatHistogram::default()
        };
        let whole = std::mem::replace(histogram, Arc::new(reduced));
        if !stale {
            previous = Some(whole);
        }
    }
}

/// What is done with each series.
pub(super) enum Stage<'a> {
    /// The last sample not older than the lookback.
    Instant {
        selector: &'a Selector,
        lookback_ms: i64,
    },
    /// That sample's time, or start time, in seconds.
    SampleTime {
        selector: &'a Selector,
        lookback_ms: i64,
        start: bool,
        /// Infinity stands for the time of a histogram.
        mark_histograms: bool,
    },
    Smoothed {
        selector: &'a Selector,
        lookback_ms: i64,
    },
    Window(&'a Window),
    /// The rows as they are; the source is rows on this very grid.
    Rows,
}

/// A leaf and the maps above it.
pub(super) struct Pipeline<'a> {
    pub source: Source<'a>,
    pub stage: Stage<'a>,
    pub maps: Vec<Mapper>,
    pub grid: Grid,
    /// What is taken from label sets at once.
    pub strip: Strip,
    /// With delayed removal: names are to go at the end.
    pub drop_name: bool,
    /// The labels that whoever takes the rows looks at; all without.
    pub names: Option<Vec<&'a str>>,
    pub threads: usize,
    pub cancel: &'a Cancel,
    /// Pays for what a series takes while it is at work.
    pub budget: &'a Arc<Budget>,
    /// Whether samples are counted by step.
    pub by_step: bool,
    /// Measures the selection, the stage and each map, in this order.
    pub probe: Option<Probe>,
}

/// Rows of neighbouring series, those without cells left out.
#[derive(Default)]
pub(super) struct Tile {
    /// The series of each row, and its label set, from which [`Pipeline::strip`] is still to be taken.
    pub series: Vec<u32>,
    pub labels: Vec<Labels>,
    pub values: Vec<f64>,
    pub histograms: Vec<Option<HistogramRow>>,
    pub annotations: Annotations,
    pub stats: TileStats,
    pub by_step: Option<ByStep>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TileStats {
    /// Samples that were looked at, each as often as it was.
    pub samples: u64,
    /// Of these, those that the step before had not looked at.
    pub read: u64,
    pub widest_window: usize,
    pub decoded: u64,
    /// Cells of all rows, histograms by their weight.
    pub cells: usize,
    /// Memory of histograms in rows.
    pub histogram_bytes: u64,
}

impl Tile {
    /// Empties it and keeps its memory.
    fn clear(&mut self) {
        self.series.clear();
        self.labels.clear();
        self.values.clear();
        self.histograms.clear();
        self.annotations = Annotations::default();
        self.stats = TileStats::default();
        self.by_step = None;
    }

    pub(super) fn floats(&self, row: usize, steps: usize) -> &[f64] {
        &self.values[row * steps..(row + 1) * steps]
    }

    pub(super) fn histogram_row(&self, row: usize) -> Option<&HistogramRow> {
        self.histograms.get(row).and_then(Option::as_ref)
    }
}

/// Operators of a pipeline, as [`Probe`] counts them; maps follow.
const SELECT: usize = 0;
const STAGE: usize = 1;

/// Counts what an operator gave for one series.
fn note_cells(stats: &mut OperatorStats, values: &[f64], histograms: &Option<HistogramRow>) {
    let floats = values.iter().filter(|v| !is_absent(**v)).count();
    let cells = histograms.iter().flat_map(|row| row.iter().flatten());
    let samples = floats + cells.map(|h| h.size_in_samples().max(1)).sum::<usize>();
    stats.samples += samples as u64;
    stats.series += u64::from(samples > 0);
}

/// A worker's buffers.
#[derive(Default)]
struct Worker {
    decode: DecodeScratch,
    columns: Columns,
    samples: Samples,
    frame: Frame,
    looks: Looks,
    floats: Vec<f64>,
    /// The metric that was last said not to be a counter.
    noted: String,
}

impl Pipeline<'_> {
    /// What a row is called that has these labels.
    pub(super) fn meta(&self, series: usize, labels: &Labels) -> Meta {
        let drop_name = self.drop_name || self.source.drop_name(series);
        Meta { labels: self.stripped(labels), drop_name }
    }

    fn stripped(&self, labels: &Labels) -> Labels {
        match self.strip {
            Strip::Nothing => labels.clone(),
            Strip::Name => labels.without_name(),
            Strip::Metadata => strip_metadata(labels),
        }
    }

    /// Whether taking names away may make label sets equal: two series that differ in nothing else.
    pub(super) fn labels_collide(&self) -> Result<bool, EngineError> {
        let series = self.source.len();
        if self.strip == Strip::Nothing || series < 2 {
            return Ok(false);
        }
        if let Some(deferred) = self.source.deferred() {
            if deferred.agree_on(&METADATA_LABELS) {
                return Ok(false);
            }
            let mut stripped = Vec::with_capacity(series);
            for first in (0..series).step_by(TILE_MAX_SERIES) {
                self.cancel.check()?;
                let part = deferred.load(first..(first + TILE_MAX_SERIES).min(series), None)?;
                stripped.extend(part.iter().map(|(labels, _)| self.stripped(labels)));
            }
            return Ok(super::rows::has_duplicates(stripped.iter()));
        }
        // Ascending, so that those in question come first.
        fn metadata(labels: &Labels) -> impl Iterator<Item = &[u8]> {
            let first = labels.iter_bytes().take_while(|pair| pair.name[0] <= b'_');
            first.filter(|pair| is_metadata_label(pair.name)).map(|pair| pair.encoded)
        }
        let first: Vec<&[u8]> = metadata(self.source.labels(0)).collect();
        let same = |labels: &Labels| metadata(labels).eq(first.iter().copied());
        if (1..series).all(|i| same(self.source.labels(i))) {
            return Ok(false);
        }
        let stripped: Vec<Labels> =
            (0..series).map(|i| self.stripped(self.source.labels(i))).collect();
        Ok(super::rows::has_duplicates(stripped.iter()))
    }

    /// Evaluates all series and hands their tiles to `sink`, in order.
    pub(super) fn run(
        &self,
        mut sink: impl FnMut(&mut Tile) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let series = self.source.len();
        let per_tile =
            (TILE_CELLS / self.grid.steps.max(1)).clamp(TILE_MIN_SERIES, TILE_MAX_SERIES);
        let tiles = series.div_ceil(per_tile);
        let range = |tile: usize| tile * per_tile..((tile + 1) * per_tile).min(series);
        let threads = self.threads;
        if threads == 1 || tiles < 2 {
            let (mut worker, mut tile) = (Worker::default(), Tile::default());
            for number in 0..tiles {
                let work = || self.tile(range(number), &mut worker, &mut tile);
                Probe::outside(self.probe.as_ref(), work)?;
                sink(&mut tile)?;
            }
            return Ok(());
        }
        let wave = threads * WAVE_TILES_PER_THREAD;
        let workers: Vec<Mutex<Worker>> = (0..threads).map(|_| Mutex::default()).collect();
        let compute = |first: usize, done: &mut Vec<(Tile, Result<(), EngineError>)>| {
            let count = wave.min(tiles - first);
            done.truncate(count);
            done.resize_with(count, || (Tile::default(), Ok(())));
            done.par_iter_mut().with_max_len(1).enumerate().for_each(|(n, (tile, result))| {
                let thread = rayon::current_thread_index().unwrap_or(0) % threads;
                let mut worker = workers[thread].lock().unwrap_or_else(PoisonError::into_inner);
                *result = self.tile(range(first + n), &mut worker, tile);
            });
        };
        let (mut done, mut next) = (Vec::new(), Vec::new());
        Probe::outside(self.probe.as_ref(), || compute(0, &mut done));
        for first in (0..tiles).step_by(wave) {
            let following = first + wave;
            let mut take = || {
                Probe::inside(self.probe.as_ref(), || {
                    done.iter_mut().try_for_each(|(tile, result)| {
                        std::mem::replace(result, Ok(()))?;
                        sink(tile)
                    })
                })
            };
            if following >= tiles {
                return Probe::outside(self.probe.as_ref(), take);
            }
            let taken = Probe::outside(self.probe.as_ref(), || {
                rayon::in_place_scope(|scope| {
                    scope.spawn(|_| compute(following, &mut next));
                    take()
                })
            });
            taken?;
            std::mem::swap(&mut done, &mut next);
        }
        Ok(())
    }

    /// Evaluates series into `tile`, whatever that has from before.
    fn tile(
        &self,
        range: Range<usize>,
        worker: &mut Worker,
        tile: &mut Tile,
    ) -> Result<(), EngineError> {
        let steps = self.grid.steps;
        tile.clear();
        tile.values.reserve(range.len() * steps);
        tile.by_step = self.by_step.then(|| ByStep::new(steps));
        let mut probed = self.probe.as_ref().map(|probe| probe.tile(2 + self.maps.len()));
        self.cancel.check()?;
        let part = self.source.part(range.clone(), self.names.as_deref())?;
        let (source, first) = match &part {
            Some(part) => (self.source.of(part), range.start),
            None => (self.source, 0),
        };
        for warning in part.iter().flat_map(|part| &part.warnings) {
            tile.annotations.add(Annotation::warning(warning.clone()));
        }
        for (n, series) in range.enumerate() {
            if n % CHECK_EVERY == 0 {
                self.cancel.check()?;
            }
            let from = tile.values.len();
            tile.values.resize(from + steps, super::rows::ABSENT);
            let mut histograms = None;
            let mut out = RowOut {
                values: &mut tile.values[from..],
                histograms: &mut histograms,
                annotations: &mut tile.annotations,
            };
            let counts = (&mut tile.stats, tile.by_step.as_mut());
            let of = (source, series - first);
            let stats = self.row(of, worker, &mut out, counts, probed.as_mut())?;
            if let (Some(probe), Some(probed)) = (&self.probe, &mut probed) {
                probed.operators[STAGE].samples_seen += stats.samples;
                note_cells(&mut probed.operators[STAGE], &tile.values[from..], &histograms);
                probe.lap(probed, STAGE);
            }
            tile.stats.samples += stats.samples;
            tile.stats.widest_window = tile.stats.widest_window.max(stats.widest);
            for (i, map) in self.maps.iter().enumerate() {
                let values = &mut tile.values[from..];
                map.apply(&self.grid, values, &mut histograms, &mut tile.annotations);
                if let (Some(probe), Some(probed)) = (&self.probe, &mut probed) {
                    let operator = STAGE + 1 + i;
                    note_cells(&mut probed.operators[operator], values, &histograms);
                    probe.lap(probed, operator);
                }
            }
            let floats = count_floats(&tile.values[from..]);
            let weights = histograms.iter().flat_map(|row| row.iter().flatten());
            let weight: usize = weights.map(|h| h.size_in_samples().max(1)).sum();
            if floats + weight == 0 {
                tile.values.truncate(from);
                continue;
            }
            tile.stats.cells += floats + weight;
            tile.stats.histogram_bytes += histograms.as_ref().map_or(0, histogram_row_bytes);
            if histograms.is_some() || !tile.histograms.is_empty() {
                tile.histograms.resize_with(tile.series.len(), || None);
                tile.histograms.push(histograms);
            }
            tile.series.push(series as u32);
            tile.labels.push(source.labels(series - first).clone());
        }
        if let (Some(probe), Some(probed)) = (&self.probe, probed) {
            probe.end_tile(probed);
        }
        Ok(())
    }

    fn row(
        &self,
        (source, series): (Source<'_>, usize),
        worker: &mut Worker,
        out: &mut RowOut<'_>,
        (stats, by_step): (&mut TileStats, Option<&mut ByStep>),
        probed: Option<&mut TileProbe>,
    ) -> Result<RowStats, EngineError> {
        if let (Stage::Rows, Source::Rows { rows, .. }) = (&self.stage, &source) {
            out.values.copy_from_slice(rows.floats(series));
            *out.histograms = rows.histogram_row(series).cloned();
            return Ok(RowStats::default());
        }
        source.load(series, &mut worker.decode, &mut worker.columns)?;
        let columns = &mut worker.columns;
        stats.decoded += columns.len() as u64;
        // A long series of histograms may be larger than all else, and it is slow: the query is looked at again.
        let _held = if columns.histograms.is_empty() {
            None
        } else {
            self.cancel.check()?;
            let bytes = columns.histograms.iter().map(|(_, h)| histogram_bytes(h) as u64).sum();
            Some(self.budget.charge(bytes)?)
        };
        if let (Some(probe), Some(probed)) = (&self.probe, probed) {
            let select = &mut probed.operators[SELECT];
            select.series += u64::from(!columns.is_empty());
            select.samples += columns.len() as u64;
            select.samples_decoded += columns.len() as u64;
            select.bytes_decoded += worker.decode.take_decoded_bytes();
            probe.lap(probed, SELECT);
        }
        let labels = source.labels(series);
        Ok(match &self.stage {
            Stage::Instant { selector, lookback_ms } => {
                worker.looks.fit(selector, &self.grid, *lookback_ms, &columns.timestamps);
                let seen = instant_row(&worker.looks, columns, out);
                stats.read += seen.samples;
                if let Some(by_step) = by_step {
                    count_cells(by_step, out);
                }
                seen
            }
            Stage::SampleTime { selector, lookback_ms, start, mark_histograms } => {
                let what = (*start, *mark_histograms);
                worker.looks.fit(selector, &self.grid, *lookback_ms, &columns.timestamps);
                let seen = sample_time_row(&worker.looks, what, columns, out);
                stats.read += seen.samples;
                if let Some(by_step) = by_step {
                    count_cells(by_step, out);
                }
                seen
            }
            Stage::Smoothed { selector, lookback_ms } => {
                worker.samples.fill(columns);
                smooth_row(selector, &self.grid, *lookback_ms, labels, &worker.samples, out);
                RowStats::default()
            }
            Stage::Window(window) => {
                worker.samples.fill(columns);
                let from_storage = matches!(source, Source::Set { .. });
                if from_storage {
                    stats.read += window.count_read(&worker.samples);
                }
                if let Some(by_step) = by_step {
                    window.count_steps(&worker.samples, from_storage, by_step);
                }
                let buffers = (&mut worker.frame, &mut worker.floats);
                let stats = window.run(labels, &mut worker.samples, out, buffers)?;
                if window.wants_counters() && out.values.iter().any(|v| !is_absent(*v)) {
                    window.note_non_counter(labels, &mut worker.noted, out.annotations);
                }
                stats
            }
            Stage::Rows => RowStats::default(),
        })
    }

    /// Evaluates all series to rows.
    pub(super) fn collect(
        &self,
        mut note: impl FnMut(&mut Tile) -> Result<(), EngineError>,
    ) -> Result<Rows, EngineError> {
        let mut rows = Rows::new(self.grid.steps);
        self.run(|tile| {
            note(tile)?;
            let before = rows.metas.len();
            let named = tile.series.iter().zip(&tile.labels);
            rows.metas.extend(named.map(|(series, labels)| self.meta(*series as usize, labels)));
            rows.values.extend_from_slice(&tile.values);
            if !tile.histograms.is_empty() || !rows.histograms.is_empty() {
                rows.histograms.resize_with(before, || None);
                rows.histograms.append(&mut tile.histograms);
                rows.histograms.resize_with(rows.metas.len(), || None);
            }
            Ok(())
        })?;
        Ok(rows)
    }
}

/// Counts a row's cells as seen and read at their steps.
fn count_cells(sums: &mut ByStep, row: &RowOut<'_>) {
    for (i, value) in row.values.iter().enumerate() {
        let histogram = row.histograms.as_ref().and_then(|cells| cells[i].as_ref());
        let weight = match histogram {
            Some(histogram) => histogram.size_in_samples() as u64,
            None => u64::from(!is_absent(*value)),
        };
        sums.seen[i] += weight;
        sums.read[i] += weight;
    }
}

/// Which sample each step shows, worked out once for series that are sampled at the same times. Valid for one selector alone.
#[derive(Default)]
struct Looks {
    times: Vec<Timestamp>,
    known: bool,
    /// By step; [`NOTHING`] where no sample is in sight.
    index: Vec<u32>,
    /// Whether every step shows one.
    whole: bool,
}

/// No sample is in sight.
const NOTHING: u32 = u32::MAX;

impl Looks {
    fn fit(&mut self, selector: &Selector, grid: &Grid, lookback_ms: i64, times: &[Timestamp]) {
        if self.known && self.times == times {
            return;
        }
        self.known = true;
        self.times.clear();
        self.times.extend_from_slice(times);
        self.index.clear();
        let mut next = 0;
        // The instants are evenly spaced, or all the same.
        let mut t = selector.reference(grid, 0);
        let advance = if selector.at.is_some() { 0 } else { grid.step };
        for _ in 0..grid.steps {
            while next < times.len() && times[next] <= t {
                next += 1;
            }
            let seen = next > 0 && times[next - 1] > t.saturating_sub(lookback_ms);
            self.index.push(if seen { (next - 1) as u32 } else { NOTHING });
            t = t.saturating_add(advance);
        }
        self.whole = !self.index.contains(&NOTHING);
    }

    /// Steps and the samples that they show.
    fn iter(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let seen = self.index.iter().enumerate().filter(|(_, i)| **i != NOTHING);
        seen.map(|(step, i)| (step, *i as usize))
    }
}

fn instant_row(looks: &Looks, columns: &Columns, out: &mut RowOut<'_>) -> RowStats {
    let mut stats = RowStats::default();
    if columns.histograms.is_empty() {
        // A stale marker means nothing here, and so it is copied like any value.
        if looks.whole {
            for (cell, i) in out.values.iter_mut().zip(&looks.index) {
                *cell = columns.values[*i as usize];
            }
        } else {
            looks.iter().for_each(|(step, i)| out.values[step] = columns.values[i]);
        }
        stats.samples = count_floats(out.values) as u64;
        return stats;
    }
    for (step, i) in looks.iter() {
        match columns.histogram(i) {
            None => {
                out.values[step] = columns.values[i];
                stats.samples += u64::from(!is_absent(columns.values[i]));
            }
            Some(histogram) if !is_stale_nan(histogram.sum) => {
                stats.samples += histogram.size_in_samples() as u64;
                out.share_histogram(step, Arc::clone(histogram));
            }
            Some(_) => {}
        }
    }
    stats
}

fn sample_time_row(
    looks: &Looks,
    (start, mark_histograms): (bool, bool),
    columns: &Columns,
    out: &mut RowOut<'_>,
) -> RowStats {
    let mut stats = RowStats::default();
    for (step, i) in looks.iter() {
        let stale = match columns.histogram(i) {
            None => is_stale_nan(columns.values[i]),
            Some(histogram) => is_stale_nan(histogram.sum),
        };
        if !stale {
            let t = if start {
                columns.start_timestamps.get(i).copied().unwrap_or(0)
            } else {
                columns.timestamps[i]
            };
            let marked = mark_histograms && columns.histogram(i).is_some();
            out.values[step] = if marked { f64::INFINITY } else { t as f64 / 1000.0 };
            stats.samples += 1;
        }
    }
    stats
}

/// Floats in a row.
#[inline]
fn count_floats(values: &[f64]) -> usize {
    values.iter().filter(|v| !is_absent(**v)).count()
}

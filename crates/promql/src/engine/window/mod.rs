//! Functions over ranges: the window slides over all steps of a series while it is in cache.
//!
//! Series of floats alone take the fast way (`float`): two pointers, one kernel a function, results that do not depend on the
//! window's length where the peer's arithmetic allows it. Everything else (histograms, mixed series, start timestamps, extended
//! ranges) takes the general way (`mixed`), one call a step.

mod extended;
mod float;
mod frame;
mod histogram;
mod mixed;
pub(super) mod quantile;
mod rate;
mod smooth;

use std::sync::Arc;

use gauntlet_chunk::Columns;
use gauntlet_model::{FloatHistogram, Labels, Timestamp, is_stale_nan};
use gauntlet_runtime::Cancel;

use super::error::EngineError;
use super::grid::Grid;
use super::node::{Extension, reference};
use super::rows::{HistogramRow, ScalarRow};
use crate::annotations::{Annotation, Annotations};
use crate::ast::PosRange;
use crate::functions::FunctionId;

pub(super) use frame::Frame;
pub(super) use histogram::Mean;
pub(super) use smooth::smooth_row;

/// A range function with everything that is the same for all series.
#[derive(Debug)]
pub(super) struct Window {
    pub func: FunctionId,
    pub grid: Grid,
    pub range_ms: i64,
    pub at: Option<Timestamp>,
    pub offset_ms: i64,
    pub extension: Extension,
    pub lookback_ms: i64,
    pub params: Vec<ScalarRow>,
    pub pos: PosRange,
    pub use_start_timestamps: bool,
    /// Whether metrics say their type in a label.
    pub type_labels: bool,
    pub cancel: Cancel,
}

/// Samples between two looks at whether the query is still wanted: 5 ms of the slowest function.
const CHECK_SAMPLES: usize = 1 << 16;

/// Counts work until it is time to look whether it is still wanted.
#[derive(Debug, Default)]
struct Patience {
    samples: usize,
}

impl Patience {
    /// Notes that so many samples were looked at.
    #[inline(always)]
    fn spend(&mut self, samples: usize, cancel: &Cancel) -> Result<(), EngineError> {
        self.samples += samples;
        if self.samples > CHECK_SAMPLES {
            self.samples = 0;
            cancel.check()?;
        }
        Ok(())
    }
}

/// Samples of one series without stale markers, floats and histograms apart.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub float_times: Vec<Timestamp>,
    pub floats: Vec<f64>,
    /// One a float, or empty.
    pub float_starts: Vec<Timestamp>,
    pub histogram_times: Vec<Timestamp>,
    pub histograms: Vec<Arc<FloatHistogram>>,
    /// One a histogram, or empty.
    pub histogram_starts: Vec<Timestamp>,
}

/// What evaluating a row cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowStats {
    /// Samples that windows saw, each as often as it was seen.
    pub samples: u64,
    /// Most samples in one window.
    pub widest: usize,
}

/// Where a row's results go.
pub(super) struct RowOut<'a> {
    pub values: &'a mut [f64],
    pub histograms: &'a mut Option<HistogramRow>,
    pub annotations: &'a mut Annotations,
}

impl RowOut<'_> {
    pub(super) fn set_histogram(&mut self, step: usize, histogram: FloatHistogram) {
        self.share_histogram(step, Arc::new(histogram));
    }

    pub(super) fn share_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        let steps = self.values.len();
        self.histograms.get_or_insert_with(|| super::rows::empty_histograms(steps))[step] =
            Some(histogram);
    }
}

impl Samples {
    /// Takes the samples of `columns`, which is left empty or with old memory to reuse.
    pub(super) fn fill(&mut self, columns: &mut Columns) {
        self.clear();
        if columns.histograms.is_empty() {
            std::mem::swap(&mut self.float_times, &mut columns.timestamps);
            std::mem::swap(&mut self.floats, &mut columns.values);
            std::mem::swap(&mut self.float_starts, &mut columns.start_timestamps);
            columns.clear();
            self.drop_stale();
            return;
        }
        let mut histograms = columns.histograms.drain(..).peekable();
        for (i, t) in columns.timestamps.iter().enumerate() {
            let start = columns.start_timestamps.get(i);
            if let Some((_, histogram)) = histograms.next_if(|(at, _)| *at as usize == i) {
                if !is_stale_nan(histogram.sum) {
                    self.histogram_times.push(*t);
                    self.histograms.push(histogram);
                    self.histogram_starts.extend(start);
                }
            } else if !is_stale_nan(columns.values[i]) {
                self.float_times.push(*t);
                self.floats.push(columns.values[i]);
                self.float_starts.extend(start);
            }
        }
        drop(histograms);
        columns.clear();
    }

    pub(super) fn clear(&mut self) {
        self.float_times.clear();
        self.floats.clear();
        self.float_starts.clear();
        self.histogram_times.clear();
        self.histograms.clear();
        self.histogram_starts.clear();
    }

    fn drop_stale(&mut self) {
        if !self.floats.iter().any(|v| is_stale_nan(*v)) {
            return;
        }
        let mut to = 0;
        for from in 0..self.floats.len() {
            if is_stale_nan(self.floats[from]) {
                continue;
            }
            self.floats[to] = self.floats[from];
            self.float_times[to] = self.float_times[from];
            if let Some(start) = self.float_starts.get(from).copied() {
                self.float_starts[to] = start;
            }
            to += 1;
        }
        self.floats.truncate(to);
        self.float_times.truncate(to);
        self.float_starts.truncate(to);
    }
}

impl Window {
    /// End of the range of step `i`, in; its start, out, lies `range_ms` before.
    pub(super) fn end(&self, i: usize) -> Timestamp {
        reference(&self.grid, i, self.at, self.offset_ms)
    }

    /// Evaluates all steps of a series. `metric` is its label set, for annotations.
    pub(super) fn run(
        &self,
        metric: &Labels,
        samples: &mut Samples,
        out: &mut RowOut<'_>,
        (frame, scratch): (&mut Frame, &mut Vec<f64>),
    ) -> Result<RowStats, EngineError> {
        if !self.use_start_timestamps {
            samples.float_starts.clear();
            samples.histogram_starts.clear();
        }
        let floats_only = samples.histograms.is_empty()
            && samples.float_starts.is_empty()
            && self.extension == Extension::None;
        if floats_only {
            frame.fit(self, &samples.float_times);
            float::run(self, frame, &samples.float_times, &samples.floats, out, scratch)
        } else {
            mixed::run(self, metric, samples, out, scratch)
        }
    }
}

impl Window {
    /// Whether the function makes sense for counters alone.
    pub(super) fn wants_counters(&self) -> bool {
        matches!(self.func, FunctionId::Rate | FunctionId::Increase)
    }

    /// Says that a metric does not look like a counter. `noted` keeps the last one said, which is not said again.
    pub(super) fn note_non_counter(
        &self,
        metric: &Labels,
        noted: &mut String,
        annotations: &mut Annotations,
    ) {
        let name = metric.metric_name();
        if name.is_empty() || (!self.type_labels && name == noted) {
            return;
        }
        if self.type_labels {
            let kind = metric.value("__type__");
            if kind != "counter" && kind != "histogram" {
                annotations.add(Annotation::possible_non_counter_label(name, kind, self.pos));
            }
        } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|end| name.ends_with(end)) {
            annotations.add(Annotation::possible_non_counter(name, self.pos));
            noted.clear();
            noted.push_str(name);
        }
    }
}

/// The samples of a series that are in the window: `lo..hi`. Both ends only move forwards.
#[derive(Clone, Copy, Debug, Default)]
struct Slider {
    lo: usize,
    hi: usize,
}

impl Slider {
    /// Moves to the samples with `min < t <= max`.
    #[inline(always)]
    fn advance(&mut self, times: &[Timestamp], min: Timestamp, max: Timestamp) {
        while self.hi < times.len() && times[self.hi] <= max {
            self.hi += 1;
        }
        while self.lo < self.hi && times[self.lo] <= min {
            self.lo += 1;
        }
    }
}

/// The samples of a range, stale markers left out; with an extension also the values at its very ends.
pub(super) fn raw(
    columns: &mut Columns,
    (start, end): (Timestamp, Timestamp),
    extension: Extension,
    lookback_ms: i64,
) -> Result<Columns, EngineError> {
    let before = if extension == Extension::None { 0 } else { lookback_ms };
    let after = if extension == Extension::Smoothed { lookback_ms } else { 0 };
    let (min, max) = (start.saturating_sub(before), end.saturating_add(after));
    let mut kept = Columns::default();
    for (i, t) in columns.timestamps.iter().enumerate() {
        if *t <= min || *t > max {
            continue;
        }
        match columns.histogram(i) {
            Some(histogram) if !is_stale_nan(histogram.sum) => {
                kept.push_histogram(*t, Arc::clone(histogram));
            }
            None if !is_stale_nan(columns.values[i]) => kept.push_float(*t, columns.values[i]),
            _ => {}
        }
    }
    if extension == Extension::None || kept.is_empty() {
        return Ok(kept);
    }
    let smoothed = extension == Extension::Smoothed;
    if !kept.histograms.is_empty() {
        let name = if smoothed { "smoothed" } else { "anchored" };
        return Err(EngineError::execution(format!(
            "{name} modifier is not supported with histograms"
        )));
    }
    let (times, values) = (&kept.timestamps, &kept.values);
    let mut out = Columns::default();
    let Some(mut last) = times.len().checked_sub(1) else {
        return Ok(out);
    };
    let mut first = times[..last].partition_point(|t| *t <= start).saturating_sub(1);
    if smoothed {
        last = times[..last].partition_point(|t| *t < end);
    }
    if times[last] <= start {
        return Ok(out);
    }
    let ends = (first, last);
    let (left, right) = extended::float_ends(times, values, ends, (start, end), smoothed, false);
    let mut until = last + 1;
    if times[first] <= start {
        first += 1;
    }
    if times[last] >= end {
        until -= 1;
    }
    out.push_float(start, left);
    for i in first..until {
        out.push_float(times[i], values[i]);
    }
    out.push_float(end, right);
    Ok(out)
}

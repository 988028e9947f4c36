//! The general way: one call a step over the floats and histograms of its window.

use std::sync::Arc;

use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::{FloatHistogram, Labels, Timestamp};

use super::extended;
use super::float;
use super::histogram::{average, sum};
use super::quantile::{median_deviation, quantile};
use super::rate::{Extrapolation, Histograms, Span, per_second, start_overlaps, start_says_reset};
use super::{Patience, RowOut, RowStats, Samples, Slider, Window};
use crate::annotations::{Annotation, Annotations, HistogramOperation};
use crate::engine::error::EngineError;
use crate::engine::node::Extension;
use crate::engine::rows::{Cell, is_absent};
use crate::functions::FunctionId;

/// The samples of one step's window.
pub(super) struct Step<'a> {
    pub window: &'a Window,
    pub step: usize,
    /// The range proper: start out, end in. Extended windows hold samples beyond it.
    pub start: Timestamp,
    pub end: Timestamp,
    pub float_times: &'a [Timestamp],
    pub floats: &'a [f64],
    pub float_starts: &'a [Timestamp],
    pub histogram_times: &'a [Timestamp],
    pub histograms: &'a [Arc<FloatHistogram>],
    pub histogram_starts: &'a [Timestamp],
    pub metric: &'a str,
}

/// Evaluates all steps.
pub(super) fn run(
    window: &Window,
    metric: &Labels,
    samples: &Samples,
    out: &mut RowOut<'_>,
    scratch: &mut Vec<f64>,
) -> Result<RowStats, EngineError> {
    let (mut floats, mut histograms) = (Slider::default(), Slider::default());
    let mut stats = RowStats::default();
    let mut patience = Patience::default();
    let before = match window.extension {
        Extension::None => 0,
        Extension::Anchored | Extension::Smoothed => window.lookback_ms,
    };
    let after = if window.extension == Extension::Smoothed { window.lookback_ms } else { 0 };
    for step in 0..window.grid.steps {
        let end = window.end(step);
        let start = end.saturating_sub(window.range_ms);
        let (min, max) = (start.saturating_sub(before), end.saturating_add(after));
        floats.advance(&samples.float_times, min, max);
        histograms.advance(&samples.histogram_times, min, max);
        if floats.lo == floats.hi && histograms.lo == histograms.hi {
            continue;
        }
        let part = |list: &'_ [Timestamp], slider: Slider| -> std::ops::Range<usize> {
            if list.is_empty() { 0..0 } else { slider.lo..slider.hi }
        };
        let at = Step {
            window,
            step,
            start,
            end,
            float_times: &samples.float_times[floats.lo..floats.hi],
            floats: &samples.floats[floats.lo..floats.hi],
            float_starts: &samples.float_starts[part(&samples.float_starts, floats)],
            histogram_times: &samples.histogram_times[histograms.lo..histograms.hi],
            histograms: &samples.histograms[histograms.lo..histograms.hi],
            histogram_starts: &samples.histogram_starts
                [part(&samples.histogram_starts, histograms)],
            metric: metric.metric_name(),
        };
        let weight =
            at.floats.len() + at.histograms.iter().map(|h| h.size_in_samples()).sum::<usize>();
        stats.samples += weight as u64;
        stats.widest = stats.widest.max(weight);
        patience.spend(weight, &window.cancel)?;
        match at.evaluate(out.annotations, scratch)? {
            Cell::Empty => {}
            Cell::Float(value) => out.values[step] = value,
            Cell::Histogram(histogram) => out.share_histogram(step, histogram),
        }
    }
    Ok(stats)
}

impl Step<'_> {
    fn evaluate(
        &self,
        annotations: &mut Annotations,
        scratch: &mut Vec<f64>,
    ) -> Result<Cell, EngineError> {
        use FunctionId as F;
        let func = self.window.func;
        Ok(match func {
            F::Rate | F::Increase | F::Delta => self.rate(annotations),
            F::Irate | F::Idelta => self.instant(func == F::Irate, annotations),
            F::SumOverTime | F::AvgOverTime => self.sum_or_average(annotations),
            F::CountOverTime => Cell::Float((self.floats.len() + self.histograms.len()) as f64),
            F::PresentOverTime | F::AbsentOverTime => Cell::Float(1.0),
            F::FirstOverTime => self.first(),
            F::LastOverTime => self.last(),
            F::Changes => self.count_changes(),
            F::Resets => self.count_resets(),
            F::TsOfFirstOverTime => {
                let first = |times: &[Timestamp]| times.first().copied().unwrap_or(i64::MAX);
                let t = first(self.float_times).min(first(self.histogram_times));
                Cell::Float(t as f64 / 1000.0)
            }
            F::TsOfLastOverTime => {
                let last = |times: &[Timestamp]| times.last().copied().unwrap_or(0);
                let t = last(self.float_times).max(last(self.histogram_times));
                Cell::Float(t as f64 / 1000.0)
            }
            F::Deriv | F::PredictLinear | F::DoubleExponentialSmoothing => {
                self.at_least_two_floats(annotations)?
            }
            F::MinOverTime
            | F::MaxOverTime
            | F::TsOfMaxOverTime
            | F::TsOfMinOverTime
            | F::StddevOverTime
            | F::StdvarOverTime
            | F::QuantileOverTime
            | F::MadOverTime => self.floats_alone(annotations, scratch),
            other => {
                return Err(EngineError::Internal(format!("{other:?} is no function of ranges")));
            }
        })
    }

    fn mixed(&self, annotations: &mut Annotations) -> bool {
        let mixed = !self.floats.is_empty() && !self.histograms.is_empty();
        if mixed {
            annotations.add(Annotation::mixed_floats_histograms(self.metric, self.window.pos));
        }
        mixed
    }

    fn note_ignored_histograms(&self, annotations: &mut Annotations) {
        if !self.histograms.is_empty() {
            annotations
                .add(Annotation::histogram_ignored_in_mixed_range(self.metric, self.window.pos));
        }
    }

    pub(super) fn histogram_window(&self) -> Histograms<'_> {
        Histograms {
            times: self.histogram_times,
            histograms: self.histograms,
            starts: self.histogram_starts,
            metric: self.metric,
            pos: self.window.pos,
        }
    }

    fn rate(&self, annotations: &mut Annotations) -> Cell {
        let counter = self.window.func != FunctionId::Delta;
        let is_rate = self.window.func == FunctionId::Rate;
        if self.mixed(annotations) {
            return Cell::Empty;
        }
        if self.window.extension != Extension::None {
            return extended::rate(self, counter, is_rate, annotations);
        }
        let extrapolation = Extrapolation::new(self.window.range_ms, counter, is_rate);
        let floats = !self.floats.is_empty();
        let (times, starts) = if floats {
            (self.float_times, self.float_starts)
        } else {
            (self.histogram_times, self.histogram_starts)
        };
        let (first, last) = (times[0], times[times.len() - 1]);
        let span = Span { first, last, start: self.start, end: self.end, samples: times.len() };
        let zero_at = starts
            .first()
            .copied()
            .filter(|zero| counter && *zero != 0 && *zero > self.start && *zero < first);
        if floats {
            let mut rise = self.floats[self.floats.len() - 1] - self.floats[0];
            if counter {
                rise += self.float_resets(annotations);
            }
            if zero_at.is_some() {
                rise += self.floats[0];
            } else if times.len() < 2 {
                return Cell::Empty;
            }
            let share = (rise > 0.0 && self.floats[0] >= 0.0).then_some(self.floats[0] / rise);
            return Cell::Float(rise * extrapolation.factor(&span, share, zero_at));
        }
        let mut rise = None;
        if times.len() > 1 {
            rise = self.histogram_window().increase(counter, annotations);
            if rise.is_none() {
                return Cell::Empty;
            }
        }
        if zero_at.is_some() {
            match &mut rise {
                None => rise = Some(FloatHistogram::clone(&self.histograms[0])),
                Some(rise) => {
                    if !add_histogram(rise, &self.histograms[0], self, annotations) {
                        return Cell::Empty;
                    }
                }
            }
        }
        let Some(mut rise) = rise else { return Cell::Empty };
        let first_count = self.histograms[0].count;
        let share = (rise.count > 0.0 && first_count >= 0.0).then_some(first_count / rise.count);
        rise.mul(extrapolation.factor(&span, share, zero_at));
        Cell::Histogram(Arc::new(rise))
    }

    /// What resets between floats took away, in order of time.
    fn float_resets(&self, annotations: &mut Annotations) -> f64 {
        let (t, v, starts) = (self.float_times, self.floats, self.float_starts);
        let mut lost = 0.0;
        let mut overlaps = false;
        for i in 1..v.len() {
            let has_start = i < starts.len();
            if has_start && !overlaps && start_overlaps(starts[i - 1], t[i - 1], starts[i]) {
                annotations.add(Annotation::start_time_overlap(self.metric, self.window.pos));
                overlaps = true;
            }
            let by_start =
                has_start && start_says_reset((starts[i - 1], t[i - 1]), (starts[i], t[i]));
            if v[i] < v[i - 1] || by_start {
                lost += v[i - 1];
            }
        }
        lost
    }

    /// irate and idelta: from the last two samples.
    fn instant(&self, is_rate: bool, annotations: &mut Annotations) -> Cell {
        if self.floats.len() + self.histograms.len() < 2 {
            return Cell::Empty;
        }
        let mut order = self.in_order();
        let (Some(new), Some(old)) = (order.next_back(), order.next_back()) else {
            return Cell::Empty;
        };
        let interval = new.t - old.t;
        if interval == 0 {
            return Cell::Empty;
        }
        let by_start = start_says_reset((old.start, old.t), (new.start, new.t));
        match (new.value, old.value) {
            (Sample::Float(new), Sample::Float(old)) => {
                let reset = is_rate && (new < old || by_start);
                let rise = if reset { new } else { new - old };
                Cell::Float(if is_rate { per_second(rise, interval) } else { rise })
            }
            (Sample::Histogram(new), Sample::Histogram(old)) => {
                self.instant_histogram(new, old, by_start, is_rate.then_some(interval), annotations)
            }
            _ => {
                annotations.add(Annotation::mixed_floats_histograms(self.metric, self.window.pos));
                Cell::Empty
            }
        }
    }

    fn instant_histogram(
        &self,
        new: &FloatHistogram,
        old: &FloatHistogram,
        by_start: bool,
        rate_interval: Option<i64>,
        annotations: &mut Annotations,
    ) -> Cell {
        use CounterResetHint::Gauge;
        let pos = self.window.pos;
        let is_rate = rate_interval.is_some();
        let gauges = [new, old].map(|h| h.counter_reset_hint == Gauge);
        if is_rate && gauges.contains(&true) {
            annotations.add(Annotation::native_histogram_not_counter(self.metric, pos));
        }
        if !is_rate && gauges.contains(&false) {
            annotations.add(Annotation::native_histogram_not_gauge(self.metric, pos));
        }
        let mut result = new.clone();
        if !is_rate || (!by_start && !new.detect_reset(old)) {
            match result.sub(old) {
                Ok(done) if done.bounds_reconciled => annotations.add(
                    Annotation::mismatched_custom_buckets(HistogramOperation::Subtraction, pos),
                ),
                Ok(_) => {}
                Err(_) => {
                    annotations
                        .add(Annotation::mixed_exponential_custom_histograms(self.metric, pos));
                    return Cell::Empty;
                }
            }
        }
        result.counter_reset_hint = Gauge;
        result.compact(0);
        if let Some(interval) = rate_interval {
            result.div(interval as f64 / 1000.0);
        }
        Cell::Histogram(Arc::new(result))
    }

    fn sum_or_average(&self, annotations: &mut Annotations) -> Cell {
        if self.mixed(annotations) {
            return Cell::Empty;
        }
        let is_sum = self.window.func == FunctionId::SumOverTime;
        if !self.floats.is_empty() {
            let all = self.floats;
            return Cell::Float(if is_sum { float::sum(all) } else { float::average(all) });
        }
        let result = if is_sum {
            sum(self.histograms, self.window.pos, annotations)
        } else {
            average(self.histograms, self.window.pos, annotations)
        };
        match result {
            Ok(histogram) => Cell::Histogram(Arc::new(histogram)),
            Err(_) => {
                annotations.add(Annotation::mixed_exponential_custom_histograms(
                    self.metric,
                    self.window.pos,
                ));
                Cell::Empty
            }
        }
    }

    fn first(&self) -> Cell {
        match (self.float_times.first(), self.histogram_times.first()) {
            (Some(t), Some(h)) if t < h => Cell::Float(self.floats[0]),
            (_, Some(_)) => Cell::Histogram(Arc::clone(&self.histograms[0])),
            (Some(_), None) => Cell::Float(self.floats[0]),
            (None, None) => Cell::Empty,
        }
    }

    fn last(&self) -> Cell {
        match (self.float_times.last(), self.histogram_times.last()) {
            (Some(t), Some(h)) if h < t => Cell::Float(self.floats[self.floats.len() - 1]),
            (_, Some(_)) => {
                Cell::Histogram(Arc::clone(&self.histograms[self.histograms.len() - 1]))
            }
            (Some(_), None) => Cell::Float(self.floats[self.floats.len() - 1]),
            (None, None) => Cell::Empty,
        }
    }

    fn floats_alone(&self, annotations: &mut Annotations, scratch: &mut Vec<f64>) -> Cell {
        use FunctionId as F;
        let v = self.floats;
        if v.is_empty() {
            return Cell::Empty;
        }
        let window = self.window;
        if window.func == F::QuantileOverTime {
            float::check_quantile(window.params[0].get(self.step), window, annotations);
        }
        self.note_ignored_histograms(annotations);
        let copied = |scratch: &mut Vec<f64>| {
            scratch.clear();
            scratch.extend_from_slice(v);
        };
        let time = |i: usize| self.float_times[i] as f64 / 1000.0;
        Cell::Float(match window.func {
            F::MinOverTime => v[float::place(v, |new, old| new < old)],
            F::MaxOverTime => v[float::place(v, |new, old| new > old)],
            F::TsOfMinOverTime => time(float::place(v, |new, old| new <= old)),
            F::TsOfMaxOverTime => time(float::place(v, |new, old| new >= old)),
            F::StdvarOverTime => float::variance(v),
            F::StddevOverTime => float::variance(v).sqrt(),
            F::QuantileOverTime => {
                copied(scratch);
                quantile(window.params[0].get(self.step), scratch)
            }
            _ => {
                copied(scratch);
                median_deviation(scratch)
            }
        })
    }

    fn at_least_two_floats(&self, annotations: &mut Annotations) -> Result<Cell, EngineError> {
        use FunctionId as F;
        let (t, v, window) = (self.float_times, self.floats, self.window);
        // Bad factors are an error whatever the samples are.
        let smoothed = match window.func {
            F::DoubleExponentialSmoothing if v.is_empty() => {
                float::smooth(window, self.step, &[0.0])?
            }
            F::DoubleExponentialSmoothing => float::smooth(window, self.step, v)?,
            _ => 0.0,
        };
        if !v.is_empty() {
            self.note_ignored_histograms(annotations);
        }
        if v.len() < 2 {
            return Ok(Cell::Empty);
        }
        let value = match window.func {
            F::Deriv => float::regression(t, v, t[0]).0,
            F::PredictLinear => float::predict(window, self.step, t, v),
            _ => smoothed,
        };
        Ok(if is_absent(value) { Cell::Empty } else { Cell::Float(value) })
    }

    fn count_changes(&self) -> Cell {
        self.count(|old, new| match (old.value, new.value) {
            (Sample::Float(old), Sample::Float(new)) => {
                new != old && !(new.is_nan() && old.is_nan())
            }
            (Sample::Histogram(old), Sample::Histogram(new)) => !new.same_data(old),
            _ => true,
        })
    }

    fn count_resets(&self) -> Cell {
        self.count(|old, new| {
            let by_start = start_says_reset((old.start, old.t), (new.start, new.t));
            match (old.value, new.value) {
                (Sample::Float(old), Sample::Float(new)) => new < old || by_start,
                (Sample::Histogram(old), Sample::Histogram(new)) => {
                    by_start || new.detect_reset(old)
                }
                _ => true,
            }
        })
    }

    /// How often the condition holds between neighbours. An anchored range begins with the last sample at or before its start.
    fn count(&self, holds: impl Fn(&Entry<'_>, &Entry<'_>) -> bool) -> Cell {
        let mut entries: Vec<Entry<'_>> = self.in_order().collect();
        if self.window.extension == Extension::Anchored {
            let after = entries.partition_point(|entry| entry.t <= self.start);
            if after == entries.len() {
                return Cell::Empty;
            }
            entries.drain(..after.saturating_sub(1));
        }
        let count = entries.windows(2).filter(|pair| holds(&pair[0], &pair[1])).count();
        Cell::Float(count as f64)
    }

    /// All samples by time.
    fn in_order(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        let start = |starts: &[Timestamp], i: usize| starts.get(i).copied().unwrap_or(0);
        let mut entries: Vec<Entry<'_>> =
            Vec::with_capacity(self.floats.len() + self.histograms.len());
        entries.extend(self.floats.iter().enumerate().map(|(i, v)| Entry {
            t: self.float_times[i],
            start: start(self.float_starts, i),
            value: Sample::Float(*v),
        }));
        entries.extend(self.histograms.iter().enumerate().map(|(i, h)| Entry {
            t: self.histogram_times[i],
            start: start(self.histogram_starts, i),
            value: Sample::Histogram(h),
        }));
        if !self.floats.is_empty() && !self.histograms.is_empty() {
            entries.sort_by_key(|entry| entry.t);
        }
        entries.into_iter()
    }
}

#[derive(Clone, Copy)]
struct Entry<'a> {
    t: Timestamp,
    start: Timestamp,
    value: Sample<'a>,
}

#[derive(Clone, Copy)]
enum Sample<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

/// Adds `other` to `base`; says in annotations what had to be reconciled, and returns whether it could be done.
pub(super) fn add_histogram(
    base: &mut FloatHistogram,
    other: &FloatHistogram,
    at: &Step<'_>,
    annotations: &mut Annotations,
) -> bool {
    combined(base.add(other), HistogramOperation::Addition, at, annotations)
}

/// Subtracts, as [`add_histogram`] adds.
pub(super) fn sub_histogram(
    base: &mut FloatHistogram,
    other: &FloatHistogram,
    at: &Step<'_>,
    annotations: &mut Annotations,
) -> bool {
    combined(base.sub(other), HistogramOperation::Subtraction, at, annotations)
}

fn combined(
    result: Result<
        gauntlet_model::histogram::Combined,
        gauntlet_model::histogram::IncompatibleSchemas,
    >,
    operation: HistogramOperation,
    at: &Step<'_>,
    annotations: &mut Annotations,
) -> bool {
    match result {
        Ok(done) => {
            if done.bounds_reconciled {
                annotations.add(Annotation::mismatched_custom_buckets(operation, at.window.pos));
            }
            true
        }
        Err(_) => {
            annotations
                .add(Annotation::mixed_exponential_custom_histograms(at.metric, at.window.pos));
            false
        }
    }
}

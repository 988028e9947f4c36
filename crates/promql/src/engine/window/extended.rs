//! `anchored` and `smoothed` ranges: values at the range's very ends, taken or interpolated from samples outside.

use std::sync::Arc;

use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::{FloatHistogram, Timestamp};

use super::mixed::{Step, add_histogram, sub_histogram};
use crate::annotations::{Annotation, Annotations, HistogramOperation};
use crate::engine::node::Extension;
use crate::engine::plan::go_seconds;
use crate::engine::rows::Cell;

/// The samples that give the values at both ends: indices of the last at or before the start (else the first), and of the last,
/// or for a smoothed range the first at or after the end. `None` if there is nothing to measure.
pub(super) fn ends(
    times: &[Timestamp],
    start: Timestamp,
    end: Timestamp,
    smoothed: bool,
) -> Option<(usize, usize)> {
    let mut last = times.len().checked_sub(1)?;
    let first = times[..last].partition_point(|t| *t <= start).saturating_sub(1);
    if smoothed {
        last = times[..last].partition_point(|t| *t < end);
    }
    if times[last] <= start || (smoothed && times[first] > end) {
        return None;
    }
    Some((first, last))
}

/// The value at `t` on the line between two samples. A counter that fell counts from zero.
pub(super) fn interpolate(
    (t1, mut y1): (Timestamp, f64),
    (t2, y2): (Timestamp, f64),
    t: Timestamp,
    counter: bool,
) -> f64 {
    if counter && y2 < y1 {
        y1 = 0.0;
    }
    y1 + (y2 - y1) * (t - t1) as f64 / (t2 - t1) as f64
}

/// rate, increase or delta.
pub(super) fn rate(
    at: &Step<'_>,
    counter: bool,
    is_rate: bool,
    annotations: &mut Annotations,
) -> Cell {
    if !at.histograms.is_empty() {
        return histogram_rate(at, counter, is_rate, annotations);
    }
    let smoothed = at.window.extension == Extension::Smoothed;
    let (t, v) = (at.float_times, at.floats);
    let Some((mut first, last)) = ends(t, at.start, at.end, smoothed) else {
        return Cell::Empty;
    };
    let (left, right) = float_ends(t, v, (first, last), (at.start, at.end), smoothed, counter);
    let mut result = right - left;
    if counter {
        let mut until = last + 1;
        if t[first] <= at.start {
            first += 1;
        }
        if t[last] >= at.end {
            until -= 1;
        }
        let mut lost = 0.0;
        let mut previous = left;
        for value in v.get(first..until).unwrap_or(&[]).iter().chain([&right]) {
            if *value < previous {
                lost += previous;
            }
            previous = *value;
        }
        result += lost;
    }
    if is_rate {
        result /= go_seconds(at.window.range_ms);
    }
    Cell::Float(result)
}

/// Values at both ends of the range.
pub(super) fn float_ends(
    t: &[Timestamp],
    v: &[f64],
    (first, last): (usize, usize),
    (start, end): (Timestamp, Timestamp),
    smoothed: bool,
    counter: bool,
) -> (f64, f64) {
    let sample = |i: usize| (t[i], v[i]);
    let left = if smoothed && t[first] < start {
        interpolate(sample(first), sample(first + 1), start, counter)
    } else {
        v[first]
    };
    let right = if smoothed && last > 0 && t[last] > end {
        interpolate(sample(last - 1), sample(last), end, counter)
    } else {
        v[last]
    };
    (left, right)
}

fn histogram_rate(
    at: &Step<'_>,
    counter: bool,
    is_rate: bool,
    annotations: &mut Annotations,
) -> Cell {
    use CounterResetHint::Gauge;
    let smoothed = at.window.extension == Extension::Smoothed;
    let pos = at.window.pos;
    let (t, h) = (at.histogram_times, at.histograms);
    let Some((first, last)) = ends(t, at.start, at.end, smoothed) else { return Cell::Empty };
    let custom = h[first].uses_custom_buckets();
    for histogram in &h[first..=last] {
        if histogram.uses_custom_buckets() != custom {
            annotations.add(Annotation::mixed_exponential_custom_histograms(at.metric, pos));
            return Cell::Empty;
        }
        if counter && histogram.counter_reset_hint == Gauge {
            annotations.add(Annotation::native_histogram_not_counter(at.metric, pos));
        }
    }
    let left = if smoothed && t[first] < at.start {
        between(at, first, at.start, counter, annotations)
    } else {
        Some(FloatHistogram::clone(&h[first]))
    };
    let right = if smoothed && last > 0 && t[last] > at.end {
        between(at, last - 1, at.end, counter, annotations)
    } else {
        Some(FloatHistogram::clone(&h[last]))
    };
    let (Some(left), Some(right)) = (left, right) else { return Cell::Empty };
    if !counter && (left.counter_reset_hint != Gauge || right.counter_reset_hint != Gauge) {
        annotations.add(Annotation::native_histogram_not_gauge(at.metric, pos));
    }
    let mut result = right.clone();
    if !sub_histogram(&mut result, &left, at, annotations) {
        return Cell::Empty;
    }
    if counter {
        match lost_by_resets(at, (first, last), &left, &right, smoothed, annotations) {
            None => return Cell::Empty,
            Some(None) => {}
            Some(Some(lost)) => {
                if !add_histogram(&mut result, &lost, at, annotations) {
                    return Cell::Empty;
                }
            }
        }
    }
    if is_rate {
        result.div(go_seconds(at.window.range_ms));
    }
    result.counter_reset_hint = Gauge;
    result.compact(0);
    Cell::Histogram(Arc::new(result))
}

/// What resets inside the range took away: `None` on failure, `Some(None)` for nothing.
fn lost_by_resets(
    at: &Step<'_>,
    (first, last): (usize, usize),
    left: &FloatHistogram,
    right: &FloatHistogram,
    smoothed: bool,
    annotations: &mut Annotations,
) -> Option<Option<FloatHistogram>> {
    let h = at.histograms;
    let mut from = first + 1;
    let mut previous = left;
    if smoothed && at.histogram_times[first] < at.start && h[first + 1].detect_reset(&h[first]) {
        // The interpolation at the left end spans this reset already.
        previous = &h[first + 1];
        from += 1;
    }
    // The last sample is `right`, or lends it its hint: it is compared once, at the end.
    if from > last {
        return Some(None);
    }
    let mut lost: Option<FloatHistogram> = None;
    for current in h[from..last].iter().map(|h| &**h).chain([right]) {
        if current.detect_reset(previous) {
            match &mut lost {
                None => lost = Some(previous.clone()),
                Some(lost) => {
                    if !add_histogram(lost, previous, at, annotations) {
                        return None;
                    }
                }
            }
        }
        previous = current;
    }
    Some(lost)
}

/// The histogram at `t` between samples `i` and `i + 1`.
fn between(
    at: &Step<'_>,
    i: usize,
    t: Timestamp,
    counter: bool,
    annotations: &mut Annotations,
) -> Option<FloatHistogram> {
    let (a, b) = (&at.histograms[i], &at.histograms[i + 1]);
    let times = (at.histogram_times[i], at.histogram_times[i + 1]);
    match interpolate_histograms(a, b, times, t, counter, at.window.pos, annotations) {
        Ok(histogram) => Some(histogram),
        Err(_) => {
            annotations
                .add(Annotation::mixed_exponential_custom_histograms(at.metric, at.window.pos));
            None
        }
    }
}

/// The histogram at `t` on the line between two. A counter that was reset counts from zero.
pub(super) fn interpolate_histograms(
    a: &FloatHistogram,
    b: &FloatHistogram,
    (t1, t2): (Timestamp, Timestamp),
    t: Timestamp,
    counter: bool,
    pos: crate::ast::PosRange,
    annotations: &mut Annotations,
) -> Result<FloatHistogram, gauntlet_model::histogram::IncompatibleSchemas> {
    if t == t1 {
        return Ok(a.clone());
    }
    let mut result = b.clone();
    if t == t2 {
        return Ok(result);
    }
    let fraction = (t - t1) as f64 / (t2 - t1) as f64;
    if counter && b.detect_reset(a) {
        result.mul(fraction);
        return Ok(result);
    }
    if result.sub(a)?.bounds_reconciled {
        annotations
            .add(Annotation::mismatched_custom_buckets(HistogramOperation::Subtraction, pos));
    }
    result.mul(fraction);
    if result.add(a)?.bounds_reconciled {
        annotations.add(Annotation::mismatched_custom_buckets(HistogramOperation::Addition, pos));
    }
    Ok(result)
}

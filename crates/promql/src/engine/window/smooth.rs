//! Smoothed selectors: each step's value is interpolated between the samples around it.

use gauntlet_model::Labels;
use gauntlet_model::histogram::CounterResetHint;

use super::extended::{interpolate, interpolate_histograms};
use super::{RowOut, Samples, Slider};
use crate::annotations::Annotation;
use crate::ast::PosRange;
use crate::engine::grid::Grid;
use crate::engine::node::Selector;

/// Fills a row of `selector` smoothed. Samples up to the lookback before and after an instant count.
pub(in crate::engine) fn smooth_row(
    selector: &Selector,
    grid: &Grid,
    lookback_ms: i64,
    metric: &Labels,
    samples: &Samples,
    out: &mut RowOut<'_>,
) {
    let pos: PosRange = selector.pos;
    let name = metric.metric_name();
    let (mut floats, mut histograms) = (Slider::default(), Slider::default());
    for step in 0..grid.steps {
        let t = selector.reference(grid, step);
        let (min, max) = (t.saturating_sub(lookback_ms), t.saturating_add(lookback_ms));
        floats.advance(&samples.float_times, min, max);
        histograms.advance(&samples.histogram_times, min, max);
        let has_floats = floats.lo < floats.hi;
        let has_histograms = histograms.lo < histograms.hi;
        if has_floats && has_histograms {
            out.annotations.add(Annotation::mixed_floats_histograms(name, pos));
            continue;
        }
        if has_histograms {
            let times = &samples.histogram_times[histograms.lo..histograms.hi];
            let all = &samples.histograms[histograms.lo..histograms.hi];
            let i = times.partition_point(|at| *at < t);
            if i < times.len() && times[i] == t {
                out.share_histogram(step, all[i].clone());
            } else if i > 0 && i < times.len() {
                let (a, b) = (&all[i - 1], &all[i]);
                if a.uses_custom_buckets() != b.uses_custom_buckets() {
                    out.annotations.add(Annotation::mixed_exponential_custom_histograms(name, pos));
                    continue;
                }
                let gauge = CounterResetHint::Gauge;
                let counter = a.counter_reset_hint != gauge || b.counter_reset_hint != gauge;
                let between = (times[i - 1], times[i]);
                let annotations = &mut *out.annotations;
                match interpolate_histograms(a, b, between, t, counter, pos, annotations) {
                    Ok(histogram) => out.set_histogram(step, histogram),
                    Err(_) => out
                        .annotations
                        .add(Annotation::mixed_exponential_custom_histograms(name, pos)),
                }
            } else if i > 0 {
                let mut histogram = (*all[i - 1]).clone();
                histogram.counter_reset_hint = CounterResetHint::Unknown;
                out.set_histogram(step, histogram);
            }
        } else if has_floats {
            let times = &samples.float_times[floats.lo..floats.hi];
            let values = &samples.floats[floats.lo..floats.hi];
            let i = times.partition_point(|at| *at < t);
            if i < times.len() && times[i] == t {
                out.values[step] = values[i];
            } else if i > 0 && i < times.len() {
                let (a, b) = ((times[i - 1], values[i - 1]), (times[i], values[i]));
                out.values[step] = interpolate(a, b, t, false);
            } else if i > 0 {
                out.values[step] = values[i - 1];
            }
        }
    }
}

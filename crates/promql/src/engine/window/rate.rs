//! Rates: extrapolation to the window's ends, and the increase of histograms.

use std::sync::Arc;

use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::{FloatHistogram, Timestamp};

use crate::annotations::{Annotation, Annotations, HistogramOperation};
use crate::ast::PosRange;
use crate::engine::plan::go_seconds;

/// Divides by an interval in ms to get a value a second.
pub(super) fn per_second(value: f64, interval_ms: i64) -> f64 {
    value / (interval_ms as f64 / 1000.0)
}

/// How the increase between the first and the last sample is stretched to the whole window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extrapolation {
    counter: bool,
    /// Seconds to divide by; none for an increase or delta.
    range_seconds: Option<f64>,
}

/// What extrapolation has to know of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub first: Timestamp,
    pub last: Timestamp,
    /// The window's ends.
    pub start: Timestamp,
    pub end: Timestamp,
    /// Number of samples.
    pub samples: usize,
}

/// How far the increase of a window is stretched, as far as its times tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stretch {
    /// For a counter that is not near zero.
    factor: f64,
    /// Seconds between first and last sample.
    sampled: f64,
    /// Seconds that it is stretched to the left and right.
    to_start: f64,
    to_end: f64,
}

impl Extrapolation {
    pub(super) fn new(range_ms: i64, counter: bool, rate: bool) -> Self {
        Self { counter, range_seconds: rate.then(|| go_seconds(range_ms)) }
    }

    /// What a window's times say of its factor.
    pub(super) fn stretch(&self, span: &Span) -> Stretch {
        let mut to_start = (span.first - span.start) as f64 / 1000.0;
        let mut to_end = (span.end - span.last) as f64 / 1000.0;
        let sampled = (span.last - span.first) as f64 / 1000.0;
        let average = sampled / (span.samples - 1) as f64;
        let threshold = average * 1.1;
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if to_end >= threshold {
            to_end = average / 2.0;
        }
        let mut this = Stretch { factor: 0.0, sampled, to_start, to_end };
        this.factor = self.factor_with(&this, to_start);
        this
    }

    #[inline(always)]
    fn factor_with(&self, stretch: &Stretch, to_start: f64) -> f64 {
        let mut factor = 1.0;
        if stretch.sampled != 0.0 {
            factor = (stretch.sampled + to_start + stretch.to_end) / stretch.sampled;
        }
        if let Some(seconds) = self.range_seconds {
            factor /= seconds;
        }
        factor
    }

    /// The increase `rise` from `first` on, stretched. A counter is not stretched to before it was zero.
    #[inline(always)]
    pub(super) fn apply(&self, stretch: &Stretch, rise: f64, first: f64) -> f64 {
        // Far from zero, as nearly always, neither division is needed: the products settle it with room for their rounding.
        let far = first * stretch.sampled > stretch.to_start * rise * (1.0 + 1e-9) && rise > 1e-200;
        if !far && self.counter && rise > 0.0 && first >= 0.0 {
            return rise * self.factor_near_zero(stretch, rise, first);
        }
        rise * stretch.factor
    }

    #[inline(never)]
    fn factor_near_zero(&self, stretch: &Stretch, rise: f64, first: f64) -> f64 {
        let to_zero = stretch.sampled * (first / rise);
        if to_zero < stretch.to_start { self.factor_with(stretch, to_zero) } else { stretch.factor }
    }

    /// The factor for the increase. `zero_share`: how far before the first sample, in lengths of the sampled interval, a counter
    /// was zero. `zero_at`: a start timestamp inside the window, at which it was.
    #[inline(always)]
    pub(super) fn factor(
        &self,
        span: &Span,
        zero_share: Option<f64>,
        zero_at: Option<Timestamp>,
    ) -> f64 {
        let mut to_start = (span.first - span.start) as f64 / 1000.0;
        let mut to_end = (span.end - span.last) as f64 / 1000.0;
        let mut sampled = (span.last - span.first) as f64 / 1000.0;
        let average = if span.samples > 1 { sampled / (span.samples - 1) as f64 } else { 0.0 };
        let threshold = average * 1.1;
        if let Some(zero_at) = zero_at {
            to_start = 0.0;
            sampled = (span.last - zero_at) as f64 / 1000.0;
        } else {
            if to_start >= threshold {
                to_start = average / 2.0;
            }
            if self.counter {
                let to_zero = zero_share.map_or(to_start, |share| sampled * share);
                if to_zero < to_start {
                    to_start = to_zero;
                }
            }
        }
        if to_end >= threshold {
            to_end = average / 2.0;
        }
        let mut factor = 1.0;
        if sampled != 0.0 {
            factor = (sampled + to_start + to_end) / sampled;
        }
        if let Some(seconds) = self.range_seconds {
            factor /= seconds;
        }
        factor
    }
}

/// Whether the start timestamp of a sample says that the counter began anew after the previous sample.
pub(super) fn start_says_reset(
    (previous_start, previous): (Timestamp, Timestamp),
    (start, t): (Timestamp, Timestamp),
) -> bool {
    if start == 0 || start >= t || start < previous {
        return false;
    }
    if start > previous {
        return true;
    }
    // It begins where the last one ended: a delta, or a start that is not known.
    previous_start <= previous && previous_start != 0 && previous_start != previous
}

/// Whether a start timestamp lies before the previous sample and is not its start too.
pub(super) fn start_overlaps(
    previous_start: Timestamp,
    previous: Timestamp,
    start: Timestamp,
) -> bool {
    start != 0 && start < previous && start != previous_start
}

/// Histograms of a window with what annotations need.
#[derive(Clone, Copy)]
pub(super) struct Histograms<'a> {
    pub times: &'a [Timestamp],
    pub histograms: &'a [Arc<FloatHistogram>],
    pub starts: &'a [Timestamp],
    pub metric: &'a str,
    pub pos: PosRange,
}

impl Histograms<'_> {
    fn reset_by_start(&self, i: usize) -> bool {
        i < self.starts.len()
            && start_says_reset(
                (self.starts[i - 1], self.times[i - 1]),
                (self.starts[i], self.times[i]),
            )
    }

    /// The increase from the first to the last histogram of at least two; `None` if they do not fit together.
    pub(super) fn increase(
        &self,
        counter: bool,
        annotations: &mut Annotations,
    ) -> Option<FloatHistogram> {
        use CounterResetHint::Gauge;
        let all = self.histograms;
        let last = &*all[all.len() - 1];
        let mixed = || Annotation::mixed_exponential_custom_histograms(self.metric, self.pos);
        let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == Gauge;
        if counter && (is_gauge(&all[0]) || is_gauge(last)) {
            annotations.add(Annotation::native_histogram_not_counter(self.metric, self.pos));
        }
        let empty;
        let mut previous = &*all[0];
        if counter && (self.reset_by_start(1) || all[1].detect_reset(previous)) {
            // Nothing of the first histogram counts, so its layout need not fit.
            empty = FloatHistogram {
                schema: all[1].schema,
                custom_values: all[1].custom_values.clone(),
                ..FloatHistogram::default()
            };
            previous = &empty;
        }
        let custom = previous.uses_custom_buckets();
        if last.uses_custom_buckets() != custom {
            annotations.add(mixed());
            return None;
        }
        let mut schema = last.schema.min(previous.schema);
        if counter {
            for current in &all[1..all.len() - 1] {
                if is_gauge(current) {
                    annotations
                        .add(Annotation::native_histogram_not_counter(self.metric, self.pos));
                }
                schema = schema.min(current.schema);
                if current.uses_custom_buckets() != custom {
                    annotations.add(mixed());
                    return None;
                }
            }
        }
        let mut result = last.copy_to_schema(schema);
        match result.sub(previous) {
            Ok(done) if done.bounds_reconciled => annotations.add(
                Annotation::mismatched_custom_buckets(HistogramOperation::Subtraction, self.pos),
            ),
            Ok(_) => {}
            Err(_) => {
                annotations.add(mixed());
                return None;
            }
        }
        if counter {
            let mut overlaps = false;
            for (i, current) in all.iter().enumerate().skip(1) {
                let current = &**current;
                if !overlaps
                    && i < self.starts.len()
                    && start_overlaps(self.starts[i - 1], self.times[i - 1], self.starts[i])
                {
                    annotations.add(Annotation::start_time_overlap(self.metric, self.pos));
                    overlaps = true;
                }
                if self.reset_by_start(i) || current.detect_reset(previous) {
                    match result.add(previous) {
                        Ok(done) if done.bounds_reconciled => {
                            annotations.add(Annotation::mismatched_custom_buckets(
                                HistogramOperation::Addition,
                                self.pos,
                            ));
                        }
                        Ok(_) => {}
                        Err(_) => {
                            annotations.add(mixed());
                            return None;
                        }
                    }
                }
                previous = current;
            }
        } else if !is_gauge(&all[0]) || !is_gauge(last) {
            annotations.add(Annotation::native_histogram_not_gauge(self.metric, self.pos));
        }
        result.counter_reset_hint = Gauge;
        result.compact(0);
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight intervals of 10 s, with so many ms free at both ends of the window, rising by 8 from `first`; both ways of
    /// extrapolating must give the factor worked out by hand.
    fn check(counter: bool, first: f64, to_start: i64, to_end: i64, factor: f64) {
        let (begin, rise) = (1_000_000, 8.0);
        let span = Span {
            first: begin,
            last: begin + 80_000,
            start: begin - to_start,
            end: begin + 80_000 + to_end,
            samples: 9,
        };
        let extrapolation = Extrapolation::new(100_000, counter, false);
        let alone = rise * extrapolation.factor(&span, counter.then_some(first / rise), None);
        let kept = extrapolation.apply(&extrapolation.stretch(&span), rise, first);
        assert!((alone - rise * factor).abs() < 1e-12, "{to_start} {to_end}: {alone}");
        assert_eq!(kept, alone, "{to_start} {to_end}: with what is kept for the next series");
    }

    #[test]
    fn ends_are_taken_whole_up_to_eleven_tenths_of_an_interval_and_by_half_beyond() {
        check(false, 1.0, 10_900, 3_000, 93.9 / 80.0);
        check(false, 1.0, 11_100, 3_000, 88.0 / 80.0);
        check(false, 1.0, 11_500, 3_000, 88.0 / 80.0);
        check(false, 1.0, 3_000, 10_900, 93.9 / 80.0);
        check(false, 1.0, 3_000, 11_100, 88.0 / 80.0);
        check(false, 1.0, 3_000, 11_500, 88.0 / 80.0);
    }

    #[test]
    fn a_counter_is_not_followed_below_zero() {
        check(true, 0.5, 8_000, 3_000, 88.0 / 80.0);
        check(true, 4.0, 8_000, 3_000, 91.0 / 80.0);
    }
}

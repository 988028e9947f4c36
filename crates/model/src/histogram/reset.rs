//! Whether a counter was reset between two histograms of a series.

use super::bounds::{exponential_bound, upper_bound};
use super::resolution::target_index;
use super::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, IndexedCounts};

impl FloatHistogram {
    /// Whether the counter was reset since `previous`: a known hint decides; else any count that fell, any bucket that
    /// went missing, a finer schema or a smaller zero threshold.
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::CounterReset => return true,
            CounterResetHint::NotCounterReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() {
            if !previous.uses_custom_buckets() {
                return true;
            }
            if self.custom_values != previous.custom_values {
                return self.reset_with_other_bounds(previous);
            }
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        if previous.uses_custom_buckets() != self.uses_custom_buckets() {
            return true;
        }
        let (zero_count, threshold, _) = previous.zero_count_for(self.zero_threshold, None);
        if threshold != self.zero_threshold || self.zero_count < zero_count {
            return true;
        }
        side_reset(self, self.positive_counts(), previous, previous.positive_counts())
            || side_reset(self, self.negative_counts(), previous, previous.negative_counts())
    }

    /// Custom buckets with different bounds: compares what lies between bounds that both have.
    fn reset_with_other_bounds(&self, previous: &Self) -> bool {
        let mut own = RollUp::new(self);
        let mut old = RollUp::new(previous);
        let (mut i, mut j) = (0, 0);
        while i <= self.custom_values.len() && j <= previous.custom_values.len() {
            let a = self.custom_values.get(i).copied().unwrap_or(f64::INFINITY);
            let b = previous.custom_values.get(j).copied().unwrap_or(f64::INFINITY);
            if a == b {
                if own.up_to(a) < old.up_to(a) {
                    return true;
                }
                i += 1;
                j += 1;
            } else if a < b {
                i += 1;
            } else {
                j += 1;
            }
        }
        false
    }
}

/// Whether a bucket of `old` is populated and missing in `new`, or fell. `old` is seen in `new`'s schema.
fn side_reset(
    new: &FloatHistogram,
    new_counts: IndexedCounts<'_>,
    old: &FloatHistogram,
    old_counts: IndexedCounts<'_>,
) -> bool {
    let beyond_zero = |index: i32| {
        new.schema == CUSTOM_BUCKETS_SCHEMA
            || exponential_bound(index, new.schema) > new.zero_threshold
    };
    let shifted = old.schema != new.schema;
    let mut old_counts = old_counts
        .map(|(index, count)| {
            (if shifted { target_index(index, old.schema, new.schema) } else { index }, count)
        })
        .skip_while(|(index, _)| !beyond_zero(*index))
        .peekable();
    let mut new_counts = new_counts.skip_while(|(index, _)| !beyond_zero(*index)).peekable();
    while let Some((index, mut count)) = old_counts.next() {
        while let Some((_, more)) = old_counts.next_if(|(next, _)| shifted && *next == index) {
            count += more;
        }
        while new_counts.next_if(|(at, _)| *at < index).is_some() {}
        let fell = match new_counts.peek() {
            Some((at, own)) if *at == index => *own < count,
            _ => count != 0.0,
        };
        if fell {
            return true;
        }
    }
    false
}

/// Sums custom buckets up to ascending bounds.
struct RollUp<'a> {
    histogram: &'a FloatHistogram,
    counts: std::iter::Peekable<IndexedCounts<'a>>,
}

impl<'a> RollUp<'a> {
    fn new(histogram: &'a FloatHistogram) -> Self {
        Self { histogram, counts: histogram.positive_counts().peekable() }
    }

    fn up_to(&mut self, bound: f64) -> f64 {
        let mut sum = 0.0;
        let bounds = &self.histogram.custom_values;
        while let Some((_, count)) = self
            .counts
            .next_if(|(index, _)| upper_bound(*index, CUSTOM_BUCKETS_SCHEMA, bounds) <= bound)
        {
            sum += count;
        }
        sum
    }
}

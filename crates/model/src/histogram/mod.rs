//! Native histograms: the two stored forms and what both share. Source: upstream `model/histogram`.
//!
//! Bucket `i` of schema `s` in -4..=8 covers `(base^(i-1), base^i]` with `base = 2^(2^-s)`; schema -53 has its bounds in
//! `custom_values` (NHCB). Spans say which buckets exist: `offset` skips buckets (from zero for the first span), `length` takes them.
//!
//! The operations work on any bytes that a chunk decodes to: where spans and counts do not agree, the shorter wins and
//! nothing panics. Sums are compensated in the order that the peer uses, so that results agree to the last bit.

mod add;
mod bounds;
mod buckets;
mod compact;
mod quantile;
mod reset;
mod resolution;
mod sums;
#[cfg(test)]
mod tests;
mod text;
mod trim;
mod validate;
mod zero;

pub use add::{Combined, IncompatibleSchemas};
pub use bounds::upper_bound;
pub use buckets::{Bucket, IndexedCounts};
pub use quantile::{QuantileNote, variance};
pub use sums::{kahan_add, kahan_sub};
pub use validate::HistogramError;

/// Schema of histograms with custom bounds.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;
/// Finest and coarsest exponential schema that may be stored.
pub const EXPONENTIAL_SCHEMA_MIN: i32 = -4;
pub const EXPONENTIAL_SCHEMA_MAX: i32 = 8;

/// A run of buckets: skip `offset` buckets, then `length` follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub offset: i32,
    pub length: u32,
}

/// What is known about a counter reset between the previous histogram of the series and this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CounterResetHint {
    #[default]
    Unknown,
    CounterReset,
    NotCounterReset,
    Gauge,
}

/// A histogram with whole counts: bucket counts are deltas to the previous bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    pub counter_reset_hint: CounterResetHint,
    pub schema: i32,
    pub zero_threshold: f64,
    pub zero_count: u64,
    pub count: u64,
    pub sum: f64,
    pub positive_spans: Vec<Span>,
    pub negative_spans: Vec<Span>,
    pub positive_buckets: Vec<i64>,
    pub negative_buckets: Vec<i64>,
    pub custom_values: Vec<f64>,
}

/// A histogram with float counts: bucket counts are absolute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FloatHistogram {
    pub counter_reset_hint: CounterResetHint,
    pub schema: i32,
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub count: f64,
    pub sum: f64,
    pub positive_spans: Vec<Span>,
    pub negative_spans: Vec<Span>,
    pub positive_buckets: Vec<f64>,
    pub negative_buckets: Vec<f64>,
    pub custom_values: Vec<f64>,
}

impl Histogram {
    /// The same histogram with absolute float counts.
    pub fn to_float(&self) -> FloatHistogram {
        let absolute = |deltas: &[i64]| {
            let mut count = 0i64;
            deltas
                .iter()
                .map(|delta| {
                    count = count.wrapping_add(*delta);
                    count as f64
                })
                .collect()
        };
        FloatHistogram {
            counter_reset_hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            positive_buckets: absolute(&self.positive_buckets),
            negative_buckets: absolute(&self.negative_buckets),
            custom_values: self.custom_values.clone(),
        }
    }

    /// Whether bounds are custom (NHCB).
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }
}

impl FloatHistogram {
    /// Whether bounds are custom (NHCB).
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Multiplies all counts and the sum. A negative factor makes a gauge.
    pub fn mul(&mut self, factor: f64) {
        self.zero_count *= factor;
        self.count *= factor;
        self.sum *= factor;
        self.positive_buckets.iter_mut().for_each(|count| *count *= factor);
        self.negative_buckets.iter_mut().for_each(|count| *count *= factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Divides all counts and the sum. Division by zero drops the buckets; a negative divisor makes a gauge.
    pub fn div(&mut self, divisor: f64) {
        self.zero_count /= divisor;
        self.count /= divisor;
        self.sum /= divisor;
        if divisor == 0.0 {
            self.positive_buckets.clear();
            self.negative_buckets.clear();
            self.positive_spans.clear();
            self.negative_spans.clear();
            return;
        }
        self.positive_buckets.iter_mut().for_each(|count| *count /= divisor);
        self.negative_buckets.iter_mut().for_each(|count| *count /= divisor);
        if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Whether any count, the sum or a bound is infinite.
    pub fn has_overflow(&self) -> bool {
        self.zero_count.is_infinite()
            || self.count.is_infinite()
            || self.sum.is_infinite()
            || self.positive_buckets.iter().any(|count| count.is_infinite())
            || self.negative_buckets.iter().any(|count| count.is_infinite())
            || self.custom_values.iter().any(|bound| bound.is_infinite())
    }

    /// Equality of data: bit patterns of all numbers and the same bucket layout. The reset hint does not count.
    pub fn same_data(&self, other: &Self) -> bool {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        self.schema == other.schema
            && same(self.count, other.count)
            && same(self.sum, other.sum)
            && (!self.uses_custom_buckets() || self.custom_values == other.custom_values)
            && self.zero_threshold == other.zero_threshold
            && same(self.zero_count, other.zero_count)
            && same_buckets(self.negative_counts(), other.negative_counts())
            && same_buckets(self.positive_counts(), other.positive_counts())
    }

    /// What the histogram weighs in samples where the peer counts samples held by a query.
    pub fn size_in_samples(&self) -> usize {
        let slots = self.positive_spans.len()
            + self.negative_spans.len()
            + self.positive_buckets.len()
            + self.negative_buckets.len()
            + self.custom_values.len();
        (168 + slots * 8 + 8) / 16
    }
}

fn same_buckets(a: IndexedCounts<'_>, b: IndexedCounts<'_>) -> bool {
    let key = |(index, count): (i32, f64)| (index, count.to_bits());
    a.map(key).eq(b.map(key))
}

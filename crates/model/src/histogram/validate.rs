//! What makes a histogram fit for storing. Texts are the peer's.

use super::compact::absolute;
use super::{
    CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_MIN, FloatHistogram,
    Histogram, Span,
};
use crate::float::go_float;

/// Why a histogram is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HistogramError {
    #[error("{side}{inner}")]
    Side { side: &'static str, inner: Box<HistogramError> },
    #[error(
        "{found} observations found in buckets, but the Count field is {count}: histogram's observation count should be at least the number of observations found in the buckets"
    )]
    CountNotBigEnough { found: u64, count: u64 },
    #[error(
        "{found} observations found in buckets, but the Count field is {count}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)"
    )]
    CountMismatch { found: u64, count: u64 },
    #[error("observation count is  {0}: histogram's observation count is negative")]
    NegativeCount(String),
    #[error(
        "{what} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    NegativeBucketCount { what: String, count: String },
    #[error(
        "span number {number} with offset {offset}: histogram has a span whose offset is negative"
    )]
    NegativeOffset { number: usize, offset: i32 },
    #[error(
        "spans need {need} buckets, have {have} buckets: histogram spans specify different number of buckets than provided"
    )]
    SpansMismatch { need: u64, have: usize },
    #[error(
        "only {bounds} custom bounds defined which is insufficient to cover total span length of {length}: histogram custom bounds are too few"
    )]
    TooFewBounds { bounds: usize, length: i64 },
    #[error(
        "previous bound is {previous:.6} and current is {current:.6}: histogram custom bounds must be in strictly increasing order"
    )]
    BoundsOrder { previous: f64, current: f64 },
    #[error(
        "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite"
    )]
    InfiniteBound,
    #[error("histogram custom bounds must not be NaN")]
    NanBound,
    #[error("custom buckets: must have zero count of 0")]
    CustomZeroCount,
    #[error("custom buckets: must have zero threshold of 0")]
    CustomZeroThreshold,
    #[error("custom buckets: must not have negative spans")]
    CustomNegativeSpans,
    #[error("custom buckets: must not have negative buckets")]
    CustomNegativeBuckets,
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialWithBounds,
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema {0}"
    )]
    InvalidSchema(i32),
    #[error("cannot reduce resolution from schema {from} to {to}")]
    CannotReduce { from: i32, to: i32 },
}

impl FloatHistogram {
    /// Checks spans, counts, bounds and schema against each other. The sum of buckets is not compared with `count`.
    pub fn validate(&self) -> Result<(), HistogramError> {
        if self.uses_custom_buckets() {
            check_custom_bounds(
                &self.custom_values,
                &self.positive_spans,
                self.positive_buckets.len(),
            )
            .map_err(on("custom buckets: "))?;
            check_custom_rest(
                self.zero_count != 0.0,
                self.zero_threshold,
                &self.negative_spans,
                self.negative_buckets.is_empty(),
            )?;
        } else {
            check_schema(self.schema)?;
            check_spans(&self.positive_spans, self.positive_buckets.len())
                .map_err(on("positive side: "))?;
            check_spans(&self.negative_spans, self.negative_buckets.len())
                .map_err(on("negative side: "))?;
            check_float_counts(&self.negative_buckets).map_err(on("negative side: "))?;
            if self.zero_count < 0.0 {
                return Err(HistogramError::NegativeBucketCount {
                    what: "zero bucket".to_owned(),
                    count: go_float(self.zero_count),
                });
            }
            if !self.custom_values.is_empty() {
                return Err(HistogramError::ExponentialWithBounds);
            }
        }
        if self.count < 0.0 {
            return Err(HistogramError::NegativeCount(go_float(self.count)));
        }
        check_float_counts(&self.positive_buckets).map_err(on("positive side: "))
    }
}

impl Histogram {
    /// Checks spans, counts, bounds and schema against each other, and that buckets add up to `count`.
    pub fn validate(&self) -> Result<(), HistogramError> {
        let mut found = 0u64;
        if self.uses_custom_buckets() {
            check_custom_bounds(
                &self.custom_values,
                &self.positive_spans,
                self.positive_buckets.len(),
            )
            .map_err(on("custom buckets: "))?;
            check_custom_rest(
                self.zero_count != 0,
                self.zero_threshold,
                &self.negative_spans,
                self.negative_buckets.is_empty(),
            )?;
        } else {
            check_schema(self.schema)?;
            check_spans(&self.positive_spans, self.positive_buckets.len())
                .map_err(on("positive side: "))?;
            check_spans(&self.negative_spans, self.negative_buckets.len())
                .map_err(on("negative side: "))?;
            found = check_counts(&self.negative_buckets).map_err(on("negative side: "))?;
            if !self.custom_values.is_empty() {
                return Err(HistogramError::ExponentialWithBounds);
            }
        }
        let positive = check_counts(&self.positive_buckets).map_err(on("positive side: "))?;
        found = found.saturating_add(positive).saturating_add(self.zero_count);
        if self.sum.is_nan() {
            if found > self.count {
                return Err(HistogramError::CountNotBigEnough { found, count: self.count });
            }
        } else if found != self.count {
            return Err(HistogramError::CountMismatch { found, count: self.count });
        }
        Ok(())
    }
}

fn on(side: &'static str) -> impl Fn(HistogramError) -> HistogramError {
    move |inner| HistogramError::Side { side, inner: Box::new(inner) }
}

fn check_schema(schema: i32) -> Result<(), HistogramError> {
    if (EXPONENTIAL_SCHEMA_MIN..=EXPONENTIAL_SCHEMA_MAX).contains(&schema)
        || schema == CUSTOM_BUCKETS_SCHEMA
    {
        Ok(())
    } else {
        Err(HistogramError::InvalidSchema(schema))
    }
}

fn check_spans(spans: &[Span], buckets: usize) -> Result<(), HistogramError> {
    let mut need = 0u64;
    for (i, span) in spans.iter().enumerate() {
        if i > 0 && span.offset < 0 {
            return Err(HistogramError::NegativeOffset { number: i + 1, offset: span.offset });
        }
        need += u64::from(span.length);
    }
    if need != buckets as u64 {
        return Err(HistogramError::SpansMismatch { need, have: buckets });
    }
    Ok(())
}

fn check_float_counts(counts: &[f64]) -> Result<(), HistogramError> {
    match counts.iter().position(|count| *count < 0.0) {
        Some(i) => Err(HistogramError::NegativeBucketCount {
            what: format!("bucket number {}", i + 1),
            count: go_float(counts[i]),
        }),
        None => Ok(()),
    }
}

/// The sum of the counts.
fn check_counts(deltas: &[i64]) -> Result<u64, HistogramError> {
    let mut sum = 0u64;
    for (i, count) in absolute(deltas).into_iter().enumerate() {
        let Ok(count) = u64::try_from(count) else {
            return Err(HistogramError::NegativeBucketCount {
                what: format!("bucket number {}", i + 1),
                count: count.to_string(),
            });
        };
        sum = sum.saturating_add(count);
    }
    Ok(sum)
}

fn check_custom_rest(
    zero_count: bool,
    zero_threshold: f64,
    negative_spans: &[Span],
    no_negative_buckets: bool,
) -> Result<(), HistogramError> {
    if zero_count {
        Err(HistogramError::CustomZeroCount)
    } else if zero_threshold != 0.0 {
        Err(HistogramError::CustomZeroThreshold)
    } else if !negative_spans.is_empty() {
        Err(HistogramError::CustomNegativeSpans)
    } else if !no_negative_buckets {
        Err(HistogramError::CustomNegativeBuckets)
    } else {
        Ok(())
    }
}

fn check_custom_bounds(
    bounds: &[f64],
    spans: &[Span],
    buckets: usize,
) -> Result<(), HistogramError> {
    let mut previous = f64::NEG_INFINITY;
    for (i, bound) in bounds.iter().enumerate() {
        if bound.is_nan() {
            return Err(HistogramError::NanBound);
        }
        if i > 0 && *bound <= previous {
            return Err(HistogramError::BoundsOrder { previous, current: *bound });
        }
        previous = *bound;
    }
    if previous == f64::INFINITY {
        return Err(HistogramError::InfiniteBound);
    }
    let mut need = 0u64;
    let mut length = 0i64;
    for (i, span) in spans.iter().enumerate() {
        if span.offset < 0 {
            return Err(HistogramError::NegativeOffset { number: i + 1, offset: span.offset });
        }
        need += u64::from(span.length);
        length += i64::from(span.length) + i64::from(span.offset);
    }
    if need != buckets as u64 {
        return Err(HistogramError::SpansMismatch { need, have: buckets });
    }
    if (bounds.len() as i64 + 1) < length {
        return Err(HistogramError::TooFewBounds { bounds: bounds.len(), length });
    }
    Ok(())
}

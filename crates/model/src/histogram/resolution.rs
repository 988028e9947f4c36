//! Reducing the resolution of exponential histograms: two, four, ... buckets become one.

use super::compact::{SpanBuilder, absolute, to_deltas};
use super::sums::kahan_add;
use super::validate::HistogramError;
use super::{FloatHistogram, Histogram, IndexedCounts, Span};

/// Index in `to` of the bucket that holds bucket `index` of the finer schema `from`.
pub(super) fn target_index(index: i32, from: i32, to: i32) -> i32 {
    (index.wrapping_sub(1) >> (from - to).clamp(0, 31)).wrapping_add(1)
}

/// Spans and counts of one side in a coarser schema.
pub(super) fn reduce(spans: &[Span], counts: &[f64], from: i32, to: i32) -> (Vec<Span>, Vec<f64>) {
    let mut builder = SpanBuilder::default();
    let mut out: Vec<f64> = Vec::with_capacity(counts.len());
    let mut last = None;
    for (index, count) in IndexedCounts::new(spans, counts) {
        let index = target_index(index, from, to);
        match out.last_mut() {
            Some(sum) if last == Some(index) => *sum += count,
            _ => {
                builder.push(index);
                out.push(count);
                last = Some(index);
            }
        }
    }
    (builder.spans, out)
}

/// [`reduce`] with compensated sums: returns spans, counts and their compensation.
pub(super) fn kahan_reduce(
    spans: &[Span],
    counts: &[f64],
    compensation: &[f64],
    from: i32,
    to: i32,
) -> (Vec<Span>, Vec<f64>, Vec<f64>) {
    let mut builder = SpanBuilder::default();
    let mut out: Vec<f64> = Vec::with_capacity(counts.len());
    let mut out_compensation: Vec<f64> = Vec::with_capacity(counts.len());
    let mut last = None;
    for (at, (index, count)) in IndexedCounts::new(spans, counts).enumerate() {
        let extra = compensation.get(at).copied().unwrap_or(0.0);
        let index = target_index(index, from, to);
        match (out.last_mut(), out_compensation.last_mut()) {
            (Some(sum), Some(c)) if last == Some(index) => {
                (*sum, *c) = kahan_add(count, *sum, *c);
                (*sum, *c) = kahan_add(extra, *sum, *c);
            }
            _ => {
                builder.push(index);
                out.push(count);
                out_compensation.push(extra);
                last = Some(index);
            }
        }
    }
    (builder.spans, out, out_compensation)
}

impl FloatHistogram {
    /// Merges buckets so that `schema` becomes `target`, which must be coarser; both exponential.
    pub fn reduce_resolution(&mut self, target: i32) -> Result<(), HistogramError> {
        if self.uses_custom_buckets() || target >= self.schema || target < -9 {
            return Err(HistogramError::CannotReduce { from: self.schema, to: target });
        }
        let from = self.schema;
        (self.positive_spans, self.positive_buckets) =
            reduce(&self.positive_spans, &self.positive_buckets, from, target);
        (self.negative_spans, self.negative_buckets) =
            reduce(&self.negative_spans, &self.negative_buckets, from, target);
        self.schema = target;
        Ok(())
    }

    /// A copy in schema `target`; the copy has no reset hint unless the schema was `target` already.
    pub fn copy_to_schema(&self, target: i32) -> Self {
        let mut copy = self.clone();
        if target != self.schema && copy.reduce_resolution(target).is_ok() {
            copy.counter_reset_hint = super::CounterResetHint::Unknown;
        }
        copy
    }
}

impl Histogram {
    /// See [`FloatHistogram::reduce_resolution`].
    pub fn reduce_resolution(&mut self, target: i32) -> Result<(), HistogramError> {
        if self.uses_custom_buckets() || target >= self.schema || target < -9 {
            return Err(HistogramError::CannotReduce { from: self.schema, to: target });
        }
        for (spans, deltas) in [
            (&mut self.positive_spans, &mut self.positive_buckets),
            (&mut self.negative_spans, &mut self.negative_buckets),
        ] {
            let counts = absolute(deltas);
            let places: Vec<f64> = vec![0.0; counts.len()];
            let mut builder = SpanBuilder::default();
            let mut out: Vec<i64> = Vec::with_capacity(counts.len());
            let mut last = None;
            for ((index, _), count) in IndexedCounts::new(spans, &places).zip(&counts) {
                let index = target_index(index, self.schema, target);
                match out.last_mut() {
                    Some(sum) if last == Some(index) => *sum = sum.wrapping_add(*count),
                    _ => {
                        builder.push(index);
                        out.push(*count);
                        last = Some(index);
                    }
                }
            }
            *spans = builder.spans;
            *deltas = to_deltas(&out);
        }
        self.schema = target;
        Ok(())
    }
}

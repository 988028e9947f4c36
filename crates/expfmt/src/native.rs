//! Layouts of native histograms: leaving out empty buckets, halving the resolution. Source: upstream `model/histogram`.
//!
//! Both work on a list of (bucket index, absolute count), so that the integer and the float form share them.

use gauntlet_model::histogram::{EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_MIN, Span};
use gauntlet_model::{FloatHistogram, Histogram};

use crate::parser::HistogramSample;

/// Spans and buckets that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error("{side} side: spans require {need} buckets, have {have}")]
    Mismatch { side: &'static str, need: u64, have: usize },
    #[error("{0} side: bucket index out of range")]
    Index(&'static str),
}

/// A bucket count: whole or float.
trait Count: Copy + Default + PartialEq + std::ops::AddAssign {}
impl Count for i64 {}
impl Count for f64 {}

/// Buckets with their indices, ascending.
struct Side<C> {
    buckets: Vec<(i32, C)>,
}

impl<C: Count> Side<C> {
    fn new(
        side: &'static str,
        spans: &[Span],
        counts: impl ExactSizeIterator<Item = C>,
    ) -> Result<Self, LayoutError> {
        let need: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
        if need != counts.len() as u64 {
            return Err(LayoutError::Mismatch { side, need, have: counts.len() });
        }
        let mut counts = counts;
        let mut buckets = Vec::with_capacity(counts.len());
        let mut index = 0i32;
        for span in spans {
            index = index.checked_add(span.offset).ok_or(LayoutError::Index(side))?;
            for count in counts.by_ref().take(span.length as usize) {
                buckets.push((index, count));
                index = index.checked_add(1).ok_or(LayoutError::Index(side))?;
            }
        }
        Ok(Self { buckets })
    }

    /// Spans and counts without empty buckets, but for runs of at most `max_empty` between others.
    fn pack(&self, max_empty: u32) -> (Vec<Span>, Vec<C>) {
        let mut spans: Vec<Span> = Vec::new();
        let mut counts = Vec::with_capacity(self.buckets.len());
        let mut next = 0i32;
        for &(index, count) in self.buckets.iter().filter(|(_, c)| *c != C::default()) {
            let gap = index.wrapping_sub(next);
            match spans.last_mut() {
                Some(span) if gap >= 0 && gap as u32 <= max_empty => {
                    counts.extend(std::iter::repeat_n(C::default(), gap as usize));
                    span.length += gap as u32 + 1;
                }
                _ => spans.push(Span { offset: gap, length: 1 }),
            }
            counts.push(count);
            next = index.wrapping_add(1);
        }
        (spans, counts)
    }

    /// Buckets of a schema that is coarser by `steps`.
    fn coarsen(&mut self, steps: u32) {
        let mut out: Vec<(i32, C)> = Vec::with_capacity(self.buckets.len());
        for &(index, count) in &self.buckets {
            let target = (index.wrapping_sub(1) >> steps.min(31)).wrapping_add(1);
            match out.last_mut() {
                Some((last, sum)) if *last == target => *sum += count,
                _ => out.push((target, count)),
            }
        }
        self.buckets = out;
    }
}

fn absolute(deltas: &[i64]) -> impl ExactSizeIterator<Item = i64> {
    let mut count = 0i64;
    deltas.iter().map(move |delta| {
        count = count.wrapping_add(*delta);
        count
    })
}

fn deltas(counts: Vec<i64>) -> Vec<i64> {
    let mut previous = 0i64;
    counts
        .into_iter()
        .map(|count| {
            let delta = count.wrapping_sub(previous);
            previous = count;
            delta
        })
        .collect()
}

/// Leaves out empty buckets, but for runs of at most `max_empty` between others.
pub fn compact(histogram: &mut Histogram, max_empty: u32) -> Result<(), LayoutError> {
    rework(histogram, 0, max_empty)
}

/// [`compact`] for the float form.
pub fn compact_float(histogram: &mut FloatHistogram, max_empty: u32) -> Result<(), LayoutError> {
    rework_float(histogram, 0, max_empty)
}

fn rework(h: &mut Histogram, steps: u32, max_empty: u32) -> Result<(), LayoutError> {
    let mut positive = Side::new("positive", &h.positive_spans, absolute(&h.positive_buckets))?;
    let mut negative = Side::new("negative", &h.negative_spans, absolute(&h.negative_buckets))?;
    if steps > 0 {
        positive.coarsen(steps);
        negative.coarsen(steps);
    }
    let (spans, counts) = positive.pack(max_empty);
    (h.positive_spans, h.positive_buckets) = (spans, deltas(counts));
    let (spans, counts) = negative.pack(max_empty);
    (h.negative_spans, h.negative_buckets) = (spans, deltas(counts));
    Ok(())
}

fn rework_float(h: &mut FloatHistogram, steps: u32, max_empty: u32) -> Result<(), LayoutError> {
    let mut positive =
        Side::new("positive", &h.positive_spans, h.positive_buckets.iter().copied())?;
    let mut negative =
        Side::new("negative", &h.negative_spans, h.negative_buckets.iter().copied())?;
    if steps > 0 {
        positive.coarsen(steps);
        negative.coarsen(steps);
    }
    (h.positive_spans, h.positive_buckets) = positive.pack(max_empty);
    (h.negative_spans, h.negative_buckets) = negative.pack(max_empty);
    Ok(())
}

impl HistogramSample {
    pub fn schema(&self) -> i32 {
        match self {
            Self::Int(h) => h.schema,
            Self::Float(h) => h.schema,
        }
    }

    /// Number of buckets on both sides, without the zero bucket.
    pub fn bucket_count(&self) -> usize {
        match self {
            Self::Int(h) => h.positive_buckets.len() + h.negative_buckets.len(),
            Self::Float(h) => h.positive_buckets.len() + h.negative_buckets.len(),
        }
    }

    /// Whether the schema is one whose resolution can be halved.
    pub fn is_exponential(&self) -> bool {
        (EXPONENTIAL_SCHEMA_MIN..=EXPONENTIAL_SCHEMA_MAX).contains(&self.schema())
    }

    /// Merges buckets until the schema is `schema`; finer or equal ones change nothing.
    pub fn reduce_to(&mut self, schema: i32) -> Result<(), LayoutError> {
        let steps = self.schema() - schema;
        if steps <= 0 || self.uses_custom_buckets() {
            return Ok(());
        }
        match self {
            Self::Int(h) => {
                rework(h, steps as u32, 0)?;
                h.schema = schema;
            }
            Self::Float(h) => {
                rework_float(h, steps as u32, 0)?;
                h.schema = schema;
            }
        }
        Ok(())
    }

    pub fn uses_custom_buckets(&self) -> bool {
        match self {
            Self::Int(h) => h.uses_custom_buckets(),
            Self::Float(h) => h.uses_custom_buckets(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: i32, length: u32) -> Span {
        Span { offset, length }
    }

    #[test]
    fn empty_buckets_go() {
        let mut h = Histogram {
            positive_spans: vec![span(0, 3), span(1, 2), span(0, 1), span(3, 0), span(0, 2)],
            // 0 1 0 . 2 0 0 . . . 0 3
            positive_buckets: vec![0, 1, -1, 2, -2, 0, 0, 3],
            ..Histogram::default()
        };
        compact(&mut h, 0).unwrap();
        assert_eq!(h.positive_spans, [span(1, 1), span(2, 1), span(6, 1)]);
        assert_eq!(h.positive_buckets, [1, 1, 1]);
        let mut wrong = Histogram { positive_spans: vec![span(0, 3)], ..Histogram::default() };
        assert!(compact(&mut wrong, 0).is_err());
    }

    #[test]
    fn short_gaps_may_stay() {
        let mut h = Histogram {
            positive_spans: vec![span(0, 7)],
            positive_buckets: vec![1, -1, 0, 2, -2, 0, 0],
            ..Histogram::default()
        };
        compact(&mut h, 2).unwrap();
        assert_eq!(h.positive_spans, [span(0, 4)]);
        assert_eq!(h.positive_buckets, [1, -1, 0, 2]);
    }

    #[test]
    fn resolution_halves() {
        let mut h = HistogramSample::Int(Histogram {
            schema: 1,
            positive_spans: vec![span(0, 4)],
            positive_buckets: vec![1, 1, 1, 1],
            ..Histogram::default()
        });
        h.reduce_to(0).unwrap();
        let HistogramSample::Int(h) = h else { unreachable!() };
        // Indices 0, 1 2, 3 become 0, 1, 2.
        assert_eq!(
            (h.schema, h.positive_spans, h.positive_buckets),
            (0, vec![span(0, 3)], vec![1, 4, -1])
        );
    }
}

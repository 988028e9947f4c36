//! Dropping empty buckets, and the builder of spans that all layout changes use.

use super::{FloatHistogram, Histogram, IndexedCounts, Span};

/// Makes spans from ascending bucket indexes.
#[derive(Debug, Default)]
pub(super) struct SpanBuilder {
    pub(super) spans: Vec<Span>,
    next: i32,
}

impl SpanBuilder {
    pub(super) fn push(&mut self, index: i32) {
        let offset = if self.spans.is_empty() { index } else { index.wrapping_sub(self.next) };
        match self.spans.last_mut() {
            Some(span) if offset == 0 => span.length += 1,
            _ => self.spans.push(Span { offset, length: 1 }),
        }
        self.next = index.wrapping_add(1);
    }

    /// How many buckets lie between the last one and `index`.
    fn gap(&self, index: i32) -> u32 {
        if self.spans.is_empty() { u32::MAX } else { index.wrapping_sub(self.next).max(0) as u32 }
    }
}

impl FloatHistogram {
    /// Drops empty buckets at the ends of spans and runs of more than `max_empty` within; joins spans not farther apart.
    pub fn compact(&mut self, max_empty: u32) {
        compact_side(&mut self.positive_spans, &mut self.positive_buckets, None, max_empty);
        compact_side(&mut self.negative_spans, &mut self.negative_buckets, None, max_empty);
    }

    /// [`FloatHistogram::compact`] in step with a compensation; a bucket is empty if both are.
    pub(super) fn compact_with(&mut self, compensation: &mut Self) {
        let comp = &mut compensation.positive_buckets;
        compact_side(&mut self.positive_spans, &mut self.positive_buckets, Some(comp), 0);
        let comp = &mut compensation.negative_buckets;
        compact_side(&mut self.negative_spans, &mut self.negative_buckets, Some(comp), 0);
    }
}

impl Histogram {
    /// See [`FloatHistogram::compact`].
    pub fn compact(&mut self, max_empty: u32) {
        for (spans, deltas) in [
            (&mut self.positive_spans, &mut self.positive_buckets),
            (&mut self.negative_spans, &mut self.negative_buckets),
        ] {
            let mut counts = absolute(deltas);
            // Whole counts below 2^53 are exact as floats; larger ones keep their layout.
            if counts.iter().all(|count| count.unsigned_abs() < 1 << 53) {
                let mut floats: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
                compact_side(spans, &mut floats, None, max_empty);
                counts = floats.iter().map(|count| *count as i64).collect();
                *deltas = to_deltas(&counts);
            }
        }
    }
}

/// Counts from deltas.
pub(super) fn absolute(deltas: &[i64]) -> Vec<i64> {
    let mut count = 0i64;
    deltas
        .iter()
        .map(|delta| {
            count = count.wrapping_add(*delta);
            count
        })
        .collect()
}

/// Deltas from counts.
pub(super) fn to_deltas(counts: &[i64]) -> Vec<i64> {
    let mut previous = 0i64;
    counts
        .iter()
        .map(|count| {
            let delta = count.wrapping_sub(previous);
            previous = *count;
            delta
        })
        .collect()
}

fn compact_side(
    spans: &mut Vec<Span>,
    counts: &mut Vec<f64>,
    compensation: Option<&mut Vec<f64>>,
    max_empty: u32,
) {
    let populated = counts.iter().all(|count| *count != 0.0);
    let apart = |span: &Span| i64::from(span.offset) > i64::from(max_empty) && span.length > 0;
    if populated && spans.iter().skip(1).all(apart) && spans.iter().all(|span| span.length > 0) {
        return;
    }
    let mut builder = SpanBuilder::default();
    let mut kept = Vec::with_capacity(counts.len());
    let mut kept_compensation = Vec::new();
    for (at, (index, count)) in IndexedCounts::new(spans, counts).enumerate() {
        let extra = compensation.as_ref().and_then(|c| c.get(at)).copied().unwrap_or(0.0);
        if count == 0.0 && extra == 0.0 {
            continue;
        }
        let gap = builder.gap(index);
        if gap > 0 && gap <= max_empty {
            for empty in (1..=gap).rev() {
                builder.push(index.wrapping_sub(empty as i32));
                kept.push(0.0);
                kept_compensation.push(0.0);
            }
        }
        builder.push(index);
        kept.push(count);
        kept_compensation.push(extra);
    }
    *spans = builder.spans;
    *counts = kept;
    if let Some(compensation) = compensation {
        *compensation = kept_compensation;
    }
}

//! Histograms of OpenTelemetry as native ones: exponential to exponential, explicit to custom buckets (NHCB).

use gauntlet_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use gauntlet_model::{Histogram, STALE_NAN};
use gauntlet_wire::otlp::{
    Buckets, ExponentialHistogramDataPoint, FLAG_NO_RECORDED_VALUE, HistogramDataPoint,
};

use super::convert::ConvertError;

const MIN_SCALE: i32 = -4;
const MAX_SCALE: i32 = 8;
/// Upper bound of the zero bucket's width.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Empty buckets between two others that are written out rather than skipped.
const MAX_GAP: i64 = 2;

/// Points that count since the one before are gauges: no reset is looked for between them.
fn hint(delta: bool) -> CounterResetHint {
    if delta { CounterResetHint::Gauge } else { CounterResetHint::Unknown }
}

/// The end of a series.
fn stale() -> Histogram {
    Histogram { sum: STALE_NAN, ..Histogram::default() }
}

pub(super) fn exponential(
    point: &ExponentialHistogramDataPoint,
    delta: bool,
) -> Result<Histogram, ConvertError> {
    if point.scale < MIN_SCALE {
        return Err(ConvertError::Scale { min: MIN_SCALE, found: point.scale });
    }
    if point.flags & FLAG_NO_RECORDED_VALUE != 0 {
        return Ok(stale());
    }
    let schema = point.scale.min(MAX_SCALE);
    let scale_down = u32::try_from(point.scale - schema).unwrap_or(0).min(31);
    let side = |buckets: Option<&Buckets>| match buckets {
        Some(b) => layout(&b.bucket_counts, b.offset, scale_down, true),
        None => (Vec::new(), Vec::new()),
    };
    let (positive_spans, positive_buckets) = side(point.positive.as_ref());
    let (negative_spans, negative_buckets) = side(point.negative.as_ref());
    Ok(Histogram {
        counter_reset_hint: hint(delta),
        schema,
        zero_threshold: ZERO_THRESHOLD,
        zero_count: point.zero_count,
        count: point.count,
        sum: point.sum.unwrap_or(0.0),
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        custom_values: Vec::new(),
    })
}

pub(super) fn explicit(point: &HistogramDataPoint, delta: bool) -> Histogram {
    if point.flags & FLAG_NO_RECORDED_VALUE != 0 {
        return Histogram { schema: CUSTOM_BUCKETS_SCHEMA, ..stale() };
    }
    let empty = point.bucket_counts.iter().take_while(|count| **count == 0).count();
    let counts = &point.bucket_counts[empty..];
    let (positive_spans, positive_buckets) =
        layout(counts, i32::try_from(empty).unwrap_or(i32::MAX), 0, false);
    Histogram {
        counter_reset_hint: hint(delta),
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: point.count,
        sum: point.sum.unwrap_or(0.0),
        positive_spans,
        positive_buckets,
        custom_values: point.explicit_bounds.clone(),
        ..Histogram::default()
    }
}

/// Dense buckets from `offset` on as spans and deltas, `2^scale_down` of them merged into one. With `adjust`, indices move by one:
/// OpenTelemetry's bucket 0 is `(1, base]`, Prometheus' bucket 0 ends at 1.
fn layout(counts: &[u64], offset: i32, scale_down: u32, adjust: bool) -> (Vec<Span>, Vec<i64>) {
    let Some(last) = counts.len().checked_sub(1) else { return (Vec::new(), Vec::new()) };
    let offset = i64::from(offset);
    let index = |at: usize| ((at as i64 + offset) >> scale_down) + 1;
    let first = if adjust { (offset >> scale_down) + 1 } else { offset };
    let mut out = Layout {
        spans: vec![Span { offset: clamp(first), length: 0 }],
        deltas: Vec::new(),
        before: 0,
    };
    let (mut bucket, mut count) = (index(0), 0i64);
    for (at, more) in counts.iter().enumerate() {
        let (next, more) = (index(at), *more as i64);
        if next == bucket {
            count = count.wrapping_add(more);
            continue;
        }
        if count == 0 {
            count = more;
            continue;
        }
        out.skip(next - bucket - 1);
        out.push(count);
        (count, bucket) = (more, next);
    }
    out.skip(index(last) - bucket);
    out.push(count);
    (out.spans, out.deltas)
}

struct Layout {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    before: i64,
}

impl Layout {
    fn skip(&mut self, gap: i64) {
        if gap > MAX_GAP {
            self.spans.push(Span { offset: clamp(gap), length: 0 });
        } else {
            (0..gap).for_each(|_| self.push(0));
        }
    }

    fn push(&mut self, count: i64) {
        if let Some(span) = self.spans.last_mut() {
            span.length += 1;
        }
        self.deltas.push(count.wrapping_sub(self.before));
        self.before = count;
    }
}

fn clamp(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: &[u64], offset: i32, down: u32, spans: &[(i32, u32)], deltas: &[i64]) {
        let (found, found_deltas) = layout(counts, offset, down, true);
        let found: Vec<(i32, u32)> = found.iter().map(|s| (s.offset, s.length)).collect();
        assert_eq!((found.as_slice(), found_deltas.as_slice()), (spans, deltas), "{counts:?}");
    }

    #[test]
    fn dense_buckets_become_spans_as_upstream_makes_them() {
        check(&[4, 3, 2, 1], 1, 0, &[(2, 4)], &[4, -1, -1, -1]);
        check(&[4, 3, 2, 1], 1, 1, &[(1, 3)], &[4, 1, -4]);
        check(&[4, 0, 0, 2], 1, 0, &[(2, 4)], &[4, -4, 0, 2]);
        check(&[4, 0, 0, 0, 0, 2], 1, 0, &[(2, 1), (4, 1)], &[4, -2]);
        check(&[1, 0, 1], 0, 1, &[(1, 2)], &[1, 0]);
        check(&[], 3, 0, &[], &[]);
    }
}

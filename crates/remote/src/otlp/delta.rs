//! Points that count since the point before, summed up to points that count since the start, as upstream's `otlp-deltatocumulative` does.
//!
//! One running sum a stream: resource, scope, metric and attributes. A point that is not newer than the one before is dropped, and so is
//! a stream that was silent for five minutes. Streams are bounded; new ones beyond the bound are dropped.

use std::collections::HashMap;

use gauntlet_wire::otlp::metric::Data;
use gauntlet_wire::otlp::{
    Buckets, ExponentialHistogramDataPoint, ExportMetricsServiceRequest, HistogramDataPoint,
    KeyValue, Number, NumberDataPoint, Temporality,
};
use gauntlet_wire::prost::Message as _;
use xxhash_rust::xxh3::xxh3_128;

/// Silence after which a stream is forgotten, in ms.
const MAX_STALE_MS: i64 = 5 * 60 * 1000;
const MAX_STREAMS: usize = 1 << 20;

#[derive(Debug)]
enum Sum {
    Number(NumberDataPoint),
    Histogram(HistogramDataPoint),
    Exponential(ExponentialHistogramDataPoint),
}

#[derive(Debug)]
struct Stream {
    sum: Sum,
    seen_ms: i64,
}

/// The running sums.
#[derive(Debug, Default)]
pub(super) struct Accumulator {
    streams: HashMap<u128, Stream>,
    swept_ms: i64,
}

impl Accumulator {
    /// Replaces delta points of a request by running sums.
    pub(super) fn apply(&mut self, request: &mut ExportMetricsServiceRequest, now_ms: i64) {
        if now_ms - self.swept_ms > MAX_STALE_MS / 5 {
            self.swept_ms = now_ms;
            self.streams.retain(|_, stream| now_ms - stream.seen_ms <= MAX_STALE_MS);
        }
        for resource in &mut request.resource_metrics {
            let mut front = Vec::new();
            if let Some(resource) = &resource.resource {
                put_attributes(&mut front, &resource.attributes);
            }
            for scope in &mut resource.scope_metrics {
                let mut key = front.clone();
                if let Some(scope) = &scope.scope {
                    put_text(&mut key, &scope.name);
                    put_text(&mut key, &scope.version);
                    put_attributes(&mut key, &scope.attributes);
                }
                for metric in &mut scope.metrics {
                    let mut key = key.clone();
                    put_text(&mut key, &metric.name);
                    put_text(&mut key, &metric.unit);
                    if let Some(data) = &mut metric.data {
                        self.metric(data, &key, now_ms);
                    }
                }
            }
        }
    }

    fn metric(&mut self, data: &mut Data, key: &[u8], now_ms: i64) {
        const DELTA: i32 = Temporality::Delta as i32;
        const CUMULATIVE: i32 = Temporality::Cumulative as i32;
        match data {
            Data::Sum(sum) if sum.aggregation_temporality == DELTA => {
                sum.aggregation_temporality = CUMULATIVE;
                sum.data_points.retain_mut(|point| {
                    let key = stream_key(key, 0, &point.attributes);
                    self.add(key, now_ms, point, add_number)
                });
            }
            Data::Histogram(h) if h.aggregation_temporality == DELTA => {
                h.aggregation_temporality = CUMULATIVE;
                h.data_points.retain_mut(|point| {
                    let key = stream_key(key, 1, &point.attributes);
                    self.add(key, now_ms, point, add_histogram)
                });
            }
            Data::ExponentialHistogram(h) if h.aggregation_temporality == DELTA => {
                h.aggregation_temporality = CUMULATIVE;
                h.data_points.retain_mut(|point| {
                    let key = stream_key(key, 2, &point.attributes);
                    self.add(key, now_ms, point, add_exponential)
                });
            }
            _ => {}
        }
    }

    /// Adds a point to its stream and makes it the sum. `false`: the point is dropped.
    fn add<P: Clone + Point>(
        &mut self,
        key: u128,
        now_ms: i64,
        point: &mut P,
        add: fn(&mut P, &P),
    ) -> bool {
        let full = self.streams.len() >= MAX_STREAMS;
        match self.streams.get_mut(&key) {
            None if full => false,
            None => {
                let sum = point.clone().into_sum();
                self.streams.insert(key, Stream { sum, seen_ms: now_ms });
                true
            }
            Some(stream) => {
                let Some(sum) = P::from_sum(&mut stream.sum) else { return false };
                if point.time() <= sum.time() {
                    return false;
                }
                add(sum, point);
                sum.set_time(point.time());
                let attached = point.take_exemplars();
                *point = sum.clone();
                point.put_exemplars(attached);
                stream.seen_ms = now_ms;
                true
            }
        }
    }
}

type Exemplars = Vec<gauntlet_wire::otlp::Exemplar>;

trait Point: Sized {
    fn time(&self) -> u64;
    fn set_time(&mut self, nanos: u64);
    fn into_sum(self) -> Sum;
    fn from_sum(sum: &mut Sum) -> Option<&mut Self>;
    fn take_exemplars(&mut self) -> Exemplars;
    fn put_exemplars(&mut self, exemplars: Exemplars);
}

macro_rules! point {
    ($point:ty, $variant:ident) => {
        impl Point for $point {
            fn time(&self) -> u64 {
                self.time_unix_nano
            }

            fn set_time(&mut self, nanos: u64) {
                self.time_unix_nano = nanos;
            }

            fn into_sum(mut self) -> Sum {
                self.exemplars.clear();
                Sum::$variant(self)
            }

            fn from_sum(sum: &mut Sum) -> Option<&mut Self> {
                if let Sum::$variant(point) = sum { Some(point) } else { None }
            }

            fn take_exemplars(&mut self) -> Exemplars {
                std::mem::take(&mut self.exemplars)
            }

            fn put_exemplars(&mut self, exemplars: Exemplars) {
                self.exemplars = exemplars;
            }
        }
    };
}

point!(NumberDataPoint, Number);
point!(HistogramDataPoint, Histogram);
point!(ExponentialHistogramDataPoint, Exponential);

fn add_number(sum: &mut NumberDataPoint, point: &NumberDataPoint) {
    sum.value = match (sum.value, point.value) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => Some(Number::Int(a.wrapping_add(b))),
        (a, b) => {
            let float = |n: Option<Number>| match n {
                Some(Number::Double(n)) => n,
                Some(Number::Int(n)) => n as f64,
                None => 0.0,
            };
            Some(Number::Double(float(a) + float(b)))
        }
    };
}

fn add_histogram(sum: &mut HistogramDataPoint, point: &HistogramDataPoint) {
    if sum.explicit_bounds != point.explicit_bounds
        || sum.bucket_counts.len() != point.bucket_counts.len()
    {
        // Other buckets: a new beginning.
        let start = point.start_time_unix_nano;
        *sum = HistogramDataPoint {
            exemplars: Vec::new(),
            start_time_unix_nano: start,
            ..point.clone()
        };
        return;
    }
    sum.count = sum.count.wrapping_add(point.count);
    sum.sum = sum.sum.zip(point.sum).map(|(a, b)| a + b);
    for (a, b) in sum.bucket_counts.iter_mut().zip(&point.bucket_counts) {
        *a = a.wrapping_add(*b);
    }
}

fn add_exponential(sum: &mut ExponentialHistogramDataPoint, point: &ExponentialHistogramDataPoint) {
    let scale = sum.scale.min(point.scale);
    let down = |from: i32| u32::try_from(from - scale).unwrap_or(31).min(31);
    let (own, others) = (down(sum.scale), down(point.scale));
    sum.positive = merged(sum.positive.as_ref(), own, point.positive.as_ref(), others);
    sum.negative = merged(sum.negative.as_ref(), own, point.negative.as_ref(), others);
    sum.scale = scale;
    sum.count = sum.count.wrapping_add(point.count);
    sum.zero_count = sum.zero_count.wrapping_add(point.zero_count);
    sum.sum = sum.sum.zip(point.sum).map(|(a, b)| a + b);
}

/// Most buckets of a side.
const MAX_BUCKETS: i64 = 1 << 14;

fn merged(a: Option<&Buckets>, down_a: u32, b: Option<&Buckets>, down_b: u32) -> Option<Buckets> {
    let mut sides: Vec<(&Buckets, u32)> = Vec::new();
    sides.extend(a.filter(|b| !b.bucket_counts.is_empty()).map(|a| (a, down_a)));
    sides.extend(b.filter(|b| !b.bucket_counts.is_empty()).map(|b| (b, down_b)));
    let index =
        |buckets: &Buckets, down: u32, at: usize| (i64::from(buckets.offset) + at as i64) >> down;
    let first = sides.iter().map(|(b, down)| index(b, *down, 0)).min()?;
    let last = sides.iter().map(|(b, down)| index(b, *down, b.bucket_counts.len() - 1)).max()?;
    if last - first >= MAX_BUCKETS {
        return b.or(a).cloned();
    }
    let mut counts = vec![0u64; (last - first + 1) as usize];
    for (buckets, down) in sides {
        for (at, count) in buckets.bucket_counts.iter().enumerate() {
            let slot = &mut counts[(index(buckets, down, at) - first) as usize];
            *slot = slot.wrapping_add(*count);
        }
    }
    Some(Buckets { offset: first as i32, bucket_counts: counts })
}

fn stream_key(front: &[u8], kind: u8, attributes: &[KeyValue]) -> u128 {
    let mut key = front.to_vec();
    key.push(kind);
    put_attributes(&mut key, attributes);
    xxh3_128(&key)
}

fn put_attributes(out: &mut Vec<u8>, attributes: &[KeyValue]) {
    let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    out.extend_from_slice(&(sorted.len() as u64).to_le_bytes());
    for attribute in sorted {
        let bytes = attribute.encode_to_vec();
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(&bytes);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_two_scales_are_merged() {
        let a = Buckets { offset: 2, bucket_counts: vec![1, 2, 3] };
        let b = Buckets { offset: 0, bucket_counts: vec![10] };
        let found = merged(Some(&a), 1, Some(&b), 0).unwrap();
        assert_eq!(found, Buckets { offset: 0, bucket_counts: vec![10, 3, 3] });
        assert_eq!(merged(None, 0, None, 0), None);
    }
}

//! Families as length-delimited `io.prometheus.client.MetricFamily` messages.

use gauntlet_model::histogram::Span;

use super::families::{Family, Kind, Metric, Value};
use super::format::Format;

pub(super) fn encode(families: &[Family<'_>], format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    for family in families {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, format.metric_name(family.name).as_bytes());
        let kind = match family.kind {
            Kind::Untyped => 3,
            Kind::Histogram => 4,
            Kind::GaugeHistogram => 5,
        };
        put_number(&mut message, 3, kind);
        for metric in &family.metrics {
            put_bytes(&mut message, 4, &metric_message(metric, format));
        }
        put_uvarint(&mut out, message.len() as u64);
        out.extend_from_slice(&message);
    }
    out
}

fn metric_message(metric: &Metric<'_>, format: Format) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for (name, value) in &metric.labels {
        let mut label = Vec::with_capacity(name.len() + value.len() + 8);
        put_bytes(&mut label, 1, format.label_name(name).as_bytes());
        put_bytes(&mut label, 2, value.as_bytes());
        put_bytes(&mut out, 1, &label);
    }
    if let Value::Untyped(value) = &metric.value {
        let mut untyped = Vec::with_capacity(9);
        put_double(&mut untyped, 1, *value);
        put_bytes(&mut out, 5, &untyped);
    }
    // Fields in the order of their numbers, as the peer writes them.
    put_number(&mut out, 6, metric.t as u64);
    match &metric.value {
        Value::Untyped(_) => {}
        Value::Classic { buckets, histogram } => {
            let mut message = Vec::new();
            put_double(&mut message, 2, histogram.sum);
            for (bound, count) in buckets {
                let mut bucket = Vec::with_capacity(20);
                put_double(&mut bucket, 2, *bound);
                put_double(&mut bucket, 4, *count);
                put_bytes(&mut message, 3, &bucket);
            }
            put_double(&mut message, 4, histogram.count);
            put_bytes(&mut out, 7, &message);
        }
        Value::Native(h) => {
            let mut message = Vec::new();
            put_double(&mut message, 2, h.sum);
            put_double(&mut message, 4, h.count);
            put_number(&mut message, 5, zigzag(h.schema));
            put_double(&mut message, 6, h.zero_threshold);
            put_double(&mut message, 8, h.zero_count);
            put_side(&mut message, 9, &h.negative_spans, &h.negative_buckets);
            put_side(&mut message, 12, &h.positive_spans, &h.positive_buckets);
            put_bytes(&mut out, 7, &message);
        }
    }
    out
}

/// Spans in `field`, counts in the field two behind it.
fn put_side(out: &mut Vec<u8>, field: u8, spans: &[Span], counts: &[f64]) {
    for span in spans {
        let mut message = Vec::with_capacity(8);
        put_number(&mut message, 1, zigzag(span.offset));
        put_number(&mut message, 2, span.length.into());
        put_bytes(out, field, &message);
    }
    for count in counts {
        put_double(out, field + 2, *count);
    }
}

fn zigzag(number: i32) -> u64 {
    u64::from(((number << 1) ^ (number >> 31)) as u32)
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_double(out: &mut Vec<u8>, field: u8, value: f64) {
    out.push(field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_number(out: &mut Vec<u8>, field: u8, number: u64) {
    out.push(field << 3);
    put_uvarint(out, number);
}

fn put_uvarint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

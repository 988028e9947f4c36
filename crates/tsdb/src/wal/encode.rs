//! Writes records: the inverse of [`super::record`]. Each function appends one whole record to `out`, or nothing where there is
//! no entry for it. Samples without start timestamps are written in the old forms, which every upstream release reads.

use gauntlet_encoding::{put_f64, put_len_bytes, put_u64, put_uvarint, put_varint};
use gauntlet_model::histogram::{CounterResetHint, Span};
use gauntlet_model::{FloatHistogram, Histogram, Labels, MetricType, Timestamp};

use super::record::{
    CUSTOM_FLOAT_HISTOGRAMS, CUSTOM_HISTOGRAMS, EXEMPLARS, ExemplarEntry, FLOAT_HISTOGRAMS,
    FLOAT_HISTOGRAMS_V2, HISTOGRAMS, HISTOGRAMS_V2, HistogramEntry, METADATA, MMAP_MARKERS,
    MetadataEntry, MmapMarkerEntry, SAMPLES, SAMPLES_V2, SERIES, SampleEntry, TOMBSTONES,
    TombstoneEntry, WalRef,
};

pub fn series<'a>(out: &mut Vec<u8>, entries: impl IntoIterator<Item = (WalRef, &'a Labels)>) {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return;
    }
    out.push(SERIES);
    for (series, labels) in entries {
        put_u64(out, series);
        put_labels(out, labels);
    }
}

/// Samples; in version 2 where one of them has a start timestamp.
pub fn samples(out: &mut Vec<u8>, entries: &[SampleEntry]) {
    let Some(first) = entries.first() else { return };
    if entries.iter().any(|entry| entry.start != 0) {
        out.push(SAMPLES_V2);
        let mut deltas = DeltasV2::default();
        for entry in entries {
            deltas.put(out, entry.series, entry.start, entry.t);
            put_f64(out, entry.value);
        }
        return;
    }
    out.push(SAMPLES);
    put_u64(out, first.series);
    put_u64(out, first.t as u64);
    for entry in entries {
        put_varint(out, entry.series.wrapping_sub(first.series) as i64);
        put_varint(out, entry.t.wrapping_sub(first.t));
        put_f64(out, entry.value);
    }
}

/// Samples without start timestamps, from an iterator.
pub fn plain_samples(out: &mut Vec<u8>, entries: impl Iterator<Item = (WalRef, Timestamp, f64)>) {
    let mut first = None;
    for (series, t, value) in entries {
        let (first_series, first_t) = *first.get_or_insert_with(|| {
            out.push(SAMPLES);
            put_u64(out, series);
            put_u64(out, t as u64);
            (series, t)
        });
        put_varint(out, series.wrapping_sub(first_series) as i64);
        put_varint(out, t.wrapping_sub(first_t));
        put_f64(out, value);
    }
}

pub fn tombstones(out: &mut Vec<u8>, entries: &[TombstoneEntry]) {
    if entries.is_empty() {
        return;
    }
    out.push(TOMBSTONES);
    for entry in entries {
        put_u64(out, entry.series);
        put_varint(out, entry.min_t);
        put_varint(out, entry.max_t);
    }
}

pub fn exemplars(out: &mut Vec<u8>, entries: &[ExemplarEntry]) {
    let Some(first) = entries.first() else { return };
    out.push(EXEMPLARS);
    put_u64(out, first.series);
    put_u64(out, first.t as u64);
    for entry in entries {
        put_varint(out, entry.series.wrapping_sub(first.series) as i64);
        put_varint(out, entry.t.wrapping_sub(first.t));
        put_f64(out, entry.value);
        put_labels(out, &entry.labels);
    }
}

pub fn mmap_markers(out: &mut Vec<u8>, entries: &[MmapMarkerEntry]) {
    if entries.is_empty() {
        return;
    }
    out.push(MMAP_MARKERS);
    for entry in entries {
        put_u64(out, entry.series);
        put_u64(out, entry.chunk);
    }
}

pub fn metadata(out: &mut Vec<u8>, entries: &[MetadataEntry]) {
    if entries.is_empty() {
        return;
    }
    out.push(METADATA);
    for entry in entries {
        put_uvarint(out, entry.series);
        out.push(metric_type_number(entry.metadata.metric_type));
        put_uvarint(out, 2);
        put_len_bytes(out, b"UNIT");
        put_len_bytes(out, entry.metadata.unit.as_bytes());
        put_len_bytes(out, b"HELP");
        put_len_bytes(out, entry.metadata.help.as_bytes());
    }
}

/// Histograms of one kind of bounds: all exponential, or all custom.
pub fn histograms(out: &mut Vec<u8>, entries: &[HistogramEntry<Histogram>]) {
    let custom = entries.first().is_some_and(|e| e.histogram.uses_custom_buckets());
    let kind = if custom { CUSTOM_HISTOGRAMS } else { HISTOGRAMS };
    put_histograms(out, entries, [kind, HISTOGRAMS_V2], put_histogram);
}

/// Float histograms of one kind of bounds: all exponential, or all custom.
pub fn float_histograms(out: &mut Vec<u8>, entries: &[HistogramEntry<FloatHistogram>]) {
    let custom = entries.first().is_some_and(|e| e.histogram.uses_custom_buckets());
    let kind = if custom { CUSTOM_FLOAT_HISTOGRAMS } else { FLOAT_HISTOGRAMS };
    put_histograms(out, entries, [kind, FLOAT_HISTOGRAMS_V2], put_float_histogram);
}

fn put_histograms<H>(
    out: &mut Vec<u8>,
    entries: &[HistogramEntry<H>],
    [kind, kind_v2]: [u8; 2],
    put: fn(&mut Vec<u8>, &H),
) {
    let Some(first) = entries.first() else { return };
    if entries.iter().any(|entry| entry.start != 0) {
        out.push(kind_v2);
        let mut deltas = DeltasV2::default();
        for entry in entries {
            deltas.put(out, entry.series, entry.start, entry.t);
            put(out, &entry.histogram);
        }
        return;
    }
    out.push(kind);
    put_u64(out, first.series);
    put_u64(out, first.t as u64);
    for entry in entries {
        put_varint(out, entry.series.wrapping_sub(first.series) as i64);
        put_varint(out, entry.t.wrapping_sub(first.t));
        put(out, &entry.histogram);
    }
}

#[derive(Default)]
struct DeltasV2 {
    first: Option<(Timestamp, Timestamp)>,
    series: WalRef,
    start: Timestamp,
}

impl DeltasV2 {
    fn put(&mut self, out: &mut Vec<u8>, series: WalRef, start: Timestamp, t: Timestamp) {
        match self.first {
            None => {
                put_varint(out, series as i64);
                put_varint(out, t);
                put_varint(out, start);
                self.first = Some((t, start));
            }
            Some((first_t, first_start)) => {
                put_varint(out, series.wrapping_sub(self.series) as i64);
                put_varint(out, t.wrapping_sub(first_t));
                if start == 0 {
                    out.push(0);
                } else if start == self.start {
                    out.push(1);
                } else {
                    out.push(2);
                    put_varint(out, start.wrapping_sub(first_start));
                }
            }
        }
        (self.series, self.start) = (series, start);
    }
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_uvarint(out, labels.len() as u64);
    for (name, value) in labels {
        put_len_bytes(out, name.as_bytes());
        put_len_bytes(out, value.as_bytes());
    }
}

fn metric_type_number(metric_type: MetricType) -> u8 {
    match metric_type {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

fn put_hint(out: &mut Vec<u8>, hint: CounterResetHint) {
    out.push(match hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::CounterReset => 1,
        CounterResetHint::NotCounterReset => 2,
        CounterResetHint::Gauge => 3,
    });
}

fn put_spans(out: &mut Vec<u8>, spans: &[Span]) {
    put_uvarint(out, spans.len() as u64);
    for span in spans {
        put_varint(out, i64::from(span.offset));
        put_uvarint(out, u64::from(span.length));
    }
}

fn put_floats(out: &mut Vec<u8>, values: &[f64]) {
    put_uvarint(out, values.len() as u64);
    for value in values {
        put_f64(out, *value);
    }
}

fn put_deltas(out: &mut Vec<u8>, values: &[i64]) {
    put_uvarint(out, values.len() as u64);
    for value in values {
        put_varint(out, *value);
    }
}

fn put_histogram(out: &mut Vec<u8>, h: &Histogram) {
    put_hint(out, h.counter_reset_hint);
    put_varint(out, i64::from(h.schema));
    put_f64(out, h.zero_threshold);
    put_uvarint(out, h.zero_count);
    put_uvarint(out, h.count);
    put_f64(out, h.sum);
    put_spans(out, &h.positive_spans);
    put_spans(out, &h.negative_spans);
    put_deltas(out, &h.positive_buckets);
    put_deltas(out, &h.negative_buckets);
    if h.uses_custom_buckets() {
        put_floats(out, &h.custom_values);
    }
}

fn put_float_histogram(out: &mut Vec<u8>, h: &FloatHistogram) {
    put_hint(out, h.counter_reset_hint);
    put_varint(out, i64::from(h.schema));
    put_f64(out, h.zero_threshold);
    put_f64(out, h.zero_count);
    put_f64(out, h.count);
    put_f64(out, h.sum);
    put_spans(out, &h.positive_spans);
    put_spans(out, &h.negative_spans);
    put_floats(out, &h.positive_buckets);
    put_floats(out, &h.negative_buckets);
    if h.uses_custom_buckets() {
        put_floats(out, &h.custom_values);
    }
}

//! Histogram chunks: what is appended is read, layouts grow, resets end chunks.

use gauntlet_model::histogram::{CounterResetHint, Span};
use gauntlet_model::{FloatHistogram, Histogram, STALE_NAN};
use proptest::prelude::*;

use super::bucket::Bucket;
use super::*;
use crate::{Columns, Encoding, decode as decode_chunk};

fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
    pairs.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect()
}

fn histogram(count: u64, layout: &[(i32, u32)], buckets: &[i64]) -> Histogram {
    Histogram {
        count,
        sum: count as f64 * 1.5,
        schema: 1,
        zero_threshold: 1e-100,
        zero_count: 2,
        positive_spans: spans(layout),
        positive_buckets: buckets.to_vec(),
        negative_spans: spans(&[(3, 1)]),
        negative_buckets: vec![count as i64 / 2],
        ..Histogram::default()
    }
}

fn read<B: Bucket>(encoding: Encoding, chunk: &[u8]) -> Vec<(i64, i64, B::Histogram)> {
    let mut samples = HistogramChunkSamples::<B>::new(encoding, chunk).unwrap();
    let mut out = Vec::new();
    while samples.advance().unwrap() {
        out.push((samples.timestamp(), samples.start_timestamp(), samples.histogram()));
    }
    out
}

#[test]
fn a_growing_layout_recodes_and_an_empty_bucket_is_filled_in() {
    let mut appender = HistogramAppender::new(false);
    let mut append = |t, h: &Histogram| appender.append(None, 0, t, h, false).unwrap();
    assert!(matches!(append(10, &histogram(6, &[(0, 2)], &[3, -3])), Appended::Same));
    assert!(matches!(append(20, &histogram(9, &[(0, 2)], &[4, -4])), Appended::Same));
    assert!(matches!(append(30, &histogram(12, &[(0, 1), (2, 1)], &[5, -4])), Appended::Recoded));
    let got = read::<i64>(Encoding::Histogram, appender.bytes());
    let times: Vec<_> = got.iter().map(|(t, ..)| *t).collect();
    assert_eq!(times, [10, 20, 30]);
    for (_, _, h) in &got {
        assert_eq!(h.positive_spans, spans(&[(0, 2), (1, 1)]));
    }
    assert_eq!(got[0].2.positive_buckets, [3, -3, 0]);
    assert_eq!(got[2].2.positive_buckets, [5, -5, 1]);
    assert_eq!(got[0].2.counter_reset_hint, CounterResetHint::Unknown);
    assert_eq!(got[1].2.counter_reset_hint, CounterResetHint::NotCounterReset);
}

#[test]
fn resets_and_other_schemas_begin_a_new_chunk() {
    let base = histogram(9, &[(0, 2)], &[4, 1]);
    let mut appender = HistogramAppender::new(false);
    appender.append(None, 0, 1, &base, false).unwrap();
    let cases = [
        (
            histogram(8, &[(0, 2)], &[4, 1]),
            CounterResetHeader::CounterReset,
            "histogram counter reset",
        ),
        (
            histogram(9, &[(0, 2)], &[3, 2]),
            CounterResetHeader::CounterReset,
            "histogram counter reset",
        ),
        (
            Histogram { schema: 2, ..base.clone() },
            CounterResetHeader::Unknown,
            "histogram schema change",
        ),
        (
            Histogram { counter_reset_hint: CounterResetHint::Gauge, ..base.clone() },
            CounterResetHeader::Gauge,
            "gauge histogram schema change",
        ),
    ];
    for (next, header, text) in cases {
        let error = appender.clone().append(None, 0, 2, &next, true).unwrap_err();
        assert_eq!(error.to_string(), text);
        match appender.clone().append(None, 0, 2, &next, false).unwrap() {
            Appended::NewChunk(new) => {
                assert_eq!(new.counter_reset_header(), header);
                assert_eq!(super::counter_reset_header(new.encoding(), new.bytes()), header);
                assert_eq!(new.count(), 1);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stale_marker_fits_and_ends_the_chunk() {
    let mut appender = FloatHistogramAppender::new(true);
    let h = histogram(9, &[(0, 2)], &[4, 1]).to_float();
    let stale = FloatHistogram { sum: STALE_NAN, ..FloatHistogram::default() };
    appender.append(None, 5, 10, &h, false).unwrap();
    assert!(matches!(appender.append(None, 5, 20, &stale, false), Ok(Appended::Same)));
    match appender.append(None, 5, 30, &h, false).unwrap() {
        Appended::NewChunk(new) => {
            assert_eq!(new.counter_reset_header(), CounterResetHeader::Unknown)
        }
        other => panic!("{other:?}"),
    }
    let mut out = Columns::default();
    decode_chunk(appender.encoding(), appender.bytes(), 0, 100, &mut out).unwrap();
    assert_eq!(out.timestamps, [10, 20]);
    assert_eq!(out.start_timestamps, [5, 5]);
    assert_eq!(**out.histogram(0).unwrap(), h);
    assert_eq!(out.histogram(1).unwrap().sum.to_bits(), STALE_NAN.to_bits());
}

#[test]
fn gauges_take_the_union_of_layouts() {
    let gauge = |layout: &[(i32, u32)], buckets: &[i64]| Histogram {
        counter_reset_hint: CounterResetHint::Gauge,
        ..histogram(8, layout, buckets)
    };
    let mut appender = HistogramAppender::new(false);
    appender.append(None, 0, 1, &gauge(&[(0, 2)], &[4, 1]), false).unwrap();
    let other = gauge(&[(1, 1), (1, 1)], &[2, 1]);
    let error = appender.clone().append(None, 0, 2, &other, true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gauge histogram layout change with 1 positive and 0 negative backwards inserts"
    );
    assert!(matches!(appender.append(None, 0, 2, &other, false), Ok(Appended::Recoded)));
    let got = read::<i64>(Encoding::Histogram, appender.bytes());
    assert_eq!(got[0].2.positive_spans, spans(&[(0, 2), (1, 1)]));
    assert_eq!(got[0].2.positive_buckets, [4, 1, -5]);
    assert_eq!(got[1].2.positive_buckets, [0, 2, 1]);
    assert_eq!(got[1].2.counter_reset_hint, CounterResetHint::Gauge);
}

#[test]
fn a_finer_schema_than_ours_is_reduced() {
    let mut appender = HistogramAppender::new(false);
    let fine = Histogram { schema: 9, ..histogram(10, &[(1, 4)], &[1, 1, 1, 1]) };
    appender.append(None, 0, 1, &fine, false).unwrap();
    let got = &read::<i64>(Encoding::Histogram, appender.bytes())[0].2;
    assert_eq!((got.schema, got.positive_buckets.as_slice()), (8, &[3, 4][..]));
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    (
        prop::collection::vec((0i32..4, 0u32..4), 0..4),
        prop::collection::vec(0i64..20, 12),
        prop_oneof![8 => Just(1i32), 1 => Just(3)],
        any::<u32>(),
        prop_oneof![8 => Just(CounterResetHint::Unknown), 1 => Just(CounterResetHint::Gauge)],
        prop_oneof![8 => Just(false), 1 => Just(true)],
    )
        .prop_map(|(layout, counts, schema, total, hint, stale)| {
            if stale {
                return Histogram {
                    sum: STALE_NAN,
                    counter_reset_hint: hint,
                    ..Histogram::default()
                };
            }
            let buckets = layout.iter().map(|(_, len)| *len as usize).sum::<usize>();
            let mut last = 0;
            let mut deltas = Vec::new();
            for count in &counts[..buckets] {
                deltas.push(count - last);
                last = *count;
            }
            Histogram {
                counter_reset_hint: hint,
                schema,
                count: u64::from(total),
                sum: f64::from(total) * 0.3,
                zero_threshold: 0.001,
                positive_spans: spans(&layout),
                positive_buckets: deltas,
                ..Histogram::default()
            }
        })
}

/// Non-empty buckets, which recoding never changes.
fn filled(h: &FloatHistogram) -> Vec<(i64, u64)> {
    let mut index = 0i64;
    let mut out = Vec::new();
    let mut counts = h.positive_buckets.iter();
    for span in &h.positive_spans {
        index += i64::from(span.offset);
        for _ in 0..span.length {
            let count = counts.next().unwrap();
            if *count != 0.0 {
                out.push((index, count.to_bits()));
            }
            index += 1;
        }
    }
    out
}

fn check_series<B: Bucket>(with_start: bool, series: &[B::Histogram]) {
    let mut chunks = Vec::new();
    let mut appender = HistogramChunkAppender::<B>::new(with_start);
    for (i, h) in series.iter().enumerate() {
        let (t, start) = (i as i64 * 15_000, i as i64 / 5 * 1000);
        if let Appended::NewChunk(new) = appender.append(None, start, t, h, false).unwrap() {
            chunks.push(std::mem::replace(&mut appender, *new));
        }
        let resumed =
            HistogramChunkAppender::<B>::resume(appender.encoding(), appender.bytes()).unwrap();
        assert_eq!(resumed.bytes(), appender.bytes());
    }
    chunks.push(appender);
    let got: Vec<_> = chunks.iter().flat_map(|c| read::<B>(c.encoding(), c.bytes())).collect();
    assert_eq!(got.len(), series.len());
    for (i, ((t, start, got), expect)) in got.into_iter().zip(series).enumerate() {
        assert_eq!(t, i as i64 * 15_000);
        assert_eq!(start, if with_start { i as i64 / 5 * 1000 } else { 0 });
        let (got, expect) = (B::to_float(got), B::to_float(expect.clone()));
        assert_eq!(got.sum.to_bits(), expect.sum.to_bits());
        assert_eq!((got.count, got.schema), (expect.count, expect.schema));
        assert_eq!(filled(&got), filled(&expect));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_appended_is_read(series in prop::collection::vec(any_histogram(), 1..40), with_start: bool) {
        check_series::<i64>(with_start, &series);
        let floats: Vec<_> = series.iter().map(Histogram::to_float).collect();
        check_series::<f64>(with_start, &floats);
    }

    #[test]
    fn any_bytes_decode_or_err(bytes in prop::collection::vec(any::<u8>(), 0..200), number in 1u8..=6) {
        let encoding = Encoding::from_u8(number).unwrap();
        let mut out = Columns::default();
        if decode_chunk(encoding, &bytes, 0, i64::MAX, &mut out).is_err() {
            prop_assert!(out.is_empty() && out.histograms.is_empty());
        }
    }
}

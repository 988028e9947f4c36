//! Bodies of batches as decoders read them, in any order of series, times and kinds.

use std::time::Duration;

use gauntlet_model::{Labels, Metadata, MetricType};
use gauntlet_wire::{prompb, write_v2};

use gauntlet_wire::prost::Message as _;

use super::*;
use crate::send::series::{Lookup, SeriesTable};

fn table() -> SeriesTable {
    let mut table = SeriesTable::new(Labels::empty(), Vec::new());
    let long = "v".repeat(300);
    table.add(1, &Labels::from_pairs([("__name__", "up"), ("long", &long)]), 0);
    let metadata =
        Metadata { metric_type: MetricType::Counter, unit: "s".to_owned(), help: "Up.".to_owned() };
    table.set_metadata(1, &metadata);
    table
}

fn slot(table: &mut SeriesTable, series: u64) -> Slot {
    let Lookup::Sent(slot) = table.find(series) else { panic!("known") };
    slot
}

fn batch(message: ProtobufMessage) -> (Batch, Bytes) {
    let mut table = table();
    let table = &mut table;
    let slot = slot(table, 1);
    let exemplar =
        Exemplar { labels: Labels::from_pairs([("id", "x")]), value: 0.5, timestamp: Some(-3) };
    let mut batch = Batch::new(message, false, Duration::ZERO, 10);
    batch.push(table, slot, 5, 10, Value::Float(-0.0), &[]);
    batch.push(table, slot, 0, 0, Value::Float(0.0), std::slice::from_ref(&exemplar));
    let histogram = Histogram { count: 0, sum: 2.0, ..Histogram::default() };
    batch.push(table, slot, 7, 30, Value::Histogram(&histogram), &[]);
    batch.push_exemplar(table, slot, &exemplar, 30);
    let whole = batch.seal().unwrap();
    (batch, whole)
}

fn body(packed: &Bytes) -> Vec<u8> {
    snappy::unpack(packed, 1 << 24).unwrap()
}

#[test]
fn first_version_is_what_a_decoder_reads() {
    let (batch, whole) = batch(ProtobufMessage::V1);
    let (packed, counts) = batch.part(&whole, 0..4, Timestamp::MIN).unwrap();
    assert_eq!(counts, Counts { samples: 2, histograms: 1, exemplars: 2, metadata: 0 });
    let request = prompb::WriteRequest::decode(&body(&packed)[..]).unwrap();
    assert_eq!(request.timeseries.len(), 4);
    let first = &request.timeseries[0];
    assert_eq!(first.labels[1].value.len(), 300);
    assert_eq!(first.samples[0].value.to_bits(), (-0.0f64).to_bits());
    assert_eq!(first.samples[0].timestamp, 10);
    let second = &request.timeseries[1];
    assert_eq!(second.samples, [prompb::Sample { value: 0.0, timestamp: 0 }]);
    assert_eq!(second.exemplars[0].timestamp, -3);
    assert_eq!(second.exemplars[0].labels[0].name, "id");
    assert_eq!(request.timeseries[2].histograms[0].timestamp, 30);
    assert!(request.timeseries[3].samples.is_empty());
}

#[test]
fn second_version_is_what_a_decoder_reads() {
    let (batch, whole) = batch(ProtobufMessage::V2);
    let (packed, counts) = batch.part(&whole, 0..4, Timestamp::MIN).unwrap();
    assert_eq!(counts.metadata, 4);
    let request = write_v2::Request::decode(&body(&packed)[..]).unwrap();
    assert_eq!(request.symbols[0], "");
    let first = &request.timeseries[0];
    let names: Vec<&str> =
        first.labels_refs.iter().map(|r| request.symbols[*r as usize].as_str()).collect();
    assert_eq!((names[0], names[1], names[2]), ("__name__", "up", "long"));
    assert_eq!((first.samples[0].timestamp, first.samples[0].start_timestamp), (10, 5));
    let metadata = first.metadata.unwrap();
    assert_eq!(metadata.r#type, prompb::MetricType::Counter as i32);
    assert_eq!(request.symbols[metadata.help_ref as usize], "Up.");
    assert_eq!(request.symbols[metadata.unit_ref as usize], "s");
    assert_eq!(request.timeseries[1].exemplars[0].value, 0.5);
    assert_eq!(request.timeseries[2].histograms[0].start_timestamp, 7);
}

#[test]
fn a_part_leaves_out_what_is_too_old_and_what_is_elsewhere() {
    for message in [ProtobufMessage::V1, ProtobufMessage::V2] {
        let (batch, whole) = batch(message);
        let (packed, counts) = batch.part(&whole, 0..3, 10).unwrap();
        assert_eq!((counts.samples, counts.histograms, counts.exemplars), (1, 1, 0));
        let body = body(&packed);
        let series = match message {
            ProtobufMessage::V1 => {
                prompb::WriteRequest::decode(&body[..]).unwrap().timeseries.len()
            }
            ProtobufMessage::V2 => write_v2::Request::decode(&body[..]).unwrap().timeseries.len(),
        };
        assert_eq!(series, 2);
        assert_eq!(batch.counts(1..2).exemplars, 1);
        assert_eq!(batch.lowest(0..1), 10);
    }
}

/// Any order of series, times and kinds gives the bodies that plain encoding gives.
#[test]
fn copies_are_of_the_right_bytes() {
    let mut random = 7u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut table = SeriesTable::new(Labels::empty(), Vec::new());
    let mut all = Vec::new();
    for n in 0..200u64 {
        let name = format!("metric_{:02}", n % 7);
        let pod = format!("app-{:04}-{}", n / 7, "x".repeat((n % 50 * 3) as usize));
        let huge = "h".repeat(if n == 77 { 40_000 } else { 100 });
        let mut pairs = vec![("__name__", name.as_str()), ("job", "a"), ("pod", &pod)];
        if n % 3 == 0 {
            pairs.push(("le", "0.5"));
        }
        if n % 10 == 7 {
            pairs.push(("huge", &huge));
        }
        all.push(Labels::from_pairs(pairs));
        table.add(n, &all[n as usize], 0);
        let help = format!("Help {}.", n % 5);
        let metadata = Metadata { metric_type: MetricType::Gauge, help, ..Metadata::default() };
        if n % 2 == 0 {
            table.set_metadata(n, &metadata);
        }
    }
    for round in 0..60 {
        for message in [ProtobufMessage::V1, ProtobufMessage::V2] {
            let mut batch = Batch::new(message, false, Duration::ZERO, 100);
            let mut expect = Vec::new();
            for n in 0..100u64 {
                let series = if round % 3 == 0 { next(200) } else { (n + round / 8) % 200 };
                let t = match next(8) {
                    0 => next(1 << 43) as i64,
                    1 => -5,
                    2 => 1_700_000_000_001,
                    _ => 1_700_000_000_000,
                };
                let start = if next(5) == 0 { 1_600_000_000_000 } else { 0 };
                let slot = slot(&mut table, series);
                let value = next(1000) as f64;
                let mut expected = (series, None, None, 0);
                if next(10) == 0 {
                    let buckets = (0..next(60) as i64).collect();
                    let histogram =
                        Histogram { sum: value, positive_buckets: buckets, ..Histogram::default() };
                    batch.push(&mut table, slot, start, t, Value::Histogram(&histogram), &[]);
                    expected.2 = Some((value, t));
                } else {
                    let id = format!("trace-{n}");
                    let exemplar = Exemplar {
                        labels: Labels::from_pairs([("id", &id)]),
                        value: 1.0,
                        timestamp: Some(t),
                    };
                    let count = usize::from(next(9) == 0);
                    let exemplars = &std::slice::from_ref(&exemplar)[..count];
                    batch.push(&mut table, slot, start, t, Value::Float(value), exemplars);
                    expected.1 = Some((value, t, start));
                    expected.3 = count;
                }
                expect.push(expected);
            }
            let whole = batch.seal().unwrap();
            let body = body(&whole);
            let ends = batch.items.last().unwrap().end as usize + batch.symbols.len();
            assert_eq!(body.len(), ends);
            check(message, &body, &all, &expect);
        }
    }
}

type Expected = (u64, Option<(f64, i64, i64)>, Option<(f64, i64)>, usize);

fn check(message: ProtobufMessage, body: &[u8], all: &[Labels], expect: &[Expected]) {
    let mut found = Vec::new();
    let histogram = |h: &[prompb::Histogram]| h.first().map(|h| (h.sum, h.timestamp));
    match message {
        ProtobufMessage::V1 => {
            for one in prompb::WriteRequest::decode(body).unwrap().timeseries {
                let labels = one.labels.iter().map(|l| (l.name.as_str(), l.value.as_str()));
                let sample = one.samples.first().map(|s| (s.value, s.timestamp, 0));
                let histogram = histogram(&one.histograms);
                found.push((Labels::from_pairs(labels), sample, histogram, one.exemplars.len()));
            }
        }
        ProtobufMessage::V2 => {
            let request = write_v2::Request::decode(body).unwrap();
            let text = |at: u32| request.symbols[at as usize].as_str();
            for one in &request.timeseries {
                let labels = one.labels_refs.chunks(2).map(|p| (text(p[0]), text(p[1])));
                let labels = Labels::from_pairs(labels);
                let sample = one.samples.first();
                let sample = sample.map(|s| (s.value, s.timestamp, s.start_timestamp));
                let help = text(one.metadata.unwrap().help_ref);
                let series = all.iter().position(|known| *known == labels).unwrap();
                let expected =
                    if series % 2 == 0 { format!("Help {}.", series % 5) } else { String::new() };
                assert_eq!(help, expected);
                let histogram = histogram(&one.histograms);
                found.push((labels, sample, histogram, one.exemplars.len()));
            }
        }
    }
    assert_eq!(found.len(), expect.len());
    for ((labels, sample, histogram, exemplars), expected) in found.iter().zip(expect) {
        assert_eq!(*labels, all[expected.0 as usize]);
        let (value, t, start) = expected.1.unwrap_or_default();
        let start = if message == ProtobufMessage::V2 { start } else { 0 };
        assert_eq!(*sample, expected.1.map(|_| (value, t, start)));
        assert_eq!((*histogram, *exemplars), (expected.2, expected.3));
    }
}

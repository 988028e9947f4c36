//! The log against itself, against damage, and against a log that upstream wrote.

use std::path::Path;
use std::sync::Arc;

use gauntlet_model::histogram::Span;
use gauntlet_model::{FloatHistogram, Histogram, Labels, Metadata, MetricType};
use gauntlet_runtime::{Fs, SystemFs};

use super::format::{Compression, list_segments, segment_name};
use super::record::{
    ExemplarEntry, HistogramEntry, MetadataEntry, MmapMarkerEntry, SampleEntry, SeriesEntry,
    TombstoneEntry,
};
use super::{Damage, RecordBuffer, Records, SegmentReader, Wal, WalOptions, encode};

fn histogram(schema: i32) -> Histogram {
    Histogram {
        schema,
        zero_threshold: 0.001,
        zero_count: 2,
        count: 12,
        sum: 18.4,
        positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: -1, length: 2 }],
        positive_buckets: vec![1, 1, -1, 0],
        custom_values: if schema == -53 { vec![1.0, 2.5, 7.0] } else { Vec::new() },
        ..Histogram::default()
    }
}

fn sample_records(start: i64) -> Records {
    let entry = |series, t| SampleEntry { series, start: start * t, t, value: t as f64 / 3.0 };
    let h = |series, schema| HistogramEntry { series, start, t: 99, histogram: histogram(schema) };
    let fh = |series, schema| HistogramEntry::<FloatHistogram> {
        series,
        start,
        t: 100,
        histogram: histogram(schema).to_float(),
    };
    Records {
        series: vec![
            SeriesEntry { series: 7, labels: Labels::from_pairs([("__name__", "a"), ("b", "ü")]) },
            SeriesEntry { series: 1 << 39, labels: Labels::empty() },
        ],
        samples: vec![entry(7, 1000), entry(5, 2000), entry(1 << 39, -5)],
        tombstones: vec![TombstoneEntry { series: 7, min_t: i64::MIN, max_t: i64::MAX }],
        exemplars: vec![ExemplarEntry {
            series: 5,
            t: 3,
            value: -0.0,
            labels: Labels::from_pairs([("trace", "x")]),
        }],
        mmap_markers: vec![MmapMarkerEntry { series: 7, chunk: 1 << 33 }],
        metadata: vec![MetadataEntry {
            series: 300,
            metadata: Metadata {
                metric_type: MetricType::StateSet,
                unit: "s".into(),
                help: "h\n".into(),
            },
        }],
        histograms: vec![h(7, 3), h(6, 0)],
        float_histograms: vec![fh(8, -53), fh(8, -53)],
        unknown: 0,
    }
}

fn encode_all(batch: &mut RecordBuffer, records: &Records) {
    batch.record(|o| encode::series(o, records.series.iter().map(|e| (e.series, &e.labels))));
    batch.record(|o| encode::samples(o, &records.samples));
    batch.record(|o| encode::tombstones(o, &records.tombstones));
    batch.record(|o| encode::exemplars(o, &records.exemplars));
    batch.record(|o| encode::mmap_markers(o, &records.mmap_markers));
    batch.record(|o| encode::metadata(o, &records.metadata));
    batch.record(|o| encode::histograms(o, &records.histograms));
    batch.record(|o| encode::float_histograms(o, &records.float_histograms));
}

fn read_all(dir: &Path) -> (Records, Vec<Damage>) {
    let (mut records, mut damage) = (Records::default(), Vec::new());
    for (segment, _) in list_segments(&SystemFs, dir).unwrap() {
        let mut reader = SegmentReader::open(&SystemFs, dir, segment).unwrap();
        loop {
            let fault = match reader.next_record().unwrap() {
                None => break,
                Some(record) => records.decode(record).err(),
            };
            if let Some(fault) = fault {
                reader.complain_of_record(fault.to_string());
            }
        }
        damage.append(&mut reader.take_damage());
    }
    (records, damage)
}

fn wal(dir: &Path, segment_bytes: u64, compression: Compression) -> Wal {
    Wal::open(SystemFs::shared(), dir, WalOptions { segment_bytes, compression }).unwrap()
}

#[test]
fn records_come_back_in_every_form() {
    for compression in [Compression::None, Compression::Snappy, Compression::Zstd] {
        for start in [0, 1] {
            let dir = tempfile::tempdir().unwrap();
            let records = sample_records(start);
            let log = wal(dir.path(), 1 << 20, compression);
            let mut batch = RecordBuffer::default();
            encode_all(&mut batch, &records);
            let lsn = log.log(&batch).unwrap();
            log.sync_to(lsn).unwrap();
            assert_eq!(read_all(dir.path()), (records, Vec::new()), "{compression:?} {start}");
        }
    }
}

/// Batches of one sample record each, of many sizes, over several segments.
fn write_numbered(dir: &Path, batches: u64, compression: Compression) {
    let log = wal(dir, 4 * 32 * 1024, compression);
    let mut batch = RecordBuffer::default();
    for n in 0..batches {
        batch.clear();
        let samples: Vec<SampleEntry> = (0..1 + n * 37 % 900)
            .map(|i| SampleEntry { series: n, start: 0, t: i as i64, value: (n * i) as f64 })
            .collect();
        batch.record(|o| encode::samples(o, &samples));
        log.log(&batch).unwrap();
    }
}

#[test]
fn records_span_pages_but_no_segments() {
    for compression in [Compression::None, Compression::Snappy] {
        let dir = tempfile::tempdir().unwrap();
        write_numbered(dir.path(), 200, compression);
        let (records, damage) = read_all(dir.path());
        assert_eq!(damage, []);
        let mut at = records.samples.iter();
        for n in 0..200u64 {
            for i in 0..1 + n * 37 % 900 {
                let sample = at.next().unwrap();
                assert_eq!((sample.series, sample.t, sample.value), (n, i as i64, (n * i) as f64));
            }
        }
        assert!(at.next().is_none());
        let segments = list_segments(&SystemFs, dir.path()).unwrap();
        assert!(segments.len() > 1 && segments.iter().all(|(_, size)| *size <= 4 * 32 * 1024));
    }
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let log = wal(dir.path(), 32 * 1024, Compression::None);
    let samples: Vec<SampleEntry> =
        (0..9000).map(|i| SampleEntry { series: 1, start: 0, t: i, value: 0.5 }).collect();
    let mut batch = RecordBuffer::default();
    batch.record(|o| encode::samples(o, &samples[..10]));
    batch.record(|o| encode::samples(o, &samples));
    batch.record(|o| encode::samples(o, &samples[..10]));
    log.log(&batch).unwrap();
    let (records, damage) = read_all(dir.path());
    assert_eq!((records.samples.len(), damage.len()), (9020, 0));
    assert_eq!(log.segment(), 2);
}

#[test]
fn damage_costs_the_batches_it_touches_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write_numbered(dir.path(), 120, Compression::Snappy);
    let (whole, _) = read_all(dir.path());
    let batches_of = |records: &Records| {
        let mut batches: Vec<u64> = records.samples.iter().map(|s| s.series).collect();
        batches.dedup();
        batches
    };
    let all = batches_of(&whole).len();
    for (segment, size) in list_segments(&SystemFs, dir.path()).unwrap() {
        let path = dir.path().join(segment_name(segment));
        let original = std::fs::read(&path).unwrap();
        for at in (0..size as usize).step_by(3571) {
            let mut bytes = original.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            let (records, damage) = read_all(dir.path());
            let padding = records == whole && !damage.is_empty();
            assert!(!damage.is_empty(), "flip at {at} of {segment} passed unseen");
            // A header's length may be what broke: then the rest of its page is lost too.
            let lost = all - batches_of(&records).len();
            assert!(padding || lost <= 12, "flip at {at} of {segment} cost {lost} batches");
            assert!(records.samples.iter().all(|s| s.value == (s.series as i64 * s.t) as f64));
        }
        // A page of zeros, then a torn end.
        for page in 0..size as usize / 32768 {
            let mut bytes = original.clone();
            bytes[page * 32768..(page + 1) * 32768].fill(0);
            std::fs::write(&path, &bytes).unwrap();
            let (records, _) = read_all(dir.path());
            assert!(records.samples.iter().all(|s| s.value == (s.series as i64 * s.t) as f64));
        }
        std::fs::write(&path, &original[..original.len() / 2 + 3]).unwrap();
        read_all(dir.path());
        std::fs::write(&path, &original).unwrap();
    }
}

#[test]
fn a_new_writer_goes_on_in_a_new_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut batch = RecordBuffer::default();
    batch.record(|o| encode::samples(o, &[SampleEntry { series: 1, start: 0, t: 1, value: 1.0 }]));
    for n in 0..3 {
        let log = wal(dir.path(), 1 << 20, Compression::Snappy);
        assert_eq!(log.segment(), n);
        log.log(&batch).unwrap();
    }
    let log = wal(dir.path(), 1 << 20, Compression::Snappy);
    drop(log);
    let log = wal(dir.path(), 1 << 20, Compression::Snappy);
    assert_eq!((log.segment(), log.next_segment().unwrap()), (3, 3));
    log.remove_below(9).unwrap();
    assert_eq!(list_segments(&SystemFs, dir.path()).unwrap(), [(3, 0)]);
}

fn needed(t: i64) -> super::Needed {
    super::Needed { samples_from: t, tombstones_from: t }
}

#[test]
fn a_checkpoint_keeps_what_is_needed_and_survives_a_second_one() {
    let dir = tempfile::tempdir().unwrap();
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let options = WalOptions::default();
    let log = Wal::open(Arc::clone(&fs), dir.path(), options).unwrap();
    let mut batch = RecordBuffer::default();
    encode_all(&mut batch, &sample_records(0));
    log.log(&batch).unwrap();
    let current = log.next_segment().unwrap();
    let stats = super::write_checkpoint(&fs, dir.path(), current - 1, needed(100), options, &|s| {
        s != 1 << 39
    })
    .unwrap();
    assert_eq!((stats.kept_series, stats.dropped_series), (1, 1));
    assert_eq!((stats.kept_samples, stats.dropped_samples), (4, 3));
    log.remove_below(current).unwrap();
    let (at, folder) = super::checkpoint::last_checkpoint(&*fs, dir.path()).unwrap().unwrap();
    assert_eq!(at, current - 1);
    let (records, damage) = read_all(&folder);
    assert_eq!((records.series.len(), records.metadata.len(), damage.len()), (1, 1, 0));

    log.log(&batch).unwrap();
    let current = log.next_segment().unwrap();
    super::write_checkpoint(&fs, dir.path(), current - 1, needed(0), options, &|_| true).unwrap();
    super::checkpoint::remove_checkpoints_below(&*fs, dir.path(), current - 1).unwrap();
    let (_, folder) = super::checkpoint::last_checkpoint(&*fs, dir.path()).unwrap().unwrap();
    let (records, _) = read_all(&folder);
    assert_eq!((records.series.len(), records.samples.len()), (3, 4));
    assert_eq!(records.metadata.len(), 1);
}

#[test]
fn upstreams_log_is_read_whole() {
    let Some(oracles) = gauntlet_testkit::conformance_dir() else { return };
    let data = oracles.join("golden/prometheus-data/killed");
    let (records, damage) = read_all(&data.join("wal"));
    assert_eq!(damage, []);
    assert_eq!(records.unknown, 0);
    assert!(records.samples.len() > 1000 && !records.histograms.is_empty());
    assert!(!records.metadata.is_empty() && !records.exemplars.is_empty());
    assert!(!records.tombstones.is_empty() && !records.float_histograms.is_empty());
    let (late, damage) = read_all(&data.join("wbl"));
    assert_eq!(damage, []);
    assert!(!late.samples.is_empty() && !late.mmap_markers.is_empty());
    let (checkpoint, damage) = read_all(&data.join("wal/checkpoint.00000009"));
    assert_eq!(damage, []);
    assert!(!checkpoint.series.is_empty());
    // What we write of it is what we read.
    let dir = tempfile::tempdir().unwrap();
    let log = wal(dir.path(), 1 << 20, Compression::Snappy);
    let (exponential, custom): (Vec<_>, Vec<_>) =
        records.histograms.iter().cloned().partition(|h| !h.histogram.uses_custom_buckets());
    let mut batch = RecordBuffer::default();
    encode_all(&mut batch, &Records { histograms: exponential.clone(), ..records.clone() });
    batch.record(|o| encode::histograms(o, &custom));
    log.log(&batch).unwrap();
    let (again, _) = read_all(dir.path());
    let bits = |r: &Records| {
        r.samples.iter().map(|s| (s.series, s.t, s.value.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(bits(&again), bits(&records));
    assert_eq!(again.series, records.series);
    assert_eq!(again.metadata, records.metadata);
    assert_eq!(again.histograms.len(), records.histograms.len());
}

#[test]
fn hostile_bytes_are_refused_without_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let log = wal(dir.path(), 1 << 20, Compression::None);
    let mut batch = RecordBuffer::default();
    encode_all(&mut batch, &sample_records(1));
    encode_all(&mut batch, &sample_records(0));
    log.log(&batch).unwrap();
    let segment = std::fs::read(dir.path().join(segment_name(0))).unwrap();
    assert_eq!(super::reader::check_bytes(&segment), (16, 0));
    for end in 0..segment.len() {
        super::reader::check_bytes(&segment[..end]);
    }
    // Records behind a sound checksum, each byte of them changed in several ways.
    let mut reader = SegmentReader::open(&SystemFs, dir.path(), 0).unwrap();
    let mut records = Records::default();
    while let Some(record) = reader.next_record().unwrap() {
        let record = record.to_vec();
        for at in 0..record.len() {
            for change in [1u8, 0x80, 0xff, 0x7f] {
                let mut bytes = record.clone();
                bytes[at] ^= change;
                records.clear();
                let _ = records.decode(&bytes);
                let _ = records.decode(&bytes[..at]);
            }
        }
    }
}

#[test]
fn a_tail_sees_every_batch_once_while_the_log_grows_and_goes_on_after_a_restart() {
    use super::{LogTail, Position};
    let dir = tempfile::tempdir().unwrap();
    let log = wal(dir.path(), 2 * 32 * 1024, Compression::None);
    let mut seen: Vec<u64> = Vec::new();
    let mut tail = LogTail::new(SystemFs::shared(), dir.path(), Position::default());
    let mut batch = RecordBuffer::default();
    for n in 0..400u64 {
        batch.clear();
        let samples: Vec<SampleEntry> = (0..1 + n * 37 % 300)
            .map(|t| SampleEntry { series: n, start: 0, t: t as i64, value: 0.5 })
            .collect();
        batch.record(|o| encode::samples(o, &samples));
        log.log(&batch).unwrap();
        if n % 7 == 0 || n == 399 {
            while tail.position() < log.end() {
                let damage = tail
                    .read(log.end(), 5000, |record| {
                        let mut records = Records::default();
                        records.decode(record).unwrap();
                        seen.push(records.samples[0].series);
                    })
                    .unwrap();
                assert_eq!(damage, []);
            }
            tail = LogTail::new(SystemFs::shared(), dir.path(), tail.position());
        }
    }
    assert_eq!(seen, (0..400).collect::<Vec<u64>>());
    assert!(log.segment() > 3);
    // Segments that went unread are named.
    log.remove_below(3).unwrap();
    let mut tail =
        LogTail::new(SystemFs::shared(), dir.path(), Position { segment: 1, offset: 77 });
    let damage = tail.read(log.end(), usize::MAX, |_| {}).unwrap();
    assert_eq!((damage.len(), tail.position()), (1, log.end()));
}

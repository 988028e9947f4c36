//! The head as a whole: batches, selections, restarts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use gauntlet_chunk::Columns;
use gauntlet_model::histogram::Span;
use gauntlet_model::{
    Exemplar, Histogram, Labels, MatchOp, Matcher, Metadata, MetricType, STALE_NAN, SeriesRef,
};
use gauntlet_runtime::SystemFs;
use gauntlet_storage::{
    AppendError, AppendOptions, Appendable, DecodeScratch, Queryable, SelectRequest, SeriesSet,
    TimeRange,
};

use super::{Head, ReplayStats};
use crate::options::Options;

const NO_REF: SeriesRef = SeriesRef(0);
const HOUR: i64 = 3_600_000;

fn open(dir: &Path, options: &Options) -> (Arc<Head>, ReplayStats) {
    let (head, stats) = Head::open(dir, options, &SystemFs::shared(), i64::MIN).unwrap();
    (Arc::new(head), stats)
}

fn labels(n: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("metric_{}", n % 10)),
        ("instance", format!("host-{}", n / 50)),
        ("job", "test".to_owned()),
        ("n", n.to_string()),
    ])
}

fn any() -> Matcher {
    Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()
}

pub(crate) fn samples(set: &SeriesSet, range: TimeRange) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    let (mut scratch, mut columns) = (DecodeScratch::default(), Columns::default());
    (0..set.len())
        .filter_map(|i| {
            set.decode(i, range, &mut scratch, &mut columns).unwrap();
            let values = columns.timestamps.iter().zip(&columns.values).enumerate();
            let samples: Vec<(i64, u64)> = values
                .map(|(i, (t, v))| match columns.histogram(i) {
                    Some(h) => (*t, h.sum.to_bits()),
                    None => (*t, v.to_bits()),
                })
                .collect();
            (!samples.is_empty()).then(|| (set.labels(i).clone(), samples))
        })
        .collect()
}

fn read(
    head: &Head,
    matchers: Vec<Matcher>,
    range: TimeRange,
) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    let request = SelectRequest::new(matchers, range);
    let set = head.select(&request).now_or_never().unwrap().unwrap();
    samples(&set, range)
}

fn value_of(n: usize, t: i64) -> f64 {
    (t / 1000) as f64 * 0.25 + n as f64
}

/// Appends `steps` scrapes of `series` series and returns what must be read.
fn fill(
    head: &Head,
    series: usize,
    from: i64,
    steps: i64,
    every: i64,
) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    let mut expect: BTreeMap<Labels, Vec<(i64, u64)>> = BTreeMap::new();
    let mut refs = vec![NO_REF; series];
    for step in 0..steps {
        let mut app = head.appender(AppendOptions::default());
        for (n, series) in refs.iter_mut().enumerate() {
            let t = from + step * every + (n % 7) as i64;
            let known = *series != NO_REF && step % 5 != 0;
            let l = if known { Labels::empty() } else { labels(n) };
            let given = if known { *series } else { NO_REF };
            *series = app.append(given, &l, t, value_of(n, t)).unwrap();
            expect.entry(labels(n)).or_default().push((t, value_of(n, t).to_bits()));
        }
        app.commit().unwrap();
    }
    expect
}

#[test]
fn what_is_committed_is_read_before_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default();
    let (head, _) = open(dir.path(), &options);
    let expect = fill(&head, 300, 1000, 500, 15_000);
    assert_eq!(read(&head, vec![any()], TimeRange::all()), expect);
    let one = read(&head, vec![Matcher::equal("n", "17")], TimeRange::new(90_000, 95_000));
    assert_eq!(one.len(), 1);
    assert_eq!(one[&labels(17)], [(91_003, value_of(17, 91_003).to_bits())]);
    let stats = head.stats();
    assert_eq!((stats.num_series, stats.num_stale_series), (300, 0));
    let refs = head.refs();
    drop(head);

    let (head, stats) = open(dir.path(), &options);
    assert_eq!((stats.series, stats.damages, stats.unknown_series), (300, 0, 0));
    assert_eq!(read(&head, vec![any()], TimeRange::all()), expect);
    assert_eq!(head.refs(), refs);
    let more = fill(&head, 310, 500 * 15_000 + 1000, 10, 15_000);
    let all = read(&head, vec![any()], TimeRange::all());
    for (labels, samples) in more {
        let mut whole = expect.get(&labels).cloned().unwrap_or_default();
        whole.extend(samples);
        assert_eq!(all[&labels], whole);
    }
    drop(head);
    // Head chunk files are a cache.
    std::fs::remove_dir_all(dir.path().join("chunks_head")).unwrap();
    let (head, _) = open(dir.path(), &options);
    assert_eq!(read(&head, vec![any()], TimeRange::all()), all);
    drop(head);
    // Written anew they are whole; now one goes missing, and one is damaged.
    let (head, _) = open(dir.path(), &options);
    head.sync().unwrap();
    drop(head);
    let path = dir.path().join("chunks_head/000001");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let (head, stats) = open(dir.path(), &options);
    assert_eq!(stats.damages, 1);
    assert_eq!(read(&head, vec![any()], TimeRange::all()), all);
}

#[test]
fn refusals_are_upstreams() {
    let dir = tempfile::tempdir().unwrap();
    let (head, _) = open(dir.path(), &Options::default());
    let mut app = head.appender(AppendOptions::default());
    let l = labels(1);
    let series = app.append(NO_REF, &l, 10 * HOUR, 1.0).unwrap();
    app.commit().unwrap();
    let mut app = head.appender(AppendOptions::default());
    let e = Labels::empty();
    assert_eq!(app.append(series, &e, 10 * HOUR - 1, 1.0), Err(AppendError::OutOfOrder));
    assert_eq!(app.append(series, &e, 9 * HOUR - 1, 1.0), Err(AppendError::OutOfBounds));
    assert_eq!(app.append(series, &e, 10 * HOUR, 2.0), Err(AppendError::DuplicateSample));
    assert_eq!(app.append(series, &e, 10 * HOUR, 1.0), Ok(series));
    assert_eq!(app.append(NO_REF, &e, 10 * HOUR, 1.0), Err(AppendError::EmptyLabels));
    assert_eq!(app.append(SeriesRef(987_654), &l, 10 * HOUR + 1, 3.0), Ok(series));
    app.rollback();
    assert_eq!(read(&head, vec![any()], TimeRange::all())[&l].len(), 1);
    let mut app = head.appender(AppendOptions::default());
    app.append(NO_REF, &labels(2), 10 * HOUR + 1, 3.0).unwrap();
    assert_eq!(read(&head, vec![any()], TimeRange::all()).len(), 1, "not before commit");
    app.commit().unwrap();
    assert_eq!(read(&head, vec![any()], TimeRange::all()).len(), 2);
}

fn histogram(n: u64) -> Histogram {
    Histogram {
        schema: 1,
        zero_threshold: 0.001,
        count: 10 * n,
        sum: n as f64 / 3.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![5 * n as i64, 0],
        ..Histogram::default()
    }
}

#[test]
fn histograms_exemplars_and_metadata_survive() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default();
    let (head, _) = open(dir.path(), &options);
    let mut expect: BTreeMap<Labels, Vec<(i64, u64)>> = BTreeMap::new();
    let metadata =
        Metadata { metric_type: MetricType::Counter, unit: "s".into(), help: "h".into() };
    for n in 1..400u64 {
        let t = n as i64 * 15_000;
        let mut app = head.appender(AppendOptions::default());
        for (i, l) in [labels(1), labels(2), labels(3)].iter().enumerate() {
            let sum = histogram(n).sum.to_bits();
            match (i, n) {
                // One series changes its kind halfway.
                (2, 200..) => {
                    app.append(NO_REF, l, t, 0.5).unwrap();
                    expect.entry(l.clone()).or_default().push((t, 0.5f64.to_bits()));
                    continue;
                }
                (1, _) => {
                    app.append_float_histogram(NO_REF, l, t, histogram(n).to_float()).unwrap()
                }
                _ => app.append_histogram(NO_REF, l, t, histogram(n)).unwrap(),
            };
            expect.entry(l.clone()).or_default().push((t, sum));
        }
        let exemplar = Exemplar {
            labels: Labels::from_pairs([("trace", "x")]),
            value: n as f64,
            timestamp: Some(t),
        };
        app.append_exemplar(NO_REF, &labels(1), exemplar).unwrap();
        app.update_metadata(NO_REF, &labels(1), &metadata).unwrap();
        app.commit().unwrap();
    }
    let mut app = head.appender(AppendOptions::default());
    app.append(NO_REF, &labels(1), 400 * 15_000, STALE_NAN).unwrap();
    app.commit().unwrap();
    expect.entry(labels(1)).or_default().push((400 * 15_000, STALE_NAN.to_bits()));
    let check = |head: &Head| {
        assert_eq!(read(head, vec![any()], TimeRange::all()), expect);
        let stats = head.stats();
        assert_eq!(
            (stats.num_stale_series, stats.exemplars, stats.num_histogram_series),
            (1, 399, 2)
        );
        let found = head.exemplars(&[vec![any()]], 0, 30_000);
        assert_eq!((found.len(), found[0].exemplars.len()), (1, 2));
        assert_eq!(*head.metadata(&[any()])[0].1, metadata);
    };
    check(&head);
    drop(head);
    let (head, stats) = open(dir.path(), &options);
    assert_eq!(stats.damages, 0);
    check(&head);
}

#[test]
fn late_samples_are_kept_within_the_window() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { out_of_order_window_ms: HOUR, ..Options::default() };
    let (head, _) = open(dir.path(), &options);
    let l = labels(5);
    let mut expect = Vec::new();
    let put = |head: &Head, t: i64| {
        let mut app = head.appender(AppendOptions::default());
        let result = app.append(NO_REF, &l, t, t as f64);
        app.commit().unwrap();
        result
    };
    for n in 0..200i64 {
        // Every other sample is late by ten minutes.
        let t = 10 * HOUR + n * 20_000 - if n % 2 == 1 { 600_000 + 7 } else { 0 };
        put(&head, t).unwrap();
        expect.push((t, (t as f64).to_bits()));
    }
    expect.sort_unstable();
    assert_eq!(put(&head, 9 * HOUR), Err(AppendError::TooOld));
    assert_eq!(read(&head, vec![any()], TimeRange::all())[&l], expect);
    drop(head);
    let (head, stats) = open(dir.path(), &options);
    assert!(stats.late_samples > 0 && stats.damages == 0);
    assert_eq!(read(&head, vec![any()], TimeRange::all())[&l], expect);
}

#[test]
fn truncation_frees_series_and_shortens_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { wal_segment_bytes: 64 * 1024, ..Options::default() };
    let (head, _) = open(dir.path(), &options);
    fill(&head, 400, 0, 240, 30_000);
    for _ in 0..3 {
        head.next_round();
    }
    // The second half goes on alone.
    let mut app = head.appender(AppendOptions::default());
    for n in 200..400 {
        app.append(NO_REF, &labels(n), 5 * HOUR, 1.0).unwrap();
    }
    app.commit().unwrap();
    head.sync().unwrap();
    let segments = || std::fs::read_dir(dir.path().join("wal")).unwrap().count();
    let before = segments();
    assert_eq!(head.truncate_memory(4 * HOUR).unwrap(), 200);
    head.truncate_log(4 * HOUR).unwrap();
    assert!(segments() < before, "{before} segments became {}", segments());
    let all = read(&head, vec![any()], TimeRange::all());
    assert_eq!(all.len(), 200);
    assert_eq!(head.series_count(), 200);
    assert!(all.values().all(|samples| *samples == [(5 * HOUR, 1f64.to_bits())]));
    // Slots and ids are used again, references are not.
    let old = head.refs();
    let mut app = head.appender(AppendOptions::default());
    for n in 0..100 {
        let series = app.append(NO_REF, &labels(n), 5 * HOUR + 1, 1.0).unwrap();
        assert!(!old.contains(&series.0));
    }
    app.commit().unwrap();
    drop(head);
    let (head, stats) = Head::open(dir.path(), &options, &SystemFs::shared(), 4 * HOUR).unwrap();
    assert_eq!(stats.damages, 0);
    let all = read(&head, vec![any()], TimeRange::all());
    assert_eq!(all.len(), 300);
    assert!(all.values().all(|samples| samples.len() == 1));
}

#[test]
fn deletions_hide_samples_and_are_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let (head, _) = open(dir.path(), &Options::default());
    let mut expect = fill(&head, 20, 0, 300, 15_000);
    let hit = Matcher::equal("__name__", "metric_3");
    assert_eq!(head.delete(std::slice::from_ref(&hit), 100_000, 2_000_000).unwrap(), 2);
    for (labels, samples) in &mut expect {
        if labels.metric_name() == "metric_3" {
            samples.retain(|(t, _)| !(100_000..=2_000_000).contains(t));
        }
    }
    assert_eq!(read(&head, vec![any()], TimeRange::all()), expect);
    drop(head);
    let (head, _) = open(dir.path(), &Options::default());
    assert_eq!(read(&head, vec![any()], TimeRange::all()), expect);
}

#[test]
fn a_reader_sees_whole_commits_while_writers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (head, _) = open(dir.path(), &Options::default());
    let series = 600;
    fill(&head, series, 0, 1, 1000);
    std::thread::scope(|scope| {
        scope.spawn(|| fill(&head, series, 1000, 150, 1000));
        scope.spawn(|| {
            for _ in 0..60 {
                let range = TimeRange::all();
                let all = read(&head, vec![any()], range);
                let counts: Vec<usize> = all.values().map(Vec::len).collect();
                assert!(counts.iter().all(|c| *c == counts[0]), "half a commit was seen");
            }
        });
    });
}

#[test]
fn a_series_dropped_in_the_log_may_come_back_under_another_reference() {
    use crate::wal::record::{SampleEntry, TombstoneEntry};
    use crate::wal::{RecordBuffer, Wal, WalOptions, encode};
    let dir = tempfile::tempdir().unwrap();
    let log =
        Wal::open(SystemFs::shared(), &dir.path().join("wal"), WalOptions::default()).unwrap();
    let l = labels(1);
    let mut batch = RecordBuffer::default();
    let sample = |series, t| SampleEntry { series, start: 0, t, value: t as f64 };
    batch.record(|o| encode::series(o, [(17, &l), (18, &labels(2))]));
    batch.record(|o| encode::samples(o, &[sample(17, 1000), sample(18, 1000), sample(99, 1000)]));
    let gone = TombstoneEntry { series: 17, min_t: i64::MIN, max_t: i64::MAX };
    batch.record(|o| encode::tombstones(o, &[gone]));
    batch.record(|o| encode::series(o, [(21, &l), (22, &labels(2))]));
    batch.record(|o| encode::samples(o, &[sample(21, 2000), sample(22, 2000), sample(17, 2500)]));
    log.log(&batch).unwrap();
    drop(log);
    for _ in 0..2 {
        let (head, stats) = open(dir.path(), &Options::default());
        assert_eq!((stats.series, stats.unknown_series, stats.samples), (2, 1, 3));
        let all = read(&head, vec![any()], TimeRange::all());
        assert_eq!(all[&l], [(2000, 2000f64.to_bits())]);
        assert_eq!(all[&labels(2)].len(), 2, "one series under two references");
        assert!(head.refs().iter().all(|series| [18, 21].contains(series)));
        let mut app = head.appender(AppendOptions::default());
        let new = app.append(NO_REF, &labels(3), 3000, 1.0).unwrap();
        assert!(![17, 18, 21, 22, 99].contains(&new.0));
        app.rollback();
    }
}

mod deferred;
mod replaying;

//! Appending and reading while the log is still to be replayed.

use super::*;
use crate::TsdbError;
use crate::head::LogToReplay;

fn start(dir: &Path, options: &Options) -> (Arc<Head>, LogToReplay) {
    let (head, mut log) = Head::start(dir, options, &SystemFs::shared(), i64::MIN).unwrap();
    let early = put(&head, 0..1, i64::MAX / 2);
    assert!(matches!(early, Err(AppendError::ReadOnly(_))), "{early:?}");
    head.learn_series(&mut log).unwrap();
    (Arc::new(head), log)
}

fn put(head: &Head, series: std::ops::Range<usize>, t: i64) -> Result<(), AppendError> {
    let mut app = head.appender(AppendOptions::default());
    for n in series {
        app.append(NO_REF, &labels(n), t, value_of(n, t))?;
    }
    app.commit()
}

fn expect(all: &mut BTreeMap<Labels, Vec<(i64, u64)>>, series: std::ops::Range<usize>, t: i64) {
    for n in series {
        all.entry(labels(n)).or_default().push((t, value_of(n, t).to_bits()));
    }
}

fn everything(head: &Head) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    read(head, vec![any()], TimeRange::all())
}

#[test]
fn samples_come_and_are_seen_before_the_log_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default();
    let mut all = BTreeMap::new();
    {
        let (head, _) = open(dir.path(), &options);
        for step in 0..300 {
            put(&head, 0..100, step * 15_000).unwrap();
            expect(&mut all, 0..100, step * 15_000);
        }
    }
    let mut last = 299 * 15_000;
    for restart in 1..=3i64 {
        let (head, log) = start(dir.path(), &options);
        assert!(head.is_replaying());
        let t = last + 60_000;
        let mut young = BTreeMap::new();
        // Known series, some of them not this time, and new ones; enough to fill a chunk.
        let series = restart as usize..100 + restart as usize * 7;
        for step in 0..260 {
            put(&head, series.clone(), t + step * 10_000).unwrap();
            expect(&mut all, series.clone(), t + step * 10_000);
            expect(&mut young, series.clone(), t + step * 10_000);
        }
        // Closed chunks of before are seen already; what has come since is there whole.
        let seen = everything(&head);
        assert!(young.iter().all(|(labels, samples)| seen[labels].ends_with(samples)));
        let early = put(&head, 0..1, last);
        assert!(matches!(early, Err(AppendError::ReadOnly(_))), "{early:?}");
        last = t + 260 * 10_000;
        assert_eq!(put(&head, 5..6, t), Err(AppendError::OutOfOrder));
        assert!(matches!(head.delete(&[any()], 0, t), Err(TsdbError::Replaying(_))));
        if restart == 2 {
            // Killed before the log was read.
            last -= 10_000;
            continue;
        }
        let stats = head.replay(log).unwrap();
        assert_eq!((stats.damages, stats.unknown_series), (0, 0));
        assert!(!head.is_replaying());
        compare(&everything(&head), &all, &format!("restart {restart}"));
        put(&head, 0..100, last).unwrap();
        expect(&mut all, 0..100, last);
        let refs = head.refs();
        assert_eq!(refs.len(), head.series_count());
    }
    let (head, stats) = open(dir.path(), &options);
    assert_eq!((stats.damages, stats.unknown_series), (0, 0));
    compare(&everything(&head), &all, "at the end");
}

/// Names the first series that differs, and how: whole maps are too much to read.
fn compare(
    found: &BTreeMap<Labels, Vec<(i64, u64)>>,
    expect: &BTreeMap<Labels, Vec<(i64, u64)>>,
    what: &str,
) {
    assert_eq!(found.len(), expect.len(), "{what}");
    for (labels, samples) in expect {
        let found = found.get(labels).map_or(&[][..], Vec::as_slice);
        if found == samples.as_slice() {
            continue;
        }
        let missing = samples.iter().filter(|s| !found.contains(s)).count();
        let first = samples.iter().zip(found).find(|(a, b)| a != b);
        panic!(
            "{what}: {labels}: {missing} missing of {}, {} found, first {first:?}",
            samples.len(),
            found.len()
        );
    }
}

#[test]
fn a_restart_leaves_no_seam_in_the_chunks() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = Options::default();
    let (straight, _) = open(whole.path(), &options);
    let (mut head, _) = open(parts.path(), &options);
    for step in 0..200 {
        if step == 77 {
            drop(head);
            let log;
            (head, log) = start(parts.path(), &options);
            put(&head, 0..20, step * 15_000).unwrap();
            head.replay(log).unwrap();
        } else {
            put(&head, 0..20, step * 15_000).unwrap();
        }
        put(&straight, 0..20, step * 15_000).unwrap();
    }
    let request = SelectRequest::new(vec![any()], TimeRange::all());
    let bounds = |head: &Head| -> Vec<Vec<(i64, i64)>> {
        let set = head.select_now(&request).unwrap();
        let chunks = |i| set.chunks(i).iter().map(|c| (c.min_time, c.max_time)).collect();
        (0..set.len()).map(chunks).collect()
    };
    assert_eq!(bounds(&head), bounds(&straight));
}

#[test]
fn histograms_exemplars_and_metadata_wait_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default();
    let histogram = |n: u64| Histogram {
        schema: 1,
        count: n,
        sum: n as f64,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![n as i64],
        ..Histogram::default()
    };
    let exemplar = |t: i64| Exemplar {
        labels: Labels::from_pairs([("trace", t.to_string())]),
        value: 1.0,
        timestamp: Some(t),
    };
    let write = |head: &Head, t: i64| {
        let mut app = head.appender(AppendOptions::default());
        app.append_histogram(NO_REF, &labels(1), t, histogram(t as u64)).unwrap();
        app.append_exemplar(NO_REF, &labels(1), exemplar(t)).unwrap();
        let metadata = Metadata {
            metric_type: MetricType::Counter,
            help: t.to_string(),
            ..Metadata::default()
        };
        app.update_metadata(NO_REF, &labels(1), &metadata).unwrap();
        app.commit().unwrap();
    };
    let (head, _) = open(dir.path(), &options);
    (1..10).for_each(|t| write(&head, t * 1000));
    drop(head);
    let (head, log) = start(dir.path(), &options);
    (20..25).for_each(|t| write(&head, t * 1000));
    let mut app = head.appender(AppendOptions::default());
    app.append(NO_REF, &labels(1), 30_000, STALE_NAN).unwrap();
    app.commit().unwrap();
    head.replay(log).unwrap();
    let found = &everything(&head)[&labels(1)];
    let expect: Vec<i64> = (1..10).chain(20..25).chain([30]).map(|t| t * 1000).collect();
    assert_eq!(found.iter().map(|(t, _)| *t).collect::<Vec<_>>(), expect);
    assert_eq!(head.stats().num_histogram_series, 1);
    assert_eq!(head.exemplars(&[vec![any()]], 0, 100_000)[0].exemplars.len(), 14);
    assert_eq!(head.metadata(&[any()])[0].1.help, "24000");
}

#[test]
fn a_series_keeps_its_reference_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default();
    let (head, _) = open(dir.path(), &options);
    put(&head, 0..10, 1000).unwrap();
    let mut before = head.refs();
    drop(head);
    for restart in 1..5 {
        let (head, log) = start(dir.path(), &options);
        put(&head, 0..10 + restart, restart as i64 * 10_000).unwrap();
        head.replay(log).unwrap();
        assert!(head.refs().is_superset(&before), "upstream forgets samples of a second reference");
        before = head.refs();
        assert_eq!(before.len(), 10 + restart);
    }
}

#[test]
fn what_a_kill_left_of_a_record_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default();
    let (head, _) = open(dir.path(), &options);
    put(&head, 0..10, 1000).unwrap();
    let end = head.wal().unwrap().end().offset;
    put(&head, 0..10, 2000).unwrap();
    let whole = head.wal().unwrap().end().offset;
    drop(head);
    let path = dir.path().join("wal/00000000");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..whole as usize - 5]).unwrap();
    let (head, stats) = open(dir.path(), &options);
    assert_eq!(stats.damages, 1, "{:?}", stats.damage);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), end);
    assert_eq!(everything(&head).values().map(Vec::len).sum::<usize>(), 10);
    drop(head);
    assert_eq!(open(dir.path(), &options).1.damages, 0);
}

//! Random appends, deletions, restarts and compactions: what is read equals a sorted map.

use std::path::Path;
use std::sync::Arc;

use gauntlet_model::{Labels, Matcher, SeriesRef};
use gauntlet_runtime::Fs;
use gauntlet_storage::{AppendOptions, Appendable, TimeRange};
use gauntlet_testkit::FaultFs;
use gauntlet_tsdb::{Db, Options};

use crate::support::{Samples, any, open, open_on, read};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

fn labels(n: u64) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("m{}", n % 5)),
        ("instance", format!("h{}", n % 13)),
        ("job", format!("j{}", n % 3)),
        ("n", n.to_string()),
    ])
}

/// Adds a sample to what is expected; of equal times the first stays.
fn expect(model: &mut Samples, labels: Labels, t: i64, value: f64) {
    let samples = model.entry(labels).or_default();
    if let Err(at) = samples.binary_search_by_key(&t, |(t, _)| *t) {
        samples.insert(at, (t, value.to_bits()));
    }
}

fn check(db: &Db, model: &Samples, what: &str) {
    let all = read(db, vec![any()], TimeRange::all());
    for (labels, samples) in model {
        let found = all.get(labels).map_or(&[][..], Vec::as_slice);
        if found != samples.as_slice() {
            let missing: Vec<_> = samples.iter().filter(|s| !found.contains(s)).take(5).collect();
            let invented: Vec<_> = found.iter().filter(|s| !samples.contains(s)).take(5).collect();
            panic!(
                "{what}: {labels}: {} of {}, missing {missing:?}, invented {invented:?}",
                found.len(),
                samples.len()
            );
        }
    }
    assert_eq!(all.len(), model.len(), "{what}");
}

fn run(seed: u64, window: i64) {
    let mut random = Random(seed * 7919 + 1);
    // In memory: a thousand syncs would be most of the time.
    let fs: Arc<dyn Fs> = Arc::new(FaultFs::new(seed));
    let dir = Path::new("/data");
    let options = Options {
        min_block_ms: 600_000,
        max_block_ms: 5_400_000,
        wal_segment_bytes: 64 * 1024,
        out_of_order_window_ms: window,
        retention_ms: 0,
        ..Options::default()
    };
    let mut db = open_on(Arc::clone(&fs), dir, options.clone());
    let mut model = Samples::new();
    let mut refs: Vec<SeriesRef> = vec![SeriesRef(0); 60];
    let mut now = 1_000_000i64;
    let mut deleted: Vec<(String, i64, i64)> = Vec::new();
    for step in 0..260 {
        now += 5_000 + random.below(20_000) as i64;
        let mut app = db.appender(AppendOptions::default());
        let mut batch = Vec::new();
        for n in 0..60u64 {
            // Series come and go.
            if (n + step / 40) % 4 == 0 || random.below(10) == 0 {
                continue;
            }
            let late = window > 0 && random.below(12) == 0;
            let t = if late {
                now - random.below(window as u64 / 2) as i64
            } else {
                now - random.below(1000) as i64
            };
            let value = random.below(1000) as f64 / 4.0;
            // What comes late into a deleted span may or may not be seen.
            let name = format!("m{}", n % 5);
            if late && deleted.iter().any(|(d, from, to)| *d == name && (*from..=*to).contains(&t))
            {
                continue;
            }
            let known = random.below(3) > 0;
            let given = if known { refs[n as usize] } else { SeriesRef(0) };
            if let Ok(series) = app.append(given, &labels(n), t, value) {
                refs[n as usize] = series;
                batch.push((n, t, value));
            }
        }
        if random.below(15) == 0 {
            app.rollback();
        } else {
            app.commit().unwrap();
            for (n, t, value) in batch {
                expect(&mut model, labels(n), t, value);
            }
        }
        match random.below(30) {
            0 | 1 => db.compact_tick().unwrap(),
            2 => {
                drop(db);
                db = open_on(Arc::clone(&fs), dir, options.clone());
                // References do not outlive a process: one of a series that was never logged may be given anew.
                refs.fill(SeriesRef(0));
                assert_eq!(db.replay_stats().damages, 0);
                assert_eq!(db.replay_stats().unknown_series, 0, "step {step}");
            }
            3 => {
                let (from, to) =
                    (now - random.below(3_000_000) as i64, now - random.below(100_000) as i64);
                let name = format!("m{}", random.below(5));
                if from < to {
                    db.delete(&[Matcher::equal("__name__", &name)], from, to).unwrap();
                    for (labels, samples) in &mut model {
                        if labels.metric_name() == name {
                            samples.retain(|(t, _)| *t < from || *t > to);
                        }
                    }
                    model.retain(|_, samples| !samples.is_empty());
                    deleted.push((name, from, to));
                }
            }
            4 => db.clean_tombstones().unwrap(),
            5 => check(&db, &model, &format!("seed {seed}, step {step}")),
            _ => {}
        }
    }
    check(&db, &model, "end");
    db.compact_tick().unwrap();
    check(&db, &model, "after compaction");
    db.flush_head().unwrap();
    assert!(db.blocks().len() > 1);
    check(&db, &model, "all in blocks");
    let snapshot = dir.join("snapshots/s1");
    db.snapshot(&snapshot, true).unwrap();
    let copy = open_on(fs, &snapshot, options);
    check(&copy, &model, "snapshot");
}

#[test]
fn head_and_blocks_equal_a_sorted_map() {
    for seed in 1..7 {
        run(seed, 0);
    }
}

#[test]
fn late_samples_change_nothing_in_that() {
    for seed in 20..24 {
        run(seed, 400_000);
    }
}

#[test]
fn retention_takes_the_oldest_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        min_block_ms: 600_000,
        max_block_ms: 600_000,
        retention_ms: 3_000_000,
        ..Options::default()
    };
    let db = open(dir.path(), options);
    for step in 0..1000i64 {
        let mut app = db.appender(AppendOptions::default());
        app.append(SeriesRef(0), &labels(1), step * 10_000, 1.0).unwrap();
        app.commit().unwrap();
        if step % 10 == 0 {
            db.compact_tick().unwrap();
        }
    }
    let blocks = db.block_metas();
    let newest = blocks.iter().map(|b| b.max_time).max().unwrap();
    assert!(blocks.iter().all(|b| newest - b.max_time < 3_000_000));
    assert!((4..=6).contains(&blocks.len()), "{}", blocks.len());
    assert!(db.time_range().unwrap().0 > 3_000_000);
}

#[test]
fn a_bad_block_is_named_and_the_rest_serves() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { min_block_ms: 600_000, max_block_ms: 600_000, ..Options::default() };
    let db = open(dir.path(), options.clone());
    let mut model = Samples::new();
    for step in 0..300i64 {
        let mut app = db.appender(AppendOptions::default());
        app.append(SeriesRef(0), &labels(1), step * 10_000, step as f64).unwrap();
        app.commit().unwrap();
        expect(&mut model, labels(1), step * 10_000, step as f64);
    }
    db.compact_tick().unwrap();
    let metas = db.block_metas();
    assert!(metas.len() >= 3);
    drop(db);
    let bad = dir.path().join(metas[1].ulid.to_string());
    std::fs::write(bad.join("index"), b"nonsense").unwrap();
    let db = open(dir.path(), options);
    assert_eq!(db.bad_blocks()[0].folder, bad);
    assert_eq!(db.blocks().len(), metas.len() - 1);
    for samples in model.values_mut() {
        samples.retain(|(t, _)| *t < metas[1].min_time || *t >= metas[1].max_time);
    }
    check(&db, &model, "without the bad block");
    db.compact_tick().unwrap();
    assert!(bad.exists(), "a bad block is left for whoever mends it");
}

#[test]
fn a_reader_misses_nothing_while_blocks_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        min_block_ms: 60_000,
        max_block_ms: 540_000,
        out_of_order_window_ms: 20_000,
        retention_ms: 0,
        ..Options::default()
    };
    let db = open(dir.path(), options);
    let done = std::sync::atomic::AtomicBool::new(false);
    let newest = std::sync::atomic::AtomicI64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for step in 1..=1500i64 {
                let mut app = db.appender(AppendOptions::default());
                for n in 0..20 {
                    let late = i64::from(step % 9 == 0) * 7_500;
                    app.append(SeriesRef(0), &labels(n), step * 1000 - late, 1.0).unwrap();
                }
                app.commit().unwrap();
                newest.store(step, std::sync::atomic::Ordering::Release);
                if step % 50 == 0 {
                    db.compact_tick().unwrap();
                }
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                let least = newest.load(std::sync::atomic::Ordering::Acquire) as usize;
                let all = read(&db, vec![any()], TimeRange::all());
                let counts: Vec<usize> = all.values().map(Vec::len).collect();
                assert!(least == 0 || counts.len() == 20);
                assert!(counts.iter().all(|c| *c >= least), "{least} committed, {counts:?} read");
            }
        });
    });
    assert!(db.blocks().len() > 2);
}

/// A database of three blocks; the model of its samples.
fn three_blocks(dir: &std::path::Path) -> (Options, Samples) {
    let options = Options { min_block_ms: 600_000, max_block_ms: 600_000, ..Options::default() };
    let db = open(dir, options.clone());
    let mut model = Samples::new();
    for step in 0..300i64 {
        let mut app = db.appender(AppendOptions::default());
        for n in 0..5 {
            app.append(SeriesRef(0), &labels(n), step * 10_000, step as f64).unwrap();
            expect(&mut model, labels(n), step * 10_000, step as f64);
        }
        app.commit().unwrap();
    }
    db.compact_tick().unwrap();
    assert!(db.blocks().len() >= 3);
    (options, model)
}

#[test]
fn a_damaged_chunk_costs_itself_alone() {
    use futures::FutureExt as _;
    use gauntlet_storage::{Queryable as _, SelectRequest};
    let dir = tempfile::tempdir().unwrap();
    let (options, model) = three_blocks(dir.path());
    let db = open(dir.path(), options.clone());
    let path = db.blocks()[1].folder().join("chunks/000001");
    drop(db);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 16;
    std::fs::write(&path, &bytes).unwrap();
    let db = open(dir.path(), options);
    let block = db.blocks()[1].clone();
    let request = SelectRequest::new(vec![any()], TimeRange::all());
    let set = db.select(&request).now_or_never().unwrap().unwrap();
    assert!(set.warnings.is_empty());
    let (mut scratch, mut columns) = Default::default();
    let failed = (0..set.len())
        .filter_map(|i| set.decode(i, TimeRange::all(), &mut scratch, &mut columns).err())
        .map(|err| err.to_string())
        .collect::<Vec<_>>();
    assert!(failed.len() == 1 && failed[0].contains("000001"), "{failed:?}");
    // From now on the rest is served.
    let set = db.select(&request).now_or_never().unwrap().unwrap();
    assert!(set.warnings.len() == 1 && set.warnings[0].contains("damaged"), "{:?}", set.warnings);
    let found = read(&db, vec![any()], TimeRange::all());
    let count = |samples: &Samples| samples.values().map(Vec::len).sum::<usize>();
    assert_eq!(count(&model) - count(&found), 60);
    assert_eq!(block.damaged_chunks(), 1);
}

#[test]
fn a_changed_meta_json_is_found_by_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _) = three_blocks(dir.path());
    let db = open(dir.path(), options.clone());
    let meta = db.block_metas()[1].clone();
    drop(db);
    let path = dir.path().join(meta.ulid.to_string()).join("meta.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        (format!("\"minTime\": {}", meta.min_time), "\"minTime\": 900000".to_owned()),
        (format!("\"maxTime\": {}", meta.max_time), "\"maxTime\": 1100000".to_owned()),
        ("\"numSeries\": 5".to_owned(), "\"numSeries\": 4".to_owned()),
        (meta.ulid.to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()),
    ] {
        assert!(text.contains(&from), "{from}: {text}");
        std::fs::write(&path, text.replacen(&from, &to, 1)).unwrap();
        let db = open(dir.path(), options.clone());
        db.verify_blocks();
        assert_eq!(db.bad_blocks().len(), 1, "{to}");
        db.reload().unwrap();
        assert_eq!((db.bad_blocks().len(), db.blocks().len() >= 2), (1, true), "{to}");
    }
    std::fs::write(&path, &text).unwrap();
    let db = open(dir.path(), options);
    db.verify_blocks();
    assert!(db.bad_blocks().is_empty());
}

#[test]
fn series_that_ended_leave_the_head_and_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { min_block_ms: 600_000, max_block_ms: 600_000, ..Options::default() };
    let db = open(dir.path(), options.clone());
    db.set_stale_series_threshold(0.5);
    let mut model = Samples::new();
    let put = |db: &Db, model: &mut Samples, n: u64, t: i64, value: f64| {
        let mut app = db.appender(AppendOptions::default());
        app.append(SeriesRef(0), &labels(n), t, value).unwrap();
        app.commit().unwrap();
        expect(model, labels(n), t, value);
    };
    for step in 0..80 {
        for n in 0..10 {
            put(&db, &mut model, n, step * 10_000, step as f64);
        }
    }
    for n in 0..4 {
        put(&db, &mut model, n, 800_000, gauntlet_model::STALE_NAN);
    }
    (0..3).for_each(|_| db.compact_tick().unwrap());
    assert_eq!(db.head().series_count(), 10, "too few have ended");
    for n in 4..6 {
        put(&db, &mut model, n, 800_000, gauntlet_model::STALE_NAN);
    }
    (0..3).for_each(|_| db.compact_tick().unwrap());
    // The two last ones had just been met when the others left; without those they are too few.
    assert_eq!(db.head().series_count(), 6);
    assert!(db.block_metas().iter().all(|meta| meta.compaction.is_partial_view()));
    check(&db, &model, "after they left");
    put(&db, &mut model, 1, 810_000, 7.0);
    put(&db, &mut model, 8, 810_000, 7.0);
    assert_eq!(db.head().series_count(), 7);
    check(&db, &model, "one came back");
    drop(db);
    for round in 0..2 {
        let db = open(dir.path(), options.clone());
        assert_eq!(db.replay_stats().damages, 0);
        check(&db, &model, &format!("after restart {round}"));
        assert_eq!(db.head().series_count(), 7, "restart {round}");
    }
}

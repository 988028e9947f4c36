//! Crashes at every writing operation, of the process and of the machine; a disk that runs full: no acknowledged sample is lost.

use std::path::Path;
use std::sync::Arc;

use gauntlet_model::{Labels, SeriesRef};
use gauntlet_runtime::{Clock, Fs, ManualClock};
use gauntlet_storage::{AppendError, AppendOptions, Appendable, TimeRange};
use gauntlet_testkit::{FaultFs, Loss};
use gauntlet_tsdb::{Db, Durability, Options};

use crate::support::{Samples, any, read};

const DIR: &str = "/data";

fn options() -> Options {
    Options {
        min_block_ms: 60_000,
        max_block_ms: 540_000,
        wal_segment_bytes: 32 * 1024,
        retention_ms: 0,
        durability: Durability::OnRequest,
        ..Options::default()
    }
}

fn open(fs: &FaultFs) -> Result<Db, gauntlet_tsdb::TsdbError> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1_700_000_000_000));
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    let db = Db::open(Path::new(DIR), options(), clock, fs)?;
    db.wait_replayed()?;
    Ok(db)
}

fn labels(n: i64) -> Labels {
    Labels::from_pairs([
        ("__name__", "m".to_owned()),
        ("job", "j".to_owned()),
        ("n", n.to_string()),
    ])
}

/// One batch; true if it was acknowledged.
fn put(db: &Db, step: i64, durable: bool) -> Result<(), AppendError> {
    let mut app = db.appender(AppendOptions { durable, ..AppendOptions::default() });
    for n in 0..8 {
        app.append(SeriesRef(0), &labels(n + step / 60), step * 1000, (step * n) as f64)?;
    }
    app.commit()
}

fn expect(model: &mut Samples, step: i64) {
    for n in 0..8 {
        let value = ((step * n) as f64).to_bits();
        model.entry(labels(n + step / 60)).or_default().push((step * 1000, value));
    }
}

/// Runs until the crash; returns what was acknowledged, and the batch that was under way.
fn work(fs: &FaultFs, durable: bool) -> (Samples, Option<i64>) {
    let mut model = Samples::new();
    let Ok(db) = open(fs) else { return (model, None) };
    for step in 1..=260 {
        match put(&db, step, durable) {
            Ok(()) => expect(&mut model, step),
            Err(_) => return (model, Some(step)),
        }
        if step % 40 == 0 && db.compact_tick().is_err() && fs.has_crashed() {
            return (model, None);
        }
    }
    (model, None)
}

fn check(fs: &FaultFs, model: &Samples, under_way: Option<i64>, what: &str) {
    let db = open(fs).unwrap_or_else(|err| panic!("{what}: does not open: {err}"));
    let found = read(&db, vec![any()], TimeRange::all());
    let mut allowed = model.clone();
    if let Some(step) = under_way {
        expect(&mut allowed, step);
    }
    for (labels, samples) in model {
        let ours = found.get(labels).map_or(&[][..], Vec::as_slice);
        for sample in samples {
            assert!(ours.contains(sample), "{what}: {labels} lost {sample:?}");
        }
    }
    for (labels, samples) in &found {
        let may = allowed.get(labels).map_or(&[][..], Vec::as_slice);
        assert!(
            samples.iter().all(|s| may.contains(s)),
            "{what}: {labels} has a sample that nobody sent"
        );
    }
    // It goes on.
    put(&db, 400, true).unwrap();
}

fn crash_everywhere(loss: Loss, durable: bool, stride: u64) {
    let whole = FaultFs::new(1);
    let (model, _) = work(&whole, durable);
    assert_eq!(model.values().map(Vec::len).sum::<usize>(), 260 * 8);
    let operations = whole.operations();
    assert!(operations > 300, "{operations}");
    for at in (1..operations).step_by(stride as usize) {
        let fs = FaultFs::new(at);
        fs.crash_at(at);
        let (model, under_way) = work(&fs, durable);
        check(&fs.after_crash(loss), &model, under_way, &format!("{loss:?} at operation {at}"));
    }
}

#[test]
fn the_process_may_die_at_any_write() {
    crash_everywhere(Loss::Process, false, 11);
}

#[test]
fn the_machine_may_die_at_any_write() {
    crash_everywhere(Loss::Machine, true, 13);
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let fs = FaultFs::new(5);
    let db = open(&fs).unwrap();
    let mut model = Samples::new();
    let (mut refused, mut step) = (0, 0);
    for round in 0..6 {
        fs.set_capacity((round % 2 == 1).then_some(40_000 + round * 4_000));
        for _ in 0..50 {
            step += 1;
            match put(&db, step, true) {
                Ok(()) => expect(&mut model, step),
                Err(AppendError::ReadOnly(text)) => {
                    assert!(text.contains("disk full"), "{text}");
                    refused += 1;
                }
                Err(err) => panic!("{err}"),
            }
            if step % 20 == 0 {
                // Background work may fail on a full disk; it must not harm.
                let _ = db.compact_tick();
            }
        }
    }
    assert!(refused > 0);
    fs.set_capacity(None);
    put(&db, step + 1, true).unwrap();
    expect(&mut model, step + 1);
    assert_eq!(read(&db, vec![any()], TimeRange::all()), model);
    drop(db);
    let db = open(&fs.after_crash(Loss::Machine)).unwrap();
    assert_eq!(read(&db, vec![any()], TimeRange::all()), model);
}

#[test]
fn below_the_floor_nothing_is_taken_and_above_it_again() {
    let fs = FaultFs::new(6);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1_700_000_000_000));
    let options = Options { min_free_bytes: 100_000, ..options() };
    let db = Db::open(Path::new(DIR), options, clock, Arc::new(fs.clone())).unwrap();
    db.wait_replayed().unwrap();
    let mut model = Samples::new();
    let mut step = 0;
    for round in 0..20 {
        let used = |fs: &FaultFs| {
            let space = fs.space(Path::new(DIR)).unwrap();
            space.total_bytes - space.free_bytes
        };
        fs.set_capacity(Some(used(&fs) + 130_000));
        db.head().check_space(Path::new(DIR));
        for _ in 0..4 {
            step += 1;
            put(&db, step, true).unwrap_or_else(|err| panic!("round {round}: {err}"));
            expect(&mut model, step);
        }
        fs.set_capacity(Some(used(&fs) + 90_000));
        db.head().check_space(Path::new(DIR));
        let series = db.head().series_count();
        for _ in 0..4 {
            let refused = put(&db, step + 1, true);
            assert!(
                matches!(&refused, Err(AppendError::ReadOnly(why)) if why.contains("disk full")),
                "{refused:?}"
            );
        }
        assert_eq!(db.head().series_count(), series);
        // A little more than the floor is not enough: it would flutter.
        fs.set_capacity(Some(used(&fs) + 110_000));
        db.head().check_space(Path::new(DIR));
        assert!(put(&db, step + 1, true).is_err());
        fs.set_capacity(Some(used(&fs) + 200_000));
        db.head().check_space(Path::new(DIR));
        step += 1;
        put(&db, step, true).unwrap();
        expect(&mut model, step);
        assert_eq!(read(&db, vec![any()], TimeRange::all()), model);
    }
    drop(db);
    fs.set_capacity(None);
    let db = open(&fs.after_crash(Loss::Machine)).unwrap();
    assert_eq!(read(&db, vec![any()], TimeRange::all()), model);
}

/// Every kind of file of a folder, one bit flipped in it at a time: it opens, what is wrong is said, no sample is invented.
#[test]
fn a_flipped_bit_is_never_silent() {
    let fs = FaultFs::new(3);
    let (model, _) = work(&fs, true);
    let files: Vec<_> = ["wal", "chunks_head"]
        .iter()
        .flat_map(|folder| {
            let dir = Path::new(DIR).join(folder);
            let entries = fs.list(&dir).unwrap_or_default();
            entries.into_iter().filter(|e| !e.is_dir).map(move |e| (dir.join(e.name), e.size_bytes))
        })
        .collect();
    assert!(files.len() >= 3);
    for (path, size) in files {
        for byte in (0..size).step_by(size.div_ceil(9).max(1) as usize) {
            let copy = fs.after_crash(Loss::Process);
            copy.flip(&path, byte * 8 + byte % 8);
            let db = open(&copy).unwrap();
            let found = read(&db, vec![any()], TimeRange::all());
            let what = format!("byte {byte} of {}", path.display());
            for (labels, samples) in &found {
                let may = model.get(labels).map_or(&[][..], Vec::as_slice);
                assert!(
                    samples.iter().all(|s| may.contains(s)),
                    "{what}: {labels} has a wrong sample"
                );
            }
            let stats = db.replay_stats();
            assert!(
                found == model || stats.damages > 0,
                "{what}: samples are lost and nobody says so"
            );
            // A batch has eight samples, a series its first record: nothing else may go.
            let lost: usize = model.values().map(Vec::len).sum::<usize>()
                - found.values().map(Vec::len).sum::<usize>();
            assert!(lost <= 8 * 40, "{what}: {lost} samples lost");
        }
    }
}

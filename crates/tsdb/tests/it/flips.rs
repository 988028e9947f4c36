//! Random bits flipped in every kind of file of a folder: what is read afterwards is the same, or it is said that something is wrong.
//! `FLIPS=5000` for a long run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt as _;
use gauntlet_chunk::Columns;
use gauntlet_model::{Labels, Matcher, SeriesRef};
use gauntlet_runtime::{Clock, Fs, ManualClock};
use gauntlet_storage::{
    AppendOptions, Appendable, DecodeScratch, Queryable as _, SelectRequest, TimeRange,
};
use gauntlet_testkit::{FaultFs, Loss};
use gauntlet_tsdb::{Db, Durability, Options};

use crate::support::{Samples, any};

const DIR: &str = "/data";

fn open(fs: &FaultFs) -> Result<Db, gauntlet_tsdb::TsdbError> {
    let options = Options {
        min_block_ms: 60_000,
        max_block_ms: 180_000,
        wal_segment_bytes: 32 * 1024,
        retention_ms: 0,
        out_of_order_window_ms: 50_000,
        durability: Durability::OnRequest,
        ..Options::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1_700_000_000_000));
    let db = Db::open(Path::new(DIR), options, clock, Arc::new(fs.clone()))?;
    db.wait_replayed()?;
    Ok(db)
}

fn labels(n: i64) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("m{}", n % 3)),
        ("job", "j".to_owned()),
        ("n", n.to_string()),
    ])
}

/// A folder with blocks, deletions, a checkpoint, late samples and head chunks.
fn folder() -> FaultFs {
    let fs = FaultFs::new(11);
    let db = open(&fs).unwrap();
    for step in 1..=740i64 {
        let mut app = db.appender(AppendOptions { durable: true, ..AppendOptions::default() });
        for n in 0..12 {
            let value = if n % 4 == 0 { 1.0 } else { (step * n) as f64 / 7.0 };
            app.append(SeriesRef(0), &labels(n + step / 200), step * 500, value).unwrap();
        }
        if step % 11 == 0 {
            app.append(SeriesRef(0), &labels(3), step * 500 - 7_003, -1.0).ok();
        }
        app.commit().unwrap();
        if step % 100 == 0 {
            db.compact_tick().unwrap();
        }
    }
    db.delete(&[Matcher::equal("n", "5")], 20_000, 40_000).unwrap();
    drop(db);
    fs
}

/// Everything that is read; `None` where anything is said to be wrong.
fn read(db: &Db) -> (Samples, bool) {
    let mut said = db.replay_stats().damages > 0
        || db.replay_stats().unknown_series > 0
        || !db.bad_blocks().is_empty();
    let request = SelectRequest::new(vec![any()], TimeRange::all());
    let mut out = Samples::new();
    let Ok(set) = db.select(&request).now_or_never().unwrap() else { return (out, true) };
    said |= !set.warnings.is_empty();
    let (mut scratch, mut columns) = (DecodeScratch::default(), Columns::default());
    for index in 0..set.len() {
        match set.decode(index, TimeRange::all(), &mut scratch, &mut columns) {
            Err(_) => said = true,
            Ok(()) if columns.is_empty() => {}
            Ok(()) => {
                let values = columns.values.iter().map(|value| value.to_bits());
                let samples = columns.timestamps.iter().copied().zip(values).collect();
                out.insert(set.labels(index).clone(), samples);
            }
        }
    }
    (out, said)
}

fn files(fs: &FaultFs, dir: &Path, out: &mut Vec<(PathBuf, u64)>) {
    for entry in fs.list(dir).unwrap() {
        let path = dir.join(&entry.name);
        match entry.is_dir {
            true => files(fs, &path, out),
            false if entry.size_bytes > 0 => out.push((path, entry.size_bytes)),
            false => {}
        }
    }
}

/// What a file is: its name without numbers.
fn kind(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    let parent = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
    match parent {
        "chunks" | "chunks_head" | "wal" | "wbl" => parent.to_owned(),
        checkpoint if checkpoint.starts_with("checkpoint") => "checkpoint".to_owned(),
        _ => name.to_owned(),
    }
}

#[test]
fn no_flipped_bit_gives_a_wrong_answer_in_silence() {
    let flips: u64 = std::env::var("FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(45);
    let whole = folder();
    let expect = {
        let db = open(&whole.after_crash(Loss::Process)).unwrap();
        db.verify_blocks();
        let (samples, said) = read(&db);
        assert!(!said && samples.len() >= 12);
        samples
    };
    let mut all = Vec::new();
    files(&whole, Path::new(DIR), &mut all);
    let mut by_kind: BTreeMap<String, Vec<(PathBuf, u64)>> = BTreeMap::new();
    for (path, size) in all {
        by_kind.entry(kind(&path)).or_default().push((path, size));
    }
    let kinds = ["checkpoint", "chunks", "chunks_head", "head_cut", "index", "meta.json"];
    for wanted in kinds.iter().chain(&["tombstones", "wal", "wbl"]) {
        assert!(by_kind.contains_key(*wanted), "no {wanted} in {:?}", by_kind.keys());
    }
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) % bound
    };
    let mut counts: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    let names: Vec<String> = by_kind.keys().cloned().collect();
    for n in 0..flips {
        let kind = &names[n as usize % names.len()];
        let of_kind = &by_kind[kind];
        let (path, size) = &of_kind[below(of_kind.len() as u64) as usize];
        let bit = below(size * 8);
        let fs = whole.after_crash(Loss::Process);
        fs.flip(path, bit);
        let what = format!("flip {n}: bit {bit} of {}", path.display());
        let db = open(&fs).unwrap_or_else(|err| panic!("{what}: does not open: {err}"));
        db.verify_blocks();
        let (samples, said) = read(&db);
        let same = samples == expect;
        if !same && !said {
            let text = String::from_utf8_lossy(&fs.read(path, 1 << 20).unwrap()).into_owned();
            panic!("{what}: another answer, and nobody says so: {:.600}", text);
        }
        for (labels, found) in &samples {
            let may = expect.get(labels);
            assert!(
                may.is_some_and(|may| found.iter().all(|sample| may.contains(sample))) || said,
                "{what}: {labels} has a sample that nobody sent"
            );
        }
        let count = counts.entry(kind.clone()).or_default();
        count[match (same, said) {
            (true, false) => 0,
            (true, true) => 1,
            _ => 2,
        }] += 1;
    }
    println!("{flips} flips; by kind: no effect, said and nothing lost, said and something lost");
    for (kind, [none, said, lost]) in counts {
        println!("  {kind:<12} {none:5} {said:5} {lost:5}");
    }
}

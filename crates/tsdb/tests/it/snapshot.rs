//! Upstream's snapshot of open chunks: it changes nothing while the log is whole, and mends what the log has lost.
//!
//! The files of `recorded/snapshot` are those of a folder that upstream 3.14 wrote and stopped with `memory-snapshot-on-shutdown`:
//! five series with 200 samples each, exemplars, a deletion; without the zeros at their ends.

use std::path::Path;

use gauntlet_model::SeriesRef;
use gauntlet_storage::{AppendOptions, Appendable, TimeRange};
use gauntlet_tsdb::{Db, Options};

use crate::support::{Samples, any, open, read};

const WAL: &[u8] = include_bytes!("recorded/snapshot/wal");
const SNAPSHOT: &[u8] = include_bytes!("recorded/snapshot/chunk_snapshot");
const CHUNKS: &[u8] = include_bytes!("recorded/snapshot/chunks_head");
const NAME: &str = "chunk_snapshot.000000.0000032768";
const BEGIN: i64 = 1_700_000_000_000;

fn folder(wal: &[u8], snapshot: &[u8], chunks: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (place, bytes) in [
        ("wal/00000000", wal),
        (&format!("{NAME}/00000000"), snapshot),
        ("chunks_head/000001", chunks),
    ] {
        if !bytes.is_empty() {
            let path = dir.path().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    dir
}

fn all(db: &Db) -> Samples {
    read(db, vec![any()], TimeRange::all())
}

fn exemplars(db: &Db) -> usize {
    db.head().stats().exemplars as usize
}

fn opened(dir: &Path) -> Db {
    open(dir, Options { max_exemplars: 100, ..Options::default() })
}

/// What the log says without a snapshot.
fn whole() -> Samples {
    let dir = folder(WAL, b"", CHUNKS);
    let db = opened(dir.path());
    assert_eq!(db.replay_stats().damages, 0);
    let all = all(&db);
    let counts: Vec<usize> = all.values().map(Vec::len).collect();
    assert_eq!(counts, [200, 190, 200, 200, 200]);
    all
}

#[test]
fn beside_a_whole_log_it_changes_nothing() {
    let whole = whole();
    for snapshot in [SNAPSHOT, &SNAPSHOT[..SNAPSHOT.len() / 2], b"no snapshot"] {
        for chunks in [CHUNKS, b""] {
            let dir = folder(WAL, snapshot, chunks);
            let db = opened(dir.path());
            assert_eq!(db.replay_stats().damages, 0);
            assert!(all(&db) == whole);
            assert_eq!(db.head().stats().num_series, 5);
        }
    }
}

#[test]
fn without_a_log_open_chunks_are_there_and_go_on() {
    let whole = whole();
    let dir = folder(b"", SNAPSHOT, CHUNKS);
    let db = opened(dir.path());
    assert!(all(&db) == whole, "closed chunks and open ones are all there is");
    assert!(exemplars(&db) > 0);
    // What comes next is logged with the series' labels, and so survives without the snapshot.
    let mut app = db.appender(AppendOptions::default());
    for labels in whole.keys() {
        if labels.metric_name() == "f" {
            app.append(SeriesRef(0), labels, BEGIN + 3_600_000, 7.0).unwrap();
        }
    }
    app.commit().unwrap();
    drop(db);
    std::fs::remove_dir_all(dir.path().join(NAME)).unwrap();
    let db = opened(dir.path());
    assert_eq!(db.replay_stats().unknown_series, 0);
    let now = all(&db);
    assert_eq!(now.len(), 3);
    assert!(
        now.values().all(|samples| samples.last() == Some(&(BEGIN + 3_600_000, 7f64.to_bits())))
    );
}

#[test]
fn damage_of_the_log_is_mended() {
    let whole = whole();
    let lost = |snapshot: &[u8], at: usize| {
        let mut wal = WAL.to_vec();
        wal[at] ^= 0x20;
        let dir = folder(&wal, snapshot, CHUNKS);
        let db = opened(dir.path());
        let found = all(&db);
        assert!(found.iter().all(|(labels, samples)| {
            samples.iter().all(|sample| whole[labels].contains(sample))
        }));
        whole.values().map(Vec::len).sum::<usize>() - found.values().map(Vec::len).sum::<usize>()
    };
    let (mut without, mut with) = (0, 0);
    for n in 0..12 {
        let at = WAL.len() / 2 + n * (WAL.len() / 26);
        without += lost(b"", at);
        with += lost(SNAPSHOT, at);
    }
    assert!(without >= 12, "{without}");
    assert_eq!(with, 0, "of {without}");
}

#[test]
fn no_damage_of_it_is_an_error_or_a_wrong_sample() {
    let whole = whole();
    for at in (0..SNAPSHOT.len()).step_by(97) {
        let mut snapshot = SNAPSHOT.to_vec();
        snapshot[at] ^= 1 << (at % 8);
        let dir = folder(b"", &snapshot, CHUNKS);
        let db = opened(dir.path());
        for (labels, samples) in all(&db) {
            let may = whole.get(&labels).unwrap_or_else(|| panic!("flip at {at}: {labels}"));
            // A deletion may be what was lost.
            assert!(samples.iter().filter(|s| !may.contains(s)).count() <= 10, "flip at {at}");
        }
    }
}

#[test]
fn it_goes_when_all_of_it_is_in_blocks() {
    let dir = folder(WAL, SNAPSHOT, CHUNKS);
    let db = opened(dir.path());
    let labels = whole().into_keys().next().unwrap();
    for step in 0..2 {
        assert!(dir.path().join(NAME).exists());
        let mut app = db.appender(AppendOptions::default());
        app.append(SeriesRef(0), &labels, BEGIN + 3_700_000 + step * 4 * 3_600_000, 1.0).unwrap();
        app.commit().unwrap();
    }
    db.compact_tick().unwrap();
    assert!(!dir.path().join(NAME).exists());
    assert_eq!(db.blocks().len(), 1);
}

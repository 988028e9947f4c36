//! The log alone: what is refused, cut, kept, and learnt again at a restart.

use std::sync::Arc;

use gauntlet_model::{Labels, SeriesRef};
use gauntlet_runtime::fs::SystemFs;
use gauntlet_storage::{AppendError, AppendOptions, Appendable as _};

use super::*;

fn open(dir: &Path) -> AgentDb {
    let options = AgentOptions { wal_segment_bytes: 64 << 10, ..AgentOptions::default() };
    AgentDb::open(dir, options, Arc::new(SystemFs)).unwrap()
}

fn labels(n: u64) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("n", &n.to_string())])
}

/// Appends a sample of series `from..to` at `t`.
fn append(db: &AgentDb, from: u64, to: u64, t: i64) -> std::result::Result<(), AppendError> {
    let mut appender = db.appender(AppendOptions::default());
    for n in from..to {
        appender.append(SeriesRef(0), &labels(n), t, n as f64)?;
    }
    appender.commit()
}

/// Samples of the log, checkpoint included, and series records that they need.
fn logged(db: &AgentDb) -> (usize, usize) {
    let dir = db.wal().dir();
    let mut folders = Vec::new();
    if let Some((_, folder)) = last_checkpoint(&SystemFs, dir).unwrap() {
        folders.extend(
            list_segments(&SystemFs, &folder).unwrap().iter().map(|s| (folder.clone(), s.0)),
        );
    }
    folders.extend(list_segments(&SystemFs, dir).unwrap().iter().map(|s| (dir.to_owned(), s.0)));
    let (mut records, mut known) = (Records::default(), std::collections::HashSet::new());
    for (folder, segment) in folders {
        let mut reader = SegmentReader::open(&SystemFs, &folder, segment).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            records.decode(record).unwrap();
        }
    }
    known.extend(records.series.iter().map(|e| e.series));
    assert!(records.samples.iter().all(|e| known.contains(&e.series)));
    (records.samples.len(), known.len())
}

#[test]
fn late_samples_are_refused_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    append(&db, 0, 3, 1000).unwrap();
    assert_eq!(append(&db, 0, 1, 1000), Err(AppendError::OutOfOrder));
    assert!(AgentDb::open(dir.path(), AgentOptions::default(), Arc::new(SystemFs)).is_err());
    db.close().unwrap();
    let db = open(dir.path());
    assert_eq!((db.series_count(), db.newest_time()), (3, 1000));
    assert_eq!(append(&db, 0, 1, 999), Err(AppendError::OutOfOrder));
    append(&db, 0, 4, 1001).unwrap();
    assert_eq!(logged(&db), (7, 4));
    db.set_out_of_order_window(100);
    append(&db, 0, 1, 950).unwrap();
}

#[test]
fn the_log_is_cut_and_keeps_what_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    for round in 0..200 {
        // The first half ends early.
        append(&db, if round < 20 { 0 } else { 50 }, 100, 1000 + round).unwrap();
        if round % 10 == 0 {
            db.wal().next_segment().unwrap();
        }
    }
    let (all, series) = logged(&db);
    assert_eq!((all, series), (20 * 100 + 180 * 50, 100));
    // Somebody has yet to read segment 1.
    db.truncate(1100, Some(1)).unwrap();
    assert_eq!(logged(&db).0, all);
    assert_eq!(db.series_count(), 50);
    db.truncate(1100, None).unwrap();
    let (left, series) = logged(&db);
    assert!(left < all && left >= 100 * 50, "{left}");
    // Series that ended stay in the log until it is cut behind the segment they ended in.
    assert_eq!(series, 100);
    for round in 0..60 {
        append(&db, 50, 100, 1300 + round).unwrap();
        db.wal().next_segment().unwrap();
    }
    db.truncate(1100, None).unwrap();
    assert_eq!(logged(&db).1, 50);
    append(&db, 0, 100, 5000).unwrap();
    db.close().unwrap();
    let db = open(dir.path());
    assert_eq!((db.series_count(), db.newest_time()), (100, 5000));
    assert_eq!(append(&db, 60, 61, 5000), Err(AppendError::OutOfOrder));
}

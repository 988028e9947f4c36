//! Series that come and go for hours: those that went leave within minutes, and what comes uses their memory.

use std::path::Path;
use std::sync::Arc;

use gauntlet_model::{Labels, STALE_NAN, SeriesRef};
use gauntlet_storage::{AppendOptions, Appendable};
use gauntlet_testkit::FaultFs;
use gauntlet_tsdb::Options;

use crate::support::open_on;

const MINUTE: i64 = 60_000;
/// Series at a time, and how many of them go and come each minute: 5 %.
const ALIVE: i64 = 300;
const CHURN: i64 = ALIVE / 20;
const MINUTES: i64 = 7 * 60;

fn labels(n: i64) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("container_metric_{}", n % 12)),
        ("job", "kubelet".to_owned()),
        ("namespace", format!("ns-{}", n % 7)),
        ("pod", format!("pod-{}-{:08x}", n % 20, n * 7919)),
    ])
}

/// Runs for seven hours of a minute each step; returns series, and bytes of the head, at the end of each quarter of an hour.
fn run(stale_share: f64) -> Vec<(usize, u64)> {
    let (fs, options) = (FaultFs::new(1), Options { retention_ms: 0, ..Options::default() });
    let db = open_on(Arc::new(fs), Path::new("/data"), options);
    db.set_stale_series_threshold(stale_share);
    let mut refs: Vec<SeriesRef> = vec![SeriesRef(0); (ALIVE + CHURN * MINUTES) as usize];
    let mut out = Vec::new();
    for minute in 0..MINUTES {
        let t = 1_700_000_000_000 + minute * MINUTE;
        let (gone, first) = ((minute - 1) * CHURN, minute * CHURN);
        let mut app = db.appender(AppendOptions::default());
        for n in first..first + ALIVE {
            let series = &mut refs[n as usize];
            *series = app.append(*series, &labels(n), t, (n * minute) as f64).unwrap();
        }
        for n in gone.max(0)..first {
            app.append(refs[n as usize], &labels(n), t, STALE_NAN).unwrap();
        }
        app.commit().unwrap();
        db.compact_tick().unwrap();
        if minute % 15 == 14 {
            out.push((db.head().series_count(), db.head().memory().total_bytes()));
        }
    }
    out
}

/// What is most from the start of the last quarter on, in relation to what was most in the quarter before it.
fn growth(values: &[u64]) -> f64 {
    let (before, last) = values.split_at(values.len() / 4 * 3);
    let before = &before[values.len() / 2..];
    let most = |part: &[u64]| part.iter().max().copied().unwrap_or(0) as f64;
    most(last) / most(before)
}

#[test]
fn with_a_threshold_ended_series_leave_within_minutes_and_memory_is_flat() {
    let seen = run(0.2);
    let alive = ALIVE as usize;
    assert!(
        seen.iter().all(|(series, _)| (alive..alive * 3 / 2).contains(series)),
        "series: {seen:?}"
    );
    let bytes: Vec<u64> = seen.iter().map(|(_, bytes)| *bytes).collect();
    assert!(growth(&bytes) < 1.05, "bytes: {bytes:?}");
}

#[test]
fn without_one_they_leave_with_their_block_and_memory_is_flat() {
    let seen = run(0.0);
    // A block of two hours is made of a head of three.
    let most = (ALIVE + CHURN * 190) as usize;
    assert!(seen.iter().all(|(series, _)| *series <= most), "series: {seen:?}");
    let bytes: Vec<u64> = seen.iter().map(|(_, bytes)| *bytes).collect();
    assert!(growth(&bytes) < 1.05, "bytes: {bytes:?}");
}

//! Upstream's own tools over our folders. Needs `PEERS_DIR`, a folder with `promtool`; without it there is nothing to check.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gauntlet_model::histogram::Span;
use gauntlet_model::{Histogram, Labels, SeriesRef};
use gauntlet_storage::{AppendOptions, Appendable, TimeRange};
use gauntlet_tsdb::{Db, Options};

use crate::support::{any, open, read};

pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("PEERS_DIR")?).join(name);
    path.is_file().then_some(path)
}

fn labels(n: i64) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("m{}", n % 7)),
        ("instance", format!("h{}", n % 5)),
        ("job", "api".to_owned()),
        ("n", n.to_string()),
    ])
}

pub(crate) fn run(tool: &Path, args: &[&str], dir: &Path) -> String {
    let output = Command::new(tool).args(args).arg(dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Writes six hours of samples; returns the open database.
fn write(dir: &Path, options: Options) -> Db {
    let db = open(dir, options);
    for step in 0..1500i64 {
        let t = 1_700_000_000_000 + step * 15_000;
        let mut app = db.appender(AppendOptions::default());
        for n in 0..40 {
            if (n + step / 300) % 4 != 0 {
                app.append(SeriesRef(0), &labels(n), t, (step * n) as f64 / 8.0).unwrap();
            }
        }
        let histogram = Histogram {
            schema: 2,
            count: 3 * step as u64 + 3,
            sum: step as f64,
            zero_threshold: 0.001,
            positive_spans: vec![Span { offset: 1, length: 1 }],
            positive_buckets: vec![3 * step + 3],
            ..Histogram::default()
        };
        app.append_histogram(SeriesRef(0), &labels(100), t, histogram).unwrap();
        // promtool takes the end of a block of late samples for the start of the head: none is made here.
        if step > 900 && step % 10 == 9 {
            app.append(SeriesRef(0), &labels(1), t - 100_007, -1.0).ok();
        }
        app.commit().unwrap();
        if step == 800 {
            db.compact_tick().unwrap();
        }
    }
    assert!(!db.blocks().is_empty());
    db
}

fn options() -> Options {
    Options {
        wal_segment_bytes: 128 * 1024,
        out_of_order_window_ms: 1_800_000,
        ..Options::default()
    }
}

#[test]
fn promtool_dumps_what_we_wrote() {
    let Some(tool) = peer("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let db = write(dir.path(), options());
    let ours: usize = read(&db, vec![any()], TimeRange::all()).values().map(Vec::len).sum();
    db.close().unwrap();
    drop(db);
    let dump = run(&tool, &["tsdb", "dump"], dir.path());
    assert_eq!(dump.lines().count(), ours);
    let list = run(&tool, &["tsdb", "list"], dir.path());
    assert!(list.lines().count() >= 2, "{list}");
    run(&tool, &["tsdb", "analyze"], dir.path());
}

#[test]
fn prometheus_takes_the_folder_over_and_gives_it_back() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let db = write(&data, options());
    let ours = read(&db, vec![any()], TimeRange::all());
    drop(db);
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, "storage:\n  tsdb:\n    out_of_order_time_window: 30m\n").unwrap();
    let mut child = Command::new(program)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        log.push_str(&line);
        log.push('\n');
        if line.contains("Server is ready to receive web requests") {
            break;
        }
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    for line in lines {
        log.push_str(&line.unwrap());
        log.push('\n');
    }
    child.wait().unwrap();
    assert!(!log.contains("orrupt") && !log.contains("level=ERROR"), "{log}");
    assert!(!log.contains("Unknown series references"), "{log}");
    let db = open(&data, options());
    assert_eq!(db.replay_stats().damages, 0);
    let back = read(&db, vec![any()], TimeRange::all());
    for (labels, samples) in &ours {
        assert_eq!(back.get(labels), Some(samples), "{labels}");
    }
    assert_eq!(back.len(), ours.len());
}

#[test]
fn promtool_reads_a_log_of_many_kills_whole() {
    let Some(tool) = peer("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let clock: std::sync::Arc<dyn gauntlet_runtime::Clock> =
        std::sync::Arc::new(gauntlet_runtime::ManualClock::new(1_800_000_000_000));
    for restart in 0..40i64 {
        let fs = gauntlet_runtime::SystemFs::shared();
        let db = Db::open(dir.path(), Options::default(), clock.clone(), fs).unwrap();
        // While the log replays, or not.
        if restart % 3 == 0 {
            db.wait_replayed().unwrap();
        }
        db.wait_writable();
        for step in 0..30 {
            let t = 1_700_000_000_000 + (restart * 30 + step) * 1000;
            let mut app = db.appender(AppendOptions::default());
            for n in restart % 5..20 + restart {
                app.append(SeriesRef(0), &labels(n), t, (step * n) as f64).unwrap();
            }
            app.commit().unwrap();
        }
        drop(db);
        if restart % 4 == 1 {
            // Killed within a write.
            let last = std::fs::read_dir(dir.path().join("wal")).unwrap();
            let last = last.map(|entry| entry.unwrap().path()).filter(|p| p.is_file()).max();
            let last = last.unwrap();
            let bytes = std::fs::read(&last).unwrap();
            std::fs::write(&last, &bytes[..bytes.len() - 3]).unwrap();
        }
    }
    let db = open(dir.path(), Options::default());
    let ours: usize = read(&db, vec![any()], TimeRange::all()).values().map(Vec::len).sum();
    drop(db);
    let dump = run(&tool, &["tsdb", "dump"], dir.path());
    assert_eq!(dump.lines().count(), ours);
    assert!(ours > 40 * 29 * 20);
}

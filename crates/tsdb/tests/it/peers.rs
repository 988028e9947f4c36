//! Upstream's own tools over our folders. Needs `PEERS_DIR`, a folder with `promtool`; without it there is nothing to check.

use std::path::{Path, PathBuf};
use std::process::Command;

use gauntlet_model::histogram::Span;
use gauntlet_model::{Histogram, Labels, SeriesRef};
use gauntlet_storage::{AppendOptions, Appendable, TimeRange};
use gauntlet_tsdb::Options;

use crate::support::{any, open, read};

fn promtool() -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("PEERS_DIR")?).join("promtool");
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

fn run(tool: &Path, args: &[&str], dir: &Path) -> String {
    let output = Command::new(tool).args(args).arg(dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn promtool_dumps_what_we_wrote() {
    let Some(tool) = promtool() else { return };
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        wal_segment_bytes: 128 * 1024,
        out_of_order_window_ms: 1_800_000,
        ..Options::default()
    };
    let db = open(dir.path(), options);
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
    let ours: usize = read(&db, vec![any()], TimeRange::all()).values().map(Vec::len).sum();
    db.close().unwrap();
    drop(db);
    let dump = run(&tool, &["tsdb", "dump"], dir.path());
    assert_eq!(dump.lines().count(), ours);
    let list = run(&tool, &["tsdb", "list"], dir.path());
    assert!(list.lines().count() >= 2, "{list}");
    run(&tool, &["tsdb", "analyze"], dir.path());
}

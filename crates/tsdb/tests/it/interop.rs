//! Folders of ours in the hands of upstream's tools, line by line: whole logs and killed ones, zstd, late samples, histograms of all
//! kinds, exemplars, metadata, deletions in head and blocks, start timestamps. Needs `PEERS_DIR`.

use std::path::Path;

use gauntlet_model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};
use gauntlet_model::{Exemplar, Histogram, Labels, Matcher, Metadata, STALE_NAN, SeriesRef};
use gauntlet_runtime::SystemFs;
use gauntlet_storage::{AppendOptions, Appendable, TimeRange};
use gauntlet_tsdb::tools::analyze::{Analysis, analyze};
use gauntlet_tsdb::tools::dump::{DumpFormat, dump};
use gauntlet_tsdb::tools::{list, open_block};
use gauntlet_tsdb::wal::Compression;
use gauntlet_tsdb::{Db, Options, ReadOnlyDb};

use crate::peers::{peer, run};
use crate::support::{any, open};
use crate::tools::normal;

fn labels(name: &str, n: i64) -> Labels {
    Labels::from_pairs([
        ("__name__", name.to_owned()),
        ("job", "j".to_owned()),
        ("n", n.to_string()),
    ])
}

fn histogram(step: i64, custom: bool) -> Histogram {
    Histogram {
        schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { 1 },
        count: (3 * step + 5) as u64,
        sum: step as f64 / 4.0,
        positive_spans: vec![Span { offset: 0, length: 3 }],
        positive_buckets: vec![step + 1, 1, 0],
        custom_values: if custom { vec![0.25, 1.0, 2.5] } else { Vec::new() },
        ..Histogram::default()
    }
}

fn write(dir: &Path, options: Options) -> Db {
    let db = open(dir, options);
    let begin = 1_700_000_000_000 / 7_200_000 * 7_200_000;
    for step in 0..650i64 {
        let t = begin + step * 30_000;
        let mut app = db.appender(AppendOptions::default());
        for n in 0..12 {
            let value = if step % 97 == 50 + n { STALE_NAN } else { (step * n) as f64 / 8.0 };
            app.start_of_next(if n % 3 == 0 { 0 } else { begin + step / 100 * n });
            app.append(SeriesRef(0), &labels("f", n), t + n, value).unwrap();
        }
        for (n, custom) in [(0, false), (1, true)] {
            let h = histogram(step, custom);
            app.start_of_next(begin - n);
            app.append_float_histogram(SeriesRef(0), &labels("fh", n), t, h.to_float()).unwrap();
            app.append_histogram(SeriesRef(0), &labels("h", n), t, h).unwrap();
        }
        if step % 100 == 7 {
            let exemplar = Exemplar {
                labels: Labels::from_pairs([("id", "x")]),
                value: 1.5,
                timestamp: Some(t),
            };
            app.append_exemplar(SeriesRef(0), &labels("f", 1), exemplar).unwrap();
            let metadata = Metadata { help: format!("h{step}"), ..Metadata::default() };
            app.update_metadata(SeriesRef(0), &labels("f", 2), &metadata).unwrap();
        }
        // Late ones stay in the head: promtool takes the end of a block of late samples for the start of the head.
        if step > 600 && step % 2 == 0 {
            app.append(SeriesRef(0), &labels("f", 4), t - 200_003, -1.0).unwrap();
            app.append_histogram(SeriesRef(0), &labels("h", 0), t - 200_003, histogram(1, false))
                .unwrap();
        }
        app.commit().unwrap();
        if step == 550 {
            db.compact_tick().unwrap();
        }
    }
    assert_eq!(db.blocks().len(), 1);
    for (n, from, to) in [("3", 100_000, 900_000), ("5", 18_000_000, 18_600_000)] {
        db.delete(&[Matcher::equal("n", n)], begin + from, begin + to).unwrap();
    }
    db
}

fn check(dir: &Path, options: &Options, what: &str) {
    let Some(tool) = peer("promtool") else { return };
    let fs = SystemFs::shared();
    let theirs = run(&tool, &["tsdb", "dump"], dir);
    let db = ReadOnlyDb::open(dir, options, fs.clone()).unwrap();
    let mut ours = Vec::new();
    dump(&db, &[vec![any()]], TimeRange::all(), DumpFormat::Prom, &mut ours).unwrap();
    let ours = String::from_utf8(ours).unwrap();
    assert!(ours.lines().count() > 9_500, "{what}");
    for (n, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(a, b, "{what}, line {}", n + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{what}");
    let mut listed = Vec::new();
    list::list(&fs, dir, false, &mut listed).unwrap();
    assert_eq!(String::from_utf8(listed).unwrap(), run(&tool, &["tsdb", "list"], dir), "{what}");
    let (mut analysed, block) = (Vec::new(), open_block(&fs, dir, "").unwrap());
    let analysis = Analysis { limit: 20, extended: false, selector: None };
    analyze(&block, &analysis, &mut analysed).unwrap();
    let theirs = run(&tool, &["tsdb", "analyze"], dir);
    assert_eq!(normal(&String::from_utf8(analysed).unwrap()), normal(&theirs), "{what}");
}

#[test]
fn promtool_says_of_our_folders_what_our_tools_say() {
    for compression in [Compression::Zstd, Compression::None] {
        let starts = compression == Compression::Zstd;
        let options = Options {
            wal_segment_bytes: 256 * 1024,
            wal_compression: compression,
            out_of_order_window_ms: 1_800_000,
            xor2: starts,
            histogram_starts: starts,
            store_starts: starts,
            ..Options::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let db = write(dir.path(), options.clone());
        // As a kill leaves it: nothing is said to the database.
        drop(db);
        check(dir.path(), &options, "killed");
        let db = open(dir.path(), options.clone());
        assert_eq!((db.replay_stats().damages, db.replay_stats().unknown_series), (0, 0));
        db.close().unwrap();
        drop(db);
        check(dir.path(), &options, "stopped");
    }
}

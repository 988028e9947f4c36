//! The tools against what `promtool` printed of the same folder. Where its order among equals is chance, lines are compared sorted.

use std::path::{Path, PathBuf};

use gauntlet_model::{MatchOp, Matcher};
use gauntlet_runtime::SystemFs;
use gauntlet_storage::TimeRange;
use gauntlet_tsdb::tools::analyze::{Analysis, analyze};
use gauntlet_tsdb::tools::dump::{DumpFormat, dump};
use gauntlet_tsdb::tools::{last_block, list, open_block};
use gauntlet_tsdb::{Options, ReadOnlyDb};

/// The time that the recording calls E, in ms.
const E: i64 = 1_795_499_880_000;

fn folders() -> Option<(PathBuf, PathBuf)> {
    let dir = gauntlet_testkit::conformance_dir()?.join("golden/prometheus-data");
    Some((dir.join("killed"), dir.join("promtool")))
}

fn golden(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

/// Names the first line that differs.
fn same(ours: &str, theirs: &str, what: &str) {
    for (n, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(a, b, "{what}, line {}", n + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{what}");
    assert_eq!(ours, theirs, "{what}");
}

fn m(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).unwrap()
}

#[test]
fn lists_are_promtools() {
    let Some((data, recorded)) = folders() else { return };
    for (name, human) in [("list.txt", false), ("list-human.txt", true)] {
        let mut out = Vec::new();
        list::list(&SystemFs::shared(), &data, human, &mut out).unwrap();
        same(&String::from_utf8(out).unwrap(), &golden(&recorded, name), name);
    }
}

#[test]
fn dumps_are_promtools() {
    use MatchOp::{Equal, Regex};
    let Some((data, recorded)) = folders() else { return };
    let db = ReadOnlyDb::open(&data, &Options::default(), SystemFs::shared()).unwrap();
    let host = m(Equal, "instance", "host-1:8080");
    let name = |pattern: &str| m(Regex, "__name__", pattern);
    let range = TimeRange::new(E - 10_800_000, E - 9_000_000);
    let cases = [
        (
            "dump-floats.txt",
            vec![name("app_temperature_celsius|app_weird|app_ooo|app_stale_total"), host.clone()],
            range,
            DumpFormat::Prom,
        ),
        (
            "dump-histograms.txt",
            vec![name("app_native.*|app_nhcb.*|app_mixed"), host.clone()],
            range,
            DumpFormat::Prom,
        ),
        (
            "dump-seriesjson.txt",
            vec![name("app_(info|up|mixed)")],
            TimeRange::all(),
            DumpFormat::SeriesJson,
        ),
        (
            "dump-openmetrics.txt",
            vec![m(Equal, "job", "app"), name("app_re.*|app_w.*"), host],
            TimeRange::new(E - 10_800_000, E - 9_600_000),
            DumpFormat::OpenMetrics,
        ),
    ];
    for (file, matchers, range, format) in cases {
        let mut out = Vec::new();
        dump(&db, &[matchers], range, format, &mut out).unwrap();
        same(&String::from_utf8(out).unwrap(), &golden(&recorded, file), file);
    }
}

/// Each list of an analysis with its lines sorted. The last lines of a list that was cut at its limit may be any of those that are
/// equal there: they are left out.
pub(crate) fn normal(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for section in text.split("\n\n") {
        let mut lines: Vec<&str> = section.lines().collect();
        let counted = lines.iter().skip(1).all(|line| {
            line.split_once(' ').is_some_and(|(count, _)| count.parse::<u64>().is_ok())
        });
        if counted && lines.len() > 1 {
            let last = lines[lines.len() - 1].split(' ').next().unwrap().to_owned();
            lines.retain(|line| line.split(' ').next() != Some(&last));
            let from = lines.len().min(1);
            lines[from..].sort_unstable();
            out.push(format!("least {last}"));
        }
        out.extend(lines.into_iter().map(str::to_owned));
    }
    out
}

#[test]
fn analyses_are_promtools() {
    let Some((data, recorded)) = folders() else { return };
    let fs = SystemFs::shared();
    let mut cases: Vec<(String, String, Analysis<'_>)> = Vec::new();
    let mut first = None;
    for entry in std::fs::read_dir(&recorded).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let block = name.strip_prefix("analyze-").and_then(|name| name.strip_suffix(".txt"));
        if let Some(block) = block.filter(|block| *block != "extended") {
            let analysis = Analysis { limit: 20, extended: false, selector: None };
            first = first.clone().into_iter().chain([block.to_owned()]).min();
            cases.push((name.clone(), block.to_owned(), analysis));
        }
    }
    let extended = Analysis { limit: 5, extended: true, selector: None };
    cases.push(("analyze-extended.txt".to_owned(), first.unwrap(), extended));
    assert!(cases.len() >= 6);
    for (name, block, analysis) in cases {
        let mut out = Vec::new();
        let reader = open_block(&fs, &data, &block).unwrap();
        analyze(&reader, &analysis, &mut out).unwrap();
        let (ours, theirs) = (String::from_utf8(out).unwrap(), golden(&recorded, &name));
        assert_eq!(normal(&ours), normal(&theirs), "{name}");
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{name}");
    }
    assert!(last_block(&*fs, &data).unwrap().to_string().starts_with("01M8625T"));
    assert!(open_block(&fs, &recorded, "").unwrap_err().to_string().contains("no blocks found"));
}

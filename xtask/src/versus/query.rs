//! Suite `query`: the queries of the peers' baselines over an hour of 100,000 series, asked of both in turn.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::process::{Server, get_ok};
use super::report::{Report, Side, Verdict};
use super::{Bench, load, wal};

/// Longest start; the log of an hour is replayed.
const READY_LIMIT: Duration = Duration::from_secs(180);

const QUERIES: &[(&str, &str)] = &[
    ("raw-1-metric", "bench_metric_00{namespace=\"ns-03\"}"),
    ("rate-sum-by-ns", "sum by (namespace) (rate(bench_metric_04[5m]))"),
    ("sum-by-pod", "sum by (pod) (bench_metric_01)"),
    ("topk", "topk(5, rate(bench_metric_08[5m]))"),
    ("regex-pod", "bench_metric_00{pod=~\"app-0000[0-2].*\"}"),
    ("binop", "bench_metric_04 / bench_metric_08 > 0"),
    ("join", "bench_metric_01 * on (pod) group_left (instance) bench_metric_03"),
    ("avg-over-time", "max by (container) (avg_over_time(bench_metric_02[10m]))"),
    ("quantile", "quantile by (namespace) (0.9, bench_metric_02)"),
    ("subquery", "max_over_time(sum(rate(bench_metric_04[5m]))[30m:1m])"),
    (
        "hist-quantile",
        "histogram_quantile(0.99, sum by (le, namespace) (rate(bench_latency_seconds_bucket[5m])))",
    ),
    ("high-card-agg", "count by (container) ({__name__=~\"bench_metric_.*\"})"),
];

/// Those asked at one instant too.
const INSTANT: &[&str] = &["raw-1-metric", "rate-sum-by-ns", "sum-by-pod"];

pub(super) fn run(bench: &Bench) -> Result<()> {
    let dir = bench.root.join("target/versus/query");
    println!("writing {} series x {} steps", bench.series, bench.steps);
    let load = load::write(&dir.join("data"), bench.series, bench.steps)?;
    let config = dir.join("empty.yml");
    std::fs::write(&config, "global: {scrape_interval: 15s}\n")?;
    let (start, end) = (load.start_ms / 1000 + 300, load.end_ms / 1000);
    let mut asked: Vec<(String, String)> = QUERIES
        .iter()
        .map(|(name, expr)| {
            let range =
                format!("query_range?query={}&start={start}&end={end}&step=15", encode(expr));
            ((*name).to_owned(), format!("/api/v1/{range}"))
        })
        .collect();
    for (name, expr) in QUERIES.iter().filter(|(name, _)| INSTANT.contains(name)) {
        let path = format!("/api/v1/query?query={}&time={end}", encode(expr));
        asked.push((format!("instant {name}"), path));
    }
    let sides = bench.sides("prometheus")?;
    let mut report = Report::new("query");
    for (name, path) in &asked {
        let mut answers: Vec<Vec<u8>> = Vec::new();
        for round in 0..bench.rounds {
            for (side, program) in &sides {
                // Each round has a server of its own: what an earlier query left in memory is no part of this one's peak.
                let copy = dir.join("copy");
                let _ = std::fs::remove_dir_all(&copy);
                load::copy(&load.dir, &copy)?;
                let mut server = Server::start(program, |port| {
                    vec![
                        format!("--config.file={}", config.display()),
                        format!("--storage.tsdb.path={}", copy.display()),
                        format!("--web.listen-address=127.0.0.1:{port}"),
                    ]
                })?;
                wal::replayed(&mut server, *side, READY_LIMIT)?;
                let answer = measure(&server, *side, name, path, &mut report)?;
                if round == 0 {
                    answers.push(answer);
                }
            }
        }
        if let [ours, theirs] = answers.as_slice() {
            report.compare(name, verdict(ours, theirs));
        }
    }
    report.finish(&bench.root)
}

/// CPU, wall and memory of one query on a server that answered nothing yet; returns the answer.
fn measure(
    server: &Server,
    side: Side,
    name: &str,
    path: &str,
    report: &mut Report,
) -> Result<Vec<u8>> {
    #[expect(clippy::disallowed_methods, reason = "measures by the machine's clock")]
    let now = Instant::now;
    let ask = || get_ok(server.port, path).with_context(|| name.to_owned());
    server.reset_peak()?;
    let base = server.resident_bytes()?;
    let first = ask()?;
    let peak = server.peak_bytes()?.saturating_sub(base) as f64 / 1e6;
    report.add(side, &format!("{name} peak memory of the first"), "MB", peak);
    // The kernel counts in ticks of 10 ms: short queries are repeated.
    let (cpu, wall) = (server.cpu_seconds()?, now());
    let mut times = 0;
    while times == 0 || (wall.elapsed() < Duration::from_millis(500) && times < 100) {
        ask()?;
        times += 1;
    }
    let took = wall.elapsed().as_secs_f64();
    let each = 1000.0 / f64::from(times);
    report.add(side, &format!("{name} cpu"), "ms", (server.cpu_seconds()? - cpu) * each);
    report.add(side, &format!("{name} wall"), "ms", took * each);
    Ok(first)
}

/// Whether two answers say the same, whatever the order of their elements; two empty ones prove nothing.
fn verdict(ours: &[u8], theirs: &[u8]) -> Verdict {
    let rows = |bytes: &[u8]| -> Option<Vec<String>> {
        let answer: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let list = answer["data"]["result"].as_array()?;
        let mut rows: Vec<String> = list
            .iter()
            .map(|row| {
                let mut row = row.clone();
                row.sort_all_objects();
                row.to_string()
            })
            .collect();
        rows.sort_unstable();
        Some(rows)
    };
    match (rows(ours), rows(theirs)) {
        (Some(a), Some(b)) if a.is_empty() && b.is_empty() => Verdict::Empty,
        (Some(a), Some(b)) if a == b => Verdict::Equal,
        (Some(a), Some(b)) => {
            let differing = a.iter().filter(|row| b.binary_search(row).is_err()).count();
            Verdict::Differs(format!("{differing} of {} series, theirs has {}", a.len(), b.len()))
        }
        _ => Verdict::Differs("no list of series".to_owned()),
    }
}

fn encode(text: &str) -> String {
    gauntlet_testkit::http::encode(text)
}

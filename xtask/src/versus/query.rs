//! Suite `query`: the queries of the peers' baselines over an hour of 100,000 series, asked of both in turn.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::process::{Server, get};
use super::report::{Report, Side};
use super::{Bench, load};

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

pub(super) fn run(bench: &Bench) -> Result<()> {
    let dir = bench.root.join("target/versus/query");
    println!("writing {} series x {} steps", bench.series, bench.steps);
    let load = load::write(&dir.join("data"), bench.series, bench.steps)?;
    let config = dir.join("empty.yml");
    std::fs::write(&config, "global: {scrape_interval: 15s}\n")?;
    let mut report = Report::new("query");
    let mut answers: Vec<Vec<Vec<u8>>> = Vec::new();
    for (side, program) in bench.sides("prometheus")? {
        let copy = dir.join("copy");
        let _ = std::fs::remove_dir_all(&copy);
        load::copy(&load.dir, &copy)?;
        let mut server = Server::start(&program, |port| {
            vec![
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", copy.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
            ]
        })?;
        server.wait_ready(READY_LIMIT)?;
        let base = server.resident_bytes()?;
        let mut own = Vec::new();
        for (name, expr) in QUERIES {
            let (start, end) = (load.start_ms / 1000 + 300, load.end_ms / 1000);
            let range = format!(
                "/api/v1/query_range?query={}&start={start}&end={end}&step=15",
                encode(expr)
            );
            own.push(measure(&server, side, name, &range, base, bench.rounds, &mut report)?);
        }
        for (name, expr) in QUERIES
            .iter()
            .filter(|(n, _)| matches!(*n, "raw-1-metric" | "rate-sum-by-ns" | "sum-by-pod"))
        {
            let instant =
                format!("/api/v1/query?query={}&time={}", encode(expr), load.end_ms / 1000);
            let name = format!("instant {name}");
            own.push(measure(&server, side, &name, &instant, base, bench.rounds, &mut report)?);
        }
        answers.push(own);
    }
    if let [ours, theirs] = answers.as_slice() {
        let equal = ours.iter().zip(theirs).filter(|(a, b)| same(a, b)).count();
        println!("{equal} of {} answers are equal", ours.len());
    }
    report.finish(&bench.root)
}

/// CPU, wall and memory of one query over several runs; returns an answer.
fn measure(
    server: &Server,
    side: Side,
    name: &str,
    path: &str,
    base: u64,
    rounds: usize,
    report: &mut Report,
) -> Result<Vec<u8>> {
    // The kernel counts in ticks of 10 ms: short queries are repeated within one round.
    #[expect(clippy::disallowed_methods, reason = "measures by the machine's clock")]
    let now = Instant::now;
    let (_, first) = get(server.port, path).with_context(|| name.to_owned())?;
    for _ in 0..rounds {
        server.reset_peak()?;
        let (cpu, wall) = (server.cpu_seconds()?, now());
        let mut times = 0;
        while times == 0 || (wall.elapsed() < Duration::from_millis(300) && times < 50) {
            get(server.port, path)?;
            times += 1;
        }
        let each = 1000.0 / f64::from(times);
        report.add(side, &format!("{name} cpu"), "ms", (server.cpu_seconds()? - cpu) * each);
        report.add(side, &format!("{name} wall"), "ms", wall.elapsed().as_secs_f64() * each);
        let peak = server.peak_bytes()?.saturating_sub(base) as f64 / 1e6;
        report.add(side, &format!("{name} peak memory above start"), "MB", peak);
    }
    Ok(first)
}

/// Whether two answers say the same, whatever the order of the elements.
fn same(a: &[u8], b: &[u8]) -> bool {
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
    rows(a).is_some() && rows(a) == rows(b)
}

fn encode(text: &str) -> String {
    gauntlet_testkit::http::encode(text)
}

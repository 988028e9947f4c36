//! Suite `scrape`: what a scraped sample costs, from the socket into the head and its log; and a thousand small targets.
//!
//! Both sides scrape one exporter in turn. The first figures are of `--series` series on ten targets every second, in the formats and
//! packings that exporters have; the last ones of 1,000 targets with 500 series every 15 seconds: share of a CPU, memory, and
//! how late scrapes came, by the exporter's own clock. `--steps` is how many seconds are measured, at most 20.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::fmt::Write as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Bench;
use super::exporter::{Exporter, Format};
use super::process::{Server, get_ok};
use super::report::{Report, Side, Verdict};

const TARGETS: usize = 10;
const MANY_TARGETS: usize = 1000;
const MANY_SERIES: usize = 500;
const MANY_INTERVAL: u64 = 15;
const VERSIONS: usize = 16;
const START: Duration = Duration::from_secs(60);

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let mut report = Report::new("scrape");
    let seconds = bench.steps.clamp(5, 20) as u64;
    let mut answers: Vec<(&str, Side, String)> = Vec::new();
    let cases = [
        ("text", Format::Text, false),
        ("OpenMetrics", Format::OpenMetrics, false),
        ("text, gzip", Format::Text, true),
    ];
    for round in 0..bench.rounds.min(5) {
        for (what, format, gzip) in cases {
            for (side, program) in bench.sides("prometheus")? {
                let exporter = Exporter::start(format, bench.series / TARGETS, VERSIONS, 1.0)?;
                if round == 0 && side == Side::Ours {
                    let (plain, packed) = exporter.page_bytes();
                    println!("{what}: {TARGETS} targets, pages of {plain} bytes, {packed} packed");
                }
                let load = Load { targets: TARGETS, interval: 1, gzip };
                let measured = measure(bench, &program, &exporter, &load, seconds)?;
                let samples = measured.scrapes as f64 * (bench.series / TARGETS) as f64;
                let name = format!("{what}: CPU s a million samples");
                report.add(side, &name, "s", measured.cpu / samples * 1e6);
                report.add(side, &format!("{what}: resident"), "MB", measured.resident / 1e6);
                if round == 0 {
                    answers.push((what, side, measured.answer));
                }
            }
        }
    }
    for (side, program) in bench.sides("prometheus")? {
        let exporter = Exporter::start(Format::Text, MANY_SERIES, VERSIONS, 15.0)?;
        let load = Load { targets: MANY_TARGETS, interval: MANY_INTERVAL, gzip: true };
        let measured = measure(bench, &program, &exporter, &load, MANY_INTERVAL * 4)?;
        let share = measured.cpu / measured.seconds * 100.0;
        report.add(side, "1,000 targets of 500: share of a CPU", "%", share);
        report.add(side, "1,000 targets of 500: resident", "MB", measured.resident / 1e6);
        for (name, share) in [("50", 0.5), ("99", 0.99), ("100", 1.0)] {
            let late = percentile(&measured.lateness, share) * 1e3;
            report.add(side, &format!("1,000 targets of 500: lateness p{name}"), "ms", late);
        }
        answers.push(("1,000 targets", side, measured.answer));
    }
    for pair in answers.chunk_by(|a, b| a.0 == b.0) {
        if let [(what, _, ours), (_, _, theirs)] = pair {
            let verdict = if ours == theirs {
                Verdict::Equal
            } else {
                Verdict::Differs(format!("{ours} and {theirs}"))
            };
            report.compare(&format!("{what}: series that are up"), verdict);
        }
    }
    report.finish(&bench.root)
}

struct Load {
    targets: usize,
    /// Seconds from scrape to scrape.
    interval: u64,
    gzip: bool,
}

struct Measured {
    cpu: f64,
    seconds: f64,
    scrapes: usize,
    resident: f64,
    /// Seconds that scrapes came after the earliest place of their target in the interval.
    lateness: Vec<f64>,
    answer: String,
}

fn measure(
    bench: &Bench,
    program: &Path,
    exporter: &Exporter,
    load: &Load,
    seconds: u64,
) -> Result<Measured> {
    let work = bench.root.join("target/versus/scrape");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let config = work.join("scrape.yml");
    std::fs::write(&config, configuration(exporter.port, load))?;
    let mut server = Server::start(program, |port| {
        vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", work.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ]
    })?;
    server.wait_ready(START)?;
    // Two rounds make the series and fill what is kept from scrape to scrape.
    let warm = Duration::from_secs(load.interval * 2 + 2);
    sleep(warm);
    let began = exporter.now();
    let cpu = server.cpu_seconds()?;
    sleep(Duration::from_secs(seconds));
    let cpu = server.cpu_seconds()? - cpu;
    let ended = exporter.now();
    let resident = server.resident_bytes()? as f64;
    let scrapes = exporter.scrapes();
    if scrapes.len() != load.targets {
        bail!("{} of {} targets were scraped", scrapes.len(), load.targets);
    }
    let inside = |at: &&f64| (began..ended).contains(*at);
    let count = scrapes.iter().flatten().filter(inside).count();
    let query = "count(%7B__name__%3D~%22bench.%2B%22%7D)%20%2B%20sum(up)%20*%201e9";
    let answer = get_ok(server.port, &format!("/api/v1/query?query={query}"))?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let answer = answer["data"]["result"][0]["value"][1].to_string();
    Ok(Measured {
        cpu,
        seconds: ended - began,
        scrapes: count,
        resident,
        lateness: lateness(&scrapes, load.interval as f64),
        answer,
    })
}

fn configuration(port: u16, load: &Load) -> String {
    let Load { targets, interval, gzip } = load;
    let mut text = format!(
        "scrape_configs:\n- job_name: bench\n  scrape_interval: {interval}s\n  scrape_timeout: {interval}s\n  enable_compression: {gzip}\n  static_configs:\n  - targets:\n"
    );
    for n in 0..*targets {
        let _ = writeln!(text, "    - 127.0.{}.{}:{port}", n / 250, n % 250 + 1);
    }
    text
}

/// How much later than its own earliest each scrape of a target came, as places in the interval.
fn lateness(scrapes: &[Vec<f64>], interval: f64) -> Vec<f64> {
    let mut out = Vec::new();
    for times in scrapes {
        let Some(first) = times.first() else { continue };
        let place = |at: f64| {
            let off = (at - first) % interval;
            if off > interval / 2.0 { off - interval } else { off }
        };
        let earliest = times.iter().map(|at| place(*at)).fold(f64::INFINITY, f64::min);
        out.extend(times.iter().map(|at| place(*at) - earliest));
    }
    out.sort_by(f64::total_cmp);
    out
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1)) as f64 * share;
    sorted.get(at as usize).copied().unwrap_or(f64::NAN)
}

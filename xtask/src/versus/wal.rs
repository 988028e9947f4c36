//! Suite `wal`: what a sample costs from a scraped page to the log, on disk in log and block, and how a server comes back after a
//! kill: seconds until it serves, until all of its log is there, and the most memory on the way.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::process::{Server, get};
use super::report::{Report, Side};
use super::{Bench, load};

const START: Duration = Duration::from_secs(300);
const TARGETS: usize = 10;
/// Scrapes of each target that are counted, and their distance in seconds.
const SCRAPES: u64 = 20;
const INTERVAL: u64 = 2;

pub(super) fn run(bench: &Bench) -> Result<()> {
    let dir = bench.root.join("target/versus/wal");
    std::fs::create_dir_all(&dir)?;
    let mut report = Report::new("wal");
    let sides = bench.sides("prometheus")?;
    for _ in 0..bench.rounds {
        for (side, program) in &sides {
            scrape(bench, &mut report, *side, program, &dir)?;
        }
    }
    println!("writing {} series x {} steps", bench.series, bench.steps);
    let load = load::write(&dir.join("data"), bench.series, bench.steps)?;
    for _ in 0..bench.rounds {
        for (side, program) in &sides {
            restart(bench, &mut report, *side, program, &load.dir, &dir)?;
        }
    }
    let _ = std::fs::remove_dir_all(dir.join("data"));
    report.finish(&bench.root)
}

/// Pages that change with each scrape, as many lines each as the series ask for.
struct Pages {
    address: std::net::SocketAddr,
    served: Arc<AtomicU64>,
}

impl Pages {
    fn serve(series: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let served = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || answer(stream, series, &counter));
            }
        });
        Ok(Self { address, served })
    }
}

fn answer(stream: TcpStream, series: usize, served: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut first = String::new();
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let target: usize =
            first.split(' ').nth(1)?.rsplit('/').next()?.parse().unwrap_or_default();
        let body = page(target, series / TARGETS, served.load(Ordering::Relaxed) / TARGETS as u64);
        served.fetch_add(1, Ordering::Relaxed);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
    }
}

fn page(target: usize, lines: usize, round: u64) -> String {
    let mut out = String::with_capacity(lines * 128);
    for n in 0..lines {
        let seed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(target as u64);
        let value = match n % 4 {
            0 => (seed % 1000 + round * (seed >> 60)) as f64,
            1 => ((seed >> 20) % 10_000 + round % 7) as f64 / 100.0,
            2 => (seed.wrapping_mul(round + 1) >> 11) as f64 / (1u64 << 53) as f64,
            _ => (seed % 100) as f64,
        };
        let _ = writeln!(
            out,
            "bench_metric_{:02}_total{{container=\"app\",namespace=\"ns-{:02}\",pod=\"app-{:06}-{:05}\",method=\"GET\"}} {value}",
            n % 50,
            n % 20,
            n / 50,
            seed % 100_000
        );
    }
    out
}

/// Scrapes for some time, after a first round that makes the series.
fn scrape(
    bench: &Bench,
    report: &mut Report,
    side: Side,
    program: &Path,
    dir: &Path,
) -> Result<()> {
    let series = bench.series.min(100_000);
    let pages = Pages::serve(series)?;
    let config = dir.join("scrape.yml");
    let mut text = format!(
        "global: {{scrape_interval: {INTERVAL}s, scrape_timeout: {INTERVAL}s}}\nscrape_configs:\n"
    );
    for target in 0..TARGETS {
        let _ = writeln!(
            text,
            "- job_name: t{target}\n  metrics_path: /{target}\n  static_configs: [{{targets: ['{}']}}]",
            pages.address
        );
    }
    std::fs::write(&config, text)?;
    let data = dir.join("scraped");
    let _ = std::fs::remove_dir_all(&data);
    let mut server = start(program, &config, &data, &["--web.enable-admin-api".to_owned()])?;
    server.wait_ready(START)?;
    let wait = |until: u64| -> Result<()> {
        let started = Instant::now();
        while pages.served.load(Ordering::Relaxed) < until {
            if started.elapsed() > START {
                bail!("scrapes do not come");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    };
    let warm = 2 * TARGETS as u64;
    wait(warm)?;
    sleep(Duration::from_secs(1));
    let (cpu, log, from) = (
        server.cpu_seconds()?,
        load::size_bytes(&data.join("wal"))?,
        pages.served.load(Ordering::Relaxed),
    );
    wait(from + SCRAPES * TARGETS as u64)?;
    sleep(Duration::from_secs(1));
    let scraped = (pages.served.load(Ordering::Relaxed) - from) as f64;
    let samples = scraped * (series / TARGETS) as f64;
    report.add(
        side,
        "scrape to log, cpu",
        "s/million",
        (server.cpu_seconds()? - cpu) / samples * 1e6,
    );
    let grown = load::size_bytes(&data.join("wal"))? - log;
    report.add(side, "log", "B/sample", grown as f64 / samples);
    let all = (pages.served.load(Ordering::Relaxed) as usize * (series / TARGETS)) as f64;
    let cpu = server.cpu_seconds()?;
    post(server.port, "/api/v1/admin/tsdb/snapshot")?;
    report.add(side, "head to block, cpu", "s/million", (server.cpu_seconds()? - cpu) / all * 1e6);
    report.add(side, "block", "B/sample", load::size_bytes(&data.join("snapshots"))? as f64 / all);
    report.add(
        side,
        "resident after scraping",
        "B/series",
        server.resident_bytes()? as f64 / series as f64,
    );
    drop(server);
    let _ = std::fs::remove_dir_all(&data);
    Ok(())
}

/// Starts on a copy of what a killed server left.
fn restart(
    bench: &Bench,
    report: &mut Report,
    side: Side,
    program: &Path,
    source: &Path,
    dir: &Path,
) -> Result<()> {
    let config = dir.join("empty.yml");
    std::fs::write(&config, "global: {scrape_interval: 15s}\n")?;
    let copy: PathBuf = dir.join("copy");
    let _ = std::fs::remove_dir_all(&copy);
    load::copy(source, &copy)?;
    let mut server = start(program, &config, &copy, &[])?;
    report.add(side, "start after kill, to ready", "s", server.wait_ready(START)?);
    let replayed = match side {
        Side::Ours => server.wait_body("/api/v1/status/walreplay", "\"done\":true", START)?,
        Side::Theirs => server.wait_ready(START)?,
    };
    report.add(side, "start after kill, to all replayed", "s", replayed);
    report.add(side, "start after kill, cpu", "s", server.cpu_seconds()?);
    let each = |bytes: u64| bytes as f64 / bench.series as f64;
    let peak = server.peak_bytes()?;
    report.add(side, "peak of the replay", "B/series", each(peak));
    sleep(Duration::from_secs(5));
    let resident = server.resident_bytes()?;
    report.add(side, "resident after it", "B/series", each(resident));
    report.add(side, "peak over resident", "ratio", peak as f64 / resident as f64);
    drop(server);
    let _ = std::fs::remove_dir_all(&copy);
    Ok(())
}

pub(super) fn start(program: &Path, config: &Path, data: &Path, more: &[String]) -> Result<Server> {
    Server::start(program, |port| {
        let mut arguments = vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        arguments.extend_from_slice(more);
        arguments
    })
}

fn post(port: u16, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(START))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("no status")?;
    if status != "200" {
        bail!("{path}: {line}");
    }
    Ok(())
}

/// Whether an answer has a text in it.
pub(super) fn has(port: u16, path: &str, text: &str) -> bool {
    get(port, path).is_ok_and(|(status, body)| {
        status == 200 && String::from_utf8_lossy(&body).replace(' ', "").contains(text)
    })
}

//! Suite `wal`: what a sample costs from a scraped page to the log, and of that the parser, the appender and the log alone; what it
//! takes on disk in log and block, and how a server comes back after a kill: seconds until it serves, until all of its log is there,
//! and the most memory on the way.
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
use gauntlet_expfmt::{Entry, MediaType, Parser, ParserOptions};
use gauntlet_model::{Labels, SeriesRef};
use gauntlet_runtime::SystemFs;
use gauntlet_storage::{AppendOptions, Appendable as _};
use gauntlet_tsdb::{Head, Options};

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
    for _ in 0..bench.rounds {
        parts(bench, &mut report, &dir)?;
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

/// What of a scraped sample the parser, the appender and the log cost, each alone, on one thread of this process.
fn parts(bench: &Bench, report: &mut Report, dir: &Path) -> Result<()> {
    let series = bench.series.min(100_000) / TARGETS;
    let pages: Vec<String> = (0..SCRAPES).map(|round| page(0, series, round)).collect();
    let samples = (SCRAPES as usize * series) as f64;
    let cpu = thread_cpu_seconds()?;
    let mut parsed = 0;
    for page in &pages {
        let mut parser = Parser::new(page.as_bytes(), MediaType::Text, ParserOptions::default());
        while let Some(entry) = parser.next()? {
            parsed += usize::from(entry == Entry::Series);
        }
    }
    if parsed as f64 != samples {
        bail!("{parsed} samples parsed of {samples}");
    }
    let each = |cpu: f64| cpu / samples * 1e6;
    report.add(
        Side::Ours,
        "parser alone, cpu of a thread",
        "s/million",
        each(thread_cpu_seconds()? - cpu),
    );
    let scratch = dir.join("appended");
    for (name, logged) in
        [("appender alone, cpu of a thread", false), ("appender with log, cpu of a thread", true)]
    {
        let _ = std::fs::remove_dir_all(&scratch);
        let (options, fs) = (Options::default(), SystemFs::shared());
        let head = match logged {
            true => Head::open(&scratch, &options, &fs, i64::MIN)?.0,
            false => Head::open_unlogged(&scratch, &options, &fs)?,
        };
        let mut refs = vec![SeriesRef(0); series * TARGETS];
        let (mut values, mut random) = (vec![0.0; refs.len()], 88_172_645_463_325_252u64);
        let mut cpu = 0.0;
        for step in 0..=SCRAPES as usize {
            for target in 0..TARGETS {
                let range = target * series..(target + 1) * series;
                range.clone().for_each(|n| load::next(n, step, &mut values[n], &mut random));
                let labels =
                    |n| if step == 0 { load::labels(n, refs.len()) } else { Labels::empty() };
                let labels: Vec<Labels> = range.clone().map(labels).collect();
                let before = thread_cpu_seconds()?;
                let mut app = head.appender(AppendOptions::default());
                for n in range {
                    let t = load::STEP_MS * (step as i64 + 1);
                    refs[n] = app.append(refs[n], &labels[n % series], t, values[n])?;
                }
                app.commit()?;
                if step > 0 {
                    cpu += thread_cpu_seconds()? - before;
                }
            }
        }
        report.add(Side::Ours, name, "s/million", each(cpu) / TARGETS as f64);
    }
    let _ = std::fs::remove_dir_all(&scratch);
    Ok(())
}

/// CPU of this thread so far, from `/proc`: nanoseconds on a processor stand first.
fn thread_cpu_seconds() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().context("an empty schedstat")?.parse::<f64>()? / 1e9)
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
    report.add(side, "start after kill, to all replayed", "s", replayed(&mut server, side, START)?);
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

/// Waits until a server has replayed all of its log; the peer is not ready before. Returns the seconds since the start.
pub(super) fn replayed(server: &mut Server, side: Side, limit: Duration) -> Result<f64> {
    match side {
        Side::Ours => server.wait_body("/api/v1/status/walreplay", "\"done\":true", limit),
        Side::Theirs => server.wait_ready(limit),
    }
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

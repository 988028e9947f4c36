//! Remote write: CPU of a server that receives the load, and of one that also sends it on to a sink.
//!
//! Bodies are made beforehand and sent over kept connections, 2000 samples each, by four writers; the load is written once a series and
//! step, as scrapes write it. What sending costs is the difference of the two.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gauntlet_wire::prost::Message as _;
use gauntlet_wire::write::{Entry, series_v1};
use gauntlet_wire::{fields::ProtoError, prompb, snappy};

use super::Bench;
use super::load;
use super::process::{Server, get_ok};
use super::report::{Report, Side, Verdict};

const SAMPLES_A_REQUEST: usize = 2000;
const WRITERS: usize = 4;
/// Samples begin so far after the clock, and no receiver takes what is ten minutes ahead.
const AHEAD_MS: i64 = 60_000;
const SPACING_MS: i64 = 5_000;

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let steps = bench.steps.min(60);
    let bodies = bodies(bench.series, steps)?;
    let samples = (bench.series * steps) as f64;
    println!(
        "{} series x {steps} steps = {samples} samples in {} requests, {:.1} MB",
        bench.series,
        bodies.iter().map(Vec::len).sum::<usize>(),
        bodies.iter().flatten().map(Vec::len).sum::<usize>() as f64 / 1e6
    );
    let mut report = Report::new("write");
    let mut answers: Vec<(Side, String)> = Vec::new();
    for round in 0..bench.rounds.min(3) {
        for (side, program) in bench.sides("prometheus")? {
            let work = bench.root.join("target/versus/write");
            let receiving = measure(&program, &work, &bodies, None)?;
            let sink = Sink::start()?;
            // The peer sends what is newer than its start: each load begins in the near future.
            let bodies = self::bodies(bench.series, steps)?;
            let sending = measure(&program, &work, &bodies, Some(&sink))?;
            let million = samples / 1e6;
            report.add(side, "received, CPU s a million samples", "s", receiving.cpu / million);
            report.add(side, "received, million samples a second", "M/s", million / receiving.wall);
            let sent = (sending.cpu - receiving.cpu).max(0.0);
            report.add(side, "sent, CPU s a million samples", "s", sent / million);
            report.add(side, "resident after receiving", "MB", receiving.resident / 1e6);
            let arrived = sink.samples.load(Ordering::Acquire);
            if arrived as f64 != samples {
                bail!("{side:?}: the sink has {arrived} samples of {samples}");
            }
            if round == 0 {
                answers.push((side, receiving.answer));
            }
        }
    }
    if let [(_, ours), (_, theirs)] = &answers[..] {
        let verdict = if ours == theirs {
            Verdict::Equal
        } else {
            Verdict::Differs(format!("{ours} and {theirs}"))
        };
        report.compare("series stored", verdict);
    }
    report.finish(&bench.root)
}

/// Packed requests, by step.
fn bodies(series: usize, steps: usize) -> Result<Vec<Vec<Vec<u8>>>> {
    let labels: Vec<Vec<prompb::Label>> = (0..series)
        .map(|n| {
            let labels = load::labels(n, series);
            let own =
                |(n, v): (&str, &str)| prompb::Label { name: n.to_owned(), value: v.to_owned() };
            labels.iter().map(own).collect()
        })
        .collect();
    let end =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
    let start = end + AHEAD_MS;
    let (mut values, mut random) = (vec![0.0; series], 88_172_645_463_325_252u64);
    let mut out = Vec::with_capacity(steps);
    for step in 0..steps {
        let mut requests = Vec::new();
        for first in (0..series).step_by(SAMPLES_A_REQUEST) {
            let mut request = prompb::WriteRequest::default();
            for n in first..(first + SAMPLES_A_REQUEST).min(series) {
                load::next(n, step, &mut values[n], &mut random);
                request.timeseries.push(prompb::TimeSeries {
                    labels: labels[n].clone(),
                    samples: vec![prompb::Sample {
                        value: values[n],
                        timestamp: start + step as i64 * SPACING_MS,
                    }],
                    ..Default::default()
                });
            }
            requests.push(snappy::pack(&request.encode_to_vec())?);
        }
        out.push(requests);
    }
    Ok(out)
}

struct Measured {
    cpu: f64,
    wall: f64,
    resident: f64,
    answer: String,
}

fn measure(
    program: &Path,
    work: &Path,
    bodies: &[Vec<Vec<u8>>],
    sink: Option<&Sink>,
) -> Result<Measured> {
    let _ = std::fs::remove_dir_all(work);
    std::fs::create_dir_all(work)?;
    let config = work.join("write.yml");
    let text = match sink {
        None => String::new(),
        Some(sink) => format!("remote_write:\n- url: http://127.0.0.1:{}/write\n", sink.port),
    };
    std::fs::write(&config, text)?;
    let mut server = Server::start(program, |port| {
        vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", work.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ]
    })?;
    server.wait_ready(Duration::from_secs(60))?;
    // A new destination starts from what comes after it is there.
    sleep(Duration::from_secs(2));
    let (cpu, started) = (server.cpu_seconds()?, Instant::now());
    for step in bodies {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| -> Result<()> {
            let writer = || -> Result<()> {
                let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
                stream.set_nodelay(true)?;
                loop {
                    let Some(body) = step.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return Ok(());
                    };
                    post(&mut stream, body)?;
                }
            };
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer)).collect();
            for writer in writers {
                writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
            }
            Ok(())
        })?;
    }
    let wall = started.elapsed().as_secs_f64();
    if let Some(sink) = sink {
        sink.wait_idle();
    } else {
        sleep(Duration::from_secs(1));
    }
    let cpu = server.cpu_seconds()? - cpu;
    let resident = server.resident_bytes()? as f64;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let query = "count(last_over_time(%7B__name__%3D~%22bench.%2B%22%7D%5B1h%5D))";
    let path = format!("/api/v1/query?query={query}&time={}", now + 600);
    let answer: serde_json::Value = serde_json::from_slice(&get_ok(server.port, &path)?)?;
    let answer = answer["data"]["result"][0]["value"][1].to_string();
    Ok(Measured { cpu, wall, resident, answer })
}

fn post(stream: &mut TcpStream, body: &[u8]) -> Result<()> {
    write!(
        stream,
        "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    let mut byte = [0; 512];
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        let read = stream.read(&mut byte)?;
        if read == 0 {
            bail!("the server ended the connection");
        }
        answer.extend_from_slice(&byte[..read]);
    }
    let head = String::from_utf8_lossy(&answer);
    if !head.starts_with("HTTP/1.1 204") && !head.starts_with("HTTP/1.1 200") {
        bail!("a write was refused: {head}");
    }
    Ok(())
}

/// Takes every request and counts what is in it.
struct Sink {
    port: u16,
    samples: Arc<AtomicU64>,
}

impl Sink {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let samples = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&samples);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || {
                    let _ = take(stream, &counter);
                });
            }
        });
        Ok(Self { port, samples })
    }

    /// Waits until nothing has come for longer than a batch waits to be sent.
    fn wait_idle(&self) {
        let (mut last, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_secs(8) {
            sleep(Duration::from_millis(100));
            let now = self.samples.load(Ordering::Acquire);
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }
}

fn take(stream: TcpStream, counter: &AtomicU64) -> Result<()> {
    let mut reader = BufReader::new(&stream);
    loop {
        let mut length = 0usize;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().context("content-length")?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = snappy::unpack(&body, 64 << 20)?;
        let mut count = 0;
        series_v1::<ProtoError>(&body, |series| {
            series.each(|entry| {
                count += u64::from(matches!(entry, Entry::Sample(_)));
                Ok::<(), ProtoError>(())
            })
        })?;
        counter.fetch_add(count, Ordering::AcqRel);
        (&stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

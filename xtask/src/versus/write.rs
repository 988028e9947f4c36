//! Remote write, in and out: what a server pays for receiving the load, by each protocol, and for sending it on from its log.
//!
//! Received: bodies are made beforehand and pushed over kept connections by four writers, each series once a step, as scrapes write
//! it. Sent: a server takes the load while its destination answers nothing, and then sends all of it from its log to a sink that
//! answers at once: what it pays from then on is sending alone. Where `PEERS_DIR` has a `victoria-metrics` too, it receives as well.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

mod bodies;
mod sink;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::bodies::{Load, Protocol};
use self::sink::Sink;
use super::Bench;
use super::load::size_bytes;
use super::process::{Server, get_ok};
use super::report::{Report, Side, Verdict};

const WRITERS: usize = 4;
const PROTOCOLS: [Protocol; 2] = [Protocol::V1, Protocol::V2];

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let steps = bench.steps.min(60);
    let load = Load::new(bench.series, steps);
    println!("{} series x {steps} steps = {} samples", bench.series, load.samples());
    let million = load.samples() as f64 / 1e6;
    let work = bench.root.join("target/versus/write");
    let sides = bench.sides("prometheus")?;
    let victoria = bench.peers.as_ref().map(|dir| dir.join("victoria-metrics"));
    let victoria = victoria.filter(|path| path.is_file());
    if victoria.is_none() {
        println!("no victoria-metrics in PEERS_DIR: measuring without it");
    }
    let mut report = Report::new("write");
    for round in 0..bench.rounds.min(3) {
        for protocol in PROTOCOLS {
            let bodies = load.bodies(protocol, bodies::now_ms()?)?;
            let mut answers = Vec::new();
            let mut one = |side: Side, start: &Start<'_>, against: &str| -> Result<()> {
                let got = receive(start, &work, protocol, &bodies)?;
                let mut add = |what: &str, unit: &'static str, value: f64| {
                    report.add(side, &format!("{protocol}{against}, {what}"), unit, value);
                };
                add("received, CPU s a million samples", "s", got.cpu / million);
                add("received, million samples a second", "M/s", million / got.wall);
                add("peak resident", "MB", got.peak / 1e6);
                add("on disk, bytes a sample", "B", got.disk / 1e6 / million);
                answers.push((side, against.to_owned(), got.stored));
                Ok(())
            };
            for (side, program) in &sides {
                one(*side, &Start::Prometheus(program), "")?;
            }
            if let (Some(program), Protocol::V1) = (&victoria, protocol) {
                const AGAINST: &str = " (theirs: VictoriaMetrics)";
                one(Side::Ours, &Start::Prometheus(&sides[0].1), AGAINST)?;
                one(Side::Theirs, &Start::Victoria(program), AGAINST)?;
            }
            if round == 0 {
                for pair in answers.chunks_exact(2) {
                    let (ours, theirs) = (&pair[0].2, &pair[1].2);
                    let verdict = if ours == theirs {
                        Verdict::Equal
                    } else {
                        Verdict::Differs(format!("{ours} and {theirs}"))
                    };
                    report.compare(&format!("{protocol}{}, series stored", pair[0].1), verdict);
                }
            }
        }
        for protocol in PROTOCOLS {
            for (side, program) in &sides {
                let got = send(program, &work, protocol, &load)?;
                let mut add = |what: &str, unit: &'static str, value: f64| {
                    report.add(*side, &format!("{protocol}, {what}"), unit, value);
                };
                add("sent, CPU s a million samples", "s", got.cpu / million);
                add("sent, bytes a sample", "B", got.bytes as f64 / 1e6 / million);
                add("sent, samples a request", "", load.samples() as f64 / got.requests as f64);
                if got.samples != load.samples() {
                    bail!("{side:?}: the sink has {} samples of {}", got.samples, load.samples());
                }
            }
        }
    }
    report.finish(&bench.root)
}

/// How a receiver is started.
enum Start<'a> {
    /// With Prometheus' flags.
    Prometheus(&'a Path),
    Victoria(&'a Path),
}

impl Start<'_> {
    /// A server on an empty folder; `config` is a configuration file's text.
    fn start(&self, work: &Path, config: &str) -> Result<Server> {
        let _ = std::fs::remove_dir_all(work);
        std::fs::create_dir_all(work)?;
        let file = work.join("write.yml");
        std::fs::write(&file, config)?;
        let data = data(work);
        let mut server = match self {
            Self::Prometheus(program) => Server::start(program, |port| {
                vec![
                    format!("--config.file={}", file.display()),
                    format!("--storage.tsdb.path={}", data.display()),
                    format!("--web.listen-address=127.0.0.1:{port}"),
                    "--web.enable-remote-write-receiver".to_owned(),
                ]
            })?,
            Self::Victoria(program) => Server::start(program, |port| {
                vec![
                    format!("-storageDataPath={}", data.display()),
                    format!("-httpListenAddr=127.0.0.1:{port}"),
                ]
            })?,
        };
        server.wait_answer("/-/ready", Duration::from_secs(60))?;
        Ok(server)
    }

    /// How many series it has.
    fn stored(&self, server: &Server) -> Result<String> {
        let (path, end) = match self {
            Self::Prometheus(_) => ("/api/v1/query", bodies::now_ms()? / 1000 + 600),
            // What came last becomes visible when its buffers are flushed.
            Self::Victoria(_) => {
                get_ok(server.port, "/internal/force_flush")?;
                ("/api/v1/query", bodies::now_ms()? / 1000 + 600)
            }
        };
        let query = "count(last_over_time(%7B__name__%3D~%22bench.%2B%22%7D%5B1h%5D))";
        let path = format!("{path}?query={query}&time={end}");
        let answer: serde_json::Value = serde_json::from_slice(&get_ok(server.port, &path)?)?;
        Ok(answer["data"]["result"][0]["value"][1].to_string())
    }
}

fn data(work: &Path) -> PathBuf {
    work.join("data")
}

struct Received {
    cpu: f64,
    wall: f64,
    peak: f64,
    disk: f64,
    stored: String,
}

fn receive(
    start: &Start<'_>,
    work: &Path,
    protocol: Protocol,
    bodies: &[Vec<Vec<u8>>],
) -> Result<Received> {
    let server = start.start(work, "")?;
    sleep(Duration::from_secs(1));
    let (cpu, started) = (server.cpu_seconds()?, Instant::now());
    push(server.port, protocol, bodies)?;
    let wall = started.elapsed().as_secs_f64();
    sleep(Duration::from_secs(2));
    let cpu = server.cpu_seconds()? - cpu;
    let (peak, disk) = (server.peak_bytes()? as f64, size_bytes(&data(work))? as f64);
    Ok(Received { cpu, wall, peak, disk, stored: start.stored(&server)? })
}

struct Sent {
    cpu: f64,
    bytes: u64,
    requests: u64,
    samples: u64,
}

fn send(program: &Path, work: &Path, protocol: Protocol, load: &Load) -> Result<Sent> {
    let sink = Sink::start()?;
    let config = format!(
        "remote_write:\n- url: http://127.0.0.1:{}/write\n  remote_timeout: 30m\n  protobuf_message: {}\n",
        sink.port,
        protocol.message()
    );
    let server = Start::Prometheus(program).start(work, &config)?;
    // The peer sends what is newer than its start, ours what comes after it: each load begins in the near future.
    sleep(Duration::from_secs(2));
    push(server.port, Protocol::V1, &load.bodies(Protocol::V1, bodies::now_ms()?)?)?;
    settle(&server)?;
    let cpu = server.cpu_seconds()?;
    sink.open();
    let (mut last, mut since) = (0, Instant::now());
    // What is not full waits five seconds.
    while sink.samples() < load.samples() && since.elapsed() < Duration::from_secs(30) {
        sleep(Duration::from_millis(20));
        let now = sink.samples();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    let cpu = server.cpu_seconds()? - cpu;
    Ok(Sent { cpu, bytes: sink.bytes(), requests: sink.requests(), samples: sink.samples() })
}

/// Waits until a server does next to nothing.
fn settle(server: &Server) -> Result<()> {
    let mut before = server.cpu_seconds()?;
    for _ in 0..30 {
        sleep(Duration::from_secs(1));
        let now = server.cpu_seconds()?;
        if now - before < 0.05 {
            return Ok(());
        }
        before = now;
    }
    Ok(())
}

/// Pushes all bodies: the steps one after the other, the requests of a step side by side.
fn push(port: u16, protocol: Protocol, bodies: &[Vec<Vec<u8>>]) -> Result<()> {
    let connect = || -> Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let mut streams = (0..WRITERS).map(|_| connect()).collect::<Result<Vec<_>>>()?;
    for step in bodies {
        let next = AtomicUsize::new(0);
        let next = &next;
        std::thread::scope(|scope| -> Result<()> {
            let writer = |stream| {
                move || -> Result<()> {
                    let stream: &mut TcpStream = stream;
                    while let Some(body) = step.get(next.fetch_add(1, Ordering::Relaxed)) {
                        post(stream, protocol, body)?;
                    }
                    Ok(())
                }
            };
            let writers: Vec<_> = streams.iter_mut().map(|s| scope.spawn(writer(s))).collect();
            for writer in writers {
                writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn post(stream: &mut TcpStream, protocol: Protocol, body: &[u8]) -> Result<()> {
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Encoding: snappy\r\nContent-Type: {}\r\nX-Prometheus-Remote-Write-Version: {}\r\nContent-Length: {}\r\n\r\n",
        protocol.content_type(),
        protocol.version(),
        body.len()
    );
    stream.write_all(head.as_bytes())?;
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

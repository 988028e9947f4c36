//! A server under measurement: started on a free port of loopback, watched through `/proc`, ended by its own pid.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Kernel ticks a second in `/proc/PID/stat`.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    started: Instant,
}

impl Server {
    /// Starts `program`; `arguments` gets the port.
    pub(crate) fn start(program: &Path, arguments: impl Fn(u16) -> Vec<String>) -> Result<Self> {
        let port = free_port()?;
        let child = Command::new(program)
            .args(arguments(port))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { child, port, started: Instant::now() })
    }

    /// Waits until `/-/ready` answers 200; returns the seconds since the start.
    pub(crate) fn wait_ready(&mut self, limit: Duration) -> Result<f64> {
        self.wait_answer("/-/ready", limit)
    }

    /// Waits until `path` answers 200; returns the seconds since the start.
    pub(crate) fn wait_answer(&mut self, path: &str, limit: Duration) -> Result<f64> {
        loop {
            if let Ok((200, _)) = get(self.port, path) {
                return Ok(self.started.elapsed().as_secs_f64());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended while it was awaited: {status}");
            }
            if self.started.elapsed() > limit {
                bail!("not ready within {limit:?}");
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the answer of `path` has a text in it; returns the seconds since the start.
    pub(crate) fn wait_body(&mut self, path: &str, text: &str, limit: Duration) -> Result<f64> {
        while !super::wal::has(self.port, path, text) {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended while it was awaited: {status}");
            }
            if self.started.elapsed() > limit {
                bail!("{path} without {text} within {limit:?}");
            }
            sleep(Duration::from_millis(10));
        }
        Ok(self.started.elapsed().as_secs_f64())
    }

    /// User and system seconds so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let rest = stat.rsplit(')').next().unwrap_or("");
        let field = |i: usize| -> f64 {
            rest.split_ascii_whitespace().nth(i).and_then(|v| v.parse().ok()).unwrap_or(0.0)
        };
        Ok((field(11) + field(12)) / TICKS_PER_SECOND)
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages = statm.split(' ').nth(1).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        Ok(pages * PAGE_BYTES)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The part of the resident memory that no file backs: shared with nobody, and the first to hurt.
    pub(crate) fn anonymous_bytes(&self) -> Result<u64> {
        self.status_bytes("RssAnon:")
    }

    fn status_bytes(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("0");
        let kib = line.trim().split(' ').next().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        Ok(kib * 1024)
    }

    /// The most that was ever resident, since the start or the last [`Server::reset_peak`].
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        self.status_bytes("VmHWM:")
    }

    /// Makes the peak start anew from what is resident now.
    pub(crate) fn reset_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of loopback that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// GET on loopback: status and body. HTTP/1.1 without keeping the connection.
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("no end of headers")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status =
        head.split(' ').nth(1).and_then(|v| v.parse().ok()).context("no status in the answer")?;
    let body = answer.split_off(end + 4);
    let chunked = head.contains("transfer-encoding: chunked");
    Ok((status, if chunked { unchunk(&body)? } else { body }))
}

/// The body of a GET that must be answered with 200: an error answered quickly is no good figure.
pub(crate) fn get_ok(port: u16, path: &str) -> Result<Vec<u8>> {
    match get(port, path)? {
        (200, body) => Ok(body),
        (status, body) => bail!("{path}: {status} {}", String::from_utf8_lossy(&body)),
    }
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").context("chunk without length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
        let data = rest.get(end + 2..end + 2 + length).context("chunk cut short")?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(data);
        rest = rest.get(end + 4 + length..).context("chunk without end")?;
    }
}

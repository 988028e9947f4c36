//! A destination of remote write: holds its answers back until it is opened, then takes every request and counts what is in it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use gauntlet_wire::fields::ProtoError;
use gauntlet_wire::snappy;
use gauntlet_wire::write::{Entry, RequestV2, SeriesV2, series_v1};
use std::sync::{Condvar, Mutex};

#[derive(Default)]
struct Counts {
    samples: AtomicU64,
    bytes: AtomicU64,
    requests: AtomicU64,
    open: Mutex<bool>,
    opened: Condvar,
}

pub(super) struct Sink {
    pub(super) port: u16,
    counts: Arc<Counts>,
}

impl Sink {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = take(stream, &counts);
                });
            }
        });
        Ok(Self { port, counts })
    }

    /// From now on requests are answered.
    pub(super) fn open(&self) {
        *self.counts.open.lock().unwrap_or_else(|err| err.into_inner()) = true;
        self.counts.opened.notify_all();
    }

    pub(super) fn samples(&self) -> u64 {
        self.counts.samples.load(Ordering::Acquire)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Acquire)
    }

    pub(super) fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Acquire)
    }
}

fn take(stream: TcpStream, counts: &Counts) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(&stream);
    loop {
        let (mut length, mut second) = (0usize, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().context("content-length")?;
            }
            second |= line.starts_with("content-type:") && line.contains("v2.request");
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut open = counts.open.lock().unwrap_or_else(|err| err.into_inner());
        while !*open {
            open = counts.opened.wait(open).unwrap_or_else(|err| err.into_inner());
        }
        drop(open);
        let body = snappy::unpack(&body, 64 << 20)?;
        let samples = if second { samples_v2(&body)? } else { samples_v1(&body)? };
        counts.bytes.fetch_add(length as u64, Ordering::AcqRel);
        counts.requests.fetch_add(1, Ordering::AcqRel);
        counts.samples.fetch_add(samples, Ordering::AcqRel);
        let answer = format!(
            "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: {samples}\r\n\r\n"
        );
        (&stream).write_all(answer.as_bytes())?;
    }
}

fn samples_v1(body: &[u8]) -> Result<u64> {
    let mut count = 0;
    series_v1::<ProtoError>(body, |series| {
        series.each(|entry| {
            count += u64::from(matches!(entry, Entry::Sample(_)));
            Ok::<(), ProtoError>(())
        })
    })?;
    Ok(count)
}

fn samples_v2(body: &[u8]) -> Result<u64> {
    let (mut count, mut series) = (0, SeriesV2::default());
    for one in RequestV2::new(body)?.series {
        series.read(one)?;
        count += series.samples.len() as u64;
    }
    Ok(count)
}

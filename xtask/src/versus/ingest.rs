//! Remote write in simulated time: series of ten labels, a sample each and step, 2000 to a request, over two kept connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow, bail};
use gauntlet_model::Labels;
use gauntlet_wire::snappy;

use super::load;

const SAMPLES_A_REQUEST: usize = 2000;
const WRITERS: usize = 2;

/// The series of a load and their newest values.
pub(super) struct Ingest {
    /// Each series' labels as a `TimeSeries` message has them.
    labels: Vec<Box<[u8]>>,
    values: Vec<f64>,
    random: u64,
    step: usize,
}

impl Ingest {
    pub(super) fn new(series: usize) -> Self {
        Self {
            labels: (0..series).map(|n| packed(&ten_labels(n, series))).collect(),
            values: vec![0.0; series],
            random: 88_172_645_463_325_252,
            step: 0,
        }
    }

    /// Sends the next sample of each series, at `t`.
    pub(super) fn step(&mut self, port: u16, t: i64) -> Result<()> {
        let mut bodies = Vec::new();
        for first in (0..self.values.len()).step_by(SAMPLES_A_REQUEST) {
            let mut body = Vec::new();
            for n in first..(first + SAMPLES_A_REQUEST).min(self.values.len()) {
                load::next(n, self.step, &mut self.values[n], &mut self.random);
                let mut sample = vec![9];
                sample.extend_from_slice(&self.values[n].to_le_bytes());
                sample.push(16);
                uvarint(&mut sample, t as u64);
                let labels = &self.labels[n];
                body.push(10);
                uvarint(&mut body, (labels.len() + 2 + sample.len()) as u64);
                body.extend_from_slice(labels);
                body.extend_from_slice(&[18, sample.len() as u8]);
                body.extend_from_slice(&sample);
            }
            bodies.push(snappy::pack(&body)?);
        }
        self.step += 1;
        let next = AtomicUsize::new(0);
        let writer = || -> Result<()> {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                post(&mut stream, body)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer)).collect();
            writers
                .into_iter()
                .try_for_each(|w| w.join().map_err(|_| anyhow!("a writer panicked"))?)
        })
    }
}

fn ten_labels(n: usize, series: usize) -> Labels {
    let node = format!("node-{:04}", n / 2500);
    let more = [("node", node.as_str()), ("region", "eu-west-1"), ("method", "GET")];
    let base = load::labels(n, series);
    // A histogram's series have a label more as they are.
    let wanted = 10_usize.saturating_sub(base.iter().count());
    Labels::from_pairs(base.iter().chain(more.into_iter().take(wanted)))
}

fn packed(labels: &Labels) -> Box<[u8]> {
    let mut out = Vec::new();
    for (name, value) in labels {
        let mut pair = Vec::new();
        for (tag, text) in [(10, name), (18, value)] {
            pair.push(tag);
            uvarint(&mut pair, text.len() as u64);
            pair.extend_from_slice(text.as_bytes());
        }
        out.push(10);
        uvarint(&mut out, pair.len() as u64);
        out.extend_from_slice(&pair);
    }
    out.into()
}

fn uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn post(stream: &mut TcpStream, body: &[u8]) -> Result<()> {
    write!(
        stream,
        "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    let mut part = [0; 512];
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        if read == 0 {
            bail!("the server ended the connection");
        }
        answer.extend_from_slice(&part[..read]);
    }
    let head = String::from_utf8_lossy(&answer);
    if !head.starts_with("HTTP/1.1 204") && !head.starts_with("HTTP/1.1 200") {
        bail!("a write was refused: {head}");
    }
    Ok(())
}

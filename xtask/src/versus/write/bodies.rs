//! Bodies of remote write, made beforehand: 2000 series a request, a sample each, by both protocols.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::collections::HashMap;

use anyhow::Result;
use gauntlet_model::Labels;
use gauntlet_wire::snappy;

use crate::versus::load;

pub(super) const SAMPLES_A_REQUEST: usize = 2000;
/// Samples begin so far after the clock, and no receiver takes what is ten minutes ahead.
const AHEAD_MS: i64 = 60_000;
const SPACING_MS: i64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    V1,
    V2,
}

impl Protocol {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::V1 => "prometheus.WriteRequest",
            Self::V2 => "io.prometheus.write.v2.Request",
        }
    }

    pub(super) fn content_type(self) -> String {
        match self {
            Self::V1 => "application/x-protobuf".to_owned(),
            Self::V2 => format!("application/x-protobuf;proto={}", self.message()),
        }
    }

    pub(super) fn version(self) -> &'static str {
        match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        })
    }
}

/// What is written: series and steps.
pub(super) struct Load {
    labels: Vec<Labels>,
    steps: usize,
}

/// What of a request is the same at each step.
#[derive(Default)]
struct Frame {
    /// Symbols of 2.0.
    head: Vec<u8>,
    /// What names each series.
    names: Vec<Vec<u8>>,
}

impl Load {
    pub(super) fn new(series: usize, steps: usize) -> Self {
        Self { labels: (0..series).map(|n| load::labels(n, series)).collect(), steps }
    }

    pub(super) fn samples(&self) -> u64 {
        (self.labels.len() * self.steps) as u64
    }

    /// Packed requests, by step; times begin a little after `now_ms`.
    pub(super) fn bodies(&self, protocol: Protocol, now_ms: i64) -> Result<Vec<Vec<Vec<u8>>>> {
        let frames: Vec<Frame> = self
            .labels
            .chunks(SAMPLES_A_REQUEST)
            .map(|labels| match protocol {
                Protocol::V1 => frame_v1(labels),
                Protocol::V2 => frame_v2(labels),
            })
            .collect();
        let (mut values, mut random) = (vec![0.0; self.labels.len()], 88_172_645_463_325_252u64);
        let mut steps = Vec::with_capacity(self.steps);
        let mut body = Vec::new();
        for step in 0..self.steps {
            let t = now_ms + AHEAD_MS + step as i64 * SPACING_MS;
            let (mut n, mut requests) = (0, Vec::with_capacity(frames.len()));
            for frame in &frames {
                body.clear();
                body.extend_from_slice(&frame.head);
                for name in &frame.names {
                    load::next(n, step, &mut values[n], &mut random);
                    let mut sample = vec![1 << 3 | 1];
                    sample.extend_from_slice(&values[n].to_le_bytes());
                    sample.push(2 << 3);
                    put_uvarint(&mut sample, t as u64);
                    body.push(if protocol == Protocol::V1 { 1 } else { 5 } << 3 | 2);
                    put_uvarint(&mut body, (name.len() + 2 + sample.len()) as u64);
                    body.extend_from_slice(name);
                    put_bytes(&mut body, 2, &sample);
                    n += 1;
                }
                requests.push(snappy::pack(&body)?);
            }
            steps.push(requests);
        }
        Ok(steps)
    }
}

fn frame_v1(labels: &[Labels]) -> Frame {
    let mut frame = Frame::default();
    for labels in labels {
        let mut fields = Vec::new();
        for (name, value) in labels {
            let mut label = Vec::new();
            put_bytes(&mut label, 1, name.as_bytes());
            put_bytes(&mut label, 2, value.as_bytes());
            put_bytes(&mut fields, 1, &label);
        }
        frame.names.push(fields);
    }
    frame
}

fn frame_v2(labels: &[Labels]) -> Frame {
    let mut frame = Frame::default();
    let mut symbols: HashMap<&str, u64> = HashMap::new();
    put_bytes(&mut frame.head, 4, b"");
    for labels in labels {
        let mut refs = Vec::new();
        for text in labels.iter().flat_map(|(name, value)| [name, value]) {
            let next = symbols.len() as u64 + 1;
            let head = &mut frame.head;
            let number = *symbols.entry(text).or_insert_with(|| {
                put_bytes(head, 4, text.as_bytes());
                next
            });
            put_uvarint(&mut refs, number);
        }
        let mut field = Vec::new();
        put_bytes(&mut field, 1, &refs);
        frame.names.push(field);
    }
    frame
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_uvarint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn now_ms() -> Result<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(since.as_millis() as i64)
}

//! Frames of a StoreAPI Series stream, read and written by hand: the one message that a query sees by the million.
//!
//! Reading keeps chunk data as slices of the frame's own buffer and builds label sets straight into their shared form: one
//! allocation a series, none a chunk. Writing appends to a byte vector, fields in ascending order and zero values left out, as
//! upstream's generated code does. Page: docs/formats/storeapi.md.

use std::cmp::Ordering;

use bytes::Bytes;
use gauntlet_encoding::put::uvarint_len;
use gauntlet_encoding::{Cursor, put_uvarint};
use gauntlet_model::Labels;

use crate::WireError;
use crate::convert::labels_from_pairs;
use crate::store::{Aggr, Any};

/// Labels that one series may have; more is taken for damage.
const MAX_LABELS: usize = 4096;

/// One encoded chunk of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkBytes {
    /// Number of the encoding on disk (XOR is 1); the wire has one less.
    pub encoding: u8,
    pub data: Bytes,
    /// xxh64 of `data`, or 0 where not computed.
    pub hash: u64,
}

impl ChunkBytes {
    /// The hash, computed where the sender gave none.
    pub fn hash(&self) -> u64 {
        if self.hash != 0 { self.hash } else { xxhash_rust::xxh64::xxh64(&self.data, 0) }
    }
}

/// A raw chunk, or what was asked of a downsampled one. Both ends of the time range are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggrChunk {
    pub min_time: i64,
    pub max_time: i64,
    pub parts: Parts,
}

/// What an [`AggrChunk`] carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    Raw(ChunkBytes),
    /// Count, sum, min, max, counter; at the place of [`Aggr`] minus one. All absent where the request named no aggregate.
    Aggregates(Box<[Option<ChunkBytes>; 5]>),
}

impl AggrChunk {
    pub fn raw(min_time: i64, max_time: i64, chunk: ChunkBytes) -> Self {
        Self { min_time, max_time, parts: Parts::Raw(chunk) }
    }

    /// The part named, if it is there.
    pub fn part(&self, aggr: Aggr) -> Option<&ChunkBytes> {
        match (&self.parts, aggr) {
            (Parts::Raw(chunk), Aggr::Raw) => Some(chunk),
            (Parts::Aggregates(parts), Aggr::Count) => parts[0].as_ref(),
            (Parts::Aggregates(parts), Aggr::Sum) => parts[1].as_ref(),
            (Parts::Aggregates(parts), Aggr::Min) => parts[2].as_ref(),
            (Parts::Aggregates(parts), Aggr::Max) => parts[3].as_ref(),
            (Parts::Aggregates(parts), Aggr::Counter) => parts[4].as_ref(),
            _ => None,
        }
    }

    /// Parts in upstream's field order.
    fn parts(&self) -> impl Iterator<Item = (u8, &ChunkBytes)> {
        let (raw, aggregates): (Option<&ChunkBytes>, &[Option<ChunkBytes>]) = match &self.parts {
            Parts::Raw(chunk) => (Some(chunk), &[]),
            Parts::Aggregates(parts) => (None, &parts[..]),
        };
        let numbered = aggregates.iter().enumerate();
        let some = numbered.filter_map(|(i, part)| Some((i as u8 + 4, part.as_ref()?)));
        raw.map(|chunk| (3, chunk)).into_iter().chain(some)
    }

    /// Bytes of all parts.
    pub fn data_len(&self) -> usize {
        self.parts().map(|(_, part)| part.data.len()).sum()
    }

    /// Upstream's order of chunks in a merged series: by time, then by content, larger bytes first.
    pub fn order(&self, other: &Self) -> Ordering {
        const FIELDS: [Aggr; 6] =
            [Aggr::Raw, Aggr::Count, Aggr::Sum, Aggr::Min, Aggr::Max, Aggr::Counter];
        let times = (self.min_time, self.max_time).cmp(&(other.min_time, other.max_time));
        FIELDS.iter().fold(times, |order, aggr| {
            order.then_with(|| match (self.part(*aggr), other.part(*aggr)) {
                (None, None) => Ordering::Equal,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.encoding.cmp(&b.encoding).then(b.data.cmp(&a.data)),
            })
        })
    }
}

/// Series with their chunks in the order they came; flat, as a stream delivers them.
#[derive(Debug, Default)]
pub struct StoreSet {
    entries: Vec<(Labels, u32)>,
    chunks: Vec<AggrChunk>,
    pub warnings: Vec<String>,
    pub hints: Vec<Any>,
}

impl StoreSet {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn labels(&self, index: usize) -> &Labels {
        &self.entries[index].0
    }

    pub fn chunks(&self, index: usize) -> &[AggrChunk] {
        let first = self.entries[index].1 as usize;
        let end = self.entries.get(index + 1).map_or(self.chunks.len(), |e| e.1 as usize);
        &self.chunks[first..end]
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Labels, &[AggrChunk])> {
        (0..self.len()).map(|i| (self.labels(i), self.chunks(i)))
    }

    /// Begins the next series; chunks pushed from now on are its own.
    pub fn push_series(&mut self, labels: Labels) {
        let first = u32::try_from(self.chunks.len()).expect("BUG: fewer than 2^32 chunks in a set");
        self.entries.push((labels, first));
    }

    /// Adds a chunk to the series begun last.
    pub fn push_chunk(&mut self, chunk: AggrChunk) {
        debug_assert!(!self.entries.is_empty(), "BUG: chunk before its series");
        self.chunks.push(chunk);
    }

    /// Rewrites every label set. The order of series may be lost: see [`StoreSet::sort`].
    pub fn map_labels(&mut self, mut change: impl FnMut(&Labels) -> Labels) {
        for (labels, _) in &mut self.entries {
            *labels = change(labels);
        }
    }

    /// Puts series into ascending order of label set; equal ones stay apart, in the order they came.
    pub fn sort(&mut self) {
        if self.entries.is_sorted_by(|a, b| a.0 <= b.0) {
            return;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|a, b| self.labels(*a).cmp(self.labels(*b)));
        let mut sorted = Self::default();
        sorted.entries.reserve(self.entries.len());
        sorted.chunks.reserve(self.chunks.len());
        for index in order {
            sorted.push_series(self.labels(index).clone());
            sorted.chunks.extend_from_slice(self.chunks(index));
        }
        self.entries = sorted.entries;
        self.chunks = sorted.chunks;
    }

    /// Keeps the series for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&Labels) -> bool) {
        if self.entries.iter().all(|(labels, _)| keep(labels)) {
            return;
        }
        let mut kept = Self::default();
        for index in 0..self.len() {
            if keep(self.labels(index)) {
                kept.push_series(self.labels(index).clone());
                kept.chunks.extend_from_slice(self.chunks(index));
            }
        }
        self.entries = kept.entries;
        self.chunks = kept.chunks;
    }

    /// Drops all but the first `limit` series; 0 drops none.
    pub fn truncate(&mut self, limit: usize) {
        if limit > 0 && self.len() > limit {
            self.chunks.truncate(self.entries[limit].1 as usize);
            self.entries.truncate(limit);
        }
    }

    /// Reads one frame and appends what it carries. Returns roughly the bytes of memory that it added.
    pub fn read_frame(&mut self, frame: &Bytes) -> Result<u64, WireError> {
        let before = (self.entries.len(), self.chunks.len());
        let mut cursor = Cursor::new(frame);
        while let Some(field) = next_field(&mut cursor)? {
            match field {
                (1, Value::Bytes(at, len)) => self.read_series(frame, at, len)?,
                (2, Value::Bytes(at, len)) => {
                    let text = std::str::from_utf8(&frame[at..at + len])
                        .map_err(|_| WireError::Damaged("warning is not UTF-8"))?;
                    self.warnings.push(text.to_owned());
                }
                (3, Value::Bytes(at, len)) => {
                    self.hints.push(prost::Message::decode(frame.slice(at..at + len))?);
                }
                (4, Value::Bytes(at, len)) => {
                    let mut batch = Cursor::new(&frame[..at + len]);
                    batch.skip(at)?;
                    while let Some(field) = next_field(&mut batch)? {
                        if let (1, Value::Bytes(at, len)) = field {
                            self.read_series(frame, at, len)?;
                        }
                    }
                }
                _ => {}
            }
        }
        let labels: usize = self.entries[before.0..].iter().map(|(l, _)| l.size_bytes() + 48).sum();
        let chunks = (self.chunks.len() - before.1) * size_of::<AggrChunk>();
        Ok((labels + chunks + frame.len()) as u64)
    }

    fn read_series(&mut self, frame: &Bytes, at: usize, len: usize) -> Result<(), WireError> {
        let mut cursor = Cursor::new(&frame[..at + len]);
        cursor.skip(at)?;
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(16);
        let first = u32::try_from(self.chunks.len())
            .map_err(|_| WireError::Damaged("more than 2^32 chunks in one answer"))?;
        while let Some(field) = next_field(&mut cursor)? {
            match field {
                (1, Value::Bytes(at, len)) => {
                    if pairs.len() == MAX_LABELS {
                        return Err(WireError::Damaged("series with more than 4096 labels"));
                    }
                    pairs.push(read_label(&frame[at..at + len])?);
                }
                (2, Value::Bytes(at, len)) => {
                    self.chunks.push(read_aggr_chunk(frame, at, len)?);
                }
                _ => {}
            }
        }
        let labels = labels_from_pairs(pairs.iter().copied())?;
        self.entries.push((labels, first));
        Ok(())
    }
}

/// A field's value: a number, or the place of bytes in the cursor's slice.
enum Value {
    Number(u64),
    Bytes(usize, usize),
}

/// The next field; 32- and 64-bit fixed ones, which these messages lack, are skipped over.
fn next_field(cursor: &mut Cursor<'_>) -> Result<Option<(u64, Value)>, WireError> {
    loop {
        if cursor.is_empty() {
            return Ok(None);
        }
        let key = cursor.uvarint()?;
        match key & 7 {
            0 => return Ok(Some((key >> 3, Value::Number(cursor.uvarint()?)))),
            1 => cursor.skip(8)?,
            2 => {
                let bytes = cursor.len_bytes()?;
                return Ok(Some((
                    key >> 3,
                    Value::Bytes(cursor.offset() - bytes.len(), bytes.len()),
                )));
            }
            5 => cursor.skip(4)?,
            _ => return Err(WireError::Damaged("unknown wire type")),
        }
    }
}

fn read_label(bytes: &[u8]) -> Result<(&str, &str), WireError> {
    let text = |at: usize, len: usize| {
        std::str::from_utf8(&bytes[at..at + len])
            .map_err(|_| WireError::Damaged("label is not UTF-8"))
    };
    let mut cursor = Cursor::new(bytes);
    let (mut name, mut value) = ("", "");
    while let Some(field) = next_field(&mut cursor)? {
        match field {
            (1, Value::Bytes(at, len)) => name = text(at, len)?,
            (2, Value::Bytes(at, len)) => value = text(at, len)?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn read_aggr_chunk(frame: &Bytes, at: usize, len: usize) -> Result<AggrChunk, WireError> {
    let mut cursor = Cursor::new(&frame[..at + len]);
    cursor.skip(at)?;
    let (mut min_time, mut max_time) = (0, 0);
    let mut raw = None;
    let mut aggregates: [Option<ChunkBytes>; 5] = Default::default();
    while let Some(field) = next_field(&mut cursor)? {
        match field {
            (1, Value::Number(n)) => min_time = n as i64,
            (2, Value::Number(n)) => max_time = n as i64,
            (3, Value::Bytes(at, len)) => raw = Some(read_chunk(frame, at, len)?),
            (field @ 4..=8, Value::Bytes(at, len)) => {
                aggregates[field as usize - 4] = Some(read_chunk(frame, at, len)?);
            }
            _ => {}
        }
    }
    let parts = raw.map_or_else(|| Parts::Aggregates(Box::new(aggregates)), Parts::Raw);
    Ok(AggrChunk { min_time, max_time, parts })
}

fn read_chunk(frame: &Bytes, at: usize, len: usize) -> Result<ChunkBytes, WireError> {
    let mut cursor = Cursor::new(&frame[..at + len]);
    cursor.skip(at)?;
    let mut chunk = ChunkBytes { encoding: 1, data: Bytes::new(), hash: 0 };
    while let Some(field) = next_field(&mut cursor)? {
        match field {
            (1, Value::Number(n)) => {
                chunk.encoding = u8::try_from(n.saturating_add(1))
                    .map_err(|_| WireError::Damaged("unknown chunk encoding"))?;
            }
            (2, Value::Bytes(at, len)) => chunk.data = frame.slice(at..at + len),
            (3, Value::Number(n)) => chunk.hash = n,
            _ => {}
        }
    }
    Ok(chunk)
}

/// Appends a frame of one series.
pub fn put_series_frame(out: &mut Vec<u8>, labels: &Labels, chunks: &[AggrChunk]) {
    put_message(out, 1, series_len(labels, chunks), |out| put_series(out, labels, chunks));
}

/// Appends a frame of several series: message `batch`.
pub fn put_batch_frame(out: &mut Vec<u8>, series: &[(&Labels, &[AggrChunk])]) {
    let lens: Vec<usize> = series.iter().map(|(l, c)| series_len(l, c)).collect();
    put_message(out, 4, lens.iter().map(|len| message_len(*len)).sum(), |out| {
        for ((labels, chunks), len) in series.iter().zip(&lens) {
            put_message(out, 1, *len, |out| put_series(out, labels, chunks));
        }
    });
}

/// Appends a frame that is a warning.
pub fn put_warning_frame(out: &mut Vec<u8>, warning: &str) {
    put_message(out, 2, warning.len(), |out| out.extend_from_slice(warning.as_bytes()));
}

/// Appends a frame that is a hint.
pub fn put_hints_frame(out: &mut Vec<u8>, hints: &Any) {
    let bytes = prost::Message::encode_to_vec(hints);
    put_message(out, 3, bytes.len(), |out| out.extend_from_slice(&bytes));
}

fn series_len(labels: &Labels, chunks: &[AggrChunk]) -> usize {
    let labels: usize = labels.iter().map(|(n, v)| message_len(label_len(n, v))).sum();
    let chunks: usize = chunks.iter().map(|c| message_len(aggr_chunk_len(c))).sum();
    labels + chunks
}

fn put_series(out: &mut Vec<u8>, labels: &Labels, chunks: &[AggrChunk]) {
    for (name, value) in labels {
        put_message(out, 1, label_len(name, value), |out| {
            put_bytes(out, 1, name.as_bytes());
            put_bytes(out, 2, value.as_bytes());
        });
    }
    for chunk in chunks {
        put_message(out, 2, aggr_chunk_len(chunk), |out| {
            put_number(out, 1, chunk.min_time as u64);
            put_number(out, 2, chunk.max_time as u64);
            for (field, part) in chunk.parts() {
                put_message(out, field, chunk_len(part), |out| {
                    put_number(out, 1, u64::from(part.encoding.saturating_sub(1)));
                    put_bytes(out, 2, &part.data);
                    put_number(out, 3, part.hash);
                });
            }
        });
    }
}

fn label_len(name: &str, value: &str) -> usize {
    bytes_len(name.len()) + bytes_len(value.len())
}

fn aggr_chunk_len(chunk: &AggrChunk) -> usize {
    let parts: usize = chunk.parts().map(|(_, part)| message_len(chunk_len(part))).sum();
    number_len(chunk.min_time as u64) + number_len(chunk.max_time as u64) + parts
}

fn chunk_len(chunk: &ChunkBytes) -> usize {
    number_len(u64::from(chunk.encoding.saturating_sub(1)))
        + bytes_len(chunk.data.len())
        + number_len(chunk.hash)
}

/// Length of a sub-message with its key and length; written even when empty.
fn message_len(len: usize) -> usize {
    1 + uvarint_len(len as u64) + len
}

fn bytes_len(len: usize) -> usize {
    if len == 0 { 0 } else { message_len(len) }
}

fn number_len(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + uvarint_len(number) }
}

fn put_message(out: &mut Vec<u8>, field: u8, len: usize, put: impl FnOnce(&mut Vec<u8>)) {
    out.push(field << 3 | 2);
    put_uvarint(out, len as u64);
    let start = out.len();
    put(out);
    debug_assert_eq!(out.len() - start, len, "BUG: length of field {field}");
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_message(out, field, bytes.len(), |out| out.extend_from_slice(bytes));
    }
}

fn put_number(out: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        out.push(field << 3);
        put_uvarint(out, number);
    }
}

#[cfg(test)]
mod tests;

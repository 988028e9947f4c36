//! Samples that come while the log replays. The log's samples are older and go to the series' states; these wait beside them, are
//! seen by readers, and are appended behind the log's when it has been read.
//!
//! 48 bytes a series and its cells; what few series have (histograms, start timestamps, more than a chunk) lies in a box. Leaves out how the log
//! is read ([`super::replay`]).

use gauntlet_chunk::{Encoding, XorState};
use gauntlet_model::Timestamp;
use gauntlet_storage::{AppendError, TimeRange};
use tracing::warn;

use super::cells::{Cells, Chain};
use super::samples::{EncodedChunk, Encodings, Value, decode_samples, encode_samples};
use super::shard::{Bounds, Found, Route, ShardData};

/// What a sender is told whose sample may or may not be in the part of the log that was not read yet.
const REPLAYING: &str = "the log is being replayed and may have the sample; send it again later";
/// Samples and bytes of an open chunk; then it is closed.
const MAX_SAMPLES: u16 = 240;
const MAX_BYTES: usize = 1000;

#[derive(Debug)]
pub(crate) struct Young {
    chain: Chain,
    state: XorState,
    rest: Option<Box<Rest>>,
}

#[derive(Debug, Default)]
struct Rest {
    /// Closed chunks, before what is open.
    full: Vec<EncodedChunk>,
    /// Samples from the first on that is no plain float, behind what is open.
    values: Vec<(Timestamp, Value)>,
}

impl Young {
    fn new() -> Self {
        Self { chain: Chain::default(), state: XorState::default(), rest: None }
    }

    /// The newest sample; the value of a float by its bits.
    fn last(&self) -> (Timestamp, Value) {
        match self.rest.as_ref().and_then(|rest| rest.values.last()) {
            Some((t, value)) => (*t, value.clone()),
            None => (self.state.t, Value::Float(self.state.value())),
        }
    }

    pub(crate) fn last_t(&self) -> Timestamp {
        self.rest.as_ref().and_then(|rest| rest.values.last()).map_or(self.state.t, |(t, _)| *t)
    }

    fn append(&mut self, t: Timestamp, value: &Value, cells: &mut Cells) {
        let has_values = self.rest.as_ref().is_some_and(|rest| !rest.values.is_empty());
        let Value::Float(float) = value else {
            self.rest.get_or_insert_default().values.push((t, value.clone()));
            return;
        };
        if has_values {
            self.rest.get_or_insert_default().values.push((t, value.clone()));
            return;
        }
        if self.state.count >= MAX_SAMPLES || self.state.len_bytes() > MAX_BYTES {
            let chunk = self.open_chunk(cells);
            cells.release(self.chain, self.state.len_bits);
            self.state = XorState::default();
            self.rest.get_or_insert_default().full.extend(chunk);
        }
        cells.append(&mut self.chain, &mut self.state, t, *float);
    }

    /// The open chunk's bytes; its first time is in front of them.
    fn open_chunk(&self, cells: &Cells) -> Option<EncodedChunk> {
        if self.state.count == 0 {
            return None;
        }
        let mut data = Vec::new();
        if let Err(err) =
            cells.copy_to(self.chain, self.state.len_bits, self.state.count, None, &mut data)
        {
            warn!(component = "tsdb", %err, "samples are missing until the log is replayed again");
            return None;
        }
        let mut first = gauntlet_encoding::Cursor::new(data.get(2..).unwrap_or(&[]));
        let min_t = first.varint().unwrap_or(self.state.t);
        Some(EncodedChunk { encoding: Encoding::Xor, min_t, max_t: self.state.t, data })
    }

    /// All samples as chunks, oldest first.
    fn chunks(&self, cells: &Cells) -> Vec<EncodedChunk> {
        let mut out: Vec<EncodedChunk> = Vec::new();
        if let Some(rest) = &self.rest {
            out.extend(rest.full.iter().cloned());
        }
        out.extend(self.open_chunk(cells));
        if let Some(rest) = &self.rest {
            let values = rest.values.iter().map(|(t, v)| (*t, v));
            out.extend(encode_samples(values, usize::from(MAX_SAMPLES), Encodings::default()));
        }
        out
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| {
            let full: usize = rest.full.iter().map(|chunk| chunk.data.capacity()).sum();
            size_of::<Rest>()
                + full
                + rest.full.capacity() * size_of::<EncodedChunk>()
                + rest.values.capacity() * size_of::<(Timestamp, Value)>()
        })
    }
}

impl ShardData {
    /// Whether a sample is taken while the log replays. What the log may have is not: its sender sends it again.
    pub(super) fn route_young(
        &self,
        slot: u32,
        t: Timestamp,
        value: &Value,
        bounds: &Bounds,
        log_end: Timestamp,
    ) -> Result<Route, AppendError> {
        if t < bounds.min_valid && bounds.window == 0 {
            return Err(AppendError::OutOfBounds);
        }
        if t < bounds.min_valid || t <= log_end {
            return Err(AppendError::ReadOnly(REPLAYING.to_owned()));
        }
        let Some(young) = self.young.get(&slot) else { return Ok(Route::InOrder) };
        let (last_t, last) = young.last();
        if t > last_t {
            Ok(Route::InOrder)
        } else if t == last_t {
            if last.same(value) { Ok(Route::Known) } else { Err(AppendError::DuplicateSample) }
        } else if bounds.window > 0 {
            Err(AppendError::ReadOnly(REPLAYING.to_owned()))
        } else {
            Err(AppendError::OutOfOrder)
        }
    }

    /// Keeps a sample until the log has been read. False where it is not newer than the last one kept.
    pub(super) fn append_young(&mut self, slot: u32, t: Timestamp, value: &Value) -> bool {
        let young = self.young.entry(slot).or_insert_with(Young::new);
        let fresh = young.state.count == 0 && young.rest.is_none();
        if !fresh && t <= young.last_t() {
            return false;
        }
        young.append(t, value, &mut self.cells);
        true
    }

    /// Adds the series' young chunks in the range.
    pub(super) fn young_chunks(
        &self,
        slot: u32,
        range: TimeRange,
        copies: &mut Vec<u8>,
        out: &mut Vec<Found>,
    ) {
        let Some(young) = self.young.get(&slot) else { return };
        for chunk in young.chunks(&self.cells) {
            if range.overlaps(chunk.min_t, chunk.max_t) {
                let start = copies.len();
                copies.extend_from_slice(&chunk.data);
                let (min_t, max_t, encoding) = (chunk.min_t, chunk.max_t, chunk.encoding);
                out.push(Found::Copied { min_t, max_t, encoding, start, end: copies.len() });
            }
        }
    }

    /// First and last time of the series' young samples.
    pub(super) fn young_bounds(&self, slot: u32) -> Option<(Timestamp, Timestamp)> {
        let chunks = self.young.get(&slot)?.chunks(&self.cells);
        Some((chunks.first()?.min_t, chunks.last()?.max_t))
    }

    /// Takes all young samples out: slot, and samples oldest first. From now on samples go to the states.
    pub(super) fn take_young(&mut self) -> Vec<(u32, Vec<(Timestamp, Value)>)> {
        self.replaying = None;
        let mut out = Vec::with_capacity(self.young.len());
        let mut young: Vec<(u32, Young)> = std::mem::take(&mut self.young).into_iter().collect();
        young.sort_unstable_by_key(|(slot, _)| *slot);
        for (slot, young) in young {
            let mut samples = Vec::new();
            for chunk in young.chunks(&self.cells) {
                // Written here a moment ago: that it decodes is our own promise.
                let decoded =
                    decode_samples(chunk.encoding, &chunk.data, Timestamp::MIN, Timestamp::MAX);
                samples.extend(decoded.expect("BUG: a chunk of young samples does not decode"));
            }
            self.release_young(&young);
            out.push((slot, samples));
        }
        out
    }

    pub(super) fn drop_young(&mut self, slot: u32) {
        if let Some(young) = self.young.remove(&slot) {
            self.release_young(&young);
        }
    }

    fn release_young(&mut self, young: &Young) {
        if young.state.count > 0 {
            self.cells.release(young.chain, young.state.len_bits);
        }
    }
}

//! Late samples of a series: older than its newest, inside the out-of-order window. A small sorted buffer, then chunks of their own.

use gauntlet_model::Timestamp;
use gauntlet_storage::{Chunk, ChunkData, TimeRange};

use super::chunk_files::{ChunkFiles, FoundChunk, HeadChunkRef, NewChunk};
use super::samples::{Encodings, Value, encode_samples};
use super::shard::Found;

/// Late samples kept in memory before they become a chunk; upstream's default capacity.
pub(crate) const CAPACITY: usize = 32;

#[derive(Clone, Copy, Debug)]
struct LateChunk {
    place: HeadChunkRef,
    min_t: Timestamp,
    max_t: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct Late {
    /// In the order of writing; they may overlap.
    chunks: Vec<LateChunk>,
    /// Ascending, each time once.
    samples: Vec<(Timestamp, Value)>,
}

impl Late {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.samples.is_empty()
    }

    /// Takes over a chunk of a head chunk file, once.
    pub(crate) fn attach(&mut self, found: &FoundChunk) {
        if self.chunks.iter().any(|chunk| chunk.place == found.chunk) {
            return;
        }
        self.chunks.push(LateChunk { place: found.chunk, min_t: found.min_t, max_t: found.max_t });
    }

    /// Whether the buffer must be written out before another sample is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.samples.len() >= CAPACITY
    }

    /// Takes a sample. False where its time is taken.
    pub(crate) fn insert(&mut self, t: Timestamp, value: Value) -> bool {
        match self.samples.binary_search_by_key(&t, |(t, _)| *t) {
            Ok(_) => false,
            Err(at) => {
                self.samples.insert(at, (t, value));
                true
            }
        }
    }

    /// Takes a sample out of the buffer again.
    pub(crate) fn remove(&mut self, t: Timestamp) {
        if let Ok(at) = self.samples.binary_search_by_key(&t, |(t, _)| *t) {
            self.samples.remove(at);
        }
    }

    /// Writes the buffer to chunks and names them.
    pub(crate) fn write_out(
        &mut self,
        series: u64,
        files: &ChunkFiles,
        encodings: Encodings,
    ) -> Vec<HeadChunkRef> {
        let samples = std::mem::take(&mut self.samples);
        let values = samples.iter().map(|(t, v)| (*t, v));
        let encoded = encode_samples(values, CAPACITY, encodings);
        let mut places = Vec::with_capacity(encoded.len());
        for chunk in encoded {
            let (min_t, max_t) = (chunk.min_t, chunk.max_t);
            let place = files.append(&NewChunk {
                series,
                min_t,
                max_t,
                encoding: chunk.encoding,
                late: true,
                data: &chunk.data,
            });
            self.chunks.push(LateChunk { place, min_t, max_t });
            places.push(place);
        }
        places
    }

    /// After a replay: writes out what the buffer has too much of, oldest first. Names the chunks; the rest stays.
    pub(crate) fn write_out_surplus(
        &mut self,
        series: u64,
        files: &ChunkFiles,
        encodings: Encodings,
    ) -> Vec<HeadChunkRef> {
        let mut places = Vec::new();
        while self.samples.len() > CAPACITY {
            let rest = self.samples.split_off(CAPACITY);
            places.extend(self.write_out(series, files, encodings));
            self.samples = rest;
        }
        places
    }

    /// Samples of the buffer.
    pub(crate) fn buffered(&self) -> &[(Timestamp, Value)] {
        &self.samples
    }

    /// Forgets the buffer: its samples are in chunks.
    pub(crate) fn clear_buffer(&mut self) {
        self.samples.clear();
    }

    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.chunks.iter().any(|c| range.overlaps(c.min_t, c.max_t))
            || self.samples.iter().any(|(t, _)| range.overlaps(*t, *t))
    }

    pub(crate) fn chunks(
        &self,
        range: TimeRange,
        source: u32,
        copies: &mut Vec<u8>,
        out: &mut Vec<Found>,
    ) {
        for chunk in self.chunks.iter().filter(|c| range.overlaps(c.min_t, c.max_t)) {
            let data = ChunkData::Stored { source, chunk_ref: chunk.place };
            let (min_time, max_time) = (chunk.min_t, chunk.max_t);
            out.push(Found::Chunk(Chunk { min_time, max_time, replica: 0, data }));
        }
        let samples = self.samples.iter().map(|(t, v)| (*t, v));
        for chunk in encode_samples(samples, CAPACITY, Encodings::default()) {
            if !range.overlaps(chunk.min_t, chunk.max_t) {
                continue;
            }
            let start = copies.len();
            copies.extend_from_slice(&chunk.data);
            let (min_t, max_t, encoding) = (chunk.min_t, chunk.max_t, chunk.encoding);
            out.push(Found::Copied { min_t, max_t, encoding, start, end: copies.len() });
        }
    }

    /// Number of chunks: those of now, to be dropped later by [`Late::drop_first`].
    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Chunks, the buffer among them.
    pub(crate) fn chunks_held(&self) -> u64 {
        self.chunks.len() as u64 + u64::from(!self.samples.is_empty())
    }

    /// Drops the oldest chunks: they are in a block.
    pub(crate) fn drop_first(&mut self, chunks: usize) {
        self.chunks.drain(..chunks.min(self.chunks.len()));
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = HeadChunkRef> + '_ {
        self.chunks.iter().map(|chunk| chunk.place)
    }

    pub(crate) fn bounds(&self) -> Option<(Timestamp, Timestamp)> {
        let chunks = self.chunks.iter().map(|c| (c.min_t, c.max_t));
        let samples = self.samples.iter().map(|(t, _)| (*t, *t));
        chunks.chain(samples).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.chunks.capacity() * size_of::<LateChunk>()
            + self.samples.capacity() * size_of::<(Timestamp, Value)>()
    }
}

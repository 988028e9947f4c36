//! The answer to a selection: label sets in ascending order, each with its encoded chunks. Flat: two vectors, no box a series.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_chunk::Encoding;
use gauntlet_model::{Labels, Timestamp};
use gauntlet_runtime::Charge;

use crate::QueryError;

/// Reads chunks that a set names without holding their bytes (blocks and head on this machine).
pub trait ChunkReader: Debug + Send + Sync {
    /// Replaces `buffer`'s content by the chunk's data (without length, encoding byte and checksum, which are verified).
    fn read_chunk(&self, chunk_ref: u64, buffer: &mut Vec<u8>) -> Result<Encoding, QueryError>;
}

/// Series that are named by number and loaded a few at a time, so that an answer of many series holds few of them at once. Loads give
/// what was there when the selection was made.
pub trait DeferredSeries: Debug + Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all series have the same values of these labels. Cheap next to loading them.
    fn agree_on(&self, names: &[&str]) -> bool;

    /// Loads series with their chunks, in order of number. With `names` their label sets have these labels alone.
    /// Errs with [`QueryError::Moved`] where that cannot be done any more.
    fn load(&self, series: Range<usize>, names: Option<&[&str]>) -> Result<SeriesSet, QueryError>;
}

/// Where a chunk's bytes are.
#[derive(Clone, Debug)]
pub enum ChunkData {
    /// Here, in their encoding.
    Encoded { encoding: Encoding, bytes: Bytes },
    /// To be read from `SeriesSet::sources[source]`.
    Stored { source: u32, chunk_ref: u64 },
}

/// One encoded chunk of a series.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// First and last sample's time, both in; a storage that does not know them gives a range that holds them.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    /// Ordinal of the replica that the chunk came from; 0 where there is one source of truth.
    pub replica: u32,
    pub data: ChunkData,
}

/// How several replicas of one series become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dedup {
    /// Samples of all chunks are merged by time; of equal times one stays.
    #[default]
    Merge,
    /// Thanos' penalty algorithm. `counter` adjusts values on a switch, so that a rate sees no false reset.
    Penalty { counter: bool },
    /// Thanos' chain algorithm: each time once, of equal times the lower replica's sample. `counter` rewrites resets per replica.
    Chain { counter: bool },
}

#[derive(Clone, Debug)]
struct Entry {
    labels: Labels,
    first_chunk: u32,
}

/// Series in ascending order of label set, each label set once. Only where the reader asked for it
/// ([`crate::SelectHints::deferred`]) the set may be deferred or a part of one, in the order of its storage.
#[derive(Debug, Default)]
pub struct SeriesSet {
    entries: Vec<Entry>,
    deferred: Option<Arc<dyn DeferredSeries>>,
    chunks: Vec<Chunk>,
    sources: Vec<Arc<dyn ChunkReader>>,
    pub dedup: Dedup,
    /// Texts for the answer's `warnings`: what is missing and why.
    pub warnings: Vec<String>,
    /// What the set's memory was charged to; given back when the set is dropped.
    pub charges: Vec<Charge>,
}

impl SeriesSet {
    /// A set whose series are loaded later.
    pub fn of_deferred(deferred: Arc<dyn DeferredSeries>) -> Self {
        Self { deferred: Some(deferred), ..Self::default() }
    }

    /// The series, where they are still to be loaded: then the set has a length, and neither label sets nor chunks.
    pub fn deferred(&self) -> Option<&dyn DeferredSeries> {
        self.deferred.as_deref()
    }

    pub fn len(&self) -> usize {
        self.deferred.as_ref().map_or(self.entries.len(), |deferred| deferred.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is nothing to merge or to say.
    pub fn is_vacant(&self) -> bool {
        self.is_empty() && self.warnings.is_empty()
    }

    /// Label set of series `index`.
    pub fn labels(&self, index: usize) -> &Labels {
        &self.entries[index].labels
    }

    /// Chunks of series `index`, ascending by (replica, min_time).
    pub fn chunks(&self, index: usize) -> &[Chunk] {
        let first = self.entries[index].first_chunk as usize;
        let end = self.entries.get(index + 1).map_or(self.chunks.len(), |e| e.first_chunk as usize);
        &self.chunks[first..end]
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Labels, &[Chunk])> {
        (0..self.entries.len()).map(|i| (self.labels(i), self.chunks(i)))
    }

    pub fn source(&self, source: u32) -> &Arc<dyn ChunkReader> {
        &self.sources[source as usize]
    }

    pub fn sources(&self) -> &[Arc<dyn ChunkReader>] {
        &self.sources
    }

    /// The bytes of a chunk: those it carries, or `buffer` filled from its source.
    pub fn chunk_bytes<'a>(
        &'a self,
        chunk: &'a Chunk,
        buffer: &'a mut Vec<u8>,
    ) -> Result<(Encoding, &'a [u8]), QueryError> {
        match &chunk.data {
            ChunkData::Encoded { encoding, bytes } => Ok((*encoding, bytes)),
            ChunkData::Stored { source, chunk_ref } => {
                let encoding = self.source(*source).read_chunk(*chunk_ref, buffer)?;
                Ok((encoding, buffer))
            }
        }
    }
}

/// Builds a set. Series are added in ascending order, or in any order and then sorted by [`SeriesSetBuilder::build_sorted`].
#[derive(Debug, Default)]
pub struct SeriesSetBuilder {
    set: SeriesSet,
}

impl SeriesSetBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(series: usize, chunks: usize) -> Self {
        let mut this = Self::default();
        this.set.entries.reserve(series);
        this.set.chunks.reserve(chunks);
        this
    }

    /// Registers a reader that chunks of this set name.
    pub fn add_source(&mut self, reader: Arc<dyn ChunkReader>) -> u32 {
        self.set.sources.push(reader);
        (self.set.sources.len() - 1) as u32
    }

    /// Begins the next series; chunks pushed from now on are its own.
    pub fn push_series(&mut self, labels: Labels) {
        let first_chunk =
            u32::try_from(self.set.chunks.len()).expect("BUG: a set holds fewer than 2^32 chunks");
        self.set.entries.push(Entry { labels, first_chunk });
    }

    /// Adds a chunk to the series begun last.
    pub fn push_chunk(&mut self, chunk: Chunk) {
        debug_assert!(!self.set.entries.is_empty(), "BUG: chunk before its series");
        self.set.chunks.push(chunk);
    }

    pub fn warn(&mut self, warning: impl Into<String>) {
        self.set.warnings.push(warning.into());
    }

    /// The set; series were added in ascending order.
    pub fn build(self) -> SeriesSet {
        debug_assert!(
            self.set.entries.windows(2).all(|w| w[0].labels < w[1].labels),
            "BUG: series out of order"
        );
        self.set
    }

    /// A part of a deferred set, in the order of that.
    pub fn build_unsorted(self) -> SeriesSet {
        self.set
    }

    /// The set, sorted; series with equal label sets become one.
    pub fn build_sorted(self) -> SeriesSet {
        let set = self.set;
        if set.entries.windows(2).all(|w| w[0].labels < w[1].labels) {
            return set;
        }
        let mut order: Vec<u32> = (0..set.entries.len() as u32).collect();
        order.sort_by(|a, b| {
            set.entries[*a as usize].labels.cmp(&set.entries[*b as usize].labels).then(a.cmp(b))
        });
        let mut out = SeriesSetBuilder::with_capacity(set.entries.len(), set.chunks.len());
        for i in order {
            let labels = set.labels(i as usize);
            let merged = out.set.entries.last().is_some_and(|e| e.labels == *labels);
            if !merged {
                out.push_series(labels.clone());
            }
            out.set.chunks.extend_from_slice(set.chunks(i as usize));
            if merged {
                let first = out.set.entries.last().map_or(0, |e| e.first_chunk as usize);
                out.set.chunks[first..].sort_by_key(|c| (c.replica, c.min_time));
            }
        }
        out.set.sources = set.sources;
        out.set.dedup = set.dedup;
        out.set.warnings = set.warnings;
        out.set.charges = set.charges;
        out.set
    }
}

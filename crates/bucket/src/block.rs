//! One block of a bucket as a source of series: postings, entries and chunks, each in one round of range reads.
//!
//! Every checksum is verified. A damaged chunk costs itself and is named; a damaged entry or list costs the block.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_block::index::SeriesEntry;
use gauntlet_block::segment::parse_chunk;
use gauntlet_block::{BlockMeta, IndexHeaderReader, MemorySource, PageCache};
use gauntlet_chunk::aggregate::AGGREGATE_ENCODING;
use gauntlet_chunk::{Aggregate, AggregateChunk, Encoding};
use gauntlet_encoding::{Cursor, crc32c};
use gauntlet_model::{Labels, Matcher};
use gauntlet_objstore::Bucket;
use gauntlet_runtime::{Charge, Fs};
use gauntlet_storeapi::SeriesQuery;
use gauntlet_storeapi::external::Extension;
use gauntlet_wire::frame::{AggrChunk, ChunkBytes, Parts as ChunkParts, StoreSet};
use gauntlet_wire::store::Aggr;
use ulid::Ulid;

use crate::BucketError;
use crate::ranges::{self, Parts};
use crate::spans::Spans;
use crate::{header, postings};

/// Size taken for an entry or chunk where the block does not state its largest; the peer's figures.
const SERIES_GUESS_BYTES: u64 = 4096;
const CHUNK_GUESS_BYTES: u64 = 4096;
/// Entries begin at multiples of this (index versions 2 and 3).
const SERIES_ALIGN: u64 = 16;
/// Entries at most that one selection of a block may read, against damaged lists.
const MAX_SERIES: usize = 1 << 27;

/// An open block: its meta and its header; everything else is in the bucket.
#[derive(Debug)]
pub struct BucketBlock {
    meta: BlockMeta,
    labels: Labels,
    bucket: Arc<dyn Bucket>,
    header: IndexHeaderReader,
    spans: Spans,
    index: String,
    segments: Vec<String>,
    series_guess: u64,
    chunk_guess: u64,
}

/// What a query needs of a block.
#[derive(Clone, Copy, Debug)]
pub struct BlockQuery<'a> {
    pub query: &'a SeriesQuery,
    /// Matchers that the block's external labels left.
    pub matchers: &'a [Matcher],
    pub extension: &'a Extension,
    /// Most series; 0 is no limit.
    pub max_series: usize,
    pub max_chunks: usize,
}

/// What reading entries of one block uses again: memory, and the symbols met so far.
#[derive(Default)]
struct Reading {
    entry: SeriesEntry,
    symbols: HashMap<u32, Arc<str>>,
}

/// A series and the chunks of it that are wanted.
struct Wanted {
    labels: Labels,
    chunks: Vec<Place>,
}

/// A chunk in the bucket.
struct Place {
    min_time: i64,
    max_time: i64,
    segment: usize,
    offset: u64,
    /// Where reading for it ends: where the next chunk begins, or a guess.
    end: u64,
}

impl BucketBlock {
    /// Opens a block; `folder` keeps its header.
    pub async fn open(
        bucket: Arc<dyn Bucket>,
        meta: BlockMeta,
        fs: &Arc<dyn Fs>,
        folder: &Path,
        cache: &Arc<PageCache>,
    ) -> Result<Self, BucketError> {
        let index = format!("{}/index", meta.ulid);
        let header = header::open_or_build(bucket.as_ref(), &index, fs, folder, cache).await?;
        let spans = Spans::open_or_build(bucket.as_ref(), &index, &header, fs, folder).await;
        let segments = segments(bucket.as_ref(), &meta).await?;
        let thanos = meta.thanos.clone().unwrap_or_default();
        let or = |stated: u64, guess| if stated > 0 { stated } else { guess };
        Ok(Self {
            labels: Labels::from_pairs(&thanos.labels),
            series_guess: or(thanos.index_stats.series_max_size, SERIES_GUESS_BYTES) + 16,
            chunk_guess: or(thanos.index_stats.chunk_max_size, CHUNK_GUESS_BYTES) + 16,
            meta,
            bucket,
            header,
            spans,
            index,
            segments,
        })
    }

    pub fn id(&self) -> Ulid {
        self.meta.ulid
    }

    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// External labels of the block's producer.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Milliseconds between samples; 0 for raw ones.
    pub fn resolution_ms(&self) -> i64 {
        self.meta.thanos.as_ref().map_or(0, |thanos| thanos.downsample.resolution_ms)
    }

    pub fn header(&self) -> &IndexHeaderReader {
        &self.header
    }

    /// Series that match, with their chunks unless the query skips them, ascending by label set.
    pub async fn select(
        &self,
        request: BlockQuery<'_>,
        charge: &mut Charge,
    ) -> Result<StoreSet, BucketError> {
        request.query.cancel.check()?;
        let limit = if request.max_series > 0 { request.max_series } else { MAX_SERIES };
        let wanted = match self.spans.range_for(&self.header, request.matchers)? {
            Some(range) => self.run_of_entries(range, request, charge).await?,
            None => self.entries_by_postings(limit, request, charge).await?,
        };
        if wanted.len() > limit {
            return Err(too_many(limit, wanted.len()));
        }
        request.query.cancel.check()?;
        let mut set = StoreSet::new();
        if request.query.skip_chunks {
            for series in wanted {
                charge.grow(series.labels.size_bytes() as u64 + 48)?;
                set.push_series(series.labels);
            }
        } else {
            self.chunks(wanted, request, charge, &mut set).await?;
        }
        set.sort();
        Ok(set)
    }

    /// Entries that the postings of matchers name.
    async fn entries_by_postings(
        &self,
        limit: usize,
        request: BlockQuery<'_>,
        charge: &mut Charge,
    ) -> Result<Vec<Wanted>, BucketError> {
        let bucket = self.bucket.as_ref();
        let found = postings::select(bucket, &self.index, &self.header, request.matchers).await?;
        if found.series.len() > limit {
            return Err(too_many(limit, found.series.len()));
        }
        let offsets: Vec<u64> =
            found.series.iter().map(|r| self.header.series_offset(*r)).collect();
        let guess: Vec<Range<u64>> = offsets.iter().map(|at| *at..at + self.series_guess).collect();
        charge.grow(
            ranges::join(&guess, ranges::MAX_GAP_BYTES).iter().map(|r| r.end - r.start).sum(),
        )?;
        let parts = ranges::fetch(bucket, &self.index, guess).await?;
        let mut out = Vec::with_capacity(offsets.len());
        let mut reading = Reading::default();
        for offset in offsets {
            let mut bytes = parts.get(offset..offset + self.series_guess);
            let len = entry_len(&self.index, offset, &bytes)?;
            if len > bytes.len() as u64 {
                bytes = bucket.get_range(&self.index, offset..offset + len).await?;
            }
            let wanted = self.read_entry(offset, &bytes, &found.deferred, request, &mut reading)?;
            out.extend(wanted);
        }
        Ok(out)
    }

    /// Entries of a run of the index, one behind the other, at multiples of 16; those that match.
    async fn run_of_entries(
        &self,
        range: Range<u64>,
        request: BlockQuery<'_>,
        charge: &mut Charge,
    ) -> Result<Vec<Wanted>, BucketError> {
        let end = range.end + self.series_guess;
        charge.grow(end - range.start)?;
        let run = self.bucket.get_range(&self.index, range.start..end).await?;
        let mut out = Vec::new();
        let mut reading = Reading::default();
        let mut offset = range.start;
        while offset <= range.end {
            let at = usize::try_from(offset - range.start).unwrap_or(usize::MAX).min(run.len());
            let len = entry_len(&self.index, offset, &run[at..])?;
            let mut bytes = run.slice(at..);
            if len > bytes.len() as u64 {
                bytes = self.bucket.get_range(&self.index, offset..offset + len).await?;
            }
            let wanted =
                self.read_entry(offset, &bytes, request.matchers, request, &mut reading)?;
            out.extend(wanted);
            offset = (offset + len).next_multiple_of(SERIES_ALIGN);
        }
        Ok(out)
    }

    /// An entry whose labels pass and which has a chunk in the time range.
    fn read_entry(
        &self,
        offset: u64,
        bytes: &[u8],
        matchers: &[Matcher],
        request: BlockQuery<'_>,
        reading: &mut Reading,
    ) -> Result<Option<Wanted>, BucketError> {
        let query = request.query;
        self.decode_entry(offset, bytes, &mut reading.entry)?;
        let chunks = self.places(&reading.entry, query);
        if chunks.is_empty() {
            return Ok(None);
        }
        let labels = self.spell(&reading.entry, &mut reading.symbols)?;
        if !matchers.iter().all(|m| m.matches_labels(&labels)) {
            return Ok(None);
        }
        let labels = request.extension.apply(&labels);
        Ok(query.in_shard(&labels).then_some(Wanted { labels, chunks }))
    }

    fn decode_entry(
        &self,
        offset: u64,
        bytes: &[u8],
        entry: &mut SeriesEntry,
    ) -> Result<(), BucketError> {
        let damaged = |what: String| {
            BucketError::Corrupt(format!(
                "{}: damaged series at offset {offset}: {what}",
                self.index
            ))
        };
        let mut cursor = Cursor::new(bytes);
        let content = cursor.len_bytes().map_err(|err| damaged(err.to_string()))?;
        let stored = cursor.u32().map_err(|err| damaged(err.to_string()))?;
        let found = crc32c(content);
        if stored != found {
            return Err(damaged(format!("expected checksum {stored:08x}, found {found:08x}")));
        }
        entry.decode(content, true).map_err(|err| damaged(err.to_string()))
    }

    fn spell(
        &self,
        entry: &SeriesEntry,
        symbols: &mut HashMap<u32, Arc<str>>,
    ) -> Result<Labels, BucketError> {
        let mut pairs = Vec::with_capacity(entry.labels.len());
        let mut text = |symbol: u32| match symbols.get(&symbol) {
            Some(text) => Ok(Arc::clone(text)),
            None => {
                let text = self.header.symbol(symbol)?;
                symbols.insert(symbol, Arc::clone(&text));
                Ok::<_, BucketError>(text)
            }
        };
        for (name, value) in &entry.labels {
            pairs.push((text(*name)?, text(*value)?));
        }
        let in_order =
            pairs.windows(2).all(|w| w[0].0 < w[1].0) && pairs.iter().all(|(_, v)| !v.is_empty());
        let pairs = pairs.iter().map(|(n, v)| (&**n, &**v));
        Ok(if in_order { Labels::from_sorted(pairs) } else { Labels::from_pairs(pairs) })
    }

    /// Chunks of an entry in the query's range. A chunk ends where the next one of its series begins.
    fn places(&self, entry: &SeriesEntry, query: &SeriesQuery) -> Vec<Place> {
        let all = &entry.chunks;
        let mut out = Vec::new();
        for (i, chunk) in all.iter().enumerate() {
            if chunk.min_time > query.max_time || chunk.max_time < query.min_time {
                continue;
            }
            let (segment, offset) =
                ((chunk.chunk_ref >> 32) as usize, chunk.chunk_ref & 0xffff_ffff);
            let next = all.get(i + 1).map(|c| c.chunk_ref);
            let end = next.filter(|n| n >> 32 == chunk.chunk_ref >> 32 && *n > chunk.chunk_ref);
            let end = end.map_or(offset + self.chunk_guess, |n| n & 0xffff_ffff);
            let (min_time, max_time) = (chunk.min_time, chunk.max_time);
            out.push(Place { min_time, max_time, segment, offset, end });
        }
        out
    }

    async fn chunks(
        &self,
        wanted: Vec<Wanted>,
        request: BlockQuery<'_>,
        charge: &mut Charge,
        set: &mut StoreSet,
    ) -> Result<(), BucketError> {
        let count: usize = wanted.iter().map(|series| series.chunks.len()).sum();
        if request.max_chunks > 0 && count > request.max_chunks {
            let limit = request.max_chunks;
            let text = format!("exceeded chunks limit: limit {limit} violated (got {count})");
            return Err(BucketError::Limit(text));
        }
        let mut by_segment: BTreeMap<usize, Vec<Range<u64>>> = BTreeMap::new();
        for place in wanted.iter().flat_map(|series| &series.chunks) {
            by_segment.entry(place.segment).or_default().push(place.offset..place.end);
        }
        let bytes: u64 = by_segment.values().flatten().map(|r| r.end - r.start).sum();
        charge.grow(bytes)?;
        let reads = by_segment.into_iter().map(|(segment, ranges)| async move {
            let name = self.segment(segment)?;
            let parts = ranges::fetch(self.bucket.as_ref(), name, ranges).await?;
            Ok::<_, BucketError>((segment, parts))
        });
        let parts: BTreeMap<usize, Parts> =
            futures::future::try_join_all(reads).await?.into_iter().collect();
        for series in wanted {
            charge.grow(series.labels.size_bytes() as u64 + 48)?;
            set.push_series(series.labels);
            for place in series.chunks {
                match self.chunk(&place, &parts[&place.segment], request.query).await {
                    Ok(chunk) => set.push_chunk(chunk),
                    Err(err) if err.is_corruption() => {
                        set.warnings
                            .push(format!("block {}: chunk left out: {err}", self.meta.ulid));
                    }
                    Err(err) => return Err(err),
                }
            }
        }
        Ok(())
    }

    fn segment(&self, segment: usize) -> Result<&str, BucketError> {
        self.segments.get(segment).map(String::as_str).ok_or_else(|| {
            let known = self.segments.len();
            let text = format!("{}: chunk in segment {} of {known}", self.index, segment + 1);
            BucketError::Corrupt(text)
        })
    }

    async fn chunk(
        &self,
        place: &Place,
        parts: &Parts,
        query: &SeriesQuery,
    ) -> Result<AggrChunk, BucketError> {
        let name = self.segment(place.segment)?;
        let source = MemorySource::new(name, Bytes::new());
        let mut bytes = parts.get(place.offset..place.end);
        let needed = chunk_len(name, place.offset, &bytes)?;
        if needed > bytes.len() as u64 {
            bytes = self.bucket.get_range(name, place.offset..place.offset + needed).await?;
        }
        let raw = parse_chunk(&source, place.offset, &bytes)?;
        let parts = if raw.encoding == AGGREGATE_ENCODING {
            aggregates(name, place.offset, &raw.data, &query.aggregates)?
        } else {
            if Encoding::from_u8(raw.encoding).is_none() {
                let text = format!(
                    "{name}: chunk at offset {} has unknown encoding {}",
                    place.offset, raw.encoding
                );
                return Err(BucketError::Corrupt(text));
            }
            ChunkParts::Raw(chunk_bytes(raw.encoding, raw.data))
        };
        Ok(AggrChunk { min_time: place.min_time, max_time: place.max_time, parts })
    }
}

fn too_many(limit: usize, got: usize) -> BucketError {
    BucketError::Limit(format!("exceeded series limit: limit {limit} violated (got {got})"))
}

fn chunk_bytes(encoding: u8, data: Bytes) -> ChunkBytes {
    let hash = xxhash_rust::xxh64::xxh64(&data, 0);
    ChunkBytes { encoding, data, hash }
}

/// The aggregates asked for. One that is absent is an error, in upstream's words.
fn aggregates(
    name: &str,
    offset: u64,
    data: &Bytes,
    wanted: &[Aggr],
) -> Result<ChunkParts, BucketError> {
    let damaged =
        |what: String| BucketError::Corrupt(format!("{name}: chunk at offset {offset}: {what}"));
    let chunk = AggregateChunk::parse(data).map_err(|err| damaged(err.to_string()))?;
    let mut out: [Option<ChunkBytes>; 5] = Default::default();
    for aggr in wanted {
        let aggregate = match aggr {
            Aggr::Raw => continue,
            Aggr::Count => Aggregate::Count,
            Aggr::Sum => Aggregate::Sum,
            Aggr::Min => Aggregate::Min,
            Aggr::Max => Aggregate::Max,
            Aggr::Counter => Aggregate::Counter,
        };
        let (encoding, part) = chunk.get(aggregate).map_err(|err| damaged(err.to_string()))?;
        out[aggregate as usize] = Some(chunk_bytes(encoding as u8, data.slice_ref(part)));
    }
    Ok(ChunkParts::Aggregates(Box::new(out)))
}

/// Bytes of an entry with its length and checksum, as its first bytes tell.
fn entry_len(index: &str, offset: u64, bytes: &[u8]) -> Result<u64, BucketError> {
    let mut cursor = Cursor::new(&bytes[..bytes.len().min(5)]);
    let len = cursor.uvarint32().map_err(|err| {
        BucketError::Corrupt(format!("{index}: damaged series at offset {offset}: {err}"))
    })?;
    Ok(cursor.offset() as u64 + u64::from(len) + 4)
}

/// Bytes of a chunk with its length, encoding and checksum, as its first bytes tell.
fn chunk_len(name: &str, offset: u64, bytes: &[u8]) -> Result<u64, BucketError> {
    let mut cursor = Cursor::new(&bytes[..bytes.len().min(5)]);
    let len = cursor.uvarint32().map_err(|err| {
        BucketError::Corrupt(format!("{name}: damaged chunk at offset {offset}: {err}"))
    })?;
    Ok(cursor.offset() as u64 + 1 + u64::from(len) + 4)
}

/// Names of the segments, in order: as the meta lists them, or as the bucket does.
async fn segments(bucket: &dyn Bucket, meta: &BlockMeta) -> Result<Vec<String>, BucketError> {
    let id = meta.ulid;
    let listed =
        meta.thanos.as_ref().map(|thanos| thanos.segment_files.clone()).unwrap_or_default();
    if !listed.is_empty() {
        let mut names: Vec<String> =
            listed.iter().map(|file| format!("{id}/chunks/{file}")).collect();
        names.sort_unstable();
        return Ok(names);
    }
    let entries = bucket.list(&format!("{id}/chunks"), false).await?;
    Ok(entries.iter().filter(|e| !e.is_dir()).map(|e| e.name().to_owned()).collect())
}

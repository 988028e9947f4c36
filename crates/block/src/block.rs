//! A block on this machine, open for reading: selects series, hands out chunks, records deletions.
//!
//! Opening checks meta.json against index and segments. Memory: the index reader's samples and the tombstones; bytes come through
//! the page cache that all blocks share. Downsampled chunks (encoding 0xff) are handed out raw only: see [`BlockReader::raw_chunk`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use gauntlet_chunk::{Encoding, filter_chunk};
use gauntlet_model::{Labels, Matcher, Timestamp};
use gauntlet_runtime::Fs;
use gauntlet_storage::{
    Chunk, ChunkData, ChunkReader, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest,
    SeriesSet, SeriesSetBuilder,
};
use parking_lot::Mutex;

use crate::BlockError;
use crate::index::{
    INDEX_FILE, IndexReader, IndexSource as _, SeriesEntry, SymbolCache, postings_for_matchers,
};
use crate::meta::{BlockMeta, META_FILE};
use crate::segment::{CHUNKS_FOLDER, RawChunk, SegmentReader, segment_name};
use crate::source::{FileSource, PageCache, Sequential};
use crate::tombstones::{Interval, TOMBSTONES_FILE, Tombstones};

/// Series between two looks at whether the query was cancelled.
const CHECK_EVERY: usize = 256;

#[derive(Debug)]
pub struct BlockReader {
    fs: Arc<dyn Fs>,
    folder: PathBuf,
    meta: Mutex<BlockMeta>,
    index: IndexReader,
    segments: SegmentReader,
    tombstones: Mutex<Arc<Tombstones>>,
    /// Chunks that were found damaged: they are left out of answers from then on, with a warning.
    damaged: Mutex<BTreeSet<u64>>,
}

impl BlockReader {
    /// Opens the block in `folder`.
    pub fn open(
        fs: &Arc<dyn Fs>,
        folder: &Path,
        cache: &Arc<PageCache>,
    ) -> Result<Arc<Self>, BlockError> {
        let meta = BlockMeta::read(&**fs, folder)?;
        check_meta(&meta, folder)?;
        let path = folder.join(INDEX_FILE);
        let source = FileSource::open(&**fs, &path, cache)
            .map_err(|err| BlockError::io(path.display(), "open", err))?;
        let index = IndexReader::open(Arc::new(source))?;
        let segments = SegmentReader::open(&**fs, &folder.join(CHUNKS_FOLDER), cache)?;
        if meta.stats.num_chunks > 0 && segments.segments().is_empty() {
            let path = folder.join(CHUNKS_FOLDER);
            return Err(BlockError::corrupt(path.display(), 0, "chunk segments", "none"));
        }
        let tombstones = Tombstones::read(&**fs, folder)?;
        Ok(Arc::new(Self {
            fs: Arc::clone(fs),
            folder: folder.to_owned(),
            meta: Mutex::new(meta),
            index,
            segments,
            tombstones: Mutex::new(Arc::new(tombstones)),
            damaged: Mutex::default(),
        }))
    }

    /// Chunks that were found damaged since the opening.
    pub fn damaged_chunks(&self) -> usize {
        self.damaged.lock().len()
    }

    /// The greatest time of any chunk. Reads all of the index.
    pub fn last_time(self: &Arc<Self>) -> Result<Option<Timestamp>, BlockError> {
        let mut last = None;
        let mut entry = SeriesEntry::default();
        let scan = self.scan();
        for series_ref in self.index.all_postings()? {
            scan.series(series_ref, &mut entry)?;
            last = entry.chunks.iter().map(|chunk| chunk.max_time).chain(last).max();
        }
        Ok(last)
    }

    /// Compares meta.json, which has no checksum, with the whole index: number of series and chunks, and whether all samples lie
    /// in its range. Reads all of the index, about a tenth of a microsecond a series.
    pub fn verify_meta(self: &Arc<Self>) -> Result<(), BlockError> {
        let meta = self.meta();
        let (mut series, mut chunks) = (0u64, 0u64);
        let mut bounds: Option<(Timestamp, Timestamp)> = None;
        let mut entry = SeriesEntry::default();
        let scan = self.scan();
        for series_ref in self.index.all_postings()? {
            scan.series(series_ref, &mut entry)?;
            series += 1;
            chunks += entry.chunks.len() as u64;
            for chunk in &entry.chunks {
                let (low, high) = bounds.get_or_insert((chunk.min_time, chunk.max_time));
                (*low, *high) = ((*low).min(chunk.min_time), (*high).max(chunk.max_time));
            }
        }
        let path = self.folder.join(META_FILE);
        let differs =
            |what: &str, found: String| Err(BlockError::corrupt(path.display(), 0, what, found));
        let stats = meta.stats;
        // A block of somebody else may not count.
        if (stats.num_series, stats.num_chunks) != (0, 0)
            && (stats.num_series, stats.num_chunks) != (series, chunks)
        {
            let found = format!("{} series, {} chunks", stats.num_series, stats.num_chunks);
            return differs(&format!("{series} series, {chunks} chunks as in the index"), found);
        }
        if let Some((low, high)) = bounds
            && (low < meta.min_time || high >= meta.max_time)
        {
            let found = format!("{} to {}", meta.min_time, meta.max_time);
            return differs(&format!("a range with {low} to {high}"), found);
        }
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A copy of the meta as it is now.
    pub fn meta(&self) -> BlockMeta {
        self.meta.lock().clone()
    }

    pub fn index(&self) -> &IndexReader {
        &self.index
    }

    pub fn segments(&self) -> &SegmentReader {
        &self.segments
    }

    pub fn tombstones(&self) -> Arc<Tombstones> {
        Arc::clone(&self.tombstones.lock())
    }

    /// Bytes of index and chunks.
    pub fn size_bytes(&self) -> u64 {
        self.index.size_bytes() + self.segments.size_bytes()
    }

    /// A chunk with whatever encoding it has, verified.
    pub fn raw_chunk(&self, chunk_ref: u64) -> Result<RawChunk, BlockError> {
        self.segments.chunk(chunk_ref)
    }

    /// For one reader that goes through the whole block in order.
    pub(crate) fn scan(self: &Arc<Self>) -> BlockScan {
        let index = Sequential::new(Arc::clone(self.index.source()));
        BlockScan { block: Arc::clone(self), index, segments: self.segments.sequential() }
    }

    /// Series that pass the matchers, ascending by label set.
    pub fn postings(&self, matchers: &[Matcher]) -> Result<Vec<u32>, BlockError> {
        postings_for_matchers(&self.index, matchers)
    }

    /// Calls `each` with every series that passes: its reference, labels and entry, ascending by label set.
    pub fn for_each_series(
        &self,
        matchers: &[Matcher],
        mut each: impl FnMut(u32, &Labels, &SeriesEntry) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let (mut entry, mut cache) = (SeriesEntry::default(), SymbolCache::default());
        for series_ref in self.postings(matchers)? {
            self.index.series(series_ref, true, &mut entry)?;
            let labels = self.index.labels(&entry, &mut cache)?;
            each(series_ref, &labels, &entry)?;
        }
        Ok(())
    }

    /// Series with chunks in the range. Chunks are named, not read, unless something in them was deleted.
    pub fn select_series(
        self: &Arc<Self>,
        request: &SelectRequest,
    ) -> Result<SeriesSet, QueryError> {
        let mut builder = SeriesSetBuilder::new();
        let meta = self.meta.lock().as_parent();
        if meta.min_time > request.range.max || meta.max_time <= request.range.min {
            return Ok(builder.build());
        }
        let postings = self.postings(&request.matchers)?;
        let tombstones = self.tombstones();
        let reader: Arc<dyn ChunkReader> = Arc::<Self>::clone(self);
        let source = builder.add_source(reader);
        let mut charge = request.budget.charge(0)?;
        let damaged = self.damaged.lock().clone();
        let (mut entry, mut cache) = (SeriesEntry::default(), SymbolCache::default());
        let mut found = 0;
        for (position, series_ref) in postings.into_iter().enumerate() {
            if position % CHECK_EVERY == 0 {
                request.cancel.check()?;
            }
            if request.hints.limit > 0 && found == request.hints.limit {
                break;
            }
            self.index.series(series_ref, true, &mut entry)?;
            let deleted = tombstones.get(u64::from(series_ref));
            let mut begun = false;
            for meta in &entry.chunks {
                if !request.range.overlaps(meta.min_time, meta.max_time) {
                    continue;
                }
                if damaged.contains(&meta.chunk_ref) {
                    let labels = self.index.labels(&entry, &mut cache)?;
                    builder.warn(format!(
                        "{}: chunk {} of {labels} is damaged: its samples from {} to {} are missing",
                        self.folder.display(),
                        meta.chunk_ref,
                        meta.min_time,
                        meta.max_time
                    ));
                    continue;
                }
                let data = match deleted.filter(|d| d.overlaps(meta.min_time, meta.max_time)) {
                    None => Some(ChunkData::Stored { source, chunk_ref: meta.chunk_ref }),
                    Some(d) if d.covers(meta.min_time, meta.max_time) => None,
                    Some(d) => self.without_deleted(meta.chunk_ref, |t| !d.contains(t))?,
                };
                let Some(data) = data else { continue };
                if !begun {
                    let labels = self.index.labels(&entry, &mut cache)?;
                    charge.grow(labels.size_bytes() as u64 + 64)?;
                    builder.push_series(labels);
                    found += 1;
                    begun = true;
                    if request.hints.labels_only {
                        break;
                    }
                }
                let held = match &data {
                    ChunkData::Encoded { bytes, .. } => bytes.len(),
                    ChunkData::Stored { .. } => 0,
                };
                charge.grow((std::mem::size_of::<Chunk>() + held) as u64)?;
                let (min_time, max_time) = (meta.min_time, meta.max_time);
                builder.push_chunk(Chunk { min_time, max_time, replica: 0, data });
            }
        }
        let mut set = builder.build();
        set.charges.push(charge);
        Ok(set)
    }

    fn without_deleted(
        &self,
        chunk_ref: u64,
        keep: impl Fn(Timestamp) -> bool,
    ) -> Result<Option<ChunkData>, QueryError> {
        let raw = self.segments.chunk(chunk_ref)?;
        let encoding = known_encoding(&raw, chunk_ref)?;
        let kept = filter_chunk(encoding, &raw.data, keep).map_err(|err| {
            QueryError::Corrupt(format!("{}: chunk {chunk_ref}: {err}", self.folder.display()))
        })?;
        Ok(kept.map(|kept| ChunkData::Encoded { encoding, bytes: Bytes::from(kept.bytes) }))
    }

    /// Names of labels of the series that pass, ascending. Without matchers: all of the index.
    pub fn label_names(&self, matchers: &[Matcher]) -> Result<Vec<String>, BlockError> {
        if matchers.is_empty() {
            return Ok(self.index.label_names().map(str::to_owned).collect());
        }
        let mut symbols = BTreeSet::new();
        let mut entry = SeriesEntry::default();
        for series_ref in self.postings(matchers)? {
            self.index.series(series_ref, false, &mut entry)?;
            symbols.extend(entry.labels.iter().map(|(name, _)| *name));
        }
        let mut names = Vec::new();
        for symbol in symbols {
            names.push(self.index.symbol(symbol)?.to_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Values of a label among the series that pass, ascending. Without matchers: all of the index.
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, BlockError> {
        if matchers.is_empty() {
            return self.index.label_values(name);
        }
        let mut values = BTreeSet::new();
        let (mut entry, mut cache) = (SeriesEntry::default(), SymbolCache::default());
        for series_ref in self.postings(matchers)? {
            self.index.series(series_ref, false, &mut entry)?;
            let labels = self.index.labels(&entry, &mut cache)?;
            if let Some(value) = labels.get(name)
                && !values.contains(value)
            {
                values.insert(value.to_owned());
            }
        }
        Ok(values.into_iter().collect())
    }

    /// Deletes the samples with `min_t <= t <= max_t` of the series that pass: writes tombstones, then meta.json with their number.
    pub fn delete(
        &self,
        matchers: &[Matcher],
        min_t: Timestamp,
        max_t: Timestamp,
    ) -> Result<(), BlockError> {
        let postings = self.postings(matchers)?;
        let mut held = self.tombstones.lock();
        let mut tombstones = (**held).clone();
        let mut entry = SeriesEntry::default();
        for series_ref in postings {
            self.index.series(series_ref, true, &mut entry)?;
            let (Some(first), Some(last)) = (entry.chunks.first(), entry.chunks.last()) else {
                continue;
            };
            if entry.chunks.iter().any(|c| c.min_time <= max_t && min_t <= c.max_time) {
                let interval =
                    Interval { min: min_t.max(first.min_time), max: max_t.min(last.max_time) };
                tombstones.add(u64::from(series_ref), interval);
            }
        }
        if tombstones == **held {
            return Ok(());
        }
        tombstones.write(&*self.fs, &self.folder)?;
        let mut meta = self.meta.lock();
        meta.stats.num_tombstones = tombstones.total();
        meta.write(&*self.fs, &self.folder)?;
        *held = Arc::new(tombstones);
        Ok(())
    }

    /// Links the block's files into a folder of its name below `parent`, which shares their bytes and keeps them.
    pub fn snapshot(&self, parent: &Path) -> Result<(), BlockError> {
        let name = self.meta.lock().ulid.to_string();
        let target = parent.join(name);
        let io = |path: &Path, err| BlockError::io(path.display(), "link", err);
        let chunks = target.join(CHUNKS_FOLDER);
        self.fs.create_dir_all(&chunks).map_err(|err| io(&chunks, err))?;
        for name in [META_FILE, INDEX_FILE, TOMBSTONES_FILE] {
            let from = self.folder.join(name);
            if self.fs.exists(&from) {
                self.fs.hard_link(&from, &target.join(name)).map_err(|err| io(&from, err))?;
            }
        }
        for ordinal in 0..self.segments.segments().len() {
            let from = self.folder.join(CHUNKS_FOLDER).join(segment_name(ordinal));
            let to = chunks.join(segment_name(ordinal));
            self.fs.hard_link(&from, &to).map_err(|err| io(&from, err))?;
        }
        Ok(())
    }

    /// Changes meta.json: on disk first, then here.
    pub fn update_meta(&self, change: impl FnOnce(&mut BlockMeta)) -> Result<(), BlockError> {
        let mut meta = self.meta.lock();
        let mut changed = meta.clone();
        change(&mut changed);
        changed.write(&*self.fs, &self.folder)?;
        *meta = changed;
        Ok(())
    }
}

/// Reads a block front to back, past the page cache, in large steps.
#[derive(Debug)]
pub(crate) struct BlockScan {
    block: Arc<BlockReader>,
    index: Sequential,
    segments: SegmentReader,
}

impl BlockScan {
    pub(crate) fn block(&self) -> &Arc<BlockReader> {
        &self.block
    }

    /// A series with its chunks. In ascending order, or it costs more.
    pub(crate) fn series(&self, series: u32, entry: &mut SeriesEntry) -> Result<(), BlockError> {
        self.block.index.series_from(&self.index, series, true, entry)
    }

    /// A chunk with whatever encoding it has, verified.
    pub(crate) fn raw_chunk(&self, chunk_ref: u64) -> Result<RawChunk, BlockError> {
        self.segments.chunk(chunk_ref)
    }
}

fn known_encoding(raw: &RawChunk, chunk_ref: u64) -> Result<Encoding, QueryError> {
    Encoding::from_u8(raw.encoding).ok_or_else(|| {
        QueryError::Corrupt(format!(
            "chunk {chunk_ref} has encoding {}, which holds no samples",
            raw.encoding
        ))
    })
}

impl ChunkReader for BlockReader {
    fn read_chunk(&self, chunk_ref: u64, buffer: &mut Vec<u8>) -> Result<Encoding, QueryError> {
        let raw = match self.segments.chunk(chunk_ref) {
            Ok(raw) => raw,
            Err(err) => {
                if err.is_corruption() {
                    self.damaged.lock().insert(chunk_ref);
                }
                return Err(err.into());
            }
        };
        let encoding = known_encoding(&raw, chunk_ref)?;
        buffer.clear();
        buffer.extend_from_slice(&raw.data);
        Ok(encoding)
    }
}

/// What meta.json says against itself and its folder.
fn check_meta(meta: &BlockMeta, folder: &Path) -> Result<(), BlockError> {
    let path = folder.join(META_FILE);
    // A folder of any other name may hold a block as well: the bucket's tools make such.
    let named = folder.file_name().and_then(|name| name.to_str()?.parse::<ulid::Ulid>().ok());
    if let Some(named) = named
        && named != meta.ulid
    {
        return Err(BlockError::corrupt(path.display(), 0, named, meta.ulid));
    }
    if meta.min_time > meta.max_time {
        let found = format!("{} to {}", meta.min_time, meta.max_time);
        return Err(BlockError::corrupt(path.display(), 0, "a range", found));
    }
    Ok(())
}

/// A block as one of a database's storages.
#[derive(Clone, Debug)]
pub struct BlockQueryable(pub Arc<BlockReader>);

impl Queryable for BlockQueryable {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move { self.0.select_series(request) }.boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let values = if self.0.meta().overlaps(request.range.min, request.range.max) {
                self.0.label_names(&request.matchers)?
            } else {
                Vec::new()
            };
            Ok(LabelAnswer { values, warnings: Vec::new() })
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let values = if self.0.meta().overlaps(request.range.min, request.range.max) {
                self.0.label_values(name, &request.matchers)?
            } else {
                Vec::new()
            };
            Ok(LabelAnswer { values, warnings: Vec::new() })
        }
        .boxed()
    }
}

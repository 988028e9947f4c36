//! Writing a block: into `<ulid>.tmp-for-creation`, synced, then renamed. A crash leaves a block or a folder to be removed, never half
//! a block.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_chunk::{Encoding, sample_count};
use gauntlet_model::{Labels, Timestamp};
use gauntlet_runtime::Fs;

use crate::BlockError;
use crate::compact::Piece;
use crate::index::{ChunkMeta, INDEX_FILE, IndexWriter, SymbolTable};
use crate::meta::{BlockMeta, BlockStats};
use crate::segment::{CHUNKS_FOLDER, SEGMENT_BYTES, SegmentWriter, segment_name};
use crate::tombstones::Tombstones;

/// Ends the name of a folder that is being written; such folders are removed on start.
pub const CREATION_SUFFIX: &str = ".tmp-for-creation";
/// Ends the name of a folder that is being removed.
pub const DELETION_SUFFIX: &str = ".tmp-for-deletion";

/// A chunk to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewChunk<'a> {
    /// First and last sample's time, both in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    /// Encoding byte.
    pub encoding: u8,
    pub data: &'a [u8],
}

/// Writes one block, its series in order.
#[derive(Debug)]
pub struct BlockWriter {
    fs: Arc<dyn Fs>,
    parent: PathBuf,
    folder: PathBuf,
    meta: BlockMeta,
    parts: Option<(IndexWriter, SegmentWriter)>,
    chunks: Vec<ChunkMeta>,
}

impl BlockWriter {
    /// Begins a block below `parent`; `meta` says all but the statistics. `symbols` are all names and values, ascending, each once.
    pub fn create<S: AsRef<str>>(
        fs: &Arc<dyn Fs>,
        parent: &Path,
        meta: BlockMeta,
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<Self, BlockError> {
        Self::create_with_segments(fs, parent, meta, symbols, SEGMENT_BYTES)
    }

    /// As [`Self::create`], with segments of another size.
    pub fn create_with_segments<S: AsRef<str>>(
        fs: &Arc<dyn Fs>,
        parent: &Path,
        meta: BlockMeta,
        symbols: impl IntoIterator<Item = S>,
        segment_bytes: u64,
    ) -> Result<Self, BlockError> {
        Self::create_with_table(fs, parent, meta, SymbolTable::ascending(symbols)?, segment_bytes)
    }

    pub(crate) fn create_with_table(
        fs: &Arc<dyn Fs>,
        parent: &Path,
        mut meta: BlockMeta,
        symbols: SymbolTable,
        segment_bytes: u64,
    ) -> Result<Self, BlockError> {
        let folder = parent.join(format!("{}{CREATION_SUFFIX}", meta.ulid));
        let io = |action, err| BlockError::io(folder.display(), action, err);
        fs.remove_dir_all(&folder).map_err(|err| io("remove", err))?;
        fs.create_dir_all(&folder).map_err(|err| io("create", err))?;
        let segments =
            SegmentWriter::create(Arc::clone(fs), folder.join(CHUNKS_FOLDER), segment_bytes)?;
        let index = IndexWriter::create_with_table(&**fs, folder.join(INDEX_FILE), symbols)?;
        meta.stats = BlockStats::default();
        Ok(Self {
            fs: Arc::clone(fs),
            parent: parent.to_owned(),
            folder,
            meta,
            parts: Some((index, segments)),
            chunks: Vec::new(),
        })
    }

    /// What a string is called in the new index.
    pub fn symbol(&self, text: &str) -> Option<u32> {
        self.parts.as_ref()?.0.symbol(text)
    }

    /// Adds the next series with its chunks; a series without chunks is left out.
    pub fn add_series(
        &mut self,
        labels: &Labels,
        chunks: &[NewChunk<'_>],
    ) -> Result<(), BlockError> {
        let mut pairs = Vec::with_capacity(16);
        for (name, value) in labels {
            match (self.symbol(name), self.symbol(value)) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                _ => {
                    return Err(BlockError::Refused(format!(
                        "symbol entry for {name}={value:?} does not exist"
                    )));
                }
            }
        }
        self.add_series_symbols(&pairs, chunks)
    }

    /// As [`Self::add_series`] with labels given as symbols of the new index.
    pub fn add_series_symbols(
        &mut self,
        labels: &[(u32, u32)],
        chunks: &[NewChunk<'_>],
    ) -> Result<(), BlockError> {
        self.add(labels, chunks.iter().map(|chunk| (*chunk, None)))
    }

    /// As [`Self::add_series_symbols`]; checksums that pieces know are taken over.
    pub(crate) fn add_series_pieces(
        &mut self,
        labels: &[(u32, u32)],
        pieces: &[Piece],
    ) -> Result<(), BlockError> {
        let chunks = pieces.iter().map(|piece| {
            let Piece { min_time, max_time, encoding, ref data, crc } = *piece;
            (NewChunk { min_time, max_time, encoding, data }, crc)
        });
        self.add(labels, chunks)
    }

    fn add<'a>(
        &mut self,
        labels: &[(u32, u32)],
        chunks: impl Iterator<Item = (NewChunk<'a>, Option<u32>)>,
    ) -> Result<(), BlockError> {
        let Some((index, segments)) = &mut self.parts else {
            return Err(BlockError::Refused("block is finished".to_owned()));
        };
        self.chunks.clear();
        for (chunk, crc) in chunks {
            let chunk_ref = match crc {
                Some(crc) => segments.write_verified(chunk.encoding, chunk.data, crc)?,
                None => segments.write_one(chunk.encoding, chunk.data)?,
            };
            self.chunks.push(ChunkMeta {
                min_time: chunk.min_time,
                max_time: chunk.max_time,
                chunk_ref,
            });
            count(&mut self.meta.stats, &chunk);
        }
        if self.chunks.is_empty() {
            return Ok(());
        }
        index.add_series_symbols(labels, &self.chunks)?;
        self.meta.stats.num_series += 1;
        Ok(())
    }

    /// Statistics so far.
    pub fn stats(&self) -> &BlockStats {
        &self.meta.stats
    }

    /// The meta to be written. Statistics are counted in it as series are added.
    pub fn meta_mut(&mut self) -> &mut BlockMeta {
        &mut self.meta
    }

    /// Names of the segments begun so far.
    pub fn segment_files(&self) -> Vec<String> {
        let segments = self.parts.as_ref().map_or(0, |(_, segments)| segments.segment_count());
        (0..segments).map(segment_name).collect()
    }

    /// Bytes of the largest series entry and the largest chunk so far, with their frames.
    pub fn largest_entries(&self) -> (u64, u64) {
        self.parts
            .as_ref()
            .map_or((0, 0), |(index, segments)| (index.largest_series(), segments.largest_chunk()))
    }

    /// Makes the block durable and visible. `None`, and nothing left on disk, where it holds no samples.
    pub fn finish(mut self) -> Result<Option<BlockMeta>, BlockError> {
        let Some((index, segments)) = self.parts.take() else {
            return Err(BlockError::Refused("block is finished".to_owned()));
        };
        if self.meta.stats.num_samples == 0 {
            drop((index, segments));
            self.remove()?;
            return Ok(None);
        }
        segments.finish()?;
        index.finish()?;
        self.meta.write(&*self.fs, &self.folder)?;
        Tombstones::new().write(&*self.fs, &self.folder)?;
        let target = self.parent.join(self.meta.ulid.to_string());
        let io = |action, err| BlockError::io(target.display(), action, err);
        self.fs.sync_dir(&self.folder).map_err(|err| io("sync", err))?;
        self.fs.rename(&self.folder, &target).map_err(|err| io("rename", err))?;
        self.fs.sync_dir(&self.parent).map_err(|err| io("sync", err))?;
        Ok(Some(self.meta))
    }

    /// Gives up: removes what was written.
    pub fn abort(mut self) -> Result<(), BlockError> {
        self.parts = None;
        self.remove()
    }

    fn remove(&self) -> Result<(), BlockError> {
        self.fs
            .remove_dir_all(&self.folder)
            .map_err(|err| BlockError::io(self.folder.display(), "remove", err))
    }
}

/// Removes a block: renamed first, so that a crash leaves no half of it.
pub fn delete_block(fs: &dyn Fs, folder: &Path) -> Result<(), BlockError> {
    let mut name = folder.as_os_str().to_owned();
    name.push(DELETION_SUFFIX);
    let doomed = PathBuf::from(name);
    let io = |action, err| BlockError::io(folder.display(), action, err);
    fs.remove_dir_all(&doomed).map_err(|err| io("remove", err))?;
    fs.rename(folder, &doomed).map_err(|err| io("rename", err))?;
    fs.remove_dir_all(&doomed).map_err(|err| io("remove", err))
}

fn count(stats: &mut BlockStats, chunk: &NewChunk<'_>) {
    stats.num_chunks += 1;
    let encoding = Encoding::from_u8(chunk.encoding);
    let samples = match encoding {
        Some(encoding) => sample_count(encoding, chunk.data) as u64,
        None => gauntlet_chunk::AggregateChunk::parse(chunk.data).map_or(0, |c| c.windows() as u64),
    };
    stats.num_samples += samples;
    match encoding {
        Some(encoding) if encoding.is_histogram() => stats.num_histogram_samples += samples,
        Some(_) => stats.num_float_samples += samples,
        None => {}
    }
}

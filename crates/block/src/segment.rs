//! Chunk segments: the files `chunks/000001`, ... of a block. Page: docs/formats/chunk.md. Source: upstream chunks format v1.
//! | magic u32 be 0x85bd40dd | version u8 = 1 | 3 zero bytes | chunk* |
//! chunk = | len uvarint | encoding u8 | data, len bytes | crc32c u32 be over encoding and data |
//!
//! A chunk reference is the segment's ordinal (from 0) in the upper and the chunk's offset in the lower 32 bits.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_encoding::put::uvarint_len;
use gauntlet_encoding::{Cursor, crc32c_append, put_uvarint};
use gauntlet_runtime::{File, Fs};

use crate::BlockError;
use crate::source::{ByteSource, FileSource, PageCache, Sequential};

pub const SEGMENT_MAGIC: u32 = 0x85bd_40dd;
pub const SEGMENT_HEADER_BYTES: u64 = 8;
/// Folder of the segments in a block's folder.
pub const CHUNKS_FOLDER: &str = "chunks";
/// Size at which a new segment begins.
pub const SEGMENT_BYTES: u64 = 512 << 20;
/// Longest length field that a reader takes.
const MAX_LEN_BYTES: usize = 5;
/// Bytes read at first for a chunk; most are shorter.
const CHUNK_GUESS: u64 = 512;
/// What the writer gathers before it writes.
const BUFFER_BYTES: usize = 1 << 20;

/// A chunk's bytes as they lie in a segment, verified.
#[derive(Clone, Debug)]
pub struct RawChunk {
    /// The encoding byte; 0xff is a downsampled aggregate.
    pub encoding: u8,
    pub data: Bytes,
    /// Checksum over encoding and data, as stored.
    pub crc: u32,
}

/// Name of segment `ordinal` (from 0).
pub fn segment_name(ordinal: usize) -> String {
    format!("{:06}", ordinal + 1)
}

/// The segments of one block.
#[derive(Debug)]
pub struct SegmentReader {
    segments: Vec<Arc<dyn ByteSource>>,
}

impl SegmentReader {
    /// Checks the headers.
    pub fn new(segments: Vec<Arc<dyn ByteSource>>) -> Result<Self, BlockError> {
        for segment in &segments {
            let header =
                segment.read(0, SEGMENT_HEADER_BYTES as usize).map_err(|err| match err.kind() {
                    io::ErrorKind::UnexpectedEof => {
                        let found = format!("a file of {} bytes", segment.len());
                        BlockError::corrupt(segment.name(), 0, "a segment header", found)
                    }
                    _ => BlockError::io(segment.name(), "read", err),
                })?;
            let magic = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
            if magic != SEGMENT_MAGIC {
                let expected = format!("magic {SEGMENT_MAGIC:08x}");
                return Err(BlockError::corrupt(
                    segment.name(),
                    0,
                    expected,
                    format!("{magic:08x}"),
                ));
            }
            if header[4] != 1 {
                let reason = format!("invalid chunk format version {}", header[4]);
                return Err(BlockError::Unsupported { path: segment.name().to_owned(), reason });
            }
        }
        Ok(Self { segments })
    }

    /// Opens the segments in a folder: its files with numbers for names, ascending.
    pub fn open(fs: &dyn Fs, folder: &Path, cache: &Arc<PageCache>) -> Result<Self, BlockError> {
        let entries =
            fs.list(folder).map_err(|err| BlockError::io(folder.display(), "list", err))?;
        let mut numbers: Vec<(u64, String)> =
            entries.into_iter().filter_map(|e| Some((e.name.parse().ok()?, e.name))).collect();
        numbers.sort_unstable();
        let mut segments: Vec<Arc<dyn ByteSource>> = Vec::new();
        let mut last = None;
        for (number, name) in numbers {
            let path = folder.join(&name);
            if last.is_some_and(|last| last + 1 != number) {
                let expected = "segments without a gap";
                return Err(BlockError::corrupt(folder.display(), 0, expected, name));
            }
            last = Some(number);
            let source = FileSource::open(fs, &path, cache)
                .map_err(|err| BlockError::io(path.display(), "open", err))?;
            segments.push(Arc::new(source));
        }
        Self::new(segments)
    }

    pub fn segments(&self) -> &[Arc<dyn ByteSource>] {
        &self.segments
    }

    /// The same segments for one reader that goes through them in order.
    pub(crate) fn sequential(&self) -> Self {
        let one = |segment: &Arc<dyn ByteSource>| -> Arc<dyn ByteSource> {
            Arc::new(Sequential::new(Arc::clone(segment)))
        };
        Self { segments: self.segments.iter().map(one).collect() }
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.len()).sum()
    }

    /// Reads and verifies a chunk.
    pub fn chunk(&self, chunk_ref: u64) -> Result<RawChunk, BlockError> {
        let (ordinal, offset) = ((chunk_ref >> 32) as usize, chunk_ref & 0xffff_ffff);
        let Some(segment) = self.segments.get(ordinal) else {
            let name = self.segments.first().map_or("no segment", |s| s.name());
            let expected = format!("one of {} segments", self.segments.len());
            return Err(BlockError::corrupt(name, offset, expected, segment_name(ordinal)));
        };
        let available = segment.len().saturating_sub(offset);
        let mut bytes = read(&**segment, offset, available.min(CHUNK_GUESS) as usize)?;
        let (len, start) = chunk_len(&**segment, offset, &bytes)?;
        // Encoding, data, checksum.
        let total = start as u64 + 1 + len as u64 + 4;
        if total > available {
            let found = format!("length {len}");
            return Err(BlockError::corrupt(
                segment.name(),
                offset,
                "a chunk within the segment",
                found,
            ));
        }
        if total > bytes.len() as u64 {
            bytes = read(&**segment, offset, total as usize)?;
        }
        verify(&**segment, offset, &bytes.slice(start..total as usize))
    }
}

/// Takes a chunk at the start of `bytes` (read at `offset` of `source`) apart and verifies it.
pub fn parse_chunk(
    source: &dyn ByteSource,
    offset: u64,
    bytes: &Bytes,
) -> Result<RawChunk, BlockError> {
    let (len, start) = chunk_len(source, offset, bytes)?;
    let total = start + 1 + len + 4;
    if total > bytes.len() {
        let found = format!("length {len}");
        return Err(BlockError::corrupt(source.name(), offset, "a whole chunk", found));
    }
    verify(source, offset, &bytes.slice(start..total))
}

fn read(source: &dyn ByteSource, offset: u64, len: usize) -> Result<Bytes, BlockError> {
    source.read(offset, len).map_err(|err| BlockError::io(source.name(), "read", err))
}

fn chunk_len(
    source: &dyn ByteSource,
    offset: u64,
    bytes: &[u8],
) -> Result<(usize, usize), BlockError> {
    let mut cursor = Cursor::new(&bytes[..bytes.len().min(MAX_LEN_BYTES)]);
    let len = cursor
        .uvarint32()
        .map_err(|err| BlockError::decode(source.name(), offset, "a chunk's length", err))?;
    Ok((len as usize, cursor.offset()))
}

/// `bytes`: encoding, data, checksum.
fn verify(source: &dyn ByteSource, offset: u64, bytes: &Bytes) -> Result<RawChunk, BlockError> {
    let Some((content, stored)) = bytes.split_last_chunk::<4>() else {
        return Err(BlockError::corrupt(source.name(), offset, "a chunk", "nothing"));
    };
    let (stored, found) = (u32::from_be_bytes(*stored), gauntlet_encoding::crc32c(content));
    if stored != found {
        let expected = format!("checksum {stored:08x} of a chunk");
        return Err(BlockError::corrupt(source.name(), offset, expected, format!("{found:08x}")));
    }
    let data = bytes.slice(1..content.len());
    Ok(RawChunk { encoding: content[0], data, crc: stored })
}

/// Writes the segments of a block, in order.
#[derive(Debug)]
pub struct SegmentWriter {
    fs: Arc<dyn Fs>,
    folder: PathBuf,
    limit_bytes: u64,
    /// Segments begun.
    segments: usize,
    file: Option<Arc<dyn File>>,
    /// Bytes of the open segment, and those of them not yet written.
    len: u64,
    buffer: Vec<u8>,
    largest_chunk: u64,
}

impl SegmentWriter {
    /// Makes the folder. `limit_bytes` is [`SEGMENT_BYTES`] outside tests.
    pub fn create(fs: Arc<dyn Fs>, folder: PathBuf, limit_bytes: u64) -> Result<Self, BlockError> {
        fs.create_dir_all(&folder)
            .map_err(|err| BlockError::io(folder.display(), "create", err))?;
        Ok(Self {
            fs,
            folder,
            limit_bytes,
            segments: 0,
            file: None,
            len: 0,
            buffer: Vec::new(),
            largest_chunk: 0,
        })
    }

    /// Appends the chunks of a series and returns their references in order. A segment ends before the chunk that would pass the
    /// limit, counting five bytes for each length as upstream does.
    pub fn write(&mut self, chunks: &[(u8, &[u8])]) -> Result<Vec<u64>, BlockError> {
        chunks.iter().map(|(encoding, data)| self.write_one(*encoding, data)).collect()
    }

    pub fn write_one(&mut self, encoding: u8, data: &[u8]) -> Result<u64, BlockError> {
        let crc = crc32c_append(gauntlet_encoding::crc32c(&[encoding]), data);
        self.write_verified(encoding, data, crc)
    }

    /// As [`Self::write_one`] with the checksum over encoding and data, which the caller has verified.
    pub(crate) fn write_verified(
        &mut self,
        encoding: u8,
        data: &[u8],
        crc: u32,
    ) -> Result<u64, BlockError> {
        let most = (MAX_LEN_BYTES + 1 + data.len() + 4) as u64;
        let full = self.len > SEGMENT_HEADER_BYTES && self.len + most > self.limit_bytes;
        if self.file.is_none() || full {
            self.begin_segment()?;
        }
        let chunk_ref = (self.segments as u64 - 1) << 32 | self.len;
        let written = uvarint_len(data.len() as u64) + 1 + data.len() + 4;
        put_uvarint(&mut self.buffer, data.len() as u64);
        self.buffer.push(encoding);
        self.buffer.extend_from_slice(data);
        self.buffer.extend_from_slice(&crc.to_be_bytes());
        self.len += written as u64;
        self.largest_chunk = self.largest_chunk.max(written as u64);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(chunk_ref)
    }

    /// Segments begun so far.
    pub fn segment_count(&self) -> usize {
        self.segments
    }

    /// Bytes of the largest chunk with its frame.
    pub fn largest_chunk(&self) -> u64 {
        self.largest_chunk
    }

    /// Makes all segments durable, and returns how many there are. A block without chunks has none.
    pub fn finish(mut self) -> Result<usize, BlockError> {
        self.end_segment()?;
        self.fs
            .sync_dir(&self.folder)
            .map_err(|err| BlockError::io(self.folder.display(), "sync", err))?;
        Ok(self.segments)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(segment_name(self.segments.saturating_sub(1)))
    }

    fn begin_segment(&mut self) -> Result<(), BlockError> {
        self.end_segment()?;
        self.segments += 1;
        let path = self.path();
        let file =
            self.fs.create(&path).map_err(|err| BlockError::io(path.display(), "create", err))?;
        self.file = Some(file);
        self.buffer.extend_from_slice(&SEGMENT_MAGIC.to_be_bytes());
        self.buffer.extend_from_slice(&[1, 0, 0, 0]);
        self.len = SEGMENT_HEADER_BYTES;
        Ok(())
    }

    fn end_segment(&mut self) -> Result<(), BlockError> {
        self.flush()?;
        if let Some(file) = self.file.take() {
            file.sync_all().map_err(|err| BlockError::io(self.path().display(), "sync", err))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let Some(file) = &self.file else { return Ok(()) };
        let at = self.len - self.buffer.len() as u64;
        file.write_at(&self.buffer, at)
            .map_err(|err| BlockError::io(self.path().display(), "write", err))?;
        self.buffer.clear();
        Ok(())
    }
}

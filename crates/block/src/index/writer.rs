//! Writing an index, version 2: symbols first, then series in order, then postings from what the series said.
//!
//! Byte for byte what upstream writes for the same input. Memory: the texts of the symbols, 4 bytes for each label of each series
//! ([`super::gather`]), 8 for each label pair.

use std::path::PathBuf;
use std::sync::Arc;

use gauntlet_encoding::put::uvarint_len;
use gauntlet_encoding::{crc32c, crc32c_append, put_len_bytes, put_u32, put_uvarint, put_varint};
use gauntlet_model::Labels;
use gauntlet_runtime::{File, Fs};

use super::gather::Gathered;
use super::reader::ChunkMeta;
use super::symbol_table::SymbolTable;
use super::toc::Toc;
use super::{INDEX_MAGIC, SERIES_ALIGN};
use crate::BlockError;

/// Series are named by 32 bits of 16 bytes each.
const LIMIT_BYTES: u64 = 16 * u32::MAX as u64;
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub struct IndexWriter {
    out: Output,
    toc: Toc,
    symbols: SymbolTable,
    /// Which series have which pair.
    gathered: Gathered,
    all: Vec<u32>,
    last_labels: Vec<(u32, u32)>,
    last_chunk_ref: u64,
    entry: Vec<u8>,
    largest_series: u64,
}

/// A file that is appended to through a buffer.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    written: u64,
}

impl Output {
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn pad(&mut self, align: u64) {
        let to = self.position().next_multiple_of(align) - self.written;
        self.buffer.resize(to as usize, 0);
    }

    fn flush_when_full(&mut self) -> Result<(), BlockError> {
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.file
            .write_at(&self.buffer, self.written)
            .map_err(|err| BlockError::io(self.path.display(), "write", err))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written > LIMIT_BYTES {
            return Err(self.too_large("the index", LIMIT_BYTES));
        }
        Ok(())
    }

    fn too_large(&self, what: &'static str, limit: u64) -> BlockError {
        BlockError::TooLarge { path: self.path.display().to_string(), what, limit }
    }

    /// Writes a section whose content is already in pieces: its length, the pieces in order, their checksum.
    fn section(
        &mut self,
        len: u64,
        what: &'static str,
        mut write: impl FnMut(&mut Pieces<'_>) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let Ok(framed) = u32::try_from(len) else {
            return Err(self.too_large(what, u64::from(u32::MAX)));
        };
        put_u32(&mut self.buffer, framed);
        let start = self.position();
        let from = self.buffer.len();
        let mut pieces = Pieces { out: self, from, crc: 0 };
        write(&mut pieces)?;
        let crc = pieces.checksum();
        debug_assert_eq!(self.position() - start, len, "BUG: {what} has another length");
        put_u32(&mut self.buffer, crc);
        self.flush_when_full()
    }
}

/// The content of a section on its way.
struct Pieces<'a> {
    out: &'a mut Output,
    /// What lies in the buffer from here on is not in the checksum yet.
    from: usize,
    crc: u32,
}

impl Pieces<'_> {
    fn put(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Result<(), BlockError> {
        put(&mut self.out.buffer);
        if self.out.buffer.len() >= BUFFER_BYTES {
            self.crc = self.checksum();
            self.out.flush()?;
            self.from = 0;
        }
        Ok(())
    }

    fn checksum(&self) -> u32 {
        crc32c_append(self.crc, &self.out.buffer[self.from..])
    }
}

impl IndexWriter {
    /// Creates the file and writes the symbols: every name and value that the series will have, ascending, each once.
    pub fn create<S: AsRef<str>>(
        fs: &dyn Fs,
        path: PathBuf,
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<Self, BlockError> {
        Self::create_with_table(fs, path, SymbolTable::ascending(symbols)?)
    }

    pub(crate) fn create_with_table(
        fs: &dyn Fs,
        path: PathBuf,
        symbols: SymbolTable,
    ) -> Result<Self, BlockError> {
        let file = fs.create(&path).map_err(|err| BlockError::io(path.display(), "create", err))?;
        let mut this = Self {
            out: Output { path, file, buffer: Vec::new(), written: 0 },
            toc: Toc::default(),
            symbols,
            gathered: Gathered::default(),
            all: Vec::new(),
            last_labels: Vec::new(),
            last_chunk_ref: 0,
            entry: Vec::new(),
            largest_series: 0,
        };
        put_u32(&mut this.out.buffer, INDEX_MAGIC);
        this.out.buffer.push(2);
        this.toc.symbols = this.out.position();
        let symbols = &this.symbols;
        let len: u64 = symbols.iter().map(|text| len_bytes(text.len())).sum();
        this.out.section(4 + len, "the symbol table", |out| {
            out.put(|buffer| put_u32(buffer, symbols.len() as u32))?;
            symbols
                .iter()
                .try_for_each(|text| out.put(|buffer| put_len_bytes(buffer, text.as_bytes())))
        })?;
        this.toc.series = this.out.position();
        Ok(this)
    }

    /// What a string is called in this index.
    pub fn symbol(&self, text: &str) -> Option<u32> {
        self.symbols.find(text)
    }

    /// Adds the next series. Label sets must ascend, chunks too, by time and by reference.
    pub fn add_series(&mut self, labels: &Labels, chunks: &[ChunkMeta]) -> Result<u32, BlockError> {
        let mut pairs = Vec::with_capacity(16);
        for (name, value) in labels {
            let of = |text: &str| {
                self.symbol(text).ok_or_else(|| {
                    BlockError::Refused(format!("symbol entry for {text:?} does not exist"))
                })
            };
            pairs.push((of(name)?, of(value)?));
        }
        self.add_series_symbols(&pairs, chunks)
    }

    /// As [`Self::add_series`] with labels given as symbols of this index. Returns the reference that postings have.
    pub fn add_series_symbols(
        &mut self,
        labels: &[(u32, u32)],
        chunks: &[ChunkMeta],
    ) -> Result<u32, BlockError> {
        // Symbols ascend with their texts, so their order is that of label sets.
        if labels <= &self.last_labels[..] && !self.all.is_empty() {
            return Err(BlockError::Refused(format!(
                "out-of-order series added with label set {}, last label set {}",
                self.spell(labels),
                self.spell(&self.last_labels)
            )));
        }
        if !labels.windows(2).all(|w| w[0].0 < w[1].0) {
            return Err(BlockError::Refused(format!(
                "labels out of order in {}",
                self.spell(labels)
            )));
        }
        if let Some(symbol) =
            labels.iter().flat_map(|(n, v)| [n, v]).find(|s| **s as usize >= self.symbols.len())
        {
            return Err(BlockError::Refused(format!("symbol {symbol} does not exist")));
        }
        self.check_chunks(chunks)?;
        self.out.pad(SERIES_ALIGN);
        let position = self.out.position();
        let Ok(series_ref) = u32::try_from(position / SERIES_ALIGN) else {
            return Err(self.out.too_large("the index", LIMIT_BYTES));
        };
        let mut entry = std::mem::take(&mut self.entry);
        entry.clear();
        encode_series(labels, chunks, &mut entry);
        put_uvarint(&mut self.out.buffer, entry.len() as u64);
        self.out.buffer.extend_from_slice(&entry);
        put_u32(&mut self.out.buffer, crc32c(&entry));
        self.entry = entry;
        self.largest_series = self.largest_series.max(self.out.position() - position);
        self.gathered.add(labels);
        self.all.push(series_ref);
        self.last_labels.clear();
        self.last_labels.extend_from_slice(labels);
        if let Some(chunk) = chunks.last() {
            self.last_chunk_ref = chunk.chunk_ref;
        }
        self.out.flush_when_full()?;
        Ok(series_ref)
    }

    fn check_chunks(&self, chunks: &[ChunkMeta]) -> Result<(), BlockError> {
        let mut last_ref = self.last_chunk_ref;
        let mut last_end = None;
        for chunk in chunks {
            if chunk.chunk_ref < last_ref {
                let text =
                    format!("unsorted chunk reference: {}, previous: {last_ref}", chunk.chunk_ref);
                return Err(BlockError::Refused(text));
            }
            if let Some(end) = last_end.filter(|end| chunk.min_time <= *end) {
                let text = format!(
                    "chunk minT {} is not higher than previous chunk maxT {end}",
                    chunk.min_time
                );
                return Err(BlockError::Refused(text));
            }
            if chunk.max_time < chunk.min_time {
                let text =
                    format!("chunk maxT {} is less than minT {}", chunk.max_time, chunk.min_time);
                return Err(BlockError::Refused(text));
            }
            last_ref = chunk.chunk_ref;
            last_end = Some(chunk.max_time);
        }
        Ok(())
    }

    fn spell(&self, labels: &[(u32, u32)]) -> String {
        let text = |symbol: u32| self.symbols.get(symbol).unwrap_or("?");
        let pairs: Vec<_> =
            labels.iter().map(|(n, v)| format!("{}={:?}", text(*n), text(*v))).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    pub fn series_count(&self) -> usize {
        self.all.len()
    }

    /// Bytes of the largest series entry with its frame.
    pub fn largest_series(&self) -> u64 {
        self.largest_series
    }

    /// Writes postings, offset table and TOC, and makes the file durable.
    pub fn finish(mut self) -> Result<(), BlockError> {
        self.toc.label_indices = self.out.position();
        self.toc.postings = self.out.position();
        self.out.pad(4);
        let all = std::mem::take(&mut self.all);
        let mut offsets = vec![self.write_list(&all)?];
        let lists = std::mem::take(&mut self.gathered).into_lists();
        let pairs = lists.pairs();
        offsets.reserve(pairs.len());
        lists.for_each(&all, |list| {
            offsets.push(self.write_list(list)?);
            Ok::<(), BlockError>(())
        })?;
        self.toc.label_offset_table = self.out.position();
        self.toc.postings_offset_table = self.out.position();
        let symbols = &self.symbols;
        let text = |symbol: u32| symbols.get(symbol).unwrap_or_default();
        let texts =
            || std::iter::once(("", "")).chain(pairs.iter().map(|(n, v)| (text(*n), text(*v))));
        let len: u64 = texts()
            .zip(&offsets)
            .map(|((name, value), offset)| {
                1 + len_bytes(name.len()) + len_bytes(value.len()) + uvarint_len(*offset) as u64
            })
            .sum();
        self.out.section(4 + len, "the postings offset table", |out| {
            out.put(|buffer| put_u32(buffer, offsets.len() as u32))?;
            for ((name, value), offset) in texts().zip(&offsets) {
                out.put(|buffer| {
                    buffer.push(2);
                    put_len_bytes(buffer, name.as_bytes());
                    put_len_bytes(buffer, value.as_bytes());
                    put_uvarint(buffer, *offset);
                })?;
            }
            Ok(())
        })?;
        self.toc.put(&mut self.out.buffer);
        self.out.flush()?;
        self.out.file.sync_all().map_err(|err| BlockError::io(self.out.path.display(), "sync", err))
    }

    /// Writes a postings list and returns where it is.
    fn write_list(&mut self, list: &[u32]) -> Result<u64, BlockError> {
        self.out.pad(4);
        let offset = self.out.position();
        self.out.section(4 + 4 * list.len() as u64, "a postings list", |out| {
            out.put(|buffer| put_u32(buffer, list.len() as u32))?;
            list.chunks(4096).try_for_each(|part| {
                out.put(|buffer| part.iter().for_each(|series| put_u32(buffer, *series)))
            })
        })?;
        Ok(offset)
    }
}

/// Bytes of a string with its length in front.
fn len_bytes(len: usize) -> u64 {
    (uvarint_len(len as u64) + len) as u64
}

/// The content of a series entry, as [`super::SeriesEntry::decode`] reads it.
pub(crate) fn encode_series(labels: &[(u32, u32)], chunks: &[ChunkMeta], out: &mut Vec<u8>) {
    put_uvarint(out, labels.len() as u64);
    for (name, value) in labels {
        put_uvarint(out, u64::from(*name));
        put_uvarint(out, u64::from(*value));
    }
    put_uvarint(out, chunks.len() as u64);
    let mut last: Option<&ChunkMeta> = None;
    for chunk in chunks {
        let length = chunk.max_time.wrapping_sub(chunk.min_time) as u64;
        match last {
            None => {
                put_varint(out, chunk.min_time);
                put_uvarint(out, length);
                put_uvarint(out, chunk.chunk_ref);
            }
            Some(last) => {
                put_uvarint(out, chunk.min_time.wrapping_sub(last.max_time) as u64);
                put_uvarint(out, length);
                put_varint(out, chunk.chunk_ref.wrapping_sub(last.chunk_ref) as i64);
            }
        }
        last = Some(chunk);
    }
}

//! Writing an index, version 2: symbols first, then series in order, then postings from what the series said.
//!
//! Byte for byte what upstream writes for the same input. Postings are gathered while series are written, as lists of
//! references by label pair (4 bytes for each label of each series), and written at the end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use gauntlet_encoding::{crc32c, put_len_bytes, put_u32, put_uvarint, put_varint};
use gauntlet_model::Labels;
use gauntlet_runtime::{File, Fs};

use super::reader::ChunkMeta;
use super::toc::Toc;
use super::{INDEX_MAGIC, SERIES_ALIGN};
use crate::BlockError;

/// Series are named by 32 bits of 16 bytes each.
const LIMIT_BYTES: u64 = 16 * u32::MAX as u64;
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub struct IndexWriter {
    out: Output,
    toc: Toc,
    /// Symbols in order.
    symbols: Vec<Arc<str>>,
    by_text: HashMap<Arc<str>, u32, foldhash::fast::FixedState>,
    /// References by name and value symbol.
    postings: HashMap<(u32, u32), Vec<u32>, foldhash::fast::FixedState>,
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

    /// Length, content, checksum.
    fn section(&mut self, content: &[u8], what: &'static str) -> Result<(), BlockError> {
        let Ok(len) = u32::try_from(content.len()) else {
            return Err(self.too_large(what, u64::from(u32::MAX)));
        };
        put_u32(&mut self.buffer, len);
        self.buffer.extend_from_slice(content);
        put_u32(&mut self.buffer, crc32c(content));
        self.flush_when_full()
    }
}

impl IndexWriter {
    /// Creates the file and writes the symbols: every name and value that the series will have, ascending, each once.
    pub fn create<S: AsRef<str>>(
        fs: &dyn Fs,
        path: PathBuf,
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<Self, BlockError> {
        let file = fs.create(&path).map_err(|err| BlockError::io(path.display(), "create", err))?;
        let mut this = Self {
            out: Output { path, file, buffer: Vec::new(), written: 0 },
            toc: Toc::default(),
            symbols: Vec::new(),
            by_text: HashMap::default(),
            postings: HashMap::default(),
            all: Vec::new(),
            last_labels: Vec::new(),
            last_chunk_ref: 0,
            entry: Vec::new(),
            largest_series: 0,
        };
        put_u32(&mut this.out.buffer, INDEX_MAGIC);
        this.out.buffer.push(2);
        this.toc.symbols = this.out.position();
        this.write_symbols(symbols)?;
        this.toc.series = this.out.position();
        Ok(this)
    }

    fn write_symbols<S: AsRef<str>>(
        &mut self,
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<(), BlockError> {
        let mut content = vec![0; 4];
        for symbol in symbols {
            let text: Arc<str> = symbol.as_ref().into();
            if self.symbols.last().is_some_and(|last| *last >= text) {
                return Err(BlockError::Refused(format!("symbol {text:?} out-of-order")));
            }
            put_len_bytes(&mut content, text.as_bytes());
            self.by_text.insert(Arc::clone(&text), self.symbols.len() as u32);
            self.symbols.push(text);
        }
        content[..4].copy_from_slice(&(self.symbols.len() as u32).to_be_bytes());
        self.out.section(&content, "the symbol table")
    }

    /// What a string is called in this index.
    pub fn symbol(&self, text: &str) -> Option<u32> {
        self.by_text.get(text).copied()
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
        for pair in labels {
            self.postings.entry(*pair).or_default().push(series_ref);
        }
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
        let text = |symbol: u32| self.symbols.get(symbol as usize).map_or("?", |s| &**s);
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
        let mut table = vec![0; 4];
        let mut count = 1u32;
        let all = std::mem::take(&mut self.all);
        self.write_list("", "", &all, &mut table)?;
        let mut pairs: Vec<_> = std::mem::take(&mut self.postings).into_iter().collect();
        pairs.sort_unstable_by_key(|(pair, _)| *pair);
        for ((name, value), list) in pairs {
            let (name, value) = (
                Arc::clone(&self.symbols[name as usize]),
                Arc::clone(&self.symbols[value as usize]),
            );
            self.write_list(&name, &value, &list, &mut table)?;
            count += 1;
        }
        table[..4].copy_from_slice(&count.to_be_bytes());
        self.toc.label_offset_table = self.out.position();
        self.toc.postings_offset_table = self.out.position();
        self.out.section(&table, "the postings offset table")?;
        self.toc.put(&mut self.out.buffer);
        self.out.flush()?;
        self.out.file.sync_all().map_err(|err| BlockError::io(self.out.path.display(), "sync", err))
    }

    fn write_list(
        &mut self,
        name: &str,
        value: &str,
        list: &[u32],
        table: &mut Vec<u8>,
    ) -> Result<(), BlockError> {
        self.out.pad(4);
        table.push(2);
        put_len_bytes(table, name.as_bytes());
        put_len_bytes(table, value.as_bytes());
        put_uvarint(table, self.out.position());
        let mut content = Vec::with_capacity(4 + list.len() * 4);
        put_u32(&mut content, list.len() as u32);
        list.iter().for_each(|series| put_u32(&mut content, *series));
        self.out.section(&content, "a postings list")
    }
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

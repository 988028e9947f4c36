//! Reading an index: immutable, cheap to open, shared by all queries.
//!
//! Opening verifies TOC, symbols and offset table; series entries and postings lists are verified whenever they are read. Holds one
//! symbol and one label value in 32, and label names. Series entry: | len uvarint | labels | chunks | crc32c |, where
//! labels = count, then (name, value) symbols, all uvarint; chunks = count uvarint, then
//! first: min_time varint, max_time - min_time uvarint, ref uvarint; later: min_time - last max_time uvarint,
//! max_time - min_time uvarint, ref - last ref varint.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gauntlet_encoding::{Cursor, DecodeError};
use gauntlet_model::{Labels, Timestamp};

use super::offset_table::OffsetTable;
use super::postings::union_of_runs;
use super::section::{DecodeAt, check_crc, cursor, read};
use super::select::IndexSource;
use super::symbols::{SymbolCursor, Symbols};
use super::toc::Toc;
use super::{INDEX_HEADER_BYTES, INDEX_MAGIC, IndexVersion, SERIES_ALIGN};
use crate::BlockError;
use crate::source::ByteSource;

/// Bytes read at first for a series entry; most are shorter.
const SERIES_GUESS: usize = 512;

/// A chunk as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// First and last sample's time, both in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    /// Segment ordinal (from 0) in the upper, offset in the segment in the lower 32 bits.
    pub chunk_ref: u64,
}

/// A series as stored; memory to be used again.
#[derive(Clone, Debug, Default)]
pub struct SeriesEntry {
    /// Symbols of name and value, ascending by name.
    pub labels: Vec<(u32, u32)>,
    /// Ascending by time.
    pub chunks: Vec<ChunkMeta>,
}

impl SeriesEntry {
    /// Decodes an entry's content, without length and checksum. `with_chunks` false leaves the chunks unread.
    pub fn decode(&mut self, content: &[u8], with_chunks: bool) -> Result<(), DecodeError> {
        self.labels.clear();
        self.chunks.clear();
        let mut cursor = Cursor::new(content);
        let labels = cursor.uvarint_len()?;
        for _ in 0..labels {
            self.labels.push((cursor.uvarint32()?, cursor.uvarint32()?));
        }
        if !with_chunks {
            return Ok(());
        }
        let chunks = cursor.uvarint_len()?;
        let (mut end, mut chunk_ref) = (0i64, 0u64);
        for i in 0..chunks {
            let min_time =
                if i == 0 { cursor.varint()? } else { end.wrapping_add(cursor.uvarint()? as i64) };
            let max_time = min_time.wrapping_add(cursor.uvarint()? as i64);
            chunk_ref = if i == 0 {
                cursor.uvarint()?
            } else {
                chunk_ref.wrapping_add(cursor.varint()? as u64)
            };
            end = max_time;
            self.chunks.push(ChunkMeta { min_time, max_time, chunk_ref });
        }
        Ok(())
    }
}

/// Symbols that a reader looked up lately, their texts side by side. One for each worker; empties itself when it meets another reader.
/// Bounded: 48 KiB of places and about 1 MiB of text.
#[derive(Clone, Debug)]
pub struct SymbolCache {
    reader: u64,
    slots: Vec<Slot>,
    texts: String,
    /// Name and value of each pair of the label set at hand.
    pairs: Vec<(Slot, Slot)>,
}

/// A symbol and where its text is.
#[derive(Clone, Copy, Debug)]
struct Slot {
    symbol: u32,
    start: u32,
    end: u32,
}

const SLOTS: usize = 4096;
/// Text beyond this is dropped before the next label set.
const CACHED_TEXT_BYTES: usize = 1 << 20;
/// No slot has this symbol: files hold fewer.
const NO_SYMBOL: u32 = u32::MAX;

impl Default for SymbolCache {
    fn default() -> Self {
        let empty = Slot { symbol: NO_SYMBOL, start: 0, end: 0 };
        Self { reader: 0, slots: vec![empty; SLOTS], texts: String::new(), pairs: Vec::new() }
    }
}

impl SymbolCache {
    /// Makes the cache ready for a label set of a reader.
    fn begin(&mut self, reader: u64) {
        if self.reader != reader || self.texts.len() > CACHED_TEXT_BYTES {
            self.reader = reader;
            self.slots.fill(Slot { symbol: NO_SYMBOL, start: 0, end: 0 });
            self.texts.clear();
        }
        self.pairs.clear();
    }

    fn text(&self, slot: Slot) -> &str {
        &self.texts[slot.start as usize..slot.end as usize]
    }
}

/// Tells readers apart for their caches; 0 is none.
static NEXT_READER: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub struct IndexReader {
    id: u64,
    source: Arc<dyn ByteSource>,
    version: IndexVersion,
    toc: Toc,
    symbols: Symbols,
    table: OffsetTable,
    /// Symbols that are label names: half of all lookups.
    names: HashMap<u32, Arc<str>, foldhash::fast::FixedState>,
}

impl IndexReader {
    /// Opens an index and verifies its sections.
    pub fn open(source: Arc<dyn ByteSource>) -> Result<Self, BlockError> {
        let version = read_header(&*source)?;
        let toc = Toc::read(&*source)?;
        let symbols = Symbols::open(&*source, version, toc.symbols)?;
        let table = OffsetTable::open(&*source, version, toc.postings_offset_table)?;
        let mut names = HashMap::default();
        for name in table.names() {
            let symbol = symbols.reverse_lookup(&*source, name)?.ok_or_else(|| {
                BlockError::corrupt(
                    source.name(),
                    toc.symbols,
                    format!("label name {name} as a symbol"),
                    "none",
                )
            })?;
            names.insert(symbol, name.into());
        }
        let id = NEXT_READER.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, source, version, toc, symbols, table, names })
    }

    pub fn version(&self) -> IndexVersion {
        self.version
    }

    pub fn toc(&self) -> &Toc {
        &self.toc
    }

    pub fn source(&self) -> &Arc<dyn ByteSource> {
        &self.source
    }

    /// Bytes of the file.
    pub fn size_bytes(&self) -> u64 {
        self.source.len()
    }

    /// Heap bytes held, about.
    pub fn memory_bytes(&self) -> usize {
        self.symbols.size_bytes() + self.table.size_bytes() + self.names.len() * 64
    }

    pub fn symbol_count(&self) -> usize {
        self.symbols.count()
    }

    /// Calls `each` with every symbol, ascending.
    pub fn for_each_symbol(
        &self,
        each: impl FnMut(&str) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        self.symbols.for_each(&*self.source, each)
    }

    pub(crate) fn symbol_cursor(&self) -> SymbolCursor<'_> {
        SymbolCursor::new(&self.symbols, &*self.source)
    }

    /// The text of a symbol.
    pub fn symbol(&self, symbol: u32) -> Result<Arc<str>, BlockError> {
        if let Some(name) = self.names.get(&symbol) {
            return Ok(Arc::clone(name));
        }
        self.symbols.lookup(&*self.source, symbol)
    }

    /// Label names, ascending.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.table.names()
    }

    /// Values of a label, ascending; none if no series has it.
    pub fn label_values(&self, name: &str) -> Result<Vec<String>, BlockError> {
        let mut values = Vec::new();
        if !name.is_empty() {
            self.for_each_value(name, "", |value, _| {
                values.push(value.to_owned());
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(values)
    }

    /// Calls `each` with the values of a label from `from` on, ascending, and the offset of their postings list.
    pub fn for_each_value(
        &self,
        name: &str,
        from: &str,
        each: impl FnMut(&str, u64) -> Result<ControlFlow<()>, BlockError>,
    ) -> Result<(), BlockError> {
        self.table.for_each_value(&*self.source, name, from, each)
    }

    /// Series that have the label, whatever its value.
    pub fn postings_of(&self, name: &str) -> Result<Vec<u32>, BlockError> {
        self.postings_matching(name, "", &mut |_| true)
    }

    /// The series of a postings list at `offset`, verified.
    pub fn read_postings(&self, offset: u64, out: &mut Vec<u32>) -> Result<(), BlockError> {
        let content = super::section::read_section(&*self.source, offset, "a postings list")?;
        decode_postings(&content, out).map_err(|(expected, found)| {
            BlockError::corrupt(self.source.name(), offset, expected, found)
        })
    }

    /// Reads series `series_ref` (as postings name it) into `entry`.
    pub fn series(
        &self,
        series_ref: u32,
        with_chunks: bool,
        entry: &mut SeriesEntry,
    ) -> Result<(), BlockError> {
        self.series_from(&*self.source, series_ref, with_chunks, entry)
    }

    /// As [`Self::series`] through another way to the same bytes.
    pub(crate) fn series_from(
        &self,
        source: &dyn ByteSource,
        series_ref: u32,
        with_chunks: bool,
        entry: &mut SeriesEntry,
    ) -> Result<(), BlockError> {
        let offset = self.series_offset(series_ref);
        if !(self.toc.series..self.toc.label_indices).contains(&offset) {
            let expected =
                format!("a series between {} and {}", self.toc.series, self.toc.label_indices);
            return Err(BlockError::corrupt(source.name(), offset, expected, "an offset outside"));
        }
        let guess = (source.len() - offset).min(SERIES_GUESS as u64) as usize;
        let mut bytes = read(source, offset, guess)?;
        let mut head = cursor(&bytes);
        let len = head.uvarint_len().at(source, offset, "a series' length")?;
        let start = head.offset();
        if len as u64 > source.len() - offset {
            let found = format!("length {len}");
            return Err(BlockError::corrupt(
                source.name(),
                offset,
                "a series within the file",
                found,
            ));
        }
        if start + len + 4 > bytes.len() {
            bytes = read(source, offset, start + len + 4)?;
        }
        check_crc(source, offset, &bytes[start..start + len + 4], "a series")?;
        entry.decode(&bytes[start..start + len], with_chunks).at(
            source,
            offset + start as u64,
            "a series",
        )
    }

    /// The label set that an entry's symbols spell.
    pub fn labels(
        &self,
        entry: &SeriesEntry,
        cache: &mut SymbolCache,
    ) -> Result<Labels, BlockError> {
        cache.begin(self.id);
        for (name, value) in &entry.labels {
            let pair = (self.cached_symbol(*name, cache)?, self.cached_symbol(*value, cache)?);
            cache.pairs.push(pair);
        }
        let pairs = cache.pairs.iter().map(|(name, value)| (cache.text(*name), cache.text(*value)));
        let ascending =
            entry.labels.windows(2).all(|w| w[0].0 < w[1].0) && self.version != IndexVersion::V1;
        if ascending && cache.pairs.iter().all(|(_, value)| value.start < value.end) {
            return Ok(Labels::from_sorted(pairs));
        }
        // Some old writers left labels unsorted; and symbols of version 1 need not ascend with their texts.
        Ok(Labels::from_pairs(pairs))
    }

    fn cached_symbol(&self, symbol: u32, cache: &mut SymbolCache) -> Result<Slot, BlockError> {
        let at = symbol as usize % SLOTS;
        let slot = cache.slots[at];
        if slot.symbol == symbol && symbol != NO_SYMBOL {
            return Ok(slot);
        }
        let text = self.symbol(symbol)?;
        let start = cache.texts.len();
        cache.texts.push_str(&text);
        let slot = Slot { symbol, start: start as u32, end: cache.texts.len() as u32 };
        cache.slots[at] = slot;
        Ok(slot)
    }

    fn series_offset(&self, series_ref: u32) -> u64 {
        match self.version {
            IndexVersion::V1 => u64::from(series_ref),
            _ => u64::from(series_ref) * SERIES_ALIGN,
        }
    }
}

impl IndexSource for IndexReader {
    type Error = BlockError;

    fn all_postings(&self) -> Result<Vec<u32>, BlockError> {
        self.postings("", &[""])
    }

    fn postings(&self, name: &str, values: &[&str]) -> Result<Vec<u32>, BlockError> {
        let mut runs = Vec::new();
        for value in values {
            if let Some(offset) = self.table.lookup(&*self.source, name, value)? {
                self.read_postings(offset, &mut runs)?;
            }
        }
        Ok(union_of_runs(runs))
    }

    fn postings_matching(
        &self,
        name: &str,
        prefix: &str,
        passes: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Vec<u32>, BlockError> {
        let mut runs = Vec::new();
        self.for_each_value(name, prefix, |value, offset| {
            if !value.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            if passes(value) {
                self.read_postings(offset, &mut runs)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(union_of_runs(runs))
    }
}

/// Checks magic and version.
fn read_header(source: &dyn ByteSource) -> Result<IndexVersion, BlockError> {
    let header = read(source, 0, INDEX_HEADER_BYTES as usize)?;
    let magic = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    if magic != INDEX_MAGIC {
        let (expected, found) = (format!("magic {INDEX_MAGIC:08x}"), format!("{magic:08x}"));
        return Err(BlockError::corrupt(source.name(), 0, expected, found));
    }
    IndexVersion::from_u8(header[4]).ok_or_else(|| BlockError::Unsupported {
        path: source.name().to_owned(),
        reason: format!("unknown index file version {}", header[4]),
    })
}

/// Appends the references of a raw list (| count u32 be | ref u32 be * |); on error says what was expected and found.
pub(crate) fn decode_postings(content: &[u8], out: &mut Vec<u32>) -> Result<(), (String, String)> {
    let (count, refs) = match content.split_first_chunk::<4>() {
        Some((count, refs)) => (u32::from_be_bytes(*count) as usize, refs),
        None => return Err(("a count of postings".to_owned(), format!("{} bytes", content.len()))),
    };
    if refs.len() != count * 4 {
        return Err((format!("{count} postings"), format!("{} bytes", refs.len())));
    }
    out.reserve(count);
    let mut last = None;
    for bytes in refs.as_chunks::<4>().0 {
        let series = u32::from_be_bytes(*bytes);
        if last.is_some_and(|last| last >= series) {
            return Err(("ascending postings".to_owned(), format!("{series}")));
        }
        last = Some(series);
        out.push(series);
    }
    Ok(())
}

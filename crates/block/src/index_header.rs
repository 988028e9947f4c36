//! Index header: the part of an index that tells where everything else is, for readers that fetch ranges from a bucket. Source: Thanos
//! `pkg/block/indexheader`, binary format version 1. Page: docs/formats/index.md.
//! | magic u32 0xbaaad792 | version u8 = 1 | index version u8 | end of the postings lists u64 | symbols | postings offset table, index TOC |
//! | offset of symbols u64 | offset of the table u64 | crc32c u32 over these two |
//!
//! Symbols and table are the index's own bytes. The header knows no series: those are fetched. Leaves out fetching itself.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use gauntlet_encoding::{crc32c, put_u32, put_u64};
use gauntlet_runtime::Fs;

use crate::BlockError;
use crate::index::{
    INDEX_HEADER_BYTES, INDEX_MAGIC, IndexVersion, OffsetTable, PostingsRange, SERIES_ALIGN,
    Symbols, TOC_BYTES, Toc,
};
use crate::source::{ByteSource, MemorySource};

pub const INDEX_HEADER_MAGIC: u32 = 0xbaaa_d792;
/// Name of the file in a block's cache folder.
pub const INDEX_HEADER_FILE: &str = "index-header";
const VERSION: u8 = 1;
const HEAD_BYTES: u64 = 14;
const TAIL_BYTES: u64 = 20;

/// Makes the bytes of an index header from an index, reading only the parts it needs: head, TOC, symbols, table.
pub fn build_index_header(index: &dyn ByteSource) -> Result<Vec<u8>, BlockError> {
    let read = |offset: u64, len: u64| {
        index.read(offset, len as usize).map_err(|err| BlockError::io(index.name(), "read", err))
    };
    if index.len() < INDEX_HEADER_BYTES + TOC_BYTES as u64 {
        let found = format!("a file of {} bytes", index.len());
        return Err(BlockError::corrupt(index.name(), 0, "an index", found));
    }
    let head = read(0, INDEX_HEADER_BYTES)?;
    let magic = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    if magic != INDEX_MAGIC {
        let expected = format!("magic {INDEX_MAGIC:08x}");
        return Err(BlockError::corrupt(index.name(), 0, expected, format!("{magic:08x}")));
    }
    let version = known_version(index, head[4])?;
    let toc = Toc::read(index)?;
    let mut out = Vec::new();
    put_u32(&mut out, INDEX_HEADER_MAGIC);
    out.extend_from_slice(&[VERSION, version as u8]);
    put_u64(&mut out, toc.postings_offset_table);
    let symbols = out.len() as u64;
    out.extend_from_slice(&read(toc.symbols, toc.series - toc.symbols)?);
    let table = out.len() as u64;
    out.extend_from_slice(&read(
        toc.postings_offset_table,
        index.len() - toc.postings_offset_table,
    )?);
    let tail = out.len();
    put_u64(&mut out, symbols);
    put_u64(&mut out, table);
    let crc = crc32c(&out[tail..]);
    put_u32(&mut out, crc);
    Ok(out)
}

/// [`build_index_header`] into a file, replaced as a whole.
pub fn write_index_header(
    index: &dyn ByteSource,
    fs: &dyn Fs,
    path: &Path,
) -> Result<(), BlockError> {
    let bytes = build_index_header(index)?;
    fs.replace(path, &bytes).map_err(|err| BlockError::io(path.display(), "write", err))
}

fn known_version(source: &dyn ByteSource, version: u8) -> Result<IndexVersion, BlockError> {
    IndexVersion::from_u8(version).ok_or_else(|| BlockError::Unsupported {
        path: source.name().to_owned(),
        reason: format!("unknown index file version {version}"),
    })
}

/// An open index header.
#[derive(Debug)]
pub struct IndexHeaderReader {
    source: Arc<dyn ByteSource>,
    index_version: IndexVersion,
    /// Where in the index the last postings list ends.
    postings_end: u64,
    symbols: Symbols,
    table: OffsetTable,
    names: HashMap<u32, Arc<str>, foldhash::fast::FixedState>,
}

impl IndexHeaderReader {
    /// Opens a header and verifies all of it.
    pub fn open(source: Arc<dyn ByteSource>) -> Result<Self, BlockError> {
        let name = source.name().to_owned();
        let len = source.len();
        if len < HEAD_BYTES + TAIL_BYTES {
            return Err(BlockError::corrupt(
                name,
                0,
                "an index header",
                format!("a file of {len} bytes"),
            ));
        }
        let read = |offset: u64, len: u64| {
            source
                .read(offset, len as usize)
                .map_err(|err| BlockError::io(source.name(), "read", err))
        };
        let head = read(0, HEAD_BYTES)?;
        let magic = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        if magic != INDEX_HEADER_MAGIC {
            let expected = format!("magic {INDEX_HEADER_MAGIC:08x}");
            return Err(BlockError::corrupt(name, 0, expected, format!("{magic:08x}")));
        }
        if head[4] != VERSION {
            let reason = format!("unknown index-header file version {}", head[4]);
            return Err(BlockError::Unsupported { path: name, reason });
        }
        let index_version = known_version(&*source, head[5])?;
        let at_end = |bytes: &[u8], at: usize| {
            bytes.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_be_bytes(*b))
        };
        let postings_end = at_end(&head, 6);
        let tail = read(len - TAIL_BYTES, TAIL_BYTES)?;
        let stored = u32::from_be_bytes([tail[16], tail[17], tail[18], tail[19]]);
        let found = crc32c(&tail[..16]);
        if stored != found {
            let expected = format!("checksum {stored:08x} of the table of contents");
            return Err(BlockError::corrupt(
                name,
                len - TAIL_BYTES,
                expected,
                format!("{found:08x}"),
            ));
        }
        let symbols = Symbols::open(&*source, index_version, at_end(&tail, 0))?;
        let table = OffsetTable::open(&*source, index_version, at_end(&tail, 8))?;
        let mut this =
            Self { source, index_version, postings_end, symbols, table, names: HashMap::default() };
        this.names = this.name_symbols()?;
        Ok(this)
    }

    /// Opens a header that is in memory.
    pub fn from_bytes(name: &str, bytes: impl Into<bytes::Bytes>) -> Result<Self, BlockError> {
        Self::open(Arc::new(MemorySource::new(name, bytes)))
    }

    fn name_symbols(
        &self,
    ) -> Result<HashMap<u32, Arc<str>, foldhash::fast::FixedState>, BlockError> {
        let mut names = HashMap::default();
        for name in self.table.names() {
            let symbol = self.symbols.reverse_lookup(&*self.source, name)?.ok_or_else(|| {
                BlockError::corrupt(
                    self.source.name(),
                    HEAD_BYTES,
                    format!("label name {name} as a symbol"),
                    "none",
                )
            })?;
            // In version 1 symbols are offsets, in the index and not in the header.
            let symbol = match self.index_version {
                IndexVersion::V1 => (u64::from(symbol) + INDEX_HEADER_BYTES - HEAD_BYTES) as u32,
                _ => symbol,
            };
            names.insert(symbol, name.into());
        }
        Ok(names)
    }

    pub fn index_version(&self) -> IndexVersion {
        self.index_version
    }

    /// Bytes of the header.
    pub fn size_bytes(&self) -> u64 {
        self.source.len()
    }

    /// Heap bytes held, about.
    pub fn memory_bytes(&self) -> usize {
        self.symbols.size_bytes() + self.table.size_bytes() + self.names.len() * 64
    }

    /// Where in the index series `series_ref` (as postings name it) begins.
    pub fn series_offset(&self, series_ref: u32) -> u64 {
        match self.index_version {
            IndexVersion::V1 => u64::from(series_ref),
            _ => u64::from(series_ref) * SERIES_ALIGN,
        }
    }

    /// The text of a symbol.
    pub fn symbol(&self, symbol: u32) -> Result<Arc<str>, BlockError> {
        if let Some(name) = self.names.get(&symbol) {
            return Ok(Arc::clone(name));
        }
        let here = match self.index_version {
            // The symbols moved by the difference of the heads.
            IndexVersion::V1 => symbol.wrapping_add((HEAD_BYTES - INDEX_HEADER_BYTES) as u32),
            _ => symbol,
        };
        self.symbols.lookup(&*self.source, here)
    }

    /// Label names, ascending.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.table.names()
    }

    /// Values of a label, ascending.
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

    /// Calls `each` with the values of a label from `from` on, ascending, and the offset in the index of their postings list.
    pub fn for_each_value(
        &self,
        name: &str,
        from: &str,
        each: impl FnMut(&str, u64) -> Result<ControlFlow<()>, BlockError>,
    ) -> Result<(), BlockError> {
        self.table.for_each_value(&*self.source, name, from, each)
    }

    /// Bytes in the index of the postings of one pair, from its count up to before its checksum, as Thanos names the range: lists lie in
    /// the order of the table, at multiples of four, so up to three bytes of padding may be inside. ("", "") is every series.
    pub fn postings_range(
        &self,
        name: &str,
        value: &str,
    ) -> Result<Option<std::ops::Range<u64>>, BlockError> {
        let range = self.table.lookup_range(&*self.source, name, value)?;
        Ok(range.map(|PostingsRange { offset, next_offset }| {
            // Behind the length in front; before the checksum behind.
            offset + 4..next_offset.unwrap_or(self.postings_end).saturating_sub(4)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_open_or_err(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut header = vec![0xba, 0xaa, 0xd7, 0x92, 1, 2];
            header.extend(&bytes);
            prop_assert!(IndexHeaderReader::from_bytes("h", header).is_err());
            let _ = IndexHeaderReader::from_bytes("h", bytes);
        }
    }
}

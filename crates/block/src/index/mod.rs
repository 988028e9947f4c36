//! The index of a block: symbols, series with their chunks, postings. Page: docs/formats/index.md. Source: upstream index format.
//! | magic u32 | version u8 | symbols | series | postings | postings offset table | TOC |
//!
//! Version 2 is written; 1 to 3 are read. Everything is big endian; every section, series and postings list has its CRC32C.

mod gather;
mod offset_table;
pub mod postings;
mod reader;
mod section;
mod select;
mod symbol_table;
mod symbols;
mod toc;
mod writer;

pub use offset_table::{OffsetTable, PostingsRange};
pub use reader::{ChunkMeta, IndexReader, SeriesEntry, SymbolCache};
pub use select::{IndexSource, postings_for_matchers};
pub(crate) use symbol_table::SymbolTable;
pub(crate) use symbols::SymbolCursor;
pub use symbols::Symbols;
pub use toc::{TOC_BYTES, Toc};
pub use writer::IndexWriter;

/// First four bytes.
pub const INDEX_MAGIC: u32 = 0xbaaa_d700;
/// Magic and version.
pub const INDEX_HEADER_BYTES: u64 = 5;
/// Name of the file in a block's folder.
pub const INDEX_FILE: &str = "index";
/// Series begin at multiples of this, from version 2 on; a series reference counts them.
pub const SERIES_ALIGN: u64 = 16;
/// Of symbols and of a label's values each 32nd is kept in memory.
pub(crate) const SAMPLE_EVERY: usize = 32;

/// Versions of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexVersion {
    /// Symbols and series are named by their offsets; the offset table need not be sorted.
    V1 = 1,
    V2 = 2,
    /// As 2; postings may be encoded otherwise, which upstream does not do.
    V3 = 3,
}

impl IndexVersion {
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::V1,
            2 => Self::V2,
            3 => Self::V3,
            _ => return None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Table of contents: the last 52 bytes of an index.
//! | symbols | series | label indices | label offset table | postings | postings offset table, each u64 be | crc32c u32 be |

use gauntlet_encoding::{Cursor, crc32c, put_u32, put_u64};

use super::section::{check_crc, read};
use crate::BlockError;
use crate::source::ByteSource;

pub const TOC_BYTES: usize = 6 * 8 + 4;

/// Offsets of the sections. The label sections are no longer written: they are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toc {
    pub symbols: u64,
    pub series: u64,
    /// End of the series.
    pub label_indices: u64,
    pub label_offset_table: u64,
    pub postings: u64,
    pub postings_offset_table: u64,
}

impl Toc {
    /// Reads and verifies the TOC at the end of an index.
    pub fn read(source: &dyn ByteSource) -> Result<Self, BlockError> {
        let Some(offset) = source.len().checked_sub(TOC_BYTES as u64) else {
            let found = format!("a file of {} bytes", source.len());
            return Err(BlockError::corrupt(source.name(), 0, "a table of contents", found));
        };
        let bytes = read(source, offset, TOC_BYTES)?;
        check_crc(source, offset, &bytes, "the table of contents")?;
        let toc = Self::parse(&bytes)
            .map_err(|err| BlockError::decode(source.name(), offset, "an offset", err))?;
        let in_order = [
            toc.symbols,
            toc.series,
            toc.label_indices,
            toc.postings,
            toc.postings_offset_table,
            offset,
        ];
        if !in_order.is_sorted() {
            return Err(BlockError::corrupt(
                source.name(),
                offset,
                "ascending sections",
                format!("{toc:?}"),
            ));
        }
        Ok(toc)
    }

    fn parse(bytes: &[u8]) -> Result<Self, gauntlet_encoding::DecodeError> {
        let mut cursor = Cursor::new(bytes);
        Ok(Self {
            symbols: cursor.u64()?,
            series: cursor.u64()?,
            label_indices: cursor.u64()?,
            label_offset_table: cursor.u64()?,
            postings: cursor.u64()?,
            postings_offset_table: cursor.u64()?,
        })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for offset in [
            self.symbols,
            self.series,
            self.label_indices,
            self.label_offset_table,
            self.postings,
            self.postings_offset_table,
        ] {
            put_u64(out, offset);
        }
        let crc = crc32c(&out[start..]);
        put_u32(out, crc);
    }
}

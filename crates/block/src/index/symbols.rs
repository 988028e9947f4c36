//! Symbol table: every string of the index once, ascending. | len u32 | count u32 | (uvarint length, bytes)* | crc32c |
//!
//! Symbols are named by their ordinal, in version 1 by their offset in the file. Each 32nd symbol's offset is kept in memory
//! (8 bytes for 32 symbols); a lookup reads and walks one group.

use std::sync::Arc;

use bytes::Bytes;

use super::section::{DecodeAt, cursor, read, walk_section};
use super::{IndexVersion, SAMPLE_EVERY};
use crate::BlockError;
use crate::source::ByteSource;

/// Where the symbols of one file are.
#[derive(Clone, Debug)]
pub struct Symbols {
    version: IndexVersion,
    /// Offset of the first symbol of each group, then the end of the last.
    groups: Vec<u64>,
    count: usize,
}

impl Symbols {
    /// Reads and verifies the table at `offset`.
    pub fn open(
        source: &dyn ByteSource,
        version: IndexVersion,
        offset: u64,
    ) -> Result<Self, BlockError> {
        let (mut groups, mut count, mut last) = (Vec::new(), 0usize, String::new());
        let end = walk_section(source, offset, "the symbols", |at, entry| {
            let symbol = entry.len_str()?;
            // From version 2 on readers take the order of symbols for that of their texts.
            if version != IndexVersion::V1 && count > 0 && *last >= *symbol {
                let expected = format!("a symbol above {last:?}");
                return Err(BlockError::corrupt(
                    source.name(),
                    at,
                    expected,
                    format!("{symbol:?}"),
                )
                .into());
            }
            last.clear();
            last.push_str(symbol);
            if count.is_multiple_of(SAMPLE_EVERY) {
                groups.push(at);
            }
            count += 1;
            Ok(())
        })?;
        groups.push(end);
        groups.shrink_to_fit();
        Ok(Self { version, groups, count })
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Heap bytes.
    pub fn size_bytes(&self) -> usize {
        self.groups.capacity() * 8
    }

    /// The symbol that the file calls `symbol`.
    pub fn lookup(&self, source: &dyn ByteSource, symbol: u32) -> Result<Arc<str>, BlockError> {
        if self.version == IndexVersion::V1 {
            return self.lookup_at(source, u64::from(symbol));
        }
        let ordinal = symbol as usize;
        if ordinal >= self.count {
            let expected = format!("a symbol below {}", self.count);
            return Err(BlockError::corrupt(source.name(), self.groups[0], expected, symbol));
        }
        let group = ordinal / SAMPLE_EVERY;
        let (start, end) = (self.groups[group], self.groups[group + 1]);
        let bytes = read(source, start, (end - start) as usize)?;
        let mut cursor = cursor(&bytes);
        for _ in 0..ordinal % SAMPLE_EVERY {
            cursor.len_bytes().at(source, start, "a symbol")?;
        }
        Ok(cursor.len_str().at(source, start, "a symbol")?.into())
    }

    fn lookup_at(&self, source: &dyn ByteSource, offset: u64) -> Result<Arc<str>, BlockError> {
        let (first, end) = (self.groups[0], self.groups[self.groups.len() - 1]);
        if !(first..end).contains(&offset) {
            let expected = format!("a symbol between {first} and {end}");
            return Err(BlockError::corrupt(source.name(), offset, expected, "an offset outside"));
        }
        let bytes = read(source, offset, (end - offset).min(1 << 10) as usize)?;
        if let Ok(found) = cursor(&bytes).len_str() {
            return Ok(found.into());
        }
        let bytes = read(source, offset, (end - offset) as usize)?;
        Ok(cursor(&bytes).len_str().at(source, offset, "a symbol")?.into())
    }

    /// What the file calls `symbol`; `None` where it is no symbol.
    pub fn reverse_lookup(
        &self,
        source: &dyn ByteSource,
        symbol: &str,
    ) -> Result<Option<u32>, BlockError> {
        let groups = self.groups.len() - 1;
        let first_of = |group: usize| -> Result<Arc<str>, BlockError> {
            match self.version {
                IndexVersion::V1 => self.lookup_at(source, self.groups[group]),
                _ => self.lookup(source, (group * SAMPLE_EVERY) as u32),
            }
        };
        // The last group whose first symbol is not above.
        let (mut low, mut high) = (0, groups);
        while low < high {
            let middle = low + (high - low) / 2;
            if *first_of(middle)? <= *symbol { low = middle + 1 } else { high = middle }
        }
        let Some(group) = low.checked_sub(1) else { return Ok(None) };
        let (start, end) = (self.groups[group], self.groups[group + 1]);
        let bytes = read(source, start, (end - start) as usize)?;
        let mut cursor = cursor(&bytes);
        let mut ordinal = group * SAMPLE_EVERY;
        while !cursor.is_empty() {
            let at = start + cursor.offset() as u64;
            if cursor.len_str().at(source, start, "a symbol")? == symbol {
                return Ok(Some(if self.version == IndexVersion::V1 {
                    at as u32
                } else {
                    ordinal as u32
                }));
            }
            ordinal += 1;
        }
        Ok(None)
    }

    /// Every symbol in the order of the file, read a few at a time.
    pub fn for_each(
        &self,
        source: &dyn ByteSource,
        mut each: impl FnMut(&str) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let mut cursor = SymbolCursor::new(self, source);
        while cursor.advance()? {
            each(cursor.text())?;
        }
        Ok(())
    }
}

/// Groups read at once: some thousands of symbols.
const GROUPS_AT_ONCE: usize = 256;

/// Goes through the symbols of a file in its order.
#[derive(Debug)]
pub(crate) struct SymbolCursor<'a> {
    symbols: &'a Symbols,
    source: &'a dyn ByteSource,
    /// The next group to read.
    group: usize,
    /// Bytes at hand, their offset in the file, and how far they are read.
    bytes: Bytes,
    start: u64,
    at: usize,
    text: String,
    name: u32,
    read: u32,
}

impl<'a> SymbolCursor<'a> {
    pub(crate) fn new(symbols: &'a Symbols, source: &'a dyn ByteSource) -> Self {
        let (bytes, text) = (Bytes::new(), String::new());
        Self { symbols, source, group: 0, bytes, start: 0, at: 0, text, name: 0, read: 0 }
    }

    /// Moves to the next symbol; false behind the last.
    pub(crate) fn advance(&mut self) -> Result<bool, BlockError> {
        if self.at == self.bytes.len() {
            let groups = &self.symbols.groups;
            let next = (self.group + GROUPS_AT_ONCE).min(groups.len() - 1);
            if next == self.group {
                return Ok(false);
            }
            let (start, end) = (groups[self.group], groups[next]);
            self.bytes = read(self.source, start, (end - start) as usize)?;
            (self.start, self.at, self.group) = (start, 0, next);
        }
        let mut cursor = cursor(&self.bytes[self.at..]);
        let text = cursor.len_str().at(self.source, self.start, "a symbol")?;
        self.text.clear();
        self.text.push_str(text);
        self.name = match self.symbols.version {
            IndexVersion::V1 => (self.start + self.at as u64) as u32,
            _ => self.read,
        };
        self.read += 1;
        self.at += cursor.offset();
        Ok(true)
    }

    /// The symbol at hand.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What the file calls it.
    pub(crate) fn name(&self) -> u32 {
        self.name
    }

    /// Whether symbols come in the order of their texts.
    pub(crate) fn is_ordered(&self) -> bool {
        self.symbols.version != IndexVersion::V1
    }
}

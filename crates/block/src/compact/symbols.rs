//! The symbols of several blocks as one ascending table, and for each block a map from its symbols to these. Files are read side by
//! side; what is kept are the table and the maps, four bytes for each symbol of each block.

use super::go_heap::GoHeap;
use crate::BlockError;
use crate::index::{IndexReader, SymbolCursor, SymbolTable};

/// From what a block's index calls its symbols to common numbers, which ascend with the texts.
#[derive(Debug)]
pub(crate) enum SymbolMap {
    ByOrdinal(Vec<u32>),
    /// Symbols of version 1 go by their offsets, ascending here.
    ByOffset(Vec<(u32, u32)>),
}

impl SymbolMap {
    pub(crate) fn get(&self, symbol: u32) -> Option<u32> {
        match self {
            Self::ByOrdinal(map) => map.get(symbol as usize).copied(),
            Self::ByOffset(map) => {
                let at = map.binary_search_by_key(&symbol, |(offset, _)| *offset).ok()?;
                map.get(at).map(|(_, common)| *common)
            }
        }
    }
}

/// Symbols of one block, ascending by text.
enum Symbols<'a> {
    InOrder(SymbolCursor<'a>),
    /// Texts and names, the last first.
    Sorted(Vec<(String, u32)>),
}

/// Stands on a symbol.
struct Stream<'a> {
    block: usize,
    symbols: Symbols<'a>,
}

impl<'a> Stream<'a> {
    /// On the first symbol; `None` where there is none.
    fn begin(block: usize, mut cursor: SymbolCursor<'a>) -> Result<Option<Self>, BlockError> {
        if cursor.is_ordered() {
            let begun = cursor.advance()?;
            return Ok(begun.then(|| Self { block, symbols: Symbols::InOrder(cursor) }));
        }
        let mut all = Vec::new();
        while cursor.advance()? {
            all.push((cursor.text().to_owned(), cursor.name()));
        }
        all.sort_unstable_by(|a, b| b.cmp(a));
        Ok((!all.is_empty()).then(|| Self { block, symbols: Symbols::Sorted(all) }))
    }

    fn text(&self) -> &str {
        match &self.symbols {
            Symbols::InOrder(cursor) => cursor.text(),
            Symbols::Sorted(all) => all.last().map_or("", |(text, _)| text),
        }
    }

    fn name(&self) -> u32 {
        match &self.symbols {
            Symbols::InOrder(cursor) => cursor.name(),
            Symbols::Sorted(all) => all.last().map_or(0, |(_, name)| *name),
        }
    }

    fn advance(&mut self) -> Result<bool, BlockError> {
        match &mut self.symbols {
            Symbols::InOrder(cursor) => cursor.advance(),
            Symbols::Sorted(all) => {
                all.pop();
                Ok(!all.is_empty())
            }
        }
    }
}

pub(crate) fn merge_symbols(
    indexes: &[&IndexReader],
) -> Result<(SymbolTable, Vec<SymbolMap>), BlockError> {
    let before = |a: &Stream<'_>, b: &Stream<'_>| a.text() < b.text();
    let mut heap: GoHeap<Stream<'_>> = GoHeap::default();
    let mut maps = Vec::with_capacity(indexes.len());
    for (number, index) in indexes.iter().enumerate() {
        let cursor = index.symbol_cursor();
        maps.push(match cursor.is_ordered() {
            true => SymbolMap::ByOrdinal(Vec::with_capacity(index.symbol_count())),
            false => SymbolMap::ByOffset(Vec::with_capacity(index.symbol_count())),
        });
        if let Some(stream) = Stream::begin(number, cursor)? {
            heap.push(stream, before);
        }
    }
    let mut table = SymbolTable::default();
    let mut last = None;
    while let Some(mut stream) = heap.pop(before) {
        let common = match last {
            Some(number) if table.get(number) == Some(stream.text()) => number,
            _ => table.push(stream.text())?,
        };
        last = Some(common);
        match &mut maps[stream.block] {
            SymbolMap::ByOrdinal(map) => map.push(common),
            SymbolMap::ByOffset(map) => map.push((stream.name(), common)),
        }
        if stream.advance()? {
            heap.push(stream, before);
        }
    }
    for map in &mut maps {
        if let SymbolMap::ByOffset(map) = map {
            map.sort_unstable();
        }
    }
    Ok((table, maps))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::index::{IndexSource as _, SeriesEntry, tests::version_1};
    use crate::source::MemorySource;

    #[test]
    fn symbols_that_go_by_offsets_are_mapped_by_these() {
        let open = || IndexReader::open(Arc::new(MemorySource::new("index", version_1()))).unwrap();
        let index = open();
        let (table, maps) = merge_symbols(&[&index, &open()]).unwrap();
        let mut all = Vec::new();
        index
            .for_each_symbol(|symbol| {
                all.push(symbol.to_owned());
                Ok(())
            })
            .unwrap();
        all.sort_unstable();
        assert!(table.iter().eq(all.iter()));
        let mut entry = SeriesEntry::default();
        for series in index.all_postings().unwrap() {
            index.series(series, false, &mut entry).unwrap();
            for symbol in entry.labels.iter().flat_map(|(name, value)| [*name, *value]) {
                for map in &maps {
                    let text = map.get(symbol).and_then(|common| table.get(common)).unwrap();
                    assert_eq!(text, &*index.symbol(symbol).unwrap());
                }
                assert_eq!(maps[0].get(symbol + 1), None);
            }
        }
    }
}

//! A long list that grows by blocks, which never move. A vector of the same length would be copied as it grows, and leave holes of all
//! sizes behind in the heap: for a million series a third of their memory.

use std::ops::{Index, IndexMut};

/// Entries of a block; a power of two.
const BLOCK: usize = 256;

#[derive(Debug)]
pub(crate) struct Column<T> {
    /// All but the last are full.
    blocks: Vec<Vec<T>>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<T> Column<T> {
    pub(crate) fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK;
        full + self.blocks.last().map_or(0, Vec::len)
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(value),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(value);
                self.blocks.push(block);
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.blocks.get(at / BLOCK)?.get(at % BLOCK)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.blocks.len() * BLOCK * size_of::<T>() + self.blocks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> Index<usize> for Column<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.blocks[at / BLOCK][at % BLOCK]
    }
}

impl<T> IndexMut<usize> for Column<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.blocks[at / BLOCK][at % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_numbers() {
        let mut column = Column::default();
        assert_eq!((column.len(), column.get(0)), (0, None));
        for n in 0..3 * BLOCK + 5 {
            column.push(n);
            assert_eq!(column.len(), n + 1);
        }
        column[BLOCK] = 7;
        assert_eq!(
            (column[BLOCK - 1], column[BLOCK], column[BLOCK + 1]),
            (BLOCK - 1, 7, BLOCK + 1)
        );
        assert_eq!(
            (column.get(3 * BLOCK + 4), column.get(3 * BLOCK + 5)),
            (Some(&(3 * BLOCK + 4)), None)
        );
        assert_eq!(column.iter().count(), column.len());
    }
}

//! The symbols of an index that is being written, in memory: their texts in one string, ascending, four bytes more for each.

use crate::BlockError;

/// Strings by number, ascending.
#[derive(Debug, Default)]
pub(crate) struct SymbolTable {
    texts: String,
    /// Where each text ends.
    ends: Vec<u32>,
}

impl SymbolTable {
    /// Takes strings that ascend, each once.
    pub(crate) fn ascending<S: AsRef<str>>(
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<Self, BlockError> {
        let mut table = Self::default();
        for symbol in symbols {
            table.push(symbol.as_ref())?;
        }
        Ok(table)
    }

    /// Adds a string behind the others and returns its number. Refuses one that is not above the last, and more than 4 GiB.
    pub(crate) fn push(&mut self, text: &str) -> Result<u32, BlockError> {
        let number = self.ends.len() as u32;
        if number > 0 && self.get(number - 1).is_some_and(|last| last >= text) {
            return Err(BlockError::Refused(format!("symbol {text:?} out-of-order")));
        }
        let Ok(end) = u32::try_from(self.texts.len() + text.len()) else {
            return Err(BlockError::Refused("more than 4 GiB of symbols".to_owned()));
        };
        self.texts.push_str(text);
        self.ends.push(end);
        Ok(number)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&str> {
        let end = *self.ends.get(number as usize)?;
        let start = (number as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        self.texts.get(start as usize..end as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.texts[start as usize..*end as usize])
    }

    /// The number of a string, by bisection.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.ends.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle)?.cmp(text) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_go_by_their_numbers() {
        let texts = ["", "a", "ab", "b", "zz"];
        let table = SymbolTable::ascending(texts).unwrap();
        assert_eq!(table.len(), 5);
        assert!(table.iter().eq(texts));
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(table.get(number as u32), Some(*text));
            assert_eq!(table.find(text), Some(number as u32));
        }
        assert_eq!((table.get(5), table.find("aa"), table.find("zzz")), (None, None, None));
        assert!(SymbolTable::ascending(["b", "a"]).is_err());
        assert!(SymbolTable::ascending(["a", "a"]).is_err());
    }
}

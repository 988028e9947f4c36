//! Postings offset table: label pair -> position of its postings list. Source: upstream index format v2.
//! | len u32 be | count u32 be | entry* | crc32c u32 be |    `len` counts the bytes between itself and the CRC.
//! entry = 2 as u8, then name and value (uvarint len + bytes), then offset uvarint64. Entries ascend by (name, value).
//!
//! In memory each 32nd value of a name is kept, with the position of its entry; between them the file is read. Tables of version 1
//! may be unsorted: they are kept whole.

use std::ops::ControlFlow;

use gauntlet_encoding::Cursor;

use super::section::{DecodeAt, cursor, read, walk_section};
use super::{IndexVersion, SAMPLE_EVERY};
use crate::BlockError;
use crate::source::ByteSource;

/// Where a postings list lies: its offset, and that of the list behind it, if the table tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostingsRange {
    pub offset: u64,
    pub next_offset: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct OffsetTable {
    /// Ascending by name.
    names: Vec<Name>,
    /// Offset in the file of what `Sample::at` counts from.
    base: u64,
}

#[derive(Clone, Debug)]
struct Name {
    name: Box<str>,
    entries: Entries,
}

#[derive(Clone, Debug)]
enum Entries {
    /// Each 32nd value with the position of its entry, and the end of the last entry.
    Sampled { samples: Vec<Sample>, end: u32, last_value: Box<str> },
    /// All values with the offsets of their lists, ascending.
    Whole(Vec<(Box<str>, u64)>),
}

#[derive(Clone, Debug)]
struct Sample {
    value: Box<str>,
    at: u32,
}

impl OffsetTable {
    /// Reads and verifies the table at `offset`.
    pub fn open(
        source: &dyn ByteSource,
        version: IndexVersion,
        offset: u64,
    ) -> Result<Self, BlockError> {
        let base = offset + 4;
        let mut table = Self { names: Vec::new(), base };
        let (mut last, mut of_name) = (None::<(String, String)>, 0usize);
        let end = walk_section(source, offset, "the postings offset table", |position, cursor| {
            let (name, value, list) = entry(cursor)?;
            let at = (position - base) as u32;
            if version == IndexVersion::V1 {
                table.push_whole(name, value, list);
                return Ok(());
            }
            let before = last.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
            if before.is_some_and(|before| before >= (name, value)) {
                let expected = "entries that ascend by name and value";
                let found = format!("{name}={value}");
                return Err(BlockError::corrupt(source.name(), position, expected, found).into());
            }
            if before.is_none_or(|(before, _)| before != name) {
                table.close(at, before);
                let entries =
                    Entries::Sampled { samples: Vec::new(), end: 0, last_value: "".into() };
                table.names.push(Name { name: name.into(), entries });
                of_name = 0;
            }
            if of_name.is_multiple_of(SAMPLE_EVERY)
                && let Some(Name { entries: Entries::Sampled { samples, .. }, .. }) =
                    table.names.last_mut()
            {
                samples.push(Sample { value: value.into(), at });
            }
            of_name += 1;
            let (last_name, last_value) = last.get_or_insert_default();
            last_name.clear();
            last_name.push_str(name);
            last_value.clear();
            last_value.push_str(value);
            Ok(())
        })?;
        table.close(
            (end - base) as u32,
            last.as_ref().map(|(name, value)| (name.as_str(), value.as_str())),
        );
        table.names.sort_by(|a, b| a.name.cmp(&b.name));
        for name in &mut table.names {
            if let Entries::Whole(values) = &mut name.entries {
                values.sort_by(|a, b| a.0.cmp(&b.0));
            }
        }
        table.names.shrink_to_fit();
        Ok(table)
    }

    fn close(&mut self, at: u32, last: Option<(&str, &str)>) {
        if let Some(Name { entries: Entries::Sampled { samples, end, last_value }, .. }) =
            self.names.last_mut()
        {
            *end = at;
            *last_value = last.map_or("", |(_, value)| value).into();
            samples.shrink_to_fit();
        }
    }

    fn push_whole(&mut self, name: &str, value: &str, list: u64) {
        let at = match self.names.iter().position(|n| &*n.name == name) {
            Some(at) => at,
            None => {
                self.names.push(Name { name: name.into(), entries: Entries::Whole(Vec::new()) });
                self.names.len() - 1
            }
        };
        if let Entries::Whole(values) = &mut self.names[at].entries {
            values.push((value.into(), list));
        }
    }

    /// Label names, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        // The empty name is that of the list of all series.
        self.names.iter().map(|n| &*n.name).filter(|name| !name.is_empty())
    }

    /// Heap bytes, about.
    pub fn size_bytes(&self) -> usize {
        let of = |entries: &Entries| match entries {
            Entries::Sampled { samples, .. } => {
                samples.iter().map(|s| 24 + s.value.len()).sum::<usize>()
            }
            Entries::Whole(values) => values.iter().map(|(v, _)| 24 + v.len()).sum(),
        };
        self.names.iter().map(|n| 64 + n.name.len() + of(&n.entries)).sum()
    }

    fn find(&self, name: &str) -> Option<&Name> {
        let at = self.names.binary_search_by(|n| (*n.name).cmp(name)).ok()?;
        Some(&self.names[at])
    }

    /// Calls `each` for the values of `name` from `from` on, ascending, with the offset of their list, until it breaks.
    pub fn for_each_value(
        &self,
        source: &dyn ByteSource,
        name: &str,
        from: &str,
        mut each: impl FnMut(&str, u64) -> Result<ControlFlow<()>, BlockError>,
    ) -> Result<(), BlockError> {
        let Some(found) = self.find(name) else { return Ok(()) };
        match &found.entries {
            Entries::Whole(values) => {
                let start = values.partition_point(|(v, _)| **v < *from);
                for (value, list) in &values[start..] {
                    if each(value, *list)?.is_break() {
                        break;
                    }
                }
            }
            Entries::Sampled { samples, end, last_value } => {
                if **last_value < *from {
                    return Ok(());
                }
                let first = samples.partition_point(|s| *s.value <= *from).saturating_sub(1);
                for at in first..samples.len() {
                    let stop = samples.get(at + 1).map_or(*end, |next| next.at);
                    let base = self.base + u64::from(samples[at].at);
                    let bytes = read(source, base, (stop - samples[at].at) as usize)?;
                    let mut entries = cursor(&bytes);
                    while !entries.is_empty() {
                        let (_, value, list) =
                            entry(&mut entries).at(source, base, "a postings entry")?;
                        if value >= from && each(value, list)?.is_break() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Offset of the list of one pair.
    pub fn lookup(
        &self,
        source: &dyn ByteSource,
        name: &str,
        value: &str,
    ) -> Result<Option<u64>, BlockError> {
        let mut found = None;
        self.for_each_value(source, name, value, |v, list| {
            if v == value {
                found = Some(list);
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// As [`Self::lookup`], with the offset of the list behind it: of the next pair in the table.
    pub fn lookup_range(
        &self,
        source: &dyn ByteSource,
        name: &str,
        value: &str,
    ) -> Result<Option<PostingsRange>, BlockError> {
        if let Some(Name { entries: Entries::Whole(_), .. }) = self.find(name) {
            let Some(offset) = self.lookup(source, name, value)? else { return Ok(None) };
            return Ok(Some(PostingsRange { offset, next_offset: self.next_of_whole(offset) }));
        }
        let mut range: Option<PostingsRange> = None;
        self.for_each_value(source, name, value, |v, list| {
            match &mut range {
                Some(found) => {
                    found.next_offset = Some(list);
                    return Ok(ControlFlow::Break(()));
                }
                None if v == value => {
                    range = Some(PostingsRange { offset: list, next_offset: None })
                }
                None => return Ok(ControlFlow::Break(())),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if let Some(found) = &mut range
            && found.next_offset.is_none()
            && let Ok(at) = self.names.binary_search_by(|n| (*n.name).cmp(name))
            && let Some(next) = self.names.get(at + 1)
        {
            let mut first = None;
            self.for_each_value(source, &next.name, "", |_, list| {
                first = Some(list);
                Ok(ControlFlow::Break(()))
            })?;
            found.next_offset = first;
        }
        Ok(range)
    }
}

impl OffsetTable {
    /// The list behind that at `offset` where lists are in no order. Walks the whole table.
    fn next_of_whole(&self, offset: u64) -> Option<u64> {
        let whole = self.names.iter().filter_map(|name| match &name.entries {
            Entries::Whole(values) => Some(values),
            Entries::Sampled { .. } => None,
        });
        whole.flatten().map(|(_, list)| *list).filter(|list| *list > offset).min()
    }
}

fn entry<'a>(
    cursor: &mut Cursor<'a>,
) -> Result<(&'a str, &'a str, u64), gauntlet_encoding::DecodeError> {
    let at = cursor.offset();
    if cursor.u8()? != 2 {
        // A count of keys other than two is no entry: say so where it stands.
        return Err(gauntlet_encoding::DecodeError::VarintTooLong { offset: at });
    }
    Ok((cursor.len_str()?, cursor.len_str()?, cursor.uvarint()?))
}

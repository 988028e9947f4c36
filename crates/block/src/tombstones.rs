//! Tombstones: ranges of time deleted from a block's series, applied on reading until a compaction drops the samples.
//! Page: docs/formats/tombstones.md. Source: upstream tombstones format v1.
//! | magic u32 be 0x0130ba30 | version u8 = 1 | (series ref uvarint, min varint, max varint)* | crc32c u32 be over the stones |

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use gauntlet_encoding::{Cursor, crc32c, put_u32, put_uvarint, put_varint};
use gauntlet_model::Timestamp;
use gauntlet_runtime::Fs;

use crate::BlockError;

pub const TOMBSTONES_MAGIC: u32 = 0x0130_ba30;
/// Name of the file in a block's folder; it may be missing.
pub const TOMBSTONES_FILE: &str = "tombstones";
const HEADER_BYTES: usize = 5;
/// A file beyond this is refused unread.
const LIMIT_BYTES: u64 = 1 << 30;

/// A deleted range, both ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub min: Timestamp,
    pub max: Timestamp,
}

impl Interval {
    pub fn contains(&self, t: Timestamp) -> bool {
        self.min <= t && t <= self.max
    }
}

/// Deleted ranges of one series: ascending, apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// Adds a range; ranges that touch (one's end a millisecond before the other's start) become one.
    pub fn add(&mut self, interval: Interval) {
        let first = self.0.partition_point(|i| i.max.saturating_add(1) < interval.min);
        let end = self.0.partition_point(|i| i.min <= interval.max.saturating_add(1));
        let mut merged = interval;
        for old in &self.0[first..end.max(first)] {
            merged.min = merged.min.min(old.min);
            merged.max = merged.max.max(old.max);
        }
        self.0.splice(first..end.max(first), [merged]);
    }

    pub fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, t: Timestamp) -> bool {
        let at = self.0.partition_point(|i| i.max < t);
        self.0.get(at).is_some_and(|i| i.contains(t))
    }

    /// Whether one range covers `min..=max` wholly.
    pub fn covers(&self, min: Timestamp, max: Timestamp) -> bool {
        self.0.iter().any(|i| i.min <= min && max <= i.max)
    }

    /// Whether a range has a moment in common with `min..=max`.
    pub fn overlaps(&self, min: Timestamp, max: Timestamp) -> bool {
        self.0.iter().any(|i| i.min <= max && min <= i.max)
    }
}

/// The tombstones of a block, by series reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstones {
    series: BTreeMap<u64, Intervals>,
}

impl Tombstones {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&mut self, series_ref: u64, interval: Interval) {
        self.series.entry(series_ref).or_default().add(interval);
    }

    pub fn get(&self, series_ref: u64) -> Option<&Intervals> {
        self.series.get(&series_ref)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Intervals)> {
        self.series.iter().map(|(series, intervals)| (*series, intervals))
    }

    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Number of ranges.
    pub fn total(&self) -> u64 {
        self.series.values().map(|i| i.0.len() as u64).sum()
    }

    /// Drops the ranges that end before `t`.
    pub fn truncate_before(&mut self, t: Timestamp) {
        self.series.retain(|_, intervals| {
            intervals.0.retain(|i| i.max >= t);
            !intervals.is_empty()
        });
    }

    /// The stones alone, as the head's log has them too: without magic and checksum, with the version in front.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![1];
        for (series, intervals) in &self.series {
            for interval in &intervals.0 {
                put_uvarint(&mut out, *series);
                put_varint(&mut out, interval.min);
                put_varint(&mut out, interval.max);
            }
        }
        out
    }

    /// The bytes of a tombstones file. Series ascend; upstream writes them in no order.
    pub fn to_file(&self) -> Vec<u8> {
        let stones = self.encode();
        let mut out = Vec::with_capacity(stones.len() + 8);
        put_u32(&mut out, TOMBSTONES_MAGIC);
        out.extend_from_slice(&stones);
        put_u32(&mut out, crc32c(&stones[1..]));
        out
    }

    /// Parses a tombstones file. `path` is for errors.
    pub fn parse(path: &str, content: &[u8]) -> Result<Self, BlockError> {
        let corrupt = |offset: usize, expected: String, found: String| {
            BlockError::corrupt(path, offset as u64, expected, found)
        };
        if content.len() < HEADER_BYTES + 4 {
            return Err(corrupt(
                0,
                "header and checksum".to_owned(),
                format!("{} bytes", content.len()),
            ));
        }
        let (body, stored) = content.split_at(content.len() - 4);
        let mut cursor = Cursor::new(body);
        let at = |err| BlockError::decode(path, 0, "a tombstone", err);
        let magic = cursor.u32().map_err(at)?;
        if magic != TOMBSTONES_MAGIC {
            return Err(corrupt(
                0,
                format!("magic {TOMBSTONES_MAGIC:08x}"),
                format!("{magic:08x}"),
            ));
        }
        let version = cursor.u8().map_err(at)?;
        if version != 1 {
            let reason = format!("invalid tombstone format {version:x}");
            return Err(BlockError::Unsupported { path: path.to_owned(), reason });
        }
        let crc = crc32c(cursor.rest());
        if stored != crc.to_be_bytes() {
            let stored = stored.iter().fold(0u32, |crc, byte| crc << 8 | u32::from(*byte));
            return Err(corrupt(
                body.len(),
                format!("checksum {stored:08x}"),
                format!("{crc:08x}"),
            ));
        }
        let mut tombstones = Self::default();
        while !cursor.is_empty() {
            let series = cursor.uvarint().map_err(at)?;
            let interval =
                Interval { min: cursor.varint().map_err(at)?, max: cursor.varint().map_err(at)? };
            tombstones.add(series, interval);
        }
        Ok(tombstones)
    }

    /// Reads the file of a block's folder; a missing file holds none.
    pub fn read(fs: &dyn Fs, folder: &Path) -> Result<Self, BlockError> {
        let path = folder.join(TOMBSTONES_FILE);
        match fs.read(&path, LIMIT_BYTES) {
            Ok(content) => Self::parse(&path.display().to_string(), &content),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(err) => Err(BlockError::io(path.display(), "read", err)),
        }
    }

    /// Replaces the file of a block's folder.
    pub fn write(&self, fs: &dyn Fs, folder: &Path) -> Result<(), BlockError> {
        let path = folder.join(TOMBSTONES_FILE);
        fs.replace(&path, &self.to_file())
            .map_err(|err| BlockError::io(path.display(), "write", err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intervals(pairs: &[(i64, i64)]) -> Vec<Interval> {
        pairs.iter().map(|(min, max)| Interval { min: *min, max: *max }).collect()
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let check = |ranges: &[(i64, i64)], expect: &[(i64, i64)]| {
            let mut set = Intervals::default();
            intervals(ranges).into_iter().for_each(|i| set.add(i));
            assert_eq!(set.as_slice(), intervals(expect), "{ranges:?}");
        };
        check(&[(1, 2), (3, 4)], &[(1, 4)]);
        check(&[(1, 2), (4, 5)], &[(1, 2), (4, 5)]);
        check(&[(10, 20), (1, 2), (5, 12)], &[(1, 2), (5, 20)]);
        check(&[(1, 2), (4, 5), (7, 8), (0, 9)], &[(0, 9)]);
        check(&[(5, 6), (i64::MIN, i64::MAX), (9, 9)], &[(i64::MIN, i64::MAX)]);
    }

    proptest! {
        #[test]
        fn a_set_knows_every_moment(ranges in prop::collection::vec((0i64..60, 0i64..8), 0..12)) {
            let mut set = Intervals::default();
            ranges.iter().for_each(|(min, len)| set.add(Interval { min: *min, max: min + len }));
            for t in -1..80 {
                let expect = ranges.iter().any(|(min, len)| (*min..=min + len).contains(&t));
                prop_assert_eq!(set.contains(t), expect);
                prop_assert_eq!(set.overlaps(t, t), expect);
            }
            prop_assert!(set.as_slice().windows(2).all(|w| w[0].max + 1 < w[1].min));
        }

        #[test]
        fn files_come_back(stones in prop::collection::vec((1u64..9, 0i64..60, 0i64..8), 0..12)) {
            // Series 0 would allow a stone of four zero bytes: the checksum of a file without stones.
            let mut tombstones = Tombstones::new();
            for (series, min, len) in stones {
                tombstones.add(series, Interval { min, max: min + len });
            }
            let file = tombstones.to_file();
            prop_assert_eq!(&Tombstones::parse("t", &file).unwrap(), &tombstones);
            for cut in 0..file.len() {
                prop_assert!(Tombstones::parse("t", &file[..cut]).is_err());
            }
        }

        #[test]
        fn any_bytes_parse_or_err(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Tombstones::parse("t", &bytes);
        }
    }
}

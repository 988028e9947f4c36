//! Following a log that is being written: remote write reads what was committed, from a place it remembers, and goes on later.
//!
//! Reading stops at [`super::Wal::end`], so that a batch under way is never seen in part. A place is durable knowledge of the reader:
//! after a restart it goes on there, or at the next segment that is still kept.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_runtime::Fs;

use super::format::{list_segments, segment_name};
use super::reader::{Damage, SegmentReader};

/// A place between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub segment: u32,
    /// Offset in the segment, in bytes.
    pub offset: u64,
}

/// A reader's place in a log.
#[derive(Debug)]
pub struct LogTail {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    at: Position,
}

impl LogTail {
    pub fn new(fs: Arc<dyn Fs>, dir: &Path, at: Position) -> Self {
        Self { fs, dir: dir.to_owned(), at }
    }

    /// Where reading goes on.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Hands whole records up to `end` to `each`, about `max_bytes` of them, and moves on behind them. What is damaged or no longer
    /// there is passed over and named. Nothing happens where the place is at `end`.
    pub fn read(
        &mut self,
        end: Position,
        max_bytes: usize,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<Vec<Damage>> {
        let (mut damage, mut taken) = (Vec::new(), 0);
        while self.at < end && taken < max_bytes {
            let kept = list_segments(&*self.fs, &self.dir)?;
            let found = kept.iter().map(|(number, _)| *number).find(|n| *n >= self.at.segment);
            let Some(segment) = found.filter(|segment| *segment <= end.segment) else {
                break;
            };
            let path = self.dir.join(segment_name(segment));
            if segment > self.at.segment {
                let path = self.dir.join(segment_name(self.at.segment));
                let reason = "removed before it was read to its end".to_owned();
                damage.push(Damage { path, offset: self.at.offset, reason });
                self.at = Position { segment, offset: 0 };
            }
            let limit = if segment == end.segment { end.offset } else { u64::MAX };
            let file = self.fs.open(&path)?;
            let mut reader = SegmentReader::within(file, path, self.at.offset, limit);
            let mut at_end = false;
            while taken < max_bytes {
                let Some(record) = reader.next_record()? else {
                    at_end = true;
                    break;
                };
                taken += record.len();
                each(record);
                self.at.offset = reader.position();
            }
            damage.append(&mut reader.take_damage());
            if at_end {
                if segment == end.segment {
                    self.at = end;
                    break;
                }
                self.at = Position { segment: segment + 1, offset: 0 };
            }
        }
        Ok(damage)
    }
}

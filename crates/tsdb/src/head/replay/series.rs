//! The first reading of a log: its series alone, so that each keeps its reference.

use std::path::PathBuf;

use gauntlet_model::Timestamp;
use hashbrown::HashSet;

use super::super::chunk_files::FoundChunk;
use super::super::{Head, make_place, make_ref, split_place, split_ref};
use super::{Alias, RefMap, ReplayStats};
use crate::error::{At as _, Result, TsdbError};
use crate::wal::SegmentReader;
use crate::wal::record::{self, Records, SeriesEntry, TombstoneEntry};

/// Reads the series of a log.
pub(super) struct SeriesReader<'a> {
    pub(super) head: &'a Head,
    pub(super) stats: &'a mut ReplayStats,
    /// References of the log whose series goes by another one.
    pub(super) aliases: RefMap<Alias>,
    /// Chunks by series and time.
    pub(super) chunks: Vec<FoundChunk>,
    /// References whose series was removed later in the log.
    pub(super) removed: HashSet<u64, foldhash::fast::FixedState>,
}

impl SeriesReader<'_> {
    /// Makes all series that the log names and does not remove. Damage is named by the second reading.
    pub(super) fn read(&mut self, places: &[(PathBuf, u32)]) -> Result<()> {
        let mut records = Records::default();
        let wanted = |kind: u8| kind == record::SERIES || kind == record::TOMBSTONES;
        for (dir, segment) in places {
            let fs = &*self.head.fs;
            let mut reader =
                SegmentReader::open(fs, dir, *segment).at("opening segment in", dir)?;
            while let Ok(Some(record)) = reader.next_record_if(wanted) {
                if self.head.progress.is_stopped() {
                    return Err(TsdbError::Closing);
                }
                records.clear();
                let _ = records.decode(record);
                let mut stats = std::mem::take(self.stats);
                for entry in records.series.drain(..) {
                    self.take_series(&entry, &mut stats);
                }
                *self.stats = stats;
                for entry in records.tombstones.drain(..).filter(removes_series) {
                    self.remove_series(entry.series);
                }
            }
        }
        Ok(())
    }

    /// Forgets a series, so that a later record of its labels is a new one.
    fn remove_series(&mut self, series: u64) {
        let Some((shard, number)) = split_ref(series) else { return };
        let mut index = self.head.index.write();
        let mut data = self.head.shards[shard].data.write();
        data.reserve_number(number);
        if let Some(slot) = data.slot_of(number) {
            index.kill(data.series[slot as usize].id);
            data.remove(slot);
            self.removed.insert(series);
        }
    }

    pub(super) fn take_series(&mut self, entry: &SeriesEntry, stats: &mut ReplayStats) {
        let head = self.head;
        let Some((shard, number)) = split_ref(entry.series).filter(|_| entry.series != 0) else {
            stats.unknown_series += 1;
            return;
        };
        let mut index = head.index.write();
        let known = index.find(&entry.labels).map(|id| split_place(index.place(id)));
        let (shard, slot) = match known {
            Some((owner, slot)) => {
                // The series was in the log before, under this reference or another.
                let mut data = head.shards[shard].data.write();
                data.reserve_number(number);
                drop(data);
                let data = head.shards[owner].data.read();
                let series = make_ref(owner, data.series[slot as usize].number);
                if series != entry.series {
                    self.aliases.insert(entry.series, Alias { series, max_t: Timestamp::MIN });
                }
                (owner, slot)
            }
            None => {
                let mut data = head.shards[shard].data.write();
                if data.slot_of(number).is_some() {
                    // One reference, two label sets: the log is at fault; the first stays.
                    stats.unknown_series += 1;
                    return;
                }
                let slot = data.create_logged(number, index.end(), 0);
                if index.insert(&entry.labels, make_place(shard, slot)).is_err() {
                    data.remove(slot);
                    stats.unknown_series += 1;
                    return;
                }
                (shard, slot)
            }
        };
        drop(index);
        let first = self.chunks.partition_point(|chunk| chunk.series < entry.series);
        let chunks = self.chunks[first..].iter().take_while(|chunk| chunk.series == entry.series);
        let min_valid = head.min_valid_time();
        let mut data = head.shards[shard].data.write();
        for chunk in chunks.filter(|chunk| chunk.max_t >= min_valid) {
            data.attach(slot, chunk);
        }
    }
}

/// Whether a tombstone stands for the removal of its series.
pub(super) fn removes_series(entry: &TombstoneEntry) -> bool {
    (entry.min_t, entry.max_t) == (Timestamp::MIN, Timestamp::MAX)
}

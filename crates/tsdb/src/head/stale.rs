//! Series that ended leave the head early: their samples go to blocks of their own, and the log is told that they are gone.

use std::path::Path;
use std::sync::atomic::Ordering;

use gauntlet_block::meta::HINT_STALE_SERIES;
use gauntlet_block::{BlockMeta, Ulid};
use gauntlet_model::Timestamp;
use gauntlet_storage::TimeRange;
use hashbrown::HashSet;

use super::Head;
use super::index::SeriesId;
use super::series::STALE;
use super::truncate::is_recent;
use crate::error::Result;
use crate::wal::record::TombstoneEntry;
use crate::wal::{RecordBuffer, encode};

/// A series that had ended when the blocks were written, and its newest sample then.
#[derive(Clone, Copy, Debug)]
struct Ended {
    shard: usize,
    slot: u32,
    id: SeriesId,
    t: Timestamp,
}

/// Series that are in blocks.
#[derive(Debug, Default)]
pub(crate) struct StaleWritten(Vec<Ended>);

impl Head {
    /// Share of the series that have ended.
    pub(crate) fn stale_share(&self) -> f64 {
        let stats = self.stats();
        stats.num_stale_series as f64 / (stats.num_series as f64).max(1.0)
    }

    /// Writes the series that have ended to blocks below `dest`, one for each range of the least block width.
    pub(crate) fn write_stale_blocks(
        &self,
        dest: &Path,
        mut ulid: impl FnMut() -> Ulid,
    ) -> Result<(Vec<BlockMeta>, StaleWritten)> {
        self.refuse_while_replaying("no block can be made of the head yet")?;
        let mut ended = Vec::new();
        for (shard, state) in self.shards.iter().enumerate() {
            let data = state.data.read();
            for slot in data.slots() {
                let series = &data.series[slot as usize];
                // Late samples leave for blocks of their own: such a series waits for that. One that an appender has just met may
                // have a sample on the way.
                let touched = series.touched.load(Ordering::Relaxed);
                let waits = data.late.contains_key(&slot) || is_recent(touched, self.round());
                if series.has(STALE) && !waits {
                    ended.push(Ended { shard, slot, id: series.id, t: series.t });
                }
            }
        }
        let ids: HashSet<SeriesId> = ended.iter().map(|series| series.id).collect();
        let width = self.options.min_block_ms;
        let mut blocks = Vec::new();
        let (mut start, end) = (self.min_time().div_euclid(width) * width, self.max_time());
        while !ids.is_empty() && start <= end {
            let range = TimeRange::new(start, start + width - 1);
            let mut meta = BlockMeta::new(ulid(), start, start + width);
            meta.compaction.add_hint(HINT_STALE_SERIES);
            let has = |head: &Self, id| ids.contains(&id) && head.overlaps_in_order(id, range);
            blocks
                .extend(self.write(dest, meta, has, |head, id| head.chunks_for_block(id, range))?);
            start += width;
        }
        Ok((blocks, StaleWritten(ended)))
    }

    /// Forgets series that are in blocks and have had no sample since. Returns how many went.
    pub(crate) fn remove_stale(&self, written: &StaleWritten) -> Result<usize> {
        self.departures.fetch_add(1, Ordering::AcqRel);
        let mut removed = 0;
        for (shard, state) in self.shards.iter().enumerate() {
            // A commit holds it from log to memory: what it logs stands before the tombstones, or finds no series.
            let _commit = state.commit.lock();
            let mut index = self.index.write();
            let mut data = state.data.write();
            let (mut gone, mut tombstones) = (Vec::new(), Vec::new());
            for ended in written.0.iter().filter(|ended| ended.shard == shard) {
                let series = &data.series[ended.slot as usize];
                let same = series.id == ended.id && series.has(STALE) && series.t == ended.t;
                let touched = series.touched.load(Ordering::Relaxed);
                let waits = data.late.contains_key(&ended.slot) || is_recent(touched, self.round());
                if same && !waits {
                    let series = super::ref_of(shard, &data, ended.slot);
                    gone.push(*ended);
                    let (min_t, max_t) = (Timestamp::MIN, Timestamp::MAX);
                    tombstones.push(TombstoneEntry { series, min_t, max_t });
                }
            }
            if gone.is_empty() {
                continue;
            }
            if let Some(wal) = &self.wal {
                let mut batch = RecordBuffer::default();
                batch.record(|out| encode::tombstones(out, &tombstones));
                wal.log(&batch)?;
            }
            for ended in gone {
                data.remove(ended.slot);
                index.kill(ended.id);
                removed += 1;
            }
        }
        self.counters.series_removed.fetch_add(removed, Ordering::Relaxed);
        Ok(removed as usize)
    }
}

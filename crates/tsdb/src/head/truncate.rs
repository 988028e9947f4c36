//! Making the head smaller after its oldest range has become a block: chunks go, then series without any, then parts of the log.

use std::path::Path;
use std::sync::atomic::Ordering;

use gauntlet_model::Timestamp;
use tracing::warn;

use super::cut::Cut;
use super::index::Index;
use super::{Head, SHARDS, split_place, split_ref};
use crate::error::{At as _, Result};
use crate::wal::checkpoint::{Needed, remove_checkpoints_below, write_checkpoint};
use crate::wal::format::list_segments;
use crate::wal::snapshot::list_snapshots;

/// With more dead series than living ones divided by this, the index is made anew.
const DEAD_RATIO: usize = 8;

/// Whether an appender that met a series in round `touched` may still have a batch open.
pub(crate) fn is_recent(touched: u8, round: u8) -> bool {
    touched == round || touched == round.wrapping_sub(1)
}

impl Head {
    /// Drops samples before `min_t`: they are in blocks. Returns how many series went.
    pub fn truncate_memory(&self, min_t: Timestamp) -> Result<usize> {
        self.min_valid.fetch_max(min_t, Ordering::AcqRel);
        if let Some(file) = &self.cut_file {
            let numbers = self.shards.iter().map(|shard| shard.data.read().next_number());
            let next_number = numbers.max().unwrap_or(0);
            file.write(Cut { min_valid: min_t, next_number })?;
        }
        self.departures.fetch_add(1, Ordering::AcqRel);
        // Series that an appender met in this round or the last are spared: their samples may be on the way.
        let round = self.round.load(Ordering::Acquire);
        let mut empty = Vec::new();
        for (shard, state) in self.shards.iter().enumerate() {
            let mut data = state.data.write();
            let slots: Vec<u32> = data.slots().collect();
            for slot in slots {
                let gone = data.truncate(slot, min_t);
                let touched = data.series[slot as usize].touched.load(Ordering::Relaxed);
                if gone && !is_recent(touched, round) {
                    empty.push((shard, slot, data.series[slot as usize].id));
                }
            }
        }
        let removed = self.remove_series(&empty);
        self.update_bounds(min_t);
        self.rebuild_index();
        let first = self.shards.iter().filter_map(|s| s.data.read().first_file()).min();
        let cut = self.files.cut();
        self.files.remove_below(first.unwrap_or(cut))?;
        self.counters.truncations.fetch_add(1, Ordering::Relaxed);
        Ok(removed)
    }

    /// Begins a round of cleaning; to be called about once a minute, which is the longest that a batch may stay open.
    pub fn next_round(&self) {
        self.round.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn round(&self) -> u8 {
        self.round.load(Ordering::Acquire)
    }

    /// Removes series of which the log had no sample that is still needed.
    pub(crate) fn remove_empty(&self) {
        self.departures.fetch_add(1, Ordering::AcqRel);
        let round = self.round();
        let mut empty = Vec::new();
        for (shard, state) in self.shards.iter().enumerate() {
            let mut data = state.data.write();
            let slots: Vec<u32> = data.slots().collect();
            for slot in slots {
                let touched = data.series[slot as usize].touched.load(Ordering::Relaxed);
                if data.truncate(slot, Timestamp::MIN) && !is_recent(touched, round) {
                    empty.push((shard, slot, data.series[slot as usize].id));
                }
            }
        }
        self.remove_series(&empty);
        self.rebuild_index();
    }

    fn remove_series(&self, empty: &[(usize, u32, u32)]) -> usize {
        let mut index = self.index.write();
        let mut removed = 0;
        for (shard, slot, id) in empty {
            let mut data = self.shards[*shard].data.write();
            let round = self.round.load(Ordering::Acquire);
            let series = &data.series[*slot as usize];
            // An appender may have come between.
            if series.touched.load(Ordering::Relaxed) == round
                || series.id != *id
                || series.count > 0
            {
                continue;
            }
            data.remove(*slot);
            index.kill(*id);
            removed += 1;
        }
        self.counters.series_removed.fetch_add(removed, Ordering::Relaxed);
        removed as usize
    }

    fn update_bounds(&self, min_t: Timestamp) {
        let bounds = self.shards.iter().filter_map(|shard| shard.data.read().bounds());
        match bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
            Some((low, _)) => self.min_t.store(low.max(min_t), Ordering::Release),
            // The newest time stays: what is appended next is judged by it.
            None => self.min_t.store(self.max_time().max(min_t), Ordering::Release),
        }
    }

    /// Makes the index anew where the dead are many. Readers go on while it is built, births wait.
    fn rebuild_index(&self) {
        let index = self.index.upgradable_read();
        if index.dead() <= index.len() / DEAD_RATIO {
            return;
        }
        let new: Index = match index.rebuilt() {
            Ok(new) => new,
            Err(full) => {
                warn!(component = "tsdb", ?full, "index could not be made anew");
                return;
            }
        };
        let mut index = parking_lot::RwLockUpgradableReadGuard::upgrade(index);
        for id in 0..new.end() {
            let (shard, slot) = split_place(new.place(id));
            self.shards[shard].data.write().series[slot as usize].id = id;
        }
        *index = new;
        for shard in 0..SHARDS {
            self.shards[shard].data.write().trim();
        }
    }

    /// Replaces the older two thirds of the log by a checkpoint of what is still needed.
    pub fn truncate_log(&self, min_t: Timestamp) -> Result<()> {
        let Some(wal) = &self.wal else { return Ok(()) };
        let segments = list_segments(&*self.fs, wal.dir()).map_err(|source| {
            crate::TsdbError::Io { action: "listing", path: wal.dir().to_owned(), source }
        })?;
        let Some((first, _)) = segments.first().copied() else { return Ok(()) };
        // The segment that is written to is ended first, so that all before it can go.
        let last = wal.next_segment()?.saturating_sub(1);
        if last <= first {
            return Ok(());
        }
        let to = first + (last - first) * 2 / 3;
        if to <= first {
            return Ok(());
        }
        let late = self.shards.iter().filter_map(|shard| {
            shard.data.read().late.values().filter_map(|late| late.bounds()).map(|b| b.0).min()
        });
        let tombstones_from = late.min().unwrap_or(min_t).min(min_t);
        let needed = Needed { samples_from: min_t, tombstones_from };
        let mut aliases = self.aliases.lock();
        aliases.retain(|_, alias| alias.max_t >= min_t);
        let keep = |series: u64| {
            aliases.contains_key(&series)
                || split_ref(series).is_some_and(|(shard, number)| {
                    self.shards[shard].data.read().slot_of(number).is_some()
                })
        };
        let stats = write_checkpoint(&self.fs, wal.dir(), to, needed, wal.options(), &keep)?;
        for damage in &stats.damage {
            warn!(component = "tsdb", %damage, "part of the log is lost");
        }
        self.counters.wal_corruptions.fetch_add(stats.damage.len() as u64, Ordering::Relaxed);
        wal.remove_below(to + 1)?;
        remove_checkpoints_below(&*self.fs, wal.dir(), to)
    }

    /// Removes snapshots of open chunks of which all is in blocks.
    pub(crate) fn remove_snapshots(&self, dir: &Path, min_t: Timestamp) -> Result<()> {
        if self.snapshot_end.load(Ordering::Acquire) >= min_t {
            return Ok(());
        }
        for folder in list_snapshots(&*self.fs, dir)? {
            self.fs.remove_dir_all(&folder).at("removing", &folder)?;
        }
        Ok(())
    }

    /// Cuts the log of late samples after all of them went to blocks.
    pub fn truncate_late_log(&self, below: u32) -> Result<()> {
        self.wbl.as_ref().map_or(Ok(()), |wbl| wbl.remove_below(below))
    }

    /// References of all living series.
    #[cfg(test)]
    pub(crate) fn refs(&self) -> std::collections::BTreeSet<u64> {
        let mut out = std::collections::BTreeSet::new();
        for (shard, state) in self.shards.iter().enumerate() {
            let data = state.data.read();
            out.extend(data.slots().map(|slot| super::ref_of(shard, &data, slot)));
        }
        out
    }
}

//! Upstream's snapshot of open chunks, which mends what the log has lost. As long as nothing was lost, the log has all that is in it,
//! and the snapshot costs one reading: so the log is always read whole, and damage of a snapshot costs nothing.
//!
//! Upstream reads the log behind the snapshot alone. With it go metadata, and samples where head chunk files are missing.

use std::path::Path;
use std::sync::atomic::Ordering;

use gauntlet_model::Timestamp;
use tracing::{info, warn};

use super::super::samples::{Value, decode_samples};
use super::super::{Head, split_place, split_ref};
use super::series::SeriesReader;
use super::{Alias, RefMap, ReplayStats, removes_series};
use crate::error::{At as _, Result, TsdbError};
use crate::wal::format::list_segments;
use crate::wal::record::Records;
use crate::wal::snapshot::{SnapshotSeries, decode};
use crate::wal::{Damage, SegmentReader};

impl SeriesReader<'_> {
    /// Makes series known that the log has no record of any more. Returns whether there are such.
    pub(super) fn read_snapshot(&mut self, folder: &Path) -> Result<bool> {
        let (head, mut lost) = (self.head, false);
        each_record(head, folder, |record| {
            let Ok(Some(SnapshotSeries { entry, open })) = decode(record, &mut Records::default())
            else {
                return Ok(());
            };
            if let Some(open) = open {
                head.snapshot_end.fetch_max(open.max_t, Ordering::AcqRel);
            }
            if self.removed.contains(&entry.series)
                || head.index.read().find(&entry.labels).is_some()
            {
                return Ok(());
            }
            let mut stats = std::mem::take(self.stats);
            self.take_series(&entry, &mut stats);
            *self.stats = stats;
            let index = head.index.read();
            if let Some(id) = index.find(&entry.labels) {
                let (shard, slot) = split_place(index.place(id));
                head.shards[shard].data.write().set_unlogged(slot);
                lost = true;
            }
            Ok(())
        })?;
        Ok(lost)
    }
}

impl Head {
    /// Takes from a snapshot what the log no longer has.
    pub(super) fn mend(
        &self,
        folder: &Path,
        aliases: &RefMap<Alias>,
        stats: &mut ReplayStats,
    ) -> Result<()> {
        let min_valid = self.min_valid_time();
        let find = |series: u64| {
            let (shard, number) = split_ref(aliases.get(&series).map_or(series, |a| a.series))?;
            Some((shard, self.shards[shard].data.read().slot_of(number)?))
        };
        let (mut records, mut mended) = (Records::default(), 0);
        let damage = each_record(self, folder, |record| {
            records.clear();
            let found = decode(record, &mut records).map_err(|fault| fault.to_string())?;
            for entry in records.tombstones.iter().filter(|entry| !removes_series(entry)) {
                if let Some((shard, slot)) = find(entry.series) {
                    self.shards[shard].data.write().delete(slot, (entry.min_t, entry.max_t));
                }
            }
            for entry in records.exemplars.drain(..).filter(|entry| entry.t >= min_valid) {
                if let Some((shard, slot)) = find(entry.series) {
                    let series = super::super::ref_of(shard, &self.shards[shard].data.read(), slot);
                    self.exemplars.lock().add(series, entry.t, entry.value, entry.labels);
                }
            }
            let Some(SnapshotSeries { entry, open: Some(open) }) = found else { return Ok(()) };
            let Some((shard, slot)) = find(entry.series) else { return Ok(()) };
            let samples = decode_samples(open.encoding, &open.data, min_valid, Timestamp::MAX)
                .map_err(|err| err.to_string())?;
            mended += self.add_missing(shard, slot, samples);
            Ok(())
        })?;
        stats.samples += mended;
        if mended > 0 {
            info!(component = "tsdb", samples = mended, "a snapshot had samples that the log lost");
        }
        for damage in damage {
            warn!(component = "tsdb", %damage, "passed over damage of a snapshot");
        }
        Ok(())
    }

    /// Adds samples behind the series' closed chunks that its open one has not. Returns how many.
    fn add_missing(&self, shard: usize, slot: u32, samples: Vec<(Timestamp, Value)>) -> u64 {
        let cutting = self.cutting(shard);
        let mut data = self.shards[shard].data.write();
        let from = data.closed_end(slot).unwrap_or(Timestamp::MIN);
        let Some(mut merged) = data.open_samples(slot) else { return 0 };
        let known = merged.len();
        for (t, value) in samples.into_iter().filter(|(t, _)| *t > from) {
            if let Err(at) = merged.binary_search_by_key(&t, |(t, _)| *t) {
                merged.insert(at, (t, value));
            }
        }
        if merged.len() == known {
            return 0;
        }
        data.forget_after(slot, from);
        for (t, value) in &merged {
            data.append(slot, *t, value, &cutting);
        }
        (merged.len() - known) as u64
    }
}

/// Hands the records of a snapshot to `take`. Returns the damage: what `take` refuses, and what cannot be read.
fn each_record(
    head: &Head,
    folder: &Path,
    mut take: impl FnMut(&[u8]) -> std::result::Result<(), String>,
) -> Result<Vec<Damage>> {
    let mut damage = Vec::new();
    for (segment, _) in list_segments(&*head.fs, folder).at("listing", folder)? {
        let mut reader =
            SegmentReader::open(&*head.fs, folder, segment).at("opening segment in", folder)?;
        while let Ok(Some(record)) = reader.next_record() {
            if head.progress.is_stopped() {
                return Err(TsdbError::Closing);
            }
            if let Err(reason) = take(record) {
                reader.complain_of_record(reason);
            }
        }
        damage.append(&mut reader.take_damage());
    }
    Ok(damage)
}

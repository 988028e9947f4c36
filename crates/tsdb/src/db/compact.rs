//! Background work: head to blocks, blocks to larger blocks, retention. One failure stops its own step, is counted, and is tried again
//! with the next tick.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gauntlet_block::compact::{
    CompactOptions, SampleMerge, block_ranges, compact_blocks, mark_deletable, mark_failed, plan,
};
use gauntlet_block::{BlockMeta, BlockReader, Ulid, delete_block};
use gauntlet_model::Timestamp;
use tracing::{info, warn};

use super::{BadBlock, Blocks, Db, load_blocks};
use crate::error::{Result, TsdbError};
use crate::head::block_error;

/// Most compactions of blocks in one tick; the next tick goes on.
const MAX_COMPACTIONS: usize = 64;

impl Db {
    /// Does what is due: blocks from the head, compaction, retention. To be called about once a minute, off the async threads.
    pub fn compact_tick(&self) -> Result<()> {
        self.head.next_round();
        let reloaded = self.reload();
        self.verify_blocks();
        self.head.check_space(&self.dir);
        if !self.auto_compaction.load(Ordering::Acquire) || self.head.is_replaying() {
            return reloaded;
        }
        let _changing = self.changing.lock();
        self.counters.triggered.fetch_add(1, Ordering::Relaxed);
        let compacted = self.compact_all();
        if compacted.is_err() {
            self.counters.compactions_failed.fetch_add(1, Ordering::Relaxed);
        }
        reloaded.and(compacted)
    }

    /// Makes blocks of all that the head has, to its newest sample. For shutting down short-lived databases, and for tests.
    pub fn flush_head(&self) -> Result<()> {
        self.refuse_while_replaying("no block can be made of the head yet")?;
        let _changing = self.changing.lock();
        while self.head.min_time() <= self.head.max_time() && self.head.stats().chunk_count > 0 {
            let end = self.head.next_block_end();
            self.compact_head(end)?;
            if end > self.head.max_time() {
                break;
            }
        }
        self.compact_late()
    }

    /// Looks at the folder anew: new blocks serve, those that went or may go do not.
    pub fn reload(&self) -> Result<()> {
        let _changing = self.changing.lock();
        self.reload_held()
    }

    /// Rewrites blocks that have deletions, so that these are gone from disk.
    pub fn clean_tombstones(&self) -> Result<()> {
        let _changing = self.changing.lock();
        for block in self.blocks().iter() {
            if block.meta().stats.num_tombstones > 0 {
                self.compact_these(std::slice::from_ref(block))?;
            }
        }
        self.reload_held()
    }

    /// Moves series that have ended to blocks where they are too many.
    fn compact_stale(&self) -> Result<()> {
        let threshold = f64::from_bits(self.stale_threshold.load(Ordering::Acquire));
        if threshold <= 0.0 || self.head.stale_share() < threshold {
            return Ok(());
        }
        let (blocks, written) = self.head.write_stale_blocks(&self.dir, || self.new_ulid())?;
        if blocks.is_empty() {
            return Ok(());
        }
        self.counters.compactions.fetch_add(blocks.len() as u64, Ordering::Relaxed);
        self.reload_held()?;
        let loaded = self.block_metas();
        if blocks.iter().all(|meta| loaded.iter().any(|other| other.ulid == meta.ulid)) {
            let series = self.head.remove_stale(&written)?;
            info!(
                component = "tsdb",
                series,
                blocks = blocks.len(),
                "series that ended left the head"
            );
        }
        Ok(())
    }

    fn compact_all(&self) -> Result<()> {
        self.compact_stale()?;
        let mut cut = false;
        while self.head.is_compactable() {
            self.compact_head(self.head.next_block_end())?;
            cut = true;
        }
        if cut {
            self.compact_late()?;
        }
        self.compact_blocks_held()
    }

    /// Makes a block of the head's samples before `end`.
    fn compact_head(&self, end: Timestamp) -> Result<()> {
        let min_t = self.head.min_time();
        self.head.close_before(end);
        let meta = self.head.write_block(&self.dir, self.new_ulid(), min_t, end)?;
        if let Some(meta) = &meta {
            self.counters.compactions.fetch_add(1, Ordering::Relaxed);
            info!(component = "tsdb", block = %meta.ulid, min_t, end, series = meta.stats.num_series, "made a block of the head");
            // It serves before its samples leave the head.
            self.reload_held()?;
            if !self.blocks().iter().any(|block| block.meta().ulid == meta.ulid) {
                return Err(TsdbError::Block(format!(
                    "block {} was written and does not open",
                    meta.ulid
                )));
            }
        }
        self.head.truncate_memory(end)?;
        self.head.truncate_log(end)?;
        self.head.remove_snapshots(&self.dir, end)
    }

    fn compact_late(&self) -> Result<()> {
        if !self.head.has_late() {
            return Ok(());
        }
        let (blocks, written) = self.head.write_late_blocks(&self.dir, || self.new_ulid())?;
        self.counters.compactions.fetch_add(blocks.len() as u64, Ordering::Relaxed);
        self.reload_held()?;
        let loaded = self.block_metas();
        if blocks.iter().all(|meta| loaded.iter().any(|other| other.ulid == meta.ulid)) {
            self.head.drop_late(&written)?;
        }
        Ok(())
    }

    fn compact_blocks_held(&self) -> Result<()> {
        let ranges = block_ranges(self.options.min_block_ms, self.options.largest_block_ms());
        for _ in 0..MAX_COMPACTIONS {
            let blocks = self.blocks();
            let metas: Vec<BlockMeta> = blocks.iter().map(|block| block.meta()).collect();
            if !self.options.overlapping_compaction && has_overlap(&metas) {
                return Ok(());
            }
            let planned = plan(&metas, &ranges);
            if planned.is_empty() {
                return Ok(());
            }
            let inputs: Vec<Arc<BlockReader>> =
                planned.into_iter().map(|at| Arc::clone(&blocks[at])).collect();
            self.compact_these(&inputs)?;
            self.reload_held()?;
        }
        Ok(())
    }

    /// Merges blocks. Where that fails for damage, they are marked, so that it is not tried for ever and the others go on.
    fn compact_these(&self, inputs: &[Arc<BlockReader>]) -> Result<()> {
        let merge = SampleMerge { prefer_xor2: self.head.writes_xor2() };
        let options = CompactOptions { merge: &merge, ..CompactOptions::default() };
        match compact_blocks(&self.fs, &self.dir, inputs, self.new_ulid(), &options) {
            Ok(made) => {
                self.counters.compactions.fetch_add(1, Ordering::Relaxed);
                if made.is_none() {
                    mark_deletable(inputs).map_err(block_error)?;
                }
                Ok(())
            }
            Err(err) => {
                let names: Vec<String> = inputs.iter().map(|b| b.meta().ulid.to_string()).collect();
                warn!(component = "tsdb", blocks = ?names, %err, "blocks could not be compacted and are left as they are");
                self.counters.compactions_failed.fetch_add(1, Ordering::Relaxed);
                mark_failed(inputs).map_err(block_error)
            }
        }
    }

    pub(super) fn reload_held(&self) -> Result<()> {
        self.counters.reloads.fetch_add(1, Ordering::Relaxed);
        let result = self.reload_and_remove();
        if result.is_err() {
            self.counters.reloads_failed.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn reload_and_remove(&self) -> Result<()> {
        let loaded = self.blocks();
        let Blocks { good, bad } = load_blocks(&self.fs, &self.dir, &self.cache, &loaded)?;
        let (good, bad) = self.without_rejected(&good, &bad);
        let doomed = self.doomed(&good);
        let kept: Vec<Arc<BlockReader>> =
            good.iter().filter(|block| !doomed.contains(&block.meta().ulid)).cloned().collect();
        // A parent of a block that serves may be damaged: it goes as well.
        let replaced = parents(&good);
        *self.blocks.write() = Blocks { good: Arc::new(kept), bad: Arc::clone(&bad) };
        for ulid in doomed {
            let folder = self.dir.join(ulid.to_string());
            delete_block(&*self.fs, &folder).map_err(block_error)?;
            info!(component = "tsdb", block = %ulid, "removed a block");
        }
        for block in bad.iter() {
            let name = block.folder.file_name().and_then(|name| name.to_str());
            if name
                .and_then(|name| name.parse().ok())
                .is_some_and(|ulid: Ulid| replaced.contains(&ulid))
            {
                delete_block(&*self.fs, &block.folder).map_err(block_error)?;
            }
        }
        Ok(())
    }

    /// Compares meta.json of blocks that were not looked at yet with their indexes; those that differ do not serve any more. Reads
    /// the indexes; each tick does it for what is new.
    pub fn verify_blocks(&self) {
        let mut rejected = Vec::new();
        for block in self.blocks().iter() {
            let ulid = block.meta().ulid;
            if self.verified.lock().contains(&ulid) {
                continue;
            }
            match block.verify_meta() {
                Ok(()) => {
                    self.verified.lock().insert(ulid);
                }
                Err(err) if err.is_corruption() => {
                    warn!(component = "tsdb", block = %ulid, %err, "block does not serve");
                    let (folder, reason) = (block.folder().to_owned(), err.to_string());
                    rejected.push(BadBlock { folder, reason });
                }
                Err(err) => warn!(component = "tsdb", block = %ulid, %err, "block not verified"),
            }
        }
        if !rejected.is_empty() {
            self.rejected.lock().append(&mut rejected);
            let mut blocks = self.blocks.write();
            let (good, bad) = self.without_rejected(&blocks.good, &blocks.bad);
            *blocks = Blocks { good, bad };
        }
    }

    fn without_rejected(
        &self,
        good: &Arc<Vec<Arc<BlockReader>>>,
        bad: &Arc<Vec<BadBlock>>,
    ) -> (Arc<Vec<Arc<BlockReader>>>, Arc<Vec<BadBlock>>) {
        let rejected = self.rejected.lock();
        if rejected.is_empty() {
            return (Arc::clone(good), Arc::clone(bad));
        }
        let serves = |block: &&Arc<BlockReader>| {
            !rejected.iter().any(|rejected| rejected.folder == block.folder())
        };
        let good = good.iter().filter(serves).cloned().collect();
        let mut bad = Vec::clone(bad);
        bad.retain(|block| !rejected.contains(block));
        bad.extend(rejected.iter().filter(|block| self.fs.exists(&block.folder)).cloned());
        (Arc::new(good), Arc::new(bad))
    }

    /// Blocks that may go: replaced by others, marked, too old, too much.
    fn doomed(&self, blocks: &[Arc<BlockReader>]) -> BTreeSet<Ulid> {
        let metas: Vec<BlockMeta> = blocks.iter().map(|block| block.meta()).collect();
        let mut doomed: BTreeSet<Ulid> = parents(blocks);
        doomed.retain(|ulid| metas.iter().any(|meta| meta.ulid == *ulid));
        doomed.extend(metas.iter().filter(|meta| meta.compaction.deletable).map(|meta| meta.ulid));
        let newest = metas.iter().map(|meta| meta.max_time).max().unwrap_or(0);
        let (retention, byte_limit) = (self.retention(), self.byte_limit());
        if retention.time_ms > 0 {
            let old: Vec<Ulid> = metas
                .iter()
                .filter(|meta| newest - meta.max_time >= retention.time_ms)
                .map(|meta| meta.ulid)
                .collect();
            self.counters.time_retentions.fetch_add(u64::from(!old.is_empty()), Ordering::Relaxed);
            doomed.extend(old);
        }
        if byte_limit > 0 {
            let log = self.head.wal().and_then(|wal| wal.size_bytes().ok()).unwrap_or(0);
            let mut total = log + self.head.chunk_files_bytes();
            let mut newest_first: Vec<&Arc<BlockReader>> = blocks.iter().collect();
            newest_first.sort_by_cached_key(|block| std::cmp::Reverse(block.meta().max_time));
            let mut over = false;
            for block in newest_first {
                let ulid = block.meta().ulid;
                if doomed.contains(&ulid) {
                    continue;
                }
                total += block.size_bytes();
                over |= total > byte_limit;
                if over {
                    doomed.insert(ulid);
                }
            }
            self.counters.size_retentions.fetch_add(u64::from(over), Ordering::Relaxed);
        }
        doomed
    }
}

fn parents(blocks: &[Arc<BlockReader>]) -> BTreeSet<Ulid> {
    let metas = blocks.iter().map(|block| block.meta());
    metas.flat_map(|meta| meta.compaction.parents).map(|parent| parent.ulid).collect()
}

fn has_overlap(metas: &[BlockMeta]) -> bool {
    let ordered = metas.iter().filter(|meta| !super::is_partial(meta));
    let mut end = Timestamp::MIN;
    for meta in ordered {
        if meta.min_time < end {
            return true;
        }
        end = end.max(meta.max_time);
    }
    false
}

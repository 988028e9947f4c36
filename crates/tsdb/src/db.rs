//! The database: a head and its blocks in one folder, read as one; what turns the one into the others and lets the oldest go.
//!
//! Folder: `<ulid>/` blocks, `wal/`, `wbl/`, `chunks_head/`, `snapshots/`, `lock`. A block that cannot be opened is named, left where
//! it is, and the rest serves. [`Db::compact_tick`] is called about once a minute; the tick itself decides what is due.

mod background;
mod compact;
mod query;
mod read_only;
mod snapshot;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gauntlet_block::meta::HINT_OUT_OF_ORDER;
use gauntlet_block::writer::{CREATION_SUFFIX, DELETION_SUFFIX};
use gauntlet_block::{BlockMeta, BlockReader, PageCache, Ulid};
use gauntlet_model::{Matcher, Timestamp};
use gauntlet_runtime::{Clock, CpuPool, FileLock, Fs};
use gauntlet_storage::{AppendOptions, Appendable, Appender, TimeRange};
use parking_lot::{Mutex, RwLock};
use tracing::{info, warn};

use crate::error::{At as _, Result, TsdbError};
use crate::head::{Head, ReplayProgress, ReplayStats, stored_cut};
use crate::options::Options;

use self::background::{Replay, Syncer};
pub use self::read_only::ReadOnlyDb;

/// Pages of block files kept in memory.
const PAGE_CACHE_BYTES: u64 = 32 << 20;

/// What limits the blocks: 0 does not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Retention {
    /// Age in ms, against the newest block.
    pub time_ms: i64,
    pub bytes: u64,
    /// Percent of the disk.
    pub percent: f64,
}

impl Retention {
    fn of(options: &Options) -> Self {
        Self {
            time_ms: options.retention_ms,
            bytes: options.retention_bytes,
            percent: options.retention_percent,
        }
    }
}

/// A block that does not serve, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBlock {
    pub folder: PathBuf,
    pub reason: String,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Blocks {
    /// Ascending by first time.
    pub(crate) good: Arc<Vec<Arc<BlockReader>>>,
    pub(crate) bad: Arc<Vec<BadBlock>>,
}

/// Counts of background work, since the start.
#[derive(Debug, Default)]
pub(crate) struct DbCounters {
    pub(crate) triggered: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compactions_failed: AtomicU64,
    pub(crate) reloads: AtomicU64,
    pub(crate) reloads_failed: AtomicU64,
    pub(crate) time_retentions: AtomicU64,
    pub(crate) size_retentions: AtomicU64,
}

/// A database. Shared behind an `Arc`.
#[derive(Debug)]
pub struct Db {
    dir: PathBuf,
    options: Options,
    retention: RwLock<Retention>,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    head: Arc<Head>,
    blocks: RwLock<Blocks>,
    cache: Arc<PageCache>,
    pool: Option<CpuPool>,
    /// One background change at a time.
    changing: Mutex<()>,
    auto_compaction: AtomicBool,
    counters: DbCounters,
    /// Bits of a float.
    stale_threshold: AtomicU64,
    /// Blocks whose meta.json was compared with their index.
    verified: Mutex<BTreeSet<Ulid>>,
    /// Blocks that failed that.
    rejected: Mutex<Vec<BadBlock>>,
    replay: Replay,
    syncer: Mutex<Option<Syncer>>,
    lock: Mutex<Option<Box<dyn FileLock>>>,
}

impl Db {
    /// Opens the database in `dir`, made if missing: takes the lock, loads blocks, begins to replay the log. It is written and
    /// read from now on; until the log has been read, answers warn of what they may lack, and samples that the log may have are
    /// refused. See [`Db::wait_replayed`].
    pub fn open(
        dir: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        fs: Arc<dyn Fs>,
    ) -> Result<Self> {
        fs.create_dir_all(dir).at("creating", dir)?;
        let lock = if options.no_lockfile { None } else { Some(take_lock(&*fs, dir)?) };
        remove_unfinished(&*fs, dir)?;
        let cache = PageCache::new(PAGE_CACHE_BYTES);
        let blocks = load_blocks(&fs, dir, &cache, &[])?;
        let min_valid = min_valid(&*fs, dir, &blocks.good)?;
        let (head, log) = Head::start(dir, &options, &fs, min_valid)?;
        let head = Arc::new(head);
        info!(component = "tsdb", blocks = blocks.good.len(), "opened");
        let replay = Replay::start(&head, log, Arc::clone(&clock))?;
        head.check_space(dir);
        let syncer = Syncer::start(&head, dir, &options);
        Ok(Self {
            dir: dir.to_owned(),
            retention: RwLock::new(Retention::of(&options)),
            options,
            fs,
            clock,
            head,
            blocks: RwLock::new(blocks),
            cache,
            pool: None,
            changing: Mutex::new(()),
            auto_compaction: AtomicBool::new(true),
            counters: DbCounters::default(),
            stale_threshold: AtomicU64::new(0),
            verified: Mutex::default(),
            rejected: Mutex::default(),
            replay,
            syncer: Mutex::new(syncer),
            lock: Mutex::new(lock),
        })
    }

    /// Selections run on this pool instead of on their caller's thread.
    #[must_use]
    pub fn with_pool(mut self, pool: CpuPool) -> Self {
        self.pool = Some(pool);
        self
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// Waits until samples are taken: the series of the log must be known first, which takes some seconds for millions of them.
    pub fn wait_writable(&self) {
        self.head.wait_writable();
    }

    /// Waits until the log has been replayed, and says what was found. Errs where it cannot be read, or the database closes.
    pub fn wait_replayed(&self) -> Result<ReplayStats> {
        self.replay.wait()
    }

    /// What the replay at opening found; nothing while it runs.
    pub fn replay_stats(&self) -> ReplayStats {
        self.replay.stats().unwrap_or_default()
    }

    /// How long it took; zero while it runs.
    pub fn replay_took(&self) -> std::time::Duration {
        self.replay.took()
    }

    /// How far that replay is.
    pub fn replay_progress(&self) -> ReplayProgress {
        self.head.replay_progress()
    }

    /// Blocks that serve, ascending by first time.
    pub fn blocks(&self) -> Arc<Vec<Arc<BlockReader>>> {
        Arc::clone(&self.blocks.read().good)
    }

    /// Blocks that do not serve.
    pub fn bad_blocks(&self) -> Arc<Vec<BadBlock>> {
        Arc::clone(&self.blocks.read().bad)
    }

    /// Metas of the blocks that serve.
    pub fn block_metas(&self) -> Vec<BlockMeta> {
        self.blocks().iter().map(|block| block.meta()).collect()
    }

    /// The least time of any sample, `None` while there is none.
    pub fn start_time(&self) -> Option<Timestamp> {
        let first = self.blocks().first().map(|block| block.meta().min_time);
        let head = (self.head.min_time() <= self.head.max_time()).then(|| self.head.min_time());
        first.into_iter().chain(head).min()
    }

    /// Switches compaction by [`Db::compact_tick`] off and on (a shipper may want to see every block).
    pub fn set_auto_compaction(&self, on: bool) {
        self.auto_compaction.store(on, Ordering::Release);
    }

    /// Series that have ended leave the head early once they are this share of all; 0 for never.
    pub fn set_stale_series_threshold(&self, share: f64) {
        self.stale_threshold.store(share.to_bits(), Ordering::Release);
    }

    /// What limits the blocks now.
    pub fn retention(&self) -> Retention {
        *self.retention.read()
    }

    /// Sets it, from the next tick on.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.write() = retention;
    }

    /// Sets what a reloaded configuration may change.
    pub fn apply_config(&self, out_of_order_window_ms: i64, max_exemplars: usize) {
        self.head.set_out_of_order_window(out_of_order_window_ms);
        self.head.set_max_exemplars(max_exemplars);
    }

    /// Deletes samples with `min_t <= t <= max_t` of matching series. They are hidden at once and gone from disk later.
    pub fn delete(&self, matchers: &[Matcher], min_t: Timestamp, max_t: Timestamp) -> Result<()> {
        self.refuse_while_replaying("nothing can be deleted yet")?;
        let _changing = self.changing.lock();
        for block in self.blocks().iter() {
            if block.meta().overlaps(min_t, max_t) {
                block
                    .delete(matchers, min_t, max_t)
                    .map_err(|e| TsdbError::Block(e.to_string()))?;
            }
        }
        if self.head.may_have(TimeRange::new(min_t, max_t)) {
            self.head.delete(matchers, min_t, max_t)?;
        }
        Ok(())
    }

    /// Bytes that blocks, log and head chunks may have; 0 for no limit. The share of the disk goes before the limit in bytes.
    fn byte_limit(&self) -> u64 {
        let retention = self.retention();
        match self.fs.space(&self.dir) {
            Ok(space) if retention.percent > 0.0 => {
                (space.total_bytes as f64 * retention.percent / 100.0) as u64
            }
            _ => retention.bytes,
        }
    }

    /// Bytes of blocks, log and head chunk files.
    pub fn size_bytes(&self) -> u64 {
        let blocks: u64 = self.blocks().iter().map(|block| block.size_bytes()).sum();
        let log = self.head.wal().and_then(|wal| wal.size_bytes().ok()).unwrap_or(0);
        blocks + log + self.head.chunk_files_bytes()
    }

    /// Stops writing: what was committed is made durable, the lock is given up. Readers may go on.
    pub fn close(&self) -> Result<()> {
        self.replay.stop(&self.head);
        let _changing = self.changing.lock();
        self.syncer.lock().take();
        let synced = self.head.sync();
        self.lock.lock().take();
        synced
    }

    fn refuse_while_replaying(&self, step: &'static str) -> Result<()> {
        if self.head.is_replaying() { Err(TsdbError::Replaying(step)) } else { Ok(()) }
    }

    /// The database's counts of background work.
    pub(crate) fn counters(&self) -> &DbCounters {
        &self.counters
    }

    fn new_ulid(&self) -> Ulid {
        new_ulid(&*self.clock)
    }
}

impl Appendable for Db {
    fn appender(&self, options: AppendOptions) -> Box<dyn Appender + '_> {
        self.head.appender(options)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if let Err(err) = self.close() {
            warn!(component = "tsdb", %err, "closing failed");
        }
    }
}

/// A name for a new block.
pub(crate) fn new_ulid(clock: &dyn Clock) -> Ulid {
    use std::hash::BuildHasher as _;
    let random = |salt: u8| u128::from(std::hash::RandomState::new().hash_one(salt));
    let now = u64::try_from(clock.now_ms()).unwrap_or(0);
    Ulid::from_parts(now, random(0) << 64 | random(1))
}

pub(crate) fn take_lock(fs: &dyn Fs, dir: &Path) -> Result<Box<dyn FileLock>> {
    let path = dir.join("lock");
    fs.lock(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::WouldBlock => TsdbError::Locked(format!("lock DB directory: {source}")),
        _ => TsdbError::Io { action: "locking", path, source },
    })
}

/// Removes what an interrupted write or removal of a block left.
fn remove_unfinished(fs: &dyn Fs, dir: &Path) -> Result<()> {
    for entry in fs.list(dir).at("listing", dir)? {
        let unfinished =
            entry.name.ends_with(CREATION_SUFFIX) || entry.name.ends_with(DELETION_SUFFIX);
        if entry.is_dir && unfinished {
            let path = dir.join(&entry.name);
            fs.remove_dir_all(&path).at("removing", &path)?;
        }
    }
    Ok(())
}

/// Opens the blocks in a folder; those of `loaded` are taken over.
pub(crate) fn load_blocks(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    cache: &Arc<PageCache>,
    loaded: &[Arc<BlockReader>],
) -> Result<Blocks> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for entry in fs.list(dir).at("listing", dir)? {
        if !entry.is_dir || entry.name.parse::<Ulid>().is_err() {
            continue;
        }
        let folder = dir.join(&entry.name);
        if let Some(block) = loaded.iter().find(|block| block.folder() == folder) {
            good.push(Arc::clone(block));
            continue;
        }
        match BlockReader::open(fs, &folder, cache) {
            Ok(block) => good.push(block),
            Err(err) => {
                warn!(component = "tsdb", block = %folder.display(), %err, "block does not serve");
                bad.push(BadBlock { folder, reason: err.to_string() });
            }
        }
    }
    good.sort_by_cached_key(|block| {
        let meta = block.meta();
        (meta.min_time, meta.max_time, meta.ulid)
    });
    Ok(Blocks { good: Arc::new(good), bad: Arc::new(bad) })
}

/// The time before which samples of the log are in blocks. What meta.json says is believed as far as the head knows of it: beyond
/// that a block was made and the head not cut yet, or meta.json is damaged, and the block's chunks tell.
fn min_valid(fs: &dyn Fs, dir: &Path, blocks: &[Arc<BlockReader>]) -> Result<Timestamp> {
    let claimed = end_of_ordered(blocks).unwrap_or(Timestamp::MIN);
    let Some(stored) = stored_cut(fs, dir).map(|cut| cut.min_valid) else { return Ok(claimed) };
    let mut end = claimed.min(stored);
    for block in blocks {
        let meta = block.meta();
        if meta.max_time > stored && !is_partial(&meta) {
            let last = block.last_time().map_err(|err| TsdbError::Block(err.to_string()))?;
            end = end.max(last.map_or(end, |last| last.saturating_add(1).min(meta.max_time)));
        }
    }
    Ok(end)
}

/// End of the newest block of in-order samples.
fn end_of_ordered(blocks: &[Arc<BlockReader>]) -> Option<Timestamp> {
    let metas = blocks.iter().map(|block| block.meta());
    metas.filter(|meta| !is_partial(meta)).map(|meta| meta.max_time).max()
}

/// Whether the head may still have samples in the block's range.
fn is_partial(meta: &BlockMeta) -> bool {
    meta.compaction.has_hint(HINT_OUT_OF_ORDER) || meta.compaction.is_partial_view()
}

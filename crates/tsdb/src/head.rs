//! The head: the newest samples, in memory and in head chunk files. Sharded by target; appended to in batches, read at any time.
//!
//! Locks, in the order in which they are taken: a shard's *commit* lock (held by a commit from log to memory, so that the log's
//! order is the memory's), the *index*, the *gate*, a shard's *data*. A reader holds index and gate shared while it copies what
//! its series have; a commit that touches several shards holds the gate alone, one that touches one shard holds that shard: so a
//! reader sees each commit whole or not at all. Leaves out blocks and retention ([`crate::db`]).

mod appender;
mod blocks;
mod cells;
pub(crate) mod chunk_files;
mod column;
mod cut;
mod deferred;
mod exemplars;
mod index;
mod late;
mod memory;
mod pairs;
mod postings;
mod progress;
mod querier;
mod refs;
mod replay;
mod samples;
mod select;
mod series;
mod shard;
mod space;
mod spill;
mod stale;
mod stats;
mod truncate;
mod young;

use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use gauntlet_model::{Labels, Timestamp};
use gauntlet_runtime::Fs;
use gauntlet_storage::{AppendError, TimeRange};
use parking_lot::{Mutex, RwLock};

use crate::error::{At as _, Result, TsdbError};
use crate::options::Options;
use crate::wal::{Wal, WalOptions, list_segments};

use self::chunk_files::ChunkFiles;
use self::cut::CutFile;
use self::exemplars::Exemplars;
use self::index::{Full, Index, Place};
use self::progress::Progress;
use self::samples::Encodings;
use self::shard::{Bounds, Cutting, ShardData};
use self::space::Space;
use self::spill::Spill;

pub use self::appender::HeadAppender;
pub(crate) use self::appender::append_error;
pub(crate) use self::blocks::block_error;
pub use self::chunk_files::check_bytes as check_head_chunk_bytes;
pub use self::cut::check_bytes as check_head_cut_bytes;
pub(crate) use self::cut::stored_cut;
pub use self::exemplars::SeriesExemplars;
pub use self::memory::MemoryBreakdown;
pub use self::progress::ReplayProgress;
pub use self::replay::{LogToReplay, ReplayStats};
pub use self::stats::{Cardinalities, Cardinality, HeadStats};

/// Shards of a head. More than threads, so that targets spread; few enough that a reader may visit all.
pub(crate) const SHARDS: usize = 16;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
/// Round of cleaning that a head begins with; two above that of the log's series.
const FIRST_ROUND: u8 = 2;

#[derive(Debug)]
struct Shard {
    commit: Mutex<()>,
    data: RwLock<ShardData>,
}

/// Counts of what was taken and refused, since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) floats_appended: AtomicU64,
    pub(crate) histograms_appended: AtomicU64,
    pub(crate) late_appended: AtomicU64,
    pub(crate) exemplars_appended: AtomicU64,
    pub(crate) out_of_order: AtomicU64,
    pub(crate) out_of_bounds: AtomicU64,
    pub(crate) too_old: AtomicU64,
    pub(crate) series_created: AtomicU64,
    pub(crate) series_removed: AtomicU64,
    pub(crate) series_not_found: AtomicU64,
    pub(crate) truncations: AtomicU64,
    pub(crate) wal_corruptions: AtomicU64,
    pub(crate) commits: AtomicU64,
}

/// The head. Shared behind an `Arc`.
#[derive(Debug)]
pub struct Head {
    options: Options,
    fs: Arc<dyn Fs>,
    index: RwLock<Index>,
    shards: Box<[Shard]>,
    gate: RwLock<()>,
    files: Arc<ChunkFiles>,
    wal: Option<Wal>,
    wbl: Option<Wal>,
    /// None where nothing is logged.
    cut_file: Option<CutFile>,
    progress: Progress,
    space: Space,
    /// First parts of open chunks; none where nothing is logged.
    spill: Option<Arc<Spill>>,
    exemplars: Mutex<Exemplars>,
    /// Other references of series in the log: their records are needed as long as their samples are.
    aliases: Mutex<replay::RefMap<replay::Alias>>,
    /// Bounds of in-order samples; `MAX` and `MIN` while there is none.
    min_t: AtomicI64,
    max_t: AtomicI64,
    /// Bounds of late samples, at most too wide; `MAX` and `MIN` while there is none.
    late_min_t: AtomicI64,
    late_max_t: AtomicI64,
    /// Newest time in a snapshot of open chunks; `MIN` where there is none.
    snapshot_end: AtomicI64,
    /// Samples before it belong to blocks.
    min_valid: AtomicI64,
    window_ms: AtomicI64,
    /// New float chunks are of encoding 4.
    xor2: AtomicBool,
    /// Counts departures of samples: see [`Head::departures`].
    departures: AtomicU64,
    /// Counts rounds of cleaning.
    round: AtomicU8,
    pub(crate) counters: Counters,
}

impl Head {
    /// Opens the head of a data folder and replays its log. `min_valid` is the end of the newest block: samples before it are there.
    pub fn open(
        dir: &Path,
        options: &Options,
        fs: &Arc<dyn Fs>,
        min_valid: Timestamp,
    ) -> Result<(Self, ReplayStats)> {
        let (head, log) = Self::start(dir, options, fs, min_valid)?;
        let stats = head.replay(log)?;
        Ok((head, stats))
    }

    /// Opens the head so that it can be written and read at once, and names the log that is still to be replayed: by
    /// [`Head::replay`], on any thread.
    pub fn start(
        dir: &Path,
        options: &Options,
        fs: &Arc<dyn Fs>,
        min_valid: Timestamp,
    ) -> Result<(Self, LogToReplay)> {
        let (wal_dir, wbl_dir) = (dir.join("wal"), dir.join("wbl"));
        let files = ChunkFiles::open(Arc::clone(fs), &dir.join("chunks_head"))?;
        let segments = list_segments(&**fs, &wal_dir).at("listing", &wal_dir)?;
        let mut head = Self::unlogged(options, fs, min_valid, files);
        let tail = replay::look_at_tail(fs, &wal_dir, &segments);
        head.begin_replay(tail.newest);
        if let Some(last) = stored_cut(&**fs, dir).and_then(|cut| cut.next_number.checked_sub(1)) {
            head.shards.iter_mut().for_each(|shard| shard.data.get_mut().reserve_number(last));
        }
        let page = crate::wal::format::PAGE_BYTES as u64;
        let segment_bytes = options.wal_segment_bytes.next_multiple_of(page);
        let wal_options = WalOptions { segment_bytes, compression: options.wal_compression };
        let mut log = LogToReplay::new(dir);
        log.torn = tail.torn;
        let wal = Wal::open(Arc::clone(fs), &wal_dir, wal_options)?;
        log.wal_end = wal.segment();
        head.wal = Some(wal);
        if options.out_of_order_window_ms > 0 || fs.exists(&wbl_dir) {
            let wbl = Wal::open(Arc::clone(fs), &wbl_dir, wal_options)?;
            log.wbl_end = wbl.segment();
            head.wbl = Some(wbl);
        }
        head.cut_file = Some(CutFile::new(fs, dir));
        let spill = Arc::new(Spill::new(Arc::clone(fs), dir));
        for shard in &mut head.shards {
            shard.data.get_mut().cells.spill_to(Arc::clone(&spill));
        }
        head.spill = Some(spill);
        Ok((head, log))
    }

    /// Replays without opening the log for writing; what is appended is not logged.
    pub fn open_read_only(
        dir: &Path,
        options: &Options,
        fs: &Arc<dyn Fs>,
        min_valid: Timestamp,
    ) -> Result<(Self, ReplayStats)> {
        let files = ChunkFiles::open(Arc::clone(fs), &dir.join("chunks_head"))?;
        let mut head = Self::unlogged(options, fs, min_valid, files);
        head.begin_replay(Timestamp::MAX);
        let stats = head.replay(LogToReplay::new(dir))?;
        Ok((head, stats))
    }

    /// A head without a log, for measuring and for building blocks.
    pub fn open_unlogged(dir: &Path, options: &Options, fs: &Arc<dyn Fs>) -> Result<Self> {
        Ok(Self::open_read_only(dir, options, fs, Timestamp::MIN)?.0)
    }

    fn unlogged(
        options: &Options,
        fs: &Arc<dyn Fs>,
        min_valid: Timestamp,
        files: ChunkFiles,
    ) -> Self {
        let shard = || Shard { commit: Mutex::new(()), data: RwLock::new(ShardData::new()) };
        Self {
            options: options.clone(),
            fs: Arc::clone(fs),
            index: RwLock::new(Index::new()),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            gate: RwLock::new(()),
            files: Arc::new(files),
            wal: None,
            wbl: None,
            cut_file: None,
            progress: Progress::default(),
            space: Space::new(options.min_free_bytes),
            spill: None,
            exemplars: Mutex::new(Exemplars::new(options.max_exemplars)),
            aliases: Mutex::default(),
            min_t: AtomicI64::new(Timestamp::MAX),
            max_t: AtomicI64::new(Timestamp::MIN),
            late_min_t: AtomicI64::new(Timestamp::MAX),
            late_max_t: AtomicI64::new(Timestamp::MIN),
            snapshot_end: AtomicI64::new(Timestamp::MIN),
            min_valid: AtomicI64::new(min_valid),
            window_ms: AtomicI64::new(options.out_of_order_window_ms),
            xor2: AtomicBool::new(options.xor2),
            departures: AtomicU64::new(0),
            // Series of the log are of round 0; those that an appender meets while it replays must not pass for such.
            round: AtomicU8::new(FIRST_ROUND),
            counters: Counters::default(),
        }
    }

    /// Looks at how much space is left on the disk of `dir`: with too little, writes are refused until there is more. To be called
    /// about once a second.
    pub fn check_space(&self, dir: &Path) {
        self.space.look(&*self.fs, dir);
    }

    /// Head chunks that were found damaged and are left out of answers.
    pub fn damaged_chunks(&self) -> usize {
        self.files.damaged().len()
    }

    /// Whether writes are refused for want of space.
    pub fn is_short_of_space(&self) -> bool {
        self.space.check_writable().is_err()
    }

    /// How far the replay of the log is.
    pub fn replay_progress(&self) -> ReplayProgress {
        self.progress.now()
    }

    /// Whether a part of the log is still to be read.
    pub fn is_replaying(&self) -> bool {
        self.progress.is_running()
    }

    /// Waits until samples are taken: all series of the log must be known, or the log could not tell them from new ones. Returns
    /// early where the replay ends early.
    pub fn wait_writable(&self) {
        self.progress.wait_writable();
    }

    /// Makes a replay end early, with an error.
    pub fn stop_replay(&self) {
        self.progress.stop();
    }

    fn refuse_while_replaying(&self, step: &'static str) -> Result<()> {
        if self.is_replaying() { Err(TsdbError::Replaying(step)) } else { Ok(()) }
    }

    /// The log, if there is one.
    pub fn wal(&self) -> Option<&Wal> {
        self.wal.as_ref()
    }

    /// Least time of in-order samples, `Timestamp::MAX` while there is none.
    pub fn min_time(&self) -> Timestamp {
        self.min_t.load(Ordering::Acquire)
    }

    /// Greatest time of in-order samples, `Timestamp::MIN` while there is none.
    pub fn max_time(&self) -> Timestamp {
        self.max_t.load(Ordering::Acquire)
    }

    pub fn min_valid_time(&self) -> Timestamp {
        self.min_valid.load(Ordering::Acquire)
    }

    /// Grows before samples leave the head for blocks. A reader of both for whom it stays the same has missed none.
    pub fn departures(&self) -> u64 {
        self.departures.load(Ordering::Acquire)
    }

    /// Number of series.
    pub fn series_count(&self) -> usize {
        self.index.read().len()
    }

    /// Sets the out-of-order window (`out_of_order_time_window` of a reloaded configuration).
    pub fn set_out_of_order_window(&self, window_ms: i64) {
        let window_ms = if self.wbl.is_some() { window_ms } else { 0 };
        self.window_ms.store(window_ms, Ordering::Release);
    }

    /// Sets how many exemplars are kept.
    pub fn set_max_exemplars(&self, max: usize) {
        self.exemplars.lock().resize(max);
    }

    /// Makes all that was committed durable, and writes out full chunks.
    pub fn sync(&self) -> Result<()> {
        self.files.sync();
        self.sync_logs()
    }

    /// Makes what was logged durable.
    pub fn sync_logs(&self) -> Result<()> {
        self.wal.iter().chain(&self.wbl).try_for_each(Wal::sync)
    }

    /// Bytes of head chunk files.
    pub fn chunk_files_bytes(&self) -> u64 {
        self.files.size_bytes().0
    }

    /// Whether there may be samples in the range.
    pub fn may_have(&self, range: TimeRange) -> bool {
        self.is_replaying()
            || self.min_time() <= self.max_time()
                && range.overlaps(self.min_time(), self.max_time())
            || self.may_have_late(range)
    }

    fn may_have_late(&self, range: TimeRange) -> bool {
        let min = self.late_min_t.load(Ordering::Acquire);
        let max = self.late_max_t.load(Ordering::Acquire);
        min <= max && range.overlaps(min, max)
    }

    /// Late samples between these times are there.
    fn widen_late(&self, min_t: Timestamp, max_t: Timestamp) {
        self.late_min_t.fetch_min(min_t, Ordering::AcqRel);
        self.late_max_t.fetch_max(max_t, Ordering::AcqRel);
    }

    fn bounds(&self) -> Bounds {
        let (head_max, min_valid) = (self.max_time(), self.min_valid_time());
        // Half a range is kept free before the newest sample for a block to be cut from.
        let window_end = head_max.saturating_sub(self.options.min_block_ms / 2);
        let window = self.window_ms.load(Ordering::Acquire);
        Bounds { min_valid: window_end.max(min_valid), head_max, window }
    }

    /// Takes the first sample's time as the head's bounds.
    fn init_time(&self, t: Timestamp) {
        if self
            .max_t
            .compare_exchange(Timestamp::MIN, t, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            self.min_t.fetch_min(t, Ordering::AcqRel);
        }
    }

    /// Sets whether new float chunks are of encoding 4 (`chunk_encoding.floats` of a reloaded configuration).
    pub fn set_xor2(&self, on: bool) {
        self.xor2.store(on, Ordering::Release);
    }

    /// Whether new float chunks are of encoding 4.
    pub fn writes_xor2(&self) -> bool {
        self.xor2.load(Ordering::Acquire)
    }

    /// Which encodings new chunks have.
    fn encodings(&self) -> Encodings {
        Encodings {
            xor2: self.xor2.load(Ordering::Relaxed),
            histogram_starts: self.options.histogram_starts,
            starts: self.options.store_starts,
        }
    }

    fn cutting(&self, shard: usize) -> Cutting<'_> {
        Cutting {
            files: &self.files,
            chunk_range: self.options.min_block_ms,
            samples_per_chunk: self.options.samples_per_chunk,
            encodings: self.encodings(),
            shard: shard as u32,
            shards: SHARDS as u32,
        }
    }

    /// The reference of the series with these labels, made if need be.
    fn get_or_create(&self, labels: &Labels) -> std::result::Result<u64, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::EmptyLabels);
        }
        let round = self.round.load(Ordering::Acquire);
        let known = |index: &Index| {
            let place = index.place(index.find(labels)?);
            let (shard, slot) = split_place(place);
            let data = self.shards[shard].data.read();
            data.touch(slot, round);
            Some(make_ref(shard, data.series[slot as usize].number))
        };
        if let Some(found) = known(&self.index.read()) {
            return Ok(found);
        }
        let mut index = self.index.write();
        if let Some(found) = known(&index) {
            return Ok(found);
        }
        let shard = shard_for(labels);
        let mut data = self.shards[shard].data.write();
        let (number, slot) = data.create(index.end(), round);
        if let Err(full) = index.insert(labels, make_place(shard, slot)) {
            data.remove(slot);
            return Err(match full {
                Full::Strings => {
                    AppendError::ReadOnly("4 GiB of label strings in the head".to_owned())
                }
                Full::Labels => AppendError::Unsupported("more than 255 labels on a series"),
            });
        }
        self.counters.series_created.fetch_add(1, Ordering::Relaxed);
        Ok(make_ref(shard, number))
    }
}

/// Series of one target go to one shard, so that a scrape commits under one lock; others by all of their labels.
fn shard_for(labels: &Labels) -> usize {
    let hasher = foldhash::fast::FixedState::default();
    let target = (labels.get("job"), labels.get("instance"));
    let hash = match target {
        (None, None) => labels.hash(),
        target => hasher.hash_one(target),
    };
    (hash >> (64 - SHARD_BITS)) as usize
}

fn make_ref(shard: usize, number: u32) -> u64 {
    u64::from(number) * SHARDS as u64 + shard as u64
}

/// Shard and number of a reference; `None` where no reference of ours is as large.
#[inline]
fn split_ref(series: u64) -> Option<(usize, u32)> {
    let number = u32::try_from(series / SHARDS as u64).ok()?;
    Some((series as usize % SHARDS, number))
}

fn make_place(shard: usize, slot: u32) -> Place {
    slot << SHARD_BITS | shard as u32
}

fn split_place(place: Place) -> (usize, u32) {
    (place as usize % SHARDS, place >> SHARD_BITS)
}

/// The reference that a shard's series has outside.
fn ref_of(shard: usize, data: &ShardData, slot: u32) -> u64 {
    make_ref(shard, data.series[slot as usize].number)
}

#[cfg(test)]
mod tests;

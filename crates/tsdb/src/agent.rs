//! The agent's storage: a write-ahead log and what is needed to write it. Nothing can be queried; remote write follows the log.
//!
//! Folder: `wal/` in the server's format, `lock`. A series is known by its labels as long as samples of it are kept; its newest time keeps
//! late samples out. [`AgentDb::truncate`] forgets series and cuts the log. Leaves out blocks, chunks and everything else of [`crate::db`].

mod appender;
mod series;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gauntlet_model::Timestamp;
use gauntlet_runtime::{FileLock, Fs};
use gauntlet_storage::{AppendOptions, Appendable, Appender};
use gauntlet_telemetry::Registry;
use parking_lot::Mutex;
use tracing::{info, warn};

use self::appender::AgentAppender;
use self::series::SeriesSet;
use crate::error::{At as _, Result, TsdbError};
use crate::wal::checkpoint::{Needed, last_checkpoint, remove_checkpoints_below, write_checkpoint};
use crate::wal::format::{DEFAULT_SEGMENT_BYTES, PAGE_BYTES};
use crate::wal::{Compression, Records, SegmentReader, Wal, WalOptions, list_segments};

/// `--storage.agent.*`. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// `wal-segment-size`
    pub wal_segment_bytes: u64,
    pub wal_compression: Compression,
    /// `wal-truncate-frequency`
    pub truncate_every_ms: i64,
    /// `retention.min-time`: samples are kept so long after they were sent.
    pub min_time_ms: i64,
    /// `retention.max-time`: older samples go, sent or not.
    pub max_time_ms: i64,
    pub no_lockfile: bool,
    /// `out_of_order_time_window` of the configuration file.
    pub out_of_order_window_ms: i64,
    /// Feature `st-storage`: start timestamps of samples are logged.
    pub store_starts: bool,
}

impl Default for AgentOptions {
    fn default() -> Self {
        const MINUTE: i64 = 60 * 1000;
        Self {
            wal_segment_bytes: DEFAULT_SEGMENT_BYTES,
            wal_compression: Compression::default(),
            truncate_every_ms: 2 * 60 * MINUTE,
            min_time_ms: 5 * MINUTE,
            max_time_ms: 4 * 60 * MINUTE,
            no_lockfile: false,
            out_of_order_window_ms: 0,
            store_starts: false,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    floats: AtomicU64,
    histograms: AtomicU64,
    exemplars: AtomicU64,
    out_of_order: AtomicU64,
    corruptions: AtomicU64,
    checkpoints: AtomicU64,
    checkpoints_failed: AtomicU64,
    checkpoint_deletions: AtomicU64,
    checkpoint_deletions_failed: AtomicU64,
}

/// The storage. Shared behind an `Arc`.
#[derive(Debug)]
pub struct AgentDb {
    dir: PathBuf,
    fs: Arc<dyn Fs>,
    options: AgentOptions,
    wal: Wal,
    series: Mutex<SeriesSet>,
    /// Held by a commit from log to memory, so that the log's order is the memory's.
    committing: Mutex<()>,
    newest: AtomicI64,
    window_ms: AtomicI64,
    counters: Counters,
    lock: Mutex<Option<Box<dyn FileLock>>>,
}

impl AgentDb {
    /// Opens the storage in `dir`, made if missing: takes the lock, learns the series of the log.
    pub fn open(dir: &Path, options: AgentOptions, fs: Arc<dyn Fs>) -> Result<Self> {
        fs.create_dir_all(dir).at("creating", dir)?;
        let lock = if options.no_lockfile { None } else { Some(crate::db::take_lock(&*fs, dir)?) };
        let wal_dir = dir.join("wal");
        fs.create_dir_all(&wal_dir).at("creating", &wal_dir)?;
        let counters = Counters::default();
        let mut series = SeriesSet::default();
        let newest = replay(&fs, &wal_dir, &mut series, &counters)?;
        let wal_options = WalOptions {
            segment_bytes: options.wal_segment_bytes.next_multiple_of(PAGE_BYTES as u64),
            compression: options.wal_compression,
        };
        let wal = Wal::open(Arc::clone(&fs), &wal_dir, wal_options)?;
        info!(component = "agent", series = series.len(), "opened");
        Ok(Self {
            dir: dir.to_owned(),
            fs,
            window_ms: AtomicI64::new(options.out_of_order_window_ms),
            options,
            wal,
            series: Mutex::new(series),
            committing: Mutex::new(()),
            newest: AtomicI64::new(newest),
            counters,
            lock: Mutex::new(lock),
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn options(&self) -> &AgentOptions {
        &self.options
    }

    pub fn wal(&self) -> &Wal {
        &self.wal
    }

    /// Series that samples are taken for.
    pub fn series_count(&self) -> usize {
        self.series.lock().len()
    }

    /// Greatest time of any sample; `Timestamp::MIN` while there is none.
    pub fn newest_time(&self) -> Timestamp {
        self.newest.load(Ordering::Acquire)
    }

    /// Sets what a reloaded configuration may change.
    pub fn set_out_of_order_window(&self, window_ms: i64) {
        self.window_ms.store(window_ms, Ordering::Release);
    }

    /// Makes durable what was committed.
    pub fn sync(&self) -> Result<()> {
        self.wal.sync()
    }

    /// Forgets series without samples since `min_t` and cuts the older two thirds of the log down to a checkpoint. Segments from
    /// `needed` on stay: somebody has yet to read them.
    pub fn truncate(&self, min_t: Timestamp, needed: Option<u32>) -> Result<()> {
        let dir = self.wal.dir().to_owned();
        let (first, last) = {
            let segments = list_segments(&*self.fs, &dir).at("listing", &dir)?;
            match (segments.first(), segments.last()) {
                (Some((first, _)), Some((last, _))) => (*first, *last),
                _ => return Ok(()),
            }
        };
        self.series.lock().forget_before(min_t, last);
        self.wal.next_segment()?;
        let Some(last) = last.checked_sub(1) else { return Ok(()) };
        let mut last = first + last.saturating_sub(first) * 2 / 3;
        if let Some(needed) = needed {
            last = last.min(needed.saturating_sub(1));
        }
        if last <= first {
            return Ok(());
        }
        self.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        let needed = Needed { samples_from: min_t, tombstones_from: min_t };
        let keep = |series: u64| self.series.lock().keeps(series, last);
        let written = write_checkpoint(&self.fs, &dir, last, needed, self.wal.options(), &keep);
        match written {
            Ok(stats) => {
                let damages = stats.damage.len() as u64;
                self.counters.corruptions.fetch_add(damages, Ordering::Relaxed);
            }
            Err(err) => {
                self.counters.checkpoints_failed.fetch_add(1, Ordering::Relaxed);
                return Err(err);
            }
        }
        self.wal.remove_below(last + 1)?;
        self.series.lock().forget_deleted(last);
        self.counters.checkpoint_deletions.fetch_add(1, Ordering::Relaxed);
        if let Err(err) = remove_checkpoints_below(&*self.fs, &dir, last) {
            self.counters.checkpoint_deletions_failed.fetch_add(1, Ordering::Relaxed);
            warn!(component = "agent", %err, "old checkpoints could not be removed");
        }
        info!(component = "agent", first, last, "WAL checkpoint complete");
        Ok(())
    }

    /// Stops writing: what was committed is made durable, the lock is given up.
    pub fn close(&self) -> Result<()> {
        let synced = self.wal.sync();
        self.lock.lock().take();
        synced
    }
}

impl Appendable for AgentDb {
    fn appender(&self, options: AppendOptions) -> Box<dyn Appender + '_> {
        Box::new(AgentAppender::new(self, options))
    }
}

/// Learns series and their newest times; gives the greatest.
fn replay(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    series: &mut SeriesSet,
    counters: &Counters,
) -> Result<Timestamp> {
    let mut folders = Vec::new();
    let mut from = 0;
    if let Some((number, folder)) = last_checkpoint(&**fs, dir)? {
        from = number + 1;
        for (segment, _) in list_segments(&**fs, &folder).at("listing", &folder)? {
            folders.push((folder.clone(), segment, number));
        }
    }
    for (segment, _) in list_segments(&**fs, dir).at("listing", dir)? {
        if segment >= from {
            folders.push((dir.to_owned(), segment, segment));
        }
    }
    let mut newest = Timestamp::MIN;
    let mut records = Records::default();
    for (folder, segment, number) in folders {
        let mut reader = SegmentReader::open(&**fs, &folder, segment).at("opening", &folder)?;
        loop {
            records.clear();
            match reader.next_record().at("reading", &folder)? {
                None => break,
                Some(record) => {
                    if records.decode(record).is_err() {
                        counters.corruptions.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            for entry in &records.series {
                series.replayed(entry.series, &entry.labels, number);
            }
            let floats = records.samples.iter().map(|e| (e.series, e.t));
            let whole = records.histograms.iter().map(|e| (e.series, e.t));
            let float = records.float_histograms.iter().map(|e| (e.series, e.t));
            for (reference, t) in floats.chain(whole).chain(float) {
                series.saw(reference, t);
                newest = newest.max(t);
            }
        }
        let damages = reader.take_damage().len() as u64;
        counters.corruptions.fetch_add(damages, Ordering::Relaxed);
    }
    Ok(newest)
}

/// Registers `prometheus_agent_*`.
pub fn register_agent_metrics(db: &Arc<AgentDb>, registry: &Registry) {
    let gauge = |name, help, value: fn(&AgentDb) -> f64| {
        let db = Arc::clone(db);
        registry.gauge_fn(name, help, move || value(&db));
    };
    let counter = |name, help, value: fn(&Counters) -> &AtomicU64| {
        let db = Arc::clone(db);
        registry.counter_fn(name, help, move || value(&db.counters).load(Ordering::Relaxed) as f64);
    };
    gauge(
        "prometheus_agent_active_series",
        "Number of active series being tracked by the WAL storage",
        |db| db.series_count() as f64,
    );
    gauge(
        "prometheus_agent_deleted_series",
        "Number of series pending deletion from the WAL",
        |db| db.series.lock().deleted() as f64,
    );
    counter(
        "prometheus_agent_exemplars_appended_total",
        "Total number of exemplars appended to the storage",
        |c| &c.exemplars,
    );
    counter(
        "prometheus_agent_out_of_order_samples_total",
        "Total number of out of order samples ingestion failed attempts.",
        |c| &c.out_of_order,
    );
    counter("prometheus_agent_corruptions_total", "Total number of WAL corruptions.", |c| {
        &c.corruptions
    });
    counter(
        "prometheus_agent_checkpoint_creations_total",
        "Total number of checkpoint creations attempted.",
        |c| &c.checkpoints,
    );
    counter(
        "prometheus_agent_checkpoint_creations_failed_total",
        "Total number of checkpoint creations that failed.",
        |c| &c.checkpoints_failed,
    );
    counter(
        "prometheus_agent_checkpoint_deletions_total",
        "Total number of checkpoint deletions attempted.",
        |c| &c.checkpoint_deletions,
    );
    counter(
        "prometheus_agent_checkpoint_deletions_failed_total",
        "Total number of checkpoint deletions that failed.",
        |c| &c.checkpoint_deletions_failed,
    );
    registry.register(Arc::new(Appended(Arc::clone(db))));
}

/// `prometheus_agent_samples_appended_total` by type.
#[derive(Debug)]
struct Appended(Arc<AgentDb>);

impl gauntlet_telemetry::Collect for Appended {
    fn collect(&self, out: &mut Vec<gauntlet_telemetry::MetricFamily>) {
        use gauntlet_telemetry::{Metric, MetricFamily, MetricKind, MetricValue};
        let counters = &self.0.counters;
        let metric = |kind: &str, count: &AtomicU64| Metric {
            labels: vec![("type".into(), kind.to_owned())],
            value: MetricValue::Counter(count.load(Ordering::Relaxed) as f64),
        };
        out.push(MetricFamily {
            name: "prometheus_agent_samples_appended_total".into(),
            help: "Total number of samples appended to the storage".into(),
            kind: MetricKind::Counter,
            metrics: vec![
                metric("float", &counters.floats),
                metric("histogram", &counters.histograms),
            ],
        });
    }
}

fn read_only(err: TsdbError) -> gauntlet_storage::AppendError {
    crate::head::append_error(err)
}

#[cfg(test)]
mod tests;

//! From the log to memory: head chunk files give closed chunks, checkpoint and segments the rest, then the log of late samples.
//!
//! First all series of the log are read, and nothing else: from then on samples are taken, since none of theirs can pass for a new
//! series. Then one thread reads and decodes, the others append, each to shards of its own. Appenders and readers go on meanwhile:
//! see [`super::young`]. Damage is counted, named and passed over. Head chunk files are a cache: where a log's sample should be in a
//! closed chunk and is not, the series' chunks from there on are forgotten and made anew from the log.

mod series;
mod snapshot;
mod tail;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use gauntlet_model::Timestamp;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tracing::warn;

use self::series::{SeriesReader, removes_series};
pub(super) use self::tail::look_at_tail;
use self::worker::Replaying;
use super::appender::LateLog;
use super::chunk_files::FoundChunk;

use super::samples::Value;
use super::{Head, SHARDS, split_ref};
use crate::error::{At as _, Result, TsdbError};
use crate::wal::checkpoint::{last_checkpoint, remove_checkpoints_below};
use crate::wal::format::list_segments;
use crate::wal::record::{RecordError, Records, SAMPLES, TombstoneEntry, each_plain_sample};
use crate::wal::snapshot::list_snapshots;
use crate::wal::{Damage, SegmentReader};

/// Samples sent to a worker at once.
const BATCH: usize = 2048;
/// Batches that may wait for a worker: bounds the memory of a replay.
const QUEUE: usize = 16;
/// Most damages kept by name; all are counted.
const MAX_NAMED: usize = 100;

/// Another reference of a series, and the newest sample that the log has under it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alias {
    pub(crate) series: u64,
    pub(crate) max_t: Timestamp,
}

pub(crate) type RefMap<T> = HashMap<u64, T, foldhash::fast::FixedState>;

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub struct ReplayStats {
    pub segments: u64,
    pub series: u64,
    pub samples: u64,
    pub late_samples: u64,
    pub chunks: u64,
    /// Samples and others of series that the log does not name.
    pub unknown_series: u64,
    pub damage: Vec<Damage>,
    pub damages: u64,
}

/// The part of a folder that was there when its head was opened.
#[derive(Debug)]
pub struct LogToReplay {
    dir: PathBuf,
    /// First segments that are not replayed: they are written meanwhile.
    pub(super) wal_end: u32,
    pub(super) wbl_end: u32,
    /// What a kill left of a record at the end; it was cut off.
    pub(super) torn: Option<Damage>,
    learned: Option<Learned>,
}

/// What the first reading of the log found.
#[derive(Debug)]
struct Learned {
    stats: ReplayStats,
    places: Vec<(PathBuf, u32)>,
    aliases: RefMap<Alias>,
    removed: HashSet<u64, foldhash::fast::FixedState>,
    late: RefMap<FoundChunk>,
    /// The newest snapshot of open chunks, and whether it names series that the log does not.
    snapshot: Option<(PathBuf, bool)>,
}

impl LogToReplay {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            wal_end: u32::MAX,
            wbl_end: u32::MAX,
            torn: None,
            learned: None,
        }
    }
}

/// Work for the thread that owns a shard.
struct Work {
    shard: usize,
    samples: Samples,
}

/// Samples of a shard in the order of the log. Series go by their numbers.
enum Samples {
    Floats(Vec<Float>),
    /// Histograms, and whatever has a start timestamp.
    Others(Vec<(u32, Timestamp, Value)>),
}

#[derive(Clone, Copy)]
struct Float {
    t: Timestamp,
    value: f64,
    number: u32,
}

/// Emptied lists of floats, to be filled again.
type Spare = Mutex<Vec<Vec<Float>>>;

/// Reads all else.
struct Reader<'a> {
    head: &'a Head,
    stats: &'a mut ReplayStats,
    aliases: RefMap<Alias>,
    removed: HashSet<u64, foldhash::fast::FixedState>,
    /// By shard. While one has others, it has no floats.
    floats: Vec<Vec<Float>>,
    others: Vec<Vec<(u32, Timestamp, Value)>>,
    spare: &'a Spare,
    workers: Vec<SyncSender<Work>>,
}

impl Head {
    /// Samples of appenders wait from now on.
    pub(super) fn begin_replay(&mut self, log_end: Timestamp) {
        for shard in &mut self.shards {
            shard.data.get_mut().replaying = Some(log_end);
        }
        self.exemplars.get_mut().begin_replay();
        self.progress.begin();
    }

    /// Reads the log that [`Head::start`] found. Blocks until that is done; others may append and read meanwhile.
    pub fn replay(&self, mut log: LogToReplay) -> Result<ReplayStats> {
        let replayed = self.learn_series(&mut log).and_then(|()| self.replay_rest(log));
        if replayed.is_err() {
            // Whoever waits for it need not wait longer.
            self.progress.stop();
        }
        replayed
    }

    /// The first part of [`Head::replay`]: makes the series of the log known, so that samples can be taken.
    pub(crate) fn learn_series(&self, log: &mut LogToReplay) -> Result<()> {
        if log.learned.is_some() {
            return Ok(());
        }
        let mut stats = ReplayStats::default();
        note(&mut stats, log.torn.take().into_iter().collect());
        let (found, damage) = self.files.list_chunks();
        stats.chunks = found.len() as u64;
        note(&mut stats, damage);
        // Numbers that chunks carry are not given anew, even if the log has forgotten their series.
        for chunk in &found {
            if let Some((shard, number)) = split_ref(chunk.series) {
                self.shards[shard].data.write().reserve_number(number);
            }
        }
        // A late chunk counts where the late log marks it: after it went to a block, its mark is gone.
        let late = found.iter().filter(|chunk| chunk.late).map(|chunk| (chunk.chunk, *chunk));
        let late: RefMap<FoundChunk> = late.collect();
        let mut chunks = found;
        chunks.retain(|chunk| !chunk.late);
        chunks.sort_unstable_by_key(|chunk| (chunk.series, chunk.min_t, chunk.chunk));
        let places = self.places(&log.dir.join("wal"), log.wal_end)?;
        let mut reader = SeriesReader {
            head: self,
            stats: &mut stats,
            aliases: HashMap::default(),
            chunks,
            removed: HashSet::default(),
        };
        reader.read(&places)?;
        let mut snapshot = None;
        if let Some(folder) = list_snapshots(&*self.fs, &log.dir)?.pop() {
            let lost = reader.read_snapshot(&folder)?;
            snapshot = Some((folder, lost));
        }
        let SeriesReader { aliases, removed, .. } = reader;
        log.learned = Some(Learned { stats, places, aliases, removed, late, snapshot });
        self.progress.set_writable();
        Ok(())
    }

    fn replay_rest(&self, log: LogToReplay) -> Result<ReplayStats> {
        let LogToReplay { dir, wbl_end, learned, .. } = log;
        let learned = learned.expect("BUG: series come first");
        let Learned { mut stats, places, aliases, removed, late, snapshot } = learned;
        let aliases = self.replay_ordered(&places, aliases, removed, &mut stats)?;
        if let Some((folder, lost)) = snapshot
            && (lost || stats.damages > 0)
        {
            self.mend(&folder, &aliases, &mut stats)?;
        }
        self.replay_late(&dir.join("wbl"), wbl_end, &aliases, &late, &mut stats)?;
        self.narrow_late();
        *self.aliases.lock() = aliases;
        self.settle_young()?;
        self.remove_empty();
        self.bounds_after_replay();
        self.settle_late()?;
        self.exemplars.lock().end_replay();
        stats.series = self.series_count() as u64;
        self.counters.wal_corruptions.fetch_add(stats.damages, Ordering::Relaxed);
        self.progress.end();
        Ok(stats)
    }

    /// Folders and segments of the log, in order: the newest checkpoint, and what is behind it up to `end`, out.
    fn places(&self, dir: &Path, end: u32) -> Result<Vec<(PathBuf, u32)>> {
        let fs = &*self.fs;
        let mut from = 0;
        let mut places: Vec<(PathBuf, u32)> = Vec::new();
        if let Some((number, folder)) = last_checkpoint(fs, dir)? {
            for (segment, _) in list_segments(fs, &folder).at("listing", &folder)? {
                places.push((folder.clone(), segment));
            }
            from = number + 1;
            remove_checkpoints_below(fs, dir, number)?;
        }
        for (segment, _) in list_segments(fs, dir).at("listing", dir)? {
            if segment >= from && segment < end {
                places.push((dir.to_owned(), segment));
            }
        }
        if let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) {
            self.progress.set_range(u64::from(*first), u64::from(*last));
        }
        Ok(places)
    }

    /// Replays samples and all else but series. Returns the aliases, with their newest times.
    fn replay_ordered(
        &self,
        places: &[(PathBuf, u32)],
        aliases: RefMap<Alias>,
        removed: HashSet<u64, foldhash::fast::FixedState>,
        stats: &mut ReplayStats,
    ) -> Result<RefMap<Alias>> {
        let spare = Spare::default();
        let spare = &spare;
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, SHARDS);
        let (aliases, unknown) = std::thread::scope(|scope| {
            let mut workers = Vec::new();
            let mut threads_running = Vec::new();
            for _ in 0..threads {
                let (sender, receiver) = sync_channel(QUEUE);
                workers.push(sender);
                threads_running.push(scope.spawn(move || self.replay_worker(&receiver, spare)));
            }
            let mut reader = Reader {
                head: self,
                stats,
                aliases,
                removed,
                floats: (0..SHARDS).map(|_| Vec::new()).collect(),
                others: (0..SHARDS).map(|_| Vec::new()).collect(),
                spare,
                workers,
            };
            reader.read_log(places)?;
            // Without their senders the workers end.
            let Reader { aliases, workers, .. } = reader;
            drop(workers);
            let mut unknown = 0;
            for thread in threads_running {
                unknown += thread.join().expect("BUG: a replay worker panicked");
            }
            Ok::<_, TsdbError>((aliases, unknown))
        })?;
        stats.unknown_series += unknown;
        stats.samples -= unknown.min(stats.samples);
        if stats.unknown_series > 0 {
            warn!(
                component = "tsdb",
                entries = stats.unknown_series,
                "log names no labels for some series"
            );
        }
        Ok(aliases)
    }

    /// Appends what came during the replay behind what the log had.
    fn settle_young(&self) -> Result<()> {
        let mut log = LateLog::default();
        let mut lost = 0u64;
        for (shard, state) in self.shards.iter().enumerate() {
            let cutting = self.cutting(shard);
            let mut data = state.data.write();
            for (slot, samples) in data.take_young() {
                for (t, value) in samples {
                    let value = if value.is_stale() { data.stale_for(slot, value) } else { value };
                    if data.append(slot, t, &value, &cutting) {
                        continue;
                    }
                    if self.wbl.is_none() {
                        lost += 1;
                        continue;
                    }
                    // The log had newer ones than its end told.
                    let series = super::ref_of(shard, &data, slot);
                    if data.late.entry(slot).or_default().insert(t, value.clone()) {
                        self.widen_late(t, t);
                        log.add(series, t, value);
                    }
                }
            }
        }
        if lost > 0 {
            self.counters.out_of_order.fetch_add(lost, Ordering::Relaxed);
            warn!(
                component = "tsdb",
                samples = lost,
                "samples taken during the replay were older than the log's"
            );
        }
        match &self.wbl {
            Some(wbl) if !log.is_empty() => wbl.log(&log.finish()).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Appends what the reader sends until it is gone. Returns how many samples had no series.
    fn replay_worker(&self, work: &Receiver<Work>, spare: &Spare) -> u64 {
        let mut unknown = 0;
        let mut covered: Vec<Vec<Timestamp>> = (0..SHARDS).map(|_| Vec::new()).collect();
        while let Ok(Work { shard, samples }) = work.recv() {
            let cutting = self.cutting(shard);
            let mut data = self.shards[shard].data.write();
            let mut shard = Replaying { data: &mut data, cutting, covered: &mut covered[shard] };
            match samples {
                Samples::Floats(mut floats) => {
                    unknown += shard.take_floats(&floats);
                    floats.clear();
                    spare.lock().push(floats);
                }
                Samples::Others(others) => {
                    for (number, t, value) in others {
                        match shard.slot_of(number) {
                            Some(slot) => shard.take(slot, t, value),
                            None => unknown += 1,
                        }
                    }
                }
            }
        }
        unknown
    }

    /// Late samples, and marks of those that are in chunks.
    fn replay_late(
        &self,
        dir: &Path,
        end: u32,
        aliases: &RefMap<Alias>,
        chunks: &RefMap<FoundChunk>,
        stats: &mut ReplayStats,
    ) -> Result<()> {
        let find = |series: u64| {
            let series = aliases.get(&series).map_or(series, |alias| alias.series);
            let (shard, number) = split_ref(series)?;
            let slot = self.shards[shard].data.read().slot_of(number)?;
            Some((shard, slot))
        };
        let encodings = self.encodings();
        for (segment, _) in list_segments(&*self.fs, dir).at("listing", dir)? {
            if segment >= end {
                break;
            }
            let mut records = Records::default();
            each_record(self, dir, segment, stats, |record, stats| {
                records.clear();
                let decoded = records.decode(record);
                let records = &mut records;
                for marker in &records.mmap_markers {
                    // A mark of a chunk that was lost is no mark: its samples are still here.
                    if let Some((shard, slot)) = find(marker.series)
                        && let Some(chunk) = chunks.get(&marker.chunk)
                    {
                        let mut data = self.shards[shard].data.write();
                        let late = data.late.entry(slot).or_default();
                        late.clear_buffer();
                        late.attach(chunk);
                    }
                }
                let mut samples: Vec<(u64, Timestamp, Value)> = Vec::new();
                take_values(records, |series, t, value| samples.push((series, t, value)));
                for (series, t, value) in samples {
                    let Some((shard, slot)) = find(series) else {
                        stats.unknown_series += 1;
                        continue;
                    };
                    // A full buffer is written out with the next sample that comes, which logs a mark of it.
                    let mut data = self.shards[shard].data.write();
                    let late = data.late.entry(slot).or_default();
                    stats.late_samples += u64::from(late.insert(t, encodings.strip(value)));
                }
                decoded.map(|()| records.unknown == 0)
            })?;
        }
        Ok(())
    }

    /// Writes out late samples that the log has without a mark, and marks them, so that the next replay need not.
    pub(crate) fn settle_late(&self) -> Result<()> {
        let Some(wbl) = &self.wbl else { return Ok(()) };
        let mut log = LateLog::default();
        for (shard, state) in self.shards.iter().enumerate() {
            let mut data = state.data.write();
            let mut slots: Vec<u32> = data.late.keys().copied().collect();
            slots.sort_unstable();
            for slot in slots {
                let series = super::ref_of(shard, &data, slot);
                let Some(late) = data.late.get_mut(&slot) else { continue };
                let places = late.write_out_surplus(series, &self.files, self.encodings());
                if !places.is_empty() {
                    // A mark stands for all before it: what is still in the buffer is logged again behind it.
                    log.mark(series, &places);
                    for (t, value) in late.buffered() {
                        log.add(series, *t, value.clone());
                    }
                }
            }
        }
        if !log.is_empty() {
            self.files.sync();
            wbl.log(&log.finish())?;
        }
        Ok(())
    }

    fn bounds_after_replay(&self) {
        let bounds = self.shards.iter().filter_map(|shard| shard.data.read().bounds());
        if let Some((low, high)) = bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
            self.min_t.fetch_min(low, Ordering::AcqRel);
            self.max_t.fetch_max(high, Ordering::AcqRel);
        }
    }
}

impl Reader<'_> {
    fn read_log(&mut self, places: &[(PathBuf, u32)]) -> Result<()> {
        let head = self.head;
        let mut records = Records::default();
        for (dir, segment) in places {
            let mut stats = std::mem::take(self.stats);
            stats.segments += 1;
            head.progress.set_current(u64::from(*segment));
            let result = each_record(head, dir, *segment, &mut stats, |record, stats| {
                if record.first() == Some(&SAMPLES) {
                    return self.take_floats(record, stats);
                }
                records.clear();
                let decoded = records.decode(record);
                self.take(&mut records, stats);
                decoded.map(|()| records.unknown == 0)
            });
            *self.stats = stats;
            result?;
        }
        for shard in 0..SHARDS {
            self.send(shard);
        }
        Ok(())
    }

    /// Where a sample of the log goes; `None` where it goes nowhere.
    #[inline]
    fn place(
        &mut self,
        mut series: u64,
        t: Timestamp,
        min_valid: Timestamp,
        stats: &mut ReplayStats,
    ) -> Option<(usize, u32)> {
        if t < min_valid || !self.removed.is_empty() && self.removed.contains(&series) {
            return None;
        }
        if !self.aliases.is_empty()
            && let Some(alias) = self.aliases.get_mut(&series)
        {
            alias.max_t = alias.max_t.max(t);
            series = alias.series;
        }
        match split_ref(series) {
            Some(place) => {
                stats.samples += 1;
                Some(place)
            }
            None => {
                stats.unknown_series += 1;
                None
            }
        }
    }

    /// Takes the samples of a record of plain floats: most of a log.
    fn take_floats(
        &mut self,
        record: &[u8],
        stats: &mut ReplayStats,
    ) -> std::result::Result<bool, RecordError> {
        let min_valid = self.head.min_valid_time();
        each_plain_sample(record, |series, t, value| {
            let Some((shard, number)) = self.place(series, t, min_valid, stats) else { return };
            if !self.others[shard].is_empty() {
                self.send(shard);
            }
            self.floats[shard].push(Float { t, value, number });
            if self.floats[shard].len() >= BATCH {
                self.send(shard);
            }
        })?;
        Ok(true)
    }

    fn take(&mut self, records: &mut Records, stats: &mut ReplayStats) {
        let min_valid = self.head.min_valid_time();
        take_values(records, |series, t, value| {
            let Some((shard, number)) = self.place(series, t, min_valid, stats) else { return };
            if !self.floats[shard].is_empty() {
                self.send(shard);
            }
            self.others[shard].push((number, t, value));
            if self.others[shard].len() >= BATCH {
                self.send(shard);
            }
        });
        for entry in records.exemplars.drain(..) {
            if entry.t < min_valid {
                continue;
            }
            match self.find(entry.series) {
                Some((shard, slot)) => {
                    let data = self.head.shards[shard].data.read();
                    let series = super::ref_of(shard, &data, slot);
                    drop(data);
                    self.head.exemplars.lock().add(series, entry.t, entry.value, entry.labels);
                }
                None => stats.unknown_series += 1,
            }
        }
        for entry in records.metadata.drain(..) {
            if let Some((shard, slot)) = self.find(entry.series) {
                let metadata = std::sync::Arc::new(entry.metadata);
                let mut data = self.head.shards[shard].data.write();
                // What an appender brought meanwhile is newer.
                if !data.young.contains_key(&slot) || !data.metadata.contains_key(&slot) {
                    data.metadata.insert(slot, metadata);
                }
            }
        }
        let tombstones = std::mem::take(&mut records.tombstones);
        for entry in tombstones.iter().filter(|entry| !removes_series(entry)) {
            self.take_tombstone(entry, stats);
        }
    }

    fn take_tombstone(&mut self, entry: &TombstoneEntry, stats: &mut ReplayStats) {
        let series = self.aliases.get(&entry.series).map_or(entry.series, |alias| alias.series);
        let Some((shard, number)) = split_ref(series) else { return };
        self.head.shards[shard].data.write().reserve_number(number);
        // Old ones are kept as well: late samples may lie before the valid time.
        match self.find(series) {
            Some((shard, slot)) => {
                self.head.shards[shard].data.write().delete(slot, (entry.min_t, entry.max_t));
            }
            None if entry.max_t >= self.head.min_valid_time() => stats.unknown_series += 1,
            None => {}
        }
    }

    fn find(&self, series: u64) -> Option<(usize, u32)> {
        let mut actual = series;
        if !self.aliases.is_empty()
            && let Some(alias) = self.aliases.get(&series)
        {
            actual = alias.series;
        }
        let (shard, number) = split_ref(actual)?;
        let slot = self.head.shards[shard].data.read().slot_of(number)?;
        Some((shard, slot))
    }

    fn send(&mut self, shard: usize) {
        let samples = if !self.floats[shard].is_empty() {
            let next = self.spare.lock().pop().unwrap_or_else(|| Vec::with_capacity(BATCH));
            Samples::Floats(std::mem::replace(&mut self.floats[shard], next))
        } else if !self.others[shard].is_empty() {
            Samples::Others(std::mem::take(&mut self.others[shard]))
        } else {
            return;
        };
        let worker = &self.workers[shard % self.workers.len()];
        if worker.send(Work { shard, samples }).is_err() {
            panic!("BUG: a replay worker ended before its reader");
        }
    }
}

/// Hands the records of a segment to `take`, one by one. What it does not understand, by its error, or not know, by `false`, is noted
/// with the damage.
fn each_record(
    head: &Head,
    dir: &Path,
    segment: u32,
    stats: &mut ReplayStats,
    mut take: impl FnMut(&[u8], &mut ReplayStats) -> std::result::Result<bool, RecordError>,
) -> Result<()> {
    let mut reader = SegmentReader::open(&*head.fs, dir, segment).at("opening segment in", dir)?;
    loop {
        if head.progress.is_stopped() {
            return Err(TsdbError::Closing);
        }
        let taken = match reader.next_record() {
            Ok(None) => break,
            Ok(Some(record)) => take(record, stats),
            Err(err) => {
                // The rest of the segment cannot be read: it is lost, and said to be.
                let path = reader.path().to_owned();
                note(
                    stats,
                    vec![Damage { path, offset: reader.record_offset(), reason: err.to_string() }],
                );
                break;
            }
        };
        match taken {
            Ok(true) => {}
            // Of a later version; or the byte that says how it is compressed, which no checksum covers, is damaged.
            Ok(false) => {
                reader.complain_of_record("record of a type that is not known".to_owned());
            }
            Err(fault) => reader.complain_of_record(fault.to_string()),
        }
    }
    note(stats, reader.take_damage());
    Ok(())
}

fn note(stats: &mut ReplayStats, damage: Vec<Damage>) {
    for damage in damage {
        stats.damages += 1;
        if stats.damage.len() < MAX_NAMED {
            warn!(component = "tsdb", %damage, "passed over damage");
            stats.damage.push(damage);
        }
    }
}

fn take_values(records: &mut Records, mut take: impl FnMut(u64, Timestamp, Value)) {
    for entry in records.samples.drain(..) {
        take(entry.series, entry.t, Value::Float(entry.value).with_start(entry.start));
    }
    for entry in records.histograms.drain(..) {
        let value = Value::Histogram(Box::new(entry.histogram));
        take(entry.series, entry.t, value.with_start(entry.start));
    }
    for entry in records.float_histograms.drain(..) {
        let value = Value::FloatHistogram(Box::new(entry.histogram));
        take(entry.series, entry.t, value.with_start(entry.start));
    }
}

//! From the log to memory: head chunk files give closed chunks, checkpoint and segments the rest, then the log of late samples.
//!
//! One thread reads and decodes, the others append, each to shards of its own. Appenders and readers go on meanwhile: see
//! [`super::young`]. Damage is counted, named and passed over. Head chunk files are a cache: where a log's sample should be in a
//! closed chunk and is not, the series' chunks from there on are forgotten and made anew from the log.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use gauntlet_model::Timestamp;
use gauntlet_runtime::Fs;
use hashbrown::HashMap;
use tracing::warn;

use super::appender::LateLog;
use super::chunk_files::FoundChunk;

use super::samples::Value;
use super::series::NO_CHUNK;
use super::truncate::is_recent;
use super::{Head, SHARDS, make_place, make_ref, split_place, split_ref};
use crate::error::{At as _, Result, TsdbError};
use crate::wal::checkpoint::{last_checkpoint, remove_checkpoints_below};
use crate::wal::format::{PAGE_BYTES, list_segments, segment_name};
use crate::wal::record::{Records, SeriesEntry, TombstoneEntry};
use crate::wal::{Damage, SegmentReader};

/// Samples sent to a worker at once.
const BATCH: usize = 4096;
/// Batches that may wait for a worker: bounds the memory of a replay.
const QUEUE: usize = 16;
/// Bytes at the end of the log that are looked at for its newest time.
const TAIL_BYTES: u64 = 4 << 20;
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
}

impl LogToReplay {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), wal_end: u32::MAX, wbl_end: u32::MAX }
    }
}

/// Work for the thread that owns a shard. Series go by their numbers.
enum Work {
    Samples {
        shard: usize,
        samples: Vec<(u32, Timestamp, Value)>,
    },
    /// The slot is empty again: what was known of its samples is void.
    Reset {
        shard: usize,
        slot: u32,
    },
    /// Answered once all before it is done.
    Barrier(SyncSender<()>),
}

/// The reading side.
struct Reader<'a> {
    head: &'a Head,
    stats: &'a mut ReplayStats,
    /// References of the log whose series goes by another one.
    aliases: RefMap<Alias>,
    /// Chunks by series and time.
    chunks: Vec<FoundChunk>,
    end: u32,
    batches: Vec<Vec<(u32, Timestamp, Value)>>,
    workers: Vec<SyncSender<Work>>,
}

impl Head {
    /// Samples of appenders wait from now on. `known` is above all numbers of series in the log, if that is known.
    pub(super) fn begin_replay(&mut self, log_end: Timestamp, known: Option<u32>) {
        for shard in &mut self.shards {
            let data = shard.data.get_mut();
            data.replaying = Some(log_end);
            if let Some(last) = known.and_then(|bound| bound.checked_sub(1)) {
                data.reserve_number(last);
            }
        }
        self.exemplars.get_mut().begin_replay();
        self.progress.begin(known.is_some());
    }

    /// Reads the log that [`Head::start`] found. Blocks until that is done; others may append and read meanwhile.
    pub fn replay(&self, log: LogToReplay) -> Result<ReplayStats> {
        let mut stats = ReplayStats::default();
        self.replay_ordered(&log, &mut stats)?;
        self.settle_young()?;
        self.remove_empty();
        self.bounds_after_replay();
        self.settle_late()?;
        if let Some(bound) = &self.bound {
            let next = self.shards.iter().map(|shard| shard.data.read().next_number()).max();
            if !bound.is_known() {
                bound.settle(next.unwrap_or(0))?;
                self.progress.open_to_new();
            }
        }
        self.exemplars.lock().end_replay();
        stats.series = self.series_count() as u64;
        self.counters.wal_corruptions.fetch_add(stats.damages, Ordering::Relaxed);
        self.progress.end();
        Ok(stats)
    }

    fn replay_ordered(&self, log: &LogToReplay, stats: &mut ReplayStats) -> Result<()> {
        let (found, damage) = self.files.list_chunks();
        stats.chunks = found.len() as u64;
        note(stats, damage);
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
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, SHARDS);
        let (aliases, unknown) = std::thread::scope(|scope| {
            let mut workers = Vec::new();
            let mut threads_running = Vec::new();
            for _ in 0..threads {
                let (sender, receiver) = sync_channel(QUEUE);
                workers.push(sender);
                threads_running.push(scope.spawn(move || self.replay_worker(&receiver)));
            }
            let mut reader = Reader {
                head: self,
                stats,
                aliases: HashMap::default(),
                chunks,
                end: log.wal_end,
                batches: (0..SHARDS).map(|_| Vec::new()).collect(),
                workers,
            };
            reader.read_log(&log.dir.join("wal"))?;
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
        self.replay_late(log, &aliases, &late, stats)?;
        self.narrow_late();
        *self.aliases.lock() = aliases;
        Ok(())
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
    fn replay_worker(&self, work: &Receiver<Work>) -> u64 {
        let mut unknown = 0;
        // Newest time of the log met so far, by shard and slot.
        let mut newest: Vec<Vec<Timestamp>> = (0..SHARDS).map(|_| Vec::new()).collect();
        while let Ok(work) = work.recv() {
            match work {
                Work::Samples { shard, samples } => {
                    let cutting = self.cutting(shard);
                    let mut data = self.shards[shard].data.write();
                    let newest = &mut newest[shard];
                    for (number, t, value) in samples {
                        let Some(slot) = data.slot_of(number) else {
                            unknown += 1;
                            // A reference in use somewhere in the log is not given anew.
                            if number < u32::MAX >> 1 {
                                data.reserve_number(number);
                            }
                            continue;
                        };
                        if newest.len() <= slot as usize {
                            newest.resize(data.series.len().max(slot as usize + 1), Timestamp::MIN);
                        }
                        let state = &data.series[slot as usize];
                        let is_new = t > newest[slot as usize];
                        newest[slot as usize] = newest[slot as usize].max(t);
                        let value = match &value {
                            Value::Float(_) if value.is_stale() => data.stale_for(slot, value),
                            _ => value,
                        };
                        if state_covers(state.last_t(), t) {
                            // Out of order in the log too, or in a chunk already; or in a hole between chunks.
                            let hole =
                                is_new && state.closed != NO_CHUNK && !data.is_covered(slot, t);
                            if !hole {
                                continue;
                            }
                            data.forget_after(slot, t);
                        }
                        data.append(slot, t, &value, &cutting);
                    }
                }
                Work::Reset { shard, slot } => {
                    if let Some(newest) = newest[shard].get_mut(slot as usize) {
                        *newest = Timestamp::MIN;
                    }
                }
                Work::Barrier(done) => {
                    let _ = done.send(());
                }
            }
        }
        unknown
    }

    /// Late samples, and marks of those that are in chunks.
    fn replay_late(
        &self,
        log: &LogToReplay,
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
        let dir = &log.dir.join("wbl");
        for (segment, _) in list_segments(&*self.fs, dir).at("listing", dir)? {
            if segment >= log.wbl_end {
                break;
            }
            let mut records = Records::default();
            each_record(self, dir, segment, &mut records, stats, |records, stats| {
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
                    stats.late_samples += u64::from(late.insert(t, value));
                }
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
                let places = late.write_out_surplus(series, &self.files);
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

/// Whether a tombstone stands for the removal of its series.
fn removes_series(entry: &TombstoneEntry) -> bool {
    (entry.min_t, entry.max_t) == (Timestamp::MIN, Timestamp::MAX)
}

/// The newest time that the end of the log has; `MIN` where it has none.
pub(super) fn newest_time(fs: &dyn Fs, dir: &Path, segments: &[(u32, u64)]) -> Timestamp {
    let page = PAGE_BYTES as u64;
    let (mut newest, mut left) = (Timestamp::MIN, TAIL_BYTES);
    for (segment, size) in segments.iter().rev().filter(|(_, size)| *size > 0) {
        let path = dir.join(segment_name(*segment));
        let Ok(file) = fs.open(&path) else { continue };
        let from = size.saturating_sub(left) / page * page;
        let mut reader = SegmentReader::within(file, path, from, u64::MAX);
        let mut records = Records::default();
        // Damage is named by the replay.
        while let Ok(Some(record)) = reader.next_record() {
            records.clear();
            let _ = records.decode(record);
            take_values(&mut records, |_, t, _| newest = newest.max(t));
        }
        left = left.saturating_sub(size - from);
        if left == 0 {
            break;
        }
    }
    newest
}

fn state_covers(last: Option<Timestamp>, t: Timestamp) -> bool {
    last.is_some_and(|last| t <= last)
}

impl Reader<'_> {
    fn read_log(&mut self, dir: &Path) -> Result<()> {
        let head = self.head;
        let fs = &*head.fs;
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
            if segment >= from && segment < self.end {
                places.push((dir.to_owned(), segment));
            }
        }
        let progress = &head.progress;
        if let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) {
            progress.set_range(u64::from(*first), u64::from(*last));
        }
        let mut records = Records::default();
        for (dir, segment) in places {
            let mut stats = std::mem::take(self.stats);
            stats.segments += 1;
            progress.set_current(u64::from(segment));
            let result =
                each_record(head, &dir, segment, &mut records, &mut stats, |records, stats| {
                    self.take(records, stats);
                });
            *self.stats = stats;
            result?;
        }
        for shard in 0..SHARDS {
            self.send(shard);
        }
        Ok(())
    }

    fn take(&mut self, records: &mut Records, stats: &mut ReplayStats) {
        for entry in records.series.drain(..) {
            self.take_series(&entry, stats);
        }
        let min_valid = self.head.min_valid_time();
        take_values(records, |mut series, t, value| {
            if t < min_valid {
                return;
            }
            if !self.aliases.is_empty()
                && let Some(alias) = self.aliases.get_mut(&series)
            {
                alias.max_t = alias.max_t.max(t);
                series = alias.series;
            }
            let Some((shard, number)) = split_ref(series) else {
                stats.unknown_series += 1;
                return;
            };
            stats.samples += 1;
            self.batches[shard].push((number, t, value));
            if self.batches[shard].len() >= BATCH {
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
        if tombstones.iter().any(removes_series) {
            self.wait_for_workers();
        }
        for entry in tombstones {
            self.take_tombstone(&entry, stats);
        }
    }

    fn take_series(&mut self, entry: &SeriesEntry, stats: &mut ReplayStats) {
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

    fn take_tombstone(&mut self, entry: &TombstoneEntry, stats: &mut ReplayStats) {
        let series = self.aliases.get(&entry.series).map_or(entry.series, |alias| alias.series);
        let Some((shard, number)) = split_ref(series) else { return };
        self.head.shards[shard].data.write().reserve_number(number);
        if removes_series(entry) {
            let (mut index, round) = (self.head.index.write(), self.head.round());
            let mut data = self.head.shards[shard].data.write();
            let Some(slot) = data.slot_of(number) else { return };
            let series = &data.series[slot as usize];
            let (id, touched) = (series.id, series.touched.load(Ordering::Relaxed));
            if data.young.contains_key(&slot) || is_recent(touched, round) {
                // It lives again: an appender has met it since.
                data.forget_samples(slot);
            } else {
                index.kill(id);
                data.remove(slot);
            }
            drop((data, index));
            let worker = &self.workers[shard % self.workers.len()];
            let _ = worker.send(Work::Reset { shard, slot });
            return;
        }
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

    /// Sends what is gathered, and waits until all of it is appended.
    fn wait_for_workers(&mut self) {
        (0..SHARDS).for_each(|shard| self.send(shard));
        let (sender, receiver) = sync_channel(self.workers.len());
        for worker in &self.workers {
            let _ = worker.send(Work::Barrier(sender.clone()));
        }
        drop(sender);
        while receiver.recv().is_ok() {}
    }

    fn send(&mut self, shard: usize) {
        if self.batches[shard].is_empty() {
            return;
        }
        let samples = std::mem::replace(&mut self.batches[shard], Vec::with_capacity(BATCH));
        let worker = &self.workers[shard % self.workers.len()];
        if worker.send(Work::Samples { shard, samples }).is_err() {
            panic!("BUG: a replay worker ended before its reader");
        }
    }
}

/// Hands the records of a segment to `take`, one by one. Damage is noted.
fn each_record(
    head: &Head,
    dir: &Path,
    segment: u32,
    records: &mut Records,
    stats: &mut ReplayStats,
    mut take: impl FnMut(&mut Records, &mut ReplayStats),
) -> Result<()> {
    let mut reader = SegmentReader::open(&*head.fs, dir, segment).at("opening segment in", dir)?;
    loop {
        if head.progress.is_stopped() {
            return Err(TsdbError::Closing);
        }
        records.clear();
        let fault = match reader.next_record() {
            Ok(None) => break,
            Ok(Some(record)) => records.decode(record).err(),
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
        if let Some(fault) = fault {
            reader.complain_of_record(fault.to_string());
        }
        take(records, stats);
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
        take(entry.series, entry.t, Value::Float(entry.value));
    }
    for entry in records.histograms.drain(..) {
        take(entry.series, entry.t, Value::Histogram(Box::new(entry.histogram)));
    }
    for entry in records.float_histograms.drain(..) {
        take(entry.series, entry.t, Value::FloatHistogram(Box::new(entry.histogram)));
    }
}

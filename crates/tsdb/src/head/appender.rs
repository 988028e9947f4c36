//! A batch on its way into the head: checked sample by sample, then logged, then applied as one.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gauntlet_model::{
    Exemplar, FloatHistogram, Histogram, Labels, Metadata, STALE_NAN, SeriesRef, Timestamp,
};
use gauntlet_storage::{AppendError, AppendOptions, Appender};
use hashbrown::HashMap;
use parking_lot::MutexGuard;

use super::samples::Value;
use super::series::LOGGED;
use super::shard::{Bounds, Route, ShardData};
use super::{Head, SHARDS, split_ref};
use crate::error::TsdbError;
use crate::options::Durability;
use crate::wal::record::{
    ExemplarEntry, HistogramEntry, MetadataEntry, MmapMarkerEntry, SampleEntry,
};
use crate::wal::{RecordBuffer, encode};

#[derive(Debug)]
struct Pending {
    series: u64,
    t: Timestamp,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Histogram,
    FloatHistogram,
}

/// Samples whose room a thread keeps for its next batch: 3 MB.
const KEPT_SAMPLES: usize = 64 << 10;
/// Bytes of records whose room a thread keeps.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    /// Room of the thread's last batch. A scrape's is as large each time; growing to it anew is a tenth of its cost.
    static ROOM: Cell<(Vec<Pending>, RecordBuffer)> = Cell::default();
}

/// One batch for the head.
#[derive(Debug)]
pub struct HeadAppender<'a> {
    head: &'a Head,
    options: AppendOptions,
    /// `None` until the head has a time.
    bounds: Option<Bounds>,
    round: u8,
    /// Start timestamp of the next sample; 0 if unknown.
    start: Timestamp,
    pending: Vec<Pending>,
    /// Room for the records.
    records: RecordBuffer,
    /// Kinds of series in this batch, once it has a histogram.
    kinds: HashMap<u64, Kind, foldhash::fast::FixedState>,
    /// Whether a sample is more than a float: a histogram, or one with a start timestamp.
    has_others: bool,
    exemplars: Vec<ExemplarEntry>,
    metadata: Vec<MetadataEntry>,
}

impl Head {
    pub fn head_appender(&self, options: AppendOptions) -> HeadAppender<'_> {
        let (pending, records) = ROOM.take();
        HeadAppender {
            head: self,
            options,
            bounds: (self.max_time() != Timestamp::MIN).then(|| self.bounds()),
            round: self.round.load(Ordering::Acquire),
            start: 0,
            pending,
            records,
            kinds: HashMap::default(),
            has_others: false,
            exemplars: Vec::new(),
            metadata: Vec::new(),
        }
    }
}

impl Head {
    fn forget_late(&self, added: &[(u64, Timestamp)]) {
        for (series, t) in added {
            if let Some((shard, number)) = split_ref(*series) {
                let mut data = self.shards[shard].data.write();
                if let Some(slot) = data.slot_of(number)
                    && let Some(late) = data.late.get_mut(&slot)
                {
                    late.remove(*t);
                }
            }
        }
    }
}

impl HeadAppender<'_> {
    fn add(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: Value,
    ) -> Result<SeriesRef, AppendError> {
        let bounds = self.bounds_for(t)?;
        if bounds.window == 0 && t < bounds.min_valid {
            self.count_refused(&AppendError::OutOfBounds);
            return Err(AppendError::OutOfBounds);
        }
        let discard = self.options.discard_out_of_order;
        let added = self.route(series, labels, t, value, &bounds, discard);
        added.inspect_err(|err| self.count_refused(err))
    }

    /// Appends where counting began. Late ones are common and not counted; none is before what may be written now, whatever the window.
    fn add_start(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
        zero: Value,
    ) -> Result<SeriesRef, AppendError> {
        let bounds = self.bounds_for(t)?;
        if start >= t || start < bounds.min_valid {
            return Err(AppendError::OutOfBounds);
        }
        self.route(series, labels, start, zero, &bounds, true)
    }

    /// What may be written now. The first sample of all, at `t`, decides.
    fn bounds_for(&mut self, t: Timestamp) -> Result<Bounds, AppendError> {
        self.head.progress.check_writable()?;
        self.head.space.check_writable()?;
        Ok(match self.bounds {
            Some(bounds) => bounds,
            None => {
                self.head.init_time(t);
                *self.bounds.insert(self.head.bounds())
            }
        })
    }

    fn count_refused(&self, err: &AppendError) {
        let counters = &self.head.counters;
        let counter = match err {
            AppendError::OutOfOrder => &counters.out_of_order,
            AppendError::OutOfBounds => &counters.out_of_bounds,
            AppendError::TooOld => &counters.too_old,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn route(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        mut value: Value,
        bounds: &Bounds,
        discard_late: bool,
    ) -> Result<SeriesRef, AppendError> {
        let mut series = series.0;
        loop {
            if let Some((shard, number)) = split_ref(series) {
                let data = self.head.shards[shard].data.read();
                if let Some(slot) = data.slot_of(number) {
                    if value.is_stale() {
                        value = self.typed_stale(&data, slot, series, value);
                    }
                    data.touch(slot, self.round);
                    match data.route(slot, t, &value, bounds)? {
                        Route::Known => {}
                        Route::Late if discard_late => return Err(AppendError::OutOfOrder),
                        Route::InOrder | Route::Late => {
                            // Until the batch is committed the end of the chunk has time to come near.
                            data.prefetch_end(slot);
                            self.has_others |= !matches!(value, Value::Float(_));
                            self.pending.push(Pending { series, t, value });
                        }
                    }
                    return Ok(SeriesRef(series));
                }
            }
            series = self.head.get_or_create(labels)?;
        }
    }

    /// A stale marker takes the kind of the samples that it ends.
    fn typed_stale(&self, data: &ShardData, slot: u32, series: u64, value: Value) -> Value {
        if value.kind().is_histogram() {
            return value;
        }
        match self.kinds.get(&series) {
            None => data.stale_for(slot, value),
            Some(Kind::Histogram) => {
                Value::Histogram(Box::new(Histogram { sum: STALE_NAN, ..Histogram::default() }))
            }
            Some(Kind::FloatHistogram) => Value::FloatHistogram(Box::new(FloatHistogram {
                sum: STALE_NAN,
                ..FloatHistogram::default()
            })),
        }
    }

    fn resolve(&self, series: SeriesRef, labels: &Labels) -> Result<u64, AppendError> {
        self.head.progress.check_writable()?;
        if let Some((shard, number)) = split_ref(series.0)
            && self.head.shards[shard].data.read().slot_of(number).is_some()
        {
            return Ok(series.0);
        }
        self.head.get_or_create(labels)
    }

    /// Logs the batch and applies it.
    fn write(&mut self) -> Result<(), AppendError> {
        if self.pending.is_empty() && self.exemplars.is_empty() && self.metadata.is_empty() {
            return Ok(());
        }
        let head = self.head;
        head.space.check_writable()?;
        let mut touched = [false; SHARDS];
        let refs = self.pending.iter().map(|p| p.series);
        let refs = refs.chain(self.exemplars.iter().map(|e| e.series));
        for series in refs.chain(self.metadata.iter().map(|m| m.series)) {
            touched[series as usize % SHARDS] = true;
        }
        let shards: Vec<usize> = (0..SHARDS).filter(|shard| touched[*shard]).collect();
        let commits: Vec<MutexGuard<'_, ()>> =
            shards.iter().map(|shard| head.shards[*shard].commit.lock()).collect();
        let mut lsn = None;
        let mut new_series = Vec::new();
        if let Some(wal) = &head.wal {
            let mut batch = std::mem::take(&mut self.records);
            batch.clear();
            new_series = self.unlogged(&shards);
            self.encode(&mut batch, &new_series);
            let logged = wal.log(&batch);
            self.records = batch;
            lsn = Some(logged.map_err(append_error)?);
        }
        let mut late = LateLog::default();
        let mut bounds = self.bounds.unwrap_or_else(|| head.bounds());
        // What became a block meanwhile takes no more samples.
        bounds.min_valid = bounds.min_valid.max(head.min_valid_time());
        {
            // A single shard's lock is enough for readers to see all or nothing; for more, they are kept out.
            let _gate = (shards.len() > 1).then(|| head.gate.write());
            let mut guards: [Option<_>; SHARDS] = Default::default();
            for shard in &shards {
                guards[*shard] = Some(head.shards[*shard].data.write());
            }
            for (series, _) in &new_series {
                if let Some((shard, number)) = split_ref(*series)
                    && let Some(data) = &mut guards[shard]
                    && let Some(slot) = data.slot_of(number)
                {
                    data.set_logged(slot);
                }
            }
            self.apply(&mut guards, &bounds, &mut late);
        }
        drop(commits);
        if !self.exemplars.is_empty() {
            let mut exemplars = head.exemplars.lock();
            head.counters
                .exemplars_appended
                .fetch_add(self.exemplars.len() as u64, Ordering::Relaxed);
            for entry in self.exemplars.drain(..) {
                exemplars.take(entry.series, entry.t, entry.value, entry.labels);
            }
        }
        head.counters.commits.fetch_add(1, Ordering::Relaxed);
        let durable = match head.options.durability {
            Durability::Sync => true,
            Durability::Group | Durability::OnRequest => self.options.durable,
            Durability::Async => false,
        };
        if let Some(wbl) = &head.wbl
            && !late.is_empty()
        {
            let added = std::mem::take(&mut late.added);
            let logged = wbl.log(&late.finish());
            if logged.is_err() {
                // Unlogged, it must not be there: sent again, it would pass for a duplicate.
                head.forget_late(&added);
            }
            let written = logged.map_err(append_error)?;
            if durable {
                wbl.sync_to(written).map_err(append_error)?;
            }
        }
        if let (Some(wal), Some(lsn), true) = (&head.wal, lsn, durable) {
            wal.sync_to(lsn).map_err(append_error)?;
        }
        Ok(())
    }

    /// Series of the batch that the log does not know yet, with their labels.
    fn unlogged(&self, shards: &[usize]) -> Vec<(u64, Labels)> {
        let mut found: Vec<(u64, u32)> = Vec::new();
        for shard in shards {
            let data = self.head.shards[*shard].data.read();
            if data.unlogged == 0 {
                continue;
            }
            let refs = self.pending.iter().map(|p| p.series);
            let refs = refs.chain(self.exemplars.iter().map(|e| e.series));
            for series in refs.chain(self.metadata.iter().map(|m| m.series)) {
                if series as usize % SHARDS == *shard
                    && let Some((_, number)) = split_ref(series)
                    && let Some(slot) = data.slot_of(number)
                    && !data.series[slot as usize].has(LOGGED)
                {
                    found.push((series, slot));
                }
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        found.sort_unstable();
        found.dedup();
        let index = self.head.index.read();
        found
            .into_iter()
            .map(|(series, slot)| {
                let shard = series as usize % SHARDS;
                let id = self.head.shards[shard].data.read().series[slot as usize].id;
                (series, index.labels(id))
            })
            .collect()
    }

    fn encode(&self, batch: &mut RecordBuffer, new_series: &[(u64, Labels)]) {
        batch.record(|out| encode::series(out, new_series.iter().map(|(s, l)| (*s, l))));
        batch.record(|out| encode::metadata(out, &self.metadata));
        if !self.has_others {
            let floats = self.pending.iter().map(|p| match p.value {
                Value::Float(value) => (p.series, p.t, value),
                _ => unreachable!("BUG: a histogram is in the batch unseen"),
            });
            batch.record(|out| encode::plain_samples(out, floats));
        } else if self.is_mixed() {
            // Records are read kind by kind: a series that changes its kind needs its samples in separate records.
            for run in self.pending.chunk_by(|a, b| a.value.kind() == b.value.kind()) {
                encode_run(batch, run);
            }
        } else {
            encode_run(batch, &self.pending);
        }
        batch.record(|out| encode::exemplars(out, &self.exemplars));
    }

    /// Whether a series has samples of more than one kind.
    fn is_mixed(&self) -> bool {
        let mut kinds: HashMap<u64, gauntlet_chunk::Encoding, foldhash::fast::FixedState> =
            HashMap::default();
        self.pending.iter().any(|p| {
            let kind = p.value.kind();
            *kinds.entry(p.series).or_insert(kind) != kind
        })
    }

    fn apply(
        &mut self,
        guards: &mut [Option<parking_lot::RwLockWriteGuard<'_, ShardData>>; SHARDS],
        bounds: &Bounds,
        late: &mut LateLog,
    ) {
        let head = self.head;
        let encodings = head.encodings();
        let (mut min_t, mut max_t) = (Timestamp::MAX, Timestamp::MIN);
        let (mut floats, mut histograms, mut late_count) = (0u64, 0u64, 0u64);
        for pending in self.pending.drain(..) {
            let Some((shard, number)) = split_ref(pending.series) else { continue };
            let Some(data) = &mut guards[shard] else { continue };
            let Some(slot) = data.slot_of(number) else {
                head.counters.series_not_found.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            if matches!(pending.value, Value::Float(_))
                && pending.t >= bounds.min_valid
                && data.take(slot, pending.t, &pending.value, &head.cutting(shard))
            {
                min_t = min_t.min(pending.t);
                max_t = max_t.max(pending.t);
                floats += 1;
                continue;
            }
            match data.route(slot, pending.t, &pending.value, bounds) {
                Ok(Route::InOrder) => {
                    if data.take(slot, pending.t, &pending.value, &head.cutting(shard)) {
                        min_t = min_t.min(pending.t);
                        max_t = max_t.max(pending.t);
                        let is_float = !pending.value.kind().is_histogram();
                        floats += u64::from(is_float);
                        histograms += u64::from(!is_float);
                    }
                }
                Ok(Route::Late) => {
                    let entry = data.late.entry(slot).or_default();
                    if entry.is_full() {
                        let places = entry.write_out(pending.series, &head.files, encodings);
                        late.mark(pending.series, &places);
                    }
                    if entry.insert(pending.t, encodings.strip(pending.value.clone())) {
                        head.widen_late(pending.t, pending.t);
                        late.add(pending.series, pending.t, pending.value);
                        late_count += 1;
                    }
                }
                // Since it was checked, another batch or this one itself has brought something newer.
                Ok(Route::Known) => {}
                Err(_) => {
                    head.counters.out_of_order.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        for entry in self.metadata.drain(..) {
            if let Some((shard, number)) = split_ref(entry.series)
                && let Some(data) = &mut guards[shard]
                && let Some(slot) = data.slot_of(number)
            {
                data.metadata.insert(slot, Arc::new(entry.metadata));
            }
        }
        if max_t != Timestamp::MIN {
            head.max_t.fetch_max(max_t, Ordering::AcqRel);
            head.min_t.fetch_min(min_t, Ordering::AcqRel);
        }
        head.counters.floats_appended.fetch_add(floats, Ordering::Relaxed);
        head.counters.histograms_appended.fetch_add(histograms, Ordering::Relaxed);
        head.counters.late_appended.fetch_add(late_count, Ordering::Relaxed);
    }
}

/// Encodes samples, a record for each kind.
fn encode_run(batch: &mut RecordBuffer, pending: &[Pending]) {
    let mut floats = Vec::with_capacity(pending.len());
    let mut whole: [Vec<HistogramEntry<Histogram>>; 2] = Default::default();
    let mut float: [Vec<HistogramEntry<FloatHistogram>>; 2] = Default::default();
    for Pending { series, t, value } in pending {
        let (series, t, start) = (*series, *t, value.start());
        match value.plain() {
            Value::Float(value) => floats.push(SampleEntry { series, start, t, value: *value }),
            Value::Histogram(h) => {
                let histogram = Histogram::clone(h);
                whole[usize::from(h.uses_custom_buckets())].push(HistogramEntry {
                    series,
                    start,
                    t,
                    histogram,
                });
            }
            Value::FloatHistogram(h) => {
                let histogram = FloatHistogram::clone(h);
                float[usize::from(h.uses_custom_buckets())].push(HistogramEntry {
                    series,
                    start,
                    t,
                    histogram,
                });
            }
            Value::Started(_) => unreachable!("BUG: a plain value has no start"),
        }
    }
    batch.record(|out| encode::samples(out, &floats));
    for entries in &whole {
        batch.record(|out| encode::histograms(out, entries));
    }
    for entries in &float {
        batch.record(|out| encode::float_histograms(out, entries));
    }
}

/// Records for the log of late samples, in order.
#[derive(Debug, Default)]
pub(crate) struct LateLog {
    batch: RecordBuffer,
    samples: Vec<Pending>,
    /// Series and time of all samples.
    added: Vec<(u64, Timestamp)>,
}

impl LateLog {
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.samples.is_empty()
    }

    pub(crate) fn add(&mut self, series: u64, t: Timestamp, value: Value) {
        self.added.push((series, t));
        self.samples.push(Pending { series, t, value });
    }

    /// The series' late samples so far are in chunks.
    pub(crate) fn mark(&mut self, series: u64, places: &[u64]) {
        self.flush();
        let markers: Vec<MmapMarkerEntry> =
            places.iter().map(|chunk| MmapMarkerEntry { series, chunk: *chunk }).collect();
        self.batch.record(|out| encode::mmap_markers(out, &markers));
    }

    fn flush(&mut self) {
        let samples = std::mem::take(&mut self.samples);
        for run in samples.chunk_by(|a, b| a.value.kind() == b.value.kind()) {
            encode_run(&mut self.batch, run);
        }
    }

    pub(crate) fn finish(mut self) -> RecordBuffer {
        self.flush();
        self.batch
    }
}

pub(crate) fn append_error(err: TsdbError) -> AppendError {
    match err {
        TsdbError::ReadOnly(why) => AppendError::ReadOnly(why),
        TsdbError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            AppendError::ReadOnly(format!(
                "disk full ({err}); free space, writing goes on by itself"
            ))
        }
        err => AppendError::Io(err.to_string()),
    }
}

impl Appender for HeadAppender<'_> {
    fn start_of_next(&mut self, start: Timestamp) {
        self.start = if self.head.options.store_starts { start } else { 0 };
    }

    fn append(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: f64,
    ) -> Result<SeriesRef, AppendError> {
        let start = std::mem::take(&mut self.start);
        self.add(series, labels, t, Value::Float(value).with_start(start))
    }

    fn append_start_zero(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
    ) -> Result<SeriesRef, AppendError> {
        self.add_start(series, labels, start, t, Value::Float(0.0))
    }

    fn append_start_zero_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
        like: &Histogram,
    ) -> Result<SeriesRef, AppendError> {
        let zero = gauntlet_storage::zero_histogram(like);
        self.add_start(series, labels, start, t, Value::Histogram(Box::new(zero)))
    }

    fn append_start_zero_float_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
        like: &FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        let zero = gauntlet_storage::zero_float_histogram(like);
        self.add_start(series, labels, start, t, Value::FloatHistogram(Box::new(zero)))
    }

    fn append_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        histogram: Histogram,
    ) -> Result<SeriesRef, AppendError> {
        histogram.validate().map_err(|err| AppendError::InvalidHistogram(err.to_string()))?;
        let start = std::mem::take(&mut self.start);
        let value = Value::Histogram(Box::new(histogram)).with_start(start);
        let series = self.add(series, labels, t, value)?;
        self.kinds.insert(series.0, Kind::Histogram);
        Ok(series)
    }

    fn append_float_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        histogram: FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        histogram.validate().map_err(|err| AppendError::InvalidHistogram(err.to_string()))?;
        let start = std::mem::take(&mut self.start);
        let value = Value::FloatHistogram(Box::new(histogram)).with_start(start);
        let series = self.add(series, labels, t, value)?;
        self.kinds.insert(series.0, Kind::FloatHistogram);
        Ok(series)
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        exemplar: Exemplar,
    ) -> Result<(), AppendError> {
        if !self.head.exemplars.lock().is_enabled() {
            return Ok(());
        }
        let series = self.resolve(series, labels)?;
        let t = exemplar.timestamp.unwrap_or_else(|| self.head.max_time());
        self.head.exemplars.lock().check(series, t, exemplar.value, &exemplar.labels)?;
        let (value, labels) = (exemplar.value, exemplar.labels);
        self.exemplars.push(ExemplarEntry { series, t, value, labels });
        Ok(())
    }

    fn update_metadata(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        metadata: &Metadata,
    ) -> Result<(), AppendError> {
        let series = self.resolve(series, labels)?;
        let Some((shard, number)) = split_ref(series) else { return Ok(()) };
        let data = self.head.shards[shard].data.read();
        let known = data.slot_of(number).and_then(|slot| data.metadata.get(&slot));
        if known.is_none_or(|known| **known != *metadata) {
            self.metadata.push(MetadataEntry { series, metadata: metadata.clone() });
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), AppendError> {
        self.write()
    }

    fn rollback(self: Box<Self>) {}
}

impl Drop for HeadAppender<'_> {
    fn drop(&mut self) {
        if self.pending.capacity() > KEPT_SAMPLES || self.records.size_bytes() > KEPT_BYTES {
            return;
        }
        self.pending.clear();
        ROOM.set((std::mem::take(&mut self.pending), std::mem::take(&mut self.records)));
    }
}

impl gauntlet_storage::Appendable for Head {
    fn appender(&self, options: AppendOptions) -> Box<dyn Appender + '_> {
        Box::new(self.head_appender(options))
    }
}

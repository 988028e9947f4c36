//! From the log to batches: reads records, keeps the series, sorts samples to shards. Blocking; the queue calls it off the async threads.
//!
//! A read of the log is looked at twice: series, metadata and exemplars first, then samples in the order of the log, so that an
//! exemplar travels with the sample it belongs to.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use gauntlet_model::{Exemplar, Timestamp};
use gauntlet_runtime::Fs;
use gauntlet_tsdb::wal::checkpoint::last_checkpoint;
use gauntlet_tsdb::wal::format::segment_name;
use gauntlet_tsdb::wal::record::{EXEMPLARS, METADATA, SERIES};
use gauntlet_tsdb::wal::{LogTail, Position, Records, SegmentReader, list_segments};
use hashbrown::HashMap;
use tracing::{info, warn};

use super::batch::{Batch, Value};
use super::series::{Lookup, SeriesTable};
use crate::config::ProtobufMessage;

/// Bytes of the log that are read at once.
const READ_BYTES: usize = 512 << 10;

/// What a feed needs to know of its destination.
#[derive(Clone, Debug)]
pub(super) struct FeedOptions {
    pub(super) message: ProtobufMessage,
    pub(super) send_exemplars: bool,
    pub(super) send_histograms: bool,
    pub(super) max_items: usize,
    /// Samples older than this are dropped, ms; 0 for none.
    pub(super) age_limit_ms: i64,
}

/// Entries that were read and not queued, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) too_old: [u64; 3],
    pub(super) by_rule: [u64; 3],
    pub(super) unknown: [u64; 3],
    pub(super) nhcb: u64,
}

impl Dropped {
    fn total(&self) -> u64 {
        let sum = |counts: &[u64; 3]| counts.iter().sum::<u64>();
        sum(&self.too_old) + sum(&self.by_rule) + sum(&self.unknown) + self.nhcb
    }
}

/// Samples, histograms, exemplars: indices of the counts above.
const SAMPLE: usize = 0;
const HISTOGRAM: usize = 1;
const EXEMPLAR: usize = 2;

/// What a read of the log gave.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Full batches with their shards.
    pub(super) batches: Vec<(usize, Batch)>,
    /// Entries put into batches.
    pub(super) queued: [u64; 3],
    pub(super) dropped: Dropped,
    /// Records of the log, by kind: series, samples, exemplars, histograms, metadata, others.
    pub(super) records: [u64; 6],
    pub(super) undecodable: u64,
    /// Newest sample put into a batch.
    pub(super) highest: Timestamp,
}

impl Step {
    pub(super) fn outstanding(&self) -> u64 {
        self.queued.iter().sum()
    }

    /// Entries that were read, dropped ones included.
    pub(super) fn read(&self) -> u64 {
        self.outstanding() + self.dropped.total()
    }

    pub(super) fn dropped_total(&self) -> u64 {
        self.dropped.total()
    }
}

/// Reads the log for one destination.
#[derive(Debug)]
pub(super) struct Feed {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: FeedOptions,
    tail: LogTail,
    table: SeriesTable,
    /// Up to here batches may hold what was sent before.
    certain_from: Position,
    /// Batches under construction, one a shard.
    open: Vec<Option<Batch>>,
    checkpoint: Option<u32>,
    records: Records,
    raw: Vec<u8>,
    ends: Vec<usize>,
    exemplars: HashMap<u64, Vec<Exemplar>, FixedState>,
}

impl Feed {
    pub(super) fn new(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        options: FeedOptions,
        table: SeriesTable,
        start: Position,
        certain_from: Position,
        shards: usize,
    ) -> Self {
        let tail = LogTail::new(Arc::clone(&fs), &dir, start);
        Self {
            fs,
            dir,
            options,
            tail,
            table,
            certain_from,
            open: std::iter::repeat_with(|| None).take(shards).collect(),
            checkpoint: None,
            records: Records::default(),
            raw: Vec::new(),
            ends: Vec::new(),
            exemplars: HashMap::default(),
        }
    }

    pub(super) fn position(&self) -> Position {
        self.tail.position()
    }

    pub(super) fn shards(&self) -> usize {
        self.open.len()
    }

    /// Learns the series and metadata of the checkpoint and of the segments before the place where reading begins.
    pub(super) fn load(&mut self) -> io::Result<()> {
        let start = self.tail.position();
        let mut from = 0;
        if let Some((number, folder)) = last_checkpoint(&*self.fs, &self.dir).map_err(other)? {
            for (segment, _) in list_segments(&*self.fs, &folder)? {
                self.load_segment(folder.join(segment_name(segment)), number, u64::MAX)?;
            }
            self.checkpoint = Some(number);
            from = number + 1;
        }
        for (segment, _) in list_segments(&*self.fs, &self.dir)? {
            if segment < from || segment > start.segment {
                continue;
            }
            let limit = if segment == start.segment { start.offset } else { u64::MAX };
            self.load_segment(self.dir.join(segment_name(segment)), segment, limit)?;
        }
        Ok(())
    }

    fn load_segment(&mut self, path: PathBuf, segment: u32, limit: u64) -> io::Result<()> {
        let file = self.fs.open(&path)?;
        let mut reader = SegmentReader::within(file, path, 0, limit);
        let mut records = std::mem::take(&mut self.records);
        while let Some(record) = reader.next_record()? {
            if !matches!(record.first(), Some(&(SERIES | METADATA))) {
                continue;
            }
            records.clear();
            // What is damaged was reported at replay; what decodes counts.
            let _ = records.decode(record);
            for entry in &records.series {
                self.table.add(entry.series, &entry.labels, segment);
            }
            for entry in &records.metadata {
                self.table.set_metadata(entry.series, &entry.metadata);
            }
        }
        self.records = records;
        Ok(())
    }

    /// Reads on, up to `end`. `epoch` marks what it puts into batches.
    pub(super) fn step(
        &mut self,
        end: Position,
        epoch: u64,
        now_ms: i64,
        monotonic: Duration,
    ) -> io::Result<Step> {
        let mut step = Step { highest: Timestamp::MIN, ..Step::default() };
        let before = self.tail.position();
        let uncertain = before < self.certain_from;
        let end = if uncertain { end.min(self.certain_from) } else { end };
        let segment = before.segment;
        self.raw.clear();
        self.ends.clear();
        let Self { tail, raw, ends, .. } = self;
        let damage = tail.read(end, READ_BYTES, |record| {
            raw.extend_from_slice(record);
            ends.push(raw.len());
        })?;
        for damage in damage {
            warn!(component = "remote", path = %damage.path.display(), offset = damage.offset, reason = damage.reason, "part of the log was not sent");
        }
        if self.tail.position() == before && before < end {
            // Nothing is kept up to there: go on behind it.
            self.tail = LogTail::new(Arc::clone(&self.fs), &self.dir, end);
        }
        let (raw, ends) = (std::mem::take(&mut self.raw), std::mem::take(&mut self.ends));
        let mut records = std::mem::take(&mut self.records);
        self.first_look(&raw, &ends, segment, &mut records, &mut step);
        let mut work = Work { epoch, uncertain, now_ms, monotonic };
        let mut from = 0;
        for to in &ends {
            let record = &raw[from..*to];
            from = *to;
            if matches!(record.first(), None | Some(&(SERIES | METADATA | EXEMPLARS))) {
                continue;
            }
            records.clear();
            if records.decode(record).is_err() {
                step.undecodable += 1;
            }
            self.samples(&records, &mut work, &mut step);
        }
        self.left_exemplars(&mut work, &mut step);
        (self.raw, self.ends, self.records) = (raw, ends, records);
        if uncertain && self.tail.position() >= self.certain_from {
            // What is certain is not mixed with what is not.
            step.batches.extend(self.flush());
        }
        if self.tail.position().segment != segment {
            self.forget(&mut step)?;
        }
        Ok(step)
    }

    /// Series, metadata and exemplars of what was read.
    fn first_look(
        &mut self,
        raw: &[u8],
        ends: &[usize],
        segment: u32,
        records: &mut Records,
        step: &mut Step,
    ) {
        let mut from = 0;
        for to in ends {
            let record = &raw[from..*to];
            from = *to;
            let Some(kind) = record.first() else { continue };
            step.records[record_index(*kind)] += 1;
            if !matches!(*kind, SERIES | METADATA | EXEMPLARS) {
                continue;
            }
            records.clear();
            if records.decode(record).is_err() {
                step.undecodable += 1;
            }
            for entry in &records.series {
                self.table.add(entry.series, &entry.labels, segment);
            }
            for entry in &records.metadata {
                self.table.set_metadata(entry.series, &entry.metadata);
            }
            if self.options.send_exemplars {
                for entry in records.exemplars.drain(..) {
                    self.exemplars.entry(entry.series).or_default().push(Exemplar {
                        labels: entry.labels,
                        value: entry.value,
                        timestamp: Some(entry.t),
                    });
                }
            }
        }
    }

    fn samples(&mut self, records: &Records, work: &mut Work, step: &mut Step) {
        for entry in &records.samples {
            let value = Value::Float(entry.value);
            self.sample(entry.series, entry.start, entry.t, value, work, step);
        }
        if !self.options.send_histograms {
            return;
        }
        for entry in &records.histograms {
            let value = Value::Histogram(&entry.histogram);
            let custom = entry.histogram.uses_custom_buckets();
            self.histogram(custom, entry.series, entry.start, entry.t, value, work, step);
        }
        for entry in &records.float_histograms {
            let value = Value::FloatHistogram(&entry.histogram);
            let custom = entry.histogram.uses_custom_buckets();
            self.histogram(custom, entry.series, entry.start, entry.t, value, work, step);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one entry")]
    fn histogram(
        &mut self,
        custom: bool,
        series: u64,
        start: Timestamp,
        t: Timestamp,
        value: Value<'_>,
        work: &mut Work,
        step: &mut Step,
    ) {
        if custom && self.options.message == ProtobufMessage::V1 {
            step.dropped.nhcb += 1;
            return;
        }
        self.sample(series, start, t, value, work, step);
    }

    fn sample(
        &mut self,
        series: u64,
        start: Timestamp,
        t: Timestamp,
        value: Value<'_>,
        work: &mut Work,
        step: &mut Step,
    ) {
        let kind = if matches!(value, Value::Float(_)) { SAMPLE } else { HISTOGRAM };
        let limit = self.options.age_limit_ms;
        if limit > 0 && t < work.now_ms - limit {
            step.dropped.too_old[kind] += 1;
            return;
        }
        let slot = match self.table.find(series) {
            Lookup::Sent(slot) => slot,
            Lookup::Dropped => {
                step.dropped.by_rule[kind] += 1;
                return;
            }
            Lookup::Unknown => {
                step.dropped.unknown[kind] += 1;
                return;
            }
        };
        let exemplars = match self.exemplars.is_empty() {
            true => Vec::new(),
            false => self.exemplars.remove(&series).unwrap_or_default(),
        };
        let shard = (series % self.open.len() as u64) as usize;
        let batch = work.batch(&mut self.open[shard], &self.options);
        batch.push(&mut self.table, slot, start, t, value, &exemplars);
        let count = 1 + exemplars.len() as u32;
        work.count(batch, count);
        step.queued[kind] += 1;
        step.queued[EXEMPLAR] += exemplars.len() as u64;
        step.highest = step.highest.max(t);
        self.hand_over(shard, step);
    }

    /// Exemplars without a sample in this read.
    fn left_exemplars(&mut self, work: &mut Work, step: &mut Step) {
        if self.exemplars.is_empty() {
            return;
        }
        let mut left: Vec<(u64, Vec<Exemplar>)> = self.exemplars.drain().collect();
        left.sort_by_key(|(series, _)| *series);
        for (series, exemplars) in left {
            for exemplar in exemplars {
                let t = exemplar.timestamp.unwrap_or(work.now_ms);
                let limit = self.options.age_limit_ms;
                if limit > 0 && t < work.now_ms - limit {
                    step.dropped.too_old[EXEMPLAR] += 1;
                    continue;
                }
                let slot = match self.table.find(series) {
                    Lookup::Sent(slot) => slot,
                    Lookup::Dropped => {
                        step.dropped.by_rule[EXEMPLAR] += 1;
                        continue;
                    }
                    Lookup::Unknown => {
                        step.dropped.unknown[EXEMPLAR] += 1;
                        continue;
                    }
                };
                let shard = (series % self.open.len() as u64) as usize;
                let batch = work.batch(&mut self.open[shard], &self.options);
                batch.push_exemplar(&mut self.table, slot, &exemplar, t);
                work.count(batch, 1);
                step.queued[EXEMPLAR] += 1;
                self.hand_over(shard, step);
            }
        }
    }

    fn hand_over(&mut self, shard: usize, step: &mut Step) {
        let max = self.options.max_items;
        if let Some(batch) = self.open[shard].take_if(|batch| batch.is_full(max)) {
            step.batches.push((shard, batch));
        }
    }

    /// Hands out all batches under construction.
    pub(super) fn flush(&mut self) -> Vec<(usize, Batch)> {
        let open = self.open.iter_mut().enumerate();
        open.filter_map(|(shard, batch)| batch.take().map(|batch| (shard, batch))).collect()
    }

    /// Hands out batches that were begun at or before `latest`.
    pub(super) fn flush_overdue(&mut self, latest: Duration) -> Vec<(usize, Batch)> {
        let due = |batch: &mut Batch| batch.opened <= latest;
        let open = self.open.iter_mut().enumerate();
        open.filter_map(|(shard, batch)| batch.take_if(due).map(|batch| (shard, batch))).collect()
    }

    /// Sorts to another number of shards from now on. Nothing may be under construction.
    pub(super) fn set_shards(&mut self, shards: usize) {
        self.open = std::iter::repeat_with(|| None).take(shards.max(1)).collect();
    }

    /// Once a checkpoint stands for segments that were read, forgets series that neither it nor later segments name.
    fn forget(&mut self, step: &mut Step) -> io::Result<()> {
        let Some((number, folder)) = last_checkpoint(&*self.fs, &self.dir).map_err(other)? else {
            return Ok(());
        };
        if self.checkpoint.is_some_and(|seen| seen >= number)
            || self.tail.position().segment <= number
        {
            return Ok(());
        }
        let mut records = std::mem::take(&mut self.records);
        for (segment, _) in list_segments(&*self.fs, &folder)? {
            let path = folder.join(segment_name(segment));
            let mut reader = SegmentReader::within(self.fs.open(&path)?, path, 0, u64::MAX);
            while let Some(record) = reader.next_record()? {
                if record.first() == Some(&SERIES) {
                    records.clear();
                    let _ = records.decode(record);
                    for entry in &records.series {
                        self.table.touch(entry.series, number);
                    }
                }
            }
        }
        self.records = records;
        // What is under construction knows series and strings by their places, which change.
        step.batches.extend(self.flush());
        self.table.forget_before(number);
        self.checkpoint = Some(number);
        info!(component = "remote", checkpoint = number, "series of removed segments forgotten");
        Ok(())
    }
}

/// What all entries of a step share.
struct Work {
    epoch: u64,
    uncertain: bool,
    now_ms: i64,
    monotonic: Duration,
}

impl Work {
    fn batch<'b>(&self, open: &'b mut Option<Batch>, options: &FeedOptions) -> &'b mut Batch {
        let FeedOptions { message, max_items, .. } = *options;
        open.get_or_insert_with(|| Batch::new(message, self.uncertain, self.monotonic, max_items))
    }

    fn count(&self, batch: &mut Batch, entries: u32) {
        match batch.epochs.last_mut() {
            Some((epoch, count)) if *epoch == self.epoch => *count += entries,
            _ => batch.epochs.push((self.epoch, entries)),
        }
    }
}

/// Where a kind of record is counted.
fn record_index(kind: u8) -> usize {
    match kind {
        SERIES => 0,
        2 | 11 => 1,
        EXEMPLARS => 2,
        7..=10 | 12 | 13 => 3,
        METADATA => 4,
        _ => 5,
    }
}

fn other(err: gauntlet_tsdb::TsdbError) -> io::Error {
    io::Error::other(err.to_string())
}

//! A batch on its way into the agent's log.

use std::sync::atomic::Ordering;

use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef, Timestamp};
use gauntlet_storage::{AppendError, AppendOptions, Appender};

use super::{AgentDb, read_only};
use crate::wal::record::{ExemplarEntry, HistogramEntry, MetadataEntry, SampleEntry};
use crate::wal::{RecordBuffer, encode};

pub(super) struct AgentAppender<'a> {
    db: &'a AgentDb,
    options: AppendOptions,
    /// Start timestamp of the next sample; 0 if unknown.
    start: Timestamp,
    samples: Vec<SampleEntry>,
    /// Of exponential and of custom buckets.
    histograms: [Vec<HistogramEntry<Histogram>>; 2],
    float_histograms: [Vec<HistogramEntry<FloatHistogram>>; 2],
    exemplars: Vec<ExemplarEntry>,
    metadata: Vec<MetadataEntry>,
}

impl<'a> AgentAppender<'a> {
    pub(super) fn new(db: &'a AgentDb, options: AppendOptions) -> Self {
        Self {
            db,
            options,
            start: 0,
            samples: Vec::new(),
            histograms: Default::default(),
            float_histograms: Default::default(),
            exemplars: Vec::new(),
            metadata: Vec::new(),
        }
    }

    fn resolve(&self, series: SeriesRef, labels: &Labels) -> Result<u64, AppendError> {
        let mut known = self.db.series.lock();
        if series.0 != 0 && known.newest(series.0).is_some() {
            return Ok(series.0);
        }
        if labels.is_empty() {
            return Err(AppendError::EmptyLabels);
        }
        Ok(known.get_or_create(labels))
    }

    /// The series of a sample that is not too late.
    fn check(&self, series: SeriesRef, labels: &Labels, t: Timestamp) -> Result<u64, AppendError> {
        let series = self.resolve(series, labels)?;
        let newest = self.db.series.lock().newest(series).unwrap_or(Timestamp::MIN);
        let window = match self.options.discard_out_of_order {
            true => 0,
            false => self.db.window_ms.load(Ordering::Acquire),
        };
        if newest > Timestamp::MIN && t <= newest.saturating_sub(window) {
            self.db.counters.out_of_order.fetch_add(1, Ordering::Relaxed);
            return Err(AppendError::OutOfOrder);
        }
        Ok(series)
    }

    /// A zero where counting began is in no window: it is new or was there before, which is not counted.
    fn check_start(
        &self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
    ) -> Result<u64, AppendError> {
        let series = self.resolve(series, labels)?;
        match self.db.series.lock().newest(series) {
            Some(newest) if start <= newest => Err(AppendError::OutOfOrder),
            _ => Ok(series),
        }
    }

    fn write(&mut self) -> Result<(), AppendError> {
        let Self {
            db,
            options,
            start: _,
            samples,
            histograms,
            float_histograms,
            exemplars,
            metadata,
        } = self;
        let whole = || histograms.iter().flatten().map(|e| (e.series, e.t));
        let float = || float_histograms.iter().flatten().map(|e| (e.series, e.t));
        let times = || samples.iter().map(|e| (e.series, e.t)).chain(whole()).chain(float());
        let others = exemplars.iter().map(|e| e.series).chain(metadata.iter().map(|e| e.series));
        let touched: Vec<u64> = times().map(|(series, _)| series).chain(others).collect();
        if touched.is_empty() {
            return Ok(());
        }
        let committing = db.committing.lock();
        let mut fresh = Vec::new();
        {
            let mut known = db.series.lock();
            for series in touched {
                fresh.extend(known.take_unlogged(series).map(|labels| (series, labels)));
            }
        }
        let mut batch = RecordBuffer::default();
        batch.record(|out| encode::series(out, fresh.iter().map(|(s, labels)| (*s, labels))));
        batch.record(|out| encode::metadata(out, metadata));
        batch.record(|out| encode::samples(out, samples));
        for entries in &*histograms {
            batch.record(|out| encode::histograms(out, entries));
        }
        for entries in &*float_histograms {
            batch.record(|out| encode::float_histograms(out, entries));
        }
        batch.record(|out| encode::exemplars(out, exemplars));
        let logged = match db.wal.log(&batch) {
            Ok(logged) => logged,
            Err(err) => {
                db.series.lock().unlog(&fresh);
                return Err(read_only(err));
            }
        };
        let mut newest = Timestamp::MIN;
        {
            let mut known = db.series.lock();
            for (series, t) in times() {
                known.saw(series, t);
                newest = newest.max(t);
            }
        }
        drop(committing);
        db.newest.fetch_max(newest, Ordering::AcqRel);
        let counters = &db.counters;
        counters.floats.fetch_add(samples.len() as u64, Ordering::Relaxed);
        let count = whole().count() + float().count();
        counters.histograms.fetch_add(count as u64, Ordering::Relaxed);
        counters.exemplars.fetch_add(exemplars.len() as u64, Ordering::Relaxed);
        if options.durable {
            db.wal.sync_to(logged).map_err(read_only)?;
        }
        Ok(())
    }
}

impl Appender for AgentAppender<'_> {
    fn start_of_next(&mut self, start: Timestamp) {
        self.start = if self.db.options.store_starts { start } else { 0 };
    }

    fn append(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: f64,
    ) -> Result<SeriesRef, AppendError> {
        let series = self.check(series, labels, t)?;
        let start = std::mem::take(&mut self.start);
        self.samples.push(SampleEntry { series, start, t, value });
        Ok(SeriesRef(series))
    }

    fn append_start_zero(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        _: Timestamp,
    ) -> Result<SeriesRef, AppendError> {
        let series = self.check_start(series, labels, start)?;
        self.samples.push(SampleEntry { series, start: 0, t: start, value: 0.0 });
        Ok(SeriesRef(series))
    }

    fn append_start_zero_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        _: Timestamp,
        like: &Histogram,
    ) -> Result<SeriesRef, AppendError> {
        let series = self.check_start(series, labels, start)?;
        let histogram = gauntlet_storage::zero_histogram(like);
        let custom = usize::from(histogram.uses_custom_buckets());
        self.histograms[custom].push(HistogramEntry { series, start: 0, t: start, histogram });
        Ok(SeriesRef(series))
    }

    fn append_start_zero_float_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        _: Timestamp,
        like: &FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        let series = self.check_start(series, labels, start)?;
        let histogram = gauntlet_storage::zero_float_histogram(like);
        let custom = usize::from(histogram.uses_custom_buckets());
        self.float_histograms[custom].push(HistogramEntry {
            series,
            start: 0,
            t: start,
            histogram,
        });
        Ok(SeriesRef(series))
    }

    fn append_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        histogram: Histogram,
    ) -> Result<SeriesRef, AppendError> {
        histogram.validate().map_err(|err| AppendError::InvalidHistogram(err.to_string()))?;
        let series = self.check(series, labels, t)?;
        let custom = usize::from(histogram.uses_custom_buckets());
        let start = std::mem::take(&mut self.start);
        self.histograms[custom].push(HistogramEntry { series, start, t, histogram });
        Ok(SeriesRef(series))
    }

    fn append_float_histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        histogram: FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        histogram.validate().map_err(|err| AppendError::InvalidHistogram(err.to_string()))?;
        let series = self.check(series, labels, t)?;
        let custom = usize::from(histogram.uses_custom_buckets());
        let start = std::mem::take(&mut self.start);
        self.float_histograms[custom].push(HistogramEntry { series, start, t, histogram });
        Ok(SeriesRef(series))
    }

    fn append_exemplar(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        exemplar: Exemplar,
    ) -> Result<(), AppendError> {
        let series = self.resolve(series, labels)?;
        let t = exemplar.timestamp.unwrap_or_else(|| self.db.newest_time());
        let (value, labels) = (exemplar.value, exemplar.labels);
        // A target shows its exemplars with every scrape: one that is unchanged is one.
        let last = self.exemplars.iter().rev().find(|entry| entry.series == series);
        if last.is_some_and(|last| last.t == t && last.value == value && last.labels == labels) {
            return Ok(());
        }
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
        self.metadata.push(MetadataEntry { series, metadata: metadata.clone() });
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), AppendError> {
        self.write()
    }

    fn rollback(self: Box<Self>) {}
}

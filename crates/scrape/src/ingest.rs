//! From a body to samples in a batch: parse in place, look each series up, append. The hot path.
//!
//! A line whose series is known allocates nothing and looks at no label. Errors that are the sample's own fault (out of order, duplicate, out of
//! bounds) cost that sample; all others fail the scrape, whose batch the caller then rolls back. Budget: 80 ns a known sample
//! without storage (`benches/ingest.rs`). Source: upstream `scrape/scrape.go`.

use std::sync::Arc;

use gauntlet_expfmt::{Entry, HistogramSample, MediaType, Parser, ParserOptions, ScratchLabels};
use gauntlet_model::histogram::{EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_MIN};
use gauntlet_model::{Exemplar, Labels, STALE_NAN, SeriesRef, Timestamp};
use gauntlet_storage::{AppendError, Appender};
use tracing::{debug, warn};

use crate::cache::{Cache, Found};
use crate::config::ScrapeConfig;
use crate::error::ScrapeError;
use crate::labels::{SampleLabels, check};
use crate::metadata::{MetadataCache, is_of_family};
use crate::metrics::Metrics;
use crate::target::{CLASSIC, NATIVE, NHCB, Target};

/// Samples farther ahead of now than this are refused, in milliseconds.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// What a body came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples exposed.
    pub(crate) scraped: usize,
    /// Samples left after relabelling.
    pub(crate) kept: usize,
    /// Series that were not there the last time.
    pub(crate) added: usize,
}

/// Options that all jobs share.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IngestOptions {
    pub(crate) type_and_unit_labels: bool,
    /// Write metadata to storage.
    pub(crate) append_metadata: bool,
    /// Read when counting began, and tell storage.
    pub(crate) parse_starts: bool,
    /// Append a zero there, too.
    pub(crate) start_zeros: bool,
    /// Seed of the cache's hashes.
    pub(crate) hash_seed: u64,
}

/// The parsing and appending side of one target.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) target: Arc<Target>,
    config: Arc<ScrapeConfig>,
    options: IngestOptions,
    metrics: Arc<Metrics>,
    cache: Cache,
    scrape: u64,
    sample_labels: SampleLabels,
    exposed: ScratchLabels,
    exemplars: Vec<Exemplar>,
    help: String,
}

/// Errors of a body's samples that do not fail it.
#[derive(Default)]
struct Faults {
    out_of_order: usize,
    duplicate: usize,
    out_of_bounds: usize,
    exemplars: usize,
    sample_limit: bool,
    bucket_limit: bool,
}

/// A batch with the limits that hold for a body.
struct Batch<'a> {
    app: &'a mut dyn Appender,
    max_time: Timestamp,
    samples: u64,
    sample_limit: u64,
    bucket_limit: u64,
    max_schema: i32,
    /// When the present sample began to count.
    start: Option<Timestamp>,
    start_zeros: bool,
}

/// Small enough to come back in registers: errors are rare and may cost an allocation.
type Appended = Result<SeriesRef, Box<Refused>>;

enum Refused {
    SampleLimit,
    BucketLimit,
    Append(AppendError),
}

impl Ingest {
    pub(crate) fn new(
        target: Arc<Target>,
        config: Arc<ScrapeConfig>,
        options: IngestOptions,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            cache: Cache::new(options.hash_seed),
            target,
            config,
            options,
            metrics,
            scrape: 1,
            sample_labels: SampleLabels::default(),
            exposed: ScratchLabels::default(),
            exemplars: Vec::new(),
            help: String::new(),
        }
    }

    /// Goes on under another configuration that makes the same series of the same text.
    pub(crate) fn reconfigure(&mut self, target: Arc<Target>, config: Arc<ScrapeConfig>) {
        self.target = target;
        self.config = config;
    }

    /// Appends a body. On `Err` the batch is to be rolled back, and [`Ingest::append_empty`] called with a new one.
    pub(crate) fn append(
        &mut self,
        app: &mut dyn Appender,
        body: &[u8],
        content_type: &str,
        t: Timestamp,
        now_ms: Timestamp,
    ) -> (Counts, Result<(), ScrapeError>) {
        let mut counts = Counts::default();
        if body.is_empty() {
            return (counts, self.append_empty(app, t));
        }
        let result = self.append_body(app, body, content_type, t, now_ms, &mut counts);
        if result.is_ok() {
            self.scrape += 1;
            self.cache.finish(true);
            self.target.metadata.lock().evict(self.scrape);
        } else {
            self.cache.abort();
        }
        (counts, result)
    }

    /// An empty scrape: every series of the last one gets a stale marker.
    pub(crate) fn append_empty(
        &mut self,
        app: &mut dyn Appender,
        t: Timestamp,
    ) -> Result<(), ScrapeError> {
        let result = self.append_stale(app, t);
        self.scrape += 1;
        if self.cache.finish(false) {
            self.metrics.cache_flush_forced.inc();
        }
        result
    }

    fn append_body(
        &mut self,
        app: &mut dyn Appender,
        body: &[u8],
        content_type: &str,
        t: Timestamp,
        now_ms: Timestamp,
        counts: &mut Counts,
    ) -> Result<(), ScrapeError> {
        let fallback = self.config.fallback_scrape_protocol.map(media_type);
        let (media_type, note) = MediaType::with_fallback(content_type, fallback)?;
        if let Some(note) = note {
            debug!(
                component = "scrape",
                target = self.target.url(),
                note,
                "content type not usable"
            );
        }
        let mut parser = Parser::new(body, media_type, self.parser_options());
        let mut batch = Batch::new(app, &self.config, now_ms);
        batch.start_zeros = self.options.start_zeros;
        let mut faults = Faults::default();
        let target = Arc::clone(&self.target);
        let mut metadata = target.metadata.lock();
        let outcome =
            self.append_entries(&mut parser, &mut batch, &mut metadata, t, counts, &mut faults);
        drop(metadata);
        self.tell(&faults);
        outcome?;
        if faults.sample_limit {
            return Err(ScrapeError::SampleLimit);
        }
        if faults.bucket_limit {
            return Err(ScrapeError::BucketLimit);
        }
        self.append_stale(batch.app, t)
    }

    fn append_entries(
        &mut self,
        parser: &mut Parser<'_>,
        batch: &mut Batch<'_>,
        metadata: &mut MetadataCache,
        t: Timestamp,
        counts: &mut Counts,
        faults: &mut Faults,
    ) -> Result<(), ScrapeError> {
        let honor_timestamps = self.config.honor_timestamps;
        let track_all = self.config.track_timestamps_staleness;
        let empty = Labels::empty();
        while let Some(entry) = parser.next_known(|rest| self.cache.probe(rest))? {
            if !matches!(entry, Entry::Series | Entry::Histogram) {
                self.note_metadata(parser, entry, metadata);
                continue;
            }
            counts.scraped += 1;
            // Boxed, so that floats do not carry the room for one around.
            let histogram = match entry {
                Entry::Histogram => match parser.take_histogram() {
                    Some(histogram) => Some(Box::new(histogram)),
                    None => continue,
                },
                _ => None,
            };
            let histogram = histogram.as_deref();
            if self.options.parse_starts {
                batch.start = parser.start_timestamp();
            }
            let sample = parser.sample();
            let value = sample.value;
            let own_time = sample.timestamp.filter(|_| honor_timestamps);
            let at = own_time.unwrap_or(t);
            let tracked = own_time.is_none() || track_all;
            let mut named = None;
            let (appended, new) = match self.cache.find(sample.raw) {
                Found::Dropped => continue,
                Found::Known { again: true, .. } if own_time.is_none() => {
                    (Err(Refused::append(AppendError::DuplicateSample)), None)
                }
                Found::Known { id, series, .. } => {
                    let mut appended = batch.append(series, &empty, at, value, histogram);
                    if matches!(&appended, Err(err) if err.is_unnamed()) {
                        // Storage has let go of the series since: name it again.
                        let labels = named.insert(self.labels_of(parser)?.unwrap_or_default());
                        appended = batch.append(SeriesRef(0), labels, at, value, histogram);
                    }
                    if let Ok(now) = &appended {
                        if *now != series {
                            self.cache.set_series(id, *now);
                        }
                        if tracked {
                            self.cache.track(id);
                        }
                    }
                    (appended, None)
                }
                Found::New(text) => {
                    let Some(labels) = self.labels_of(parser)? else {
                        self.cache.insert_dropped(text);
                        continue;
                    };
                    self.check(&labels)?;
                    let labels = named.insert(labels);
                    (batch.append(SeriesRef(0), labels, at, value, histogram), Some(text))
                }
            };
            let series = match appended {
                Ok(series) => {
                    if let Some(text) = new {
                        let id = self.cache.insert(text, series);
                        if tracked {
                            self.cache.track(id);
                        }
                        counts.added += usize::from(!faults.sample_limit && !faults.bucket_limit);
                    }
                    Some(series)
                }
                Err(refused) => {
                    self.note_refused(*refused, faults)?;
                    None
                }
            };
            counts.kept += 1;
            let Some(series) = series else { continue };
            if parser.has_exemplars() {
                let labels = named.as_ref().unwrap_or(&empty);
                self.append_exemplars(
                    parser,
                    batch.app,
                    series,
                    labels,
                    at,
                    histogram.is_some(),
                    faults,
                );
            }
            if self.options.append_metadata {
                self.append_metadata(parser, batch.app, series, metadata, new.is_some())?;
            }
        }
        Ok(())
    }

    /// The label set of the parser's series as stored; `None` if it is dropped.
    fn labels_of(&mut self, parser: &Parser<'_>) -> Result<Option<Labels>, ScrapeError> {
        parser.labels(&mut self.exposed)?;
        Ok(self.sample_labels.build(&self.exposed, self.target.labels(), &self.config))
    }

    fn check(&self, labels: &Labels) -> Result<(), ScrapeError> {
        let checked = check(labels, &self.config);
        if matches!(checked, Err(ScrapeError::LabelLimit(_))) {
            self.metrics.exceeded_label_limits.inc();
        }
        checked
    }

    /// Counts a refusal that costs the sample; passes on one that costs the scrape.
    #[cold]
    fn note_refused(&self, refused: Refused, faults: &mut Faults) -> Result<(), ScrapeError> {
        match refused {
            // Parsing goes on, so that the samples are counted.
            Refused::SampleLimit => faults.sample_limit = true,
            Refused::BucketLimit => faults.bucket_limit = true,
            Refused::Append(AppendError::OutOfOrder) => {
                faults.out_of_order += 1;
                self.metrics.out_of_order.inc();
            }
            Refused::Append(AppendError::DuplicateSample) => {
                faults.duplicate += 1;
                self.metrics.duplicate_timestamp.inc();
            }
            Refused::Append(AppendError::OutOfBounds) => {
                faults.out_of_bounds += 1;
                self.metrics.out_of_bounds.inc();
            }
            Refused::Append(err) => return Err(err.into()),
        }
        Ok(())
    }

    fn tell(&self, faults: &Faults) {
        if faults.sample_limit {
            self.metrics.exceeded_sample_limit.inc();
        }
        if faults.bucket_limit {
            self.metrics.exceeded_bucket_limit.inc();
        }
        let url = self.target.url();
        for (count, what) in [
            (faults.out_of_order, "out-of-order samples were not taken"),
            (faults.duplicate, "samples with another value at the same time were not taken"),
            (faults.out_of_bounds, "samples too old or too far ahead were not taken"),
            (faults.exemplars, "out-of-order exemplars were not taken"),
        ] {
            if count > 0 {
                warn!(component = "scrape", target = url, count, "{what}");
            }
        }
    }

    fn note_metadata(&mut self, parser: &Parser<'_>, entry: Entry, metadata: &mut MetadataCache) {
        if entry == Entry::Comment {
            return;
        }
        let Ok(name) = std::str::from_utf8(parser.name()) else { return };
        let family = metadata.family(name, self.scrape);
        match entry {
            Entry::Type => family.set_type(parser.metric_type(), self.scrape),
            Entry::Help => {
                parser.help(&mut self.help);
                family.set_help(&self.help, self.scrape);
            }
            _ => {
                family.set_unit(std::str::from_utf8(parser.unit()).unwrap_or_default(), self.scrape)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of the loop above")]
    fn append_exemplars(
        &mut self,
        parser: &mut Parser<'_>,
        app: &mut dyn Appender,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        is_histogram: bool,
        faults: &mut Faults,
    ) {
        self.exemplars.clear();
        parser.exemplars(&mut self.exemplars);
        // Native histograms must say when, or repeats could not be told apart.
        self.exemplars.retain(|e| e.timestamp.is_some() || !is_histogram);
        for exemplar in &mut self.exemplars {
            exemplar.timestamp.get_or_insert(t);
        }
        self.exemplars.sort_by(|a, b| {
            a.timestamp
                .cmp(&b.timestamp)
                .then_with(|| a.value.total_cmp(&b.value))
                .then_with(|| a.labels.cmp(&b.labels))
        });
        let count = self.exemplars.len();
        let mut late = 0;
        for exemplar in self.exemplars.drain(..) {
            match app.append_exemplar(series, labels, exemplar) {
                Ok(()) => {}
                Err(AppendError::OutOfOrderExemplar) => late += 1,
                Err(err) => debug!(component = "scrape", %err, "exemplar was not taken"),
            }
        }
        // Some late ones among new ones are an update of a set that was there before.
        if late > 0 && late == count {
            faults.exemplars += late;
            self.metrics.exemplar_out_of_order.add(late as u64);
        }
    }

    /// Writes the metadata of a series that is new, or whose family's metadata changed in this scrape.
    fn append_metadata(
        &mut self,
        parser: &Parser<'_>,
        app: &mut dyn Appender,
        series: SeriesRef,
        metadata: &MetadataCache,
        is_new: bool,
    ) -> Result<(), ScrapeError> {
        let Ok(name) = std::str::from_utf8(parser.name()) else { return Ok(()) };
        let Some(family) = metadata.get(name) else { return Ok(()) };
        if !is_new && family.changed_at != self.scrape {
            return Ok(());
        }
        let Some(labels) = self.labels_of(parser)? else { return Ok(()) };
        if is_of_family(labels.metric_name(), name, family.metadata.metric_type)
            && let Err(err) = app.update_metadata(series, &labels, &family.metadata)
        {
            debug!(component = "scrape", %err, "metadata was not taken");
        }
        Ok(())
    }

    fn append_stale(&self, app: &mut dyn Appender, t: Timestamp) -> Result<(), ScrapeError> {
        let empty = Labels::empty();
        for series in self.cache.stale() {
            match app.append(series, &empty, t, STALE_NAN) {
                // The target came back under a new loop, or storage has let go of the series.
                Ok(_)
                | Err(
                    AppendError::OutOfOrder
                    | AppendError::DuplicateSample
                    | AppendError::EmptyLabels,
                ) => {}
                Err(err) => return Err(err.into()),
            }
        }
        Ok(())
    }

    fn parser_options(&self) -> ParserOptions {
        let (config, target) = (&self.config, &self.target);
        ParserOptions {
            type_and_unit_labels: self.options.type_and_unit_labels,
            ignore_native_histograms: !target.flag(NATIVE, config.scrape_native_histograms),
            convert_classic_to_nhcb: target.flag(NHCB, config.convert_classic_histograms_to_nhcb),
            keep_classic: target.flag(CLASSIC, config.always_scrape_classic_histograms),
            skip_created: self.options.parse_starts,
        }
    }
}

impl Refused {
    #[cold]
    fn append(err: AppendError) -> Box<Self> {
        Box::new(Self::Append(err))
    }

    /// Whether storage does not know the series any more and wants its labels.
    fn is_unnamed(&self) -> bool {
        matches!(self, Self::Append(AppendError::EmptyLabels))
    }
}

impl<'a> Batch<'a> {
    fn new(app: &'a mut dyn Appender, config: &ScrapeConfig, now_ms: Timestamp) -> Self {
        Self {
            app,
            max_time: now_ms.saturating_add(MAX_AHEAD_MS),
            samples: 0,
            sample_limit: config.limits.sample_limit,
            bucket_limit: config.native_histogram_bucket_limit,
            max_schema: pick_schema(config.native_histogram_min_bucket_factor),
            start: None,
            start_zeros: false,
        }
    }

    #[inline]
    fn append(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: f64,
        histogram: Option<&HistogramSample>,
    ) -> Appended {
        if self.sample_limit > 0 {
            self.samples += 1;
            if self.samples > self.sample_limit {
                return Err(Box::new(Refused::SampleLimit));
            }
        }
        if t > self.max_time {
            return Err(Refused::append(AppendError::OutOfBounds));
        }
        let Some(histogram) = histogram else {
            let series = match self.start {
                Some(start) => self.append_start(series, labels, start, t, None),
                None => series,
            };
            return self.app.append(series, labels, t, value).map_err(Refused::append);
        };
        let histogram = self.bound(histogram.clone())?;
        let series = match self.start {
            Some(start) => self.append_start(series, labels, start, t, Some(&histogram)),
            None => series,
        };
        let appended = match histogram {
            HistogramSample::Int(h) => self.app.append_histogram(series, labels, t, h),
            HistogramSample::Float(h) => self.app.append_float_histogram(series, labels, t, h),
        };
        appended.map_err(Refused::append)
    }

    /// Tells storage when the sample that follows began to count, by a zero there if that is wanted. Nearly all zeros were appended
    /// before: that they are late is no fault. Returns how to name the series from now on.
    #[cold]
    fn append_start(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        start: Timestamp,
        t: Timestamp,
        histogram: Option<&HistogramSample>,
    ) -> SeriesRef {
        if !self.start_zeros {
            self.app.start_of_next(start);
            return series;
        }
        let appended = match histogram {
            None => self.app.append_start_zero(series, labels, start, t),
            Some(HistogramSample::Int(h)) => {
                self.app.append_start_zero_histogram(series, labels, start, t, h)
            }
            Some(HistogramSample::Float(h)) => {
                self.app.append_start_zero_float_histogram(series, labels, start, t, h)
            }
        };
        self.app.start_of_next(start);
        appended.unwrap_or(series)
    }

    /// Brings a histogram within the job's limits, by halving its resolution as often as it takes.
    fn bound(&self, mut histogram: HistogramSample) -> Result<HistogramSample, Box<Refused>> {
        let invalid = |err: gauntlet_model::histogram::HistogramError| {
            Refused::append(AppendError::InvalidHistogram(err.to_string()))
        };
        if histogram.is_exponential() && histogram.schema() > self.max_schema {
            histogram.reduce_resolution(self.max_schema).map_err(invalid)?;
        }
        while self.bucket_limit > 0 && histogram.bucket_count() as u64 > self.bucket_limit {
            if !histogram.is_exponential() || histogram.schema() <= EXPONENTIAL_SCHEMA_MIN {
                return Err(Box::new(Refused::BucketLimit));
            }
            histogram.reduce_resolution(histogram.schema() - 1).map_err(invalid)?;
        }
        Ok(histogram)
    }
}

/// The finest schema whose buckets grow at least by `factor`.
fn pick_schema(factor: f64) -> i32 {
    let factor = if factor <= 1.0 { 1.00271 } else { factor };
    let floor = (-factor.log2().log2()).floor();
    (floor as i32).clamp(EXPONENTIAL_SCHEMA_MIN, EXPONENTIAL_SCHEMA_MAX)
}

pub(crate) fn media_type(protocol: crate::config::ScrapeProtocol) -> MediaType {
    use crate::config::ScrapeProtocol as P;
    match protocol {
        P::PrometheusProto => MediaType::Protobuf,
        P::OpenMetricsText001 | P::OpenMetricsText100 => MediaType::OpenMetrics,
        P::PrometheusText004 | P::PrometheusText100 => MediaType::Text,
    }
}

/// A door for the bench: one target's ingest, by itself.
#[doc(hidden)]
pub mod bench_support {
    use super::*;
    use crate::target::Outcome;
    use gauntlet_model::TargetGroup;
    use gauntlet_telemetry::Registry;

    /// Ingests bodies of one target.
    #[derive(Debug)]
    pub struct Door(Ingest);

    impl Door {
        /// `None` if the target does not come out of relabelling.
        pub fn new(config: ScrapeConfig, address: &str) -> Option<Self> {
            let own = Labels::from_pairs([("__address__", address)]);
            let made =
                Target::discover(&config, &TargetGroup::default(), &own, &mut Default::default());
            let Ok(Outcome::Keep(target)) = made else { return None };
            let metrics = Arc::new(Metrics::new(&Registry::new()));
            let options = IngestOptions::default();
            Some(Self(Ingest::new(Arc::from(target), Arc::new(config), options, metrics)))
        }

        /// Samples kept, and the error if there was one.
        pub fn append(
            &mut self,
            app: &mut dyn Appender,
            body: &[u8],
            content_type: &str,
            t: Timestamp,
        ) -> (usize, Option<ScrapeError>) {
            let (counts, result) = self.0.append(app, body, content_type, t, t);
            (counts.kept, result.err())
        }
    }
}

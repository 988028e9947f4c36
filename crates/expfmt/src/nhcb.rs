//! Classic histograms as native ones with custom buckets (schema -53). Source: upstream `textparse/nhcbparse.go`, `util/convertnhcb`.
//!
//! [`NhcbParser`] wraps a text parser, collects the series of one classic histogram and gives the histogram when the next metric begins.
//! Only series under a TYPE line `histogram` of their own base name are taken.

use gauntlet_model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, MetricType, Timestamp};

use crate::error::ParseError;
use crate::number::parse_float;
use crate::parser::{Entry, HistogramSample, LineParser, ParserOptions, Sample};
use crate::series::{LabelsError, ScratchLabels};

/// Why collected buckets are no histogram.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum CollectError {
    #[error("bucket boundary must not be NaN")]
    NanBound,
    #[error("bucket count must be non-negative: le={0}, count={1}")]
    NegativeBucket(f64, f64),
    #[error("count must be non-negative: count={0}")]
    NegativeCount(f64),
    #[error("count is not cumulative: {0} < {1}")]
    NotCumulative(f64, f64),
    #[error("count mismatch: count={0} != le={1} count={2}")]
    Mismatch(f64, f64, f64),
}

/// The numbers of one classic histogram. The first error sticks.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// (upper bound, cumulative count), ascending.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    error: Option<CollectError>,
}

impl Collected {
    fn reset(&mut self) {
        self.buckets.clear();
        self.count = None;
        self.sum = 0.0;
        self.error = None;
    }

    pub(crate) fn set_bucket(&mut self, bound: f64, count: f64) {
        if self.error.is_some() {
            return;
        }
        if bound.is_nan() {
            self.error = Some(CollectError::NanBound);
            return;
        }
        if count < 0.0 {
            self.error = Some(CollectError::NegativeBucket(bound, count));
            return;
        }
        let at = self.buckets.partition_point(|b| b.0 < bound);
        if self.buckets.get(at).is_some_and(|b| b.0 == bound) {
            return;
        }
        if let Some(below) = at.checked_sub(1).map(|i| self.buckets[i].1)
            && count < below
        {
            self.error = Some(CollectError::NotCumulative(count, below));
            return;
        }
        if let Some(above) = self.buckets.get(at).map(|b| b.1)
            && count > above
        {
            self.error = Some(CollectError::NotCumulative(above, count));
            return;
        }
        self.buckets.insert(at, (bound, count));
    }

    pub(crate) fn set_count(&mut self, count: f64) {
        if self.error.is_some() {
            return;
        }
        if count < 0.0 {
            self.error = Some(CollectError::NegativeCount(count));
            return;
        }
        self.count = Some(count);
    }

    pub(crate) fn set_sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// The histogram: with whole counts if every count is whole.
    pub(crate) fn convert(&self) -> Result<HistogramSample, CollectError> {
        if let Some(err) = &self.error {
            return Err(err.clone());
        }
        let mut buckets = self.buckets.clone();
        let count = match (self.count, buckets.last()) {
            (Some(count), _) => count,
            (None, Some(last)) => last.1,
            (None, None) => 0.0,
        };
        if buckets.last().is_none_or(|last| last.0 != f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        let last = buckets[buckets.len() - 1];
        if count != last.1 {
            return Err(CollectError::Mismatch(count, last.0, last.1));
        }
        let spans = vec![Span { offset: 0, length: buckets.len() as u32 }];
        let custom_values: Vec<f64> = buckets[..buckets.len() - 1].iter().map(|b| b.0).collect();
        let whole = |v: f64| v.fract() == 0.0 && v.abs() < 9.2e18;
        if whole(count) && buckets.iter().all(|b| whole(b.1)) {
            let (mut cumulative, mut previous) = (0i64, 0i64);
            let deltas = buckets.iter().map(|b| {
                let own = b.1 as i64 - cumulative;
                let delta = own - previous;
                (cumulative, previous) = (b.1 as i64, own);
                delta
            });
            let mut histogram = Histogram {
                schema: CUSTOM_BUCKETS_SCHEMA,
                count: count as u64,
                sum: self.sum,
                positive_buckets: deltas.collect(),
                positive_spans: spans,
                custom_values,
                ..Histogram::default()
            };
            histogram.compact(2);
            return Ok(HistogramSample::Int(histogram));
        }
        let mut cumulative = 0.0;
        let counts = buckets.iter().map(|b| {
            let own = b.1 - cumulative;
            cumulative = b.1;
            own
        });
        let mut histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_buckets: counts.collect(),
            positive_spans: spans,
            custom_values,
            ..FloatHistogram::default()
        };
        histogram.compact(0);
        Ok(HistogramSample::Float(histogram))
    }
}

/// Which part of a classic histogram a series is.
enum Part {
    Bucket(f64),
    Sum,
    Count,
}

/// A histogram ready to be given.
#[derive(Debug)]
struct Ready {
    raw: Vec<u8>,
    labels: ScratchLabels,
    timestamp: Option<Timestamp>,
    start: Option<Timestamp>,
    exemplars: Vec<Exemplar>,
    histogram: Option<HistogramSample>,
}

#[derive(Debug)]
pub(crate) struct NhcbParser<'b> {
    line: LineParser<'b>,
    options: ParserOptions,
    collecting: bool,
    collected: Collected,
    /// Base name and labels without `le` of the histogram being collected, and of the present series.
    key: String,
    present_key: String,
    scratch: ScratchLabels,
    base: ScratchLabels,
    timestamp: Option<Timestamp>,
    start: Option<Timestamp>,
    exemplars: Vec<Exemplar>,
    /// The histogram the parser stands at.
    ready: Option<Ready>,
    /// What the inner parser stands at and the caller has not seen.
    held: Option<Option<Entry>>,
    /// The present series is part of a histogram, which has its exemplars.
    collected_present: bool,
}

impl<'b> NhcbParser<'b> {
    pub(crate) fn new(line: LineParser<'b>, options: ParserOptions) -> Self {
        Self {
            line,
            options,
            collecting: false,
            collected: Collected::default(),
            key: String::new(),
            present_key: String::new(),
            scratch: ScratchLabels::default(),
            base: ScratchLabels::default(),
            timestamp: None,
            start: None,
            exemplars: Vec::new(),
            ready: None,
            held: None,
            collected_present: false,
        }
    }

    pub(crate) fn line(&self) -> &LineParser<'b> {
        &self.line
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ParseError> {
        self.ready = None;
        loop {
            let entry = match self.held.take() {
                Some(held) => held,
                None => {
                    let entry = self.line.next(|_| None)?;
                    if self.finish_before(entry) {
                        self.held = Some(entry);
                        return Ok(Some(Entry::Histogram));
                    }
                    entry
                }
            };
            if entry.is_none() {
                // The end stays the end.
                self.held = Some(None);
            }
            self.collected_present = entry == Some(Entry::Series) && self.collect();
            if self.collected_present && !self.options.keep_classic {
                continue;
            }
            return Ok(entry);
        }
    }

    /// Whether `entry` ends the histogram being collected, and the histogram is one.
    fn finish_before(&mut self, entry: Option<Entry>) -> bool {
        if !self.collecting {
            return false;
        }
        if entry == Some(Entry::Series) && self.part().is_some() && self.present_key == self.key {
            return false;
        }
        self.collecting = false;
        let converted = self.collected.convert();
        self.collected.reset();
        let exemplars = std::mem::take(&mut self.exemplars);
        let Ok(histogram) = converted else { return false };
        self.ready = Some(Ready {
            raw: std::mem::take(&mut self.key).into_bytes(),
            labels: std::mem::take(&mut self.base),
            timestamp: self.timestamp,
            start: self.start,
            exemplars,
            histogram: Some(histogram),
        });
        true
    }

    /// Takes the present series up, if it is a classic histogram's.
    fn collect(&mut self) -> bool {
        let Some(part) = self.part() else { return false };
        if !self.collecting {
            self.start = self.line.start_timestamp();
        }
        let state = self.line.state();
        if !self.collecting {
            self.collecting = true;
            std::mem::swap(&mut self.key, &mut self.present_key);
            self.base.clear();
            let base_name = std::str::from_utf8(state.typed).unwrap_or_default();
            self.base.push(METRIC_NAME, base_name);
            for (name, value) in self.scratch.iter() {
                if name != METRIC_NAME && name != "le" {
                    self.base.push(name, value);
                }
            }
            // The pairs come from a sorted set with each name once.
            let _ = self.base.finish();
        }
        self.timestamp = state.timestamp;
        let value = state.value;
        self.line.exemplars(&mut self.exemplars);
        match part {
            Part::Bucket(bound) => self.collected.set_bucket(bound, value),
            Part::Sum => self.collected.set_sum(value),
            Part::Count => self.collected.set_count(value),
        }
        true
    }

    /// Which part of the histogram under the present TYPE line the present series is. Sets `present_key` and `scratch`.
    fn part(&mut self) -> Option<Part> {
        let state = self.line.state();
        if state.metric_type != MetricType::Histogram {
            return None;
        }
        self.line.labels(self.options.type_and_unit_labels, &mut self.scratch).ok()?;
        let name = self.scratch.get(METRIC_NAME)?;
        let suffix = name.as_bytes().strip_prefix(state.typed)?;
        let part = match suffix {
            b"_bucket" => {
                let bound = parse_float(self.scratch.get("le")?.as_bytes()).ok()?;
                Part::Bucket(Some(bound).filter(|b| !b.is_nan())?)
            }
            b"_sum" => Part::Sum,
            b"_count" => Part::Count,
            _ => return None,
        };
        self.present_key.clear();
        self.present_key.push_str(std::str::from_utf8(state.typed).ok()?);
        for (name, value) in self.scratch.iter() {
            if name != METRIC_NAME && name != "le" {
                self.present_key.push('\u{1}');
                self.present_key.push_str(name);
                self.present_key.push('\u{2}');
                self.present_key.push_str(value);
            }
        }
        Some(part)
    }

    pub(crate) fn sample(&self) -> Sample<'_> {
        match &self.ready {
            Some(ready) => Sample { raw: &ready.raw, value: 0.0, timestamp: ready.timestamp },
            None => {
                let state = self.line.state();
                Sample { raw: state.raw, value: state.value, timestamp: state.timestamp }
            }
        }
    }

    pub(crate) fn labels(&self, out: &mut ScratchLabels) -> Result<(), LabelsError> {
        match &self.ready {
            Some(ready) => {
                out.clone_from(&ready.labels);
                Ok(())
            }
            None => self.line.labels(self.options.type_and_unit_labels, out),
        }
    }

    pub(crate) fn start_timestamp(&mut self) -> Option<Timestamp> {
        match &self.ready {
            Some(ready) => ready.start,
            None if self.collected_present => self.start,
            None => self.line.start_timestamp(),
        }
    }

    pub(crate) fn take_histogram(&mut self) -> Option<HistogramSample> {
        self.ready.as_mut()?.histogram.take()
    }

    pub(crate) fn exemplars(&mut self, out: &mut Vec<Exemplar>) {
        match &mut self.ready {
            Some(ready) => out.append(&mut ready.exemplars),
            None if self.collected_present => {}
            None => self.line.exemplars(out),
        }
    }
}

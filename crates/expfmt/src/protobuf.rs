//! Length-delimited `io.prometheus.client.MetricFamily` messages, given as the entries a text body would have.
//!
//! One metric is decoded at a time into storage that is reused. A metric gives one or more samples; which, and in which order, is worked
//! out once per metric (`emissions`). Source: upstream `model/textparse/protobufparse.go` and `metrics.proto`.

use std::collections::VecDeque;

use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, MetricType, Timestamp};

use crate::error::ParseError;
use crate::metric_pb::{Bucket, Metric, ProtoExemplar};
use crate::native::check_layout;
use crate::nhcb::Collected;
use crate::number::push_openmetrics_float;
use crate::parser::{Entry, HistogramSample, ParserOptions, Sample};
use crate::pb::{Fields, Value, WireError};
use crate::series::{DecodeOptions, LabelsError, ScratchLabels};

/// One sample that a metric gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Emission {
    Simple,
    Count,
    Sum,
    Quantile(usize),
    /// The +Inf bucket that was not exposed has the number of buckets.
    Bucket(usize),
    Native,
    Nhcb,
}

#[derive(Debug)]
pub(crate) struct ProtobufParser<'b> {
    body: Fields<'b>,
    options: ParserOptions,
    family: Family<'b>,
    metric: Metric<'b>,
    /// Metadata entries and samples still to come, nearest first.
    entries: VecDeque<Entry>,
    emissions: VecDeque<Emission>,
    present: Emission,
    raw: Vec<u8>,
    value: f64,
    histogram: Option<HistogramSample>,
}

#[derive(Debug, Default)]
struct Family<'b> {
    name: &'b str,
    help: &'b [u8],
    unit: &'b str,
    kind: u64,
    /// Fields not yet walked; metrics come from here.
    rest: Option<Fields<'b>>,
    offset: usize,
}

const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const SUMMARY: u64 = 2;
const UNTYPED: u64 = 3;
const HISTOGRAM: u64 = 4;
const GAUGE_HISTOGRAM: u64 = 5;

impl<'b> ProtobufParser<'b> {
    pub(crate) fn new(body: &'b [u8], options: ParserOptions) -> Self {
        Self {
            body: Fields::new(body),
            options,
            family: Family::default(),
            metric: Metric::default(),
            entries: VecDeque::new(),
            emissions: VecDeque::new(),
            present: Emission::Simple,
            raw: Vec::new(),
            value: 0.0,
            histogram: None,
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ParseError> {
        self.histogram = None;
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return Ok(Some(entry));
            }
            if let Some(emission) = self.emissions.pop_front() {
                return self.emit(emission).map(Some);
            }
            if self.next_metric()? {
                continue;
            }
            if !self.next_family()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next family's own fields; a family without metrics is passed over in silence.
    fn next_family(&mut self) -> Result<bool, ParseError> {
        let offset = self.body.pos;
        let wire = |err: WireError| ParseError::binary(offset, err.to_string());
        if self.body.is_empty() {
            return Ok(false);
        }
        let message = self.body.delimited().map_err(wire)?;
        let mut family = Family { offset, ..Family::default() };
        let mut fields = Fields::new(message);
        let mut has_metrics = false;
        while let Some((number, value)) = fields.next().map_err(wire)? {
            match number {
                1 => family.name = value.text().map_err(wire)?,
                2 => family.help = value.bytes().map_err(wire)?,
                3 => family.kind = value.varint().map_err(wire)?,
                4 => has_metrics = true,
                5 => family.unit = value.text().map_err(wire)?,
                _ => {}
            }
        }
        if has_metrics {
            if family.name.is_empty() {
                return Err(self.error_at(offset, format!("invalid metric name: {}", family.name)));
            }
            let name = gauntlet_model::float::GoQuoted(family.name);
            if std::str::from_utf8(family.help).is_err() {
                let help = String::from_utf8_lossy(family.help);
                return Err(
                    self.error_at(offset, format!("invalid help for metric {name}: {help}"))
                );
            }
            if family.kind > GAUGE_HISTOGRAM {
                let message = format!("unknown metric type for metric {name}: {}", family.kind);
                return Err(self.error_at(offset, message));
            }
            self.entries.push_back(Entry::Help);
            if !family.unit.is_empty() {
                self.entries.push_back(Entry::Unit);
            }
            self.entries.push_back(Entry::Type);
            family.rest = Some(Fields::new(message));
        }
        self.family = family;
        Ok(true)
    }

    fn error_at(&self, offset: usize, message: String) -> ParseError {
        ParseError::binary(offset, message)
    }

    /// Decodes the family's next metric and plans its samples.
    fn next_metric(&mut self) -> Result<bool, ParseError> {
        let offset = self.family.offset;
        let wire = |err: WireError| ParseError::binary(offset, err.to_string());
        let Some(rest) = &mut self.family.rest else { return Ok(false) };
        let message = loop {
            match rest.next().map_err(wire)? {
                Some((4, Value::Bytes(message))) => break message,
                Some((4, _)) => return Err(wire(WireError::FieldType(4))),
                Some(_) => {}
                None => {
                    self.family.rest = None;
                    return Ok(false);
                }
            }
        };
        self.metric.decode(message).map_err(wire)?;
        self.plan();
        Ok(true)
    }

    fn plan(&mut self) {
        let queue = &mut self.emissions;
        match self.family.kind {
            SUMMARY => {
                queue.extend([Emission::Count, Emission::Sum]);
                queue.extend((0..self.metric.quantiles.len()).map(Emission::Quantile));
            }
            HISTOGRAM | GAUGE_HISTOGRAM => {
                let native =
                    !self.options.ignore_native_histograms && self.metric.histogram.is_native();
                let convert = !native && self.options.convert_classic_to_nhcb;
                let classic = if native {
                    self.options.keep_classic && !self.metric.buckets.is_empty()
                } else {
                    !convert || self.options.keep_classic
                };
                if native {
                    queue.push_back(Emission::Native);
                }
                if classic {
                    queue.extend([Emission::Count, Emission::Sum]);
                    let infinity =
                        self.metric.buckets.iter().position(|b| b.upper_bound == f64::INFINITY);
                    let last = infinity.unwrap_or(self.metric.buckets.len());
                    queue.extend((0..=last).map(Emission::Bucket));
                }
                if convert {
                    queue.push_back(Emission::Nhcb);
                }
            }
            _ => queue.push_back(Emission::Simple),
        }
    }

    fn emit(&mut self, emission: Emission) -> Result<Entry, ParseError> {
        self.present = emission;
        self.build_raw();
        self.value = 0.0;
        let metric = &self.metric;
        match emission {
            Emission::Simple => {
                self.value = match self.family.kind {
                    COUNTER => metric.counter,
                    GAUGE => metric.gauge,
                    _ => metric.untyped,
                };
            }
            Emission::Count => self.value = metric.observations(),
            Emission::Sum => self.value = metric.sum,
            Emission::Quantile(i) => self.value = metric.quantiles[i].1,
            Emission::Bucket(i) => {
                self.value =
                    metric.buckets.get(i).map_or_else(|| metric.observations(), Bucket::count);
            }
            Emission::Native => {
                let histogram = self.native()?;
                self.histogram = Some(histogram);
                return Ok(Entry::Histogram);
            }
            Emission::Nhcb => {
                let histogram = self.nhcb()?;
                self.histogram = Some(histogram);
                return Ok(Entry::Histogram);
            }
        }
        Ok(Entry::Series)
    }

    fn native(&self) -> Result<HistogramSample, ParseError> {
        let (metric, h) = (&self.metric, &self.metric.histogram);
        let hint = if self.family.kind == GAUGE_HISTOGRAM {
            CounterResetHint::Gauge
        } else {
            CounterResetHint::Unknown
        };
        let wrong = |err: crate::native::LayoutError| {
            let name = gauntlet_model::float::GoQuoted(self.family.name);
            ParseError::binary(self.family.offset, format!("histogram {name}: {err}"))
        };
        if metric.count_float > 0.0 || h.zero_count_float > 0.0 {
            let mut out = FloatHistogram {
                counter_reset_hint: hint,
                schema: h.schema,
                zero_threshold: h.zero_threshold,
                zero_count: h.zero_count_float,
                count: metric.count_float,
                sum: metric.sum,
                positive_spans: h.positive_spans.clone(),
                negative_spans: h.negative_spans.clone(),
                positive_buckets: h.positive_counts.clone(),
                negative_buckets: h.negative_counts.clone(),
                custom_values: Vec::new(),
            };
            check_layout("positive", &out.positive_spans, out.positive_buckets.len())
                .map_err(wrong)?;
            check_layout("negative", &out.negative_spans, out.negative_buckets.len())
                .map_err(wrong)?;
            out.compact(0);
            return Ok(HistogramSample::Float(out));
        }
        let mut out = Histogram {
            counter_reset_hint: hint,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: h.zero_count,
            count: metric.count,
            sum: metric.sum,
            positive_spans: h.positive_spans.clone(),
            negative_spans: h.negative_spans.clone(),
            positive_buckets: h.positive_deltas.clone(),
            negative_buckets: h.negative_deltas.clone(),
            custom_values: Vec::new(),
        };
        check_layout("positive", &out.positive_spans, out.positive_buckets.len()).map_err(wrong)?;
        check_layout("negative", &out.negative_spans, out.negative_buckets.len()).map_err(wrong)?;
        out.compact(0);
        Ok(HistogramSample::Int(out))
    }

    fn nhcb(&self) -> Result<HistogramSample, ParseError> {
        let mut collected = Collected::default();
        collected.set_count(self.metric.observations());
        collected.set_sum(self.metric.sum);
        for bucket in &self.metric.buckets {
            collected.set_bucket(bucket.upper_bound, bucket.count());
        }
        let mut sample = collected
            .convert()
            .map_err(|err| ParseError::binary(self.family.offset, err.to_string()))?;
        if self.family.kind == GAUGE_HISTOGRAM {
            match &mut sample {
                HistogramSample::Int(h) => h.counter_reset_hint = CounterResetHint::Gauge,
                HistogramSample::Float(h) => h.counter_reset_hint = CounterResetHint::Gauge,
            }
        }
        Ok(sample)
    }

    fn suffix(&self) -> &'static str {
        match self.present {
            Emission::Count => "_count",
            Emission::Sum => "_sum",
            Emission::Bucket(_) => "_bucket",
            Emission::Simple | Emission::Quantile(_) | Emission::Native | Emission::Nhcb => "",
        }
    }

    /// `le` or `quantile` of the present sample.
    fn magic_label(&self) -> Option<(&'static str, f64)> {
        match self.present {
            Emission::Quantile(i) => Some(("quantile", self.metric.quantiles[i].0)),
            Emission::Bucket(i) => {
                Some(("le", self.metric.buckets.get(i).map_or(f64::INFINITY, |b| b.upper_bound)))
            }
            _ => None,
        }
    }

    /// Name and labels as exposed, with bytes between them that no UTF-8 text has.
    fn build_raw(&mut self) {
        let suffix = self.suffix();
        let magic = self.magic_label();
        let raw = &mut self.raw;
        raw.clear();
        raw.extend_from_slice(self.family.name.as_bytes());
        raw.extend_from_slice(suffix.as_bytes());
        for (name, value) in &self.metric.labels {
            raw.push(0xff);
            raw.extend_from_slice(name.as_bytes());
            raw.push(0xff);
            raw.extend_from_slice(value.as_bytes());
        }
        if let Some((name, value)) = magic {
            raw.push(0xff);
            raw.extend_from_slice(name.as_bytes());
            raw.push(0xff);
            raw.extend_from_slice(&value.to_bits().to_be_bytes());
        }
    }

    pub(crate) fn sample(&self) -> Sample<'_> {
        Sample { raw: &self.raw, value: self.value, timestamp: self.metric.timestamp() }
    }

    pub(crate) fn take_histogram(&mut self) -> Option<HistogramSample> {
        self.histogram.take()
    }

    pub(crate) fn labels(&self, out: &mut ScratchLabels) -> Result<(), LabelsError> {
        out.clear();
        let options = DecodeOptions {
            metric_type: self.metric_type(),
            unit: self.family.unit,
            type_and_unit: self.options.type_and_unit_labels,
        };
        let mut text = format!("{}{}", self.family.name, self.suffix());
        out.push(METRIC_NAME, &text);
        for (name, value) in &self.metric.labels {
            if !options.shadows(name) {
                out.push(name, value);
            }
        }
        if let Some((name, value)) = self.magic_label() {
            text.clear();
            push_openmetrics_float(&mut text, value);
            out.push(name, &text);
        }
        options.push_metadata(out);
        out.finish()
    }

    /// A float series has at most one exemplar; a histogram those of its own, else its buckets', with a timestamp.
    pub(crate) fn exemplars(&self, out: &mut Vec<Exemplar>) {
        let metric = &self.metric;
        match (self.family.kind, self.present) {
            (COUNTER, _) => push(out, metric.exemplar.as_ref()),
            (HISTOGRAM | GAUGE_HISTOGRAM, Emission::Bucket(i)) => {
                push(out, metric.buckets.get(i).and_then(|b| b.exemplar.as_ref()));
            }
            (HISTOGRAM | GAUGE_HISTOGRAM, Emission::Native | Emission::Nhcb) => {
                let own = &metric.histogram.exemplars;
                if own.is_empty() {
                    for exemplar in metric.buckets.iter().filter_map(|b| b.exemplar.as_ref()) {
                        push(out, Some(exemplar).filter(|e| e.timestamp.is_some()));
                    }
                } else {
                    for exemplar in own {
                        push(out, Some(exemplar).filter(|e| e.timestamp.is_some()));
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn start_timestamp(&self) -> Option<Timestamp> {
        self.metric.start_timestamp.filter(|t| *t != 0)
    }

    pub(crate) fn name(&self) -> &[u8] {
        self.family.name.as_bytes()
    }

    pub(crate) fn help(&self) -> &[u8] {
        self.family.help
    }

    pub(crate) fn unit(&self) -> &[u8] {
        self.family.unit.as_bytes()
    }

    pub(crate) fn metric_type(&self) -> MetricType {
        match self.family.kind {
            COUNTER => MetricType::Counter,
            GAUGE => MetricType::Gauge,
            SUMMARY => MetricType::Summary,
            HISTOGRAM => MetricType::Histogram,
            GAUGE_HISTOGRAM => MetricType::GaugeHistogram,
            UNTYPED.. => MetricType::Unknown,
        }
    }
}

fn push(out: &mut Vec<Exemplar>, exemplar: Option<&ProtoExemplar<'_>>) {
    if let Some(exemplar) = exemplar {
        let labels = Labels::from_pairs(exemplar.labels.iter().copied());
        out.push(Exemplar { labels, value: exemplar.value, timestamp: exemplar.timestamp });
    }
}

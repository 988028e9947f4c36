//! A request's points as samples of a batch.

use std::collections::HashSet;

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{
    Exemplar, Histogram, Labels, LabelsBuilder, Metadata, MetricType, STALE_NAN, SeriesRef,
    Timestamp,
};
use gauntlet_storage::{AppendError, Appender};
use gauntlet_wire::otlp::metric::Data;
use gauntlet_wire::otlp::{
    self, ExemplarNumber, ExportMetricsServiceRequest, FLAG_NO_RECORDED_VALUE, Number,
    NumberDataPoint, ResourceMetrics, Temporality,
};

use super::histograms;
use super::labels::{LabelMaker, ResourceLabels, ScopeLabels, adds_suffixes, allows_utf8, text};
use super::names::{MetricNamer, Shape, unit_name};
use crate::config::OtlpConfig;

/// Most `target_info` samples of one resource in a request: more than a month of them.
const MAX_TARGET_INFO: usize = 20_000;
/// Most characters of an exemplar's labels, beyond which its attributes are left out.
const MAX_EXEMPLAR_CHARS: usize = 128;

/// Why a point, or a metric, is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConvertError {
    #[error("{0}")]
    Name(String),
    #[error("invalid temporality and type combination for metric {0:?}")]
    Temporality(String),
    #[error(
        "could not get aggregation temporality for {0} as it has unsupported metric type Empty"
    )]
    NoData(String),
    #[error("cannot convert exponential to native histogram. Scale must be >= {min}, was {found}")]
    Scale { min: i32, found: i32 },
    #[error("unsupported exemplar value type: Empty")]
    ExemplarValue,
    #[error(
        "target_info of more than {MAX_TARGET_INFO} samples: first and last point are too far apart"
    )]
    TargetInfo,
    #[error("out of bounds: timestamp is too far in the future")]
    TooFarAhead,
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// What a conversion goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<'a> {
    pub(super) config: &'a OtlpConfig,
    pub(super) keep_delta: bool,
    pub(super) type_and_unit_labels: bool,
    pub(super) append_metadata: bool,
    pub(super) lookback_ms: i64,
    /// Samples behind it are refused.
    pub(super) max_time: Timestamp,
}

/// Something odd that does not keep a request from being taken.
#[derive(Clone, Debug)]
pub(super) struct Warning {
    pub(super) category: &'static str,
    pub(super) text: String,
}

/// What a conversion counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) late_exemplars: u64,
    pub(super) without_metadata: u64,
    pub(super) warnings: Vec<Warning>,
}

/// One request on its way.
pub(super) struct Converter<'a> {
    settings: Settings<'a>,
    appender: Box<dyn Appender + 'a>,
    namer: MetricNamer,
    labels: LabelMaker<'a>,
    /// `target_info` samples of this request, by hash and time.
    seen: HashSet<(u64, Timestamp)>,
    counted: Counted,
}

/// Where a point stands.
struct Place<'a> {
    resource: &'a ResourceLabels,
    scope: Option<&'a ScopeLabels>,
    name: &'a str,
    metadata: &'a Metadata,
}

impl<'a> Converter<'a> {
    pub(super) fn new(settings: Settings<'a>, appender: Box<dyn Appender + 'a>) -> Self {
        let strategy = settings.config.translation_strategy;
        Self {
            settings,
            appender,
            namer: MetricNamer { suffixes: adds_suffixes(strategy), utf8: allows_utf8(strategy) },
            labels: LabelMaker::new(settings.config, settings.type_and_unit_labels),
            seen: HashSet::new(),
            counted: Counted::default(),
        }
    }

    /// Appends everything that can be; each error stands for a metric, or a resource, that could not.
    pub(super) fn convert(&mut self, request: &ExportMetricsServiceRequest) -> Vec<ConvertError> {
        let mut errors = Vec::new();
        for resource in &request.resource_metrics {
            if let Err(err) = self.resource(resource, &mut errors) {
                errors.push(err);
            }
        }
        errors
    }

    pub(super) fn counts(&mut self) -> Counted {
        let mut counted = std::mem::take(&mut self.counted);
        for (label, keys) in std::mem::take(&mut self.labels.collisions) {
            counted.warnings.push(Warning {
                category: "label_name_collision",
                text: format!(
                    "OTLP attributes {keys} collide as label {label:?} after name sanitization, values are concatenated with ';'"
                ),
            });
        }
        counted
    }

    pub(super) fn commit(self) -> Result<(), AppendError> {
        self.appender.commit()
    }

    fn resource(
        &mut self,
        metrics: &ResourceMetrics,
        errors: &mut Vec<ConvertError>,
    ) -> Result<(), ConvertError> {
        let none = otlp::Resource::default();
        let resource = metrics.resource.as_ref().unwrap_or(&none);
        let labels = self.labels.resource(resource)?;
        let mut times: Option<(u64, u64)> = None;
        for scope_metrics in &metrics.scope_metrics {
            let scope = self.labels.scope(scope_metrics.scope.as_ref(), &scope_metrics.schema_url);
            let scope = match scope {
                Ok(scope) => scope,
                Err(err) => {
                    errors.push(err);
                    continue;
                }
            };
            for metric in &scope_metrics.metrics {
                each_time(metric, |t| {
                    let (min, max) = times.unwrap_or((t, t));
                    times = Some((min.min(t), max.max(t)));
                });
                if let Err(err) = self.metric(metric, &labels, scope.as_ref()) {
                    errors.push(err);
                }
            }
        }
        match times {
            Some((first, last)) => self.target_info(resource, &labels, first, last),
            None => Ok(()),
        }
    }

    fn metric(
        &mut self,
        metric: &otlp::Metric,
        resource: &ResourceLabels,
        scope: Option<&ScopeLabels>,
    ) -> Result<(), ConvertError> {
        let Some(data) = &metric.data else {
            return Err(ConvertError::NoData(metric.name.clone()));
        };
        let temporality = match data {
            Data::Gauge(_) | Data::Summary(_) => None,
            Data::Sum(sum) => Some(sum.aggregation_temporality),
            Data::Histogram(h) => Some(h.aggregation_temporality),
            Data::ExponentialHistogram(h) => Some(h.aggregation_temporality),
        };
        let delta = temporality == Some(Temporality::Delta as i32);
        let cumulative = temporality.is_none_or(|t| t == Temporality::Cumulative as i32);
        let wanted = cumulative || (delta && self.settings.keep_delta);
        if !wanted {
            return Err(ConvertError::Temporality(metric.name.clone()));
        }
        let shape = match data {
            Data::Gauge(_) => Shape::Gauge,
            Data::Sum(sum) if sum.is_monotonic => Shape::Counter,
            _ => Shape::Other,
        };
        let name =
            self.namer.name(&metric.name, &metric.unit, shape).map_err(ConvertError::Name)?;
        let metric_type = match data {
            _ if delta => MetricType::Unknown,
            Data::Sum(sum) if sum.is_monotonic => MetricType::Counter,
            Data::Gauge(_) | Data::Sum(_) => MetricType::Gauge,
            Data::Histogram(_) | Data::ExponentialHistogram(_) => MetricType::Histogram,
            Data::Summary(_) => MetricType::Summary,
        };
        let unit = unit_name(&metric.unit, false);
        let metadata = Metadata { metric_type, unit, help: metric.description.clone() };
        let place = Place { resource, scope, name: &name, metadata: &metadata };
        let empty = match data {
            Data::Gauge(gauge) => gauge.data_points.is_empty(),
            Data::Sum(sum) => sum.data_points.is_empty(),
            Data::Histogram(h) => h.data_points.is_empty(),
            Data::ExponentialHistogram(h) => h.data_points.is_empty(),
            Data::Summary(summary) => summary.data_points.is_empty(),
        };
        if empty {
            self.warn(
                "empty_data_points",
                format!("empty data points. {} is dropped", metric.name),
            );
            return Ok(());
        }
        match data {
            Data::Gauge(gauge) => self.numbers(&gauge.data_points, false, &place),
            Data::Sum(sum) => self.numbers(&sum.data_points, true, &place),
            Data::Histogram(h) if self.settings.config.convert_histograms_to_nhcb => {
                h.data_points.iter().try_for_each(|point| {
                    let histogram = histograms::explicit(point, delta);
                    self.check_sum(&histogram, "histogram");
                    let t = millis(point.time_unix_nano);
                    self.native(&point.attributes, t, histogram, &point.exemplars, &place)
                })
            }
            Data::Histogram(h) => h.data_points.iter().try_for_each(|p| self.classic(p, &place)),
            Data::ExponentialHistogram(h) => h.data_points.iter().try_for_each(|point| {
                let histogram = histograms::exponential(point, delta)?;
                self.check_sum(&histogram, "exponential histogram");
                let t = millis(point.time_unix_nano);
                self.native(&point.attributes, t, histogram, &point.exemplars, &place)
            }),
            Data::Summary(s) => s.data_points.iter().try_for_each(|p| self.summary(p, &place)),
        }
    }

    fn warn(&mut self, category: &'static str, text: String) {
        const MOST: usize = 100;
        if self.counted.warnings.len() < MOST {
            self.counted.warnings.push(Warning { category, text });
        }
    }

    fn check_sum(&mut self, histogram: &Histogram, what: &str) {
        let stale = histogram.sum.to_bits() == STALE_NAN.to_bits();
        if histogram.count == 0 && histogram.sum != 0.0 && !stale {
            let text =
                format!("{what} data point has zero count, but non-zero sum: {:.6}", histogram.sum);
            self.warn("histogram_zero_count_non_zero_sum", text);
        }
    }

    fn point_labels(
        &mut self,
        attributes: &[otlp::KeyValue],
        place: &Place<'_>,
    ) -> Result<LabelsBuilder, ConvertError> {
        self.labels.point(attributes, place.resource, place.scope, place.metadata)
    }

    fn numbers(
        &mut self,
        points: &[NumberDataPoint],
        with_exemplars: bool,
        place: &Place<'_>,
    ) -> Result<(), ConvertError> {
        for point in points {
            let mut labels = self.point_labels(&point.attributes, place)?;
            labels.set(METRIC_NAME, place.name);
            let value = match point.value {
                Some(Number::Double(value)) => value,
                Some(Number::Int(value)) => value as f64,
                None => 0.0,
            };
            let value = recorded(point.flags, value);
            let exemplars = if with_exemplars { exemplars(&point.exemplars)? } else { Vec::new() };
            let t = millis(point.time_unix_nano);
            self.sample(&labels.build(), t, value, &exemplars, place.metadata)?;
        }
        Ok(())
    }

    fn native(
        &mut self,
        attributes: &[otlp::KeyValue],
        t: Timestamp,
        histogram: Histogram,
        found: &[otlp::Exemplar],
        place: &Place<'_>,
    ) -> Result<(), ConvertError> {
        let mut labels = self.point_labels(attributes, place)?;
        labels.set(METRIC_NAME, place.name);
        let labels = labels.build();
        let exemplars = exemplars(found)?;
        self.check_time(t)?;
        let stale = histogram.sum.to_bits() == STALE_NAN.to_bits();
        let series = if stale {
            // The storage gives the marker the kind of the samples before it.
            self.appender.append(SeriesRef(0), &labels, t, STALE_NAN)?
        } else {
            self.appender.append_histogram(SeriesRef(0), &labels, t, histogram)?
        };
        self.along(series, &labels, &exemplars, place.metadata)
    }

    /// An explicit histogram as the classic series `_sum`, `_count` and `_bucket`.
    fn classic(
        &mut self,
        point: &otlp::HistogramDataPoint,
        place: &Place<'_>,
    ) -> Result<(), ConvertError> {
        let base = self.point_labels(&point.attributes, place)?;
        let t = millis(point.time_unix_nano);
        let add =
            |this: &mut Self, suffix: &str, le: Option<&str>, value: f64, with: &[Exemplar]| {
                let labels =
                    extended(&base, &format!("{}{suffix}", place.name), le.map(|le| ("le", le)));
                this.sample(&labels, t, recorded(point.flags, value), with, place.metadata)
            };
        if let Some(sum) = point.sum {
            add(self, "_sum", None, sum, &[])?;
        }
        add(self, "_count", None, point.count as f64, &[])?;
        let exemplars = exemplars(&point.exemplars)?;
        let mut left = exemplars.as_slice();
        let mut cumulative = 0u64;
        for (bound, count) in point.explicit_bounds.iter().zip(&point.bucket_counts) {
            cumulative = cumulative.wrapping_add(*count);
            // Those behind the first that is larger belong to later buckets, as both are in order.
            let here = left
                .iter()
                .take_while(|e| {
                    !matches!(e.value.partial_cmp(bound), Some(std::cmp::Ordering::Greater))
                })
                .count();
            let (now, later) = left.split_at(here);
            left = later;
            add(self, "_bucket", Some(&go_float(*bound)), cumulative as f64, now)?;
        }
        add(self, "_bucket", Some("+Inf"), point.count as f64, left)
    }

    fn summary(
        &mut self,
        point: &otlp::SummaryDataPoint,
        place: &Place<'_>,
    ) -> Result<(), ConvertError> {
        let base = self.point_labels(&point.attributes, place)?;
        let t = millis(point.time_unix_nano);
        let add = |this: &mut Self, suffix: &str, quantile: Option<&str>, value: f64| {
            let more = quantile.map(|q| ("quantile", q));
            let labels = extended(&base, &format!("{}{suffix}", place.name), more);
            this.sample(&labels, t, recorded(point.flags, value), &[], place.metadata)
        };
        add(self, "_sum", None, point.sum)?;
        add(self, "_count", None, point.count as f64)?;
        for entry in &point.quantile_values {
            add(self, "", Some(&go_float(entry.quantile)), entry.value)?;
        }
        Ok(())
    }

    fn check_time(&self, t: Timestamp) -> Result<(), ConvertError> {
        if t > self.settings.max_time { Err(ConvertError::TooFarAhead) } else { Ok(()) }
    }

    fn sample(
        &mut self,
        labels: &Labels,
        t: Timestamp,
        value: f64,
        exemplars: &[Exemplar],
        metadata: &Metadata,
    ) -> Result<(), ConvertError> {
        self.check_time(t)?;
        let series = self.appender.append(SeriesRef(0), labels, t, value)?;
        self.along(series, labels, exemplars, metadata)
    }

    /// What comes with a sample: exemplars and metadata.
    fn along(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        exemplars: &[Exemplar],
        metadata: &Metadata,
    ) -> Result<(), ConvertError> {
        for exemplar in exemplars {
            match self.appender.append_exemplar(series, labels, exemplar.clone()) {
                Ok(()) | Err(AppendError::DuplicateExemplar) => {}
                Err(err) if !err.is_sample_fault() => return Err(err.into()),
                Err(_) => self.counted.late_exemplars += 1,
            }
        }
        if *metadata == Metadata::default() {
            self.counted.without_metadata += 1;
        }
        if self.settings.append_metadata {
            self.appender.update_metadata(series, labels, metadata)?;
        }
        Ok(())
    }

    /// A sample of 1 at least every half lookback between the first and the last point of the resource, and at the last.
    fn target_info(
        &mut self,
        resource: &otlp::Resource,
        labels: &ResourceLabels,
        first_ns: u64,
        last_ns: u64,
    ) -> Result<(), ConvertError> {
        let Some(labels) = self.labels.target_info(resource, labels)? else { return Ok(()) };
        let lookback =
            if self.settings.lookback_ms > 0 { self.settings.lookback_ms } else { 300_000 };
        let step = (lookback as u64).saturating_mul(1_000_000) / 2;
        if (last_ns - first_ns) / step.max(1) > MAX_TARGET_INFO as u64 {
            return Err(ConvertError::TargetInfo);
        }
        let metadata = Metadata {
            metric_type: MetricType::Gauge,
            unit: String::new(),
            help: "Target metadata".to_owned(),
        };
        let hash = labels.hash();
        let mut at = first_ns;
        loop {
            let now = at.min(last_ns);
            if self.seen.insert((hash, millis(now))) {
                self.sample(&labels, millis(now), 1.0, &[], &metadata)?;
            }
            if at >= last_ns {
                return Ok(());
            }
            at = at.saturating_add(step);
        }
    }
}

fn millis(nanos: u64) -> Timestamp {
    (nanos / 1_000_000) as i64
}

/// The value, or the marker that a series ends.
fn recorded(flags: u32, value: f64) -> f64 {
    if flags & FLAG_NO_RECORDED_VALUE != 0 { STALE_NAN } else { value }
}

fn extended(base: &LabelsBuilder, name: &str, more: Option<(&str, &str)>) -> Labels {
    let mut labels = base.clone();
    if let Some((name, value)) = more {
        labels.set(name, value);
    }
    labels.set(METRIC_NAME, name);
    labels.build()
}

/// A number without exponent, shortest form.
fn go_float(number: f64) -> String {
    match number {
        n if n.is_nan() => "NaN".to_owned(),
        n if n == f64::INFINITY => "+Inf".to_owned(),
        n if n == f64::NEG_INFINITY => "-Inf".to_owned(),
        n => n.to_string(),
    }
}

fn exemplars(found: &[otlp::Exemplar]) -> Result<Vec<Exemplar>, ConvertError> {
    found.iter().map(exemplar).collect()
}

fn exemplar(found: &otlp::Exemplar) -> Result<Exemplar, ConvertError> {
    let value = match found.value {
        Some(ExemplarNumber::Double(value)) => value,
        Some(ExemplarNumber::Int(value)) => value as f64,
        None => return Err(ConvertError::ExemplarValue),
    };
    let mut labels = LabelsBuilder::default();
    let mut chars = 0;
    for (name, id) in [("trace_id", &found.trace_id), ("span_id", &found.span_id)] {
        if id.iter().any(|byte| *byte != 0) {
            let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            chars += name.len() + hex.len();
            labels.set(name, &hex);
        }
    }
    let attributes: Vec<(&str, String)> = found
        .filtered_attributes
        .iter()
        .map(|a| (a.key.as_str(), text(a.value.as_ref())))
        .collect();
    chars += attributes.iter().map(|(n, v)| n.chars().count() + v.chars().count()).sum::<usize>();
    if chars <= MAX_EXEMPLAR_CHARS {
        for (name, value) in &attributes {
            labels.set(name, value);
        }
    }
    let t = millis(found.time_unix_nano);
    Ok(Exemplar { labels: labels.build(), value, timestamp: (t != 0).then_some(t) })
}

/// Calls `each` with the time of every point.
fn each_time(metric: &otlp::Metric, mut each: impl FnMut(u64)) {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().for_each(|p| each(p.time_unix_nano)),
        Some(Data::Sum(sum)) => sum.data_points.iter().for_each(|p| each(p.time_unix_nano)),
        Some(Data::Histogram(h)) => h.data_points.iter().for_each(|p| each(p.time_unix_nano)),
        Some(Data::ExponentialHistogram(h)) => {
            h.data_points.iter().for_each(|p| each(p.time_unix_nano));
        }
        Some(Data::Summary(s)) => s.data_points.iter().for_each(|p| each(p.time_unix_nano)),
        None => {}
    }
}

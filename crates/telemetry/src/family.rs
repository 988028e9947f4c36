//! Gathered metrics: plain values that a renderer prints.

use std::borrow::Cow;

/// Type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

impl MetricKind {
    /// Spelling of the text format's TYPE line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
        }
    }
}

/// All metrics of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    pub name: Cow<'static, str>,
    pub help: Cow<'static, str>,
    pub kind: MetricKind,
    pub metrics: Vec<Metric>,
}

/// One metric: its own labels and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Ascending by name.
    pub labels: Vec<(Cow<'static, str>, String)>,
    pub value: MetricValue,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    Counter(f64),
    Gauge(f64),
    Untyped(f64),
    /// Cumulative counts per upper bound, ascending, without the +Inf bucket, whose count is `count`.
    Histogram {
        buckets: Vec<(f64, u64)>,
        sum: f64,
        count: u64,
    },
    /// (quantile, value) pairs, ascending.
    Summary {
        quantiles: Vec<(f64, f64)>,
        sum: f64,
        count: u64,
    },
}

impl MetricFamily {
    /// A family of one metric without labels.
    pub fn single(
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        value: MetricValue,
    ) -> Self {
        let kind = value.kind();
        let metrics = vec![Metric { labels: Vec::new(), value }];
        Self { name: name.into(), help: help.into(), kind, metrics }
    }
}

impl MetricValue {
    pub fn kind(&self) -> MetricKind {
        match self {
            Self::Counter(_) => MetricKind::Counter,
            Self::Gauge(_) => MetricKind::Gauge,
            Self::Untyped(_) => MetricKind::Untyped,
            Self::Histogram { .. } => MetricKind::Histogram,
            Self::Summary { .. } => MetricKind::Summary,
        }
    }
}

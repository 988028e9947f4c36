//! Samples grouped to families, as both formats print them.

use std::sync::Arc;

use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{FloatHistogram, Labels};

/// The last sample of a series.
#[derive(Clone, Debug)]
pub(super) struct Federated {
    pub(super) labels: Labels,
    pub(super) t: i64,
    pub(super) value: f64,
    pub(super) histogram: Option<Arc<FloatHistogram>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Untyped,
    Histogram,
    GaugeHistogram,
}

#[derive(Debug)]
pub(super) struct Family<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) metrics: Vec<Metric<'a>>,
}

#[derive(Debug)]
pub(super) struct Metric<'a> {
    /// The series' own in their order, then external ones that it has not.
    pub(super) labels: Vec<(&'a str, &'a str)>,
    pub(super) t: i64,
    pub(super) value: Value<'a>,
}

#[derive(Debug)]
pub(super) enum Value<'a> {
    Untyped(f64),
    Native(&'a FloatHistogram),
    /// Of custom buckets: upper bounds with cumulative counts, without the last, infinite one.
    Classic {
        buckets: Vec<(f64, f64)>,
        histogram: &'a FloatHistogram,
    },
}

/// Groups samples that are sorted by name. A name whose samples are of several kinds makes several families, as upstream has it.
pub(super) fn families<'a>(
    samples: &'a [Federated],
    external: &'a Labels,
    takes_native: bool,
) -> Vec<Family<'a>> {
    let mut added: Vec<(&str, &str)> = external.iter().collect();
    if external.get("instance").is_none() {
        added.push(("instance", ""));
        added.sort_unstable();
    }
    let mut out: Vec<Family<'a>> = Vec::new();
    for sample in samples {
        let name = sample.labels.metric_name();
        let histogram = sample.histogram.as_deref();
        let custom = histogram.is_some_and(FloatHistogram::uses_custom_buckets);
        if name.is_empty() || histogram.is_some() && !custom && !takes_native {
            continue;
        }
        let kind = match histogram {
            None => Kind::Untyped,
            Some(h) if h.counter_reset_hint == CounterResetHint::Gauge => Kind::GaugeHistogram,
            Some(_) => Kind::Histogram,
        };
        if out.last().is_none_or(|family| family.name != name || family.kind != kind) {
            out.push(Family { name, kind, metrics: Vec::new() });
        }
        let own = sample.labels.iter().filter(|(n, _)| *n != METRIC_NAME);
        let more = added.iter().filter(|(n, _)| sample.labels.get(n).is_none());
        let labels = own.chain(more.copied()).collect();
        let value = match histogram {
            None => Value::Untyped(sample.value),
            Some(histogram) if custom => {
                Value::Classic { buckets: cumulative(histogram), histogram }
            }
            Some(histogram) => Value::Native(histogram),
        };
        if let Some(family) = out.last_mut() {
            family.metrics.push(Metric { labels, t: sample.t, value });
        }
    }
    out
}

fn cumulative(histogram: &FloatHistogram) -> Vec<(f64, f64)> {
    let mut counts = vec![0.0; histogram.custom_values.len()];
    for bucket in histogram.positive_bucket_iter() {
        if let Some(at) = histogram.custom_values.iter().position(|bound| *bound == bucket.upper) {
            counts[at] = bucket.count;
        }
    }
    let mut sum = 0.0;
    let bounds = histogram.custom_values.iter().zip(counts);
    bounds
        .map(|(bound, count)| {
            sum += count;
            (*bound, sum)
        })
        .collect()
}

//! Classic histograms of a `load_with_nhcb` as native histograms with custom buckets. Source: upstream `util/convertnhcb`.

use std::collections::BTreeMap;

use gauntlet_model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{FloatHistogram, Labels, Timestamp};

use super::expand::SequenceValue;
use super::script::Load;

/// What is known of one histogram at one time.
#[derive(Default)]
struct Collected {
    /// Cumulative counts by upper bound, ascending.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// The histograms of all classic series in `load`, by label set without suffix and `le`.
pub(super) fn convert(
    load: &Load,
) -> Result<BTreeMap<Labels, BTreeMap<Timestamp, FloatHistogram>>, String> {
    let mut found: BTreeMap<Labels, BTreeMap<Timestamp, Collected>> = BTreeMap::new();
    for series in &load.series {
        let name = series.labels.metric_name();
        let Some((part, base)) = ["_bucket", "_sum", "_count"]
            .into_iter()
            .find_map(|suffix| Some((suffix, name.strip_suffix(suffix)?)))
        else {
            continue;
        };
        let bound = series.labels.value("le").parse::<f64>().ok().filter(|b| !b.is_nan());
        if part == "_bucket" && bound.is_none() {
            continue;
        }
        let mut labels = series.labels.to_builder();
        labels.set(METRIC_NAME, base).del("le");
        let by_time = found.entry(labels.build()).or_default();
        for (i, value) in series.values.iter().enumerate() {
            let SequenceValue::Float(value) = *value else { continue };
            let at = by_time.entry(i as i64 * load.step_ms).or_default();
            match (part, bound) {
                ("_bucket", Some(bound)) => at.add_bucket(bound, value),
                ("_count", _) => at.count = Some(value),
                _ => at.sum = value,
            }
        }
    }
    let convert = |by_time: BTreeMap<Timestamp, Collected>| {
        by_time.into_iter().map(|(t, c)| Ok((t, c.convert()?))).collect::<Result<_, String>>()
    };
    found.into_iter().map(|(labels, by_time)| Ok((labels, convert(by_time)?))).collect()
}

impl Collected {
    fn add_bucket(&mut self, bound: f64, count: f64) {
        let place = self.buckets.partition_point(|(b, _)| *b < bound);
        if self.buckets.get(place).is_none_or(|(b, _)| *b != bound) {
            self.buckets.insert(place, (bound, count));
        }
    }

    fn convert(mut self) -> Result<FloatHistogram, String> {
        let last = self.buckets.last().map(|(_, count)| *count);
        let count = self.count.or(last).unwrap_or(0.0);
        if self.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        if self.buckets.windows(2).any(|w| w[0].1 > w[1].1) {
            return Err("count is not cumulative".to_owned());
        }
        if self.buckets.last().is_some_and(|(_, last)| *last != count) {
            return Err("count mismatch".to_owned());
        }
        let mut below = 0.0;
        let counts = self.buckets.iter().map(|(_, cumulative)| {
            let own = cumulative - below;
            below = *cumulative;
            own
        });
        let mut histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_spans: vec![Span { offset: 0, length: self.buckets.len() as u32 }],
            positive_buckets: counts.collect(),
            custom_values: self.buckets.iter().map(|(b, _)| *b).filter(|b| b.is_finite()).collect(),
            ..FloatHistogram::default()
        };
        // Whole counts are stored with up to two empty buckets within a span, others with none.
        let whole = self.buckets.iter().all(|(_, c)| c.fract() == 0.0) && count.fract() == 0.0;
        histogram.compact(if whole { 2 } else { 0 });
        histogram.validate().map_err(|e| e.to_string())?;
        Ok(histogram)
    }
}

//! Warnings and infos that a query answers beside its result: the texts users see, and how equal ones merge.
//!
//! Source: upstream `util/annotations`; the texts are part of the API and are compared word for word. Positions become
//! `(line:column)` only when the query text is known, in [`Annotations::to_strings`]. Equality for merging leaves the
//! position out: of two equal texts the later one's position stays.

use std::collections::HashMap;
use std::fmt::Write as _;

use gauntlet_model::Timestamp;
use gauntlet_model::float::{GoQuoted, go_float};

use crate::ast::PosRange;
use crate::text::{line_and_column, rfc3339_seconds, two_digit_float};

/// How serious an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    Info,
    Warning,
}

/// Which operation of histograms an annotation speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistogramOperation {
    Addition,
    Subtraction,
    Aggregation,
}

impl HistogramOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

/// One warning or info.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    level: Level,
    /// The text without position or counts: the key by which annotations merge.
    text: String,
    pos: Option<PosRange>,
    extra: Extra,
}

/// What merging accumulates.
#[derive(Clone, Debug, PartialEq)]
enum Extra {
    None,
    Monotonicity(Monotonicity),
    /// How often.
    Overlap(u64),
}

/// Where a histogram's buckets had to be forced into order.
#[derive(Clone, Debug, PartialEq)]
struct Monotonicity {
    min_time: Timestamp,
    max_time: Timestamp,
    min_bucket: f64,
    max_bucket: f64,
    max_diff: f64,
    samples: u64,
}

const QUANTILE_DOC: &str =
    "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";

impl Annotation {
    fn warning_at(pos: PosRange, text: &str) -> Self {
        let text = format!("PromQL warning: {text}");
        Self { level: Level::Warning, text, pos: Some(pos), extra: Extra::None }
    }

    fn info_at(pos: PosRange, text: &str) -> Self {
        let text = format!("PromQL info: {text}");
        Self { level: Level::Info, text, pos: Some(pos), extra: Extra::None }
    }

    /// A warning that is none of PromQL's own, such as a storage's: printed as it is, without a position.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into(), pos: None, extra: Extra::None }
    }

    pub fn level(&self) -> Level {
        self.level
    }

    /// The text without position and counts.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A quantile outside 0..=1, or NaN.
    pub fn invalid_quantile(q: f64, pos: PosRange) -> Self {
        let q = go_float(q);
        Self::warning_at(pos, &format!("quantile value should be between 0 and 1, got {q}"))
    }

    /// A ratio outside -1..=1.
    pub fn invalid_ratio(ratio: f64, capped_to: f64, pos: PosRange) -> Self {
        let (ratio, to) = (go_float(ratio), go_float(capped_to));
        Self::warning_at(
            pos,
            &format!("ratio value should be between -1 and 1, got {ratio}, capping to {to}"),
        )
    }

    /// A classic histogram's series without a usable `le`.
    pub fn bad_bucket_label(metric: &str, label: &str, pos: PosRange) -> Self {
        let text = format!(
            "bucket label \"le\" is missing or has a malformed value of {}",
            GoQuoted(label)
        );
        Self::warning_at(pos, &for_metric(text, metric))
    }

    /// A range or vector of one metric holds both kinds of samples.
    pub fn mixed_floats_histograms(metric: &str, pos: PosRange) -> Self {
        Self::warning_at(
            pos,
            &format!(
                "encountered a mix of histograms and floats for metric name {}",
                GoQuoted(metric)
            ),
        )
    }

    /// An aggregation got both kinds of samples.
    pub fn mixed_floats_histograms_aggregation(pos: PosRange) -> Self {
        Self::warning_at(pos, "encountered a mix of histograms and floats for aggregation")
    }

    pub fn mixed_classic_native_histograms(metric: &str, pos: PosRange) -> Self {
        let text = "vector contains a mix of classic and native histograms".to_owned();
        Self::warning_at(pos, &for_metric(text, metric))
    }

    pub fn native_histogram_not_counter(metric: &str, pos: PosRange) -> Self {
        Self::warning_at(
            pos,
            &format!("this native histogram metric is not a counter: {}", GoQuoted(metric)),
        )
    }

    pub fn native_histogram_not_gauge(metric: &str, pos: PosRange) -> Self {
        Self::warning_at(
            pos,
            &format!("this native histogram metric is not a gauge: {}", GoQuoted(metric)),
        )
    }

    pub fn mixed_exponential_custom_histograms(metric: &str, pos: PosRange) -> Self {
        Self::warning_at(
            pos,
            &format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
                GoQuoted(metric)
            ),
        )
    }

    /// `operator` as written, or the aggregation's name.
    pub fn incompatible_bucket_layout(operator: &str, pos: PosRange) -> Self {
        Self::warning_at(
            pos,
            &format!("incompatible bucket layout encountered for binary operator {operator}"),
        )
    }

    pub fn sort_in_range_query(pos: PosRange) -> Self {
        Self::warning_at(
            pos,
            "sort is ineffective for range queries since results are always ordered by labels",
        )
    }

    /// A counter function over a metric whose name says no counter.
    pub fn possible_non_counter(metric: &str, pos: PosRange) -> Self {
        Self::info_at(
            pos,
            &format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                GoQuoted(metric)
            ),
        )
    }

    /// A counter function over a metric whose `__type__` says no counter.
    pub fn possible_non_counter_label(metric: &str, type_label: &str, pos: PosRange) -> Self {
        Self::info_at(
            pos,
            &format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
                GoQuoted(type_label),
                GoQuoted(metric)
            ),
        )
    }

    /// Buckets of a classic histogram had to be forced into ascending order at time `t`.
    pub fn forced_monotonicity(
        metric: &str,
        pos: PosRange,
        t: Timestamp,
        (min_bucket, max_bucket): (f64, f64),
        max_diff: f64,
    ) -> Self {
        let text = format!(
            "input to histogram_quantile needed to be fixed for monotonicity {QUANTILE_DOC}"
        );
        let mut this = Self::info_at(pos, &for_metric(text, metric));
        this.extra = Extra::Monotonicity(Monotonicity {
            min_time: t,
            max_time: t,
            min_bucket,
            max_bucket,
            max_diff,
            samples: 1,
        });
        this
    }

    /// Types are `float` or `histogram`.
    pub fn incompatible_types(lhs: &str, operator: &str, rhs: &str, pos: PosRange) -> Self {
        Self::info_at(
            pos,
            &format!(
                "incompatible sample types encountered for binary operator {}: {lhs} {operator} {rhs}",
                GoQuoted(operator)
            ),
        )
    }

    pub fn histogram_ignored_in_aggregation(aggregation: &str, pos: PosRange) -> Self {
        Self::info_at(pos, &format!("ignored histogram in {aggregation} aggregation"))
    }

    pub fn histogram_ignored_in_mixed_range(metric: &str, pos: PosRange) -> Self {
        Self::info_at(
            pos,
            &format!(
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                GoQuoted(metric)
            ),
        )
    }

    pub fn native_histogram_quantile_nan_result(metric: &str, pos: PosRange) -> Self {
        let text = "input to histogram_quantile has NaN observations, result is NaN".to_owned();
        Self::info_at(pos, &for_metric(text, metric))
    }

    pub fn native_histogram_quantile_nan_skew(metric: &str, pos: PosRange) -> Self {
        let text =
            "input to histogram_quantile has NaN observations, result is skewed higher".to_owned();
        Self::info_at(pos, &for_metric(text, metric))
    }

    pub fn native_histogram_fraction_nans(metric: &str, pos: PosRange) -> Self {
        let text = "input to histogram_fraction has NaN observations, which are excluded from all fractions".to_owned();
        Self::info_at(pos, &for_metric(text, metric))
    }

    pub fn counter_reset_collision(operation: HistogramOperation, pos: PosRange) -> Self {
        Self::warning_at(
            pos,
            &format!("conflicting counter resets during histogram {}", operation.as_str()),
        )
    }

    pub fn mismatched_custom_buckets(operation: HistogramOperation, pos: PosRange) -> Self {
        Self::info_at(
            pos,
            &format!("mismatched custom buckets were reconciled during {}", operation.as_str()),
        )
    }

    /// A sample's start timestamp lies before the previous sample.
    pub fn start_time_overlap(metric: &str, pos: PosRange) -> Self {
        let text = format!(
            "sample has start time that overlaps with previous sample timestamp for metric {}",
            GoQuoted(metric)
        );
        Self { extra: Extra::Overlap(1), ..Self::warning_at(pos, &text) }
    }

    /// Takes up an older annotation of the same text.
    fn absorb(&mut self, older: &Self) {
        match (&mut self.extra, &older.extra) {
            (Extra::Monotonicity(this), Extra::Monotonicity(old)) => {
                this.min_time = this.min_time.min(old.min_time);
                this.max_time = this.max_time.max(old.max_time);
                this.min_bucket = this.min_bucket.min(old.min_bucket);
                this.max_bucket = this.max_bucket.max(old.max_bucket);
                this.max_diff = this.max_diff.max(old.max_diff);
                this.samples += old.samples;
                self.pos = older.pos;
            }
            (Extra::Overlap(this), Extra::Overlap(old)) => {
                *this += old;
                self.pos = older.pos;
            }
            _ => {}
        }
    }

    /// The text for users, with counts and the position in `query`.
    fn to_text(&self, query: &str) -> String {
        let mut out = self.text.clone();
        if query.is_empty() {
            return out;
        }
        match &self.extra {
            Extra::None => {}
            Extra::Monotonicity(m) => {
                let _ = write!(
                    out,
                    ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                    go_float(m.min_bucket),
                    go_float(m.max_bucket),
                    two_digit_float(m.max_diff),
                    m.samples,
                    rfc3339_seconds(m.min_time / 1000),
                    rfc3339_seconds(m.max_time / 1000),
                );
            }
            Extra::Overlap(count) if *count > 1 => {
                let _ = write!(out, " ({count} occurrences)");
            }
            Extra::Overlap(_) => {}
        }
        if let Some(pos) = self.pos {
            let _ = write!(out, " ({})", line_and_column(query, pos.start as usize));
        }
        out
    }
}

fn for_metric(mut text: String, metric: &str) -> String {
    if !metric.is_empty() {
        let _ = write!(text, " for metric name {}", GoQuoted(metric));
    }
    text
}

/// A set of annotations, in the order in which they first came.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    items: Vec<Annotation>,
    by_text: HashMap<String, usize>,
}

impl Annotations {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Annotation> {
        self.items.iter()
    }

    /// Adds one; of equal texts the new one stays, with the counts of both.
    pub fn add(&mut self, mut annotation: Annotation) {
        match self.by_text.get(&annotation.text) {
            Some(&i) => {
                annotation.absorb(&self.items[i]);
                self.items[i] = annotation;
            }
            None => {
                self.by_text.insert(annotation.text.clone(), self.items.len());
                self.items.push(annotation);
            }
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: Annotations) {
        for annotation in other.items {
            self.add(annotation);
        }
    }

    /// Warnings and infos as users see them, each list cut to its limit with a last line that says how many are left
    /// out. A limit of 0 is none. An empty `query` leaves positions and counts out.
    pub fn to_strings(
        &self,
        query: &str,
        max_warnings: usize,
        max_infos: usize,
    ) -> (Vec<String>, Vec<String>) {
        let list = |level: Level, max: usize, name: &str| {
            let of_level = self.items.iter().filter(|a| a.level == level);
            let total = of_level.clone().count();
            let kept = if max == 0 { total } else { total.min(max) };
            let mut texts: Vec<String> = of_level.take(kept).map(|a| a.to_text(query)).collect();
            if total > kept {
                texts.push(format!("{} more {name} annotations omitted", total - kept));
            }
            texts
        };
        (list(Level::Warning, max_warnings, "warning"), list(Level::Info, max_infos, "info"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_merge_and_the_position_is_of_the_later() {
        let mut all = Annotations::default();
        all.add(Annotation::invalid_quantile(1.5, PosRange::new(0, 1)));
        all.add(Annotation::invalid_quantile(1.5, PosRange::new(4, 5)));
        all.add(Annotation::possible_non_counter("a\"b", PosRange::new(2, 5)));
        let (warnings, infos) = all.to_strings("rate(\nfoo", 10, 10);
        assert_eq!(
            warnings,
            ["PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:5)"]
        );
        assert_eq!(
            infos,
            [
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"a\\\"b\" (1:3)"
            ]
        );
    }

    #[test]
    fn forced_monotonicity_accumulates() {
        let mut all = Annotations::default();
        let pos = PosRange::new(1, 2);
        all.add(Annotation::forced_monotonicity("m", pos, 1_000, (0.5, 1.0), 0.123_45));
        all.add(Annotation::forced_monotonicity("m", pos, 61_000, (0.25, 2.0), 0.01));
        let (_, infos) = all.to_strings("xy", 0, 0);
        assert_eq!(
            infos,
            [
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name \"m\", from buckets 0.25 to 2, with a max diff of 0.12, over 2 samples from 1970-01-01T00:00:01Z to 1970-01-01T00:01:01Z (1:2)"
            ]
        );
    }

    #[test]
    fn lists_are_cut_to_their_limit() {
        let mut all = Annotations::default();
        for i in 0..13 {
            all.add(Annotation::warning(format!("store {i} is gone")));
        }
        let (warnings, infos) = all.to_strings("q", 10, 10);
        assert_eq!((warnings.len(), infos.len()), (11, 0));
        assert_eq!(warnings[10], "3 more warning annotations omitted");
    }
}

//! Conversions between messages and `model`: label sets, matchers, histograms, metadata. Bytes from outside are checked here.

use gauntlet_model::histogram::{CounterResetHint, Span};
use gauntlet_model::regex::RegexError;
use gauntlet_model::{
    Exemplar, FloatHistogram, Histogram, Labels, MatchOp, Matcher, Metadata, MetricType,
};

use crate::prompb::{self, histogram};

/// Why a message cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("message does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("message is damaged: {0}")]
    Cursor(#[from] gauntlet_encoding::DecodeError),
    #[error("message is damaged: {0}")]
    Damaged(&'static str),
    #[error("label name \"{0}\" is not unique: invalid sample")]
    DuplicateLabel(String),
    #[error("label of {0} bytes is longer than a label can be")]
    LabelTooLong(usize),
    #[error("unknown matcher type {0}")]
    MatcherType(i32),
    #[error("{0}")]
    Regex(#[from] RegexError),
    #[error("symbol reference {reference} of {len} symbols")]
    SymbolRef { reference: u32, len: usize },
    #[error("histogram has {0} count")]
    MixedHistogram(&'static str),
    #[error("snappy: {0}")]
    Snappy(#[from] snap::Error),
    #[error("message of {size} bytes is over the limit of {limit} bytes")]
    TooLarge { size: usize, limit: usize },
}

/// The label set of `pairs`. Empty values mean absence; order is repaired, a name given twice is an error.
pub fn labels_from_pairs<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<Labels, WireError> {
    let mut previous: Option<&str> = None;
    let mut sorted = true;
    for (name, value) in pairs.clone() {
        let longest = name.len().max(value.len());
        if longest > gauntlet_model::labels::MAX_LEN_BYTES {
            return Err(WireError::LabelTooLong(longest));
        }
        sorted &= previous.is_none_or(|p| p < name) && !value.is_empty();
        previous = Some(name);
    }
    if sorted {
        return Ok(Labels::from_sorted(pairs));
    }
    let mut all: Vec<(&str, &str)> = pairs.filter(|(_, value)| !value.is_empty()).collect();
    all.sort_unstable();
    if let Some(twice) = all.windows(2).find(|w| w[0].0 == w[1].0) {
        return Err(WireError::DuplicateLabel(twice[0].0.to_owned()));
    }
    Ok(Labels::from_sorted(all))
}

/// The label set of a message's labels.
pub fn labels_from_proto(labels: &[prompb::Label]) -> Result<Labels, WireError> {
    labels_from_pairs(labels.iter().map(|l| (l.name.as_str(), l.value.as_str())))
}

pub fn labels_to_proto(labels: &Labels) -> Vec<prompb::Label> {
    let own = |(name, value): (&str, &str)| prompb::Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    labels.iter().map(own).collect()
}

/// A label set of remote write 2.0: name and value references in turn.
pub fn labels_from_refs(symbols: &[String], refs: &[u32]) -> Result<Labels, WireError> {
    if !refs.len().is_multiple_of(2) {
        return Err(WireError::Damaged("odd number of label references"));
    }
    if let Some(reference) = refs.iter().find(|r| **r as usize >= symbols.len()) {
        return Err(WireError::SymbolRef { reference: *reference, len: symbols.len() });
    }
    let text = |r: u32| symbols[r as usize].as_str();
    labels_from_pairs(refs.chunks_exact(2).map(|pair| (text(pair[0]), text(pair[1]))))
}

pub fn matcher_from_proto(matcher: &prompb::LabelMatcher) -> Result<Matcher, WireError> {
    let op = match prompb::MatcherType::try_from(matcher.r#type) {
        Ok(prompb::MatcherType::Eq) => MatchOp::Equal,
        Ok(prompb::MatcherType::Neq) => MatchOp::NotEqual,
        Ok(prompb::MatcherType::Re) => MatchOp::Regex,
        Ok(prompb::MatcherType::Nre) => MatchOp::NotRegex,
        Err(_) => return Err(WireError::MatcherType(matcher.r#type)),
    };
    Ok(Matcher::new(op, &matcher.name, &matcher.value)?)
}

pub fn matchers_from_proto(matchers: &[prompb::LabelMatcher]) -> Result<Vec<Matcher>, WireError> {
    matchers.iter().map(matcher_from_proto).collect()
}

pub fn matcher_to_proto(matcher: &Matcher) -> prompb::LabelMatcher {
    let r#type = match matcher.op {
        MatchOp::Equal => prompb::MatcherType::Eq,
        MatchOp::NotEqual => prompb::MatcherType::Neq,
        MatchOp::Regex => prompb::MatcherType::Re,
        MatchOp::NotRegex => prompb::MatcherType::Nre,
    };
    prompb::LabelMatcher {
        r#type: r#type.into(),
        name: matcher.name.clone(),
        value: matcher.value.clone(),
    }
}

/// A histogram message in the form its count says it has.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyHistogram {
    Integer(Histogram),
    Float(FloatHistogram),
}

pub fn histogram_from_proto(message: prompb::Histogram) -> Result<AnyHistogram, WireError> {
    let hint = match prompb::ResetHint::try_from(message.reset_hint) {
        Ok(prompb::ResetHint::Yes) => CounterResetHint::CounterReset,
        Ok(prompb::ResetHint::No) => CounterResetHint::NotCounterReset,
        Ok(prompb::ResetHint::Gauge) => CounterResetHint::Gauge,
        Ok(prompb::ResetHint::Unknown) | Err(_) => CounterResetHint::Unknown,
    };
    let positive_spans = spans_from_proto(&message.positive_spans);
    let negative_spans = spans_from_proto(&message.negative_spans);
    match message.count {
        Some(histogram::Count::CountFloat(count)) => {
            let zero_count = match message.zero_count {
                Some(histogram::ZeroCount::ZeroCountFloat(zero)) => zero,
                Some(histogram::ZeroCount::ZeroCountInt(0)) | None => 0.0,
                Some(_) => return Err(WireError::MixedHistogram("float count and integer zero")),
            };
            Ok(AnyHistogram::Float(FloatHistogram {
                counter_reset_hint: hint,
                schema: message.schema,
                zero_threshold: message.zero_threshold,
                zero_count,
                count,
                sum: message.sum,
                positive_spans,
                negative_spans,
                positive_buckets: message.positive_counts,
                negative_buckets: message.negative_counts,
                custom_values: message.custom_values,
            }))
        }
        other => {
            let count = match other {
                Some(histogram::Count::CountInt(count)) => count,
                _ => 0,
            };
            let zero_count = match message.zero_count {
                Some(histogram::ZeroCount::ZeroCountInt(zero)) => zero,
                None => 0,
                Some(_) => return Err(WireError::MixedHistogram("integer count and float zero")),
            };
            Ok(AnyHistogram::Integer(Histogram {
                counter_reset_hint: hint,
                schema: message.schema,
                zero_threshold: message.zero_threshold,
                zero_count,
                count,
                sum: message.sum,
                positive_spans,
                negative_spans,
                positive_buckets: message.positive_deltas,
                negative_buckets: message.negative_deltas,
                custom_values: message.custom_values,
            }))
        }
    }
}

/// The message of an integer histogram at `timestamp` (milliseconds).
pub fn histogram_to_proto(timestamp: i64, h: &Histogram) -> prompb::Histogram {
    prompb::Histogram {
        count: Some(histogram::Count::CountInt(h.count)),
        sum: h.sum,
        schema: h.schema,
        zero_threshold: h.zero_threshold,
        zero_count: Some(histogram::ZeroCount::ZeroCountInt(h.zero_count)),
        negative_spans: spans_to_proto(&h.negative_spans),
        negative_deltas: h.negative_buckets.clone(),
        positive_spans: spans_to_proto(&h.positive_spans),
        positive_deltas: h.positive_buckets.clone(),
        reset_hint: hint_to_proto(h.counter_reset_hint).into(),
        timestamp,
        custom_values: h.custom_values.clone(),
        ..Default::default()
    }
}

/// The message of a float histogram at `timestamp` (milliseconds).
pub fn float_histogram_to_proto(timestamp: i64, h: &FloatHistogram) -> prompb::Histogram {
    prompb::Histogram {
        count: Some(histogram::Count::CountFloat(h.count)),
        sum: h.sum,
        schema: h.schema,
        zero_threshold: h.zero_threshold,
        zero_count: Some(histogram::ZeroCount::ZeroCountFloat(h.zero_count)),
        negative_spans: spans_to_proto(&h.negative_spans),
        negative_counts: h.negative_buckets.clone(),
        positive_spans: spans_to_proto(&h.positive_spans),
        positive_counts: h.positive_buckets.clone(),
        reset_hint: hint_to_proto(h.counter_reset_hint).into(),
        timestamp,
        custom_values: h.custom_values.clone(),
        ..Default::default()
    }
}

/// An exemplar; timestamp 0 stands for none.
pub fn exemplar_from_proto(message: &prompb::Exemplar) -> Result<Exemplar, WireError> {
    Ok(Exemplar {
        labels: labels_from_proto(&message.labels)?,
        value: message.value,
        timestamp: (message.timestamp != 0).then_some(message.timestamp),
    })
}

/// The metric type of its number in remote write; unknown numbers are [`MetricType::Unknown`].
pub fn metric_type_from_proto(number: i32) -> MetricType {
    match prompb::MetricType::try_from(number) {
        Ok(prompb::MetricType::Counter) => MetricType::Counter,
        Ok(prompb::MetricType::Gauge) => MetricType::Gauge,
        Ok(prompb::MetricType::Histogram) => MetricType::Histogram,
        Ok(prompb::MetricType::GaugeHistogram) => MetricType::GaugeHistogram,
        Ok(prompb::MetricType::Summary) => MetricType::Summary,
        Ok(prompb::MetricType::Info) => MetricType::Info,
        Ok(prompb::MetricType::StateSet) => MetricType::StateSet,
        Ok(prompb::MetricType::Unknown) | Err(_) => MetricType::Unknown,
    }
}

pub fn metric_type_to_proto(metric_type: MetricType) -> prompb::MetricType {
    match metric_type {
        MetricType::Unknown => prompb::MetricType::Unknown,
        MetricType::Counter => prompb::MetricType::Counter,
        MetricType::Gauge => prompb::MetricType::Gauge,
        MetricType::Histogram => prompb::MetricType::Histogram,
        MetricType::GaugeHistogram => prompb::MetricType::GaugeHistogram,
        MetricType::Summary => prompb::MetricType::Summary,
        MetricType::Info => prompb::MetricType::Info,
        MetricType::StateSet => prompb::MetricType::StateSet,
    }
}

pub fn metadata_to_proto(family: &str, metadata: &Metadata) -> prompb::MetricMetadata {
    prompb::MetricMetadata {
        r#type: metric_type_to_proto(metadata.metric_type).into(),
        metric_family_name: family.to_owned(),
        help: metadata.help.clone(),
        unit: metadata.unit.clone(),
    }
}

fn spans_from_proto(spans: &[prompb::BucketSpan]) -> Vec<Span> {
    spans.iter().map(|s| Span { offset: s.offset, length: s.length }).collect()
}

fn spans_to_proto(spans: &[Span]) -> Vec<prompb::BucketSpan> {
    spans.iter().map(|s| prompb::BucketSpan { offset: s.offset, length: s.length }).collect()
}

fn hint_to_proto(hint: CounterResetHint) -> prompb::ResetHint {
    match hint {
        CounterResetHint::Unknown => prompb::ResetHint::Unknown,
        CounterResetHint::CounterReset => prompb::ResetHint::Yes,
        CounterResetHint::NotCounterReset => prompb::ResetHint::No,
        CounterResetHint::Gauge => prompb::ResetHint::Gauge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_repaired_and_duplicates_refused() {
        let labels = labels_from_pairs([("b", "2"), ("a", "1"), ("c", "")].into_iter()).unwrap();
        assert_eq!(labels, Labels::from_pairs([("a", "1"), ("b", "2")]));
        let twice = labels_from_pairs([("a", "1"), ("a", "2")].into_iter()).unwrap_err();
        assert_eq!(twice.to_string(), "label name \"a\" is not unique: invalid sample");
    }

    #[test]
    fn references_outside_the_symbols_are_refused() {
        let symbols = ["", "a", "1"].map(str::to_owned);
        assert!(labels_from_refs(&symbols, &[1, 3]).is_err());
        assert!(labels_from_refs(&symbols, &[1]).is_err());
        assert_eq!(labels_from_refs(&symbols, &[1, 2]).unwrap(), Labels::from_pairs([("a", "1")]));
    }

    #[test]
    fn histograms_survive_the_round_trip() {
        let float = FloatHistogram {
            counter_reset_hint: CounterResetHint::Gauge,
            schema: -53,
            count: 3.5,
            zero_count: 0.0,
            sum: -2.0,
            positive_spans: vec![Span { offset: -3, length: 2 }],
            positive_buckets: vec![1.5, 2.0],
            custom_values: vec![0.5, 1.0],
            ..Default::default()
        };
        let back = histogram_from_proto(float_histogram_to_proto(7, &float)).unwrap();
        assert_eq!(back, AnyHistogram::Float(float));
        let integer = Histogram {
            counter_reset_hint: CounterResetHint::NotCounterReset,
            schema: 3,
            zero_threshold: 0.001,
            zero_count: 2,
            count: 9,
            sum: 4.25,
            negative_spans: vec![Span { offset: 1, length: 2 }],
            negative_buckets: vec![3, 1],
            ..Default::default()
        };
        let back = histogram_from_proto(histogram_to_proto(7, &integer)).unwrap();
        assert_eq!(back, AnyHistogram::Integer(integer));
    }
}

//! Compares an answer with what a script expects: floats within a relative 1e-6, histograms bucket by bucket.

use gauntlet_model::histogram::Span;
use gauntlet_model::{FloatHistogram, Labels, Timestamp, is_stale_nan};
use gauntlet_promql::Annotations;

use super::expand::SequenceValue;
use super::script::{Eval, Expected, TextMatch};
use super::{SampleValue, Value};

const EPSILON: f64 = 1e-6;

/// Errs with what differs.
pub(super) fn compare(eval: &Eval, value: &Value) -> Result<(), String> {
    match value {
        Value::Scalar(value) => match &eval.expected {
            Expected::Scalar(expected) if almost_equal(*expected, *value) => Ok(()),
            expected => Err(format!("expected {}, got scalar {value}", brief(expected))),
        },
        Value::String(text) => match &eval.expected {
            Expected::String(expected) if expected == text => Ok(()),
            Expected::Series { series, .. } if series.is_empty() && text.is_empty() => Ok(()),
            expected => Err(format!("expected {}, got string {text:?}", brief(expected))),
        },
        Value::Vector(samples) => compare_vector(eval, samples),
        Value::Matrix(series) => compare_matrix(eval, series),
    }
}

fn brief(expected: &Expected) -> String {
    match expected {
        Expected::Scalar(value) => format!("scalar {value}"),
        Expected::String(text) => format!("string {text:?}"),
        Expected::Series { series, .. } => format!("{} series", series.len()),
    }
}

fn compare_vector(eval: &Eval, samples: &[(Labels, SampleValue)]) -> Result<(), String> {
    let Expected::Series { series, .. } = &eval.expected else {
        return Err(format!("expected {}, got a vector {samples:?}", brief(&eval.expected)));
    };
    let mut seen = Vec::new();
    for (i, (labels, value)) in samples.iter().enumerate() {
        let Some((place, values)) = series.get(labels) else {
            return Err(format!("unexpected metric {labels} in result, has value {}", show(value)));
        };
        if eval.ordered && *place != i + 1 {
            return Err(format!("expected metric {labels} at position {place}, was at {}", i + 1));
        }
        if seen.contains(&labels) {
            return Err(format!("metric {labels} is twice in the result"));
        }
        let expected = values.first().unwrap_or(&SequenceValue::Omitted);
        if !same_value(expected, value) {
            return Err(format!("expected {expected:?} for {labels}, got {}", show(value)));
        }
        seen.push(labels);
    }
    all_seen(series.keys(), &seen)
}

fn compare_matrix(
    eval: &Eval,
    result: &[(Labels, Vec<(Timestamp, SampleValue)>)],
) -> Result<(), String> {
    if eval.ordered {
        return Err("expected ordered result, but query returned a matrix".to_owned());
    }
    check_sorted(result)?;
    let Expected::Series { series, start, end, step_ms } = &eval.expected else {
        return Err(format!("expected {}, got a matrix", brief(&eval.expected)));
    };
    let mut seen = Vec::new();
    for (labels, points) in result {
        let Some((_, values)) = series.get(labels) else {
            return Err(format!("unexpected metric {labels} in result, has {}", show_all(points)));
        };
        seen.push(labels);
        let mut expected = Vec::new();
        for (i, value) in values.iter().enumerate() {
            let t = start + i as i64 * step_ms;
            if t > *end {
                return Err(format!("{labels} expects more points than the range can return"));
            }
            if *value != SequenceValue::Omitted {
                expected.push((t, value));
            }
        }
        if expected.len() != points.len() {
            return Err(format!(
                "expected {} points for {labels}, got {}",
                expected.len(),
                show_all(points)
            ));
        }
        for ((want_t, want), (t, value)) in expected.into_iter().zip(points) {
            if want_t != *t || !same_value(want, value) {
                return Err(format!(
                    "expected {want:?} @[{want_t}] for {labels}, got {} @[{t}] (result has {})",
                    show(value),
                    show_all(points)
                ));
            }
        }
    }
    all_seen(series.keys(), &seen)
}

fn all_seen<'a>(
    expected: impl Iterator<Item = &'a Labels>,
    seen: &[&Labels],
) -> Result<(), String> {
    for labels in expected {
        if !seen.contains(&labels) {
            return Err(format!("expected metric {labels} not found"));
        }
    }
    Ok(())
}

/// A matrix is always sorted by label sets.
pub(super) fn check_sorted(
    result: &[(Labels, Vec<(Timestamp, SampleValue)>)],
) -> Result<(), String> {
    match result.windows(2).find(|w| w[0].0 > w[1].0) {
        None => Ok(()),
        Some(w) => Err(format!("matrix is not sorted: {} comes before {}", w[0].0, w[1].0)),
    }
}

fn show(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => value.to_string(),
        SampleValue::Histogram(h) => format!(
            "histogram {h} schema {} hint {:?} {:?}",
            h.schema, h.counter_reset_hint, h.custom_values
        ),
    }
}

fn show_all(points: &[(Timestamp, SampleValue)]) -> String {
    let texts: Vec<String> =
        points.iter().map(|(t, value)| format!("{} @[{t}]", show(value))).collect();
    format!("{} points: {}", points.len(), texts.join(" "))
}

fn same_value(expected: &SequenceValue, value: &SampleValue) -> bool {
    match (expected, value) {
        (SequenceValue::Float(a), SampleValue::Float(b)) => almost_equal(*a, *b),
        (SequenceValue::Histogram { histogram, hint_is_set }, SampleValue::Histogram(b)) => {
            same_histogram(histogram, b, *hint_is_set)
        }
        _ => false,
    }
}

/// Whether two floats differ by less than their sum times 1e-6; NaNs of one kind (stale or other) are equal.
pub fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale_nan(a) || is_stale_nan(b) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn same_histogram(expected: &FloatHistogram, actual: &FloatHistogram, with_hint: bool) -> bool {
    let (mut a, mut b) = (expected.clone(), actual.clone());
    a.compact(0);
    b.compact(0);
    let same_counts = |a: &[f64], b: &[f64]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| almost_equal(*a, *b))
    };
    a.schema == b.schema
        && almost_equal(a.count, b.count)
        && almost_equal(a.sum, b.sum)
        && (!a.uses_custom_buckets() || a.custom_values == b.custom_values)
        && a.zero_threshold == b.zero_threshold
        && almost_equal(a.zero_count, b.zero_count)
        && bucket_indexes(&a.positive_spans) == bucket_indexes(&b.positive_spans)
        && bucket_indexes(&a.negative_spans) == bucket_indexes(&b.negative_spans)
        && same_counts(&a.positive_buckets, &b.positive_buckets)
        && same_counts(&a.negative_buckets, &b.negative_buckets)
        && (!with_hint || a.counter_reset_hint == b.counter_reset_hint)
}

fn bucket_indexes(spans: &[Span]) -> Vec<i32> {
    let mut next = 0i32;
    let mut indexes = Vec::new();
    for span in spans {
        next = next.wrapping_add(span.offset);
        for _ in 0..span.length {
            indexes.push(next);
            next = next.wrapping_add(1);
        }
    }
    indexes
}

/// Errs where warnings and infos are not those expected.
pub(super) fn check_annotations(
    eval: &Eval,
    query: &str,
    annotations: &Annotations,
) -> Result<(), String> {
    let (warnings, infos) = annotations.to_strings(query, 0, 0);
    if eval.any_warning && warnings.is_empty() {
        return Err("expected a warning but got none".to_owned());
    }
    if eval.any_info && infos.is_empty() {
        return Err("expected an info but got none".to_owned());
    }
    check_texts("warn", &eval.warnings, &warnings)?;
    check_texts("info", &eval.infos, &infos)?;
    if eval.no_warning && !warnings.is_empty() {
        return Err(format!("unexpected warnings: {warnings:?}"));
    }
    if eval.no_info && !infos.is_empty() {
        return Err(format!("unexpected infos: {infos:?}"));
    }
    Ok(())
}

fn check_texts(kind: &str, expected: &[TextMatch], actual: &[String]) -> Result<(), String> {
    if expected.is_empty() {
        return Ok(());
    }
    for text in expected {
        if !actual.iter().any(|a| text.matches(a)) {
            return Err(format!("expected {kind} annotation {text:?}, found {actual:?}"));
        }
    }
    match actual.iter().find(|a| !expected.iter().any(|e| e.matches(a))) {
        None => Ok(()),
        Some(extra) => Err(format!("unexpected {kind} annotation {extra:?}")),
    }
}

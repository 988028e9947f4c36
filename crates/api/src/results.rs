//! JSON of label sets and query results, written by hand: an answer may hold millions of points.

use gauntlet_model::{FloatHistogram, Labels, Timestamp, float};
use gauntlet_promql::engine::{Matrix, Sample, SampleValue, Value};

use crate::envelope::push_json_str;

/// Appends `{"resultType":...,"result":...}` without the closing brace, so that statistics may follow.
pub(crate) fn push_value(out: &mut String, value: &Value) {
    out.push_str("{\"resultType\":");
    push_json_str(out, value.value_type().as_str());
    out.push_str(",\"result\":");
    match value {
        Value::Scalar { t, value } => {
            out.push('[');
            push_seconds(out, *t);
            out.push_str(",\"");
            float::push_plain_float(out, *value);
            out.push_str("\"]");
        }
        Value::String { t, text } => {
            out.push('[');
            push_seconds(out, *t);
            out.push(',');
            push_json_str(out, text);
            out.push(']');
        }
        Value::Vector(samples) => push_vector(out, samples),
        Value::Matrix(matrix) => push_matrix(out, matrix),
    }
}

fn push_vector(out: &mut String, samples: &[Sample]) {
    out.push('[');
    for (i, sample) in samples.iter().enumerate() {
        out.push_str(if i > 0 { ",{\"metric\":" } else { "{\"metric\":" });
        push_labels(out, &sample.labels);
        match &sample.value {
            SampleValue::Float(value) => {
                out.push_str(",\"value\":");
                push_point(out, sample.t, *value);
            }
            SampleValue::Histogram(histogram) => {
                out.push_str(",\"histogram\":");
                push_histogram_point(out, sample.t, histogram);
            }
        }
        out.push('}');
    }
    out.push(']');
}

fn push_matrix(out: &mut String, matrix: &Matrix) {
    out.push('[');
    for series in 0..matrix.len() {
        out.push_str(if series > 0 { ",{\"metric\":" } else { "{\"metric\":" });
        push_labels(out, matrix.labels(series));
        let mut first = true;
        for (t, value) in matrix.floats(series) {
            out.push_str(if first { ",\"values\":[" } else { "," });
            first = false;
            push_point(out, t, value);
        }
        if !first {
            out.push(']');
        }
        if matrix.has_histograms(series) {
            let mut first = true;
            for (t, histogram) in matrix.histograms(series) {
                out.push_str(if first { ",\"histograms\":[" } else { "," });
                first = false;
                push_histogram_point(out, t, histogram);
            }
            if !first {
                out.push(']');
            }
        }
        out.push('}');
    }
    out.push(']');
}

/// Appends a timestamp as seconds, shortest form: scalars and strings have it so.
pub(crate) fn push_seconds(out: &mut String, t: Timestamp) {
    float::push_json_float(out, t as f64 / 1000.0);
}

/// Appends a label set as an object.
pub(crate) fn push_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_str(out, name);
        out.push(':');
        push_json_str(out, value);
    }
    out.push('}');
}

/// Appends a timestamp as seconds with up to three decimals, zeros kept as upstream keeps them.
pub(crate) fn push_timestamp(out: &mut String, t: Timestamp) {
    let mut magnitude = t.unsigned_abs();
    if t < 0 {
        out.push('-');
    }
    let ms = (magnitude % 1000) as u32;
    magnitude /= 1000;
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
    if ms > 0 {
        out.push('.');
        for digit in [ms / 100, ms / 10 % 10, ms % 10] {
            out.push(char::from(b'0' + digit as u8));
        }
    }
}

/// Appends `[t,"value"]`.
pub(crate) fn push_point(out: &mut String, t: Timestamp, value: f64) {
    out.push('[');
    push_timestamp(out, t);
    out.push_str(",\"");
    float::push_json_float(out, value);
    out.push_str("\"]");
}

/// Appends `[t,{histogram}]`.
pub(crate) fn push_histogram_point(out: &mut String, t: Timestamp, histogram: &FloatHistogram) {
    out.push('[');
    push_timestamp(out, t);
    out.push(',');
    push_histogram(out, histogram);
    out.push(']');
}

/// Appends a histogram as `{"count":"..","sum":"..","buckets":[[rule,"lower","upper","count"],...]}`; empty buckets are left out.
fn push_histogram(out: &mut String, histogram: &FloatHistogram) {
    out.push_str("{\"count\":\"");
    float::push_json_float(out, histogram.count);
    out.push_str("\",\"sum\":\"");
    float::push_json_float(out, histogram.sum);
    out.push('"');
    let mut first = true;
    for bucket in histogram.all_buckets() {
        if bucket.count == 0.0 {
            continue;
        }
        out.push_str(if first { ",\"buckets\":[" } else { "," });
        first = false;
        let rule = match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => '0',
            (true, false) => '1',
            (false, false) => '2',
            (true, true) => '3',
        };
        out.push('[');
        out.push(rule);
        for number in [bucket.lower, bucket.upper, bucket.count] {
            out.push_str(",\"");
            float::push_json_float(out, number);
            out.push('"');
        }
        out.push(']');
    }
    if !first {
        out.push(']');
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::push_timestamp;

    #[test]
    fn timestamps_are_seconds_with_up_to_three_decimals() {
        for (ms, text) in [
            (0, "0"),
            (1500, "1.500"),
            (1_795_500_070_000, "1795500070"),
            (-1500, "-1.500"),
            (7, "0.007"),
        ] {
            let mut out = String::new();
            push_timestamp(&mut out, ms);
            assert_eq!(out, text);
        }
    }
}

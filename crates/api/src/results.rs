//! JSON of label sets and query results, written by hand: an answer may hold millions of points.

use gauntlet_model::{FloatHistogram, Labels, Timestamp, float};
use gauntlet_promql::engine::{Grid, Matrix, Sample, SampleValue, Value, is_no_float};

use gauntlet_encoding::push_json_str;

/// Bytes after which a part of an answer is handed on.
pub(crate) const PART_BYTES: usize = 64 << 10;

/// A query's value on its way out as JSON, part by part: an answer of a gigabyte holds no more than one part of its text.
/// Budget: 15 ns a point of whole numbers, 30 otherwise.
#[derive(Debug)]
pub(crate) struct ResultStream {
    value: Value,
    /// Series or samples written.
    written: usize,
    times: StepTimes,
}

impl ResultStream {
    pub(crate) fn new(value: Value) -> Self {
        Self { value, written: 0, times: StepTimes::default() }
    }

    /// Appends the next part of `{"resultType":...,"result":...}`, the closing brace left out so that more may follow.
    /// Returns whether that was all.
    pub(crate) fn part(&mut self, out: &mut String) -> bool {
        if self.written == 0 {
            out.push_str("{\"resultType\":");
            push_json_str(out, self.value.value_type().as_str());
            out.push_str(",\"result\":");
        }
        match &self.value {
            Value::Scalar { t, value } => {
                out.push('[');
                push_seconds(out, *t);
                out.push_str(",\"");
                float::push_plain_float(out, *value);
                out.push_str("\"]");
                return true;
            }
            Value::String { t, text } => {
                out.push('[');
                push_seconds(out, *t);
                out.push(',');
                push_json_str(out, text);
                out.push(']');
                return true;
            }
            Value::Vector(_) | Value::Matrix(_) => {}
        }
        if self.written == 0 {
            out.push('[');
            if let Value::Matrix(matrix) = &self.value {
                self.times = matrix.grid().map(|grid| StepTimes::new(&grid)).unwrap_or_default();
            }
        }
        let end = out.len() + PART_BYTES;
        let len = match &self.value {
            Value::Vector(samples) => samples.len(),
            Value::Matrix(matrix) => matrix.len(),
            Value::Scalar { .. } | Value::String { .. } => 0,
        };
        while self.written < len && out.len() < end {
            let i = self.written;
            out.push_str(if i > 0 { ",{\"metric\":" } else { "{\"metric\":" });
            match &self.value {
                Value::Vector(samples) => push_sample(out, &samples[i]),
                Value::Matrix(matrix) => push_series(out, matrix, i, &self.times),
                Value::Scalar { .. } | Value::String { .. } => {}
            }
            self.written += 1;
        }
        let done = self.written == len;
        if done {
            out.push(']');
        }
        done
    }
}

fn push_sample(out: &mut String, sample: &Sample) {
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

fn push_series(out: &mut String, matrix: &Matrix, series: usize, times: &StepTimes) {
    push_labels(out, matrix.labels(series));
    let mut first = true;
    if let Some(row) = matrix.row(series) {
        // A point is rarely longer than this.
        out.reserve(row.len() * 32);
        for (step, value) in row.iter().enumerate().filter(|(_, v)| !is_no_float(**v)) {
            if first {
                out.push_str(",\"values\":[");
                out.push_str(&times.text(step)[END_OF_POINT.len()..]);
                first = false;
            } else {
                out.push_str(times.text(step));
            }
            float::push_json_float(out, *value);
        }
        if !first {
            out.push_str("\"]");
        }
    } else {
        for (t, value) in matrix.floats(series) {
            out.push_str(if first { ",\"values\":[" } else { "," });
            first = false;
            push_point(out, t, value);
        }
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

/// Ends a point that another one follows.
const END_OF_POINT: &str = "\"],";

/// What stands between the values of two points, by step of the second: `"],[1795500070.500,"`. Made once an answer.
#[derive(Debug, Default)]
struct StepTimes {
    text: String,
    /// Where each step's text begins, and the end.
    starts: Vec<u32>,
}

impl StepTimes {
    fn new(grid: &Grid) -> Self {
        let mut this = Self::default();
        this.starts.reserve(grid.steps + 1);
        for t in grid.times() {
            this.starts.push(this.text.len() as u32);
            this.text.push_str(END_OF_POINT);
            this.text.push('[');
            push_timestamp(&mut this.text, t);
            this.text.push_str(",\"");
        }
        this.starts.push(this.text.len() as u32);
        this
    }

    #[inline]
    fn text(&self, step: usize) -> &str {
        &self.text[self.starts[step] as usize..self.starts[step + 1] as usize]
    }
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
    let magnitude = t.unsigned_abs();
    if t < 0 {
        out.push('-');
    }
    let ms = (magnitude % 1000) as u32;
    out.push_str(itoa::Buffer::new().format(magnitude / 1000));
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

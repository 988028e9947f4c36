//! Families in text 0.0.4, with times.

use gauntlet_expfmt::push_text_float;
use gauntlet_model::labels::{is_legacy_label_name, is_legacy_metric_name};

use super::families::{Family, Kind, Metric, Value};
use super::format::Format;

pub(super) fn encode(families: &[Family<'_>], format: Format) -> String {
    let mut out =
        String::with_capacity(families.iter().map(|f| f.metrics.len()).sum::<usize>() * 128);
    for family in families {
        let name = format.metric_name(family.name);
        out.push_str("# TYPE ");
        push_name(&mut out, &name);
        out.push_str(match family.kind {
            Kind::Untyped => " untyped\n",
            Kind::Histogram | Kind::GaugeHistogram => " histogram\n",
        });
        for metric in &family.metrics {
            let mut line = |suffix: &str, le: Option<f64>, value: f64| {
                push_series(&mut out, &name, suffix, metric, le, format);
                push_text_float(&mut out, value);
                out.push_str(&format!(" {}\n", metric.t));
            };
            match &metric.value {
                Value::Untyped(value) => line("", None, *value),
                Value::Classic { buckets, histogram } => {
                    for (bound, count) in buckets {
                        line("_bucket", Some(*bound), *count);
                    }
                    line("_bucket", Some(f64::INFINITY), histogram.count);
                    line("_sum", None, histogram.sum);
                    line("_count", None, histogram.count);
                }
                Value::Native(_) => {}
            }
        }
    }
    out
}

fn push_name(out: &mut String, name: &str) {
    if is_legacy_metric_name(name) {
        out.push_str(name);
    } else {
        out.push('"');
        push_escaped(out, name);
        out.push('"');
    }
}

fn push_series(
    out: &mut String,
    name: &str,
    suffix: &str,
    metric: &Metric<'_>,
    le: Option<f64>,
    format: Format,
) {
    let mut separator = '{';
    if is_legacy_metric_name(name) {
        out.push_str(name);
        out.push_str(suffix);
    } else {
        out.push_str("{\"");
        push_escaped(out, name);
        out.push_str(suffix);
        out.push('"');
        separator = ',';
    }
    for (label, value) in &metric.labels {
        out.push(separator);
        separator = ',';
        let label = format.label_name(label);
        if is_legacy_label_name(&label) {
            out.push_str(&label);
        } else {
            out.push('"');
            push_escaped(out, &label);
            out.push('"');
        }
        out.push_str("=\"");
        push_escaped(out, value);
        out.push('"');
    }
    if let Some(bound) = le {
        out.push(separator);
        separator = ',';
        out.push_str("le=\"");
        push_text_float(out, bound);
        out.push('"');
    }
    out.push_str(if separator == ',' { "} " } else { " " });
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

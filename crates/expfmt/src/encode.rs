//! Prints gathered metrics: text 0.0.4 and OpenMetrics, as the peers' client library prints them, byte for byte.
//!
//! Leaves out protobuf: a scraper that prefers it also takes text. Source: `prometheus/common/expfmt`.

use gauntlet_model::labels::{is_legacy_label_name, is_legacy_metric_name};
use gauntlet_telemetry::{Metric, MetricFamily, MetricKind, MetricValue};

use crate::number::{push_openmetrics_float, push_text_float};

/// A format to answer with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    OpenMetrics0_0_1,
    OpenMetrics1_0_0,
}

impl Format {
    /// The Content-Type header of an answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            Self::OpenMetrics0_0_1 => {
                "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores"
            }
            Self::OpenMetrics1_0_0 => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }
}

/// The format that an Accept header asks for first among those we print; text if it asks for none. Like the peers' own `/metrics`,
/// a role answers OpenMetrics only where it says so by `openmetrics`.
pub fn negotiate(accept: &str, openmetrics: bool) -> Format {
    let mut best: Option<(f32, Format)> = None;
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let mut version = "";
        let mut weight = 1.0f32;
        for part in parts {
            match part.split_once('=') {
                Some(("version", v)) => version = v,
                Some(("q", q)) => weight = q.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        let format = match (kind, version) {
            ("text/plain", "0.0.4" | "") => Format::Text,
            ("application/openmetrics-text", "1.0.0") if openmetrics => Format::OpenMetrics1_0_0,
            ("application/openmetrics-text", "0.0.1" | "") if openmetrics => {
                Format::OpenMetrics0_0_1
            }
            _ => continue,
        };
        if best.is_none_or(|(top, _)| weight > top) {
            best = Some((weight, format));
        }
    }
    best.map_or(Format::Text, |(_, format)| format)
}

/// Prints all families.
pub fn encode(format: Format, families: &[MetricFamily]) -> String {
    let mut out = String::with_capacity(families.len() * 256);
    for family in families {
        encode_family(format, family, &mut out);
    }
    if format != Format::Text {
        out.push_str("# EOF\n");
    }
    out
}

/// Appends one family: HELP, TYPE, samples.
pub fn encode_family(format: Format, family: &MetricFamily, out: &mut String) {
    let mut writer = Writer { out, openmetrics: format != Format::Text };
    let total = family.kind == MetricKind::Counter && family.name.ends_with("_total");
    let name: &str = match family.name.strip_suffix("_total") {
        Some(base) if total && writer.openmetrics => base,
        _ => &family.name,
    };
    writer.out.push_str("# HELP ");
    writer.name(name);
    writer.out.push(' ');
    writer.escaped(&family.help, writer.openmetrics);
    writer.out.push_str("\n# TYPE ");
    writer.name(name);
    writer.out.push(' ');
    writer.out.push_str(match family.kind {
        MetricKind::Counter if writer.openmetrics && !total => "unknown",
        MetricKind::Untyped if writer.openmetrics => "unknown",
        kind => kind.as_str(),
    });
    writer.out.push('\n');
    for metric in &family.metrics {
        writer.metric(&family.name, metric);
    }
}

struct Writer<'a> {
    out: &'a mut String,
    openmetrics: bool,
}

impl Writer<'_> {
    fn metric(&mut self, name: &str, metric: &Metric) {
        match &metric.value {
            MetricValue::Counter(value)
            | MetricValue::Gauge(value)
            | MetricValue::Untyped(value) => self.sample(name, "", metric, None, *value),
            MetricValue::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles {
                    self.sample(name, "", metric, Some(("quantile", *quantile)), *value);
                }
                self.sample(name, "_sum", metric, None, *sum);
                self.count(name, "_count", metric, None, *count);
            }
            MetricValue::Histogram { buckets, sum, count } => {
                for (bound, cumulative) in buckets {
                    self.count(name, "_bucket", metric, Some(("le", *bound)), *cumulative);
                }
                self.count(name, "_bucket", metric, Some(("le", f64::INFINITY)), *count);
                self.sample(name, "_sum", metric, None, *sum);
                self.count(name, "_count", metric, None, *count);
            }
        }
    }

    fn sample(
        &mut self,
        name: &str,
        suffix: &str,
        metric: &Metric,
        extra: Option<(&str, f64)>,
        value: f64,
    ) {
        self.series(name, suffix, metric, extra);
        self.float(value);
        self.out.push('\n');
    }

    /// A whole count: OpenMetrics prints its digits, the text format prints it as a float.
    fn count(
        &mut self,
        name: &str,
        suffix: &str,
        metric: &Metric,
        extra: Option<(&str, f64)>,
        value: u64,
    ) {
        self.series(name, suffix, metric, extra);
        if self.openmetrics {
            self.out.push_str(&value.to_string());
        } else {
            self.float(value as f64);
        }
        self.out.push('\n');
    }

    fn series(&mut self, name: &str, suffix: &str, metric: &Metric, extra: Option<(&str, f64)>) {
        let legacy = is_legacy_metric_name(name);
        let mut separator = '{';
        if legacy {
            self.out.push_str(name);
            self.out.push_str(suffix);
        } else {
            self.out.push_str("{\"");
            self.escaped(name, true);
            self.out.push_str(suffix);
            self.out.push('"');
            separator = ',';
        }
        for (label, value) in &metric.labels {
            self.out.push(separator);
            separator = ',';
            if is_legacy_label_name(label) {
                self.out.push_str(label);
            } else {
                self.out.push('"');
                self.escaped(label, true);
                self.out.push('"');
            }
            self.out.push_str("=\"");
            self.escaped(value, true);
            self.out.push('"');
        }
        if let Some((label, value)) = extra {
            self.out.push(separator);
            separator = ',';
            self.out.push_str(label);
            self.out.push_str("=\"");
            self.float(value);
            self.out.push('"');
        }
        self.out.push_str(if separator == ',' { "} " } else { " " });
    }

    fn name(&mut self, name: &str) {
        if is_legacy_metric_name(name) {
            self.out.push_str(name);
        } else {
            self.out.push('"');
            self.escaped(name, true);
            self.out.push('"');
        }
    }

    fn float(&mut self, value: f64) {
        if self.openmetrics {
            push_openmetrics_float(self.out, value);
        } else {
            push_text_float(self.out, value);
        }
    }

    /// Backslashes and newlines escaped, and double quotes where `quotes` says so.
    fn escaped(&mut self, text: &str, quotes: bool) {
        let mut rest = text;
        while let Some(at) = memchr::memchr3(b'\\', b'\n', b'"', rest.as_bytes()) {
            self.out.push_str(&rest[..at]);
            self.out.push_str(match rest.as_bytes()[at] {
                b'\\' => "\\\\",
                b'\n' => "\\n",
                _ if quotes => "\\\"",
                _ => "\"",
            });
            rest = &rest[at + 1..];
        }
        self.out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_print_in_both_formats() {
        let histogram = MetricValue::Histogram {
            buckets: vec![(0.5, 1), (1.0, 2)],
            sum: 3.5,
            count: 1_000_000,
        };
        let families = [
            MetricFamily::single("c_total", "Count \"x\"\n\\", MetricValue::Counter(1.0)),
            MetricFamily {
                name: "h".into(),
                help: "".into(),
                kind: MetricKind::Histogram,
                metrics: vec![Metric {
                    labels: vec![("a".into(), "q\"".into())],
                    value: histogram,
                }],
            },
            MetricFamily::single("a.b", "", MetricValue::Untyped(f64::NAN)),
        ];
        assert_eq!(
            encode(Format::Text, &families),
            "# HELP c_total Count \"x\"\\n\\\\\n# TYPE c_total counter\nc_total 1\n\
             # HELP h \n# TYPE h histogram\nh_bucket{a=\"q\\\"\",le=\"0.5\"} 1\nh_bucket{a=\"q\\\"\",le=\"1\"} 2\n\
             h_bucket{a=\"q\\\"\",le=\"+Inf\"} 1e+06\nh_sum{a=\"q\\\"\"} 3.5\nh_count{a=\"q\\\"\"} 1e+06\n\
             # HELP \"a.b\" \n# TYPE \"a.b\" untyped\n{\"a.b\"} NaN\n"
        );
        assert_eq!(
            encode(Format::OpenMetrics1_0_0, &families),
            "# HELP c Count \\\"x\\\"\\n\\\\\n# TYPE c counter\nc_total 1.0\n\
             # HELP h \n# TYPE h histogram\nh_bucket{a=\"q\\\"\",le=\"0.5\"} 1\nh_bucket{a=\"q\\\"\",le=\"1.0\"} 2\n\
             h_bucket{a=\"q\\\"\",le=\"+Inf\"} 1000000\nh_sum{a=\"q\\\"\"} 3.5\nh_count{a=\"q\\\"\"} 1000000\n\
             # HELP \"a.b\" \n# TYPE \"a.b\" unknown\n{\"a.b\"} NaN\n# EOF\n"
        );
    }

    #[test]
    fn accept_headers_choose() {
        let scraper = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(negotiate(scraper, true), Format::OpenMetrics1_0_0);
        assert_eq!(negotiate(scraper, false), Format::Text);
        assert_eq!(negotiate("", true), Format::Text);
        assert_eq!(negotiate("application/openmetrics-text", true), Format::OpenMetrics0_0_1);
        assert_eq!(
            negotiate("text/plain;q=0.1,application/openmetrics-text;version=1.0.0;q=0.9", true),
            Format::OpenMetrics1_0_0
        );
    }
}

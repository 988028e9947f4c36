//! `/api/v1/status/self_metrics`: the metrics of this process as JSON, in the form that protobuf gives `io.prometheus.client.MetricFamily`.

use gauntlet_api::{ApiError, Params};
use gauntlet_model::regex::AnchoredRegex;
use gauntlet_telemetry::{Metric, MetricKind, MetricValue, Registry};
use serde_json::{Map, Value, json};

pub(super) fn json(registry: &Registry, params: &Params) -> Result<Value, ApiError> {
    let pattern = params.get("metric_name_pattern");
    let filter = match pattern {
        "" => None,
        pattern => Some(
            AnchoredRegex::new(pattern)
                .map_err(|err| ApiError::bad_data(format!("invalid metric_name_pattern: {err}")))?,
        ),
    };
    let families = registry.gather();
    let wanted = families.iter().filter(|f| filter.as_ref().is_none_or(|r| r.is_match(&f.name)));
    let all = wanted.map(|family| {
        let metrics: Vec<Value> = family.metrics.iter().map(metric).collect();
        let mut out = Map::new();
        out.insert("name".into(), json!(family.name));
        if !family.help.is_empty() {
            out.insert("help".into(), json!(family.help));
        }
        out.insert("type".into(), json!(kind(family.kind)));
        out.insert("metric".into(), json!(metrics));
        Value::Object(out)
    });
    Ok(Value::Array(all.collect()))
}

fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "COUNTER",
        MetricKind::Gauge => "GAUGE",
        MetricKind::Summary => "SUMMARY",
        MetricKind::Histogram => "HISTOGRAM",
        MetricKind::Untyped => "UNTYPED",
    }
}

fn metric(metric: &Metric) -> Value {
    let mut out = Map::new();
    if !metric.labels.is_empty() {
        let labels: Vec<Value> =
            metric.labels.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
        out.insert("label".into(), json!(labels));
    }
    let (name, value) = match &metric.value {
        MetricValue::Counter(value) => ("counter", json!({ "value": number(*value) })),
        MetricValue::Gauge(value) => ("gauge", json!({ "value": number(*value) })),
        MetricValue::Untyped(value) => ("untyped", json!({ "value": number(*value) })),
        MetricValue::Summary { quantiles, sum, count } => {
            let quantiles: Vec<Value> = quantiles
                .iter()
                .map(|(q, v)| json!({ "quantile": number(*q), "value": number(*v) }))
                .collect();
            let mut value = json!({ "sampleCount": count.to_string(), "sampleSum": number(*sum) });
            if !quantiles.is_empty() {
                value["quantile"] = json!(quantiles);
            }
            ("summary", value)
        }
        MetricValue::Histogram { buckets, sum, count } => {
            let buckets: Vec<Value> = buckets
                .iter()
                .map(|(bound, n)| {
                    json!({ "cumulativeCount": n.to_string(), "upperBound": number(*bound) })
                })
                .collect();
            let value = json!({
                "sampleCount": count.to_string(),
                "sampleSum": number(*sum),
                "bucket": buckets,
            });
            ("histogram", value)
        }
    };
    out.insert(name.into(), value);
    Value::Object(out)
}

/// Numbers that JSON has not are text.
fn number(value: f64) -> Value {
    match value {
        v if v.is_nan() => json!("NaN"),
        v if v == f64::INFINITY => json!("Infinity"),
        v if v == f64::NEG_INFINITY => json!("-Infinity"),
        v if v.fract() == 0.0 && v.abs() < 1e15 => json!(v as i64),
        v => json!(v),
    }
}

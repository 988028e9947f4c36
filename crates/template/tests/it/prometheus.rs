//! Alert, annotation and console texts against Prometheus' own expansion.

use std::collections::HashMap;
use std::sync::Arc;

use gauntlet_model::histogram::Span;
use gauntlet_model::{FloatHistogram, Labels};
use gauntlet_template::functions::prometheus::{
    ALERT_PREFIX, AlertData, Env, Query, Sample, SampleValue, add_console, expand, funcs,
};
use gauntlet_template::{Limits, Map, Mode, Value};
use serde_json::Value as Json;

use crate::golden::{self, Outcome, bytes_at};

const GAPS: &[(&str, &str)] = &[];

#[derive(Debug)]
struct Stub(HashMap<String, Result<Vec<Sample>, String>>);

impl Query for Stub {
    fn query(&self, expr: &str) -> Result<Vec<Sample>, String> {
        self.0.get(expr).cloned().unwrap_or_else(|| Err(format!("no such stub: {expr}")))
    }
}

#[test]
fn texts_expand_as_prometheus_expands_them() {
    let Some(vectors) = golden::load("prometheus-template.json") else { return };
    assert_eq!(vectors["prefix"], ALERT_PREFIX);
    let stub = Arc::new(stub(&vectors["queries"]));
    golden::run("prometheus", vectors["cases"].as_array().unwrap(), GAPS, |case| {
        let external_url = case["external_url"]
            .as_str()
            .unwrap_or_else(|| vectors["external_url"].as_str().unwrap())
            .to_owned();
        let (shown, path_prefix) = url_parts(&external_url);
        let env = Env {
            query: stub.clone(),
            external_url: shown,
            path_prefix,
            now_ms: vectors["now_ms"].as_i64().unwrap(),
        };
        let mut funcs = funcs(env);
        let is_html = case["html"] == true;
        if is_html {
            add_console(&mut funcs);
        }
        let mode = if is_html { Mode::Html } else { Mode::Text };
        let text = String::from_utf8(bytes_at(case, "template").unwrap()).unwrap();
        let limits = Limits::default();
        let expanded = if case["kind"] == "plain" {
            expand(mode, "test", &text, Value::Missing, &funcs, &limits)
        } else {
            let value = match case["value"].as_str() {
                Some("histogram") => SampleValue::Histogram(Arc::new(histogram(
                    vectors["histogram_value"].as_str().unwrap(),
                ))),
                value => SampleValue::Float(float(value.unwrap())),
            };
            let data = AlertData {
                labels: map(&vectors["labels"]),
                external_labels: map(&vectors["external_labels"]),
                external_url,
                value,
            };
            let text = format!("{ALERT_PREFIX}{text}");
            expand(mode, "__alert_HighLoad", &text, Value::object(data), &funcs, &limits)
        };
        match expanded {
            Ok(out) => Outcome::Output(out),
            Err(text) => Outcome::Error { text, partial: None },
        }
    });
}

fn float(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        other => other.parse().unwrap(),
    }
}

/// The URL as it prints, and its path.
fn url_parts(raw: &str) -> (String, String) {
    let path = match raw.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => raw,
    };
    let path = path.split(['?', '#']).next().unwrap().to_owned();
    let shown = raw.bytes().map(|b| match b {
        b' ' | 0x80.. => format!("%{b:02X}"),
        _ => char::from(b).to_string(),
    });
    (shown.collect(), path)
}

/// All labels, the empty ones too (which a label set would drop).
fn map(json: &Json) -> Arc<Map> {
    let pairs = json.as_object().unwrap().iter();
    Arc::new(Map::strings(pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))))
}

fn labels(json: &Json) -> Labels {
    Labels::from_pairs(
        json.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())),
    )
}

fn stub(json: &Json) -> Stub {
    let mut all = HashMap::new();
    for (expr, answer) in json.as_object().unwrap() {
        let answer = match answer {
            Json::String(error) => Err(error.strip_prefix("error: ").unwrap().to_owned()),
            Json::Array(samples) => Ok(samples.iter().map(sample).collect()),
            other => panic!("{other}"),
        };
        all.insert(expr.clone(), answer);
    }
    Stub(all)
}

fn sample(json: &Json) -> Sample {
    let value = json["value"].as_str().unwrap();
    let value = match value.strip_prefix("histogram ") {
        Some(text) => SampleValue::Histogram(Arc::new(histogram(text))),
        None => SampleValue::Float(float(value)),
    };
    Sample { labels: labels(&json["labels"]), value }
}

/// The two histograms of the vectors, by their text.
fn histogram(text: &str) -> FloatHistogram {
    let h = if text.starts_with("{count:15") {
        FloatHistogram {
            schema: 1,
            zero_threshold: 0.5,
            zero_count: 1.0,
            count: 15.0,
            sum: 20.25,
            positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 2, length: 1 }],
            positive_buckets: vec![3.0, 4.0, 1.0],
            negative_spans: vec![Span { offset: 0, length: 1 }],
            negative_buckets: vec![6.0],
            ..FloatHistogram::default()
        }
    } else {
        FloatHistogram {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 10.0,
            sum: 12.5,
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![3.0, 4.0, 1.0],
            ..FloatHistogram::default()
        }
    };
    assert_eq!(h.to_string(), text);
    h
}

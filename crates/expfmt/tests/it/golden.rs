//! Numbers and strings of expositions against Go's own (`golden/go/numbers.json`).

use gauntlet_expfmt::encode::{Format, encode};
use gauntlet_expfmt::{
    Entry, MediaType, Parser, ParserOptions, push_openmetrics_float, push_text_float,
};
use gauntlet_telemetry::{Metric, MetricFamily, MetricKind, MetricValue};
use serde_json::Value;

fn cases(kind: &str) -> Vec<Value> {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return Vec::new() };
    let text = std::fs::read_to_string(dir.join("golden/go/numbers.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let cases = all["cases"].as_array().unwrap();
    cases.iter().filter(|case| case["kind"] == kind).cloned().collect()
}

#[test]
fn values_print_as_go_prints_them() {
    for case in cases("float") {
        let bits = u64::from_str_radix(case["bits"].as_str().unwrap(), 16).unwrap();
        let value = f64::from_bits(bits);
        for (field, openmetrics) in
            [("text", false), ("text_le", false), ("openmetrics", true), ("openmetrics_le", true)]
        {
            let mut out = String::new();
            if openmetrics {
                push_openmetrics_float(&mut out, value);
            } else {
                push_text_float(&mut out, value);
            }
            assert_eq!(out, case[field].as_str().unwrap(), "{field} of {case}");
        }
    }
}

#[test]
fn values_read_as_go_reads_them() {
    for case in cases("parse_float") {
        let Some(input) = case["in"].as_str() else { continue };
        for (field, media_type, body) in [
            ("text", MediaType::Text, format!("m {input}\n")),
            ("openmetrics", MediaType::OpenMetrics, format!("m {input}\n# EOF\n")),
        ] {
            let mut parser = Parser::new(body.as_bytes(), media_type, ParserOptions::default());
            let got = parser.next();
            match case[field].as_str() {
                Some(bits) => {
                    assert_eq!(got, Ok(Some(Entry::Series)), "{field} of {input:?}");
                    let value = format!("{:016x}", parser.sample().value.to_bits());
                    assert_eq!(value, bits, "{field} of {input:?}");
                }
                None => {
                    let expected = case[format!("{field}_error")].as_str().unwrap_or_default();
                    // Some inputs end the line; the error is then the next line's.
                    let message = match got {
                        Err(err) => err.message,
                        Ok(_) => loop {
                            match parser.next() {
                                Err(err) => break err.message,
                                Ok(None) => break String::new(),
                                Ok(Some(_)) => {}
                            }
                        },
                    };
                    assert_eq!(message, expected, "{field} of {input:?}");
                }
            }
        }
    }
}

#[test]
fn strings_are_escaped_as_go_escapes_them() {
    for case in cases("quote") {
        let Some(input) = case["in"].as_str() else { continue };
        let metric =
            Metric { labels: vec![("a".into(), input.to_owned())], value: MetricValue::Gauge(1.0) };
        let family = MetricFamily {
            name: "m".into(),
            help: input.to_owned().into(),
            kind: MetricKind::Gauge,
            metrics: vec![metric],
        };
        for (field, format) in [("text", Format::Text), ("openmetrics", Format::OpenMetrics1_0_0)] {
            let Some(expected) = case[field].as_str() else { continue };
            let out = encode(format, std::slice::from_ref(&family));
            assert_eq!(out.trim_end_matches("# EOF\n"), expected, "{field} of {input:?}");
        }
    }
}

#[test]
fn names_are_quoted_as_go_quotes_them() {
    for case in cases("name") {
        let (Some(input), Some(expected)) = (case["in"].as_str(), case["text"].as_str()) else {
            continue;
        };
        let metric =
            Metric { labels: vec![("l".into(), "v".into())], value: MetricValue::Gauge(1.0) };
        let family = MetricFamily {
            name: input.to_owned().into(),
            help: "".into(),
            kind: MetricKind::Gauge,
            metrics: vec![metric],
        };
        let out = encode(Format::Text, &[family]);
        let (_, without_help) = out.split_once("# TYPE").unwrap();
        assert_eq!(format!("# TYPE{without_help}"), expected, "{input:?}");
    }
}

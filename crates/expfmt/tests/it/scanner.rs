//! Bodies, sound and broken, with what upstream's own parsers said to them (`scanner.jsonl`): every entry, and every error's text.
//!
//! Not among them, because we differ on purpose: blanks before a name (upstream takes them into the name), names that are not UTF-8
//! (refused when their labels are decoded, upstream a step later), NUL bytes right behind a closing quote, timestamps beyond 64 bits.

use gauntlet_expfmt::{Entry, MediaType, Parser, ParserOptions, ScratchLabels, conformance};
use gauntlet_model::float::go_float;

#[test]
fn bodies_are_judged_as_upstream_judges_them() {
    let mut count = 0;
    for line in include_str!("scanner.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let body = unhex(case["body"].as_str().unwrap());
        let media_type = if case["kind"] == "o" { MediaType::OpenMetrics } else { MediaType::Text };
        let (entries, error) = describe(&body, media_type);
        let shown = String::from_utf8_lossy(&body);
        assert_eq!(error, case["err"].as_str().unwrap(), "{shown:?}");
        let expected: Vec<_> =
            case["entries"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
        assert_eq!(entries, expected, "{shown:?}");
        count += 1;
    }
    assert!(count > 200, "{count} cases");
}

#[test]
fn sample_bodies_pass() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let outcome = conformance::run(&dir.join("conformance/textparse")).unwrap();
    println!("textparse: {} of {}", outcome.passed, outcome.total);
    assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
    assert!(outcome.total >= 4);
}

#[test]
fn errors_name_line_and_column() {
    let body = b"# HELP a b\na 1\na{b=\"c\" 2\n";
    let mut parser = Parser::new(body, MediaType::Text, ParserOptions::default());
    let err = loop {
        if let Err(err) = parser.next() {
            break err;
        }
    };
    assert_eq!((err.line, err.column), (3, 9));
    assert_eq!(
        err.to_string(),
        r#"expected label name, got "2\n" ("INVALID") while parsing: "a{b=\"c\" 2\n" (line 3, column 9)"#
            .replace("2\\n", "2")
            .replace("\\n", "")
    );
}

#[test]
fn a_known_series_must_end_where_it_is_said_to() {
    for (body, len, raw) in [
        ("a_b 1", 1, "a_b"),
        ("a {b=\"c\"} 1", 1, "a {b=\"c\"}"),
        ("a{b=\"c\"} 1", 8, "a{b=\"c\"}"),
        ("a 1", 9, "a"),
        ("a 1", 0, "a"),
    ] {
        let mut parser = Parser::new(body.as_bytes(), MediaType::Text, ParserOptions::default());
        assert_eq!(parser.next_known(|_| Some(len)), Ok(Some(Entry::Series)), "{body}");
        assert_eq!(parser.sample().raw, raw.as_bytes(), "{body}");
        assert_eq!(parser.sample().value, 1.0);
    }
}

#[test]
fn type_and_unit_labels_come_from_metadata() {
    let body = b"# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds{__type__=\"x\",b=\"c\"} 1\n# EOF\n";
    let options = ParserOptions { type_and_unit_labels: true, ..ParserOptions::default() };
    let mut parser = Parser::new(body, MediaType::OpenMetrics, options);
    let mut scratch = ScratchLabels::default();
    while parser.next().unwrap() != Some(Entry::Series) {}
    parser.labels(&mut scratch).unwrap();
    let labels: Vec<_> = scratch.iter().collect();
    assert_eq!(
        labels,
        [("__name__", "a_seconds"), ("__type__", "gauge"), ("__unit__", "seconds"), ("b", "c")]
    );
}

fn describe(body: &[u8], media_type: MediaType) -> (Vec<String>, String) {
    let mut parser = Parser::new(body, media_type, ParserOptions::default());
    let mut out = Vec::new();
    let mut scratch = ScratchLabels::default();
    let mut text = String::new();
    loop {
        let entry = match parser.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => return (out, String::new()),
            Err(err) => return (out, err.message),
        };
        out.push(match entry {
            Entry::Help => {
                parser.help(&mut text);
                format!("help {} {}", hex(parser.name()), hex(text.as_bytes()))
            }
            Entry::Type => format!("type {} {}", hex(parser.name()), parser.metric_type().as_str()),
            Entry::Unit => format!("unit {} {}", hex(parser.name()), hex(parser.unit())),
            Entry::Comment => "comment".into(),
            Entry::Series | Entry::Histogram => {
                let mut line = String::from("series");
                parser.labels(&mut scratch).unwrap();
                for (name, value) in scratch.iter() {
                    line += &format!(" {}={}", hex(name.as_bytes()), hex(value.as_bytes()));
                }
                let sample = parser.sample();
                line += &format!(" v={}", go_float(sample.value));
                if let Some(t) = sample.timestamp {
                    line += &format!(" t={t}");
                }
                let mut exemplars = Vec::new();
                parser.exemplars(&mut exemplars);
                for exemplar in exemplars {
                    line += &format!(" ex={}", go_float(exemplar.value));
                    if let Some(t) = exemplar.timestamp {
                        line += &format!("@{t}");
                    }
                    for (name, value) in &exemplar.labels {
                        line += &format!(" {}={}", hex(name.as_bytes()), hex(value.as_bytes()));
                    }
                }
                line
            }
        });
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn broken_bytes_end_every_parser() {
    for line in include_str!("scanner.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        conformance::exercise(&unhex(case["body"].as_str().unwrap()));
    }
}

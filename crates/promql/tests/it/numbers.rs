//! Number and duration literals as Go reads and prints them.

use gauntlet_promql::{Expr, ParserOptions, parse};
use serde_json::Value;

fn cases(kind: &str) -> Vec<Value> {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return Vec::new() };
    let text = std::fs::read_to_string(dir.join("golden/go/numbers.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let all = golden["cases"].as_array().unwrap();
    let found: Vec<Value> = all.iter().filter(|c| c["kind"] == kind).cloned().collect();
    assert!(found.len() > 20, "only {} cases of {kind}", found.len());
    found
}

fn bits(value: &Value) -> f64 {
    f64::from_bits(u64::from_str_radix(value.as_str().unwrap(), 16).unwrap())
}

/// What the peer makes of `query`: the printed expression or the error, if the case has one of both.
fn expected(case: &Value, key: &str) -> Option<Result<String, String>> {
    if let Some(text) = case[key].as_str() {
        return Some(Ok(text.to_owned()));
    }
    case[format!("{key}_error")].as_str().map(|e| Err(e.to_owned()))
}

fn ours(query: &str) -> Result<String, String> {
    parse(query, &ParserOptions::all()).map(|e| e.to_string()).map_err(|e| e.to_string())
}

#[test]
fn floats_print_and_parse_as_the_peers() {
    for case in cases("float") {
        let text = case["promql"].as_str().unwrap();
        let value = bits(&case["bits"]);
        let Ok(Expr::Number(number)) = parse(text, &ParserOptions::default()) else {
            panic!("{text} is no number");
        };
        assert!(number.value == value || (number.value.is_nan() && value.is_nan()), "{text}");
        assert_eq!(number.to_string(), text);
    }
}

#[test]
fn number_literals_parse_as_the_peers() {
    for case in cases("parse_float") {
        let (Some(text), Some(want)) = (case["in"].as_str(), expected(&case, "promql")) else {
            continue;
        };
        assert_eq!(ours(text), want, "{text:?}");
        if let (Some(_), Ok(Expr::Number(number))) =
            (case["promql_bits"].as_str(), parse(text, &ParserOptions::all()))
        {
            let want = bits(&case["promql_bits"]);
            assert!(number.value == want || (number.value.is_nan() && want.is_nan()), "{text:?}");
        }
    }
}

#[test]
fn durations_parse_as_the_peers() {
    for case in cases("duration") {
        let text = case["in"].as_str().unwrap();
        // The peer takes NaN for the least duration there is; here it is out of range.
        if text.eq_ignore_ascii_case("nan") {
            continue;
        }
        if let Some(want) = expected(&case, "promql_range") {
            assert_eq!(ours(&format!("x[{text}]")), want, "x[{text}]");
        }
        if let Some(want) = expected(&case, "promql_offset") {
            assert_eq!(ours(&format!("x offset {text}")), want, "x offset {text}");
        }
    }
}

#[test]
fn quoted_values_print_and_parse_as_the_peers() {
    for case in cases("quote") {
        let (Some(text), Some(promql)) = (case["in"].as_str(), case["promql"].as_str()) else {
            continue;
        };
        // The lexer refuses U+FFFD in strings, as the peer's does.
        let printed = ours(promql);
        if text.contains('\u{fffd}') {
            continue;
        }
        assert_eq!(printed.as_deref(), Ok(promql), "{text:?}");
    }
}

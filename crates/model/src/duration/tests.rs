//! Every duration and size of golden/go/numbers.json.

use serde_json::Value;

use super::*;
use crate::size::ByteSize;

fn same<T: std::fmt::Display>(
    case: &Value,
    got: Result<(i64, T), String>,
    value: &str,
    text: &str,
    error: &str,
) {
    let shown = case.to_string();
    match got {
        Ok((number, printed)) => {
            assert_eq!(Some(number.to_string().as_str()), case[value].as_str(), "{shown}");
            assert_eq!(Some(printed.to_string().as_str()), case[text].as_str(), "{shown}");
        }
        Err(err) => assert_eq!(Some(err.as_str()), case[error].as_str(), "{shown}"),
    }
}

#[test]
fn numbers_vectors_are_equal() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let file: Value =
        serde_json::from_slice(&std::fs::read(dir.join("golden/go/numbers.json")).unwrap())
            .unwrap();
    let mut checked = 0;
    for case in file["cases"].as_array().unwrap() {
        let text = case["in"].as_str().unwrap_or_default();
        let prometheus =
            || text.parse::<Duration>().map(|d| (d.as_ns(), d)).map_err(|e| e.to_string());
        let go = || text.parse::<GoDuration>().map(|d| (d.as_ns(), d)).map_err(|e| e.to_string());
        match case["kind"].as_str().unwrap() {
            "duration" => {
                same(case, prometheus(), "model_ns", "model_string", "model_error");
                same(case, go(), "go_ns", "go_string", "go_error");
            }
            "go_duration" => same(case, go(), "ns", "string", "error"),
            "duration_print" => {
                let ns = case["ns"].as_str().unwrap().parse().unwrap();
                assert_eq!(Duration::from_ns(ns).to_string(), case["model"].as_str().unwrap());
                assert_eq!(GoDuration::from_ns(ns).to_string(), case["go"].as_str().unwrap());
            }
            "size" => {
                let got = text.parse::<ByteSize>().map(|s| (s.0, s)).map_err(|e| e.to_string());
                same(case, got, "bytes", "string", "error");
            }
            _ => continue,
        }
        checked += 1;
    }
    println!("numbers.json: {checked} durations and sizes");
    assert!(checked > 200);
}

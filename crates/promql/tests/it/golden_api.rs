//! Parse errors, `format_query` and `parse_query` as a real server answered them.

use gauntlet_promql::{ParserOptions, json, parse, printer};
use serde_json::Value;

/// Every recorded answer whose path has a `query` parameter: (path without parameters, query, answer).
fn recorded() -> Vec<(String, String, Value)> {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return Vec::new() };
    let text = std::fs::read_to_string(dir.join("golden/prometheus-api.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    for entry in
        golden["read"].as_array().unwrap().iter().chain(golden["errors"].as_array().unwrap())
    {
        let path = entry["path"].as_str().unwrap();
        let (path, params) = path.split_once('?').unwrap_or((path, ""));
        let query = params.split('&').find_map(|p| p.strip_prefix("query="));
        if let Some(query) = query
            && entry["method"] == "GET"
        {
            found.push((path.to_owned(), percent_decode(query), entry["response"].clone()));
        }
    }
    assert!(found.len() > 80, "only {} recorded queries", found.len());
    found
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'+' => b' ',
            b'%' => {
                let hex: Vec<u8> = bytes.by_ref().take(2).collect();
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            b => b,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn parse_errors_equal_the_servers() {
    let options = ParserOptions { experimental_functions: true, ..ParserOptions::default() };
    let (mut errors, mut fine) = (0, 0);
    for (path, query, answer) in recorded() {
        if !path.starts_with("/api/v1/query") && !path.ends_with("_query") {
            continue;
        }
        let message = answer["error"].as_str().unwrap_or("");
        if !message.contains("parse error") {
            if answer["status"] == "success" {
                assert!(parse(&query, &options).is_ok(), "{query}");
                fine += 1;
            }
            continue;
        }
        let got = parse(&query, &options).map(|e| e.to_string()).map_err(|e| e.to_string());
        let want = message.trim_start_matches("invalid parameter \"query\": ");
        assert_eq!(got, Err(want.to_owned()), "{query}");
        errors += 1;
    }
    println!("{errors} parse errors and {fine} parses equal the server's");
}

#[test]
fn formatted_queries_equal_the_servers() {
    for (path, query, answer) in recorded() {
        if path.ends_with("/format_query") && answer["status"] == "success" {
            let expr = parse(&query, &ParserOptions::all()).unwrap();
            assert_eq!(printer::pretty(&expr), answer["data"].as_str().unwrap(), "{query}");
        }
    }
}

#[test]
fn trees_as_json_equal_the_servers() {
    for (path, query, answer) in recorded() {
        if path.ends_with("/parse_query") && answer["status"] == "success" {
            let expr = parse(&query, &ParserOptions::all()).unwrap();
            assert_eq!(json::to_json(&expr), answer["data"], "{query}");
        }
    }
}

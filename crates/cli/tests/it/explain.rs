//! A query's plan and figures over HTTP. Page: docs/formats/query-explain.md.

use gauntlet_testkit::http;
use serde_json::{Value, json};

use crate::support::{Role, copy_dir, read_json, server, with_params};

/// The operators of a plan, root first.
fn operators(node: &Value) -> Vec<String> {
    let own = std::iter::once(node["operator"].as_str().unwrap().to_owned());
    own.chain(node["inputs"].as_array().unwrap().iter().flat_map(operators)).collect()
}

fn check_analysed(role: &Role, time: &str) {
    let query = "sum by (job) (count_over_time(app_up[5m]))";
    let asked = [("query", query), ("time", time)];
    let plan = role.ask("/api/v1/query_explain", &asked);
    assert_eq!(plan["status"], "success");
    let plan = &plan["data"];
    assert_eq!((&plan["query"], &plan["analyzed"]), (&json!(query), &json!(false)));
    assert_eq!(operators(&plan["plan"]), ["aggregate", "window", "select"]);
    assert_eq!(plan["plan"]["args"], json!({"op": "sum", "by": ["job"]}));
    assert_eq!(plan["grid"]["steps"], 1);
    assert!(plan["plan"].get("stats").is_none() && plan.get("totals").is_none());

    let more = [asked[0], asked[1], ("analyze", "true")];
    let run = role.ask("/api/v1/query_explain", &more);
    let run = &run["data"];
    let (root, window) = (&run["plan"], &run["plan"]["inputs"][0]);
    let select = &window["inputs"][0];
    let series = run["selections"][0]["series"].as_u64().unwrap();
    assert!(series > 0 && run["selections"][0]["chunks"].as_u64() >= Some(series));
    assert_eq!((&run["analyzed"], &run["totals"]["seriesRead"]), (&json!(true), &json!(series)));
    assert_eq!(select["stats"]["series"], series);
    assert_eq!(window["stats"]["samplesSeen"], run["totals"]["samplesSeen"]);
    assert!(root["stats"]["series"].as_u64().is_some_and(|groups| (1..=series).contains(&groups)));

    // The same beside an answer, and by POST.
    let answer = role.ask("/api/v1/query", &[asked[0], asked[1], ("explain", "true")]);
    assert_eq!(operators(&answer["data"]["explain"]["plan"]), operators(root));
    assert_eq!(answer["data"]["resultType"], "vector");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let form = with_params("", &[asked[0], ("start", time), ("end", time), ("step", "15")]);
    let body = form.trim_start_matches('?').as_bytes();
    let answer = http::request(role.http, "POST", "/api/v1/query_explain", &headers, body).unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["data"]["grid"]["startMs"], answer["data"]["grid"]["endMs"]);
}

#[test]
fn a_plan_is_shown_and_on_demand_what_it_cost() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let golden_dir = dir.join("golden/prometheus-data");
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    copy_dir(&golden_dir.join("killed"), &data);
    let config = work.path().join("server.yml");
    std::fs::write(&config, "{}\n").unwrap();
    let role = server(&config, &data, &["--storage.tsdb.retention.time=100y"]);
    let golden = read_json(&golden_dir.join("answers.json"));
    check_analysed(&role, &golden["meta"]["end"].to_string());

    let refused = |params: &[(&str, &str)]| {
        let path = with_params("/api/v1/query_explain", params);
        let answer = http::request(role.http, "GET", &path, &[], &[]).unwrap();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status, body["errorType"].as_str().unwrap().to_owned())
    };
    let bad = (400, "bad_data".to_owned());
    assert_eq!(refused(&[("query", "sum(")]), bad);
    assert_eq!(refused(&[]), bad);
    assert_eq!(refused(&[("query", "app_up"), ("start", "1")]), bad);
    assert_eq!(
        refused(&[("query", "app_up[5m]"), ("start", "1"), ("end", "2"), ("step", "1")]),
        bad
    );
    assert!(role.process.terminate().success());
}

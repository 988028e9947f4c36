//! Wrong requests and edges of the API, one by one as a real server answered them.

use gauntlet_testkit::http;
use serde_json::Value;

use crate::support::{copy_dir, read_json, server};

/// Families of requests that this build does not serve.
const NOT_SERVED: &[&str] = &["/api/v1/rules", "/api/v1/search"];

/// Cases that differ, by method and path, each with the reason. One that starts to agree fails the test.
const GAPS: &[(&str, &str)] = &[
    ("GET /api/v1/query?query=up%5B1y2w3d4h5m6s7ms%5D", CLOCK),
    ("GET /api/v1/query?query=up&stats=x", CLOCK),
];

const CLOCK: &str = "the recorded server was still scraping when it was asked";

#[test]
fn wrong_requests_are_answered_as_recorded() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let golden = read_json(&dir.join("golden/prometheus-api.json"));
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    copy_dir(&dir.join("golden/prometheus-data/killed"), &data);
    let config = work.path().join("server.yml");
    std::fs::write(&config, "global: {external_labels: {cluster: golden, replica: a}}\n").unwrap();
    let role = server(
        &config,
        &data,
        &[
            "--enable-feature=exemplar-storage,promql-experimental-functions",
            "--storage.tsdb.retention.time=100y",
            "--web.enable-lifecycle",
            "--web.enable-admin-api",
            "--web.enable-remote-write-receiver",
        ],
    );
    let (mut equal, mut total, mut failures) = (0, 0, Vec::new());
    for case in golden["errors"].as_array().unwrap() {
        let (method, path) = (case["method"].as_str().unwrap(), case["path"].as_str().unwrap());
        if NOT_SERVED.iter().any(|family| path.starts_with(family)) {
            continue;
        }
        total += 1;
        let headers: Vec<(&str, &str)> = case["request_headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let body = base64(case["body_base64"].as_str().unwrap_or_default());
        let answer = http::request(role.http, method, path, &headers, &body).unwrap();
        let found = match case.get("response") {
            Some(_) => serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
            None => Value::String(answer.text()),
        };
        let expected = case.get("response").map_or_else(|| case["text"].clone(), without_remote);
        let header = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(name, value)| answer.header(name) != value.as_str());
        let same = case["status"] == answer.status && expected == found && header.is_none();
        let name = format!("{method} {path}");
        let gap = GAPS.iter().find(|(gap, _)| *gap == name);
        match (same, gap) {
            (true, None) => equal += 1,
            (true, Some(_)) => {
                failures.push(format!("{name}: agrees now, remove it from the gaps"))
            }
            (false, Some(_)) => {}
            (false, None) => failures.push(format!(
                "{name}: {} {:.300}\n  expected {} {:.300}; header {header:?}",
                answer.status,
                found.to_string(),
                case["status"],
                expected.to_string()
            )),
        }
    }
    println!("wrong requests: {equal}/{total} equal, {} known gaps", GAPS.len());
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(role.process.terminate().success());
}

/// Without the warning that comes of the recorded server's `remote_read`.
fn without_remote(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if answer["warnings"] == serde_json::json!(["not implemented"]) {
        answer.as_object_mut().unwrap().remove("warnings");
    }
    answer
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET.iter().position(|a| *a == byte).unwrap();
        bits = bits << 6 | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    out
}

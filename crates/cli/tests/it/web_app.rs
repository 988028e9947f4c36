//! What the web app asks beyond the peers' APIs: targets filtered by the server, stores that never answered, addresses that hold
//! behind any proxy.

use gauntlet_testkit::http;
use gauntlet_testkit::process::ask_until;
use serde_json::{Value, json};

use crate::support::{server, starting_server, thanos};

const CONFIG: &str = "\
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
- job_name: first
  static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:2'], labels: {zone: North}}]
- job_name: second
  static_configs: [{targets: ['127.0.0.1:1', 'gone:1']}]
  relabel_configs: [{source_labels: [__address__], regex: 'gone.*', action: drop}]
";

fn instances(answer: &Value) -> Vec<&str> {
    let rows = answer["data"]["activeTargets"].as_array().unwrap();
    rows.iter().map(|row| row["labels"]["instance"].as_str().unwrap()).collect()
}

#[test]
fn targets_are_filtered_by_the_server() {
    let work = tempfile::tempdir().unwrap();
    let config = work.path().join("server.yml");
    std::fs::write(&config, CONFIG).unwrap();
    let features = ["--scrape.discovery-reload-interval=50ms", "--enable-feature=exemplar-storage"];
    let role = server(&config, &work.path().join("data"), &features);
    let ask = |params: &[(&str, &str)]| role.ask("/api/v1/targets", params);
    ask_until(role.http, "/api/v1/targets?health=down", |answer| {
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        (answer["data"]["activeTargets"].as_array()?.len() == 3).then_some(())
    });
    // Without a parameter of ours the answer has nothing of ours beside the rows.
    let plain = ask(&[]);
    assert!(plain["data"].get("activeTargetCounts").is_none());
    assert_eq!(plain["data"]["activeTargets"].as_array().unwrap().len(), 3);

    let north = ask(&[("search", "ZONE=\"north\" :2")]);
    assert_eq!(instances(&north), ["127.0.0.1:2"]);
    assert_eq!(north["data"]["activeTargetCounts"], json!({"up": 0, "down": 1, "unknown": 0}));
    assert_eq!(instances(&ask(&[("search", "refused second")])), ["127.0.0.1:1"]);
    let before = [("search", "__scheme__=\"http\" :2"), ("discovered", "true")];
    assert_eq!(instances(&ask(&before)), ["127.0.0.1:2"]);
    assert_eq!(instances(&ask(&before[..1])), [""; 0]);
    let none_up = ask(&[("health", "up")]);
    assert_eq!(instances(&none_up), [""; 0]);
    assert_eq!(none_up["data"]["activeTargetCounts"]["down"], 3);
    assert_eq!(instances(&ask(&[("limit", "2")])).len(), 2);
    let one = ask(&[("scrapeUrl", "http://127.0.0.1:2/metrics"), ("recent", "true")]);
    let recent = one["data"]["activeTargets"][0]["recentScrapes"].as_array().unwrap();
    assert!(!recent.is_empty() && recent.iter().all(|scrape| scrape[2] == 0), "{recent:?}");

    let dropped = ask(&[("state", "dropped"), ("search", "gone")]);
    assert_eq!(dropped["data"]["droppedTargets"][0]["droppedBy"], "relabel rule 1 (drop)");
    let by_rule = ask(&[("state", "dropped"), ("search", "(DROP)")]);
    assert_eq!(by_rule["data"]["droppedTargets"].as_array().unwrap().len(), 1);
    let nothing = ask(&[("state", "dropped"), ("search", "elsewhere")]);
    assert_eq!(nothing["data"]["droppedTargets"], json!([]));
    assert_eq!(ask(&[("health", "well")])["errorType"], "bad_data");

    let features = role.ask("/api/v1/features", &[]);
    assert_eq!(features["data"]["api"]["query_exemplars"], true);
    assert_eq!(features["data"]["api"]["store_match"], false);
}

#[test]
fn a_store_that_never_answered_is_seen() {
    let role = thanos("query", &["--endpoint=127.0.0.1:1".to_owned()]);
    assert_eq!(role.ask("/api/v1/stores", &[])["data"], json!({}));
    let error = ask_until(role.http, "/api/v1/stores?unanswered=true", |answer| {
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        answer["data"]["unanswered"][0]["lastError"].as_str().map(str::to_owned)
    });
    assert!(error.contains("connect error"), "{error}");
    let overview = role.ask("/api/v1/status/overview", &[]);
    assert_eq!(overview["data"]["parts"][0]["state"], "bad");
    assert_eq!(role.ask("/api/v1/features", &[])["data"]["api"]["store_match"], true);
}

#[test]
fn the_way_to_the_first_page_is_relative() {
    let work = tempfile::tempdir().unwrap();
    let config = work.path().join("server.yml");
    std::fs::write(&config, "").unwrap();
    let location = |prefix: &str, path: &str| {
        let url = format!("--web.external-url=http://x{prefix}");
        let data = work.path().join("data");
        let role = starting_server(&config, &data, "127.0.0.1:0", &[&url]);
        let answer = http::get(role.http, path).unwrap();
        answer.header("location").map(str::to_owned)
    };
    // Without the app there is a plain page and no redirect.
    let Some(to) = location("", "/") else {
        println!("SKIPPED: the web app is not built (make ui)");
        return;
    };
    assert_eq!(to, "query");
    assert_eq!(location("", "/graph?g0.expr=up").unwrap(), "query?g0.expr=up");
    assert_eq!(location("/metrics-of/eu", "/metrics-of/eu").unwrap(), "eu/query");
    assert_eq!(location("/metrics-of/eu", "/metrics-of/eu/").unwrap(), "query");
}

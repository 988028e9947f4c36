//! Processes over recorded data folders and buckets: every answer is the one that the real programs gave.

use std::path::Path;

use serde_json::Value;

use crate::support::{Role, copy_dir, query, read_json, server, store};

/// Instant vectors whose order is not fixed: it differs between the recordings, or from run to run.
const UNORDERED: &[&str] =
    &["info(app_up)", "histogram_fraction(0.1, 0.5, rate(app_latency_seconds_bucket[1h]))"];

/// Metadata whose answer differs, each with the reason. One that starts to agree fails the test.
const GAPS: &[(&str, &str)] = &[];

/// What a comparison found.
#[derive(Default)]
struct Tally {
    equal: usize,
    differ: Vec<String>,
    gaps: usize,
}

impl Tally {
    fn compare(&mut self, what: &str, expected: &Value, found: &Value) {
        if let Some((_, why)) = GAPS.iter().find(|(name, _)| what.starts_with(name)) {
            self.gaps += 1;
            if expected == found {
                self.differ.push(format!("{what}: agrees now, remove the gap {why:?}"));
            }
            return;
        }
        if expected == found {
            self.equal += 1;
            return;
        }
        let (expected, found) = (expected.to_string(), found.to_string());
        let at = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
        let near = |text: &str| {
            let bytes = &text.as_bytes()[at.saturating_sub(80)..text.len().min(at + 160)];
            String::from_utf8_lossy(bytes).into_owned()
        };
        self.differ.push(format!(
            "{what}:\n  expected ...{}\n  found    ...{}",
            near(&expected),
            near(&found)
        ));
    }

    fn finish(self, what: &str, total: usize) {
        let all = self.equal + self.differ.len() + self.gaps;
        println!("{what}: {}/{all} equal, {} known gaps", self.equal, self.gaps);
        assert!(self.differ.is_empty(), "{what}:\n{}", self.differ.join("\n"));
        assert_eq!(self.equal, total, "{what}: cases compared");
    }
}

/// Asks one recorded query; its times as they stand in the recording.
fn ask(role: &Role, case: &Value) -> Value {
    let text = |name: &str| match &case[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut params = vec![("query", text("query"))];
    let path = if case.get("time").is_some() {
        params.push(("time", text("time")));
        "/api/v1/query"
    } else {
        params.extend(["start", "end", "step"].map(|name| (name, text(name))));
        "/api/v1/query_range"
    };
    for name in ["max_source_resolution", "dedup"] {
        if case.get(name).is_some() {
            params.push((name, text(name)));
        }
    }
    let params: Vec<(&str, &str)> = params.iter().map(|(n, v)| (*n, v.as_str())).collect();
    role.ask(path, &params)
}

fn sorted(mut answer: Value) -> Value {
    if let Some(rows) = answer["data"]["result"].as_array_mut() {
        rows.sort_by_key(ToString::to_string);
    }
    answer
}

fn queries(role: &Role, golden: &Value) -> Tally {
    let mut tally = Tally::default();
    for case in golden["queries"].as_array().unwrap() {
        let name = case["query"].as_str().unwrap();
        let (expected, found) = (case["response"].clone(), ask(role, case));
        if UNORDERED.contains(&name) {
            tally.compare(name, &sorted(expected), &sorted(found));
        } else {
            tally.compare(name, &expected, &found);
        }
    }
    tally
}

fn metadata_of_server(role: &Role, golden: &Value) -> Tally {
    let mut tally = Tally::default();
    for group in ["labels", "label_values", "series", "exemplars"] {
        for case in golden[group].as_array().unwrap() {
            let path = case["path"].as_str().unwrap();
            let params: Vec<(String, String)> = case["params"]
                .as_array()
                .unwrap()
                .iter()
                .map(|pair| {
                    let value = match &pair[1] {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    (pair[0].as_str().unwrap().to_owned(), value)
                })
                .collect();
            let params: Vec<(&str, &str)> =
                params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let found = role.ask(path, &params);
            tally.compare(&format!("{path} {params:?}"), &case["response"], &found);
        }
    }
    tally
}

/// The configuration under which the recording was made.
fn golden_config(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("golden.yml");
    let text = "global:\n  external_labels: {cluster: golden, replica: a}\nstorage:\n  tsdb: {out_of_order_time_window: 3h}\n";
    std::fs::write(&path, text).unwrap();
    path
}

fn over_data_folder(folder: &str, answers: &str, counts: (usize, usize)) {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let golden_dir = dir.join("golden/prometheus-data");
    let golden = read_json(&golden_dir.join(answers));
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    copy_dir(&golden_dir.join(folder), &data);
    let features = format!("--enable-feature={}", golden["meta"]["features"].as_str().unwrap());
    let more = [features.as_str(), "--storage.tsdb.retention.time=100y"];
    let role = server(&golden_config(work.path()), &data, &more);
    queries(&role, &golden).finish(&format!("{answers}: queries"), counts.0);
    if counts.1 > 0 {
        metadata_of_server(&role, &golden).finish(&format!("{answers}: metadata"), counts.1);
    }
    assert!(role.process.terminate().success());
}

#[test]
fn killed_folder_answers_as_recorded() {
    over_data_folder("killed", "answers.json", (255, 32));
}

#[test]
fn stopped_folder_answers_as_recorded() {
    over_data_folder("stopped", "answers-stopped.json", (255, 32));
}

#[test]
fn experimental_features_answer_as_recorded() {
    over_data_folder("killed", "answers-features.json", (26, 0));
}

fn over_bucket(bucket: &str, answers: &str, count: usize) {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let golden = read_json(&dir.join("golden").join(answers));
    let work = tempfile::tempdir().unwrap();
    let store = store(&dir.join("golden").join(bucket), work.path());
    let query = query(&[store.grpc()], 1, &["--query.replica-label=prom_replica"]);
    queries(&query, &golden).finish(&format!("{answers}: queries"), count);

    let mut tally = Tally::default();
    let metadata = &golden["metadata"];
    tally.compare("labels", &metadata["labels"], &query.ask("/api/v1/labels", &[]));
    for (name, expected) in metadata["values"].as_object().unwrap() {
        let found = query.ask(&format!("/api/v1/label/{name}/values"), &[]);
        tally.compare(name, expected, &found);
    }
    let series =
        query.ask("/api/v1/series", &[("match[]", "{__name__=~\"bench_metric_0[0-3].*\"}")]);
    tally.compare("series", &metadata["series"], &series);
    let total = 2 + metadata["values"].as_object().unwrap().len();
    tally.finish(&format!("{answers}: metadata"), total);
    assert!(query.process.terminate().success());
    assert!(store.process.terminate().success());
}

#[test]
fn raw_bucket_answers_as_recorded() {
    over_bucket("bucket-raw", "answers-raw.json", 52);
}

#[test]
fn compacted_bucket_answers_as_recorded() {
    over_bucket("bucket-compacted", "answers-compacted.json", 156);
}

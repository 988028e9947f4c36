//! A whole cluster of processes: two servers on one node, their sidecars, a bucket, a store and a query over all.

use std::path::{Path, PathBuf};

use gauntlet_testkit::process::ask_until;
use serde_json::Value;

use crate::support::{Role, bucket_flag, node, query, server, store, thanos, with_params};

/// Short blocks, so that some are cut and shipped while the test runs.
const QUICK: &[&str] = &[
    "--scrape.discovery-reload-interval=50ms",
    "--storage.tsdb.min-block-duration=2s",
    "--storage.tsdb.max-block-duration=2s",
    "--storage.tsdb.block-reload-interval=200ms",
];

fn replica(work: &Path, name: &str, target: &str) -> (Role, PathBuf) {
    let config = work.join(format!("{name}.yml"));
    let text = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, external_labels: {{cluster: c, replica: {name}}}}}\nscrape_configs:\n- job_name: node\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    std::fs::write(&config, text).unwrap();
    let data = work.join(name);
    (server(&config, &data, QUICK), data)
}

fn result(answer: &Value) -> Option<&Vec<Value>> {
    answer["data"]["result"].as_array()
}

/// Asks until `rows` series come back; the rows.
fn rows(role: &Role, path: &str, params: &[(&str, &str)], rows: usize) -> Vec<Value> {
    ask_until(role.http, &with_params(path, params), |answer| {
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        result(&answer).filter(|found| found.len() == rows).cloned()
    })
}

/// Times and values of the first series.
fn points(rows: &[Value]) -> Vec<(f64, String)> {
    let values = rows[0]["values"].as_array().unwrap();
    values
        .iter()
        .map(|pair| (pair[0].as_f64().unwrap(), pair[1].as_str().unwrap().to_owned()))
        .collect()
}

fn blocks(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter(|entry| entry.as_ref().unwrap().path().join("meta.json").exists()).count()
}

const UP: &str = "up{job=\"node\"}";

#[test]
fn replicas_are_one_and_the_bucket_outlives_them() {
    let work = tempfile::tempdir().unwrap();
    let bucket = work.path().join("bucket");
    std::fs::create_dir(&bucket).unwrap();
    let node = node();
    let target = node.http.to_string();
    let (a, data_a) = replica(work.path(), "a", &target);
    let (b, data_b) = replica(work.path(), "b", &target);
    // A sidecar ships at its start: each server has a block by then.
    for role in [&a, &b] {
        ask_until(role.http, "/api/v1/status/tsdb/blocks", |answer| {
            let answer: Value = serde_json::from_slice(&answer.body).ok()?;
            (!answer["data"]["blocks"].as_array()?.is_empty()).then_some(())
        });
    }
    let sidecar = |role: &Role, data: &Path| {
        thanos(
            "sidecar",
            &[
                bucket_flag(&bucket),
                format!("--prometheus.url=http://{}", role.http),
                format!("--tsdb.path={}", data.display()),
            ],
        )
    };
    let (sidecar_a, sidecar_b) = (sidecar(&a, &data_a), sidecar(&b, &data_b));
    // Until the bucket has blocks of both: then nothing more of them is needed than the bucket.
    for (role, data) in [(&sidecar_a, &data_a), (&sidecar_b, &data_b)] {
        ask_until(role.http, "/-/ready", |answer| {
            let shipped = std::fs::read_to_string(data.join("thanos.shipper.json")).ok()?;
            let shipped: Value = serde_json::from_str(&shipped).ok()?;
            let some = !shipped["uploaded"].as_array()?.is_empty();
            (answer.status == 200 && some).then_some(())
        });
    }
    println!("blocks in the bucket: {}", blocks(&bucket));
    let store = store(&bucket, &work.path().join("store"));
    let endpoints = [sidecar_a.grpc(), sidecar_b.grpc(), store.grpc()];
    let query = query(&endpoints, 3, &["--query.replica-label=replica"]);

    let one = rows(&query, "/api/v1/query", &[("query", UP)], 1);
    assert_eq!(one[0]["metric"]["cluster"], "c");
    assert!(one[0]["metric"].get("replica").is_none(), "{one:?}");
    let two = rows(&query, "/api/v1/query", &[("query", UP), ("dedup", "false")], 2);
    assert_eq!(two[0]["metric"]["replica"], "a");
    assert_eq!(two[1]["metric"]["replica"], "b");
    let only = format!("{{__address__=\"{}\"}}", sidecar_b.grpc());
    let chosen = [("query", UP), ("dedup", "false"), ("storeMatch[]", only.as_str())];
    let of_b = rows(&query, "/api/v1/query", &chosen, 1);
    assert_eq!(of_b[0]["metric"]["replica"], "b");

    // One replica dies; the answer goes on.
    let history = [("query", "up{job=\"node\"}[1h]")];
    let last_of_b = points(&rows(&b, "/api/v1/query", &history, 1)).pop().unwrap().0;
    b.process.kill();
    let path = with_params("/api/v1/query", &history);
    let samples = ask_until(query.http, &path, |answer| {
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        let found = points(result(&answer).filter(|rows| rows.len() == 1)?);
        (found.last()?.0 > last_of_b + 3.0).then_some(found)
    });
    let (first, last) = (samples[0].0, samples.last().unwrap().0);
    let (start, end) = (first.ceil().to_string(), last.floor().to_string());
    let range = [("query", UP), ("start", &start), ("end", &end), ("step", "500ms")];
    let steps = points(&rows(&query, "/api/v1/query_range", &range, 1));
    let expected = ((last.floor() - first.ceil()) * 2.0) as usize + 1;
    assert_eq!(steps.len(), expected, "a value at every step: {steps:?}");
    assert!(steps.iter().all(|(_, value)| value == "1"), "{steps:?}");

    // What was shipped of the other, as it says it itself; then it goes with its disk.
    let meta = std::fs::read_dir(&bucket).unwrap().map(|e| e.unwrap().path().join("meta.json"));
    let metas: Vec<Value> =
        meta.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect();
    let of_a: Vec<&Value> =
        metas.iter().filter(|m| m["thanos"]["labels"]["replica"] == "a").collect();
    assert!(!of_a.is_empty() && of_a.len() < metas.len(), "{metas:?}");
    let whole = points(&rows(&a, "/api/v1/query", &history, 1));
    let in_blocks: Vec<(f64, String)> = whole
        .into_iter()
        .filter(|(time, _)| {
            of_a.iter().any(|m| {
                let bound = |name: &str| m[name].as_f64().unwrap() / 1000.0;
                bound("minTime") <= *time && *time < bound("maxTime")
            })
        })
        .collect();
    assert!(!in_blocks.is_empty());
    for role in [a, sidecar_a, sidecar_b] {
        assert!(role.process.terminate().success());
    }
    std::fs::remove_dir_all(&data_a).unwrap();
    std::fs::remove_dir_all(&data_b).unwrap();
    let end = in_blocks.last().unwrap().0.to_string();
    let kept = [("query", history[0].1), ("time", &end), ("dedup", "false")];
    let kept = ask_until(query.http, &with_params("/api/v1/query", &kept), |answer| {
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        let rows = result(&answer)?;
        let row = rows.iter().find(|row| row["metric"]["replica"] == "a")?;
        Some(points(std::slice::from_ref(row)))
    });
    assert!(
        in_blocks.iter().all(|sample| kept.contains(sample)),
        "wanted {in_blocks:?}, found {kept:?}"
    );
    println!("samples that outlived their server: {}", in_blocks.len());
    assert!(query.process.terminate().success());
    assert!(store.process.terminate().success());
}

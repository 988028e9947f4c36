//! Two servers writing to each other through faults and restarts: what the one took, the other has, each sample once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gauntlet_testkit::fault_proxy::FaultProxy;
use gauntlet_testkit::http;
use gauntlet_testkit::process::ask_until;
use gauntlet_wire::prost::Message as _;
use gauntlet_wire::{prompb, snappy};
use serde_json::Value;

use crate::support::{Role, server, wait_ready, with_params};

pub(crate) const SERIES: usize = 30;
const RECEIVE: &str = "--web.enable-remote-write-receiver";

/// Writes a sample of each series at `t`, in ms.
pub(crate) fn write(address: SocketAddr, t: i64, value: f64) {
    let series = |number: usize| prompb::TimeSeries {
        labels: [("__name__", "written".to_owned()), ("n", number.to_string())]
            .map(|(name, value)| prompb::Label { name: name.to_owned(), value })
            .to_vec(),
        samples: vec![prompb::Sample { value, timestamp: t }],
        ..Default::default()
    };
    let request = prompb::WriteRequest {
        timeseries: (0..SERIES).map(series).collect(),
        metadata: Vec::new(),
    };
    let body = snappy::pack(&request.encode_to_vec()).unwrap();
    let headers = [("Content-Encoding", "snappy"), ("Content-Type", "application/x-protobuf")];
    let answer = http::request(address, "POST", "/api/v1/write", &headers, &body).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn sender_config(dir: &Path, proxy: SocketAddr, message: &str) -> PathBuf {
    let path = dir.join("sender.yml");
    let text = format!(
        "global: {{external_labels: {{from: sender}}}}\n\
         remote_write:\n\
         - url: http://{proxy}/api/v1/write\n\
         \x20 protobuf_message: {message}\n\
         \x20 remote_timeout: 5s\n\
         \x20 write_relabel_configs: [{{regex: unwanted, action: labeldrop}}]\n\
         \x20 queue_config: {{capacity: 300, max_samples_per_send: 45, batch_send_deadline: 50ms, min_backoff: 5ms,\n\
         \x20   max_backoff: 50ms, min_shards: 3, retry_on_http_429: true}}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// All samples of the hour before `at`, by series.
pub(crate) fn samples(role: &Role, at: i64) -> Value {
    let at = (at / 1000).to_string();
    let query = [("query", "{__name__=\"written\"}[1h]"), ("time", at.as_str())];
    let mut answer = role.ask("/api/v1/query", &query);
    let rows = answer["data"]["result"].as_array_mut().unwrap();
    for row in rows.iter_mut() {
        row["metric"].as_object_mut().unwrap().remove("from");
    }
    rows.sort_by_key(|row| row["metric"].to_string());
    answer["data"]["result"].take()
}

fn total(rows: &Value) -> usize {
    let rows = rows.as_array().into_iter().flatten();
    rows.map(|row| row["values"].as_array().map_or(0, Vec::len)).sum()
}

pub(crate) fn now_ms(role: &Role) -> i64 {
    let answer = role.ask("/api/v1/query", &[("query", "time()")]);
    (answer["data"]["result"][0].as_f64().unwrap() * 1000.0) as i64
}

fn metric(role: &Role, line: &str) -> f64 {
    let text = http::get(role.http, "/metrics").unwrap().text();
    let found = text.lines().filter(|l| l.starts_with(line));
    found.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn faults_and_restarts(message: &str, seed: u64) {
    let work = tempfile::tempdir().unwrap();
    let empty = work.path().join("empty.yml");
    std::fs::write(&empty, "").unwrap();
    let (from, to) = (work.path().join("from"), work.path().join("to"));
    let mut receiver = server(&empty, &to, &[RECEIVE]);
    let proxy = FaultProxy::start(Some(receiver.http), seed, 6).unwrap();
    let config = sender_config(work.path(), proxy.address(), message);
    let flags = [RECEIVE, "--storage.remote.flush-deadline=1s"];
    let mut sender = server(&config, &from, &flags);
    let start = now_ms(&sender) - 600_000;
    for round in 0..120 {
        write(sender.http, start + round * 1000, round as f64);
        match round {
            // The receiver is away for a while, then comes back over its data.
            30 => {
                proxy.set_target(None);
                receiver.process.kill();
                receiver = server(&empty, &to, &[RECEIVE]);
                proxy.set_target(Some(receiver.http));
            }
            // The sender dies while it sends, and while it cannot.
            20 | 50 | 80 => {
                sender.process.kill();
                sender = server(&config, &from, &flags);
            }
            60 => proxy.set_target(None),
            65 => {
                assert!(sender.process.terminate().success());
                sender = server(&config, &from, &flags);
            }
            70 => proxy.set_target(Some(receiver.http)),
            _ => {}
        }
    }
    wait_ready(sender.http);
    let wanted = samples(&sender, start + 600_000);
    assert_eq!(total(&wanted), 120 * SERIES);
    proxy.set_faulty(3);
    let path = with_params("/api/v1/query", &[("query", "count_over_time(written[1h])")]);
    let count = ask_until_count(receiver.http, &path, 120 * SERIES);
    assert_eq!(count, 120 * SERIES, "{message}: samples of the receiver; {:?}", proxy.counts());
    assert_eq!(samples(&receiver, start + 600_000), wanted, "{message}");
    let from = receiver.ask("/api/v1/label/from/values", &[]);
    assert_eq!(from["data"], serde_json::json!(["sender"]));
    let failed = metric(&sender, "prometheus_remote_storage_samples_failed_total");
    assert_eq!(failed, 0.0, "{message}: failed samples");
    println!(
        "{message}: {count} samples, none lost or doubled; faults {:?}; sent again {}",
        proxy.counts(),
        metric(&sender, "prometheus_remote_storage_samples_dropped_total"),
    );
    assert!(sender.process.terminate().success());
    assert!(receiver.process.terminate().success());
}

/// Waits until the receiver has `wanted` samples; gives what it has when that does not change any more.
fn ask_until_count(address: SocketAddr, path: &str, wanted: usize) -> usize {
    ask_until(address, path, |answer| {
        let found: Value = serde_json::from_slice(&answer.body).ok()?;
        let rows = found["data"]["result"].as_array()?;
        let count: f64 =
            rows.iter().filter_map(|r| r["value"][1].as_str()?.parse::<f64>().ok()).sum();
        (count as usize >= wanted).then_some(count as usize)
    })
}

#[test]
fn first_version_survives_faults_and_restarts() {
    faults_and_restarts("prometheus.WriteRequest", 0x1234_5678_9abc_def1);
}

#[test]
fn second_version_survives_faults_and_restarts() {
    faults_and_restarts("io.prometheus.write.v2.Request", 0x0fed_cba9_8765_4321);
}

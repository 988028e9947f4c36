//! What is wrong is named, with the way out, and the rest goes on.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gauntlet_testkit::process::ask_until;
use serde_json::Value;

use crate::support::{copy_dir, query, server, store};

fn run(called: &str, arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gauntlet")).arg0(called).args(arguments).output().unwrap()
}

fn write(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("server.yml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What a server says that does not start for its configuration.
fn refused(config: &Path) -> String {
    let output = run(
        "prometheus",
        &[
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", config.with_file_name("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ],
    );
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{log}");
    log
}

#[test]
fn every_problem_of_a_configuration_is_named_at_once() {
    let work = tempfile::tempdir().unwrap();
    let text = "global:\n  scrape_interval: soon\nscrape_configs:\n- job_name: a\n  bogus: 1\n- job_name: b\n  scheme: [x]\n";
    let config = write(work.path(), text);
    let log = refused(&config);
    for place in [":2:20: ", ":5:3: ", ":7:11: "] {
        let wanted = format!("{}{place}", config.display());
        assert!(log.contains(&wanted), "{wanted} in {log}");
    }
    assert!(log.contains("soon") && log.contains("bogus"), "{log}");
}

#[test]
fn every_client_that_cannot_be_built_is_named_at_once() {
    let work = tempfile::tempdir().unwrap();
    let text = "scrape_configs:\n- job_name: a\n  proxy_url: socks5://h:1\n- job_name: b\n  tls_config: {max_version: TLS10}\nremote_read:\n- url: http://h/\n  proxy_url: https://h:1\n";
    let config = write(work.path(), text);
    let log = refused(&config);
    let log = log.replace("\\\"", "\"");
    for wanted in
        ["job \"a\": proxy_url: only", "job \"b\": max_version", "http://h/: proxy_url: only"]
    {
        assert!(log.contains(wanted), "{wanted} in {log}");
    }
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let work = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = write(work.path(), "");
    let server = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", work.path().join("data").display()),
        format!("--web.listen-address={address}"),
    ];
    let query = |http: &str, grpc: &str| {
        ["query".to_owned(), format!("--http-address={http}"), format!("--grpc-address={grpc}")]
    };
    let (taken, free) = (address.to_string(), "127.0.0.1:0");
    for (called, arguments, way_out) in [
        ("prometheus", server.as_slice(), "choose another port"),
        ("thanos", query(&taken, free).as_slice(), "choose another port"),
        ("thanos", query(free, &taken).as_slice(), "choose another with --grpc-address"),
        ("node_exporter", &[format!("--web.listen-address={taken}")], "choose another port"),
    ] {
        let output = run(called, arguments);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{called}: {log}");
        assert!(log.contains(&taken) && log.contains(way_out), "{called}: {log}");
    }
}

/// Damages the middle of a file.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 64] {
        *byte ^= 0x5a;
    }
    std::fs::write(path, bytes).unwrap();
}

fn largest(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let largest = files.filter(|path| path.is_file()).max_by_key(|p| p.metadata().unwrap().len());
    largest.unwrap()
}

#[test]
fn damage_on_disk_is_named_and_the_rest_is_served() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    copy_dir(&dir.join("golden/prometheus-data/killed"), &data);
    let segment = largest(&data.join("wal"));
    damage(&segment);
    let block = "01M8625S7DFPGZHEXN02WWQ8CC";
    let index = std::fs::File::options().write(true).open(data.join(block).join("index")).unwrap();
    index.set_len(index.metadata().unwrap().len() / 2).unwrap();
    let config = write(work.path(), "");
    let role = server(&config, &data, &["--storage.tsdb.retention.time=100y"]);
    let overview = role.ask("/api/v1/status/overview", &[]);
    let parts = overview["data"]["parts"].as_array().unwrap();
    let named = |text: &str| {
        parts.iter().any(|part| {
            part["state"] != "good" && !part["cure"].is_null() && part.to_string().contains(text)
        })
    };
    assert!(named(block), "the block: {overview:#}");
    let name = segment.file_name().unwrap().to_str().unwrap();
    let log = overview["data"]["log"].to_string();
    assert!(log.contains(name), "segment {name}: {overview:#}");
    let runtime = role.ask("/api/v1/status/runtimeinfo", &[]);
    assert!(runtime["data"]["corruptionCount"].as_u64().unwrap() > 0, "{runtime}");
    // Each block that is whole still answers.
    let blocks = role.ask("/api/v1/status/tsdb/blocks", &[]);
    let blocks = blocks["data"]["blocks"].as_array().unwrap();
    assert!(blocks.len() >= 4, "{blocks:?}");
    for meta in blocks {
        let end = meta["maxTime"].as_f64().unwrap() / 1000.0 - 0.001;
        let time = end.to_string();
        let found = role.ask("/api/v1/query", &[("query", "app_up"), ("time", &time)]);
        assert!(!found["data"]["result"].as_array().unwrap().is_empty(), "{meta}: {found}");
    }
    assert!(role.process.terminate().success());
}

#[test]
fn a_store_that_is_gone_or_hangs_costs_a_warning() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let work = tempfile::tempdir().unwrap();
    let bucket = dir.join("golden/bucket-raw");
    let good = store(&bucket, &work.path().join("good"));
    let hung = store(&bucket, &work.path().join("hung"));
    let gone = store(&bucket, &work.path().join("gone"));
    let endpoints = [good.grpc(), hung.grpc(), gone.grpc()];
    let more = ["--query.replica-label=prom_replica", "--store.response-timeout=500ms"];
    let query = query(&endpoints, 3, &more);
    let ask = |timeout: &str| {
        let params =
            [("query", "bench_metric_00_total"), ("time", "1792700000"), ("timeout", timeout)];
        query.ask("/api/v1/query", &params)
    };
    let whole = ask("30s");
    assert!(whole.get("warnings").is_none(), "{whole}");
    gone.process.kill();
    hung.process.signal("STOP");
    let answer = ask("30s");
    assert_eq!(answer["data"], whole["data"], "{answer}");
    let warnings = answer["warnings"].to_string();
    for endpoint in &endpoints[1..] {
        assert!(warnings.contains(endpoint.as_str()), "{endpoint} in {warnings}");
    }
    assert!(!warnings.contains(&endpoints[0]), "{warnings}");
    hung.process.signal("CONT");
}

/// Answers every request on a new port with `body`.
fn exposition(body: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
        }
    });
    address
}

#[test]
fn a_bad_line_takes_its_target_down_and_is_shown() {
    let work = tempfile::tempdir().unwrap();
    let bad = exposition("good_total 1\nother{a=\"b\" 2\n");
    let good = exposition("good_total 1\n");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: bad\n  static_configs: [{{targets: ['{bad}']}}]\n- job_name: good\n  static_configs: [{{targets: ['{good}']}}]\n"
    );
    let role = server(&write(work.path(), &text), &work.path().join("data"), &[]);
    let error = ask_until(role.http, "/api/v1/targets", |answer| {
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        let targets = answer["data"]["activeTargets"].as_array()?;
        let health = |job: &str, wanted: &str| {
            targets.iter().find(|t| t["labels"]["job"] == job && t["health"] == wanted).cloned()
        };
        health("good", "up")?;
        Some(health("bad", "down")?["lastError"].as_str()?.to_owned())
    });
    assert!(error.contains("other{a=\"b\" 2") || error.contains("line 2"), "{error}");
    ask_until(role.http, "/api/v1/query?query=up", |answer| {
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        let result = answer["data"]["result"].as_array()?;
        let value = |job: &str| {
            let row = result.iter().find(|row| row["metric"]["job"] == job)?;
            row["value"][1].as_str()
        };
        (value("bad")? == "0" && value("good")? == "1").then_some(())
    });
    let kept = role.ask("/api/v1/query", &[("query", "good_total{job=\"bad\"}")]);
    assert_eq!(kept["data"]["result"].as_array().unwrap().len(), 0, "{kept}");
}

//! Remote write to and from a real Prometheus. Needs `PEERS_DIR`, a folder with `prometheus`; without it there is nothing to check.

use std::path::{Path, PathBuf};

use gauntlet_testkit::process::{Process, ask_until};
use serde_json::Value;

use crate::remote_write::{SERIES, now_ms, samples, write};
use crate::support::{Role, server, wait_ready, with_params};

const RECEIVE: &str = "--web.enable-remote-write-receiver";
const STEPS: i64 = 20;

fn peer() -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("PEERS_DIR")?).join("prometheus");
    path.is_file().then_some(path)
}

/// Ours, or theirs where a program is named.
fn start(theirs: Option<&Path>, config: &Path, data: &Path) -> Role {
    let Some(program) = theirs else { return server(config, data, &[RECEIVE]) };
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", data.display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        RECEIVE.to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut process = Process::start(program, "prometheus", &arguments);
    let http = process.wait_for_address("Listening on");
    wait_ready(http);
    Role { process, http, grpc: None }
}

fn one_way(sender: Option<&Path>, receiver: Option<&Path>, message: &str) {
    let work = tempfile::tempdir().unwrap();
    let (empty, config) = (work.path().join("empty.yml"), work.path().join("sender.yml"));
    std::fs::write(&empty, "").unwrap();
    let receiver = start(receiver, &empty, &work.path().join("to"));
    let text = format!(
        "global: {{external_labels: {{from: sender}}}}\nremote_write:\n- url: http://{}/api/v1/write\n  protobuf_message: {message}\n  queue_config: {{max_samples_per_send: 45, batch_send_deadline: 100ms}}\n",
        receiver.http
    );
    std::fs::write(&config, text).unwrap();
    let sender = start(sender, &config, &work.path().join("from"));
    // The peer sends what is newer than its start.
    let start = now_ms(&sender);
    for step in 0..STEPS {
        write(sender.http, start + step * 1000, step as f64);
    }
    let wanted = samples(&sender, start + STEPS * 1000);
    let at = ((start + STEPS * 1000) / 1000).to_string();
    let query = [("query", "sum(count_over_time(written[1h]))"), ("time", at.as_str())];
    ask_until(receiver.http, &with_params("/api/v1/query", &query), |answer| {
        let found: Value = serde_json::from_slice(&answer.body).ok()?;
        let count: usize = found["data"]["result"][0]["value"][1].as_str()?.parse().ok()?;
        (count == STEPS as usize * SERIES).then_some(())
    });
    assert_eq!(samples(&receiver, start + STEPS * 1000), wanted, "{message}");
    println!("{message}: {} samples equal", STEPS as usize * SERIES);
}

#[test]
fn a_real_prometheus_takes_and_sends_what_we_send_and_take() {
    let Some(theirs) = peer() else {
        println!("SKIPPED: PEERS_DIR names no folder with prometheus");
        return;
    };
    for message in ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"] {
        one_way(None, Some(&theirs), message);
        one_way(Some(&theirs), None, message);
    }
}

//! The agent: takes samples in, sends them on, answers nothing else; and federation of a server's own samples.

use gauntlet_testkit::http;
use gauntlet_testkit::process::ask_until;
use gauntlet_wire::prost::Message as _;
use gauntlet_wire::{prompb, snappy};
use serde_json::{Value, json};

use crate::support::{Role, gauntlet, server, wait_ready, with_params};

fn agent(config: &std::path::Path, data: &std::path::Path) -> Role {
    let mut process = gauntlet(
        "prometheus",
        &[
            "--agent".to_owned(),
            format!("--config.file={}", config.display()),
            format!("--storage.agent.path={}", data.display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            "--web.enable-remote-write-receiver".to_owned(),
            "--web.enable-otlp-receiver".to_owned(),
            "--storage.remote.flush-deadline=1s".to_owned(),
        ],
    );
    let http = process.wait_for_address("Listening on");
    wait_ready(http);
    Role { process, http, grpc: None }
}

fn write(role: &Role, name: &str, t: i64, value: f64) {
    let request = prompb::WriteRequest {
        timeseries: vec![prompb::TimeSeries {
            labels: vec![prompb::Label { name: "__name__".into(), value: name.into() }],
            samples: vec![prompb::Sample { value, timestamp: t }],
            ..Default::default()
        }],
        metadata: Vec::new(),
    };
    let body = snappy::pack(&request.encode_to_vec()).unwrap();
    let answer = http::request(role.http, "POST", "/api/v1/write", &[], &body).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn now_ms(role: &Role) -> i64 {
    let answer = role.ask("/api/v1/query", &[("query", "time()")]);
    (answer["data"]["result"][0].as_f64().unwrap() * 1000.0) as i64
}

#[test]
fn an_agent_sends_on_what_it_takes_over_restarts() {
    let work = tempfile::tempdir().unwrap();
    let empty = work.path().join("empty.yml");
    std::fs::write(&empty, "").unwrap();
    let receiver =
        server(&empty, &work.path().join("server"), &["--web.enable-remote-write-receiver"]);
    let config = work.path().join("agent.yml");
    let text = format!(
        "global: {{external_labels: {{from: agent}}}}\nremote_write: [{{url: 'http://{}/api/v1/write', queue_config: {{batch_send_deadline: 50ms}}}}]\n",
        receiver.http
    );
    std::fs::write(&config, text).unwrap();
    let data = work.path().join("agent");
    let start = now_ms(&receiver) - 60_000;
    for round in 0..3 {
        let role = agent(&config, &data);
        for step in 0..5 {
            write(&role, "passed_on", start + round * 10_000 + step * 1000, step as f64);
        }
        if round == 0 {
            let otlp = format!(
                r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"by.otlp","gauge":{{"dataPoints":[{{"timeUnixNano":"{}","asDouble":1.5}}]}}}}]}}]}}]}}"#,
                start * 1_000_000
            );
            let headers = [("Content-Type", "application/json")];
            let path = "/api/v1/otlp/v1/metrics";
            let answer = http::request(role.http, "POST", path, &headers, otlp.as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            let refused = role.ask("/api/v1/query", &[("query", "up")]);
            let expect = json!({"status": "error", "errorType": "execution", "error": "unavailable with Prometheus Agent"});
            assert_eq!(refused, expect);
            let healthy = http::get(role.http, "/-/healthy").unwrap();
            assert_eq!(healthy.text(), "Prometheus Agent is Healthy.\n");
            assert_eq!(http::get(role.http, "/api/v1/targets").unwrap().status, 200);
        }
        if round == 1 {
            role.process.kill();
        } else {
            assert!(role.process.terminate().success());
        }
    }
    let role = agent(&config, &data);
    let query =
        "count_over_time(passed_on{from=\"agent\"}[5m]) + on(from) count_over_time(by_otlp[5m])";
    let path = with_params("/api/v1/query", &[("query", query)]);
    let count = ask_until(receiver.http, &path, |answer| {
        let found: Value = serde_json::from_slice(&answer.body).ok()?;
        let count = found["data"]["result"][0]["value"][1].as_str()?.to_owned();
        (count == "16").then_some(count)
    });
    assert_eq!(count, "16");
    drop(role);
}

#[test]
fn a_server_is_federated_with_its_external_labels() {
    let work = tempfile::tempdir().unwrap();
    let config = work.path().join("server.yml");
    std::fs::write(&config, "global: {external_labels: {cluster: x}}\n").unwrap();
    let role = server(&config, &work.path().join("data"), &["--web.enable-remote-write-receiver"]);
    let t = now_ms(&role) - 1000;
    write(&role, "b", t, 1.0);
    write(&role, "a", t, 2.5);
    write(&role, "ended", t, f64::from_bits(0x7ff0_0000_0000_0002));
    let path = with_params("/federate", &[("match[]", "{__name__=~\"a|b|ended\"}")]);
    let answer = http::get(role.http, &path).unwrap();
    let expect = format!(
        "# TYPE a untyped\na{{cluster=\"x\",instance=\"\"}} 2.5 {t}\n# TYPE b untyped\nb{{cluster=\"x\",instance=\"\"}} 1 {t}\n"
    );
    assert_eq!(answer.text(), expect);
    let text = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert_eq!(answer.header("content-type"), Some(text));
    let bad = http::get(role.http, &with_params("/federate", &[("match[]", "up{")])).unwrap();
    assert_eq!(bad.status, 400);
    assert_eq!(bad.text(), "1:4: parse error: unexpected end of input inside braces\n");
    let moved = http::get(role.http, "/api/v1/query/").unwrap();
    assert_eq!((moved.status, moved.header("location")), (301, Some("/query")));
}

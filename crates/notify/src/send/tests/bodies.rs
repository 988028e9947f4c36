//! Every request of every receiver, with defaults and with all keys set, in three phases of a group.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gauntlet_runtime::ManualClock;
use gauntlet_yaml::{Context, Dialect, Document, Mapping};
use serde::Deserialize;

use super::server::{Got, Server, content};
use crate::config::{GlobalReceivers, IntegrationConfig, Receiver};
use crate::data::Data;
use crate::notifier::{Alert, Notifier, NotifyContext};
use crate::send::{Setup, pagerduty, pushover};
use crate::texts::Templates;

#[derive(Deserialize)]
struct Recording {
    config: String,
    requests: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    phase: String,
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Of the data in a webhook's body, what a sender is told.
#[derive(Deserialize)]
pub(super) struct Told {
    #[serde(flatten)]
    pub(super) data: Data,
    #[serde(rename = "groupKey")]
    group_key: String,
}

/// Made once: the built-in templates take their time to parse.
pub(super) fn setup() -> Setup {
    static SETUP: std::sync::OnceLock<Setup> = std::sync::OnceLock::new();
    let make = || {
        // The moment of the recording's first signature.
        let clock: Arc<dyn gauntlet_runtime::Clock> = Arc::new(ManualClock::new(1_795_523_873_000));
        let url = "http://am.example.com:9093/x";
        let templates = Templates::new(url, Arc::clone(&clock), &[]).unwrap();
        Setup::new(Arc::new(templates), clock)
    };
    SETUP.get_or_init(make).clone()
}

pub(super) fn receivers(text: &str) -> Vec<Receiver> {
    let document = Document::parse(text.as_bytes(), Dialect::V2).unwrap();
    let mut cx = Context::new();
    let mut map = Mapping::read(document.root().unwrap(), "config.plain", &mut cx).unwrap();
    let mut globals = GlobalReceivers::default();
    if let Some(node) = map.node("global") {
        let mut map = Mapping::read(node, "config.plain", &mut cx).unwrap();
        globals = GlobalReceivers::read(&mut map, &mut cx);
    }
    let list = map.node("receivers").unwrap();
    let read = list.items().map(|node| Receiver::read(node, &mut cx, Some(&globals))).collect();
    let read: Option<Vec<_>> = read;
    cx.finish(read).unwrap()
}

pub(super) fn context(told: &Told, receiver: &str, reason: &'static str) -> NotifyContext {
    NotifyContext {
        receiver: receiver.to_owned(),
        group_key: told.group_key.clone(),
        group_labels: told.data.group_labels.clone(),
        route_labels: told.data.route_labels.clone(),
        reason,
        ..NotifyContext::default()
    }
}

pub(super) fn alerts(data: &Data) -> Vec<Alert> {
    let alert = |alert: &crate::data::AlertData| Alert {
        labels: gauntlet_model::Labels::from_pairs(alert.labels.iter()),
        annotations: alert.annotations.clone(),
        starts_at: alert.starts_at.0.clone(),
        ends_at: alert.ends_at.0.clone(),
        generator_url: alert.generator_url.clone(),
        fingerprint: u64::from_str_radix(&alert.fingerprint, 16).unwrap(),
    };
    data.alerts.iter().map(|a| alert(a)).collect()
}

/// The senders of a receiver; those whose place is fixed send to `url`.
fn notifiers(receiver: &Receiver, url: &str, setup: &Setup) -> Vec<(bool, Arc<dyn Notifier>)> {
    let integrations = receiver.integrations();
    let build = |config: &IntegrationConfig<'_>| -> Option<Arc<dyn Notifier>> {
        Some(match config {
            IntegrationConfig::Email(_) => return None,
            IntegrationConfig::Pushover(config) => {
                let sender = pushover::Pushover::new(config, setup).unwrap();
                Arc::new(sender.at(&format!("{url}/1/messages.json")))
            }
            IntegrationConfig::Pagerduty(config) => {
                let v1 = format!("{url}/generic/2010-04-15/create_event.json");
                Arc::new(pagerduty::Pagerduty::new(config, setup).unwrap().v1_at(&v1))
            }
            other => crate::send::build(*other, setup).unwrap(),
        })
    };
    integrations
        .iter()
        .filter_map(|(config, _)| Some((config.send_resolved(), build(config)?)))
        .collect()
}

/// What is to be equal: all but signatures, ids and the names of libraries.
fn comparable(mut got: Got) -> Got {
    for name in [
        "user-agent",
        "host",
        "content-length",
        "accept",
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "x-amz-date",
        "x-recorded-host",
    ] {
        got.headers.remove(name);
    }
    if got.path.ends_with("/sns") {
        let signature = got.headers.remove("authorization").unwrap();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20261124/"), "{signature}");
    }
    got
}

fn recording() -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/peer.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What the peer told in a phase.
pub(super) fn told(phase: &str) -> Told {
    let requests = recording().requests;
    let webhook = requests.iter().find(|r| r.phase == phase && r.path == "/d/webhook").unwrap();
    serde_json::from_str(&webhook.body).unwrap()
}

#[tokio::test]
async fn requests_are_those_of_the_peer() {
    let recording = recording();
    let issue_is_open = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&issue_is_open);
    let server = Server::start(move |got| content(got, open.load(Ordering::SeqCst))).await;
    let proxy = "{proxy_url: 'http://PEER', tls_config: {insecure_skip_verify: true}}";
    let config = recording.config.replace(proxy, "{}").replace("http://PEER", &server.url());
    let receivers = receivers(&config);
    let setup = setup();
    let senders = |name: &str| {
        let receiver = receivers.iter().find(|receiver| receiver.name == name).unwrap();
        (receiver.name.clone(), notifiers(receiver, &server.url(), &setup))
    };
    let (defaults, full) = (senders("d"), senders("f"));
    let mut compared = 0;
    for phase in ["firing", "mixed", "resolved"] {
        issue_is_open.store(phase != "firing", Ordering::SeqCst);
        let told = told(phase);
        let all = alerts(&told.data);
        let reason = match phase {
            "firing" => "first notification",
            "mixed" => "some alerts resolved",
            _ => "all alerts resolved",
        };
        let resolves = phase != "firing";
        let mut rounds = vec![(&defaults, reason, all.as_slice()), (&full, reason, all.as_slice())];
        if phase == "firing" {
            // The receiver with all keys was told of one alert first, and then of both.
            rounds[1].1 = "new alerts added";
            rounds.push((&full, reason, &all[..1]));
        }
        for ((receiver, notifiers), reason, alerts) in rounds {
            let cx = context(&told, receiver, reason);
            for (_, notifier) in notifiers.iter().filter(|(resolved, _)| *resolved || !resolves) {
                notifier.notify(&cx, alerts).await.unwrap();
            }
        }
        let mut ours: Vec<Got> = server.take().into_iter().map(comparable).collect();
        let recorded = recording.requests.iter().filter(|request| request.phase == phase);
        let mut theirs: Vec<Got> = recorded
            .map(|r| {
                let (method, path) = (r.method.clone(), r.path.clone());
                let (headers, body) = (r.headers.clone(), r.body.clone());
                comparable(Got { method, path, headers, body })
            })
            .collect();
        ours.sort();
        theirs.sort();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{phase}");
        }
        assert_eq!(ours.len(), theirs.len(), "{phase}");
        compared += ours.len();
    }
    assert_eq!(compared, recording.requests.len());
}

#[test]
fn golden_webhook_bodies_are_equal() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let golden = std::fs::read(dir.join("golden/alertmanager.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    let reasons = [
        "first notification",
        "new alerts added",
        "some alerts resolved",
        "all alerts resolved",
        "repeat interval elapsed",
    ];
    let webhooks = golden["webhooks"].as_array().unwrap();
    for webhook in webhooks {
        let told: Told = serde_json::from_value(webhook["body"].clone()).unwrap();
        let reason = reasons.iter().find(|r| **r == told.data.notification_reason).unwrap();
        let cx = context(&told, &told.data.receiver, reason);
        let alerts = alerts(&told.data);
        let mut data = Data::new(&cx, &alerts, &told.data.external_url);
        if webhook["body"]["truncatedAlerts"] == 0 {
            // Common labels are counted anew where all alerts are there.
            assert_eq!(data.common_labels, told.data.common_labels);
        }
        data.common_labels = told.data.common_labels.clone();
        let body = crate::json::encode(&crate::send::webhook::Message {
            data: &data,
            version: "4",
            group_key: &told.group_key,
            truncated_alerts: webhook["body"]["truncatedAlerts"].as_u64().unwrap(),
        });
        let body = String::from_utf8(body.unwrap()).unwrap();
        match webhook["raw"].as_str() {
            Some(raw) => assert_eq!(body, raw),
            // Where nothing but the order of keys could be lost, the recording has no text.
            None => {
                let ours: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert_eq!(ours.to_string(), webhook["body"].to_string());
            }
        }
    }
    assert_eq!(webhooks.len(), 31);
}

#[test]
fn a_signature_of_the_peers_is_made_again() {
    use gauntlet_net::aws::{Keys, Scope, Unsigned, sign};
    let recording = recording();
    let request = recording.requests.iter().find(|r| r.path == "/d/sns").unwrap();
    let header = |name: &str| request.headers[name].clone();
    let headers = [
        ("amz-sdk-invocation-id", header("amz-sdk-invocation-id")),
        ("amz-sdk-request", header("amz-sdk-request")),
        ("content-length", request.body.len().to_string()),
        ("content-type", header("content-type")),
    ];
    let keys = Keys {
        access_key: "AKID".to_owned(),
        secret_key: gauntlet_net::config::Secret::new("SECRET"),
        ..Keys::default()
    };
    let unsigned = Unsigned {
        method: "POST",
        host: &header("x-recorded-host"),
        path: "/d/sns",
        query: &[],
        headers: &headers,
        body: request.body.as_bytes(),
    };
    let at = gauntlet_net::time::parse_utc(&{
        let date = header("x-amz-date");
        let (day, time) = (&date[..8], &date[9..15]);
        let parts = [&day[..4], &day[4..6], &day[6..], &time[..2], &time[2..4], &time[4..]];
        let [year, month, day, hour, minute, second] = parts;
        format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")
    });
    let scope = Scope { region: "us-east-2", service: "sns" };
    let signed = sign(&unsigned, &keys, scope, at.unwrap());
    assert_eq!(signed[0], ("authorization", header("authorization")));
    assert_eq!(signed[1], ("x-amz-date", header("x-amz-date")));
}

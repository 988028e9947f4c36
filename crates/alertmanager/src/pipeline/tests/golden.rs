//! The recorded 26 seconds of a real Alertmanager, replayed: the same reports at the same times must give the same notifications,
//! and the same answers about alerts and groups.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::super::*;
use super::lab::Lab;
use crate::alert::PostedAlert;
use crate::silence::{Silence, SilenceMatcher};
use crate::time::Time;
use gauntlet_model::MatchOp;

/// When the recording began.
const BEGAN: &str = "2026-11-24T06:05:23.266Z";

fn time(value: &Value) -> Time {
    value.as_str().and_then(Time::parse).unwrap_or(Time::ZERO)
}

fn pairs(value: &Value) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(n, v)| (n.as_str().into(), v.as_str().unwrap_or_default().into())).collect()
}

fn posted(value: &Value) -> PostedAlert<'_> {
    PostedAlert {
        labels: pairs(&value["labels"]),
        annotations: pairs(&value["annotations"]),
        generator_url: value["generatorURL"].as_str().unwrap_or_default().into(),
        starts_at: time(&value["startsAt"]),
        ends_at: time(&value["endsAt"]),
    }
}

fn silence(body: &Value) -> Silence {
    let matcher = |m: &Value| {
        let op = match (m["isRegex"] == true, m["isEqual"] != false) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        let text = |key: &str| m[key].as_str().unwrap_or_default().to_owned();
        SilenceMatcher { op, name: text("name"), pattern: text("value") }
    };
    let matchers = body["matchers"].as_array().expect("matchers").iter().map(matcher).collect();
    Silence {
        matcher_sets: vec![matchers],
        starts_at: time(&body["startsAt"]),
        ends_at: time(&body["endsAt"]),
        ..Silence::default()
    }
}

/// Replays the recording up to its errors.
struct Replay {
    lab: Lab,
    /// Recorded ids to ours.
    ids: HashMap<String, String>,
    equal: usize,
    wrong: Vec<String>,
}

impl Replay {
    fn call(&mut self, call: &Value) {
        let at_ms = (call["at"].as_f64().expect("at") * 1000.0) as i64;
        self.lab.run_to(at_ms.max(self.lab.now.since_ns(self.lab.start) / 1_000_000));
        let path = call["path"].as_str().expect("path");
        match (call["method"].as_str().expect("method"), path) {
            ("POST", "/api/v2/alerts") => {
                let alerts = call["body"].as_array().expect("alerts");
                // The report without times got those of its arrival.
                let now = match alerts.iter().any(|a| a["labels"]["alertname"] == "NoTimes") {
                    true => Time::parse("2026-11-24T06:05:23.277392278Z").expect("time"),
                    false => self.lab.now,
                };
                self.lab.core.post(alerts.iter().map(posted).collect(), "golden", now);
                self.lab.act();
            }
            ("POST", "/api/v2/silences") => {
                let body = &call["body"];
                let recorded = call["response"]["silenceID"].as_str().expect("id");
                let mut silence = silence(body);
                if let Some(id) = body["id"].as_str() {
                    silence.id = self.ids[id].clone();
                }
                let id = self.lab.core.set_silence(silence, self.lab.now).expect("silence");
                self.ids.insert(recorded.to_owned(), id);
            }
            ("DELETE", path) => {
                let id = &self.ids[path.rsplit('/').next().expect("id")];
                self.lab.core.expire_silence(id, self.lab.now).expect("expire");
            }
            ("GET", "/api/v2/alerts") => {
                let alerts = self.lab.core.alerts(AlertQuery::ALL, self.lab.now);
                self.compare(call, alerts.iter().map(|a| self.line(a, &[])).collect(), "alerts");
            }
            ("GET", "/api/v2/alerts/groups") => {
                let groups = self.lab.core.groups(&|_| true, AlertQuery::ALL, self.lab.now);
                let lines = groups.iter().flat_map(|group| {
                    let head = format!("{} {}", group.receiver, crate::SetText(&group.labels));
                    let alerts = group.alerts.iter().map(|a| self.line(a, &group.muted_by));
                    std::iter::once(head).chain(alerts).collect::<Vec<_>>()
                });
                self.compare(call, lines.collect(), "groups");
            }
            _ => {}
        }
    }

    fn line(&self, info: &AlertInfo, muted_by: &[String]) -> String {
        let receivers: Vec<&str> = info.receivers.iter().map(AsRef::as_ref).collect();
        let inhibited: Vec<String> =
            info.status.inhibited_by.iter().map(ToString::to_string).collect();
        format!(
            "{} {} {} silenced {:?} inhibited {inhibited:?} muted {muted_by:?} {receivers:?}",
            info.alert.fingerprint,
            info.alert.starts_at.to_ms_text(),
            info.status.state.as_str(),
            info.status.silenced_by,
        )
    }

    fn recorded_line(&self, alert: &Value) -> String {
        let list = |value: &Value| -> Vec<String> {
            let items = value.as_array().expect("list").iter();
            items.map(|item| item.as_str().expect("text").to_owned()).collect()
        };
        let status = &alert["status"];
        let silenced: Vec<String> =
            list(&status["silencedBy"]).iter().map(|id| self.ids[id].clone()).collect();
        let receivers = alert["receivers"].as_array().expect("receivers").iter();
        let receivers: Vec<&str> = receivers.map(|r| r["name"].as_str().expect("name")).collect();
        format!(
            "{} {} {} silenced {silenced:?} inhibited {:?} muted {:?} {receivers:?}",
            alert["fingerprint"].as_str().expect("fingerprint"),
            alert["startsAt"].as_str().expect("start"),
            status["state"].as_str().expect("state"),
            list(&status["inhibitedBy"]),
            list(&status["mutedBy"]),
        )
    }

    fn compare(&mut self, call: &Value, ours: Vec<String>, what: &str) {
        let answer = call["response"].as_array().expect("answer");
        let theirs: Vec<String> = match what {
            "alerts" => answer.iter().map(|alert| self.recorded_line(alert)).collect(),
            _ => answer
                .iter()
                .flat_map(|group| {
                    let labels = gauntlet_model::Labels::from_pairs(pairs(&group["labels"]));
                    let receiver = group["receiver"]["name"].as_str().expect("name");
                    let head = format!("{receiver} {}", crate::SetText(&labels));
                    let alerts = group["alerts"].as_array().expect("alerts").iter();
                    std::iter::once(head)
                        .chain(alerts.map(|alert| self.recorded_line(alert)))
                        .collect::<Vec<_>>()
                })
                .collect(),
        };
        if ours == theirs {
            self.equal += 1;
        } else {
            self.wrong
                .push(format!("{what} at {}\n ours   {ours:#?}\n theirs {theirs:#?}", call["at"]));
        }
    }
}

#[test]
fn the_recorded_scenario_gives_the_recorded_notifications() {
    let Some(root) = gauntlet_testkit::conformance_dir() else { return };
    let golden = std::fs::read(root.join("golden/alertmanager.json")).expect("golden");
    let golden: Value = serde_json::from_slice(&golden).expect("json");
    let mut lab = Lab::new("route: {receiver: x}\nreceivers: [{name: x}]");
    lab.start = Time::parse(BEGAN).expect("time");
    lab.now = lab.start;
    lab.apply(golden["config"].as_str().expect("config"));
    let mut failures = 2;
    lab.answer = Box::new(move |told| {
        let error =
            NotifyError { message: "503".into(), retry: true, reason: FailureReason::ServerError };
        let fails = told.receiver == "dba" && failures > 0;
        failures -= usize::from(fails);
        (1_000_000, if fails { Err(error) } else { Ok(()) })
    });
    let mut replay = Replay { lab, ids: HashMap::new(), equal: 0, wrong: Vec::new() };
    for call in golden["api"].as_array().expect("calls") {
        if call["at"].as_f64().expect("at") > 25.0 {
            break;
        }
        replay.call(call);
    }
    replay.lab.run_to(25_900);

    let path = |receiver: &str, index: u32| match (receiver, index) {
        ("dba", _) => "/flaky".to_owned(),
        ("few", 1) => "/second".to_owned(),
        (name, _) => format!("/{name}"),
    };
    let mut ours: Vec<(String, i64)> = replay
        .lab
        .told
        .iter()
        .map(|told| {
            let n = &told.notification;
            let path = path(&told.receiver, told.index);
            let alerts: Vec<String> = n
                .alerts
                .iter()
                .map(|a| {
                    let status = if a.is_resolved() { "resolved" } else { "firing" };
                    format!("{} {status} {} {}", a.fingerprint, a.starts_at, a.ends_at)
                })
                // The first two of those that ask for no more.
                .take(if path == "/few" { 2 } else { 99 })
                .collect();
            let (key, reason) = (&n.group_key, n.reason.as_str());
            (format!("{path} ok={} {reason} {key} {alerts:?}", told.ok), told.at_ms)
        })
        .collect();
    let mut theirs: Vec<(String, i64)> = golden["webhooks"]
        .as_array()
        .expect("webhooks")
        .iter()
        .map(|hook| {
            let body = &hook["body"];
            let path = hook["path"].as_str().expect("path");
            let reason = body["notification_reason"].as_str().expect("reason");
            let alerts: Vec<String> = body["alerts"]
                .as_array()
                .expect("alerts")
                .iter()
                .map(|a| {
                    let text = |key: &str| a[key].as_str().expect("text");
                    format!(
                        "{} {} {} {}",
                        text("fingerprint"),
                        text("status"),
                        text("startsAt"),
                        text("endsAt")
                    )
                })
                .collect();
            let ms = (hook["at"].as_f64().expect("at") * 1000.0) as i64;
            let ok = hook["answered"] == 200;
            let key = body["groupKey"].as_str().expect("key");
            (format!("{path} ok={ok} {reason} {key} {alerts:?}"), ms)
        })
        .collect();
    ours.sort();
    theirs.sort();
    let lines =
        |told: &[(String, i64)]| told.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>();
    let equal = lines(&ours).iter().zip(lines(&theirs)).filter(|(a, b)| *a == b).count();
    println!(
        "recorded notifications: {equal} of {} equal; answers about alerts and groups: {} of {}",
        theirs.len(),
        replay.equal,
        replay.equal + replay.wrong.len()
    );
    assert_eq!(lines(&ours), lines(&theirs));
    for ((line, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        // Second attempts come when chance wants; the recording has some of its own.
        assert!((ours - theirs).abs() < 1100, "{line}: {ours} and {theirs}");
    }
    assert!(replay.wrong.is_empty() && replay.equal >= 4, "{}", replay.wrong.join("\n"));
}

//! Verdicts and echo of the peer for configurations of receivers.

use std::path::Path;

use gauntlet_model::duration::Duration;
use gauntlet_notify::config::{GlobalReceivers, Receiver};
use gauntlet_yaml::{Context, Dialect, Document, MapBuilder, Mapping, Problems};
use serde_json::Value;

/// The parts of a configuration that this crate reads, in the order of the peer's checks.
struct Parts {
    globals: GlobalReceivers,
    receivers: Vec<Receiver>,
}

fn read(text: &str) -> Result<Parts, Problems> {
    let document = Document::parse(text.as_bytes(), Dialect::V2)?;
    let mut cx = Context::new();
    let mut read = || {
        let mut map = Mapping::read(document.root()?, "config.plain", &mut cx)?;
        let mut globals = Some(GlobalReceivers::default());
        if let Some(node) = map.node("global") {
            globals = Mapping::read(node, "config.plain", &mut cx).and_then(|mut map| {
                map.node("resolve_timeout");
                let globals = GlobalReceivers::read(&mut map, &mut cx);
                if let Err((key, reason)) = globals.check() {
                    map.problem(&mut cx, key, reason);
                }
                map.finish(&mut cx).then_some(globals)
            });
        }
        let list = map.node("receivers").map(|node| node.items()).into_iter().flatten();
        let receivers =
            list.filter_map(|node| Receiver::read(node, &mut cx, globals.as_ref())).collect();
        Some(Parts { globals: globals?, receivers })
    };
    let parts = read();
    cx.finish(parts)
}

fn data(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let text = std::fs::read(path).expect("the recording is there");
    serde_json::from_slice(&text).expect("the recording is JSON")
}

#[test]
fn receivers_are_judged_as_the_peer_judges_them() {
    let verdicts = data("verdicts.json");
    let mut wrong = Vec::new();
    for case in verdicts["cases"].as_array().unwrap() {
        let (global, receiver) = (case["global"].as_str(), case["receiver"].as_str().unwrap());
        let text = format!(
            "global: {{{}}}\nroute: {{receiver: r}}\nreceivers:\n- name: r\n  {receiver}\n",
            global.unwrap()
        );
        let said = read(&text).err().map(|problems| problems.go_text());
        if said.as_deref() != case["error"].as_str() {
            wrong.push(format!("{text}  wanted {:?}\n  said   {said:?}", case["error"].as_str()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_peers_own_files_are_judged_as_it_judges_them() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    for case in data("verdicts.json")["files"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let text = std::fs::read_to_string(dir.join("conformance").join(file)).unwrap();
        let said = read(&text).err().map(|problems| problems.go_text());
        let wanted = case["error"].as_str().map(str::to_owned);
        // What is wrong with routes and inhibition is not for this crate to see.
        if file.contains("conf.nil-") {
            continue;
        }
        assert_eq!(said, wanted, "{file}");
    }
}

#[test]
fn the_echo_is_the_peers() {
    let peer = data("peer.json");
    // The recording's server has other addresses than ours need.
    let text = peer["config"].as_str().unwrap();
    let parts = read(text).unwrap();
    let mut global = MapBuilder::new();
    global.put("resolve_timeout", Duration::from_secs(300)).inline(&parts.globals);
    let mut whole = MapBuilder::new();
    whole.put("global", global.build()).put("receivers", &parts.receivers);
    let echo = gauntlet_yaml::to_string(&whole.build());
    let wanted = peer["echo"].as_str().unwrap();
    let (globals, rest) = wanted.split_once("route:\n").unwrap();
    let receivers = &rest[rest.find("receivers:\n").unwrap()..rest.find("templates:").unwrap()];
    let wanted = format!("{globals}{receivers}");
    for (at, (ours, theirs)) in echo.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", at + 1);
    }
    assert_eq!(echo, wanted);
}

#[test]
fn problems_have_places_and_all_are_named() {
    let text = "global:\n  smtp_smarthost: a\nreceivers:\n- name: r\n  webhook_configs:\n  - bogus: 1\n  slack_configs:\n  - channel: x\n    actions: [{type: a}]\n";
    let problems = read(text).err().unwrap();
    assert_eq!(
        problems.to_string(),
        "2:19: address a: missing port in address\n6:5: field bogus not found in type webhook.plain\n9:15: missing text in Slack action configuration"
    );
    let text =
        "receivers:\n- name: r\n  slack_configs:\n  - channel: x\n  email_configs:\n  - to: x\n";
    let problems = read(text).err().unwrap();
    assert_eq!(
        problems.to_string(),
        "4:5: no Slack API URL nor App token set either inline or in a file\n6:5: no global SMTP smarthost set"
    );
    let paths: Vec<&str> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["slack_configs[0]", "email_configs[0]"]);
}

#[test]
fn secrets_do_not_print() {
    let parts = read(data("peer.json")["config"].as_str().unwrap()).unwrap();
    let shown = format!("{:?}", parts.receivers);
    for secret in ["\"ogk\"", "\"rk\"", "\"sk\"", "\"ws\"", "\"SECRET\"", "a:b", "/d/discord"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

//! The peer's own programs over our files, and ours over theirs. Needs `PEERS_DIR`, a folder with `amtool` and `alertmanager`;
//! without it there is nothing to check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gauntlet_alertmanager::silence::{Silence, SilenceMatcher};
use gauntlet_alertmanager::{Config, Manager, ManagerOptions, ParseMode};
use gauntlet_model::MatchOp;
use gauntlet_runtime::{Chance, SystemClock};
use gauntlet_telemetry::Registry;
use gauntlet_testkit::process::{Process, ask_until};

fn peer(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("PEERS_DIR")?).join(name);
    path.is_file().then_some(path)
}

const NAMES: [&str; 9] = ["foo", "bar", "a_b", "1a", "é", "☃", "\"a b\"", "a:b", "\"\\u2603\""];
const VALUES: [&str; 16] = [
    "foo",
    "\"x\"",
    "\"a b\"",
    "\"\"",
    "\"\\\\d\"",
    "\"\\u2603\"",
    "\"\\x41\"",
    "\"a\\nb\"",
    ".*",
    "[a-z]+",
    "a|b",
    ":",
    "\"\\\"\"",
    "é☃",
    "\"(a|b)c\"",
    "\"{,}\"",
];
const ODD: [&str; 24] = [
    "=",
    "!=",
    "=~",
    "!~",
    "!",
    "~",
    "\"",
    "\\",
    "\\n",
    "\\\"",
    "\"\\q\"",
    ",",
    "{",
    "}",
    " ",
    "\u{a0}",
    "'",
    "`",
    "(",
    ")",
    "\\d",
    "\"\\xff\"",
    ", ",
    "==",
];

/// Texts that are matchers, nearly so, or not at all.
fn texts(count: usize) -> Vec<String> {
    let mut chance = Chance::seeded(7);
    (0..count)
        .map(|n| {
            let chance = &mut chance;
            let matcher = |chance: &mut Chance| {
                let op = ["=", "!=", "=~", "!~"][chance.index(4)];
                format!("{}{op}{}", NAMES[chance.index(9)], VALUES[chance.index(16)])
            };
            let any = |chance: &mut Chance| match chance.index(4) {
                0 => NAMES[chance.index(9)],
                1 => VALUES[chance.index(16)],
                _ => ODD[chance.index(24)],
            };
            match n % 5 {
                0 => matcher(chance),
                1 => format!("{{{}, {},}}", matcher(chance), matcher(chance)),
                2 => format!("{}{}", matcher(chance), any(chance)),
                3 => format!("{}{}{}", any(chance), matcher(chance), any(chance)),
                _ => (0..1 + chance.index(7)).map(|_| any(chance)).collect(),
            }
        })
        .collect()
}

fn file_with(matchers: &str) -> String {
    let quoted = matchers.replace('\'', "''");
    format!(
        "route:\n  receiver: r\n  routes:\n  - matchers:\n    - '{quoted}'\nreceivers:\n- name: r\n"
    )
}

/// amtool's verdict for each file: none, or its words.
fn verdicts(
    amtool: &Path,
    feature: Option<&str>,
    files: &[PathBuf],
) -> BTreeMap<PathBuf, Option<String>> {
    let mut command = Command::new(amtool);
    if let Some(feature) = feature {
        command.arg(format!("--enable-feature={feature}"));
    }
    let output = command.arg("check-config").args(files).output().expect("amtool runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found = BTreeMap::new();
    for part in text.split("Checking '").skip(1) {
        let (name, rest) = part.split_once('\'').expect("a name in quotes");
        let verdict =
            rest.split_once("FAILED: ").map(|(_, words)| words.trim_end_matches('\n').to_owned());
        found.insert(PathBuf::from(name), verdict);
    }
    found
}

#[test]
fn matchers_read_and_fail_as_amtool_says() {
    let Some(amtool) = peer("amtool") else { return };
    let dir = tempfile::tempdir().expect("dir");
    let texts = texts(900);
    let files: Vec<PathBuf> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let path = dir.path().join(format!("{n:04}.yml"));
            std::fs::write(&path, file_with(text)).expect("write");
            path
        })
        .collect();
    let modes = [
        (ParseMode::Fallback, None),
        (ParseMode::Classic, Some("classic-mode")),
        (ParseMode::Utf8, Some("utf8-strict-mode")),
    ];
    let (mut good, mut wrong) = (0, Vec::new());
    for (mode, feature) in modes {
        let verdicts = verdicts(&amtool, feature, &files);
        assert_eq!(verdicts.len(), files.len());
        for (text, file) in texts.iter().zip(&files) {
            let ours = Config::load(file, mode).err().map(|errors| errors.upstream_text());
            let theirs = &verdicts[file];
            good += usize::from(theirs.is_none());
            if ours != *theirs {
                wrong.push(format!("{mode:?} {text:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
            }
        }
    }
    println!(
        "matchers: {} of {} verdicts equal, {good} of them good",
        3 * texts.len() - wrong.len(),
        3 * texts.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(good > 200, "{good}");
}

/// Configurations with something wrong, or nearly so.
fn configurations() -> Vec<String> {
    let head = "receivers: [{name: r}]\nroute: {receiver: r}\n";
    let mut all: Vec<String> = [
        "",
        "{}",
        "a",
        "[]",
        "- a",
        "route: {receiver: r}",
        "receivers: [{name: r}]",
        "route: {}\nreceivers: [{name: r}]",
        "route: ~",
        "route: {receiver: x}\nreceivers: [{name: r}]",
        "route: {receiver: r}\nreceivers: [{}]",
        "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]",
        "route: {receiver: r}\nreceivers: [{name: r, labels: {name: x}}]",
        "route: {receiver: r}\nreceivers: [{name: r, labels: {name: r, a: b}}]",
        "route: {receiver: r, continue: true}\nreceivers: [{name: r}]",
        "route: {receiver: r}\nreceivers: [{name: r}]\nroute: {receiver: r}",
        "global: ~\nroute: {receiver: r}\nreceivers: [{name: r}]",
        "global: {}\nroute: {receiver: r}\nreceivers: [{name: r}]",
        "global: {resolve_timeout: 5x}\nroute: {receiver: r}\nreceivers: [{name: r}]",
        "global: {nope: 1}\nroute: {receiver: r}\nreceivers: [{name: r}]",
        "templates: [1, a]\nroute: {receiver: r}\nreceivers: [{name: r}]",
        "templates: a\nroute: {receiver: r}\nreceivers: [{name: r}]",
        "receivers: a\nroute: {receiver: r}",
        "\tx",
        "a: [",
        "route: [a]",
    ]
    .map(str::to_owned)
    .into();
    let routes = [
        "match: {a: b}",
        "match_re: {a: b}",
        "matchers: [a=b]",
        "mute_time_intervals: [x]",
        "active_time_intervals: [x]",
        "group_by: ['...', a]",
        "group_by: [a, a]",
        "group_by: ['']",
        "group_by: ['...', '...']",
        "group_by: a",
        "group_by: [1]",
        "group_by: []",
        "group_by: ~",
        "group_interval: 0s",
        "repeat_interval: 0s",
        "group_wait: 0s",
        "group_wait: x",
        "group_wait: 5",
        "group_wait: -5s",
        "group_wait: 1d",
        "group_wait: ''",
        "routes: [{match: {'a-b': c}}]",
        "routes: [{match: {a: [b]}}]",
        "routes: [{match_re: {a: '('}}]",
        "routes: [{match_re: {'a-b': c}}]",
        "routes: [{match_re: {a: ~}}]",
        "routes: [{matchers: [a]}]",
        "routes: [{matchers: a=b}]",
        "routes: [{matchers: ['a=~\"(\"']}]",
        "routes: [{receiver: y}]",
        "routes: [{mute_time_intervals: [x]}]",
        "routes: [{active_time_intervals: [x]}]",
        "routes: {}",
        "routes: [a]",
        "labels: {'': x}",
        "labels: {a: '{{ x'}",
        "labels: {'a-b': x}",
        "grup_by: [a]",
        "continue: maybe",
        "continue: yes",
    ];
    all.extend(routes.map(|r| format!("receivers: [{{name: r}}]\nroute: {{receiver: r, {r}}}")));
    let rules = [
        "source_match: {'a-b': c}",
        "target_match: {'a-b': c}",
        "source_match_re: {a: '['}",
        "target_match_re: {a: ~}",
        "equal: ['']",
        "equal: [a.b]",
        "equal: a",
        "source_matchers: [x]",
        "target_matchers: ['a=b', 'c']",
        "name: [a]",
        "nope: 1",
        "name: x",
    ];
    all.extend(rules.map(|r| format!("{head}inhibit_rules: [{{{r}}}]")));
    let intervals = [
        "times: [{start_time: '25:00', end_time: '26:00'}]",
        "times: [{start_time: '9:00', end_time: '26:00'}]",
        "times: [{start_time: '10:00'}]",
        "times: [{start_time: '10:00', end_time: '10:00'}]",
        "times: [{start_time: '10:00', end_time: '24:01'}]",
        "times: [{start_time: 10:00, end_time: 11:00}]",
        "times: [{start: '10:00'}]",
        "times: a",
        "weekdays: ['friday:monday']",
        "weekdays: ['1']",
        "weekdays: ['a:b:c']",
        "weekdays: [Monday, 'TUESDAY:friday']",
        "weekdays: ['monday:']",
        "days_of_month: ['0']",
        "days_of_month: ['-50:-20']",
        "days_of_month: ['-3:2']",
        "days_of_month: ['10:-25']",
        "days_of_month: ['x']",
        "days_of_month: ['1:40']",
        "days_of_month: [1, '5:-1']",
        "days_of_month: ['+1']",
        "months: ['march:january']",
        "months: ['jan']",
        "months: ['13']",
        "months: ['0:5']",
        "months: ['5:january']",
        "years: ['2022:2020']",
        "years: ['a']",
        "years: [2020]",
        "years: ['-5:5']",
        "years: ['99999999999999999999']",
        "location: Nowhere/Land",
        "location: ../etc",
        "location: Europe/Paris",
        "location: europe/paris",
        "location: Local",
        "location: UTC",
        "location: ''",
        "year: ['2020']",
    ];
    all.extend(
        intervals
            .map(|i| format!("{head}time_intervals: [{{name: x, time_intervals: [{{{i}}}]}}]")),
    );
    let rest = [
        "time_intervals: [{name: a}, {name: a}]",
        "mute_time_intervals: [{name: a}]\ntime_intervals: [{name: a}]",
        "time_intervals: [{}]",
        "mute_time_intervals: [{}]",
        "mute_time_intervals: [{name: a}, {name: a}]",
        "tracing: {}",
        "tracing: {endpoint: x}",
        "tracing: {endpoint: x, client_type: y}",
        "tracing: {endpoint: x, compression: y}",
        "tracing: {endpoint: x, nope: y}",
        "tracing: {endpoint: x, timeout: 5}",
    ];
    all.extend(rest.map(|r| format!("{head}{r}")));
    all
}

#[test]
fn configurations_are_judged_as_amtool_judges_them() {
    let Some(amtool) = peer("amtool") else { return };
    let dir = tempfile::tempdir().expect("dir");
    let texts = configurations();
    let file = |(n, text): (usize, &String)| {
        let path = dir.path().join(format!("{n:04}.yml"));
        std::fs::write(&path, text).expect("write");
        path
    };
    let files: Vec<PathBuf> = texts.iter().enumerate().map(file).collect();
    let verdicts = verdicts(&amtool, None, &files);
    let mut wrong = Vec::new();
    for (text, file) in texts.iter().zip(&files) {
        let ours = Config::load(file, ParseMode::Fallback).err().map(|e| e.upstream_text());
        let theirs = &verdicts[file];
        if ours != *theirs {
            wrong.push(format!("{text}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    println!("configurations: {} of {} verdicts equal", texts.len() - wrong.len(), texts.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_matchers_mean_is_what_amtool_prints() {
    let Some(amtool) = peer("amtool") else { return };
    let dir = tempfile::tempdir().expect("dir");
    let mut compared = 0;
    for text in texts(240) {
        let path = dir.path().join("am.yml");
        std::fs::write(&path, file_with(&text)).expect("write");
        let Ok(loaded) = Config::load(&path, ParseMode::Fallback) else { continue };
        let ours = loaded.config.route.routes[0].all_matchers().to_string();
        let output = Command::new(&amtool)
            .args(["config", "routes", "show", "--config.file"])
            .arg(&path)
            .output()
            .expect("amtool runs");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        // A route without matchers is shown as the default one.
        if ours != "{}" {
            assert!(
                shown.contains(&format!(" {ours}  receiver")),
                "{text:?}\n ours {ours}\n{shown}"
            );
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
}

fn silence(value: &str, manager: &Manager) -> Silence {
    let matcher = |op, name: &str, pattern: &str| SilenceMatcher {
        op,
        name: name.into(),
        pattern: pattern.into(),
    };
    Silence {
        matcher_sets: vec![vec![
            matcher(MatchOp::Equal, "alertname", value),
            matcher(MatchOp::NotRegex, "x.y", "a|b.*"),
        ]],
        ends_at: manager.now().plus_ns(3_600_000_000_000),
        created_by: "someone".into(),
        comment: "ünï".into(),
        annotations: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        ..Silence::default()
    }
}

fn open(dir: &Path) -> Arc<Manager> {
    let options = ManagerOptions::new(Some(dir.to_owned()), Arc::new(SystemClock));
    Manager::open(options, &Registry::new()).expect("open")
}

#[tokio::test]
async fn the_peer_goes_on_with_our_silences_and_we_with_its() {
    let Some(alertmanager) = peer("alertmanager") else { return };
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let ours = open(&data);
    let first = ours.set_silence(silence("A", &ours)).await.expect("silence");
    let second = ours.set_silence(silence("B", &ours)).await.expect("silence");
    ours.expire_silence(&second).await.expect("expire");
    let before = ours.silence(&first).expect("there");
    drop(ours);

    let config = dir.path().join("am.yml");
    std::fs::write(&config, "route: {receiver: r}\nreceivers: [{name: r}]\n").expect("write");
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", data.display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--cluster.listen-address=".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut process = Process::start(&alertmanager, "alertmanager", &arguments);
    let address = process.wait_for_address("Listening on");
    let answer = ask_until(address, "/api/v2/silences", |answer| {
        (answer.status == 200).then(|| answer.text())
    });
    let listed: serde_json::Value = serde_json::from_str(&answer).expect("json");
    let state = |id: &str| {
        let found = listed.as_array().expect("list").iter().find(|s| s["id"] == id);
        found.map(|s| s["status"]["state"].as_str().expect("state").to_owned())
    };
    assert_eq!(state(&first).as_deref(), Some("active"), "{answer}");
    assert_eq!(state(&second).as_deref(), Some("expired"), "{answer}");
    // The peer writes its snapshots when it ends.
    assert!(process.terminate().success());

    let ours = open(&data);
    assert_eq!(ours.silence(&first).as_deref(), Some(before.as_ref()));
    assert_eq!(ours.silences(|_| true).len(), 2);
    assert!(!data.join("silences.corrupt").exists());
}

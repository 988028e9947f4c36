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

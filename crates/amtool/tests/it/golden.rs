//! Exit code and both outputs of every recorded call, equal but for times.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_amtool::{Output, World};
use gauntlet_runtime::SystemClock;
use serde_json::Value;

/// Calls that do not come out as recorded, with the reason.
const GAPS: &[(&str, &str)] = &[];

async fn call(arguments: &[String], stdin: &str) -> Output {
    let mut stdin = stdin.as_bytes();
    let world = World {
        program: "amtool",
        version: String::new(),
        clock: Arc::new(SystemClock),
        settings: Vec::new(),
        user: "tester".to_owned(),
        stdin: &mut stdin,
    };
    gauntlet_amtool::run(arguments, world).await
}

/// Times become `TS`; the folder `WD`.
fn masked(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line = match line.strip_prefix("time=").and_then(|rest| rest.split_once(' ')) {
            Some((_, rest)) => format!("time=TS {rest}"),
            None => line.to_owned(),
        };
        lines.push(line.replace("2006-01-02T15:04:05Z07:00", "TS07:00"));
    }
    lines.join("\n")
}

fn compare(name: &str, got: &Output, case: &Value) -> Result<(), String> {
    let text = |field: &str| masked(case[field].as_str().unwrap_or_default());
    let code = case["exit"].as_u64().unwrap_or(0);
    if u64::from(got.code) != code {
        return Err(format!("{name}: exit {} for {code}; {}{}", got.code, got.stdout, got.stderr));
    }
    for (field, got) in [("stdout", &got.stdout), ("stderr", &got.stderr)] {
        let (got, expected) = (masked(got), text(field));
        let same = match expected.split_once("<usage text>") {
            Some((before, _)) => got.starts_with(before),
            None => got == expected,
        };
        if !same {
            return Err(format!("{name}: {field}\n  got      {got:?}\n  expected {expected:?}"));
        }
    }
    Ok(())
}

/// The tests of this file stand in folders of their own, one after the other.
async fn run_all(cases: &[Value], key: &str, folder: &Path, what: &str) {
    std::env::set_current_dir(folder).unwrap();
    let (mut passed, mut failures, mut total) = (0, Vec::new(), 0);
    for case in cases {
        let mut words: Vec<String> =
            case[key].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect();
        if key == "argv" && words.remove(0) != "amtool" {
            continue;
        }
        total += 1;
        let name = words.join(" ");
        let got = call(&words, case["stdin"].as_str().unwrap_or_default()).await;
        let gap = GAPS.iter().any(|(gap, _)| *gap == name);
        match compare(&name, &got, case) {
            Ok(()) if gap => failures.push(format!("{name}: passes now, take it off the list")),
            Ok(()) => passed += 1,
            Err(_) if gap => {}
            Err(text) => failures.push(text),
        }
    }
    println!("{what}: {passed}/{total} as the peer");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(total > 80, "the recording has more calls than that");
}

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn recorded_calls() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let calls = read(dir.join("golden/amtool.json"));
    run_all(
        calls.as_array().unwrap(),
        "args",
        &dir.join("conformance/alertmanager"),
        "amtool calls",
    )
    .await;
    let misuse = read(dir.join("golden/go/cli-errors.json"));
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in misuse["files"].as_object().unwrap() {
        let path = folder.path().join(name);
        match text.as_str() {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => std::fs::create_dir_all(path).unwrap(),
        }
    }
    // Named by the recording, its text not kept: the one that the errors speak of.
    std::fs::write(folder.path().join("data.json"), "{bad").unwrap();
    run_all(misuse["cases"].as_array().unwrap(), "argv", folder.path(), "amtool misuse").await;
}

//! Misuse of the command line, against what the real programs said to it.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::Value;

/// Cases of the recording whose outcome differs, each with the reason. One that starts to agree fails the test.
const GAPS: &[(&str, &str)] = &[
    (
        "prometheus --agent --config.file=agentbad.yml --storage.agent.path=d/ag",
        "the agent mode is refused by name before its configuration is looked at",
    ),
    (
        "prometheus --web.remote-write-receiver.accepted-protobuf-messages=x",
        "the flag is refused by name whatever its value",
    ),
];

#[test]
fn misuse_is_answered_as_the_peers_answer() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let text = std::fs::read_to_string(dir.join("golden/go/cli-errors.json")).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    let work = tempfile::tempdir().unwrap();
    for (name, content) in recording["files"].as_object().unwrap() {
        std::fs::write(work.path().join(name), content.as_str().unwrap()).unwrap();
    }
    let (mut passed, mut total, mut failures) = (0, 0, Vec::new());
    for case in recording["cases"].as_array().unwrap() {
        let argv: Vec<&str> =
            case["argv"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        if !is_syntax_case(&argv, case) {
            continue;
        }
        total += 1;
        let output = Command::new(env!("CARGO_BIN_EXE_gauntlet"))
            .arg0(argv[0])
            .args(&argv[1..])
            .current_dir(work.path())
            .output()
            .unwrap();
        let expected_code = case["exit"].as_i64().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = case["stderr"].as_str().unwrap_or("");
        let agrees = output.status.code().map(i64::from) == Some(expected_code)
            && same_text(&stderr, expected);
        let shown = argv.join(" ");
        let gap = GAPS.iter().find(|(argv, _)| *argv == shown);
        match (agrees, gap) {
            (true, None) => passed += 1,
            (true, Some(_)) => failures.push(format!("{shown}: agrees now, remove it from the gaps")),
            (false, Some(_)) => {}
            (false, None) => failures.push(format!(
                "{shown}: exit {:?}, expected {expected_code}\n  got      {:?}\n  expected {expected:?}",
                output.status.code(),
                stderr.lines().last().unwrap_or_default()
            )),
        }
    }
    println!("command lines: {passed}/{total} as the peers, {} known gaps", GAPS.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(total > 60, "the recording has more cases than that");
}

/// Whether a case is about the command line alone: of a program and command that are ours, ended by parsing.
fn is_syntax_case(argv: &[&str], case: &Value) -> bool {
    let stderr = case["stderr"].as_str().unwrap_or("");
    let ours = match argv[0] {
        "prometheus" | "node_exporter" | "alertmanager" => true,
        "thanos" => {
            let command = argv.iter().skip(1).find(|a| !a.starts_with("--"));
            command.is_none_or(|c| matches!(*c, "query" | "store" | "sidecar" | "bogus"))
        }
        _ => false,
    };
    let parsing =
        ["Error parsing command line", "try --help", "error parsing commandline", "agent mode"]
            .iter()
            .any(|text| stderr.contains(text))
            || stderr.starts_with("thanos: error: ");
    ours && case["exit"].is_i64() && parsing
}

/// Equal, where the recording's usage text stands for any usage text.
fn same_text(got: &str, expected: &str) -> bool {
    match expected.split_once("<usage text>") {
        Some((_, after)) => got.ends_with(after),
        None => got == expected,
    }
}

//! The conformance scripts.

use gauntlet_promql::{ParserOptions, parse};
use gauntlet_testkit::promqltest::{Command, Script};

/// Text of every script: (name, text).
fn scripts() -> Vec<(String, String)> {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return Vec::new() };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.join("conformance/promql")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.push((name, std::fs::read_to_string(&path).unwrap()));
    }
    found.sort();
    assert!(found.len() >= 21, "only {} scripts", found.len());
    found
}

#[test]
fn every_script_is_understood_and_every_query_prints_to_itself() {
    let (mut evals, mut loads) = (0, 0);
    for (name, text) in scripts() {
        let script = Script::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut store = gauntlet_testkit::promqltest::MemoryStore::new();
        for command in &script.commands {
            match command {
                Command::Clear => store.clear(),
                Command::Load(load) => {
                    loads += 1;
                    store.load(load).unwrap_or_else(|e| panic!("{name}:{}: {e}", load.line));
                }
                Command::Eval(eval) => {
                    evals += 1;
                    let expr = parse(&eval.query, &ParserOptions::all()).unwrap();
                    let printed = expr.to_string();
                    let again = parse(&printed, &ParserOptions::all())
                        .unwrap_or_else(|e| panic!("{name}:{}: {printed}: {e}", eval.line));
                    assert_eq!(again.to_string(), printed, "{name}:{}", eval.line);
                }
            }
        }
    }
    println!("{evals} evals and {loads} loads understood");
}

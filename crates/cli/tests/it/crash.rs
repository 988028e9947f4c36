//! A server that is killed again and again on one folder: it starts by itself each time and keeps what it answered.

use std::collections::BTreeMap;
use std::path::Path;

use gauntlet_testkit::process::ask_until;
use serde_json::Value;

use crate::support::{node, server, starting_server, with_params};

/// Kills; `KILL_ROUNDS` asks for more.
const ROUNDS: u32 = 20;

/// Targets are taken up at once.
const QUICK: &[&str] = &["--scrape.discovery-reload-interval=50ms"];

/// Samples by time, as an answer has them.
type Samples = BTreeMap<String, String>;

fn samples(answer: &Value) -> Option<Samples> {
    let result = answer["data"]["result"].as_array()?;
    let values = result.first()?["values"].as_array()?;
    Some(
        values
            .iter()
            .filter_map(|pair| Some((pair[0].to_string(), pair[1].as_str()?.to_owned())))
            .collect(),
    )
}

fn scrape_config(dir: &Path, target: std::net::SocketAddr) -> std::path::PathBuf {
    let path = dir.join("crash.yml");
    let text = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n- job_name: node\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn nothing_answered_is_lost_over_twenty_kills() {
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let work = tempfile::tempdir().unwrap();
    let node = node();
    let config = scrape_config(work.path(), node.http);
    let data = work.path().join("data");
    let path = with_params("/api/v1/query", &[("query", "up{job=\"node\"}[1h]")]);
    let mut known = Samples::new();
    // Where in its work the server is hit: so many answers after the first new sample.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..rounds {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if round % 4 == 3 {
            // Hit while it may still be replaying its log.
            starting_server(&config, &data, "127.0.0.1:0", QUICK).process.kill();
        }
        let role = server(&config, &data, QUICK);
        let before: Samples = std::mem::take(&mut known);
        let first = ask_until(role.http, &path, |answer| {
            let found: Value = serde_json::from_slice(&answer.body).ok()?;
            match samples(&found) {
                None if before.is_empty() => None,
                found => Some(found.unwrap_or_default()),
            }
        });
        for (time, value) in &before {
            assert_eq!(first.get(time), Some(value), "round {round}: sample at {time}");
        }
        known = ask_until(role.http, &path, |answer| {
            let found = samples(&serde_json::from_slice(&answer.body).ok()?)?;
            (found.len() > before.len() + 1).then_some(found)
        });
        for _ in 0..seed % 16 {
            let found = samples(&role.ask("/api/v1/query", &[("query", "up{job=\"node\"}[1h]")]));
            known = found.unwrap();
        }
        role.process.kill();
    }
    let role = server(&config, &data, QUICK);
    let last = samples(&role.ask("/api/v1/query", &[("query", "up{job=\"node\"}[1h]")])).unwrap();
    assert!(known.iter().all(|(time, value)| last.get(time) == Some(value)));
    let runtime = role.ask("/api/v1/status/runtimeinfo", &[]);
    println!(
        "kills: {rounds} and {} while starting; {} samples, none lost; damages found: {}",
        rounds / 4,
        last.len(),
        runtime["data"]["corruptionCount"]
    );
    assert!(role.process.terminate().success());
}

//! The same fakes asked by a real Prometheus, named by `PROMETHEUS_BIN`: both must find the same targets.
//!
//! Without the binary the check is skipped, aloud.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gauntlet_testkit::process::Process;

use crate::fake::Fake;
use crate::found::Running;
use crate::kinds::cases;
use crate::kubernetes::{ApiServer, roles, world};

/// Labels that a scrape adds to every target.
const OF_SCRAPE: [&str; 8] = [
    "job",
    "__scheme__",
    "__metrics_path__",
    "__scrape_interval__",
    "__scrape_timeout__",
    "__always_scrape_classic_histograms__",
    "__convert_classic_histograms_to_nhcb__",
    "__scrape_native_histograms__",
];

fn binary() -> Option<PathBuf> {
    let found = std::env::var_os("PROMETHEUS_BIN").map(PathBuf::from).filter(|path| path.is_file());
    if found.is_none() {
        #[expect(clippy::print_stdout, reason = "a skipped check must be seen")]
        {
            println!("SKIPPED: no real Prometheus to compare with; set PROMETHEUS_BIN");
        }
    }
    found
}

/// A Prometheus that discovers by a configuration and drops all it finds.
struct Peer {
    _process: Process,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Peer {
    /// `jobs` maps names to mappings of discoveries.
    fn start(binary: &Path, jobs: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = String::from("scrape_configs:\n");
        for line in jobs.lines() {
            let (job, body) = line.split_once(": {").unwrap();
            config.push_str(&format!(
                "- {{job_name: {job}, relabel_configs: [{{action: drop, regex: '.*'}}], {body}\n"
            ));
        }
        let path = dir.path().join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        // Variables of this machine that its clients would heed.
        let process = Process::start(
            Path::new("/usr/bin/env"),
            "env",
            &[
                "-u",
                "AWS_CA_BUNDLE",
                &binary.display().to_string(),
                &format!("--config.file={}", path.display()),
                &format!("--storage.tsdb.path={}", dir.path().join("data").display()),
                "--web.listen-address=127.0.0.1:0",
                "--scrape.discovery-reload-interval=100ms",
                "--log.format=logfmt",
            ],
        );
        let mut peer = Self { _process: process, address: ([0, 0, 0, 0], 0).into(), _dir: dir };
        peer.address = peer._process.wait_for_address("Listening on");
        peer
    }

    /// The lines of a job once there are as many as wanted; else the last ones.
    fn lines(&self, job: &str, count: usize) -> Result<BTreeSet<String>, BTreeSet<String>> {
        let path = format!("/api/v1/targets?scrapePool={job}");
        let mut last = BTreeSet::new();
        for _ in 0..TRIES {
            let answer = gauntlet_testkit::http::get(self.address, &path).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let dropped = value["data"]["droppedTargets"].as_array().cloned().unwrap_or_default();
            let of_job = dropped.iter().filter(|t| t["discoveredLabels"]["job"] == job);
            last = of_job.map(line).collect();
            if last.len() >= count {
                return Ok(last);
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        Err(last)
    }
}

/// Looks at a real server's targets before giving up.
const TRIES: usize = 300;

fn line(target: &serde_json::Value) -> String {
    let labels: BTreeMap<&str, &str> = target["discoveredLabels"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let pairs: Vec<String> = labels
        .iter()
        .filter(|(name, value)| {
            let is_default = match **name {
                "__scheme__" => **value == "http",
                "__metrics_path__" => **value == "/metrics",
                name => OF_SCRAPE.contains(&name),
            };
            !is_default
        })
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(" ")
}

/// What differs, if anything does.
fn difference(job: &str, ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Option<String> {
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).cloned().collect()
    };
    let (ours, theirs) = (only(ours, theirs), only(theirs, ours));
    let is_same = ours.is_empty() && theirs.is_empty();
    (!is_same).then(|| format!("{job}\nonly ours: {ours:#?}\nonly theirs: {theirs:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_as_the_peer() {
    let Some(binary) = binary() else { return };
    let server = ApiServer::start(&world()).await;
    let jobs = roles(&server.address);
    let mut running = Running::start(&jobs, "").await;
    let peer = tokio::task::block_in_place(|| Peer::start(&binary, &jobs));
    for (role, _, count) in crate::kubernetes::ROLES {
        let job = format!("k8s-{role}");
        let ours = running.until(&job, |lines| lines.len() >= *count).await;
        let theirs = tokio::task::block_in_place(|| peer.lines(&job, *count)).unwrap();
        assert_eq!(difference(&job, &ours, &theirs), None);
    }
    let text = gauntlet_testkit::http::get(peer.address, "/metrics").unwrap().text();
    let ours = running.registry.gather();
    for name in text.lines().filter_map(|l| l.strip_prefix("# HELP prometheus_sd_")) {
        let (name, help) = name.split_once(' ').unwrap();
        let name = format!("prometheus_sd_{name}");
        let family = ours.iter().find(|f| f.name == name);
        assert_eq!(family.map(|f| &*f.help), Some(help), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_as_the_peer() {
    let Some(binary) = binary() else { return };
    let (mut fakes, mut jobs) = (Vec::new(), String::new());
    for case in cases().filter(|case| case.peer) {
        let fake = Fake::start((case.routes)()).await;
        jobs.push_str(&format!("{}: {{{}}}\n", case.job, fake.fill(case.config)));
        fakes.push((case, fake));
    }
    if fakes.is_empty() {
        return;
    }
    let mut running = Running::start(&jobs, "").await;
    let peer = tokio::task::block_in_place(|| Peer::start(&binary, &jobs));
    let mut wrong = Vec::new();
    for (case, fake) in &fakes {
        let ours = running.try_until(case.job, |lines| lines.len() >= case.count).await;
        let theirs = tokio::task::block_in_place(|| peer.lines(case.job, case.count));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => wrong.extend(difference(case.job, &ours, &theirs)),
            (ours, theirs) => wrong.push(format!(
                "{}: ours {ours:?}\ntheirs {theirs:?}\n{}",
                case.job,
                fake.log()
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

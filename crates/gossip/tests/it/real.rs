//! Beside a real Alertmanager, named by the environment's `ALERTMANAGER_BIN`; skipped, loudly, without one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gauntlet_gossip::ClusterOptions;
use gauntlet_testkit::http;
use gauntlet_testkit::process::{Process, ask_until};

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gauntlet_gossip::{Channel, Cluster, MergeError, State};
use gauntlet_runtime::{Chance, SystemClock};
use gauntlet_telemetry::Registry;
use parking_lot::Mutex;
use prost::Message as _;

use crate::sockets::{options, tls_file, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// The parts of Alertmanager's silences that this test needs.
#[derive(Clone, PartialEq, prost::Message)]
struct MeshSilence {
    #[prost(message, optional, tag = "1")]
    silence: Option<Silence>,
    #[prost(message, optional, tag = "2")]
    expires_at: Option<Time>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Silence {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "2")]
    matchers: Vec<Matcher>,
    #[prost(message, optional, tag = "3")]
    starts_at: Option<Time>,
    #[prost(message, optional, tag = "4")]
    ends_at: Option<Time>,
    #[prost(message, optional, tag = "5")]
    updated_at: Option<Time>,
    #[prost(string, tag = "8")]
    created_by: String,
    #[prost(string, tag = "9")]
    comment: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Matcher {
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    pattern: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

/// A silence with this comment, as it travels.
fn silence(number: u8, comment: &str) -> Vec<u8> {
    let now = gauntlet_runtime::Clock::now_ms(&SystemClock) / 1000;
    let at = |seconds| Some(Time { seconds });
    let silence = Silence {
        id: format!("00000000-0000-4000-8000-0000000000{number:02x}"),
        matchers: vec![Matcher { name: "alertname".to_owned(), pattern: "X".to_owned() }],
        starts_at: at(now - 10),
        ends_at: at(now + 3600),
        updated_at: at(now - 10),
        created_by: "gauntlet".to_owned(),
        comment: comment.to_owned(),
    };
    MeshSilence { silence: Some(silence), expires_at: at(now + 7200) }
        .encode_length_delimited_to_vec()
}

/// Keeps the comments of what comes, and has a state of its own.
#[derive(Debug, Default)]
struct Silences {
    own: Vec<u8>,
    comments: Mutex<Vec<String>>,
    channel: OnceLock<Channel>,
}

impl Silences {
    fn has(&self, comment: &str) -> bool {
        self.comments.lock().iter().any(|found| found == comment)
    }
}

impl State for Silences {
    fn marshal(&self) -> Bytes {
        Bytes::from(self.own.clone())
    }

    fn merge(&self, data: &[u8]) -> Result<(), MergeError> {
        let mut rest = data;
        while !rest.is_empty() {
            let mesh = MeshSilence::decode_length_delimited(&mut rest)
                .map_err(|err| MergeError(err.to_string()))?;
            let silence = mesh.silence.ok_or_else(|| MergeError("no silence".to_owned()))?;
            self.comments.lock().push(silence.comment);
        }
        Ok(())
    }
}

/// The notification log: nothing to say, and nothing wanted.
#[derive(Debug)]
struct Nothing;

impl State for Nothing {
    fn marshal(&self) -> Bytes {
        Bytes::new()
    }

    fn merge(&self, _: &[u8]) -> Result<(), MergeError> {
        Ok(())
    }
}

fn alertmanager() -> Option<PathBuf> {
    let found = std::env::var_os("ALERTMANAGER_BIN").map(PathBuf::from);
    if found.is_none() {
        println!("SKIPPED: no real Alertmanager to join; set ALERTMANAGER_BIN");
    }
    found
}

struct Real {
    process: Mutex<Process>,
    web: SocketAddr,
    cluster: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Real {
    fn start(binary: &Path, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("alertmanager.yml");
        std::fs::write(&config, "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
        let flags = [
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", dir.path().display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            "--cluster.listen-address=127.0.0.1:0".to_owned(),
            "--cluster.peer-name=real".to_owned(),
            "--cluster.reconnect-interval=1s".to_owned(),
        ];
        let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
        arguments.extend(more);
        let mut process = Process::start(binary, "alertmanager", &arguments);
        let web = process.wait_for_address("Listening on");
        let cluster = ask_until(web, "/api/v2/status", |answer| {
            let status: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
            status["cluster"]["peers"][0]["address"].as_str()?.parse().ok()
        });
        Self { process: Mutex::new(process), web, cluster, _dir: dir }
    }

    fn make_silence(&self, comment: &str) {
        let body = serde_json::json!({
            "matchers": [{ "name": "a", "value": "b", "isRegex": false, "isEqual": true }],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2199-01-01T00:00:00Z",
            "createdBy": "test", "comment": comment,
        });
        let headers = [("Content-Type", "application/json")];
        let body = body.to_string();
        let path = "/api/v2/silences";
        let answer = http::request(self.web, "POST", path, &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Names of the members in an answer about the status.
fn members(status: &serde_json::Value) -> Vec<&str> {
    let peers = status["cluster"]["peers"].as_array().unwrap();
    let mut names: Vec<_> = peers.iter().map(|peer| peer["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Whether an answer about silences has one whose comment begins like this.
fn has_silence(silences: &serde_json::Value, comment: &str) -> bool {
    let mut all = silences.as_array().unwrap().iter();
    all.any(|silence| silence["comment"].as_str().unwrap().starts_with(comment))
}

struct Ours {
    cluster: Cluster,
    silences: Arc<Silences>,
    registry: Registry,
}

impl Ours {
    async fn start(options: ClusterOptions, own: Vec<u8>) -> Self {
        let registry = Registry::new();
        let clock = Arc::new(SystemClock);
        let chance = Chance::from_system();
        let cluster = Cluster::create(options, &registry, clock, chance).await.unwrap();
        let silences = Arc::new(Silences { own, ..Silences::default() });
        let channel = cluster.add_state("sil", silences.clone());
        silences.channel.set(channel).unwrap();
        cluster.add_state("nfl", Arc::new(Nothing));
        assert_eq!(cluster.join().await.unwrap(), 1);
        Self { cluster, silences, registry }
    }

    fn broadcast(&self, data: Vec<u8>) {
        self.silences.channel.get().unwrap().broadcast(data);
    }

    /// Whether each family of the cluster in the real one's exposition is here too, with the same help and type.
    fn has_the_metrics_of(&self, exposition: &str) {
        let families = self.registry.gather();
        let mut compared = 0;
        let mut lines = exposition.lines();
        while let Some(help) = lines.find_map(|line| line.strip_prefix("# HELP ")) {
            let (name, help) = help.split_once(' ').unwrap();
            let of_the_cluster =
                ["cluster_", "peer_", "oversize", "tls_transport_"].iter().any(|part| {
                    name.strip_prefix("alertmanager_").is_some_and(|n| n.starts_with(part))
                });
            // Whether there is a cluster at all is for others to say.
            if !of_the_cluster || name == "alertmanager_cluster_enabled" {
                continue;
            }
            let ours = families.iter().find(|family| family.name == name);
            let ours = ours.unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(ours.help, help, "{name}");
            let kind = lines.next().unwrap().rsplit(' ').next().unwrap();
            assert_eq!(ours.kind.as_str(), kind, "{name}");
            compared += 1;
        }
        assert!(compared >= 25, "{compared}");
    }

    fn pings(&self) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name == "alertmanager_cluster_pings_seconds");
        let counts = family.iter().flat_map(|f| &f.metrics).map(|metric| match metric.value {
            gauntlet_telemetry::MetricValue::Histogram { count, .. } => count,
            _ => 0,
        });
        counts.sum()
    }
}

/// All that two nodes of a cluster do with each other.
async fn live_together(binary: PathBuf, flags: Vec<String>, options: ClusterOptions) {
    let start = move || {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let real = Real::start(&binary, &flags);
        real.make_silence("made before the join");
        real
    };
    let real = Arc::new(tokio::task::spawn_blocking(start).await.unwrap());
    let peers = vec![real.cluster.to_string()];
    let ours =
        Ours::start(ClusterOptions { peers, ..options }, silence(1, "only in our state")).await;

    assert!(ours.silences.has("made before the join"), "by the exchange");
    assert_eq!(ours.cluster.members().len(), 2);
    let web = real.web;
    let sees = async |path: &'static str, check: fn(&serde_json::Value) -> bool| {
        let look = move || {
            ask_until(web, path, |answer| {
                let answer = serde_json::from_slice(&answer.body).ok()?;
                check(&answer).then_some(())
            });
        };
        tokio::task::spawn_blocking(look).await.unwrap();
    };
    sees("/api/v2/status", |status| members(status) == ["ours", "real"]).await;
    sees("/api/v2/silences", |all| has_silence(all, "only in our state")).await;
    ours.broadcast(silence(2, "small of ours"));
    ours.broadcast(silence(3, &format!("large of ours {}", "z".repeat(3_000))));
    sees("/api/v2/silences", |all| has_silence(all, "small of ours")).await;
    sees("/api/v2/silences", |all| has_silence(all, "large of ours")).await;

    let large = format!("large of theirs {}", "z".repeat(3_000));
    let (making, comment) = (Arc::clone(&real), large.clone());
    let make = move || {
        making.make_silence("small of theirs");
        making.make_silence(&comment);
    };
    tokio::task::spawn_blocking(make).await.unwrap();
    until("small of theirs", || ours.silences.has("small of theirs")).await;
    until("large of theirs", || ours.silences.has(&large)).await;
    until("three pings answered", || ours.pings() >= 3).await;
    assert_eq!(ours.cluster.view().health(), 0);
    assert_eq!(ours.cluster.members().len(), 2);

    let metrics = move || http::get(web, "/metrics").unwrap().text();
    let metrics = tokio::task::spawn_blocking(metrics).await.unwrap();
    ours.has_the_metrics_of(&metrics);

    ours.cluster.leave(PATIENCE).await.unwrap();
    sees("/api/v2/status", |status| members(status) == ["real"]).await;
    let real = Arc::into_inner(real).unwrap();
    assert!(
        tokio::task::spawn_blocking(|| real.process.into_inner().terminate())
            .await
            .unwrap()
            .success()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_real_alertmanager() {
    let Some(binary) = alertmanager() else { return };
    live_together(binary, vec![], options("ours", &[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_real_alertmanager_under_a_label() {
    let Some(binary) = alertmanager() else { return };
    let options = ClusterOptions { label: "blue".to_owned(), ..options("ours", &[]) };
    live_together(binary, vec!["--cluster.label=blue".to_owned()], options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_real_alertmanager_over_tls() {
    let Some(binary) = alertmanager() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = tls_file(dir.path());
    let flag = format!("--cluster.tls-config={}", file.display());
    let options = ClusterOptions { tls_config_file: Some(file), ..options("ours", &[]) };
    live_together(binary, vec![flag], options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_alertmanager_joins_us_and_misses_us_when_we_crash() {
    let Some(binary) = alertmanager() else { return };
    let start = async |options| {
        let (registry, clock) = (Registry::new(), Arc::new(SystemClock));
        let chance = Chance::from_system();
        let cluster = Cluster::create(options, &registry, clock, chance).await.unwrap();
        cluster.add_state("nfl", Arc::new(Nothing));
        cluster.join().await.unwrap();
        cluster
    };
    let ours = start(options("ours", &[])).await;
    let address = ours.advertise();
    let peer = format!("--cluster.peer={address}");
    let launch = move || Real::start(&binary, &[&peer]);
    let real = tokio::task::spawn_blocking(launch).await.unwrap();
    until("joined", || ours.members().len() == 2).await;
    let web = real.web;
    let sees = async |names: &'static [&'static str]| {
        let look = move || {
            ask_until(web, "/api/v2/status", |answer| {
                let status = serde_json::from_slice(&answer.body).ok()?;
                (members(&status) == names).then_some(())
            });
        };
        tokio::task::spawn_blocking(look).await.unwrap();
    };
    sees(&["ours", "real"]).await;
    // Sockets closed without a word: a probe fails, the suspicion runs out.
    drop(ours);
    sees(&["real"]).await;
    // Back under the same name: the incarnation that it is held for dead with is learnt, and refuted.
    let bind = address.to_string();
    let again = start(ClusterOptions { bind, ..options("ours", &[real.cluster]) }).await;
    sees(&["ours", "real"]).await;
    assert_eq!(again.members().len(), 2);
}

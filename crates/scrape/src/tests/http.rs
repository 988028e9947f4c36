//! The whole way over loopback: manager, pools, a small exporter.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use gauntlet_model::Labels;
use gauntlet_net::{Server, ServerOptions};
use gauntlet_runtime::{Shutdown, ShutdownTrigger, SystemClock};
use gauntlet_telemetry::{MetricValue, Registry};

use super::recorder::Recorder;
use crate::config::ScrapeConfig;
use crate::config::tests_support::parse;
use crate::manager::{Manager, ManagerHandle, ManagerOptions};
use crate::target::Health;
use gauntlet_model::{TargetGroup, TargetSets};

#[derive(Clone, Default)]
struct Exporter {
    scrapes: Arc<AtomicUsize>,
    accept: Arc<parking_lot::Mutex<String>>,
}

async fn metrics(State(exporter): State<Exporter>, headers: http::HeaderMap) -> impl IntoResponse {
    let n = exporter.scrapes.fetch_add(1, Ordering::SeqCst);
    *exporter.accept.lock() = headers["accept"].to_str().unwrap().to_owned();
    let body = format!(
        "# TYPE scrapes counter\n# HELP scrapes Scrapes so far.\nscrapes_total {n}\n# EOF\n"
    );
    ([("content-type", "application/openmetrics-text; version=1.0.0")], body)
}

struct World {
    exporter: Exporter,
    address: String,
    recorder: Arc<Recorder>,
    handle: ManagerHandle,
    trigger: ShutdownTrigger,
    manager: tokio::task::JoinHandle<()>,
    registry: Registry,
    _server: ShutdownTrigger,
}

impl World {
    async fn new() -> Self {
        Self::looking_every(Duration::from_millis(10)).await
    }

    async fn looking_every(reload_interval: Duration) -> Self {
        let exporter = Exporter::default();
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/broken", get(|| async { ([("content-type", "text/plain")], "a b c\n") }))
            .route("/gone", get(|| async { http::StatusCode::GONE }))
            .with_state(exporter.clone());
        let server = Server::bind(&["127.0.0.1:0"], ServerOptions::default()).await.unwrap();
        let address = server.addresses()[0].to_string();
        let (server_trigger, server_shutdown) = Shutdown::new();
        tokio::spawn(server.run(router, server_shutdown));
        let recorder = Recorder::new();
        let registry = Registry::new();
        let options = ManagerOptions { reload_interval, ..ManagerOptions::default() };
        let (manager, handle) =
            Manager::new(options, Arc::clone(&recorder) as _, Arc::new(SystemClock), &registry);
        let (trigger, shutdown) = Shutdown::new();
        let manager = tokio::spawn(manager.run(shutdown));
        Self {
            exporter,
            address,
            recorder,
            handle,
            trigger,
            manager,
            registry,
            _server: server_trigger,
        }
    }

    fn sets(&self, jobs: &[&str]) -> Arc<TargetSets> {
        let group = TargetGroup {
            source: "test".into(),
            targets: vec![Labels::from_pairs([("__address__", self.address.as_str())])],
            labels: Labels::from_pairs([("rack", "r1")]),
        };
        let list = Arc::new(vec![Arc::new(group)]);
        Arc::new(jobs.iter().map(|job| ((*job).to_owned(), Arc::clone(&list))).collect())
    }

    /// Waits until `done` says so; the whole test has its bound elsewhere.
    async fn until(&self, mut done: impl FnMut(&Self) -> bool) {
        while !done(self) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn health(&self, job: &str) -> Health {
        let active = self.handle.status().active(Some(job));
        active.first().map_or(Health::Unknown, |a| a.report.health)
    }
}

fn config(text: &str) -> Arc<ScrapeConfig> {
    Arc::new(parse(&format!("{text}scrape_interval: 40ms\nscrape_timeout: 40ms\n")))
}

#[tokio::test]
async fn first_targets_of_a_job_wait_for_no_interval() {
    let world = World::looking_every(Duration::from_secs(3600)).await;
    let configs = ["a", "b"].map(|job| config(&format!("job_name: {job}\n")));
    world.handle.apply(configs.to_vec(), 1).await;
    world.handle.set_targets(world.sets(&[]));
    for jobs in [&["a"][..], &["a", "b"]] {
        world.handle.set_targets(world.sets(jobs));
        let last = jobs[jobs.len() - 1];
        world.until(|w| w.health(last) == Health::Up).await;
    }
}

#[tokio::test]
async fn targets_are_scraped_shown_and_stopped() {
    let mut world = World::new().await;
    let jobs = vec![
        config("job_name: good\n"),
        config("job_name: broken\nmetrics_path: /broken\n"),
        config("job_name: gone\nmetrics_path: /gone\n"),
        config(
            "job_name: dropped\nrelabel_configs: [{source_labels: [rack], regex: r1, action: drop}]\n",
        ),
    ];
    assert!(world.handle.apply(jobs, 1).await.is_empty());
    world.handle.set_targets(world.sets(&["good", "broken", "gone", "dropped"]));
    world
        .until(|w| {
            w.exporter.scrapes.load(Ordering::SeqCst) > 2
                && w.health("good") == Health::Up
                && w.health("broken") == Health::Down
                && w.health("gone") == Health::Down
        })
        .await;
    assert!(world.exporter.accept.lock().starts_with("application/openmetrics-text;version=1.0.0"));

    let status = world.handle.status();
    assert_eq!(status.pools(), ["broken", "dropped", "gone", "good"]);
    let error = |job: &str| status.active(Some(job))[0].report.error.clone().unwrap();
    assert_eq!(error("gone").to_string(), "server returned HTTP status 410 Gone");
    assert_eq!((error("gone").stage(), error("broken").stage()), ("status", "parse"));
    assert!(error("broken").to_string().contains("(line 1, column 3)"), "{}", error("broken"));
    let dropped = status.dropped(None);
    assert_eq!((dropped.len(), dropped[0].1.rule), (1, Some(0)));
    assert_eq!(status.dropped_counts()["dropped"], 1);
    let metadata = status.metadata(None, |labels| labels.value("job") == "good");
    assert_eq!(metadata[0].1[0].metadata.help, "Scrapes so far.");

    let good = format!(r#"instance="{}",job="good",rack="r1""#, world.address);
    let written = world.recorder.take();
    assert!(written.iter().any(|line| line.starts_with(&format!("scrapes_total{{{good}}} 0@"))));
    assert!(written.iter().any(|line| line.starts_with(&format!("up{{{good}}} 1@"))));
    check_metrics(&world.registry);
    let families = world.registry.gather();
    let targets =
        families.iter().find(|f| f.name == "prometheus_target_scrape_pool_targets").unwrap();
    assert_eq!(targets.metrics.len(), 4);

    world.trigger.fire();
    world.manager.await.unwrap();
    world.recorder.take();
    assert!(world.recorder.take().is_empty());
}

#[tokio::test]
async fn reloads_keep_what_stays_and_end_what_goes() {
    let world = World::new().await;
    world.handle.apply(vec![config("job_name: a\n"), config("job_name: b\n")], 1).await;
    world.handle.set_targets(world.sets(&["a", "b"]));
    world.until(|w| w.health("a") == Health::Up && w.health("b") == Health::Up).await;
    let named = world.recorder.named();
    // A larger sample limit leaves the series as they are; job b goes.
    world.handle.apply(vec![config("job_name: a\nsample_limit: 10\n")], 1).await;
    assert_eq!(world.handle.status().pools(), ["a"]);
    assert_eq!(world.handle.status().config("a").unwrap().limits.sample_limit, 10);
    let before = world.exporter.scrapes.load(Ordering::SeqCst);
    world.until(|w| w.exporter.scrapes.load(Ordering::SeqCst) > before + 1).await;
    assert_eq!(world.recorder.named(), named);
    // Its series are ended two intervals later.
    let ended = |w: &World| {
        w.recorder.take().iter().any(|line| {
            line.starts_with("up{") && line.contains("job=\"b\"") && line.contains("STALE")
        })
    };
    world.until(ended).await;
}

#[tokio::test]
async fn a_job_that_cannot_be_set_up_leaves_the_others_alone() {
    let world = World::new().await;
    let bad = config("job_name: bad\nproxy_url: socks5://proxy:1\n");
    let problems = world.handle.apply(vec![bad, config("job_name: good\n")], 1).await;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].0, "bad");
    world.handle.set_targets(world.sets(&["good", "bad"]));
    world.until(|w| w.health("good") == Health::Up).await;
}

/// Every `prometheus_target_*` family of the peer is here, with its type, labels, quantiles and buckets.
fn check_metrics(registry: &Registry) {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let text = std::fs::read_to_string(dir.join("golden/go/self-metrics/prometheus.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ours = registry.gather();
    let mut count = 0;
    for family in golden["families"].as_array().unwrap() {
        let name = family["name"].as_str().unwrap();
        if !name.starts_with("prometheus_target_") {
            continue;
        }
        count += 1;
        let Some(own) = ours.iter().find(|f| f.name == name) else { panic!("{name} is missing") };
        assert_eq!(own.kind.as_str(), family["type"].as_str().unwrap(), "{name}");
        let strings = |key: &str| -> Vec<String> {
            let list = family[key].as_array().cloned().unwrap_or_default();
            list.iter().map(|v| v.as_str().unwrap().to_owned()).collect()
        };
        let labels: Vec<_> = own.metrics[0].labels.iter().map(|(n, _)| n.to_string()).collect();
        assert_eq!(labels, strings("labels"), "{name}");
        match &own.metrics[0].value {
            MetricValue::Histogram { buckets, .. } => {
                let bounds: Vec<_> = buckets.iter().map(|b| b.0.to_string()).collect();
                assert_eq!(
                    [bounds, vec!["+Inf".to_owned()]].concat(),
                    strings("buckets"),
                    "{name}"
                );
            }
            MetricValue::Summary { quantiles, .. } => {
                let quantiles: Vec<_> = quantiles.iter().map(|q| q.0.to_string()).collect();
                assert_eq!(quantiles, strings("quantiles"), "{name}");
            }
            _ => {}
        }
    }
    assert!(count > 20, "{count} families");
}

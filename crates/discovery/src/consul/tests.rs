//! Against the answers of a real Consul and the targets a real Prometheus made of them (golden/consul.json).

use std::collections::BTreeSet;

use gauntlet_model::Labels;
use gauntlet_telemetry::Registry;
use gauntlet_yaml::{Context as YamlContext, Dialect, Document, Mapping};
use serde_json::Value;

use crate::deps::{Clients, Metrics};
use crate::fetch::{Answer, Ask, Fetch, FetchError, Lines};
use crate::{Deps, SdConfigs, TargetSets};
use gauntlet_model::ADDRESS_LABEL;

use super::*;

/// Answers from the recording. A blocking query that waits on the recorded index never ends.
#[derive(Clone, Debug)]
struct Recorded(Arc<Value>);

impl Clients for Recorded {
    fn client(
        &self,
        _: &gauntlet_net::config::HttpClientConfig,
        _: gauntlet_net::ClientOptions,
    ) -> Result<Client, FetchError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Fetch for Recorded {
    fn open(&self, ask: Ask) -> BoxFuture<'_, Result<Lines, FetchError>> {
        Box::pin(async move { Ok(Lines::of_answer(self.send(ask).await?)) })
    }

    fn send(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, FetchError>> {
        Box::pin(async move {
            let path = ask.url.strip_prefix("http://localhost:18500").unwrap();
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            if query.contains("index=") {
                futures::future::pending::<()>().await;
            }
            // Filters and waiting aside, as those were not recorded with stale reads.
            let tags: Vec<&str> = query.split('&').filter(|p| p.starts_with("tag=")).collect();
            let wanted = if tags.is_empty() {
                path.to_owned()
            } else {
                format!("{path}?stale=&{}", tags.join("&"))
            };
            let calls = self.0["calls"].as_array().unwrap();
            let call =
                calls.iter().rev().find(|c| c["method"] == "GET" && c["path"] == wanted.as_str());
            let Some(call) = call else {
                return Ok(Answer { status: 404, headers: Vec::new(), body: Vec::new() });
            };
            let headers = call["headers"].as_object().unwrap();
            Ok(Answer {
                status: call["status"].as_u64().unwrap() as u16,
                headers: headers
                    .iter()
                    .map(|(n, v)| (n.to_ascii_lowercase(), v.as_str().unwrap().to_owned()))
                    .collect(),
                body: call["response"].to_string().into_bytes(),
            })
        })
    }
}

/// The jobs of the recorded configuration.
fn jobs(text: &str) -> BTreeMap<String, SdConfigs> {
    let document = Document::parse(text.as_bytes(), Dialect::V2).unwrap();
    let mut cx = YamlContext::new();
    let mut map = Mapping::read(document.root().unwrap(), "config", &mut cx).unwrap();
    let jobs = map.node("scrape_configs").unwrap().items().map(|job| {
        let mut job = Mapping::read(job, "job", &mut cx).unwrap();
        let name: String = job.take(&mut cx, "job_name").unwrap();
        (name, SdConfigs::read(&mut job, &mut cx))
    });
    let jobs = jobs.collect();
    assert!(cx.is_empty());
    jobs
}

/// Labels that discovery gives, as rows of job and pairs.
fn rows(sets: &TargetSets) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for (job, groups) in sets {
        for group in groups.iter() {
            for target in &group.targets {
                let all = group.labels.iter().chain(target);
                rows.insert(format!("{job} {}", Labels::from_pairs(all)));
            }
        }
    }
    rows
}

#[test]
fn targets_are_those_the_peer_found() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let text = std::fs::read(dir.join("golden/consul.json")).unwrap();
    let recorded: Arc<Value> = Arc::new(serde_json::from_slice(&text).unwrap());
    // The instances of Consul itself were found, but the call that found them was not recorded.
    let unrecorded = |t: &&Value| t["discoveredLabels"]["__meta_consul_service"] == "consul";
    let want: BTreeSet<String> = recorded["targets"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|target| !unrecorded(target))
        .map(|target| {
            let labels = target["discoveredLabels"].as_object().unwrap();
            let of_discovery =
                labels.iter().filter(|(n, _)| n.starts_with("__meta_") || *n == ADDRESS_LABEL);
            let labels = Labels::from_pairs(of_discovery.map(|(n, v)| (n, v.as_str().unwrap())));
            format!("{} {labels}", target["labels"]["job"].as_str().unwrap())
        })
        .collect();
    let deps = Deps {
        clock: Arc::new(gauntlet_runtime::ManualClock::new(0)),
        metrics: Metrics::new(&Registry::new()),
        clients: Arc::new(Recorded(Arc::clone(&recorded))),
        resolver: Arc::new(crate::dns::SystemLookup::new()),
        watches: Default::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(async {
        let (mut trigger, shutdown) = Shutdown::new();
        let options = crate::ManagerOptions {
            update_interval: Duration::from_millis(1),
            ..Default::default()
        };
        let (manager, handle, mut sets) = crate::Manager::new(options, deps);
        let task = tokio::spawn(manager.run(shutdown));
        handle.apply(jobs(recorded["config"].as_str().unwrap())).await;
        let found = tokio::time::timeout(Duration::from_secs(8), async {
            loop {
                sets.changed().await.unwrap();
                let found = rows(&sets.borrow_and_update());
                if found.len() >= want.len() {
                    return found;
                }
            }
        });
        let found = found.await.expect("targets within time");
        trigger.fire();
        task.await.unwrap();
        found
    });
    assert_eq!(found, want);
}

//! What a manager finds by a configuration, as lines to compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_discovery::{
    Clients, Deps, Manager, ManagerHandle, ManagerOptions, Metrics, NetworkClients, SdConfigs,
    SharedWatches, TargetSets,
};
use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_runtime::{Shutdown, ShutdownTrigger, SystemClock};
use gauntlet_telemetry::Registry;
use gauntlet_yaml::{Context, Dialect, Document, Mapping};
use tokio::sync::watch;

/// Longest wait for targets.
const PATIENCE: Duration = Duration::from_secs(4);

/// Jobs by name, each a mapping of discoveries.
pub(crate) fn configs(text: &str) -> BTreeMap<String, SdConfigs> {
    let document = Document::parse(text.as_bytes(), Dialect::V2).unwrap();
    let mut cx = Context::new();
    let jobs = document.root().unwrap().pairs().map(|(name, node)| {
        let mut map = Mapping::read(node, "job", &mut cx).unwrap();
        let configs = SdConfigs::read(&mut map, &mut cx);
        map.finish(&mut cx);
        (name.text().unwrap().to_owned(), configs)
    });
    let jobs = jobs.collect();
    cx.finish(Some(jobs)).map_err(|err| err.to_string()).unwrap()
}

/// Clients that go through a proxy where the configuration knows none.
#[derive(Debug)]
struct Through(String);

impl Clients for Through {
    fn client(
        &self,
        config: &HttpClientConfig,
        options: ClientOptions,
    ) -> Result<Arc<dyn gauntlet_discovery::fetch::Fetch>, gauntlet_discovery::fetch::FetchError>
    {
        let mut config = config.clone();
        if config.proxy.proxy_from_environment && !self.0.is_empty() {
            config.proxy.proxy_from_environment = false;
            config.proxy.proxy_url = Some(format!("http://{}", self.0).parse().unwrap());
            config.tls_config.insecure_skip_verify = true;
        }
        NetworkClients.client(&config, options)
    }
}

/// A running manager.
pub(crate) struct Running {
    pub(crate) sets: watch::Receiver<Arc<TargetSets>>,
    pub(crate) handle: ManagerHandle,
    pub(crate) registry: Registry,
    pub(crate) watches: SharedWatches,
    _stop: ShutdownTrigger,
}

impl Running {
    /// `proxy` is what stands in for the environment's.
    pub(crate) async fn start(text: &str, proxy: &str) -> Self {
        let registry = Registry::new();
        let watches = SharedWatches::default();
        let deps = Deps {
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(&registry),
            clients: Arc::new(Through(proxy.to_owned())),
            resolver: Arc::new(gauntlet_discovery::dns::SystemLookup::new()),
            watches: watches.clone(),
        };
        let options =
            ManagerOptions { update_interval: Duration::from_millis(5), ..Default::default() };
        let (manager, handle, sets) = Manager::new(options, deps);
        let (stop, shutdown) = Shutdown::new();
        tokio::spawn(manager.run(shutdown));
        handle.apply(configs(text)).await;
        Self { sets, handle, registry, watches, _stop: stop }
    }

    /// Waits until the lines of a job are as `done` wants them; panics with the last ones.
    pub(crate) async fn until(
        &mut self,
        job: &str,
        done: impl Fn(&BTreeSet<String>) -> bool,
    ) -> BTreeSet<String> {
        self.try_until(job, done).await.unwrap_or_else(|err| panic!("{err}"))
    }

    /// As [`Self::until`]; errs with what was there at the end.
    pub(crate) async fn try_until(
        &mut self,
        job: &str,
        done: impl Fn(&BTreeSet<String>) -> bool,
    ) -> Result<BTreeSet<String>, String> {
        let mut last = BTreeSet::new();
        let wait = async {
            loop {
                last = lines(&self.sets.borrow_and_update(), job);
                if done(&last) {
                    return;
                }
                self.sets.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        if waited.is_err() {
            let status = self.handle.status();
            let status: Vec<_> =
                status.iter().filter(|s| s.jobs.iter().any(|j| j == job)).collect();
            return Err(format!("{job}: not as wanted in time; last:\n{last:#?}\n{status:?}"));
        }
        Ok(last)
    }

    /// The value of a metric, by the text of its labels.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> String {
        let family = self.registry.gather().into_iter().find(|f| f.name == name).unwrap();
        let wanted = |m: &&gauntlet_telemetry::Metric| {
            labels.iter().all(|l| m.labels.iter().any(|(_, v)| v == l))
        };
        family.metrics.iter().find(wanted).map(|m| format!("{:?}", m.value)).unwrap_or_default()
    }
}

/// A line a target: its labels and its group's.
pub(crate) fn lines(sets: &TargetSets, job: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for group in sets.get(job).map(|groups| groups.as_slice()).unwrap_or_default() {
        for target in &group.targets {
            let mut all: BTreeMap<&str, &str> = group.labels.iter().chain(target).collect();
            // What a scrape would add anyway.
            all.retain(|n, v| {
                !matches!((*n, *v), ("__scheme__", "http") | ("__metrics_path__", "/metrics"))
            });
            let pairs: Vec<String> = all.iter().map(|(n, v)| format!("{n}={v}")).collect();
            lines.insert(pairs.join(" "));
        }
    }
    lines
}

//! The trait of discoverers, how they report, and which kinds there are.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_net::ClientOptions;
use gauntlet_net::config::BasicAuth;
use gauntlet_runtime::Shutdown;
use tokio::sync::mpsc;

use crate::aws;
use crate::config::{Fields, SdConfig};
use crate::deps::Deps;
use crate::kinds::kuma::Kuma;
use crate::kinds::{self, Making};
use crate::kubernetes::KubernetesDiscoverer;
use gauntlet_model::TargetGroup;

/// Finds targets until it is told to stop. On errors it keeps silent, so that its last good groups stay.
pub trait Discoverer: Send {
    fn run(self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()>;
}

/// What a discoverer tells its manager.
#[derive(Debug)]
pub(crate) enum Report {
    /// Groups, each in place of the last one of its source.
    Found(Vec<TargetGroup>),
    /// Nothing was found out, and why; what was found before stays.
    Failed(String),
}

/// Where a discoverer reports changed groups.
#[derive(Clone, Debug)]
pub struct Updates {
    pub(crate) provider: u64,
    pub(crate) sender: mpsc::Sender<(u64, Report)>,
}

impl Updates {
    /// Reports groups; each replaces the last one of its source. `false`: nobody listens any more.
    pub async fn send(&self, groups: Vec<TargetGroup>) -> bool {
        self.sender.send((self.provider, Report::Found(groups))).await.is_ok()
    }

    /// Reports that finding failed. `false`: nobody listens any more.
    pub async fn fail(&self, reason: String) -> bool {
        self.sender.send((self.provider, Report::Failed(reason))).await.is_ok()
    }
}

/// Why a discovery cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "service discovery kind {0:?} is not supported by this build; supported are {supported}",
        supported = supported().join(", ")
    )]
    Unsupported(&'static str),
    #[error("service discovery kind {kind:?}: {reason}")]
    Refused { kind: &'static str, reason: String },
    #[error("service discovery kind {kind:?}: {source}")]
    Client { kind: &'static str, source: crate::fetch::FetchError },
}

/// Makes the discoverer of a configuration. `job` names it in metrics.
pub fn build(config: &SdConfig, job: &str, deps: &Deps) -> Result<Box<dyn Discoverer>, StartError> {
    let fields = match config {
        SdConfig::Static(groups) => {
            return Ok(Box::new(crate::fixed::StaticDiscoverer::new(groups.clone())));
        }
        SdConfig::Described { fields, .. } => fields,
    };
    let kind = config.kind();
    let client = || {
        let mut http = fields.http();
        let (username, password) = (fields.str("username"), fields.secret("password"));
        if kind == "consul" && (!username.is_empty() || !password.is_empty()) {
            let username = username.to_owned();
            http.basic_auth = Some(BasicAuth { username, password, ..BasicAuth::default() });
        }
        deps.clients
            .client(&http, ClientOptions::default())
            .map_err(|source| StartError::Client { kind, source })
    };
    Ok(match kind {
        "file" => Box::new(crate::file::FileDiscoverer::new(fields, deps)),
        "http" => Box::new(crate::http::HttpDiscoverer::new(fields, job, client()?, deps)),
        "dns" => Box::new(crate::dns::DnsDiscoverer::new(fields, job, deps)),
        "consul" => Box::new(crate::consul::ConsulDiscoverer::new(fields, client()?, deps)),
        "kubernetes" => Box::new(KubernetesDiscoverer::new(fields, deps)?),
        "kuma" => Box::new(Kuma::new(&Making { kind, fields, deps })?),
        _ => {
            let calls = RefreshLoop {
                mechanism: aws::kind_of(kind, fields),
                job: job.to_owned(),
                interval: refresh_interval(fields),
                deps: deps.clone(),
            };
            Box::new(Polled { calls, source: kinds::build(kind, fields, deps)? })
        }
    })
}

/// Kinds that can be run beside [`kinds::KINDS`].
const SUPPORTED: &[&str] = &["consul", "dns", "file", "http", "kubernetes", "kuma", "static"];

/// Whether a kind can be run by this build.
pub fn is_supported(kind: &str) -> bool {
    supported().contains(&kind)
}

/// How often a kind is asked; zero, which is no interval, means the usual minute.
pub(crate) fn refresh_interval(fields: &Fields) -> Duration {
    match fields.duration("refresh_interval").to_std() {
        Duration::ZERO => Duration::from_secs(60),
        interval => interval,
    }
}

fn supported() -> Vec<&'static str> {
    let mut all: Vec<_> = SUPPORTED.iter().chain(kinds::KINDS).chain(aws::KINDS).copied().collect();
    all.sort_unstable();
    all
}

/// Waits; `false`: the shutdown came first.
pub(crate) async fn pause(duration: Duration, shutdown: &Shutdown) -> bool {
    tokio::select! {
        () = tokio::time::sleep(duration) => true,
        () = shutdown.wait() => false,
    }
}

/// A discoverer that asks again and again.
pub(crate) trait Refresh: Send {
    /// Asks once; the groups replace those of their sources.
    fn refresh(&mut self) -> BoxFuture<'_, Result<Vec<TargetGroup>, String>>;
}

impl Refresh for Box<dyn Refresh> {
    fn refresh(&mut self) -> BoxFuture<'_, Result<Vec<TargetGroup>, String>> {
        (**self).refresh()
    }
}

/// A discoverer that is a loop around a [`Refresh`].
pub(crate) struct Polled {
    pub(crate) calls: RefreshLoop,
    pub(crate) source: Box<dyn Refresh>,
}

impl Discoverer for Polled {
    fn run(self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(self.calls.run(self.source, updates, shutdown))
    }
}

/// How a [`Refresh`] is called.
#[derive(Debug)]
pub(crate) struct RefreshLoop {
    pub(crate) mechanism: &'static str,
    pub(crate) job: String,
    pub(crate) interval: Duration,
    pub(crate) deps: Deps,
}

impl RefreshLoop {
    /// Calls at once and then every interval, reporting what is found and counting failures.
    pub(crate) async fn run(self, mut source: impl Refresh, updates: Updates, shutdown: Shutdown) {
        let metrics = &self.deps.metrics;
        let failures = metrics.refresh_failures.with(&[&self.job, self.mechanism]);
        let duration = metrics.refresh_duration.with(&[&self.job, self.mechanism]);
        let histogram = metrics.refresh_duration_histogram.with(&[self.mechanism]);
        loop {
            let start = self.deps.clock.monotonic();
            let found = tokio::select! {
                found = source.refresh() => found,
                () = shutdown.wait() => return,
            };
            let took = (self.deps.clock.monotonic() - start).as_secs_f64();
            duration.observe(took);
            histogram.observe(took);
            match found {
                Ok(groups) => {
                    if !updates.send(groups).await {
                        return;
                    }
                }
                Err(err) => {
                    failures.inc();
                    let (discovery, config) = (self.mechanism, &self.job);
                    tracing::error!(discovery, config, err, "unable to refresh target groups");
                    if !updates.fail(err).await {
                        return;
                    }
                }
            }
            if !pause(self.interval, &shutdown).await {
                return;
            }
        }
    }
}

/// Shared by discoverers that hold a client.
pub(crate) type Client = Arc<dyn crate::fetch::Fetch>;

//! The roles made of this crate's parts, ready for a thin command line: sidecar, store gateway, query node.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_model::{Labels, Timestamp};
use gauntlet_runtime::Shutdown;
use gauntlet_storage::Queryable;
use gauntlet_storeapi::grpc::{self, ServerOptions};
use gauntlet_storeapi::local::LocalState;
use gauntlet_storeapi::source::OtherApis;
use gauntlet_storeapi::{
    EndpointSet, EndpointStatus, LocalSource, Proxy, ProxyOptions, SourceQueryable, StoreSource,
};
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::{BucketError, BucketStore, Shipper};

/// How often the shipper looks for new blocks; the peer's figure.
pub const SHIP_INTERVAL: Duration = Duration::from_secs(30);

/// Pause while nothing may be shipped because the server's labels or flags are not known yet.
const UNABLE_PAUSE: Duration = Duration::from_secs(1);

/// What a sidecar asks of its Prometheus.
pub trait SidecarFacts: Debug + Send + Sync {
    /// `global.external_labels` of its configuration.
    fn external_labels(&self) -> BoxFuture<'_, Result<Labels, String>>;

    /// Its oldest sample, milliseconds.
    fn lowest_timestamp(&self) -> BoxFuture<'_, Result<Timestamp, String>>;

    /// Errs where its block settings rule out uploading.
    fn check_uploadable(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// Settings of a sidecar.
#[derive(Clone, Debug)]
pub struct SidecarOptions {
    /// Pause between looks at the Prometheus.
    pub config_interval: Duration,
    /// Limit of one look.
    pub config_timeout: Duration,
    /// `--min-time`: nothing older is announced.
    pub min_time: Timestamp,
    pub ship_interval: Duration,
    /// The APIs that are served beside the store.
    pub apis: OtherApis,
}

impl Default for SidecarOptions {
    fn default() -> Self {
        Self {
            config_interval: Duration::from_secs(30),
            config_timeout: Duration::from_secs(30),
            min_time: Timestamp::MIN,
            ship_interval: SHIP_INTERVAL,
            apis: OtherApis::default(),
        }
    }
}

/// A StoreAPI over a Prometheus' remote read, and the upload of its blocks.
#[derive(Debug)]
pub struct Sidecar {
    facts: Arc<dyn SidecarFacts>,
    source: Arc<LocalSource>,
    shipper: Option<Shipper>,
    options: SidecarOptions,
    labels: RwLock<Labels>,
    problem: RwLock<Option<String>>,
}

impl Sidecar {
    /// `storage` reads from the Prometheus; without a shipper nothing is uploaded.
    pub fn new(
        name: &str,
        storage: Arc<dyn Queryable>,
        facts: Arc<dyn SidecarFacts>,
        shipper: Option<Shipper>,
        options: SidecarOptions,
    ) -> Self {
        let source = LocalSource::new(name, "sidecar", storage).with_apis(options.apis);
        Self {
            facts,
            source: Arc::new(source),
            shipper,
            options,
            labels: RwLock::default(),
            problem: RwLock::new(Some("has not reached its Prometheus yet".to_owned())),
        }
    }

    pub fn source(&self) -> Arc<dyn StoreSource> {
        Arc::clone(&self.source) as _
    }

    /// Why it is not ready; `None` when it is.
    pub fn problem(&self) -> Option<String> {
        self.problem.read().clone()
    }

    /// Looks at the Prometheus once. Without external labels a sidecar must not run: that is an error of its own.
    pub async fn refresh(&self) -> Result<(), BucketError> {
        let look = async {
            let labels = self.facts.external_labels().await?;
            if labels.is_empty() {
                return Err("no external labels configured on Prometheus server, uniquely identifying \
                            external labels must be configured; see https://thanos.io/tip/thanos/storage.md#external-labels for details."
                    .to_owned());
            }
            Ok((labels, self.facts.lowest_timestamp().await?))
        };
        let timeout = self.options.config_timeout;
        let found = tokio::time::timeout(timeout, look).await;
        match found.unwrap_or_else(|_| Err(format!("no answer in {timeout:?}"))) {
            Ok((labels, lowest)) => {
                let min_time = lowest.max(self.options.min_time);
                self.source
                    .set_state(Some(LocalState { external_labels: labels.clone(), min_time }));
                *self.labels.write() = labels;
                *self.problem.write() = None;
                Ok(())
            }
            Err(text) => {
                self.source.set_state(None);
                *self.problem.write() = Some(text.clone());
                Err(BucketError::Refused(text))
            }
        }
    }

    /// Keeps looking and shipping until the shutdown fires.
    pub async fn run(&self, shutdown: Shutdown) {
        tokio::join!(self.keep_looking(shutdown.clone()), self.keep_shipping(shutdown));
    }

    async fn keep_looking(&self, shutdown: Shutdown) {
        loop {
            if let Err(err) = self.refresh().await {
                warn!(%err, "heartbeat to Prometheus failed");
            }
            if paused(&shutdown, self.options.config_interval).await {
                return;
            }
        }
    }

    async fn keep_shipping(&self, shutdown: Shutdown) {
        let Some(shipper) = &self.shipper else {
            info!("no object store configured: blocks are not uploaded");
            return;
        };
        let mut checked = false;
        loop {
            if !checked {
                match self.facts.check_uploadable().await {
                    Ok(()) => checked = true,
                    Err(err) => warn!(err, "blocks are not uploaded"),
                }
            }
            let labels = self.labels.read().clone();
            let able = checked && !labels.is_empty();
            if able {
                match shipper.sync(&labels).await {
                    Ok(report) if report.failed.is_empty() => {}
                    Ok(report) => warn!(failed = report.failed.len(), "some blocks not uploaded"),
                    Err(err) => warn!(%err, "blocks not uploaded"),
                }
            }
            let interval = self.options.ship_interval;
            let pause = if able { interval } else { interval.min(UNABLE_PAUSE) };
            if paused(&shutdown, pause).await {
                return;
            }
        }
    }
}

/// Waits; true where the shutdown came first.
async fn paused(shutdown: &Shutdown, pause: Duration) -> bool {
    tokio::select! {
        () = shutdown.wait() => true,
        () = tokio::time::sleep(pause) => false,
    }
}

/// A bucket store with its synchronisation and its gRPC server.
#[derive(Debug)]
pub struct StoreGateway {
    store: Arc<BucketStore>,
}

impl StoreGateway {
    pub fn new(store: Arc<BucketStore>) -> Self {
        Self { store }
    }

    pub fn store(&self) -> &Arc<BucketStore> {
        &self.store
    }

    /// Synchronises and serves until the shutdown fires. The listener's readiness follows the first synchronisation.
    pub async fn run(
        &self,
        listener: TcpListener,
        server: ServerOptions,
        shutdown: Shutdown,
    ) -> Result<(), BucketError> {
        let ready = server.ready.clone();
        let serve = grpc::serve(listener, Arc::clone(&self.store) as _, server, shutdown.wait());
        let sync = self.store.run(shutdown.clone());
        let watch = async {
            while !self.store.state().ready && !paused(&shutdown, Duration::from_millis(100)).await
            {
            }
            ready.set(self.store.state().ready);
        };
        let (served, (), ()) = tokio::join!(serve, sync, watch);
        served.map_err(|err| BucketError::Io(err.to_string()))
    }
}

/// Endpoints and the proxy over them: what role `query` reads from.
#[derive(Debug)]
pub struct QueryNode {
    endpoints: Arc<EndpointSet>,
    proxy: Arc<Proxy>,
}

impl QueryNode {
    pub fn new(endpoints: EndpointSet, options: ProxyOptions) -> Self {
        let endpoints = Arc::new(endpoints);
        let proxy = Arc::new(Proxy::new(Arc::clone(&endpoints) as _, options));
        Self { endpoints, proxy }
    }

    /// Lines of `/api/v1/stores`.
    pub fn stores(&self) -> Vec<EndpointStatus> {
        self.endpoints.status()
    }

    pub fn endpoints(&self) -> &Arc<EndpointSet> {
        &self.endpoints
    }

    /// What the engine reads.
    pub fn queryable(&self) -> Arc<dyn Queryable> {
        Arc::clone(&self.proxy) as _
    }

    /// What the node's own StoreAPI serves.
    pub fn source(&self) -> Arc<dyn StoreSource> {
        Arc::clone(&self.proxy) as _
    }

    /// Keeps the endpoints fresh until the shutdown fires.
    pub async fn run(&self, shutdown: Shutdown) {
        self.endpoints.run(shutdown).await;
    }
}

/// A store of this process as the engine reads it, for roles in one process.
pub fn queryable(source: Arc<dyn StoreSource>) -> Arc<dyn Queryable> {
    Arc::new(SourceQueryable::new(source))
}

/// How far an instant selector looks back where downsampled blocks may answer: a window's width at least, since its one sample
/// stands at the window's end. Milliseconds. Source: upstream `cmd/thanos/query.go`.
pub fn dynamic_lookback(lookback_ms: i64, max_source_resolution_ms: i64) -> i64 {
    let resolutions = [0, 300_000, 3_600_000];
    let mut widest = lookback_ms;
    let deltas = resolutions.map(|resolution| {
        widest = widest.max(resolution);
        widest
    });
    for i in (1..resolutions.len()).rev() {
        if resolutions[i - 1].max(lookback_ms) < max_source_resolution_ms {
            return deltas[i];
        }
    }
    deltas[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookback_widens_with_the_resolution() {
        let check = |lookback, resolution, expect| {
            assert_eq!(dynamic_lookback(lookback, resolution), expect);
        };
        check(300_000, 0, 300_000);
        check(300_000, 300_000, 300_000);
        check(300_000, 300_001, 3_600_000);
        check(300_000, 3_600_000, 3_600_000);
        check(60_000, 300_000, 300_000);
    }
}

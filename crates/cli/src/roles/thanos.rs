//! The HTTP side that the roles in Thanos' place share: the query API over their own store, metrics, probes, a page.

use std::sync::Arc;
use std::time::Duration;

use gauntlet_api::{ApiLimits, ApiState, Receivers, RoleStatus, ThanosDefaults};
use gauntlet_model::regex::AnchoredRegex;
use gauntlet_net::server::{Server, ServerOptions};
use gauntlet_storage::Queryable;
use gauntlet_telemetry::{Registry, process};
use tokio::sync::Semaphore;
use tracing::info;

use crate::roles::common::{self, EngineFlags};
use crate::roles::query::millis;
use crate::roles::{Failure, Start};
use crate::web::{HttpMetrics, PageMaker, Web};

/// Queries at once where no flag says otherwise: the default of `--query.max-concurrent`.
pub(crate) const MAX_QUERIES: usize = 20;

/// Engine of the roles whose peer answers no queries: they do so here for looking around.
pub(crate) const PLAIN_ENGINE: EngineFlags = EngineFlags {
    lookback_ms: 5 * 60 * 1000,
    timeout: Duration::from_secs(120),
    max_samples: 50_000_000,
    subquery_step_ms: 60 * 1000,
};

/// What tells one role's HTTP side from another's.
pub(crate) struct HttpParts {
    pub(crate) storage: Arc<dyn Queryable>,
    pub(crate) status: Arc<dyn RoleStatus>,
    pub(crate) page: PageMaker,
    pub(crate) engine: EngineFlags,
    pub(crate) max_queries: usize,
    /// Set in the role `query`.
    pub(crate) parameters: Option<ThanosDefaults>,
}

/// A registry with what every process shows of itself.
pub(crate) fn registry() -> Registry {
    let registry = Registry::new();
    process::register(&registry);
    common::register_build_info(&registry, "thanos_build_info", "0.43.0");
    registry
}

/// Binds `--http-address`; what is returned serves until the shutdown.
pub(crate) async fn bind(
    start: &Start,
    registry: Registry,
    parts: HttpParts,
) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let values = &start.values;
    let api = Arc::new(ApiState {
        storage: parts.storage,
        engine: Arc::new(common::engine(parts.engine, start.clock.clone(), &[], None)),
        clock: start.clock.clone(),
        role: parts.status,
        build: common::build_info(),
        flags: Arc::new(values.all()),
        cors_origin: AnchoredRegex::new(".*").ok(),
        thanos: parts.parameters.map(Arc::new),
        route_prefix: String::new(),
        limits: ApiLimits::default(),
        query_gate: Arc::new(Semaphore::new(parts.max_queries)),
        receivers: Receivers::default(),
    });
    let web = Web {
        api: Some(api),
        metrics: HttpMetrics::thanos(&registry),
        registry,
        page: parts.page,
        prefix: String::new(),
        clock: start.clock.clone(),
    };
    let options = ServerOptions {
        drain_timeout: millis(values.duration_ms("http-grace-period")),
        ..ServerOptions::default()
    };
    let server = Server::bind(&[values.text("http-address")], options).await?;
    for address in server.addresses() {
        info!(%address, "listening for requests and metrics");
    }
    Ok(server.run(web.router(), start.shutdown.clone()))
}

//! What several roles build the same way: engine, build information, listeners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_api::BuildInfo;
use gauntlet_promql::engine::{Engine, EngineOptions, QueryObserver};
use gauntlet_runtime::{Budget, Clock, CpuPool};
use gauntlet_telemetry::{MetricFamily, MetricKind, MetricValue, Registry};
use tokio::net::TcpListener;
use tracing::info;

use crate::flags::program::PROMETHEUS_VERSION;
use crate::roles::Failure;

/// Memory of all queries together where no flag says otherwise: half of the machine's.
pub(crate) fn query_budget() -> Arc<Budget> {
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    Budget::new(total.map_or(4 << 30, |kib| kib * 1024 / 2))
}

/// Settings of an engine that come from flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineFlags {
    pub(crate) lookback_ms: i64,
    pub(crate) timeout: Duration,
    pub(crate) max_samples: usize,
    pub(crate) subquery_step_ms: i64,
}

pub(crate) fn engine(
    flags: EngineFlags,
    clock: Arc<dyn Clock>,
    features: &[String],
    observer: Option<Arc<dyn QueryObserver>>,
) -> Engine {
    let on = |name: &str| features.iter().any(|f| f == name);
    let mut options = EngineOptions::new(CpuPool::new(0), clock);
    options.lookback_delta_ms = flags.lookback_ms;
    options.timeout = flags.timeout;
    options.max_samples = flags.max_samples;
    let step = flags.subquery_step_ms;
    options.default_subquery_step = Arc::new(move |_| step);
    let memory = query_budget();
    // One query may take half of what all may.
    options.query_memory_bytes = memory.limit_bytes() / 2;
    options.memory = Some(memory);
    options.parser.experimental_functions = on("promql-experimental-functions");
    options.parser.extended_range_selectors = on("promql-extended-range-selectors");
    options.parser.fill_modifiers = on("promql-binop-fill-modifiers");
    options.delayed_name_removal = on("promql-delayed-name-removal");
    options.type_and_unit_labels = on("type-and-unit-labels");
    options.use_start_timestamps = on("use-start-timestamps");
    options.per_step_stats = on("promql-per-step-stats");
    options.observer = observer;
    Engine::new(options)
}

/// What `/api/v1/status/buildinfo` says: the version of the APIs that are spoken.
pub(crate) fn build_info() -> BuildInfo {
    BuildInfo {
        version: PROMETHEUS_VERSION.to_owned(),
        revision: format!("gauntlet-{}", env!("CARGO_PKG_VERSION")),
        branch: "gauntlet".to_owned(),
        build_user: "gauntlet".to_owned(),
        build_date: String::new(),
        go_version: "none".to_owned(),
    }
}

/// `NAME_build_info`, as every exporter has it.
pub(crate) fn register_build_info(registry: &Registry, name: &'static str, version: &'static str) {
    struct BuildInfoMetric(&'static str, &'static str);
    impl gauntlet_telemetry::Collect for BuildInfoMetric {
        fn collect(&self, out: &mut Vec<MetricFamily>) {
            let labels = [
                ("branch", "gauntlet"),
                ("goarch", std::env::consts::ARCH),
                ("goos", std::env::consts::OS),
                ("goversion", "none"),
                ("revision", env!("CARGO_PKG_VERSION")),
                ("tags", "gauntlet"),
                ("version", self.1),
            ];
            out.push(MetricFamily {
                name: self.0.into(),
                help: "A metric with a constant '1' value labeled by version, revision, branch, goversion from which it was built, and the goos and goarch for the build.".into(),
                kind: MetricKind::Gauge,
                metrics: vec![gauntlet_telemetry::Metric {
                    labels: labels.iter().map(|(n, v)| ((*n).into(), (*v).to_owned())).collect(),
                    value: MetricValue::Gauge(1.0),
                }],
            });
        }
    }
    registry.register(Arc::new(BuildInfoMetric(name, version)));
}

/// Listens for gRPC; the error names the address and the way out.
pub(crate) async fn listen_grpc(address: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let bare = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    let listener = TcpListener::bind(&bare).await.map_err(|err| {
        let way_out = match err.kind() {
            std::io::ErrorKind::AddrInUse => {
                "; stop the process that has it or choose another with --grpc-address"
            }
            _ => "",
        };
        Failure::new(format!("listen gRPC on address {address}: {err}{way_out}"))
    })?;
    let local = listener.local_addr()?;
    info!(address = %local, "listening for serving gRPC");
    Ok((listener, local))
}

/// The host's name, for texts and default URLs.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

//! What discoverers need from outside, and their metrics.

use std::sync::Arc;

use gauntlet_net::config::HttpClientConfig;
use gauntlet_runtime::Clock;
use gauntlet_telemetry::{Counter, Family, Gauge, Histogram, Registry, Summary};

use crate::dns::Lookup;
use crate::fetch::{Fetch, FetchError, NetworkFetch};

/// The outside world of discoverers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Deps {
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub clients: Arc<dyn Clients>,
    pub resolver: Arc<dyn Lookup>,
}

/// Makes HTTP clients from configuration.
pub trait Clients: std::fmt::Debug + Send + Sync {
    fn client(&self, config: &HttpClientConfig) -> Result<Arc<dyn Fetch>, FetchError>;
}

/// Clients over the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkClients;

impl Clients for NetworkClients {
    fn client(&self, config: &HttpClientConfig) -> Result<Arc<dyn Fetch>, FetchError> {
        Ok(Arc::new(NetworkFetch::new(config)?))
    }
}

const QUANTILES: &[f64] = &[0.5, 0.9, 0.99];

/// Metrics of all discoverers and managers, with upstream's names.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// By `name`.
    pub(crate) failed_configs: Family<Gauge>,
    /// By `config`, `name`; as are the next.
    pub(crate) discovered_targets: Family<Gauge>,
    pub(crate) last_update_timestamp: Family<Gauge>,
    /// By `name`.
    pub(crate) received_updates: Family<Counter>,
    pub(crate) updates_delayed: Family<Counter>,
    pub(crate) updates: Family<Counter>,
    /// By `config`, `mechanism`.
    pub(crate) refresh_failures: Family<Counter>,
    pub(crate) refresh_duration: Family<Summary>,
    /// By `mechanism`.
    pub(crate) refresh_duration_histogram: Family<Histogram>,
    pub(crate) file_read_errors: Counter,
    pub(crate) file_scan_duration: Summary,
    /// By `filename`.
    pub(crate) file_mtime: Family<Gauge>,
    pub(crate) http_failures: Counter,
    pub(crate) dns_lookups: Counter,
    pub(crate) dns_lookup_failures: Counter,
    pub(crate) consul_rpc_failures: Counter,
    /// By `endpoint`, `call`.
    pub(crate) consul_rpc_duration: Family<Summary>,
}

impl Metrics {
    pub fn new(registry: &Registry) -> Self {
        // Nothing is watched here, so it never fails; dashboards ask for it.
        let _ = registry.counter(
            "prometheus_sd_file_watcher_errors_total",
            "The number of File-SD errors caused by filesystem watch failures.",
        );
        let consul_rpc_duration = registry.summary_vec(
            "prometheus_sd_consul_rpc_duration_seconds",
            "The duration of a Consul RPC call in seconds.",
            &["endpoint", "call"],
            QUANTILES,
        );
        let _ = consul_rpc_duration.with(&["catalog", "services"]);
        let _ = consul_rpc_duration.with(&["catalog", "service"]);
        Self {
            failed_configs: registry.gauge_vec(
                "prometheus_sd_failed_configs",
                "Current number of service discovery configurations that failed to load.",
                &["name"],
            ),
            discovered_targets: registry.gauge_vec(
                "prometheus_sd_discovered_targets",
                "Current number of discovered targets.",
                &["config", "name"],
            ),
            last_update_timestamp: registry.gauge_vec(
                "prometheus_sd_last_update_timestamp_seconds",
                "Timestamp of the last update sent to the SD consumers.",
                &["config", "name"],
            ),
            received_updates: registry.counter_vec(
                "prometheus_sd_received_updates_total",
                "Total number of update events received from the SD providers.",
                &["name"],
            ),
            updates_delayed: registry.counter_vec(
                "prometheus_sd_updates_delayed_total",
                "Total number of update events that couldn't be sent immediately.",
                &["name"],
            ),
            updates: registry.counter_vec(
                "prometheus_sd_updates_total",
                "Total number of update events sent to the SD consumers.",
                &["name"],
            ),
            refresh_failures: registry.counter_vec(
                "prometheus_sd_refresh_failures_total",
                "Number of refresh failures for the given SD mechanism.",
                &["config", "mechanism"],
            ),
            refresh_duration: registry.summary_vec(
                "prometheus_sd_refresh_duration_seconds",
                "The duration of a refresh in seconds for the given SD mechanism.",
                &["config", "mechanism"],
                QUANTILES,
            ),
            refresh_duration_histogram: registry.histogram_vec(
                "prometheus_sd_refresh_duration_histogram_seconds",
                "The duration of a refresh for the given SD mechanism.",
                &["mechanism"],
                &[0.01, 0.1, 1.0, 10.0],
            ),
            file_read_errors: registry.counter(
                "prometheus_sd_file_read_errors_total",
                "The number of File-SD read errors.",
            ),
            file_scan_duration: registry.summary(
                "prometheus_sd_file_scan_duration_seconds",
                "The duration of the File-SD scan in seconds.",
                QUANTILES,
            ),
            file_mtime: registry.gauge_vec(
                "prometheus_sd_file_mtime_seconds",
                "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.",
                &["filename"],
            ),
            http_failures: registry.counter(
                "prometheus_sd_http_failures_total",
                "Number of HTTP service discovery refresh failures.",
            ),
            dns_lookups: registry
                .counter("prometheus_sd_dns_lookups_total", "The number of DNS-SD lookups."),
            dns_lookup_failures: registry.counter(
                "prometheus_sd_dns_lookup_failures_total",
                "The number of DNS-SD lookup failures.",
            ),
            consul_rpc_failures: registry.counter(
                "prometheus_sd_consul_rpc_failures_total",
                "The number of Consul RPC call failures.",
            ),
            consul_rpc_duration,
        }
    }
}

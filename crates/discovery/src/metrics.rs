//! Metrics of discoverers and managers, with upstream's names.

use gauntlet_telemetry::{Counter, Family, Gauge, Histogram, Registry, Summary};

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
    pub(crate) kubernetes: KubernetesMetrics,
    pub(crate) azure_failures: Counter,
    pub(crate) azure_cache_hits: Counter,
    pub(crate) linode_failures: Counter,
    pub(crate) nomad_failures: Counter,
    pub(crate) kuma_failures: Counter,
    pub(crate) kuma_skipped: Counter,
    pub(crate) kuma_duration: Summary,
}

/// Metrics of Kubernetes discoveries and of their requests.
#[derive(Clone, Debug)]
pub(crate) struct KubernetesMetrics {
    /// By `role`, `event`.
    pub(crate) events: Family<Counter>,
    pub(crate) failures: Counter,
    /// By `status_code`.
    pub(crate) requests: Family<Counter>,
    /// By `endpoint`.
    pub(crate) request_duration: Family<Summary>,
    /// By `queue_name`, as are the next.
    pub(crate) queue_depth: Family<Gauge>,
    pub(crate) queue_added: Family<Counter>,
    pub(crate) queue_latency: Family<Summary>,
    pub(crate) queue_unfinished: Family<Gauge>,
    pub(crate) queue_longest: Family<Gauge>,
    pub(crate) queue_work: Family<Summary>,
}

impl KubernetesMetrics {
    fn new(registry: &Registry) -> Self {
        let events = registry.counter_vec(
            "prometheus_sd_kubernetes_events_total",
            "The number of Kubernetes events handled.",
            &["role", "event"],
        );
        for role in ["endpointslice", "endpoints", "node", "pod", "service", "ingress"] {
            for event in ["add", "delete", "update"] {
                let _ = events.with(&[role, event]);
            }
        }
        let queue = &["queue_name"];
        Self {
            events,
            failures: registry.counter(
                "prometheus_sd_kubernetes_failures_total",
                "The number of failed WATCH/LIST requests.",
            ),
            requests: registry.counter_vec(
                "prometheus_sd_kubernetes_http_request_total",
                "Total number of HTTP requests to the Kubernetes API by status code.",
                &["status_code"],
            ),
            request_duration: registry.summary_vec(
                "prometheus_sd_kubernetes_http_request_duration_seconds",
                "Summary of latencies for HTTP requests to the Kubernetes API by endpoint.",
                &["endpoint"],
                &[],
            ),
            queue_depth: registry.gauge_vec(
                "prometheus_sd_kubernetes_workqueue_depth",
                "Current depth of the work queue.",
                queue,
            ),
            queue_added: registry.counter_vec(
                "prometheus_sd_kubernetes_workqueue_items_total",
                "Total number of items added to the work queue.",
                queue,
            ),
            queue_latency: registry.summary_vec(
                "prometheus_sd_kubernetes_workqueue_latency_seconds",
                "How long an item stays in the work queue.",
                queue,
                &[],
            ),
            queue_unfinished: registry.gauge_vec(
                "prometheus_sd_kubernetes_workqueue_unfinished_work_seconds",
                "How long an item has remained unfinished in the work queue.",
                queue,
            ),
            queue_longest: registry.gauge_vec(
                "prometheus_sd_kubernetes_workqueue_longest_running_processor_seconds",
                "Duration of the longest running processor in the work queue.",
                queue,
            ),
            queue_work: registry.summary_vec(
                "prometheus_sd_kubernetes_workqueue_work_duration_seconds",
                "How long processing an item from the work queue takes.",
                queue,
                &[],
            ),
        }
    }
}

impl Metrics {
    pub fn new(registry: &Registry) -> Self {
        // Nothing is watched here, so it never fails; dashboards ask for it.
        let _ = registry.counter(
            "prometheus_sd_file_watcher_errors_total",
            "The number of File-SD errors caused by filesystem watch failures.",
        );
        // ZooKeeper's kinds are refused.
        let _ = registry.counter(
            "prometheus_treecache_zookeeper_failures_total",
            "The total number of ZooKeeper failures.",
        );
        let _ = registry.gauge(
            "prometheus_treecache_watcher_goroutines",
            "The current number of watcher goroutines.",
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
            kubernetes: KubernetesMetrics::new(registry),
            azure_failures: registry.counter(
                "prometheus_sd_azure_failures_total",
                "Number of Azure service discovery refresh failures.",
            ),
            azure_cache_hits: registry.counter(
                "prometheus_sd_azure_cache_hit_total",
                "Number of cache hit during refresh.",
            ),
            linode_failures: registry.counter(
                "prometheus_sd_linode_failures_total",
                "Number of Linode service discovery refresh failures.",
            ),
            nomad_failures: registry.counter(
                "prometheus_sd_nomad_failures_total",
                "Number of nomad service discovery refresh failures.",
            ),
            kuma_failures: registry.counter(
                "prometheus_sd_kuma_fetch_failures_total",
                "The number of Kuma MADS fetch call failures.",
            ),
            kuma_skipped: registry.counter(
                "prometheus_sd_kuma_fetch_skipped_updates_total",
                "The number of Kuma MADS fetch calls that result in no updates to the targets.",
            ),
            kuma_duration: registry.summary(
                "prometheus_sd_kuma_fetch_duration_seconds",
                "The duration of a Kuma MADS fetch call.",
                QUANTILES,
            ),
        }
    }
}

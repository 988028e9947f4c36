//! All metrics of alerts, groups, notifications, silences and the log, under upstream's names and with its texts.
//!
//! Metrics of HTTP and of the cluster belong to those parts. Upstream has none of `alertmanager_ledger_*`,
//! `alertmanager_alerts_journal_*` and `alertmanager_notifications_duplicate_total`; docs/alertmanager.md lists them.

use gauntlet_telemetry::{Counter, Family, Gauge, Histogram, Registry, Summary};

/// Switches that add labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    pub receiver_name_in_metrics: bool,
    pub alert_names_in_metrics: bool,
    pub group_key_in_metrics: bool,
}

/// Kinds of integrations, as upstream lists them.
pub const INTEGRATIONS: [&str; 18] = [
    "email",
    "pagerduty",
    "wechat",
    "pushover",
    "slack",
    "opsgenie",
    "webhook",
    "victorops",
    "sns",
    "telegram",
    "discord",
    "webex",
    "msteams",
    "msteamsv2",
    "incidentio",
    "jira",
    "rocketchat",
    "mattermost",
];

/// Why a notification failed.
pub const FAILURE_REASONS: [&str; 7] = [
    "other",
    "clientError",
    "serverError",
    "contextCanceled",
    "contextDeadlineExceeded",
    "authError",
    "rateLimited",
];

const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Everything.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) features: Features,
    pub(crate) alerts: AlertMetrics,
    pub(crate) dispatch: DispatchMetrics,
    pub(crate) notify: NotifyMetrics,
    pub silences: SilenceMetrics,
    pub log: LogMetrics,
    pub(crate) config: ConfigMetrics,
    pub(crate) ledger: LedgerMetrics,
}

#[derive(Clone, Debug)]
pub(crate) struct AlertMetrics {
    pub(crate) received_firing: Counter,
    pub(crate) received_resolved: Counter,
    pub(crate) invalid: Counter,
    pub(crate) limited: Family<Counter>,
    pub(crate) per_name_limit: Gauge,
    pub(crate) dispatcher_writes: Counter,
    pub(crate) inhibitor_writes: Counter,
    pub(crate) journal_errors: Counter,
    pub(crate) journal_size: Gauge,
}

#[derive(Clone, Debug)]
pub(crate) struct DispatchMetrics {
    pub(crate) groups: Gauge,
    pub(crate) processing: Summary,
    pub(crate) limit_reached: Counter,
    pub(crate) suppressed: Family<Counter>,
}

#[derive(Clone, Debug)]
pub(crate) struct NotifyMetrics {
    pub(crate) total: Family<Counter>,
    pub(crate) failed: Family<Counter>,
    pub(crate) requests: Family<Counter>,
    pub(crate) requests_failed: Family<Counter>,
    pub(crate) latency: Family<Histogram>,
}

/// Metrics of the silences.
#[derive(Clone, Debug)]
pub struct SilenceMetrics {
    pub(crate) gc_duration: Summary,
    pub(crate) snapshot_duration: Summary,
    pub(crate) snapshot_size: Gauge,
    pub(crate) maintenance: Counter,
    pub(crate) maintenance_errors: Counter,
    pub(crate) compile_errors_index: Counter,
    pub(crate) compile_errors_load: Counter,
    pub(crate) query_duration: Histogram,
    pub(crate) queries: Counter,
    pub(crate) scanned: Counter,
    pub(crate) skipped: Counter,
    pub(crate) propagated: Counter,
    pub(crate) state_size: Gauge,
    pub(crate) matcher_index: Gauge,
    pub(crate) version_index: Gauge,
}

/// Metrics of the notification log.
#[derive(Clone, Debug)]
pub struct LogMetrics {
    pub(crate) gc_duration: Summary,
    pub(crate) snapshot_duration: Summary,
    pub(crate) snapshot_size: Gauge,
    pub(crate) maintenance: Counter,
    pub(crate) maintenance_errors: Counter,
    pub(crate) queries: Counter,
    pub(crate) query_errors: Counter,
    pub(crate) propagated: Counter,
    pub(crate) duplicates: Counter,
}

#[derive(Clone, Debug)]
pub(crate) struct ConfigMetrics {
    pub(crate) hash: Gauge,
    pub(crate) reload_successful: Gauge,
    pub(crate) reload_timestamp: Gauge,
    pub(crate) receivers: Gauge,
    pub(crate) integrations: Gauge,
    pub(crate) inhibition_rules: Gauge,
}

#[derive(Clone, Debug)]
pub(crate) struct LedgerMetrics {
    pub(crate) entries: Counter,
    pub(crate) dropped: Counter,
    pub(crate) write_errors: Counter,
    pub(crate) size: Gauge,
}

impl Metrics {
    pub fn new(registry: &Registry, features: Features) -> Self {
        Self {
            features,
            alerts: AlertMetrics::new(registry, features),
            dispatch: DispatchMetrics::new(registry),
            notify: NotifyMetrics::new(registry, features),
            silences: SilenceMetrics::new(registry),
            log: LogMetrics::new(registry),
            config: ConfigMetrics::new(registry),
            ledger: LedgerMetrics::new(registry),
        }
    }
}

impl AlertMetrics {
    fn new(r: &Registry, features: Features) -> Self {
        let received = r.counter_vec(
            "alertmanager_alerts_received_total",
            "The total number of received alerts.",
            &["status", "version"],
        );
        let invalid = r.counter_vec(
            "alertmanager_alerts_invalid_total",
            "The total number of received alerts that were invalid.",
            &["version"],
        );
        let writes = r.counter_vec(
            "alertmanager_alerts_subscriber_channel_writes_total",
            "Number of times alerts were written to subscriber channels",
            &["subscriber"],
        );
        let names: &'static [&'static str] =
            if features.alert_names_in_metrics { &["alertname"] } else { &[] };
        Self {
            received_firing: received.with(&["firing", "v2"]),
            received_resolved: received.with(&["resolved", "v2"]),
            invalid: invalid.with(&["v2"]),
            limited: r.counter_vec(
                "alertmanager_alerts_limited_total",
                "Total number of alerts that were dropped due to per alert name limit",
                names,
            ),
            per_name_limit: r.gauge(
                "alertmanager_alerts_per_alert_limit",
                "Current limit on number of alerts per alert name",
            ),
            dispatcher_writes: writes.with(&["dispatcher"]),
            inhibitor_writes: writes.with(&["inhibitor"]),
            journal_errors: r.counter(
                "alertmanager_alerts_journal_errors_total",
                "How often alerts could not be written to the journal.",
            ),
            journal_size: r.gauge(
                "alertmanager_alerts_journal_size_bytes",
                "Size of the journal of alerts in bytes.",
            ),
        }
    }
}

impl DispatchMetrics {
    fn new(r: &Registry) -> Self {
        // Upstream's dispatcher contends for groups; ours owns them, so that these stay at zero.
        for (name, help) in [
            (
                "alertmanager_dispatcher_aggregation_group_creation_retries_total",
                "Number of CAS retries while creating aggregation groups under contention.",
            ),
            (
                "alertmanager_dispatcher_aggregation_group_creation_given_up_total",
                "Number of alerts dropped because aggregation group creation exceeded the retry limit.",
            ),
        ] {
            r.counter(name, help);
        }
        let suppressed = r.counter_vec(
            "alertmanager_notifications_suppressed_total",
            "The total number of notifications suppressed for being silenced, inhibited, outside of active time intervals or within muted time intervals.",
            &["reason"],
        );
        Self {
            groups: r.gauge(
                "alertmanager_dispatcher_aggregation_groups",
                "Number of active aggregation groups",
            ),
            processing: r.summary(
                "alertmanager_dispatcher_alert_processing_duration_seconds",
                "Summary of latencies for the processing of alerts.",
                &[],
            ),
            limit_reached: r.counter(
                "alertmanager_dispatcher_aggregation_group_limit_reached_total",
                "Number of times when dispatcher failed to create new aggregation group due to limit.",
            ),
            suppressed,
        }
    }
}

impl NotifyMetrics {
    fn new(r: &Registry, features: Features) -> Self {
        type Names = &'static [&'static str];
        let named = features.receiver_name_in_metrics;
        let labels: Names =
            if named { &["integration", "receiver_name"] } else { &["integration"] };
        let with_reason: Names = if named {
            &["integration", "receiver_name", "reason"]
        } else {
            &["integration", "reason"]
        };
        let metrics = Self {
            total: r.counter_vec(
                "alertmanager_notifications_total",
                "The total number of attempted notifications.",
                labels,
            ),
            failed: r.counter_vec(
                "alertmanager_notifications_failed_total",
                "The total number of failed notifications.",
                with_reason,
            ),
            requests: r.counter_vec(
                "alertmanager_notification_requests_total",
                "The total number of attempted notification requests.",
                labels,
            ),
            requests_failed: r.counter_vec(
                "alertmanager_notification_requests_failed_total",
                "The total number of failed notification requests.",
                labels,
            ),
            latency: r.histogram_vec(
                "alertmanager_notification_latency_seconds",
                "The latency of notifications in seconds.",
                labels,
                &[1.0, 5.0, 10.0, 15.0, 20.0],
            ),
        };
        if !named {
            INTEGRATIONS.iter().for_each(|integration| metrics.initialize(&[integration]));
        }
        metrics
    }

    /// Makes the metrics of an integration, at zero.
    pub(crate) fn initialize(&self, labels: &[&str]) {
        self.total.with(labels);
        self.requests.with(labels);
        self.requests_failed.with(labels);
        self.latency.with(labels);
        for reason in FAILURE_REASONS {
            let mut labels = labels.to_vec();
            labels.push(reason);
            self.failed.with(&labels);
        }
    }
}

impl SilenceMetrics {
    fn new(r: &Registry) -> Self {
        let compile = r.counter_vec(
            "alertmanager_silences_matcher_compile_errors_total",
            "How many silence matcher compilations failed.",
            &["stage"],
        );
        // Look-ups of ours cannot fail.
        r.counter(
            "alertmanager_silences_query_errors_total",
            "How many silence received queries did not succeed.",
        );
        r.counter(
            "alertmanager_silences_gc_errors_total",
            "How many silence GC errors were encountered.",
        );
        Self {
            gc_duration: r.summary(
                "alertmanager_silences_gc_duration_seconds",
                "Duration of the last silence garbage collection cycle.",
                &[],
            ),
            snapshot_duration: r.summary(
                "alertmanager_silences_snapshot_duration_seconds",
                "Duration of the last silence snapshot.",
                &[],
            ),
            snapshot_size: r.gauge(
                "alertmanager_silences_snapshot_size_bytes",
                "Size of the last silence snapshot in bytes.",
            ),
            maintenance: r.counter(
                "alertmanager_silences_maintenance_total",
                "How many maintenances were executed for silences.",
            ),
            maintenance_errors: r.counter(
                "alertmanager_silences_maintenance_errors_total",
                "How many maintenances were executed for silences that failed.",
            ),
            compile_errors_index: compile.with(&["index"]),
            compile_errors_load: compile.with(&["load_snapshot"]),
            query_duration: r.histogram(
                "alertmanager_silences_query_duration_seconds",
                "Duration of silence query evaluation.",
                &DEFAULT_BUCKETS,
            ),
            queries: r.counter(
                "alertmanager_silences_queries_total",
                "How many silence queries were received.",
            ),
            scanned: r.counter(
                "alertmanager_silences_query_silences_scanned_total",
                "How many silences were scanned during query evaluation.",
            ),
            skipped: r.counter(
                "alertmanager_silences_query_silences_skipped_total",
                "How many silences were skipped during query evaluation using the version index.",
            ),
            propagated: r.counter(
                "alertmanager_silences_gossip_messages_propagated_total",
                "Number of received gossip messages that have been further gossiped.",
            ),
            state_size: r.gauge(
                "alertmanager_silences_state_size",
                "The number of silences in the state map.",
            ),
            matcher_index: r.gauge(
                "alertmanager_silences_matcher_index_size",
                "The number of entries in the matcher cache index.",
            ),
            version_index: r.gauge(
                "alertmanager_silences_version_index_size",
                "The number of entries in the version index.",
            ),
        }
    }
}

impl LogMetrics {
    fn new(r: &Registry) -> Self {
        r.histogram(
            "alertmanager_nflog_query_duration_seconds",
            "Duration of notification log query evaluation.",
            &DEFAULT_BUCKETS,
        );
        Self {
            gc_duration: r.summary(
                "alertmanager_nflog_gc_duration_seconds",
                "Duration of the last notification log garbage collection cycle.",
                &[],
            ),
            snapshot_duration: r.summary(
                "alertmanager_nflog_snapshot_duration_seconds",
                "Duration of the last notification log snapshot.",
                &[],
            ),
            snapshot_size: r.gauge(
                "alertmanager_nflog_snapshot_size_bytes",
                "Size of the last notification log snapshot in bytes.",
            ),
            maintenance: r.counter(
                "alertmanager_nflog_maintenance_total",
                "How many maintenances were executed for the notification log.",
            ),
            maintenance_errors: r.counter(
                "alertmanager_nflog_maintenance_errors_total",
                "How many maintenances were executed for the notification log that failed.",
            ),
            queries: r.counter(
                "alertmanager_nflog_queries_total",
                "Number of notification log queries were received.",
            ),
            query_errors: r.counter(
                "alertmanager_nflog_query_errors_total",
                "Number notification log received queries that failed.",
            ),
            propagated: r.counter(
                "alertmanager_nflog_gossip_messages_propagated_total",
                "Number of received gossip messages that have been further gossiped.",
            ),
            duplicates: r.counter(
                "alertmanager_notifications_duplicate_total",
                "How often a peer turned out to have told the same of a group at about the same time.",
            ),
        }
    }
}

impl ConfigMetrics {
    fn new(r: &Registry) -> Self {
        Self {
            hash: r.gauge(
                "alertmanager_config_hash",
                "Hash of the currently loaded alertmanager configuration. Note that this is not a cryptographically strong hash.",
            ),
            reload_successful: r.gauge(
                "alertmanager_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.",
            ),
            reload_timestamp: r.gauge(
                "alertmanager_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            ),
            receivers: r.gauge("alertmanager_receivers", "Number of configured receivers."),
            integrations: r
                .gauge("alertmanager_integrations", "Number of configured integrations."),
            inhibition_rules: r.gauge(
                "alertmanager_inhibition_rules",
                "Number of configured inhibition rules.",
            ),
        }
    }
}

impl LedgerMetrics {
    fn new(r: &Registry) -> Self {
        Self {
            entries: r.counter(
                "alertmanager_ledger_entries_total",
                "Entries written to the ledger of alerts.",
            ),
            dropped: r.counter(
                "alertmanager_ledger_dropped_total",
                "Entries of the ledger that did not reach the disk.",
            ),
            write_errors: r.counter(
                "alertmanager_ledger_write_errors_total",
                "How often the ledger could not be written.",
            ),
            size: r.gauge("alertmanager_ledger_size_bytes", "Size of the ledger on disk in bytes."),
        }
    }
}

//! What scraping tells about itself, under upstream's names; what upstream has not is named after us.

use gauntlet_telemetry::{Counter, Family, Gauge, Histogram, Registry, Summary};

const QUANTILES: &[f64] = &[0.01, 0.05, 0.5, 0.9, 0.99];
const BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0];

/// Metrics of all jobs together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) pools: Counter,
    pub(crate) pools_failed: Counter,
    pub(crate) reload_length: Family<Summary>,
    pub(crate) reloads: Counter,
    pub(crate) reloads_failed: Counter,
    pub(crate) syncs: Family<Counter>,
    pub(crate) exceeded_target_limit: Counter,
    pub(crate) target_limit: Family<Gauge>,
    pub(crate) targets: Family<Gauge>,
    pub(crate) sync_length: Family<Summary>,
    pub(crate) sync_length_histogram: Family<Histogram>,
    pub(crate) sync_failed: Family<Counter>,
    pub(crate) exceeded_body_size: Counter,
    pub(crate) cache_flush_forced: Counter,
    pub(crate) interval_length: Family<Summary>,
    pub(crate) interval_length_histogram: Family<Histogram>,
    pub(crate) exceeded_sample_limit: Counter,
    pub(crate) duplicate_timestamp: Counter,
    pub(crate) out_of_order: Counter,
    pub(crate) out_of_bounds: Counter,
    pub(crate) exemplar_out_of_order: Counter,
    pub(crate) exceeded_label_limits: Counter,
    pub(crate) exceeded_bucket_limit: Counter,
    pub(crate) duration: Histogram,
    /// By `scrape_job` and `stage`.
    pub(crate) failures: Family<Counter>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let job = &["scrape_job"];
        let interval = &["interval"];
        Self {
            pools: registry.counter(
                "prometheus_target_scrape_pools_total",
                "Total number of scrape pool creation attempts.",
            ),
            pools_failed: registry.counter(
                "prometheus_target_scrape_pools_failed_total",
                "Total number of scrape pool creations that failed.",
            ),
            reload_length: registry.summary_vec(
                "prometheus_target_reload_length_seconds",
                "Actual interval to reload the scrape pool with a given configuration.",
                interval,
                QUANTILES,
            ),
            reloads: registry.counter(
                "prometheus_target_scrape_pool_reloads_total",
                "Total number of scrape pool reloads.",
            ),
            reloads_failed: registry.counter(
                "prometheus_target_scrape_pool_reloads_failed_total",
                "Total number of failed scrape pool reloads.",
            ),
            syncs: registry.counter_vec(
                "prometheus_target_scrape_pool_sync_total",
                "Total number of syncs that were executed on a scrape pool.",
                job,
            ),
            exceeded_target_limit: registry.counter(
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Total number of times scrape pools hit the target limit, during sync or config reload.",
            ),
            target_limit: registry.gauge_vec(
                "prometheus_target_scrape_pool_target_limit",
                "Maximum number of targets allowed in this scrape pool.",
                job,
            ),
            targets: registry.gauge_vec(
                "prometheus_target_scrape_pool_targets",
                "Current number of targets in this scrape pool.",
                job,
            ),
            sync_length: registry.summary_vec(
                "prometheus_target_sync_length_seconds",
                "Actual interval to sync the scrape pool.",
                job,
                QUANTILES,
            ),
            sync_length_histogram: registry.histogram_vec(
                "prometheus_target_sync_length_histogram_seconds",
                "Actual interval to sync the scrape pool.",
                job,
                BOUNDS,
            ),
            sync_failed: registry.counter_vec(
                "prometheus_target_sync_failed_total",
                "Total number of target sync failures.",
                job,
            ),
            exceeded_body_size: registry.counter(
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Total number of scrapes that hit the body size limit",
            ),
            cache_flush_forced: registry.counter(
                "prometheus_target_scrapes_cache_flush_forced_total",
                "How many times a scrape cache was flushed due to getting big while scrapes are failing.",
            ),
            interval_length: registry.summary_vec(
                "prometheus_target_interval_length_seconds",
                "Actual intervals between scrapes.",
                interval,
                QUANTILES,
            ),
            interval_length_histogram: registry.histogram_vec(
                "prometheus_target_interval_length_histogram_seconds",
                "Actual intervals between scrapes.",
                interval,
                BOUNDS,
            ),
            exceeded_sample_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Total number of scrapes that hit the sample limit and were rejected.",
            ),
            duplicate_timestamp: registry.counter(
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Total number of samples rejected due to duplicate timestamps but different values.",
            ),
            out_of_order: registry.counter(
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Total number of samples rejected due to not being out of the expected order.",
            ),
            out_of_bounds: registry.counter(
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Total number of samples rejected due to timestamp falling outside of the time bounds.",
            ),
            exemplar_out_of_order: registry.counter(
                "prometheus_target_scrapes_exemplar_out_of_order_total",
                "Total number of exemplar rejected due to not being out of the expected order.",
            ),
            exceeded_label_limits: registry.counter(
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
                "Total number of times scrape pools hit the label limits, during sync or config reload.",
            ),
            exceeded_bucket_limit: registry.counter(
                "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
                "Total number of scrapes that hit the native histogram bucket limit and were rejected.",
            ),
            duration: registry.histogram(
                "prometheus_target_scrape_duration_seconds",
                "Total duration of the scrape from start to commit completion in seconds.",
                // Upstream's is native alone, which in classic form is its count and sum.
                &[],
            ),
            failures: registry.counter_vec(
                "gauntlet_target_scrapes_failed_total",
                "Scrapes that failed, by the stage at which they did.",
                &["scrape_job", "stage"],
            ),
        }
    }

    /// Forgets a job.
    pub(crate) fn remove_job(&self, job: &str) {
        self.failures.retain(|labels| labels[0] != job);
        let job = &[job];
        self.syncs.remove(job);
        self.target_limit.remove(job);
        self.targets.remove(job);
        self.sync_length.remove(job);
        self.sync_length_histogram.remove(job);
        self.sync_failed.remove(job);
    }
}

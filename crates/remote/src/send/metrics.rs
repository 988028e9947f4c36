//! What a destination counts: `prometheus_remote_storage_*` and `prometheus_wal_watcher_*`, names and help upstream's.

use gauntlet_telemetry::{Counter, Family, Gauge, Histogram, Registry};

use super::batch::Counts;
use super::feed::Dropped;

const LABELS: &[&str] = &["remote_name", "url"];
const WITH_REASON: &[&str] = &["remote_name", "url", "reason"];
const BOUNDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0];

/// What the receiver refused when it was sent again, after a restart or an attempt without an answer: it has it. Ours alone.
pub(super) const SENT_BEFORE: &str = "sent_before";

/// Families of all destinations.
#[derive(Debug)]
pub(super) struct Families {
    counters: [Family<Counter>; 16],
    dropped: [Family<Counter>; 3],
    gauges: [Family<Gauge>; 11],
    duration: Family<Histogram>,
    records: Family<Counter>,
    decode_failures: Family<Counter>,
    segment: Family<Gauge>,
}

impl Families {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter_vec(name, help, LABELS);
        let gauge = |name, help| registry.gauge_vec(name, help, LABELS);
        let dropped = |name, help| registry.counter_vec(name, help, WITH_REASON);
        Self {
            counters: [
                counter("prometheus_remote_storage_samples_total", "Total number of samples sent to remote storage."),
                counter("prometheus_remote_storage_histograms_total", "Total number of histograms sent to remote storage."),
                counter("prometheus_remote_storage_exemplars_total", "Total number of exemplars sent to remote storage."),
                counter("prometheus_remote_storage_metadata_total", "Total number of metadata entries sent to remote storage."),
                counter("prometheus_remote_storage_samples_failed_total", "Total number of samples which failed on send to remote storage, non-recoverable errors."),
                counter("prometheus_remote_storage_histograms_failed_total", "Total number of histograms which failed on send to remote storage, non-recoverable errors."),
                counter("prometheus_remote_storage_exemplars_failed_total", "Total number of exemplars which failed on send to remote storage, non-recoverable errors."),
                counter("prometheus_remote_storage_metadata_failed_total", "Total number of metadata entries which failed on send to remote storage, non-recoverable errors."),
                counter("prometheus_remote_storage_samples_retried_total", "Total number of samples which failed on send to remote storage but were retried because the send error was recoverable."),
                counter("prometheus_remote_storage_histograms_retried_total", "Total number of histograms which failed on send to remote storage but were retried because the send error was recoverable."),
                counter("prometheus_remote_storage_exemplars_retried_total", "Total number of exemplars which failed on send to remote storage but were retried because the send error was recoverable."),
                counter("prometheus_remote_storage_metadata_retried_total", "Total number of metadata entries which failed on send to remote storage but were retried because the send error was recoverable."),
                counter("prometheus_remote_storage_enqueue_retries_total", "Total number of times enqueue has failed because a shards queue was full."),
                counter("prometheus_remote_storage_bytes_total", "The total number of bytes of data (not metadata) sent by the queue after compression. Note that when exemplars over remote write is enabled the exemplars included in a remote write request count towards this metric."),
                counter("prometheus_remote_storage_metadata_bytes_total", "The total number of bytes of metadata sent by the queue after compression."),
                counter("gauntlet_remote_storage_log_damage_total", "Parts of the log that could not be read, or were removed before they were sent."),
            ],
            dropped: [
                dropped("prometheus_remote_storage_samples_dropped_total", "Total number of samples which were dropped after being read from the WAL before being sent via remote write, either via relabelling, due to being too old or unintentionally because of an unknown reference ID."),
                dropped("prometheus_remote_storage_histograms_dropped_total", "Total number of histograms which were dropped after being read from the WAL before being sent via remote write, either via relabelling, due to being too old or unintentionally because of an unknown reference ID."),
                dropped("prometheus_remote_storage_exemplars_dropped_total", "Total number of exemplars which were dropped after being read from the WAL before being sent via remote write, either via relabelling, due to being too old or unintentionally because of an unknown reference ID."),
            ],
            gauges: [
                gauge("prometheus_remote_storage_samples_pending", "The number of samples pending in the queues shards to be sent to the remote storage."),
                gauge("prometheus_remote_storage_histograms_pending", "The number of histograms pending in the queues shards to be sent to the remote storage."),
                gauge("prometheus_remote_storage_exemplars_pending", "The number of exemplars pending in the queues shards to be sent to the remote storage."),
                gauge("prometheus_remote_storage_shard_capacity", "The capacity of each shard of the queue used for parallel sending to the remote storage."),
                gauge("prometheus_remote_storage_shards", "The number of shards used for parallel sending to the remote storage."),
                gauge("prometheus_remote_storage_shards_max", "The maximum number of shards that the queue is allowed to run."),
                gauge("prometheus_remote_storage_shards_min", "The minimum number of shards that the queue is allowed to run."),
                gauge("prometheus_remote_storage_shards_desired", "The number of shards that the queues shard calculation wants to run based on the rate of samples in vs. samples out."),
                gauge("prometheus_remote_storage_max_samples_per_send", "The maximum number of samples to be sent, in a single request, to the remote storage. Note that, when sending of exemplars over remote write is enabled, exemplars count towards this limit."),
                gauge("prometheus_remote_storage_queue_highest_timestamp_seconds", "Highest timestamp that was enqueued, in seconds since epoch. Initialized to 0 when no data has been received yet."),
                gauge("prometheus_remote_storage_queue_highest_sent_timestamp_seconds", "Highest timestamp successfully sent by this queue, in seconds since epoch. Initialized to 0 when no data has been sent yet."),
            ],
            duration: registry.histogram_vec(
                "prometheus_remote_storage_sent_batch_duration_seconds",
                "Duration of send calls to the remote storage.",
                LABELS,
                BOUNDS,
            ),
            records: registry.counter_vec(
                "prometheus_wal_watcher_records_read_total",
                "Number of records read by the WAL watcher from the WAL.",
                &["consumer", "type"],
            ),
            decode_failures: registry.counter_vec(
                "prometheus_wal_watcher_record_decode_failures_total",
                "Number of records read by the WAL watcher that resulted in an error when decoding.",
                &["consumer"],
            ),
            segment: registry.gauge_vec(
                "prometheus_wal_watcher_current_segment",
                "Current segment the WAL watcher is reading records from.",
                &["consumer"],
            ),
        }
    }

    /// Handles of one destination.
    pub(super) fn of(&self, name: &str, url: &str) -> QueueMetrics {
        let labels = [name, url];
        let [
            samples,
            histograms,
            exemplars,
            metadata,
            samples_failed,
            histograms_failed,
            exemplars_failed,
            metadata_failed,
            samples_retried,
            histograms_retried,
            exemplars_retried,
            metadata_retried,
            enqueue_retries,
            bytes,
            metadata_bytes,
            damage,
        ] = self.counters.each_ref().map(|family| family.with(&labels));
        let [
            samples_pending,
            histograms_pending,
            exemplars_pending,
            shard_capacity,
            shards,
            shards_max,
            shards_min,
            shards_desired,
            max_samples_per_send,
            highest,
            highest_sent,
        ] = self.gauges.each_ref().map(|family| family.with(&labels));
        let kinds = ["series", "samples", "exemplars", "histogram_samples", "metadata", "unknown"];
        QueueMetrics {
            total: [samples, histograms, exemplars, metadata],
            failed: [samples_failed, histograms_failed, exemplars_failed, metadata_failed],
            retried: [samples_retried, histograms_retried, exemplars_retried, metadata_retried],
            pending: [samples_pending, histograms_pending, exemplars_pending],
            dropped: self.dropped.clone(),
            labels: labels.map(str::to_owned),
            enqueue_retries,
            bytes,
            metadata_bytes,
            damage,
            shard_capacity,
            shards,
            shards_max,
            shards_min,
            shards_desired,
            max_samples_per_send,
            highest,
            highest_sent,
            duration: self.duration.with(&labels),
            records: kinds.map(|kind| self.records.with(&[name, kind])),
            undecodable: self.decode_failures.with(&[name]),
            segment: self.segment.with(&[name]),
        }
    }

    /// A destination is gone.
    pub(super) fn remove(&self, name: &str, url: &str) {
        let labels = [name, url];
        self.counters.iter().for_each(|family| family.remove(&labels));
        self.gauges.iter().for_each(|family| family.remove(&labels));
        self.dropped.iter().for_each(|f| f.retain(|l| l[..2] != [name, url]));
        self.duration.remove(&labels);
        self.records.retain(|l| l[0] != name);
        self.decode_failures.remove(&[name]);
        self.segment.remove(&[name]);
    }
}

/// One destination's. Arrays are samples, histograms, exemplars, metadata.
#[derive(Debug)]
pub(super) struct QueueMetrics {
    pub(super) total: [Counter; 4],
    pub(super) failed: [Counter; 4],
    pub(super) retried: [Counter; 4],
    pub(super) pending: [Gauge; 3],
    dropped: [Family<Counter>; 3],
    labels: [String; 2],
    pub(super) enqueue_retries: Counter,
    pub(super) bytes: Counter,
    pub(super) metadata_bytes: Counter,
    pub(super) damage: Counter,
    pub(super) shard_capacity: Gauge,
    pub(super) shards: Gauge,
    pub(super) shards_max: Gauge,
    pub(super) shards_min: Gauge,
    pub(super) shards_desired: Gauge,
    pub(super) max_samples_per_send: Gauge,
    pub(super) highest: Gauge,
    pub(super) highest_sent: Gauge,
    pub(super) duration: Histogram,
    /// By kind: series, samples, exemplars, histograms, metadata, unknown.
    pub(super) records: [Counter; 6],
    pub(super) undecodable: Counter,
    pub(super) segment: Gauge,
}

impl QueueMetrics {
    pub(super) fn count(counters: &[Counter; 4], counts: &Counts) {
        let all = [counts.samples, counts.histograms, counts.exemplars, counts.metadata];
        for (counter, count) in counters.iter().zip(all) {
            counter.add(count);
        }
    }

    /// `kind`: samples, histograms, exemplars.
    pub(super) fn drop_some(&self, kind: usize, reason: &str, count: u64) {
        if count > 0 {
            self.dropped[kind].with(&[&self.labels[0], &self.labels[1], reason]).add(count);
        }
    }

    pub(super) fn dropped(&self, dropped: &Dropped) {
        for kind in 0..3 {
            self.drop_some(kind, "too_old", dropped.too_old[kind]);
            self.drop_some(kind, "dropped_series", dropped.by_rule[kind]);
            self.drop_some(kind, "unintentionally_dropped_series", dropped.unknown[kind]);
        }
        self.drop_some(1, "nhcb_in_rw1_not_supported", dropped.nhcb);
    }

    pub(super) fn pending(&self, counts: [u64; 3], sign: f64) {
        for (gauge, count) in self.pending.iter().zip(counts) {
            gauge.add(sign * count as f64);
        }
    }
}

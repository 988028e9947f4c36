//! The database's metrics, names and helps as upstream has them. Computed when gathered from what the database counts anyway.
//!
//! Left out, since nothing here has what they measure: isolation watermarks, page flushes, durations of single steps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use gauntlet_telemetry::{Collect, Metric, MetricFamily, MetricKind, MetricValue, Registry};

use crate::db::Db;

/// Registers the metrics of a database. They vanish with it.
pub fn register_metrics(db: &Arc<Db>, registry: &Registry) {
    registry.register(Arc::new(DbMetrics(Arc::downgrade(db))));
}

struct DbMetrics(Weak<Db>);

impl Collect for DbMetrics {
    fn collect(&self, out: &mut Vec<MetricFamily>) {
        if let Some(db) = self.0.upgrade() {
            head(&db, out);
            log(&db, out);
            blocks(&db, out);
        }
    }
}

fn count(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

fn counter(out: &mut Vec<MetricFamily>, name: &'static str, help: &'static str, value: f64) {
    out.push(MetricFamily::single(name, help, MetricValue::Counter(value)));
}

fn gauge(out: &mut Vec<MetricFamily>, name: &'static str, help: &'static str, value: f64) {
    out.push(MetricFamily::single(name, help, MetricValue::Gauge(value)));
}

/// A counter with a label `type`.
fn by_type(
    out: &mut Vec<MetricFamily>,
    name: &'static str,
    help: &'static str,
    values: &[(&'static str, f64)],
) {
    let metrics = values.iter().map(|(kind, value)| Metric {
        labels: vec![("type".into(), (*kind).to_owned())],
        value: MetricValue::Counter(*value),
    });
    out.push(MetricFamily {
        name: name.into(),
        help: help.into(),
        kind: MetricKind::Counter,
        metrics: metrics.collect(),
    });
}

fn head(db: &Db, out: &mut Vec<MetricFamily>) {
    let (head, counters) = (db.head(), &db.head().counters);
    let stats = head.stats();
    let series = stats.num_series as f64;
    gauge(out, "prometheus_tsdb_head_series", "Total number of series in the head block.", series);
    gauge(
        out,
        "prometheus_tsdb_head_stale_series",
        "Total number of stale series in the head block.",
        stats.num_stale_series as f64,
    );
    gauge(
        out,
        "prometheus_tsdb_head_native_histogram_series",
        "Number of series whose most recent in-order sample is a native histogram.",
        stats.num_histogram_series as f64,
    );
    counter(
        out,
        "prometheus_tsdb_head_series_created_total",
        "Total number of series created in the head",
        count(&counters.series_created) + db.replay_stats().series as f64,
    );
    counter(
        out,
        "prometheus_tsdb_head_series_removed_total",
        "Total number of series removed in the head",
        count(&counters.series_removed),
    );
    counter(
        out,
        "prometheus_tsdb_head_series_not_found_total",
        "Total number of requests for series that were not found.",
        count(&counters.series_not_found),
    );
    let chunks = stats.chunk_count as f64;
    gauge(out, "prometheus_tsdb_head_chunks", "Total number of chunks in the head block.", chunks);
    counter(
        out,
        "prometheus_tsdb_head_chunks_created_total",
        "Total number of chunks created in the head",
        stats.chunks_created as f64,
    );
    counter(
        out,
        "prometheus_tsdb_head_chunks_removed_total",
        "Total number of chunks removed in the head",
        stats.chunks_removed as f64,
    );
    by_type(
        out,
        "prometheus_tsdb_head_samples_appended_total",
        "Total number of appended samples.",
        &[
            ("float", count(&counters.floats_appended)),
            ("histogram", count(&counters.histograms_appended)),
        ],
    );
    by_type(
        out,
        "prometheus_tsdb_head_out_of_order_samples_appended_total",
        "Total number of appended out of order samples.",
        &[("float", count(&counters.late_appended))],
    );
    by_type(
        out,
        "prometheus_tsdb_out_of_bound_samples_total",
        "Total number of out of bound samples ingestion failed attempts with out of order support disabled.",
        &[("float", count(&counters.out_of_bounds))],
    );
    by_type(
        out,
        "prometheus_tsdb_out_of_order_samples_total",
        "Total number of out of order samples ingestion failed attempts due to out of order being disabled.",
        &[("float", count(&counters.out_of_order))],
    );
    by_type(
        out,
        "prometheus_tsdb_too_old_samples_total",
        "Total number of out of order samples ingestion failed attempts with out of support enabled, but sample outside of time window.",
        &[("float", count(&counters.too_old))],
    );
    counter(
        out,
        "prometheus_tsdb_head_truncations_total",
        "Total number of head truncations attempted.",
        count(&counters.truncations),
    );
    gauge(
        out,
        "prometheus_tsdb_head_min_time",
        "Minimum time bound of the head block. The unit is decided by the library consumer.",
        stats.min_time as f64,
    );
    gauge(
        out,
        "prometheus_tsdb_head_max_time",
        "Maximum timestamp of the head block. The unit is decided by the library consumer.",
        stats.max_time as f64,
    );
    gauge(
        out,
        "prometheus_tsdb_head_chunks_storage_size_bytes",
        "Size of the chunks_head directory.",
        head.chunk_files_bytes() as f64,
    );
    counter(
        out,
        "prometheus_tsdb_exemplar_exemplars_appended_total",
        "Total number of appended exemplars.",
        count(&counters.exemplars_appended),
    );
    gauge(
        out,
        "prometheus_tsdb_exemplar_exemplars_in_storage",
        "Number of exemplars currently in circular storage.",
        stats.exemplars as f64,
    );
    gauge(
        out,
        "prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
        "Number of series with exemplars currently in circular storage.",
        stats.series_with_exemplars as f64,
    );
}

fn log(db: &Db, out: &mut Vec<MetricFamily>) {
    gauge(
        out,
        "prometheus_tsdb_data_replay_duration_seconds",
        "Time taken to replay the data on disk.",
        db.replay_took().as_secs_f64(),
    );
    counter(
        out,
        "prometheus_tsdb_wal_corruptions_total",
        "Total number of WAL corruptions.",
        count(&db.head().counters.wal_corruptions),
    );
    if let Some(wal) = db.head().wal() {
        gauge(
            out,
            "prometheus_tsdb_wal_segment_current",
            "Write log segment index that TSDB is currently writing to.",
            f64::from(wal.segment()),
        );
        gauge(
            out,
            "prometheus_tsdb_wal_storage_size_bytes",
            "Size of the write log directory.",
            wal.size_bytes().unwrap_or(0) as f64,
        );
        counter(
            out,
            "prometheus_tsdb_wal_writes_failed_total",
            "Total number of write log writes that failed.",
            wal.failed_writes() as f64,
        );
    }
}

fn blocks(db: &Db, out: &mut Vec<MetricFamily>) {
    let counters = db.counters();
    let loaded = db.blocks();
    let blocks = loaded.len() as f64;
    gauge(out, "prometheus_tsdb_blocks_loaded", "Number of currently loaded data blocks", blocks);
    gauge(
        out,
        "gauntlet_tsdb_blocks_damaged",
        "Blocks in the data folder that do not serve because they are damaged.",
        db.bad_blocks().len() as f64,
    );
    gauge(
        out,
        "gauntlet_tsdb_chunks_damaged",
        "Chunks of blocks and head that were found damaged and are left out of answers.",
        (loaded.iter().map(|block| block.damaged_chunks()).sum::<usize>()
            + db.head().damaged_chunks()) as f64,
    );
    gauge(
        out,
        "gauntlet_tsdb_short_of_space",
        "1 while writes are refused because too little space is left on the disk.",
        f64::from(u8::from(db.head().is_short_of_space())),
    );
    let memory = db.head().memory();
    let parts = memory.parts().into_iter().map(|(part, bytes)| Metric {
        labels: vec![("part".into(), part.to_owned())],
        value: MetricValue::Gauge(bytes as f64),
    });
    let index: usize = loaded.iter().map(|block| block.index().memory_bytes()).sum();
    let of_blocks = Metric {
        labels: vec![("part".into(), "indexes of blocks".to_owned())],
        value: MetricValue::Gauge(index as f64),
    };
    out.push(MetricFamily {
        name: "gauntlet_tsdb_memory_bytes".into(),
        help: "Heap bytes of head and blocks by purpose.".into(),
        kind: MetricKind::Gauge,
        metrics: parts.chain([of_blocks]).collect(),
    });
    gauge(
        out,
        "prometheus_tsdb_storage_blocks_bytes",
        "The number of bytes that are currently used for local storage by all blocks.",
        loaded.iter().map(|block| block.size_bytes()).sum::<u64>() as f64,
    );
    gauge(
        out,
        "prometheus_tsdb_lowest_timestamp",
        "Lowest timestamp value stored in the database. The unit is decided by the library consumer.",
        db.start_time().unwrap_or(i64::MAX) as f64,
    );
    gauge(
        out,
        "prometheus_tsdb_retention_limit_bytes",
        "Max number of bytes to be retained in the tsdb blocks, configured 0 means disabled",
        db.retention().bytes as f64,
    );
    gauge(
        out,
        "prometheus_tsdb_retention_limit_seconds",
        "How long to retain samples in storage.",
        db.retention().time_ms as f64 / 1000.0,
    );
    gauge(
        out,
        "prometheus_tsdb_retention_limit_percentage",
        "Max percentage of total storage space to be retained in the tsdb blocks, configured 0 means disabled",
        db.retention().percent,
    );
    let counts = [
        (
            "prometheus_tsdb_compactions_total",
            "Total number of compactions that were executed for the partition.",
            &counters.compactions,
        ),
        (
            "prometheus_tsdb_compactions_failed_total",
            "Total number of compactions that failed for the partition.",
            &counters.compactions_failed,
        ),
        (
            "prometheus_tsdb_compactions_triggered_total",
            "Total number of triggered compactions for the partition.",
            &counters.triggered,
        ),
        (
            "prometheus_tsdb_reloads_total",
            "Number of times the database reloaded block data from disk.",
            &counters.reloads,
        ),
        (
            "prometheus_tsdb_reloads_failures_total",
            "Number of times the database failed to reloadBlocks block data from disk.",
            &counters.reloads_failed,
        ),
        (
            "prometheus_tsdb_time_retentions_total",
            "The number of times that blocks were deleted because the maximum time limit was exceeded.",
            &counters.time_retentions,
        ),
        (
            "prometheus_tsdb_size_retentions_total",
            "The number of times that blocks were deleted because the maximum number of bytes was exceeded.",
            &counters.size_retentions,
        ),
    ];
    for (name, help, value) in counts {
        counter(out, name, help, count(value));
    }
}

//! What status pages show: pools, targets, dropped targets, metadata. Plain values; their JSON is the API's.

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::Labels;
use gauntlet_telemetry::{Collect, Metric, MetricFamily, MetricKind, MetricValue};
use parking_lot::RwLock;

use crate::config::ScrapeConfig;
use crate::metadata::MetricMetadata;
use crate::target::{Report, Target};

/// A target that relabelling dropped.
#[derive(Clone, Debug)]
pub struct DroppedTarget {
    pub discovered: Labels,
    /// Index of the rule in `relabel_configs`; `None` if no label but internal ones was left.
    pub rule: Option<usize>,
}

/// A pool as it stands.
#[derive(Debug)]
pub struct PoolState {
    pub config: Arc<ScrapeConfig>,
    /// Ascending by URL.
    pub active: Vec<Arc<Target>>,
    /// At most `keep_dropped_targets`, if that is set.
    pub dropped: Vec<DroppedTarget>,
    pub dropped_count: usize,
}

impl PoolState {
    pub(crate) fn new(config: Arc<ScrapeConfig>) -> Self {
        Self { config, active: Vec::new(), dropped: Vec::new(), dropped_count: 0 }
    }
}

/// An active target with its last scrape.
#[derive(Clone, Debug)]
pub struct ActiveTarget {
    pub pool: String,
    pub target: Arc<Target>,
    pub report: Report,
}

/// The state of all pools. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pools: Arc<RwLock<BTreeMap<String, Arc<RwLock<PoolState>>>>>,
}

impl Status {
    pub(crate) fn insert(&self, job: &str, state: Arc<RwLock<PoolState>>) {
        self.pools.write().insert(job.to_owned(), state);
    }

    pub(crate) fn remove(&self, job: &str) {
        self.pools.write().remove(job);
    }

    /// Names of the pools, ascending.
    pub fn pools(&self) -> Vec<String> {
        self.pools.read().keys().cloned().collect()
    }

    /// The configuration of a pool.
    pub fn config(&self, pool: &str) -> Option<Arc<ScrapeConfig>> {
        self.pools.read().get(pool).map(|state| Arc::clone(&state.read().config))
    }

    /// Targets being scraped, by pool and URL; of one pool, if one is named.
    pub fn active(&self, pool: Option<&str>) -> Vec<ActiveTarget> {
        let mut out = Vec::new();
        for (name, state) in self.pools.read().iter().filter(|(n, _)| pool.is_none_or(|p| p == *n))
        {
            for target in &state.read().active {
                out.push(ActiveTarget {
                    pool: name.clone(),
                    target: Arc::clone(target),
                    report: target.report(),
                });
            }
        }
        out
    }

    /// Targets that were dropped, with their pool; of one pool, if one is named.
    pub fn dropped(&self, pool: Option<&str>) -> Vec<(String, DroppedTarget)> {
        let mut out = Vec::new();
        for (name, state) in self.pools.read().iter().filter(|(n, _)| pool.is_none_or(|p| p == *n))
        {
            out.extend(state.read().dropped.iter().map(|d| (name.clone(), d.clone())));
        }
        out
    }

    /// How many targets each pool dropped, those not kept included.
    pub fn dropped_counts(&self) -> BTreeMap<String, usize> {
        let pools = self.pools.read();
        pools.iter().map(|(name, state)| (name.clone(), state.read().dropped_count)).collect()
    }

    /// Metadata of the targets that `wanted` takes by their labels; of one metric, if one is named.
    pub fn metadata(
        &self,
        metric: Option<&str>,
        mut wanted: impl FnMut(&Labels) -> bool,
    ) -> Vec<(Arc<Target>, Vec<MetricMetadata>)> {
        let mut out = Vec::new();
        for state in self.pools.read().values() {
            for target in state.read().active.iter().filter(|t| wanted(t.labels())) {
                let list = target.metadata.lock().list(metric);
                if !list.is_empty() {
                    out.push((Arc::clone(target), list));
                }
            }
        }
        out
    }
}

/// Sizes of the metadata caches, summed up when they are asked for, and of the symbol tables, which are not needed here.
impl Collect for Status {
    fn collect(&self, out: &mut Vec<MetricFamily>) {
        let mut entries = Vec::new();
        let mut bytes = Vec::new();
        let mut symbols = Vec::new();
        for (job, state) in self.pools.read().iter() {
            let (mut len, mut size) = (0, 0);
            for target in &state.read().active {
                let cache = target.metadata.lock();
                len += cache.len();
                size += cache.size_bytes();
            }
            let metric = |value: usize| Metric {
                labels: vec![("scrape_job".into(), job.clone())],
                value: MetricValue::Gauge(value as f64),
            };
            entries.push(metric(len));
            bytes.push(metric(size));
            symbols.push(metric(0));
        }
        for (name, help, metrics) in [
            (
                "prometheus_target_metadata_cache_entries",
                "Total number of metric metadata entries in the cache",
                entries,
            ),
            (
                "prometheus_target_metadata_cache_bytes",
                "The number of bytes that are currently used for storing metric metadata in the cache",
                bytes,
            ),
            (
                "prometheus_target_scrape_pool_symboltable_items",
                "Current number of symbols in table for this scrape pool.",
                symbols,
            ),
        ] {
            if !metrics.is_empty() {
                out.push(MetricFamily {
                    name: name.into(),
                    help: help.into(),
                    kind: MetricKind::Gauge,
                    metrics,
                });
            }
        }
    }
}

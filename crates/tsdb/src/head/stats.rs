//! What `/api/v1/status/tsdb` says of the head: counts, and who has the most series.

use std::sync::atomic::Ordering;

use hashbrown::HashMap;

use super::index::DEAD;
use super::{Head, SHARDS};
use crate::head::shard::Counts;

/// `headStats`, and the counts behind the head's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadStats {
    pub num_series: u64,
    pub num_label_pairs: u64,
    pub chunk_count: u64,
    pub min_time: i64,
    pub max_time: i64,
    pub num_stale_series: u64,
    pub num_histogram_series: u64,
    pub chunks_created: u64,
    pub chunks_removed: u64,
    pub exemplars: u64,
    pub series_with_exemplars: u64,
}

/// A name and a number.
pub type Cardinality = (String, u64);

/// The most of each kind, most first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cardinalities {
    pub series_count_by_metric_name: Vec<Cardinality>,
    pub label_value_count_by_label_name: Vec<Cardinality>,
    pub memory_in_bytes_by_label_name: Vec<Cardinality>,
    pub series_count_by_label_value_pair: Vec<Cardinality>,
}

impl Head {
    pub fn stats(&self) -> HeadStats {
        let mut all = Counts::default();
        for shard in 0..SHARDS {
            let data = self.shards[shard].data.read();
            let counts = data.counts;
            all.chunks += data.late.values().map(|late| late.chunks_held()).sum::<u64>();
            all.series += counts.series;
            all.stale += counts.stale;
            all.histogram_series += counts.histogram_series;
            all.chunks += counts.chunks;
            all.chunks_created += counts.chunks_created;
            all.chunks_removed += counts.chunks_removed;
        }
        let exemplars = self.exemplars.lock();
        HeadStats {
            num_series: all.series,
            num_label_pairs: self.index.read().live_pairs() as u64,
            chunk_count: all.chunks,
            min_time: self.min_t.load(Ordering::Relaxed),
            max_time: self.max_t.load(Ordering::Relaxed),
            num_stale_series: all.stale,
            num_histogram_series: all.histogram_series,
            chunks_created: all.chunks_created,
            chunks_removed: all.chunks_removed,
            exemplars: exemplars.len() as u64,
            series_with_exemplars: exemplars.series() as u64,
        }
    }

    /// The `limit` most of each kind; `label` chooses whose values `series_count_by_metric_name` counts. Walks all series.
    pub fn cardinalities(&self, label: &str, limit: usize) -> Cardinalities {
        let index = self.index.read();
        let mut by_pair: HashMap<u32, u64, foldhash::fast::FixedState> = HashMap::default();
        for id in (0..index.end()).filter(|id| index.place(*id) != DEAD) {
            let (base, own) = index.split(id);
            for pair in base.iter().chain(own) {
                *by_pair.entry(*pair).or_default() += 1;
            }
        }
        let mut of_label = Vec::new();
        let mut of_pair = Vec::new();
        let mut values: HashMap<u32, (u64, u64), foldhash::fast::FixedState> = HashMap::default();
        let mut counted: Vec<(u32, u64)> = by_pair.into_iter().collect();
        counted.sort_unstable();
        for (pair, count) in counted {
            let (name, value) = index.pairs.pair(pair);
            if name == label {
                of_label.push((value.to_owned(), count));
            }
            of_pair.push((pair, count));
            let entry = values.entry(index.pairs.name_of(pair)).or_default();
            entry.0 += 1;
            entry.1 += value.len() as u64 * count;
        }
        let mut names: Vec<(String, u64, u64)> =
            values.into_iter().map(|(n, (v, b))| (index.pairs.name(n).to_owned(), v, b)).collect();
        names.sort_unstable();
        of_pair.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        of_pair.truncate(limit);
        let pair_text = |pair: u32| {
            let (name, value) = index.pairs.pair(pair);
            format!("{name}={value}")
        };
        Cardinalities {
            series_count_by_metric_name: most(of_label, limit),
            label_value_count_by_label_name: most(
                names.iter().map(|(n, v, _)| (n.clone(), *v)).collect(),
                limit,
            ),
            memory_in_bytes_by_label_name: most(
                names.into_iter().map(|(n, _, b)| (n, b)).collect(),
                limit,
            ),
            series_count_by_label_value_pair: of_pair
                .into_iter()
                .map(|(p, c)| (pair_text(p), c))
                .collect(),
        }
    }
}

fn most(mut all: Vec<Cardinality>, limit: usize) -> Vec<Cardinality> {
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.truncate(limit);
    all
}

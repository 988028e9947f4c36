//! Requests, checked: matchers parsed, numbers in range. From and to the wire, and from what the engine asks.

use std::sync::Arc;

use gauntlet_model::{Labels, Matcher, Timestamp};
use gauntlet_runtime::{Budget, Cancel};
use gauntlet_storage::{LabelRequest, SelectHints, SelectRequest, TimeRange};
use gauntlet_wire::convert::{matcher_to_proto, matchers_from_proto};
use gauntlet_wire::store::{
    self, Aggr, Any, Func, Grouping, PartialResponseStrategy, QueryHints, Range, ShardInfo,
};

use crate::StoreError;

/// Series that a frame of our requests may hold.
pub const RESPONSE_BATCH_SIZE: i64 = 64;
/// Functions that need two samples in a window: a resolution over half of it would starve them. Source: upstream querier.
const TWO_SAMPLE_FUNCTIONS: [&str; 9] = [
    "rate",
    "irate",
    "increase",
    "delta",
    "idelta",
    "deriv",
    "predict_linear",
    "holt_winters",
    "double_exponential_smoothing",
];

/// A Series request.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// Both ends in, milliseconds.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    pub matchers: Arc<[Matcher]>,
    /// Coarsest resolution taken, milliseconds.
    pub max_resolution_ms: i64,
    pub aggregates: Vec<Aggr>,
    /// A missing part is an error rather than a warning.
    pub abort: bool,
    pub skip_chunks: bool,
    pub without_replica_labels: Vec<String>,
    pub shard: Option<ShardInfo>,
    /// Most series wanted; 0 is all.
    pub limit: usize,
    pub hints: Option<Any>,
    pub query_hints: Option<QueryHints>,
    pub budget: Arc<Budget>,
    pub cancel: Cancel,
}

impl SeriesQuery {
    /// What the engine's selection means to stores.
    pub fn from_select(request: &SelectRequest) -> Self {
        let hints = &request.hints;
        Self {
            min_time: request.range.min,
            max_time: request.range.max,
            matchers: Arc::clone(&request.matchers),
            max_resolution_ms: max_resolution(hints),
            aggregates: aggregates_of(&hints.func),
            abort: !hints.partial_response,
            skip_chunks: hints.labels_only,
            without_replica_labels: hints.replica_labels.clone(),
            shard: None,
            limit: hints.limit,
            hints: None,
            query_hints: Some(QueryHints {
                step_millis: hints.step_ms,
                func: (!hints.func.is_empty()).then(|| Func { name: hints.func.clone() }),
                grouping: (!hints.grouping.is_empty())
                    .then(|| Grouping { by: hints.by, labels: hints.grouping.clone() }),
                range: (hints.range_ms > 0).then_some(Range { millis: hints.range_ms }),
                ..QueryHints::default()
            }),
            budget: Arc::clone(&request.budget),
            cancel: request.cancel.clone(),
        }
    }

    pub fn from_proto(
        request: store::SeriesRequest,
        budget: Arc<Budget>,
        cancel: Cancel,
    ) -> Result<Self, StoreError> {
        let matchers = matchers_from_proto(&request.matchers).map_err(invalid)?;
        Ok(Self {
            min_time: request.min_time,
            max_time: request.max_time,
            matchers: matchers.into(),
            max_resolution_ms: request.max_resolution_window,
            aggregates: request.aggregates.iter().filter_map(|a| Aggr::try_from(*a).ok()).collect(),
            abort: request.partial_response_disabled
                || request.partial_response_strategy == PartialResponseStrategy::Abort as i32,
            skip_chunks: request.skip_chunks,
            without_replica_labels: request.without_replica_labels,
            shard: request.shard_info.filter(|shard| shard.total_shards > 0),
            limit: usize::try_from(request.limit).unwrap_or(0),
            hints: request.hints,
            query_hints: request.query_hints,
            budget,
            cancel,
        })
    }

    pub fn to_proto(&self) -> store::SeriesRequest {
        store::SeriesRequest {
            min_time: self.min_time,
            max_time: self.max_time,
            matchers: self.matchers.iter().map(matcher_to_proto).collect(),
            max_resolution_window: self.max_resolution_ms,
            aggregates: self.aggregates.iter().map(|a| *a as i32).collect(),
            partial_response_strategy: strategy(self.abort),
            skip_chunks: self.skip_chunks,
            hints: self.hints.clone(),
            query_hints: self.query_hints.clone(),
            shard_info: self.shard.clone(),
            without_replica_labels: self.without_replica_labels.clone(),
            limit: i64::try_from(self.limit).unwrap_or(i64::MAX),
            response_batch_size: RESPONSE_BATCH_SIZE,
            ..store::SeriesRequest::default()
        }
    }

    pub fn range(&self) -> TimeRange {
        TimeRange::new(self.min_time, self.max_time)
    }

    /// The same question with other matchers.
    pub fn with_matchers(&self, matchers: Vec<Matcher>) -> Self {
        Self { matchers: matchers.into(), ..self.clone() }
    }

    /// Whether a final label set belongs to the wanted shard.
    pub fn in_shard(&self, labels: &Labels) -> bool {
        self.shard.as_ref().is_none_or(|shard| in_shard(shard, labels))
    }
}

/// A question about label names or values.
#[derive(Clone, Debug)]
pub struct LabelQuery {
    /// Both ends in, milliseconds.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    pub matchers: Arc<[Matcher]>,
    pub without_replica_labels: Vec<String>,
    pub abort: bool,
    /// Most entries wanted; 0 is all.
    pub limit: usize,
    pub hints: Option<Any>,
    pub cancel: Cancel,
}

impl LabelQuery {
    pub fn from_request(request: &LabelRequest) -> Self {
        Self {
            min_time: request.range.min,
            max_time: request.range.max,
            matchers: Arc::clone(&request.matchers),
            without_replica_labels: request.replica_labels.clone(),
            abort: !request.partial_response,
            limit: request.limit,
            hints: None,
            cancel: request.cancel.clone(),
        }
    }

    pub fn from_names(
        request: store::LabelNamesRequest,
        cancel: Cancel,
    ) -> Result<Self, StoreError> {
        let matchers = matchers_from_proto(&request.matchers).map_err(invalid)?;
        Ok(Self {
            min_time: request.start,
            max_time: request.end,
            matchers: matchers.into(),
            without_replica_labels: request.without_replica_labels,
            abort: request.partial_response_disabled
                || request.partial_response_strategy == PartialResponseStrategy::Abort as i32,
            limit: usize::try_from(request.limit).unwrap_or(0),
            hints: request.hints,
            cancel,
        })
    }

    pub fn from_values(
        request: store::LabelValuesRequest,
        cancel: Cancel,
    ) -> Result<(String, Self), StoreError> {
        let names = store::LabelNamesRequest {
            partial_response_disabled: request.partial_response_disabled,
            partial_response_strategy: request.partial_response_strategy,
            start: request.start,
            end: request.end,
            hints: request.hints,
            matchers: request.matchers,
            without_replica_labels: request.without_replica_labels,
            limit: request.limit,
        };
        Ok((request.label, Self::from_names(names, cancel)?))
    }

    pub fn to_names(&self) -> store::LabelNamesRequest {
        store::LabelNamesRequest {
            partial_response_disabled: false,
            partial_response_strategy: strategy(self.abort),
            start: self.min_time,
            end: self.max_time,
            hints: self.hints.clone(),
            matchers: self.matchers.iter().map(matcher_to_proto).collect(),
            without_replica_labels: self.without_replica_labels.clone(),
            limit: i64::try_from(self.limit).unwrap_or(i64::MAX),
        }
    }

    pub fn to_values(&self, label: &str) -> store::LabelValuesRequest {
        let names = self.to_names();
        store::LabelValuesRequest {
            label: label.to_owned(),
            partial_response_disabled: false,
            partial_response_strategy: names.partial_response_strategy,
            start: names.start,
            end: names.end,
            hints: names.hints,
            matchers: names.matchers,
            without_replica_labels: names.without_replica_labels,
            limit: names.limit,
        }
    }

    /// The same question of a storage of this process.
    pub fn to_request(&self, matchers: Vec<Matcher>) -> LabelRequest {
        LabelRequest {
            matchers: matchers.into(),
            range: TimeRange::new(self.min_time, self.max_time),
            limit: 0,
            replica_labels: Vec::new(),
            partial_response: !self.abort,
            cancel: self.cancel.clone(),
        }
    }
}

/// Which aggregates the function above a selector is served from. The prefix rule is upstream's: `min` or `min_...`.
pub fn aggregates_of(func: &str) -> Vec<Aggr> {
    let is =
        |name: &str| func == name || func.strip_prefix(name).is_some_and(|f| f.starts_with('_'));
    match func {
        _ if is("min") => vec![Aggr::Min],
        _ if is("max") => vec![Aggr::Max],
        _ if is("count") => vec![Aggr::Count],
        // `sum` itself takes the samples: an average stands for each.
        _ if func.starts_with("sum_") => vec![Aggr::Sum],
        "increase" | "rate" | "irate" | "resets" | "xincrease" | "xrate" => vec![Aggr::Counter],
        _ => vec![Aggr::Count, Aggr::Sum],
    }
}

/// Whether replicas are merged as counters. Source: upstream `pkg/dedup`.
pub fn is_counter(func: &str) -> bool {
    matches!(func, "increase" | "rate" | "irate" | "resets")
}

fn max_resolution(hints: &SelectHints) -> i64 {
    if hints.range_ms > 0 && TWO_SAMPLE_FUNCTIONS.contains(&hints.func.as_str()) {
        return hints.max_resolution_ms.min(hints.range_ms / 2);
    }
    hints.max_resolution_ms
}

fn in_shard(shard: &ShardInfo, labels: &Labels) -> bool {
    let mut key = Vec::with_capacity(64);
    for (name, value) in labels {
        if shard.labels.iter().any(|l| l == name) == shard.by {
            key.extend_from_slice(name.as_bytes());
            key.push(0xff);
            key.extend_from_slice(value.as_bytes());
            key.push(0xff);
        }
    }
    let total = u64::try_from(shard.total_shards).unwrap_or(1).max(1);
    let hash = xxhash_rust::xxh64::xxh64(&key, 0);
    u64::try_from(shard.shard_index).is_ok_and(|index| hash % total == index)
}

fn strategy(abort: bool) -> i32 {
    let strategy =
        if abort { PartialResponseStrategy::Abort } else { PartialResponseStrategy::Warn };
    strategy as i32
}

fn invalid(err: gauntlet_wire::WireError) -> StoreError {
    StoreError::InvalidArgument(err.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_choose_their_aggregates() {
        let check = |func, expect: &[Aggr]| assert_eq!(aggregates_of(func), expect, "{func}");
        check("min_over_time", &[Aggr::Min]);
        check("max", &[Aggr::Max]);
        check("count_values", &[Aggr::Count]);
        check("minute", &[Aggr::Count, Aggr::Sum]);
        check("sum", &[Aggr::Count, Aggr::Sum]);
        check("sum_over_time", &[Aggr::Sum]);
        check("irate", &[Aggr::Counter]);
        check("", &[Aggr::Count, Aggr::Sum]);
    }

    #[test]
    fn two_sample_functions_get_half_of_their_range_at_most() {
        let of = |func: &str| {
            max_resolution(&SelectHints {
                func: func.to_owned(),
                range_ms: 120_000,
                max_resolution_ms: 300_000,
                ..SelectHints::default()
            })
        };
        assert_eq!((of("rate"), of("deriv"), of("avg_over_time")), (60_000, 60_000, 300_000));
    }

    #[test]
    fn shards_part_all_series() {
        let shard = |shard_index, by| ShardInfo {
            shard_index,
            total_shards: 2,
            by,
            labels: vec!["a".to_owned()],
        };
        let kept = |index| {
            let labels = ["a", "b", "c"].map(|v| Labels::from_pairs([("a", v), ("x", "1")]));
            let kept: Vec<_> = labels.iter().filter(|l| in_shard(&shard(index, true), l)).collect();
            kept.iter().map(|l| l.value("a").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (kept(0), kept(1)),
            (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()])
        );
    }
}

//! The reader's side: what is asked of a storage and how it answers.

use std::sync::Arc;

use futures::future::BoxFuture;
use gauntlet_model::{Matcher, Timestamp};
use gauntlet_runtime::{Budget, BudgetError, Cancel, CancelReason};

use crate::SeriesSet;

/// A span of time, both ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    pub min: Timestamp,
    pub max: Timestamp,
}

impl TimeRange {
    pub fn new(min: Timestamp, max: Timestamp) -> Self {
        Self { min, max }
    }

    pub fn all() -> Self {
        Self { min: Timestamp::MIN, max: Timestamp::MAX }
    }

    /// Whether a span with both ends in has a moment in common with this one.
    pub fn overlaps(&self, min: Timestamp, max: Timestamp) -> bool {
        self.min <= max && min <= self.max
    }
}

/// What the reader will do with the series: lets a storage read less. Ignoring all of it is correct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectHints {
    /// Evaluation step in ms; 0 for an instant query.
    pub step_ms: i64,
    /// Width of the range selector in ms; 0 for an instant selector.
    pub range_ms: i64,
    /// The function or aggregation directly above the selector, e.g. `rate`; empty if none.
    pub func: String,
    pub grouping: Vec<String>,
    pub by: bool,
    /// Most series wanted; 0 means all.
    pub limit: usize,
    /// Of each series only its last sample in the range is looked at.
    pub latest_only: bool,
    /// Only label sets are wanted; sets may come without chunks.
    pub labels_only: bool,
    /// The reader takes series in the storage's own order and loads them a few at a time: see [`SeriesSet::deferred`]. The range
    /// is that of all selections of the query: where several places have a part of it, all of them are merged, in order of labels.
    pub deferred: Option<TimeRange>,
    /// Coarsest resolution in ms that the reader takes (Thanos `max_source_resolution`); 0 means raw only.
    pub max_resolution_ms: i64,
    /// Labels that tell replicas apart, to be removed, with their series deduplicated; empty for none.
    pub replica_labels: Vec<String>,
    /// A store that cannot answer is a warning (true) or an error (false).
    pub partial_response: bool,
}

/// A selection of series.
#[derive(Clone, Debug)]
pub struct SelectRequest {
    /// All must match.
    pub matchers: Arc<[Matcher]>,
    pub range: TimeRange,
    pub hints: SelectHints,
    /// Pays for label sets and chunk bytes that the answer holds.
    pub budget: Arc<Budget>,
    pub cancel: Cancel,
}

impl SelectRequest {
    /// A request without hints, budget or deadline.
    pub fn new(matchers: impl Into<Arc<[Matcher]>>, range: TimeRange) -> Self {
        Self {
            matchers: matchers.into(),
            range,
            hints: SelectHints::default(),
            budget: Budget::unlimited(),
            cancel: Cancel::new(),
        }
    }
}

/// A question about label names or values. Any of `matcher_sets` may match; none means every series.
#[derive(Clone, Debug)]
pub struct LabelRequest {
    pub matchers: Arc<[Matcher]>,
    pub range: TimeRange,
    /// Most entries wanted; 0 means all.
    pub limit: usize,
    pub replica_labels: Vec<String>,
    pub partial_response: bool,
    pub cancel: Cancel,
}

impl LabelRequest {
    pub fn new(matchers: impl Into<Arc<[Matcher]>>, range: TimeRange) -> Self {
        Self {
            matchers: matchers.into(),
            range,
            limit: 0,
            replica_labels: Vec::new(),
            partial_response: true,
            cancel: Cancel::new(),
        }
    }
}

/// Names or values, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelAnswer {
    pub values: Vec<String>,
    pub warnings: Vec<String>,
}

impl LabelAnswer {
    /// Takes the union of two sorted answers.
    pub fn merge(&mut self, other: Self) {
        self.values.extend(other.values);
        self.values.sort_unstable();
        self.values.dedup();
        self.warnings.extend(other.warnings);
    }
}

/// Why a storage did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueryError {
    #[error("query was canceled: {0}")]
    Canceled(#[from] CancelReason),
    #[error("query needs more memory than it may use: {0}")]
    Budget(#[from] BudgetError),
    /// Stored bytes are damaged; the text has file, offset, expected and found.
    #[error("{0}")]
    Corrupt(String),
    /// A store or disk could not be read; trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// What a deferred set names is no longer where it was: the selection is to be made again, without deferring.
    #[error("samples were moved while they were read")]
    Moved,
    #[error("{0}")]
    BadRequest(String),
}

/// A storage that can be read.
pub trait Queryable: Send + Sync + std::fmt::Debug {
    /// Series that match and have, as far as the storage knows without decoding, samples in the range.
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>>;

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>>;

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>>;
}

//! Who watches queries: told of each one that begins and ends, whoever asked it. Writing logs is the watcher's business.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::Timestamp;
use gauntlet_runtime::Clock;

use super::{EngineError, QueryStats};

/// Where a query comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryOrigin {
    /// The query's text. Without one nobody is told of the query.
    pub query: String,
    pub asked_by: AskedBy,
}

/// Who asked a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AskedBy {
    #[default]
    Unknown,
    Http {
        /// Without port.
        client_ip: String,
        method: String,
        path: String,
    },
    RuleGroup {
        file: String,
        name: String,
    },
}

/// A query that has ended.
#[derive(Debug)]
pub struct QueryRecord<'a> {
    pub origin: &'a QueryOrigin,
    pub start: Timestamp,
    pub end: Timestamp,
    /// 0 for an instant query.
    pub step_ms: i64,
    pub stats: &'a QueryStats,
    pub error: Option<&'a str>,
}

/// Watches queries. Called on the query's own way: must be quick and must not fail.
pub trait QueryObserver: Debug + Send + Sync {
    /// A query begins; the number is given back at its end.
    fn begin(&self, query: &str) -> u64;
    fn end(&self, number: u64, record: &QueryRecord<'_>);
}

/// One query under watch: its end is told even if nobody waits for it any more.
pub(super) struct Watch<'a> {
    observer: Option<&'a Arc<dyn QueryObserver>>,
    clock: &'a dyn Clock,
    origin: &'a QueryOrigin,
    span: (Timestamp, Timestamp, i64),
    number: u64,
    began: Duration,
    ended: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn begin(
        observer: Option<&'a Arc<dyn QueryObserver>>,
        clock: &'a dyn Clock,
        origin: &'a QueryOrigin,
        span: (Timestamp, Timestamp, i64),
    ) -> Self {
        let observer = observer.filter(|_| !origin.query.is_empty());
        let number = observer.map_or(0, |observer| observer.begin(&origin.query));
        Self { observer, clock, origin, span, number, began: clock.monotonic(), ended: false }
    }

    pub(super) fn end(mut self, stats: &QueryStats, error: Option<&EngineError>) {
        self.tell(stats, error.map(ToString::to_string).as_deref());
    }

    fn tell(&mut self, stats: &QueryStats, error: Option<&str>) {
        self.ended = true;
        let (start, end, step_ms) = self.span;
        if let Some(observer) = self.observer {
            let record = QueryRecord { origin: self.origin, start, end, step_ms, stats, error };
            observer.end(self.number, &record);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let took = self.clock.monotonic().saturating_sub(self.began);
        let stats = QueryStats { compute_time: took, ..QueryStats::default() };
        let gone = EngineError::Canceled(super::error::EXECUTION).to_string();
        self.tell(&stats, Some(&gone));
    }
}

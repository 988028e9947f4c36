//! The query engine: plans an expression, fetches all it selects at once, then computes.
//!
//! Series-major and columnar: a worker decodes a series whole, evaluates all steps of it, and folds the row into its group at once.
//! No tree is walked per step, nothing is allocated per sample, labels are looked at once a series. Answers are bit-equal to the
//! peer's: order of summation and compensation are part of the contract, whatever the number of threads.
//!
//! Not here: parsing (`parser`), fetching (`gauntlet_storage`), JSON (crate `api`), caching and splitting of queries.

mod aggregate;
mod calendar;
mod classic;
mod effort;
mod elementwise;
mod error;
mod eval;
mod explain;
mod functions;
mod gosort;
mod grid;
mod info;
mod matching;
mod node;
mod observe;
mod plan;
mod profile;
mod rows;
mod scan;
mod steps;
mod value;
mod window;

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use gauntlet_chunk::Columns;
use gauntlet_model::Timestamp;
use gauntlet_runtime::pool::Lost;
use gauntlet_runtime::{Budget, Cancel, Clock, CpuPool};
use gauntlet_storage::{
    DecodeScratch, Queryable, SelectHints, SelectRequest, SeriesSet, TimeRange,
};

pub use error::EngineError;
pub use explain::{Arg, Explain, Found, PlanNode, Selection};
pub use grid::Grid;
pub use observe::{AskedBy, QueryObserver, QueryOrigin, QueryRecord};
pub use profile::OperatorStats;
pub use value::{Matrix, Sample, SampleValue, Value, is_no_float};

use crate::annotations::{Annotation, Annotations};
use crate::ast::{Expr, ValueType};
use crate::parser::{ParserOptions, parse};
use error::EXECUTION;
use eval::{Evaluator, SampleCount, Switches};
use explain::Explainer;
use node::{Extension, Node, NodeId, Plan};
use observe::Watch;
use plan::PlanContext;
use profile::Profile;
use rows::Cell;

/// The default step in ms of a subquery over a range of so many ms.
pub type SubqueryStep = Arc<dyn Fn(i64) -> i64 + Send + Sync>;

/// What an engine is made with.
#[derive(Clone)]
pub struct EngineOptions {
    pub pool: CpuPool,
    pub clock: Arc<dyn Clock>,
    /// How old a sample may be that an instant selector shows, in ms.
    pub lookback_delta_ms: i64,
    /// Most samples that a query may hold at once, counted as the peer counts.
    pub max_samples: usize,
    pub timeout: Duration,
    pub default_subquery_step: SubqueryStep,
    /// Most memory in bytes that one query may take.
    pub query_memory_bytes: u64,
    /// The budget that all queries share.
    pub memory: Option<Arc<Budget>>,
    /// Queries that are guessed to take at most so many nanoseconds are computed by the caller's thread, the others on the pool.
    pub inline_ns: u64,
    pub parser: ParserOptions,
    /// Feature flag `promql-delayed-name-removal`.
    pub delayed_name_removal: bool,
    /// Feature flag `type-and-unit-labels`.
    pub type_and_unit_labels: bool,
    /// Feature flag for start timestamps in rates.
    pub use_start_timestamps: bool,
    /// Feature flag `promql-per-step-stats`: who asks for all statistics gets them by step.
    pub per_step_stats: bool,
    /// Told of every query.
    pub observer: Option<Arc<dyn QueryObserver>>,
}

impl EngineOptions {
    /// The peer's defaults.
    pub fn new(pool: CpuPool, clock: Arc<dyn Clock>) -> Self {
        Self {
            pool,
            clock,
            lookback_delta_ms: 5 * 60 * 1000,
            max_samples: 50_000_000,
            timeout: Duration::from_secs(120),
            default_subquery_step: Arc::new(|_| 60 * 1000),
            query_memory_bytes: u64::MAX,
            memory: None,
            inline_ns: 600_000,
            parser: ParserOptions::default(),
            delayed_name_removal: false,
            type_and_unit_labels: false,
            use_start_timestamps: false,
            per_step_stats: false,
            observer: None,
        }
    }
}

impl std::fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineOptions")
            .field("lookback_delta_ms", &self.lookback_delta_ms)
            .field("max_samples", &self.max_samples)
            .field("timeout", &self.timeout)
            .field("query_memory_bytes", &self.query_memory_bytes)
            .finish_non_exhaustive()
    }
}

/// What one query may ask for itself.
#[derive(Clone, Debug, Default)]
pub struct QueryOptions {
    pub lookback_delta_ms: Option<i64>,
    /// Shorter than the engine's.
    pub timeout: Option<Duration>,
    /// Whether the answer says what each operator did: [`QueryResult::explain`].
    pub analyze: bool,
    /// Whether statistics are wanted by step; needs [`EngineOptions::per_step_stats`].
    pub step_stats: bool,
    pub origin: QueryOrigin,
    /// Passed on to the storage: partial answers, replica labels, resolution. The rest is the engine's.
    pub hints: SelectHints,
}

/// What evaluating a query took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Samples that selectors and ranges saw, each as often as it was seen.
    pub total_samples: u64,
    /// Most samples held at once.
    pub peak_samples: u64,
    /// Samples that selectors and ranges saw; those that a range saw at the step before not counted again.
    pub read_samples: u64,
    /// The same two by step, where they were asked for.
    pub by_step: Option<Box<StepStats>>,
    /// Samples decoded.
    pub decoded_samples: u64,
    pub series: u64,
    /// Most memory charged at once, in bytes.
    pub peak_memory_bytes: u64,
    /// Fetching and computing.
    pub select_time: Duration,
    pub compute_time: Duration,
}

/// Samples by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepStats {
    pub start: Timestamp,
    /// In ms; 1 for an instant query.
    pub step_ms: i64,
    pub total_samples: Vec<u64>,
    pub read_samples: Vec<u64>,
}

/// A query's answer with all that is to be said about it.
#[derive(Clone, Debug)]
pub struct QueryResult {
    pub value: Value,
    /// PromQL's own and the storage's, to be printed with the query's text.
    pub annotations: Annotations,
    pub stats: QueryStats,
    /// The plan with each operator's figures, where [`QueryOptions::analyze`] asked for it.
    pub explain: Option<Box<Explain>>,
}

/// An error with the annotations that were made before it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct QueryFailure {
    pub error: EngineError,
    pub annotations: Annotations,
}

impl From<EngineError> for QueryFailure {
    fn from(error: EngineError) -> Self {
        Self { error, annotations: Annotations::default() }
    }
}

/// Evaluates queries. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    options: Arc<EngineOptions>,
}

/// Cancels the computation when the future that waits for it is dropped.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Engine {
    pub fn new(options: EngineOptions) -> Self {
        Self { options: Arc::new(options) }
    }

    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Evaluates a query at one instant.
    pub async fn instant(
        &self,
        storage: Arc<dyn Queryable>,
        query: &str,
        at: Timestamp,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryFailure> {
        let expr = parse(query, &self.options.parser).map_err(EngineError::from)?;
        self.instant_expr(storage, &expr, at, options).await
    }

    /// Evaluates a parsed and checked expression at one instant.
    pub async fn instant_expr(
        &self,
        storage: Arc<dyn Queryable>,
        expr: &Expr,
        at: Timestamp,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryFailure> {
        self.run(storage, expr, (at, at, 0), options).await
    }

    /// Evaluates a query from `start` to `end`, both in, every `step_ms`.
    pub async fn range(
        &self,
        storage: Arc<dyn Queryable>,
        query: &str,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryFailure> {
        let expr = parse(query, &self.options.parser).map_err(EngineError::from)?;
        self.range_expr(storage, &expr, start, end, step_ms, options).await
    }

    /// [`Engine::range`] for a parsed and checked expression.
    pub async fn range_expr(
        &self,
        storage: Arc<dyn Queryable>,
        expr: &Expr,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryFailure> {
        let kind = expr.value_type();
        if !matches!(kind, ValueType::Vector | ValueType::Scalar) {
            return Err(EngineError::BadData(format!(
                "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                kind.documented()
            ))
            .into());
        }
        self.run(storage, expr, (start, end, step_ms.max(1)), options).await
    }

    async fn run(
        &self,
        storage: Arc<dyn Queryable>,
        expr: &Expr,
        (start, end, step_ms): (Timestamp, Timestamp, i64),
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryFailure> {
        let own = &self.options;
        let span = (start, end, step_ms);
        let watch = Watch::begin(own.observer.as_ref(), &*own.clock, &options.origin, span);
        let result = self.run_watched(storage, expr, span, options).await;
        match &result {
            Ok(result) => watch.end(&result.stats, None),
            Err(failure) => watch.end(&QueryStats::default(), Some(&failure.error)),
        }
        result
    }

    async fn run_watched(
        &self,
        storage: Arc<dyn Queryable>,
        expr: &Expr,
        span: (Timestamp, Timestamp, i64),
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryFailure> {
        let own = &self.options;
        let timeout = options.timeout.map_or(own.timeout, |t| t.min(own.timeout));
        let cancel = Cancel::with_timeout(Arc::clone(&own.clock), timeout);
        let _guard = CancelOnDrop(cancel.clone());
        // Series are loaded while they are worked on, unless the head writes a block meanwhile: then all are read at once.
        match self.run_once(&*storage, expr, span, options, &cancel, true).await {
            Err(failure) if failure.error.is_moved() => {
                self.run_once(&*storage, expr, span, options, &cancel, false).await
            }
            done => done,
        }
    }

    async fn run_once(
        &self,
        storage: &dyn Queryable,
        expr: &Expr,
        (start, end, step_ms): (Timestamp, Timestamp, i64),
        options: &QueryOptions,
        cancel: &Cancel,
        deferred: bool,
    ) -> Result<QueryResult, QueryFailure> {
        let own = &self.options;
        let (plan, lookback_ms) = self.plan(expr, (start, end, step_ms), options)?;
        let budget = Budget::with_parent(own.query_memory_bytes, own.memory.clone());
        let began = own.clock.monotonic();
        let sets = fetch(storage, &plan, &budget, cancel, deferred).await?;
        let fetched = own.clock.monotonic();
        let is_small = effort::is_within(own.inline_ns, &plan, &sets);
        let job = Job {
            kind: expr.value_type(),
            is_range: step_ms != 0,
            plan,
            sets,
            switches: Switches {
                delayed_name_removal: own.delayed_name_removal,
                type_and_unit_labels: own.type_and_unit_labels,
                use_start_timestamps: own.use_start_timestamps,
            },
            lookback_ms,
            threads: if is_small { 1 } else { own.pool.threads() },
            max_samples: own.max_samples,
            cancel: cancel.clone(),
            budget: Arc::clone(&budget),
            step_stats: options.step_stats && own.per_step_stats,
            profile: options.analyze.then(|| Profile::new(Arc::clone(&own.clock))),
        };
        let mut result = if is_small {
            let run = std::panic::AssertUnwindSafe(move || job.execute());
            std::panic::catch_unwind(run).map_err(|_| EngineError::Internal(Lost.to_string()))??
        } else {
            let done = own.pool.run(move || job.execute()).await;
            done.map_err(|lost| EngineError::Internal(lost.to_string()))??
        };
        result.stats.select_time = fetched.saturating_sub(began);
        result.stats.compute_time = own.clock.monotonic().saturating_sub(fetched);
        result.stats.peak_memory_bytes = budget.peak_bytes();
        Ok(result)
    }
}

impl Engine {
    /// The plan of a parsed and checked expression, without running it. `step_ms` is 0 for an instant query.
    pub fn explain(
        &self,
        expr: &Expr,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
        options: &QueryOptions,
    ) -> Result<Explain, EngineError> {
        let (plan, _) = self.plan(expr, (start, end, step_ms), options)?;
        Ok(Explainer { plan: &plan, profile: None }.explain(self.options.pool.threads()))
    }

    /// The plan, and the lookback it was made with.
    fn plan(
        &self,
        expr: &Expr,
        (start, end, step_ms): (Timestamp, Timestamp, i64),
        options: &QueryOptions,
    ) -> Result<(Plan, i64), EngineError> {
        let lookback = options.lookback_delta_ms.filter(|ms| *ms > 0);
        let lookback_ms = lookback.unwrap_or(self.options.lookback_delta_ms);
        let context = PlanContext {
            start,
            end,
            step_ms,
            lookback_ms,
            default_subquery_step: &*self.options.default_subquery_step,
            hints: &options.hints,
        };
        Ok((plan::plan(expr, &context)?, lookback_ms))
    }
}

/// Awaits all selections at once.
async fn fetch(
    storage: &dyn Queryable,
    plan: &Plan,
    budget: &Arc<Budget>,
    cancel: &Cancel,
    deferred: bool,
) -> Result<Vec<SeriesSet>, EngineError> {
    let ranges = plan.selects.iter().map(|spec| spec.range);
    let whole = ranges
        .reduce(|a, b| TimeRange::new(a.min.min(b.min), a.max.max(b.max)))
        .filter(|_| deferred);
    let requests: Vec<SelectRequest> = plan
        .selects
        .iter()
        .map(|spec| SelectRequest {
            matchers: Arc::clone(&spec.matchers),
            range: spec.range,
            hints: SelectHints {
                // Removing replicas needs to see all series, in order.
                deferred: whole.filter(|_| spec.hints.replica_labels.is_empty()),
                ..spec.hints.clone()
            },
            budget: Arc::clone(budget),
            cancel: cancel.clone(),
        })
        .collect();
    Ok(try_join_all(requests.iter().map(|request| storage.select(request))).await?)
}

/// The computing half of a query.
struct Job {
    kind: ValueType,
    is_range: bool,
    plan: Plan,
    sets: Vec<SeriesSet>,
    switches: Switches,
    lookback_ms: i64,
    threads: usize,
    max_samples: usize,
    cancel: Cancel,
    budget: Arc<Budget>,
    step_stats: bool,
    profile: Option<Profile>,
}

impl Job {
    fn execute(mut self) -> Result<QueryResult, QueryFailure> {
        let profile = self.profile.take();
        let ranges: Vec<TimeRange> = self.plan.selects.iter().map(|spec| spec.range).collect();
        let tallies: Vec<scan::Tally> = self.sets.iter().map(|_| scan::Tally::default()).collect();
        let mut evaluator = Evaluator {
            sets: &self.sets,
            tallies: &tallies,
            ranges: &ranges,
            switches: self.switches,
            lookback_ms: self.lookback_ms,
            threads: self.threads,
            cancel: &self.cancel,
            budget: &self.budget,
            annotations: Annotations::default(),
            profile,
            samples: SampleCount {
                max: self.max_samples,
                by_step: self.step_stats.then(|| steps::ByStep::new(self.plan.grid.steps)),
                ..SampleCount::default()
            },
        };
        for warning in self.sets.iter().flat_map(|set| &set.warnings) {
            evaluator.annotations.add(Annotation::warning(warning.clone()));
        }
        let value = self.value(&mut evaluator);
        let annotations = std::mem::take(&mut evaluator.annotations);
        let samples = &evaluator.samples;
        let grid = self.plan.grid;
        let by_step = samples.by_step.as_ref().map(|counts| StepStats {
            start: grid.start,
            step_ms: grid.step,
            total_samples: counts.seen.clone(),
            read_samples: counts.read.clone(),
        });
        let stats = QueryStats {
            total_samples: samples.total,
            read_samples: samples.read,
            by_step: by_step.map(Box::new),
            peak_samples: samples.peak as u64,
            decoded_samples: samples.decoded,
            series: samples.series,
            ..QueryStats::default()
        };
        let explain =
            evaluator.profile.as_ref().map(|profile| Box::new(self.explain(profile, &tallies)));
        match value {
            Ok(value) => Ok(QueryResult { value, annotations, stats, explain }),
            Err(error) => Err(QueryFailure { error, annotations }),
        }
    }

    fn value(&self, evaluator: &mut Evaluator<'_>) -> Result<Value, EngineError> {
        let grid = self.plan.grid;
        let t = grid.start;
        evaluator.cancel.check().map_err(|reason| match reason {
            gauntlet_runtime::CancelReason::Canceled => EngineError::Canceled(EXECUTION),
            gauntlet_runtime::CancelReason::TimedOut => EngineError::TimedOut(EXECUTION),
        })?;
        match (&*self.plan.root, self.kind) {
            (Node::Text(text), _) => Ok(Value::String { t, text: text.clone() }),
            (Node::Range { selector, range_ms, extension }, _) => {
                self.raw_range(evaluator, selector, *range_ms, *extension)
            }
            (Node::Subquery(subquery), _) => {
                let rows = evaluator.root_subquery(subquery, &grid)?;
                let rows = self.clean_names(rows)?;
                Ok(Value::Matrix(Matrix::from_rows(subquery.grid, rows)))
            }
            (root, ValueType::Scalar) => {
                let row = evaluator.scalar(root, &grid)?;
                if !self.is_range {
                    let value = if grid.steps == 0 { f64::NAN } else { row.get(0) };
                    return Ok(Value::Scalar { t, value });
                }
                evaluator.samples.hold(grid.steps)?;
                let mut rows = rows::Rows::new(grid.steps);
                if grid.steps > 0 {
                    rows.push(rows::Meta::default(), &row.into_values(grid.steps), None);
                }
                Ok(Value::Matrix(Matrix::from_rows(grid, rows)))
            }
            (root, _) => {
                let mut rows = evaluator.rows(root, &grid)?;
                rows.drop_empty_rows();
                let rows = self.clean_names(rows)?;
                if self.is_range {
                    return Ok(Value::Matrix(Matrix::from_rows(grid, rows)));
                }
                let sample = |row: usize| {
                    let value = match rows.cell(row, 0) {
                        Cell::Histogram(histogram) => SampleValue::Histogram(histogram),
                        Cell::Float(value) => SampleValue::Float(value),
                        Cell::Empty => return None,
                    };
                    Some(Sample { labels: rows.metas[row].labels.clone(), t, value })
                };
                Ok(Value::Vector((0..rows.len()).filter_map(sample).collect()))
            }
        }
    }

    fn explain(&self, profile: &Profile, tallies: &[scan::Tally]) -> Explain {
        let explainer = Explainer { plan: &self.plan, profile: Some(profile) };
        let mut explain = explainer.explain(self.threads);
        let sets = self.sets.iter().zip(tallies);
        for (selection, (set, tally)) in explain.selections.iter_mut().zip(sets) {
            tally.add(set);
            let (series, chunks, bytes) = (set.len() as u64, tally.chunks(), tally.bytes());
            selection.found = Some(Found { series, chunks, bytes });
        }
        explain
    }

    /// Removes the names that were marked.
    fn clean_names(&self, mut rows: rows::Rows) -> Result<rows::Rows, EngineError> {
        if !self.switches.delayed_name_removal {
            return Ok(rows);
        }
        for meta in rows.metas.iter_mut().filter(|meta| meta.drop_name) {
            meta.labels = rows::strip_metadata(&meta.labels);
        }
        rows.merge_equal_labels()?;
        Ok(rows)
    }

    /// A range vector as the answer.
    fn raw_range(
        &self,
        evaluator: &mut Evaluator<'_>,
        selector: &node::Selector,
        range_ms: i64,
        extension: Extension,
    ) -> Result<Value, EngineError> {
        let source = evaluator.source(selector);
        let end = selector.reference(&self.plan.grid, 0);
        let start = end.saturating_sub(range_ms);
        let (mut scratch, mut columns) = (DecodeScratch::default(), Columns::default());
        let begin = evaluator.profile.as_mut().map(Profile::begin);
        let mut series = Vec::new();
        const PART: usize = 64;
        for first in (0..source.len()).step_by(PART) {
            let end_of_part = (first + PART).min(source.len());
            let loaded = source.part(first..end_of_part, None)?;
            let (source, offset) = match &loaded {
                Some(loaded) => (source.of(loaded), first),
                None => (source, 0),
            };
            for warning in loaded.iter().flat_map(|loaded| &loaded.warnings) {
                evaluator.annotations.add(Annotation::warning(warning.clone()));
            }
            for i in first - offset..end_of_part - offset {
                evaluator.cancel.check()?;
                source.load(i, &mut scratch, &mut columns)?;
                let kept = window::raw(&mut columns, (start, end), extension, self.lookback_ms)?;
                if kept.is_empty() {
                    continue;
                }
                let weights = kept.histograms.iter().map(|(_, h)| h.size_in_samples().max(1) - 1);
                let weight = kept.len() + weights.sum::<usize>();
                evaluator.samples.hold(weight)?;
                evaluator.samples.see_once(weight as u64);
                series.push((source.labels(i).clone(), kept));
            }
        }
        if let (Some(profile), Some(begin)) = (&mut evaluator.profile, begin) {
            profile.end(&self.plan.root, &begin, None);
            let stats = profile.operator(NodeId::of(&self.plan.root));
            stats.series = series.len() as u64;
            stats.samples = series.iter().map(|(_, kept)| kept.len() as u64).sum();
            stats.bytes_decoded = scratch.take_decoded_bytes();
        }
        Ok(Value::Matrix(Matrix::from_samples(series)))
    }
}

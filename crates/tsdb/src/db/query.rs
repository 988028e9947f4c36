//! Reading head and blocks as one.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_block::BlockReader;
use gauntlet_model::Timestamp;
use gauntlet_storage::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet, TimeRange,
    merge_sets,
};

use super::Db;
use crate::head::Head;

/// What a query reads from: fixed at its start.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) blocks: Vec<Arc<BlockReader>>,
    /// Whether series of the head may be loaded later, in its own order: all of the query is about the head alone. Next to
    /// others it is merged, in order of label set.
    defers: bool,
}

impl View {
    pub(crate) fn new(head: &Arc<Head>, blocks: &[Arc<BlockReader>], range: TimeRange) -> Self {
        let in_range = |block: &&Arc<BlockReader>| block.meta().overlaps(range.min, range.max);
        Self {
            head: head.may_have(range).then(|| Arc::clone(head)),
            blocks: blocks.iter().filter(in_range).cloned().collect(),
            defers: false,
        }
    }

    pub(crate) fn select(&self, request: &SelectRequest) -> Result<SeriesSet, QueryError> {
        let mut sets = Vec::with_capacity(self.blocks.len() + 2);
        let warning = self.head.as_ref().and_then(|head| replay_warning(head));
        for block in &self.blocks {
            sets.push(block.select_series(request)?);
        }
        if let Some(head) = &self.head {
            let deferred = match self.defers && !request.hints.labels_only {
                true => head.select_deferred(request)?,
                false => None,
            };
            match deferred {
                Some(deferred) => sets.push(deferred),
                None => sets.push(head.select_now(request)?),
            }
        }
        if let Some(warning) = warning {
            let mut set = SeriesSet::default();
            set.warnings.push(warning);
            sets.push(set);
        }
        sets.retain(|set| !set.is_vacant());
        Ok(if sets.is_empty() { SeriesSet::default() } else { merge_sets(sets) })
    }

    fn label_answer(&self) -> LabelAnswer {
        let warning = self.head.as_ref().and_then(|head| replay_warning(head));
        LabelAnswer { warnings: warning.into_iter().collect(), ..LabelAnswer::default() }
    }

    pub(crate) fn label_names(&self, request: &LabelRequest) -> Result<LabelAnswer, QueryError> {
        let mut answer = self.label_answer();
        for block in &self.blocks {
            answer.values.extend(block.label_names(&request.matchers)?);
        }
        if let Some(head) = &self.head {
            answer.values.extend(head.label_names_now(&request.matchers, request.range));
        }
        Ok(limited(answer, request.limit))
    }

    pub(crate) fn label_values(
        &self,
        name: &str,
        request: &LabelRequest,
    ) -> Result<LabelAnswer, QueryError> {
        let mut answer = self.label_answer();
        for block in &self.blocks {
            answer.values.extend(block.label_values(name, &request.matchers)?);
        }
        if let Some(head) = &self.head {
            answer.values.extend(head.label_values_now(name, &request.matchers, request.range));
        }
        Ok(limited(answer, request.limit))
    }
}

/// What an answer may lack while the log is replayed. To be asked before the head is read.
fn replay_warning(head: &Head) -> Option<String> {
    let progress = head.replay_progress();
    (!progress.is_done).then(|| {
        format!(
            "the write-ahead log is still being replayed (segment {} of {} to {}): samples of before the restart may be missing",
            progress.current, progress.first, progress.last
        )
    })
}

fn limited(mut answer: LabelAnswer, limit: usize) -> LabelAnswer {
    answer.values.sort_unstable();
    answer.values.dedup();
    if limit > 0 {
        answer.values.truncate(limit);
    }
    answer
}

impl Db {
    /// `whole`: see [`gauntlet_storage::SelectHints::deferred`].
    fn view(&self, range: TimeRange, whole: Option<TimeRange>) -> View {
        let blocks = self.blocks();
        let overlaps =
            |whole: TimeRange| blocks.iter().any(|b| b.meta().overlaps(whole.min, whole.max));
        let defers = whole.is_some_and(|whole| !overlaps(whole));
        View { defers, ..View::new(&self.head, &blocks, range) }
    }

    /// Runs `work` over a view. Samples that left the head for a block which the view does not have yet would be missed: then it is
    /// run again.
    async fn read<T: Send + 'static>(
        &self,
        range: TimeRange,
        whole: Option<TimeRange>,
        work: impl Fn(&View) -> Result<T, QueryError> + Clone + Send + 'static,
    ) -> Result<T, QueryError> {
        loop {
            let departures = self.head.departures();
            let view = self.view(range, whole);
            let result = match &self.pool {
                None => work(&view),
                Some(pool) => {
                    let work = work.clone();
                    let lost = |lost: gauntlet_runtime::pool::Lost| {
                        Err(QueryError::Unavailable(lost.to_string()))
                    };
                    pool.run(move || work(&view)).await.unwrap_or_else(lost)
                }
            };
            if departures == self.head.departures() {
                return result;
            }
        }
    }

    /// Bounds of all samples, both in; `None` while there is none.
    pub fn time_range(&self) -> Option<(Timestamp, Timestamp)> {
        let start = self.start_time()?;
        let blocks = self.blocks().iter().map(|block| block.meta().max_time - 1).max();
        let head = Some(self.head.max_time()).filter(|t| *t != Timestamp::MIN);
        Some((start, blocks.into_iter().chain(head).max()?))
    }
}

impl Queryable for Db {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        let (range, whole) = (request.range, request.hints.deferred);
        let request = request.clone();
        async move {
            let departures = self.head.departures();
            let view = self.view(range, whole);
            // Not worth the way to another thread.
            if view.defers && self.head.is_quick(&request.matchers) {
                let set = view.select(&request)?;
                if departures == self.head.departures() {
                    return Ok(set);
                }
            }
            self.read(range, whole, move |view| view.select(&request)).await
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let (range, request) = (request.range, request.clone());
        self.read(range, None, move |view| view.label_names(&request)).boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let (range, request, name) = (request.range, request.clone(), name.to_owned());
        self.read(range, None, move |view| view.label_values(&name, &request)).boxed()
    }
}

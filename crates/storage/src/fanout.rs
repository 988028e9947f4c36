//! Several storages as one: asked at once, answers merged.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join_all};

use crate::merge::merge_sets;
use crate::query::{LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest};
use crate::series_set::SeriesSet;

/// Reads all of its members; an error of one is an error of the whole. Members that may fail softly answer with warnings.
#[derive(Clone, Debug)]
pub struct Fanout {
    members: Vec<Arc<dyn Queryable>>,
}

impl Fanout {
    pub fn new(members: Vec<Arc<dyn Queryable>>) -> Self {
        Self { members }
    }
}

impl Queryable for Fanout {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move {
            let ask = async |request: &SelectRequest| {
                try_join_all(self.members.iter().map(|m| m.select(request))).await
            };
            let mut sets = ask(request).await?;
            sets.retain(|set| !set.is_vacant());
            if sets.len() > 1 && sets.iter().any(|set| set.deferred().is_some()) {
                // Merging looks at all label sets, in order.
                let mut request = request.clone();
                request.hints.deferred = None;
                sets = ask(&request).await?;
            }
            Ok(if sets.is_empty() { SeriesSet::default() } else { merge_sets(sets) })
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let answers = try_join_all(self.members.iter().map(|m| m.label_names(request))).await?;
            Ok(union(answers, request.limit))
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let answers =
                try_join_all(self.members.iter().map(|m| m.label_values(name, request))).await?;
            Ok(union(answers, request.limit))
        }
        .boxed()
    }
}

fn union(answers: Vec<LabelAnswer>, limit: usize) -> LabelAnswer {
    let mut all = LabelAnswer::default();
    for answer in answers {
        all.merge(answer);
    }
    if limit > 0 {
        all.values.truncate(limit);
    }
    all
}

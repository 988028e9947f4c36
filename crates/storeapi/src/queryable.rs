//! Any store as a `Queryable`: what the engine and the API read.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_storage::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
};

use crate::merge::merge;
use crate::query::into_series_set;
use crate::request::{LabelQuery, SeriesQuery};
use crate::source::StoreSource;

/// A store read by this process.
#[derive(Clone, Debug)]
pub struct SourceQueryable(Arc<dyn StoreSource>);

impl SourceQueryable {
    pub fn new(source: Arc<dyn StoreSource>) -> Self {
        Self(source)
    }
}

impl Queryable for SourceQueryable {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move {
            let answer = self.0.series(&SeriesQuery::from_select(request)).await?;
            into_series_set(merge(vec![answer.set]), answer.charges, &request.hints)
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move { Ok(self.0.label_names(&LabelQuery::from_request(request)).await?.labels) }
            .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            Ok(self.0.label_values(name, &LabelQuery::from_request(request)).await?.labels)
        }
        .boxed()
    }
}

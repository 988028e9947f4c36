//! The bucket as the past of the local database: asked only for what is older than the oldest local sample, and without the
//! external labels that its blocks carry, so that local and old samples are one series.

use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_bucket::roles::queryable;
use gauntlet_bucket::store::BucketStore;
use gauntlet_storage::{
    Dedup, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet, TimeRange,
};
use gauntlet_tsdb::Db;

/// Reads the bucket below the local database's start.
#[derive(Debug)]
pub(crate) struct Past {
    store: Arc<BucketStore>,
    bucket: Arc<dyn Queryable>,
    local: Arc<OnceLock<Arc<Db>>>,
}

impl Past {
    pub(crate) fn new(store: Arc<BucketStore>, local: Arc<OnceLock<Arc<Db>>>) -> Self {
        Self { bucket: queryable(store.clone()), store, local }
    }

    /// The part of the range that only the bucket has; `None` where there is none.
    fn clip(&self, range: TimeRange) -> Option<TimeRange> {
        if !self.store.is_ready() {
            // Nothing was ever uploaded, or the first look is still under way: local answers stand alone.
            return None;
        }
        let Some(start) = self.local.get().and_then(|db| db.start_time()) else {
            return Some(range);
        };
        (range.min < start).then(|| TimeRange { min: range.min, max: range.max.min(start - 1) })
    }
}

impl Queryable for Past {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move {
            let Some(range) = self.clip(request.range) else { return Ok(SeriesSet::default()) };
            let mut request = request.clone();
            request.range = range;
            request.hints.replica_labels = self.store.external_label_names();
            let mut set = self.bucket.select(&request).await?;
            set.dedup = Dedup::Merge;
            Ok(set)
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let Some(range) = self.clip(request.range) else { return Ok(LabelAnswer::default()) };
            let external = self.store.external_label_names();
            let mut request = request.clone();
            request.range = range;
            request.replica_labels.clone_from(&external);
            let mut answer = self.bucket.label_names(&request).await?;
            answer.values.retain(|name| !external.contains(name));
            Ok(answer)
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let Some(range) = self.clip(request.range) else { return Ok(LabelAnswer::default()) };
            if self.store.external_label_names().iter().any(|external| external == name) {
                return Ok(LabelAnswer::default());
            }
            let mut request = request.clone();
            request.range = range;
            self.bucket.label_values(name, &request).await
        }
        .boxed()
    }
}

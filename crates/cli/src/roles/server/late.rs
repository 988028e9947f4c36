//! The database before it is open: HTTP is up while the log replays, and says so instead of refusing connections.

use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_storage::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
};
use gauntlet_tsdb::Db;

/// The database, once it is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct LateDb(Arc<OnceLock<Arc<Db>>>);

impl LateDb {
    pub(crate) fn set(&self, db: Arc<Db>) {
        let _ = self.0.set(db);
    }

    pub(crate) fn get(&self) -> Option<&Arc<Db>> {
        self.0.get()
    }

    fn ready(&self) -> Result<&Arc<Db>, QueryError> {
        self.get().ok_or_else(|| {
            QueryError::Unavailable("the database is still replaying its log".to_owned())
        })
    }
}

impl Queryable for LateDb {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move { self.ready()?.select(request).await }.boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move { self.ready()?.label_names(request).await }.boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move { self.ready()?.label_values(name, request).await }.boxed()
    }
}

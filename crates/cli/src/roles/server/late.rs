//! The database before it is open: HTTP is up while the log replays, and says so instead of refusing connections.

use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef, Timestamp};
use gauntlet_storage::{
    AppendError, AppendOptions, Appendable, Appender, LabelAnswer, LabelRequest, QueryError,
    Queryable, SelectRequest, SeriesSet,
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

impl Appendable for LateDb {
    fn appender(&self, options: AppendOptions) -> Box<dyn Appender + '_> {
        match self.get() {
            Some(db) => db.appender(options),
            None => Box::new(NotReady),
        }
    }
}

/// Takes nothing.
struct NotReady;

impl NotReady {
    fn refuse<T>() -> Result<T, AppendError> {
        Err(AppendError::ReadOnly("the database is still replaying its log".to_owned()))
    }
}

impl Appender for NotReady {
    fn append(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: f64,
    ) -> Result<SeriesRef, AppendError> {
        Self::refuse()
    }

    fn append_histogram(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: Histogram,
    ) -> Result<SeriesRef, AppendError> {
        Self::refuse()
    }

    fn append_float_histogram(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        Self::refuse()
    }

    fn append_exemplar(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Exemplar,
    ) -> Result<(), AppendError> {
        Self::refuse()
    }

    fn update_metadata(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: &Metadata,
    ) -> Result<(), AppendError> {
        Self::refuse()
    }

    fn commit(self: Box<Self>) -> Result<(), AppendError> {
        Self::refuse()
    }

    fn rollback(self: Box<Self>) {}
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

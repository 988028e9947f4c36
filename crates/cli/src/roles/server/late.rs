//! The database before it is open: HTTP is up while the log replays, and says so instead of refusing connections.

use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef, Timestamp};
use gauntlet_storage::{
    AppendError, AppendOptions, Appendable, Appender, LabelAnswer, LabelRequest, QueryError,
    Queryable, SelectRequest, SeriesSet,
};
use gauntlet_tsdb::{AgentDb, Db};

use super::store::Store;

/// The store, once it is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct LateDb(Arc<OnceLock<Store>>);

impl LateDb {
    pub(super) fn set(&self, store: Store) {
        let _ = self.0.set(store);
    }

    pub(crate) fn get(&self) -> Option<&Arc<Db>> {
        match self.0.get()? {
            Store::Tsdb(db) => Some(db),
            Store::Agent(_) => None,
        }
    }

    /// The agent's storage, in agent mode.
    pub(super) fn agent(&self) -> Option<&Arc<AgentDb>> {
        match self.0.get()? {
            Store::Tsdb(_) => None,
            Store::Agent(db) => Some(db),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.get().is_some()
    }

    fn ready(&self) -> Result<&Arc<Db>, QueryError> {
        self.get().ok_or_else(|| {
            QueryError::Unavailable("the database is still replaying its log".to_owned())
        })
    }
}

impl Appendable for LateDb {
    fn appender(&self, options: AppendOptions) -> Box<dyn Appender + '_> {
        match self.0.get() {
            Some(Store::Tsdb(db)) => db.appender(options),
            Some(Store::Agent(db)) => db.appender(options),
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

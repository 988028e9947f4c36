//! Remote storage of the server: who is written to, and who is read beside the local database.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_config::Config;
use gauntlet_model::{Metadata, Timestamp};
use gauntlet_remote::read_source::{LocalStart, RemoteReadSource};
use gauntlet_remote::send::{MetadataSource, RemoteWriter, WriterOptions};
use gauntlet_runtime::Clock;
use gauntlet_runtime::fs::SystemFs;
use gauntlet_scrape as scrape;
use gauntlet_storage::{
    Fanout, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
};
use gauntlet_telemetry::Registry;
use parking_lot::RwLock;

use super::late::LateDb;
use super::store::Store;
use crate::flags::program::PROMETHEUS_VERSION;

/// The folder, in the database's, where destinations remember how far they came.
const PLACES: &str = "remote_write";

/// Remote storage, once the database is open.
#[derive(Debug, Default)]
pub(super) struct Remote {
    writer: OnceLock<RemoteWriter>,
    pub(super) read: RemoteReads,
}

impl Remote {
    /// Gives the log to write from.
    pub(super) fn open(
        &self,
        store: &Store,
        flush_deadline: Duration,
        features: &[String],
        scrape: scrape::ManagerHandle,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) {
        let options = WriterOptions {
            dir: store.folder().join(PLACES),
            flush_deadline,
            type_and_unit_labels: features.iter().any(|f| f == "type-and-unit-labels"),
            user_agent: user_agent(),
            metadata: metadata_source(scrape),
        };
        let source = Arc::new(store.clone());
        let writer = RemoteWriter::new(source, options, clock, Arc::new(SystemFs), registry);
        let _ = self.writer.set(writer);
    }

    pub(super) async fn apply(&self, config: &Config, db: &LateDb) -> Result<(), String> {
        let external = &config.global.external_labels;
        if let Some(writer) = self.writer.get() {
            writer.apply(&config.remote_write, external).await?;
        }
        let mut sources: Vec<Arc<dyn Queryable>> = Vec::new();
        for entry in &config.remote_read {
            let db = db.clone();
            let start: LocalStart = Arc::new(move || db.get().and_then(|db| db.start_time()));
            let source = RemoteReadSource::new(entry, external, start);
            sources.push(Arc::new(source.map_err(|err| err.to_string())?));
        }
        *self.read.sources.write() = (!sources.is_empty()).then(|| Arc::new(Fanout::new(sources)));
        Ok(())
    }

    /// The oldest of what the destinations have sent last, ms.
    pub(super) fn lowest_sent_ms(&self) -> Option<Timestamp> {
        self.writer.get().and_then(RemoteWriter::lowest_sent_ms)
    }

    /// The first segment of the log that some destination has yet to read.
    pub(super) fn first_needed_segment(&self) -> Option<u32> {
        self.writer.get().and_then(RemoteWriter::first_needed_segment)
    }

    pub(super) async fn stop(&self) {
        if let Some(writer) = self.writer.get() {
            writer.stop().await;
        }
    }
}

/// What senders call themselves.
pub(crate) fn user_agent() -> String {
    format!("Prometheus/{PROMETHEUS_VERSION}")
}

/// Metadata of all targets, for destinations that get it apart from samples.
pub(crate) fn metadata_source(scrape: scrape::ManagerHandle) -> MetadataSource {
    Arc::new(move || {
        let lists = scrape.status().metadata(None, |_| true);
        let all = lists.into_iter().flat_map(|(_, list)| list);
        all.map(|entry| (entry.metric, entry.metadata)).collect::<Vec<(String, Metadata)>>()
    })
}

/// The servers of `remote_read`, as the configuration has them now.
#[derive(Clone, Debug, Default)]
pub(super) struct RemoteReads {
    sources: Arc<RwLock<Option<Arc<Fanout>>>>,
}

impl RemoteReads {
    fn get(&self) -> Option<Arc<Fanout>> {
        self.sources.read().clone()
    }
}

impl Queryable for RemoteReads {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move {
            match self.get() {
                Some(sources) => sources.select(request).await,
                None => Ok(SeriesSet::default()),
            }
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            match self.get() {
                Some(sources) => sources.label_names(request).await,
                None => Ok(LabelAnswer::default()),
            }
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            match self.get() {
                Some(sources) => sources.label_values(name, request).await,
                None => Ok(LabelAnswer::default()),
            }
        }
        .boxed()
    }
}

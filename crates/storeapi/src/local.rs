//! A storage of this process as a store: its external labels, its time range, its chunks as the StoreAPI has them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_model::{Labels, Matcher, Timestamp};
use gauntlet_storage::{
    Chunk, ChunkData, LabelAnswer, Queryable, SelectHints, SelectRequest, SeriesSet,
};
use gauntlet_wire::frame::{AggrChunk, ChunkBytes, StoreSet};
use parking_lot::RwLock;

use crate::StoreError;
use crate::external::{Extension, remaining_matchers};
use crate::request::{LabelQuery, SeriesQuery};
use crate::source::{Answer, LabelList, OtherApis, SourceInfo, StoreSource, TsdbInfo};

/// What may change while the store runs.
#[derive(Clone, Debug)]
pub struct LocalState {
    pub external_labels: Labels,
    /// Oldest sample, milliseconds. The newest is now.
    pub min_time: Timestamp,
}

/// A [`Queryable`] behind the StoreAPI. Not ready until its state is set.
pub struct LocalSource {
    name: String,
    component: String,
    apis: OtherApis,
    storage: Arc<dyn Queryable>,
    state: RwLock<Option<LocalState>>,
}

impl LocalSource {
    pub fn new(
        name: impl Into<String>,
        component: impl Into<String>,
        storage: Arc<dyn Queryable>,
    ) -> Self {
        Self {
            name: name.into(),
            component: component.into(),
            apis: OtherApis::default(),
            storage,
            state: RwLock::new(None),
        }
    }

    /// Says which further APIs are served beside it.
    pub fn with_apis(mut self, apis: OtherApis) -> Self {
        self.apis = apis;
        self
    }

    /// Sets what the store announces; `None` makes it not ready.
    pub fn set_state(&self, state: Option<LocalState>) {
        *self.state.write() = state;
    }

    fn state(&self) -> Result<LocalState, StoreError> {
        self.state.read().clone().ok_or_else(|| StoreError::Unavailable("Not ready".to_owned()))
    }

    async fn run_series(&self, query: &SeriesQuery) -> Result<Answer, StoreError> {
        let state = self.state()?;
        let external = &state.external_labels;
        let Some(matchers) = remaining_matchers(external, &query.matchers) else {
            return Ok(Answer::default());
        };
        check_any(&matchers)?;
        let request = SelectRequest {
            matchers: matchers.into(),
            range: query.range(),
            hints: SelectHints {
                labels_only: query.skip_chunks,
                partial_response: !query.abort,
                // A limit here would count series before the shard and the replica labels are looked at.
                limit: 0,
                ..SelectHints::default()
            },
            budget: Arc::clone(&query.budget),
            cancel: query.cancel.clone(),
        };
        let series = self.storage.select(&request).await?;
        let extension = Extension::new(external, &query.without_replica_labels);
        collect(series, query, &extension)
    }

    async fn run_names(&self, query: &LabelQuery) -> Result<LabelAnswer, StoreError> {
        let state = self.state()?;
        let Some(matchers) = remaining_matchers(&state.external_labels, &query.matchers) else {
            return Ok(LabelAnswer::default());
        };
        let mut answer = self.storage.label_names(&query.to_request(matchers)).await?;
        if !answer.values.is_empty() {
            let external = state.external_labels.iter().map(|(name, _)| name.to_owned());
            answer.values.extend(external);
            answer.values.sort_unstable();
            answer.values.dedup();
        }
        answer.values.retain(|name| !query.without_replica_labels.contains(name));
        limit(&mut answer, query.limit);
        Ok(answer)
    }

    async fn run_values(&self, label: &str, query: &LabelQuery) -> Result<LabelAnswer, StoreError> {
        if label.is_empty() {
            let text = "label name parameter cannot be empty";
            return Err(StoreError::InvalidArgument(text.to_owned()));
        }
        let state = self.state()?;
        let Some(matchers) = remaining_matchers(&state.external_labels, &query.matchers) else {
            return Ok(LabelAnswer::default());
        };
        if query.without_replica_labels.iter().any(|without| without == label) {
            return Ok(LabelAnswer::default());
        }
        if let Some(value) = state.external_labels.get(label) {
            let found = matchers.is_empty() || self.has_series(query, matchers).await?;
            let values = if found { vec![value.to_owned()] } else { Vec::new() };
            return Ok(LabelAnswer { values, warnings: Vec::new() });
        }
        let mut answer = self.storage.label_values(label, &query.to_request(matchers)).await?;
        limit(&mut answer, query.limit);
        Ok(answer)
    }

    async fn has_series(
        &self,
        query: &LabelQuery,
        matchers: Vec<Matcher>,
    ) -> Result<bool, StoreError> {
        let range = gauntlet_storage::TimeRange::new(query.min_time, query.max_time);
        let mut request = SelectRequest::new(matchers, range);
        request.hints = SelectHints { labels_only: true, limit: 1, ..SelectHints::default() };
        request.cancel = query.cancel.clone();
        Ok(!self.storage.select(&request).await?.is_empty())
    }
}

impl fmt::Debug for LocalSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSource").field("name", &self.name).finish_non_exhaustive()
    }
}

impl StoreSource for LocalSource {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn info(&self) -> Result<SourceInfo, StoreError> {
        let state = self.state()?;
        let tsdb = TsdbInfo {
            labels: state.external_labels.clone(),
            min_time: state.min_time,
            max_time: Timestamp::MAX,
        };
        Ok(SourceInfo {
            component: self.component.clone(),
            label_sets: vec![state.external_labels],
            min_time: state.min_time,
            max_time: Timestamp::MAX,
            supports_sharding: true,
            supports_without_replica_labels: true,
            tsdb_infos: vec![tsdb],
            apis: self.apis,
        })
    }

    fn series<'a>(&'a self, query: &'a SeriesQuery) -> BoxFuture<'a, Result<Answer, StoreError>> {
        self.run_series(query).boxed()
    }

    fn label_names<'a>(
        &'a self,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move { self.run_names(query).await.map(Into::into) }.boxed()
    }

    fn label_values<'a>(
        &'a self,
        label: &'a str,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move { self.run_values(label, query).await.map(Into::into) }.boxed()
    }
}

/// Upstream's refusal of questions that would read everything.
fn check_any(matchers: &[Matcher]) -> Result<(), StoreError> {
    if matchers.is_empty() {
        let text = "no matchers specified (excluding external labels)";
        return Err(StoreError::InvalidArgument(text.to_owned()));
    }
    Ok(())
}

pub(crate) fn limit(answer: &mut LabelAnswer, limit: usize) {
    if limit > 0 {
        answer.values.truncate(limit);
    }
}

/// A storage's answer as the StoreAPI's: label sets joined with external labels, chunk bytes read and hashed.
fn collect(
    mut series: SeriesSet,
    query: &SeriesQuery,
    extension: &Extension,
) -> Result<Answer, StoreError> {
    let mut set = StoreSet::new();
    set.warnings = std::mem::take(&mut series.warnings);
    let mut buffer = Vec::new();
    let mut charge = query.budget.charge(0)?;
    for (labels, chunks) in series.iter() {
        let labels = extension.apply(labels);
        if !query.in_shard(&labels) {
            continue;
        }
        set.push_series(labels);
        if query.skip_chunks {
            continue;
        }
        for chunk in chunks {
            let part = read(&series, chunk, &mut buffer)?;
            charge.grow(part.data_len() as u64)?;
            set.push_chunk(part);
        }
    }
    // External labels sort in between a series' own, so order may change.
    set.sort();
    set.truncate(query.limit);
    let mut charges = std::mem::take(&mut series.charges);
    charges.push(charge);
    Ok(Answer { set, charges })
}

fn read(series: &SeriesSet, chunk: &Chunk, buffer: &mut Vec<u8>) -> Result<AggrChunk, StoreError> {
    let (encoding, bytes) = series.chunk_bytes(chunk, buffer)?;
    let data = match &chunk.data {
        ChunkData::Encoded { bytes, .. } => bytes.clone(),
        ChunkData::Stored { .. } => Bytes::copy_from_slice(bytes),
    };
    let hash = xxhash_rust::xxh64::xxh64(&data, 0);
    let raw = ChunkBytes { encoding: encoding as u8, data, hash };
    Ok(AggrChunk::raw(chunk.min_time, chunk.max_time, raw))
}

//! The bucket store: all blocks of a bucket as one store.
//!
//! Each synchronisation reads the listing anew, opens new blocks and drops those gone; when the bucket cannot be read completely
//! nothing is dropped, and the reason is kept. A block that cannot be opened or proves damaged is set aside by name, and answers
//! that would have needed it say so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use futures::stream::{self, StreamExt as _};
use gauntlet_block::{BlockMeta, PageCache};
use gauntlet_model::{Labels, MatchOp, Matcher, Timestamp};
use gauntlet_objstore::Bucket;
use gauntlet_runtime::{Budget, Charge, Clock, Fs, Shutdown};
use gauntlet_storage::LabelAnswer;
use gauntlet_storeapi::external::{Extension, remaining_matchers};
use gauntlet_storeapi::merge::merge;
use gauntlet_storeapi::source::{LabelList, OtherApis};
use gauntlet_storeapi::{
    Answer, LabelQuery, SeriesQuery, SourceInfo, StoreError, StoreSource, TsdbInfo,
};
use gauntlet_wire::frame::StoreSet;
use gauntlet_wire::hints::{
    Block as HintBlock, Hint as _, LabelNamesResponseHints, LabelValuesResponseHints,
    SeriesRequestHints,
};
use parking_lot::RwLock;
use tokio::sync::Semaphore;
use tracing::{info, warn};
use ulid::Ulid;

use crate::block::BlockQuery;
use crate::block_set::BlockSet;
use crate::{BlockFetcher, BucketBlock, BucketError, Verdict};

/// Pauses between attempts at the first synchronisation.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Settings of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Keeps index headers and metas.
    pub data_dir: PathBuf,
    pub sync_interval: Duration,
    /// Blocks opened at once.
    pub sync_concurrency: usize,
    /// Series requests at once; more wait.
    pub max_concurrent_series: usize,
    /// Most series and samples (120 a chunk) of one block in a request; 0 is none.
    pub max_series: usize,
    pub max_samples: usize,
    /// Bytes of index headers held in memory.
    pub header_cache_bytes: u64,
    /// What is announced at most, both ends in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            sync_interval: Duration::from_secs(15 * 60),
            sync_concurrency: 20,
            max_concurrent_series: 20,
            max_series: 0,
            max_samples: 0,
            header_cache_bytes: 64 << 20,
            min_time: Timestamp::MIN,
            max_time: Timestamp::MAX,
        }
    }
}

/// How the store stands, for readiness and status pages.
#[derive(Clone, Debug, Default)]
pub struct StoreState {
    /// Whether a synchronisation has succeeded.
    pub ready: bool,
    /// Why the last one failed or was incomplete.
    pub reason: Option<String>,
    pub last_sync_ms: i64,
    pub blocks: Vec<BlockStatus>,
}

/// One block of the bucket.
#[derive(Clone, Debug)]
pub struct BlockStatus {
    pub id: Ulid,
    pub meta: Option<BlockMeta>,
    pub verdict: Option<Verdict>,
    /// Why it is set aside, if it is damaged.
    pub damage: Option<String>,
}

#[derive(Debug, Default)]
struct Loaded {
    blocks: BTreeMap<Ulid, Arc<BucketBlock>>,
    sets: Vec<BlockSet<Arc<BucketBlock>>>,
    /// Blocks that should answer and cannot.
    damaged: BTreeMap<Ulid, (BlockMeta, String)>,
    left_out: BTreeMap<Ulid, (Verdict, String)>,
}

/// All blocks of a bucket as a store.
#[derive(Debug)]
pub struct BucketStore {
    bucket: Arc<dyn Bucket>,
    fetcher: BlockFetcher,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    cache: Arc<PageCache>,
    options: StoreOptions,
    loaded: RwLock<Arc<Loaded>>,
    state: RwLock<(bool, Option<String>, i64)>,
    gate: Semaphore,
}

impl BucketStore {
    pub fn new(
        bucket: Arc<dyn Bucket>,
        fetcher: BlockFetcher,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
        options: StoreOptions,
    ) -> Self {
        Self {
            bucket,
            fetcher,
            fs,
            clock,
            cache: PageCache::new(options.header_cache_bytes),
            gate: Semaphore::new(options.max_concurrent_series.max(1)),
            options,
            loaded: RwLock::default(),
            state: RwLock::default(),
        }
    }

    /// Brings the store up to date with its bucket.
    pub async fn sync(&self) -> Result<(), BucketError> {
        let outcome = self.try_sync().await;
        let mut state = self.state.write();
        state.2 = self.clock.now_ms();
        match &outcome {
            Ok(incomplete) => {
                state.0 = true;
                state.1.clone_from(incomplete);
            }
            Err(err) => state.1 = Some(err.to_string()),
        }
        outcome.map(|_| ())
    }

    async fn try_sync(&self) -> Result<Option<String>, BucketError> {
        let fetched = self.fetcher.fetch().await?;
        let before = Arc::clone(&self.loaded.read());
        let complete = fetched.incomplete.is_empty();
        let new: Vec<BlockMeta> = fetched
            .blocks
            .values()
            .filter(|meta| !before.blocks.contains_key(&meta.ulid))
            .cloned()
            .collect();
        let opened = stream::iter(new)
            .map(|meta| async move { (meta.clone(), self.open(meta).await) })
            .buffer_unordered(self.options.sync_concurrency.max(1));
        let mut after = Loaded { left_out: fetched.left_out, ..Loaded::default() };
        let mut incomplete = fetched.incomplete;
        for (meta, block) in opened.collect::<Vec<_>>().await {
            match block {
                Ok(block) => {
                    info!(block = %meta.ulid, "loaded new block");
                    after.blocks.insert(meta.ulid, Arc::new(block));
                }
                Err(err) if err.is_corruption() => {
                    warn!(block = %meta.ulid, %err, "block is damaged and set aside");
                    after.damaged.insert(meta.ulid, (meta, err.to_string()));
                }
                Err(err) => incomplete.push(format!("block {}: {err}", meta.ulid)),
            }
        }
        for (id, block) in &before.blocks {
            if !complete || fetched.blocks.contains_key(id) {
                after.blocks.insert(*id, Arc::clone(block));
            } else {
                info!(block = %id, "dropped outdated block");
                let _ = self.fs.remove_dir_all(&self.options.data_dir.join(id.to_string()));
            }
        }
        after.sets = sets(&after.blocks);
        *self.loaded.write() = Arc::new(after);
        Ok((!incomplete.is_empty()).then(|| format!("incomplete view: {}", incomplete.join("; "))))
    }

    async fn open(&self, meta: BlockMeta) -> Result<BucketBlock, BucketError> {
        let folder = self.options.data_dir.join(meta.ulid.to_string());
        let opened =
            BucketBlock::open(Arc::clone(&self.bucket), meta, &self.fs, &folder, &self.cache).await;
        if opened.is_err() {
            let _ = self.fs.remove_dir_all(&folder);
        }
        opened
    }

    /// Synchronises until the shutdown fires: at first until it works, then at its interval.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut pause = FIRST_PAUSE;
        loop {
            let wait = match self.sync().await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.options.sync_interval
                }
                Err(err) => {
                    warn!(%err, retry_in = ?pause, "bucket not synchronised");
                    let wait = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    wait.min(self.options.sync_interval)
                }
            };
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How the store stands.
    pub fn state(&self) -> StoreState {
        let loaded = Arc::clone(&self.loaded.read());
        let (ready, reason, last_sync_ms) = self.state.read().clone();
        let good = loaded.blocks.values().map(|b| BlockStatus {
            id: b.id(),
            meta: Some(b.meta().clone()),
            verdict: None,
            damage: None,
        });
        let damaged = loaded.damaged.iter().map(|(id, (meta, text))| BlockStatus {
            id: *id,
            meta: Some(meta.clone()),
            verdict: None,
            damage: Some(text.clone()),
        });
        let left_out = loaded.left_out.iter().map(|(id, (verdict, text))| BlockStatus {
            id: *id,
            meta: None,
            verdict: Some(*verdict),
            damage: (!text.is_empty()).then(|| text.clone()),
        });
        let mut blocks: Vec<BlockStatus> = good.chain(damaged).chain(left_out).collect();
        blocks.sort_by_key(|b| b.id);
        StoreState { ready, reason, last_sync_ms, blocks }
    }

    fn ready(&self) -> Result<Arc<Loaded>, StoreError> {
        let state = self.state.read();
        if !state.0 {
            let reason =
                state.1.clone().unwrap_or_else(|| "first synchronisation is under way".into());
            return Err(StoreError::Unavailable(format!("bucket store is not ready: {reason}")));
        }
        Ok(Arc::clone(&self.loaded.read()))
    }

    /// Moves a block that proved damaged aside, so that it costs no later query.
    fn set_aside(&self, id: Ulid, err: &BucketError) {
        let mut loaded = self.loaded.write();
        let Some(block) = loaded.blocks.get(&id) else { return };
        warn!(block = %id, %err, "block is damaged and set aside");
        let meta = block.meta().clone();
        let mut after = Loaded {
            blocks: loaded.blocks.clone(),
            sets: Vec::new(),
            damaged: loaded.damaged.clone(),
            left_out: loaded.left_out.clone(),
        };
        after.blocks.remove(&id);
        after.damaged.insert(id, (meta, err.to_string()));
        after.sets = sets(&after.blocks);
        *loaded = Arc::new(after);
    }

    async fn run_series(&self, query: &SeriesQuery) -> Result<Answer, StoreError> {
        let loaded = self.ready()?;
        if query.matchers.is_empty() {
            // As upstream: a question about everything is not answered. One about external labels alone is.
            return Ok(Answer::default());
        }
        let _turn =
            self.gate.acquire().await.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let hints = query.hints.as_ref().and_then(SeriesRequestHints::from_any).unwrap_or_default();
        let wanted = gauntlet_wire::convert::matchers_from_proto(&hints.block_matchers)
            .map_err(|err| StoreError::InvalidArgument(err.to_string()))?;
        let mut jobs = Vec::new();
        for set in &loaded.sets {
            let Some(matchers) = remaining_matchers(&set.labels, &query.matchers) else { continue };
            let matchers: Arc<[Matcher]> = matchers.into();
            let extension = Arc::new(Extension::new(&set.labels, &query.without_replica_labels));
            let blocks = set.blocks_for(query.min_time, query.max_time, query.max_resolution_ms);
            for block in blocks.into_iter().filter(|b| matches_block(b, &wanted)) {
                jobs.push(self.ask(block, query, Arc::clone(&matchers), Arc::clone(&extension)));
            }
        }
        let mut answer = Answer::default();
        let mut sets = Vec::with_capacity(jobs.len());
        let mut warnings = warnings_of(&loaded, query.min_time, query.max_time, &query.matchers);
        for (id, outcome) in join_all(jobs).await {
            match outcome {
                Ok((set, charge)) => {
                    sets.push(set);
                    answer.charges.push(charge);
                }
                Err(err) if err.is_corruption() => {
                    self.set_aside(id, &err);
                    warnings.push(format!("block {id} is damaged and left out: {err}"));
                }
                Err(err) => return Err(err.into()),
            }
        }
        answer.set = merge(sets);
        answer.set.warnings.append(&mut warnings);
        answer.set.truncate(query.limit);
        Ok(answer)
    }

    /// One block's part, in a task of its own so that blocks are decoded in parallel.
    fn ask(
        &self,
        block: Arc<BucketBlock>,
        query: &SeriesQuery,
        matchers: Arc<[Matcher]>,
        extension: Arc<Extension>,
    ) -> impl Future<Output = (Ulid, Result<(StoreSet, Charge), BucketError>)> + use<> {
        let query = query.clone();
        let (max_series, max_chunks) = (self.options.max_series, self.options.max_samples / 120);
        let id = block.id();
        let task = tokio::spawn(async move {
            let mut charge = query.budget.charge(0)?;
            let request = BlockQuery {
                query: &query,
                matchers: &matchers,
                extension: &extension,
                max_series,
                max_chunks,
            };
            let set = block.select(request, &mut charge).await?;
            Ok((set, charge))
        });
        async move {
            let outcome = task.await.unwrap_or_else(|err| Err(BucketError::Io(err.to_string())));
            (id, outcome)
        }
    }

    /// Names or values of one block.
    async fn labels_of(
        &self,
        block: &Arc<BucketBlock>,
        label: Option<&str>,
        query: &LabelQuery,
        mut matchers: Vec<Matcher>,
    ) -> Result<Vec<String>, BucketError> {
        if matchers.is_empty() {
            return match label {
                // The peer's header has the list of all series under the empty name.
                Some("") => Ok(vec![String::new()]),
                Some(label) => {
                    let mut values = block.header().label_values(label)?;
                    values.extend(block.labels().get(label).map(str::to_owned));
                    Ok(values)
                }
                None => {
                    let own = block.header().label_names().filter(|name| !name.is_empty());
                    let external = block.labels().iter().map(|(name, _)| name);
                    Ok(own.chain(external).map(str::to_owned).collect())
                }
            };
        }
        let named = matchers.iter().any(|m| m.op == MatchOp::Equal && m.name == "__name__");
        if let Some(label) = label
            && !named
            && block.labels().get(label).is_none()
            && let Ok(present) = Matcher::new(MatchOp::NotEqual, label, "")
        {
            matchers.push(present);
        }
        let extension = Extension::new(block.labels(), &[]);
        let series = SeriesQuery {
            min_time: query.min_time,
            max_time: query.max_time,
            matchers: Arc::from([]),
            max_resolution_ms: 0,
            aggregates: Vec::new(),
            abort: query.abort,
            skip_chunks: true,
            without_replica_labels: Vec::new(),
            shard: None,
            limit: 0,
            hints: None,
            query_hints: None,
            budget: Budget::unlimited(),
            cancel: query.cancel.clone(),
        };
        let mut charge = series.budget.charge(0)?;
        let request = BlockQuery {
            query: &series,
            matchers: &matchers,
            extension: &extension,
            max_series: self.options.max_series,
            max_chunks: 0,
        };
        let set = block.select(request, &mut charge).await?;
        let mut out = std::collections::BTreeSet::new();
        for (labels, _) in set.iter() {
            match label {
                Some(label) => out.extend(labels.get(label).map(str::to_owned)),
                None => out.extend(labels.iter().map(|(name, _)| name.to_owned())),
            }
        }
        Ok(out.into_iter().collect())
    }

    async fn run_labels(
        &self,
        label: Option<&str>,
        query: &LabelQuery,
    ) -> Result<(LabelAnswer, Vec<HintBlock>), StoreError> {
        let loaded = self.ready()?;
        if label.is_some_and(|label| query.without_replica_labels.iter().any(|w| w == label)) {
            return Ok(Default::default());
        }
        let mut jobs = Vec::new();
        for set in &loaded.sets {
            let Some(matchers) = remaining_matchers(&set.labels, &query.matchers) else { continue };
            for block in set.overlapping(query.min_time, query.max_time) {
                let matchers = matchers.clone();
                jobs.push(async move {
                    (block.id(), self.labels_of(block, label, query, matchers).await)
                });
            }
        }
        let mut answer = LabelAnswer {
            values: Vec::new(),
            warnings: warnings_of(&loaded, query.min_time, query.max_time, &query.matchers),
        };
        let mut asked = Vec::new();
        for (id, outcome) in join_all(jobs).await {
            asked.push(HintBlock { id: id.to_string() });
            match outcome {
                Ok(values) => answer.values.extend(values),
                Err(err) if err.is_corruption() => {
                    self.set_aside(id, &err);
                    answer.warnings.push(format!("block {id} is damaged and left out: {err}"));
                }
                Err(err) => return Err(err.into()),
            }
        }
        if label.is_none() {
            answer.values.retain(|name| !query.without_replica_labels.contains(name));
        }
        answer.values.sort_unstable();
        answer.values.dedup();
        if query.limit > 0 {
            answer.values.truncate(query.limit);
        }
        Ok((answer, asked))
    }
}

fn sets(blocks: &BTreeMap<Ulid, Arc<BucketBlock>>) -> Vec<BlockSet<Arc<BucketBlock>>> {
    let mut sets: BTreeMap<Labels, BlockSet<Arc<BucketBlock>>> = BTreeMap::new();
    for block in blocks.values() {
        let labels = block.labels().clone();
        let set = sets.entry(labels.clone()).or_insert_with(|| BlockSet::new(labels));
        if !set.add(Arc::clone(block)) {
            warn!(block = %block.id(), resolution_ms = block.resolution_ms(), "block has a resolution that is not read");
        }
    }
    sets.into_values().collect()
}

/// What a range's answer lacks because blocks are set aside.
fn warnings_of(
    loaded: &Loaded,
    min: Timestamp,
    max: Timestamp,
    matchers: &[Matcher],
) -> Vec<String> {
    let concerned = loaded.damaged.iter().filter(|(_, (meta, _))| {
        let thanos = meta.thanos.clone().unwrap_or_default();
        let labels = Labels::from_pairs(&thanos.labels);
        meta.overlaps(min, max) && remaining_matchers(&labels, matchers).is_some()
    });
    concerned.map(|(id, (_, text))| format!("block {id} is damaged and left out: {text}")).collect()
}

fn matches_block(block: &BucketBlock, matchers: &[Matcher]) -> bool {
    let id = block.id().to_string();
    matchers.iter().all(|m| match m.name.as_str() {
        "__block_id" => m.matches(&id),
        name => m.matches(block.labels().value(name)),
    })
}

impl StoreSource for BucketStore {
    fn name(&self) -> String {
        format!("bucket {}", self.bucket.name())
    }

    fn info(&self) -> Result<SourceInfo, StoreError> {
        let loaded = self.ready()?;
        let mut label_sets: Vec<Labels> =
            loaded.sets.iter().map(|set| set.labels.clone()).collect();
        label_sets.sort_by_key(ToString::to_string);
        let min = loaded.blocks.values().map(|b| b.meta().min_time).min();
        let max = loaded.blocks.values().map(|b| b.meta().max_time).max();
        Ok(SourceInfo {
            component: "store".to_owned(),
            label_sets,
            min_time: min.unwrap_or(Timestamp::MAX).max(self.options.min_time),
            max_time: max.unwrap_or(Timestamp::MIN).min(self.options.max_time),
            supports_sharding: true,
            supports_without_replica_labels: true,
            tsdb_infos: loaded.sets.iter().flat_map(tsdb_infos).collect(),
            apis: OtherApis::default(),
        })
    }

    fn series<'a>(&'a self, query: &'a SeriesQuery) -> BoxFuture<'a, Result<Answer, StoreError>> {
        self.run_series(query).boxed()
    }

    fn label_names<'a>(
        &'a self,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move {
            let (labels, queried_blocks) = self.run_labels(None, query).await?;
            let hints = LabelNamesResponseHints { queried_blocks }.to_any();
            Ok(LabelList { labels, hints: Some(hints) })
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        label: &'a str,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move {
            if query.without_replica_labels.iter().any(|without| without == label) {
                return Ok(LabelList::default());
            }
            let (labels, queried_blocks) = self.run_labels(Some(label), query).await?;
            let hints = LabelValuesResponseHints { queried_blocks }.to_any();
            Ok(LabelList { labels, hints: Some(hints) })
        }
        .boxed()
    }
}

/// Time ranges of a set's blocks, joined where they touch.
fn tsdb_infos(set: &BlockSet<Arc<BucketBlock>>) -> Vec<TsdbInfo> {
    let mut spans: Vec<(Timestamp, Timestamp)> =
        set.iter().map(|b| (b.meta().min_time, b.meta().max_time)).collect();
    spans.sort_unstable();
    let mut out: Vec<TsdbInfo> = Vec::new();
    for (min_time, max_time) in spans {
        match out.last_mut() {
            Some(last) if min_time <= last.max_time => last.max_time = last.max_time.max(max_time),
            _ => out.push(TsdbInfo { labels: set.labels.clone(), min_time, max_time }),
        }
    }
    out
}

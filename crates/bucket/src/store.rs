//! The bucket store: all blocks of a bucket as one store.
//!
//! Each synchronisation reads the listing anew, opens new blocks and drops those gone; when the bucket cannot be read completely
//! nothing is dropped, and the reason is kept. A block that cannot be opened or proves damaged is set aside by name, and answers
//! that would have needed it say so. Answering itself is in `answer`.

mod answer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use gauntlet_block::{BlockMeta, PageCache};
use gauntlet_model::{Labels, Timestamp};
use gauntlet_objstore::Bucket;
use gauntlet_runtime::{Clock, Fs, Shutdown};
use gauntlet_storeapi::source::{LabelList, OtherApis};
use gauntlet_storeapi::{
    Answer, LabelQuery, SeriesQuery, SourceInfo, StoreError, StoreSource, TsdbInfo,
};
use gauntlet_wire::hints::{Hint as _, LabelNamesResponseHints, LabelValuesResponseHints};
use parking_lot::RwLock;
use tokio::sync::Semaphore;
use tracing::{info, warn};
use ulid::Ulid;

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

    /// Whether a synchronisation has succeeded; cheap, unlike [`BucketStore::state`].
    pub fn is_ready(&self) -> bool {
        self.state.read().0
    }

    /// Names of the external labels of all blocks, ascending.
    pub fn external_label_names(&self) -> Vec<String> {
        let loaded = Arc::clone(&self.loaded.read());
        let names = loaded.sets.iter().flat_map(|set| set.labels.iter().map(|(name, _)| name));
        let names: std::collections::BTreeSet<&str> = names.collect();
        names.into_iter().map(str::to_owned).collect()
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

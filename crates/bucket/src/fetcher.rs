//! Finding a bucket's blocks: every folder with a ULID for a name, its meta.json, and the filters that say which count.
//!
//! Metas are cached in memory and on disk: blocks do not change. A folder without meta.json is an upload under way or one that was
//! given up. Filters, in the peer's order: time, labels, consistency delay, deletion marks, duplicates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use gauntlet_block::BlockMeta;
use gauntlet_model::relabel::{Rule, keep};
use gauntlet_model::{Labels, Timestamp};
use gauntlet_objstore::{Bucket, Entry, ObjstoreError};
use gauntlet_runtime::{Clock, Fs};
use parking_lot::Mutex;
use serde::Deserialize;
use tracing::warn;
use ulid::Ulid;

use crate::BucketError;

/// Name of the object that says when a block was given up for deletion.
pub const DELETION_MARK: &str = "deletion-mark.json";
const META: &str = "meta.json";
/// Folder of cached metas below the data folder, as the peer has it.
const CACHE_FOLDER: &str = "meta-syncer";
/// The label by which relabelling sees a block's id.
const BLOCK_ID_LABEL: &str = "__block_id";
/// Largest meta.json taken from the cache folder.
const META_LIMIT_BYTES: u64 = 64 << 20;

/// Which blocks count.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Only blocks with data in this range, both ends in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    /// `--selector.relabel-config`: a block whose labels do not survive is left out.
    pub relabel: Vec<Rule>,
    /// Blocks younger than this are left out, compacted ones aside.
    pub consistency_delay: Duration,
    /// Blocks marked for deletion longer ago than this are left out.
    pub ignore_deletion_marks_delay: Duration,
    pub concurrency: usize,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            min_time: Timestamp::MIN,
            max_time: Timestamp::MAX,
            relabel: Vec::new(),
            consistency_delay: Duration::ZERO,
            ignore_deletion_marks_delay: Duration::from_secs(24 * 3600),
            concurrency: 32,
        }
    }
}

/// Why a block does not count; the texts are upstream's metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    NoMeta,
    CorruptedMeta,
    TimeExcluded,
    LabelExcluded,
    TooFresh,
    MarkedForDeletion,
    Duplicate,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoMeta => "no-meta-json",
            Self::CorruptedMeta => "corrupted-meta-json",
            Self::TimeExcluded => "time-excluded",
            Self::LabelExcluded => "label-excluded",
            Self::TooFresh => "too-fresh",
            Self::MarkedForDeletion => "marked-for-deletion",
            Self::Duplicate => "duplicate",
        }
    }
}

/// What a bucket holds.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Blocks that count.
    pub blocks: BTreeMap<Ulid, BlockMeta>,
    /// Blocks that do not, and why; the text says more where a file is damaged.
    pub left_out: BTreeMap<Ulid, (Verdict, String)>,
    /// Metas that could not be read now. While there are any, nothing may be concluded from a block's absence.
    pub incomplete: Vec<String>,
}

#[derive(Deserialize)]
struct DeletionMark {
    deletion_time: i64,
}

/// Reads a bucket's blocks, again and again.
#[derive(Debug)]
pub struct BlockFetcher {
    bucket: Arc<dyn Bucket>,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    /// Where metas are kept between runs, if anywhere.
    cache: Option<PathBuf>,
    options: FetchOptions,
    known: Mutex<BTreeMap<Ulid, BlockMeta>>,
}

enum Read {
    Meta(Box<BlockMeta>),
    LeftOut(Verdict, String),
    Failed(String),
}

impl BlockFetcher {
    /// `data_dir` keeps metas between runs.
    pub fn new(
        bucket: Arc<dyn Bucket>,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
        data_dir: Option<PathBuf>,
        options: FetchOptions,
    ) -> Self {
        let cache = data_dir.map(|dir| dir.join(CACHE_FOLDER));
        Self { bucket, fs, clock, cache, options, known: Mutex::default() }
    }

    /// Lists the bucket and judges its blocks. Errs where the listing itself fails.
    pub async fn fetch(&self) -> Result<Fetched, BucketError> {
        let listing = self.bucket.list("", false).await?;
        let ids: BTreeSet<Ulid> = listing.iter().filter_map(block_id).collect();
        let mut out = Fetched::default();
        let reads = stream::iter(ids.iter().copied())
            .map(|id| async move { (id, self.read_meta(id).await) })
            .buffer_unordered(self.options.concurrency.max(1));
        for (id, read) in reads.collect::<Vec<_>>().await {
            match read {
                Read::Meta(meta) => {
                    out.blocks.insert(id, *meta);
                }
                Read::LeftOut(verdict, text) => {
                    out.left_out.insert(id, (verdict, text));
                }
                Read::Failed(text) => out.incomplete.push(text),
            }
        }
        self.forget(&ids);
        self.filter(&mut out).await;
        Ok(out)
    }

    async fn read_meta(&self, id: Ulid) -> Read {
        if let Some(meta) = self.known.lock().get(&id) {
            return Read::Meta(Box::new(meta.clone()));
        }
        let name = format!("{id}/{META}");
        if let Some(meta) = self.read_cached(id) {
            // A cached meta is good while the block is there; whether it is costs no content.
            match self.bucket.exists(&name).await {
                Ok(true) => return self.remember(meta),
                Ok(false) => return Read::LeftOut(Verdict::NoMeta, String::new()),
                Err(err) => return Read::Failed(err.to_string()),
            }
        }
        let content = match self.bucket.get(&name).await {
            Ok(content) => content,
            Err(ObjstoreError::NotFound { .. }) => {
                return Read::LeftOut(Verdict::NoMeta, String::new());
            }
            Err(err) => return Read::Failed(err.to_string()),
        };
        match BlockMeta::parse(&name, &content) {
            Ok(meta) if meta.ulid == id => {
                self.cache_meta(id, &content);
                self.remember(meta)
            }
            Ok(meta) => {
                let text = format!("{name}: is of block {}", meta.ulid);
                Read::LeftOut(Verdict::CorruptedMeta, text)
            }
            Err(err) => Read::LeftOut(Verdict::CorruptedMeta, err.to_string()),
        }
    }

    fn remember(&self, meta: BlockMeta) -> Read {
        self.known.lock().insert(meta.ulid, meta.clone());
        Read::Meta(Box::new(meta))
    }

    fn read_cached(&self, id: Ulid) -> Option<BlockMeta> {
        let path = self.cache.as_ref()?.join(id.to_string()).join(META);
        let content = self.fs.read(&path, META_LIMIT_BYTES).ok()?;
        BlockMeta::parse(&path.display().to_string(), &content).ok().filter(|meta| meta.ulid == id)
    }

    fn cache_meta(&self, id: Ulid, content: &[u8]) {
        let Some(cache) = &self.cache else { return };
        let folder = cache.join(id.to_string());
        let written = self
            .fs
            .create_dir_all(&folder)
            .and_then(|()| self.fs.replace(&folder.join(META), content));
        if let Err(err) = written {
            warn!(block = %id, %err, "meta.json not cached");
        }
    }

    /// Drops what is known of blocks that are gone.
    fn forget(&self, there: &BTreeSet<Ulid>) {
        let mut known = self.known.lock();
        known.retain(|id, _| there.contains(id));
        let Some(cache) = &self.cache else { return };
        for entry in self.fs.list(cache).unwrap_or_default() {
            if entry.name.parse::<Ulid>().is_ok_and(|id| !there.contains(&id)) {
                let _ = self.fs.remove_dir_all(&cache.join(&entry.name));
            }
        }
    }

    async fn filter(&self, out: &mut Fetched) {
        let now = self.clock.now_ms();
        let options = &self.options;
        exclude(out, |_, meta| {
            let outside = meta.max_time < options.min_time || meta.min_time > options.max_time;
            outside.then_some(Verdict::TimeExcluded)
        });
        exclude(out, |id, meta| (!self.survives(id, meta)).then_some(Verdict::LabelExcluded));
        let delay = millis(options.consistency_delay);
        exclude(out, |id, meta| {
            (delay > 0 && is_fresh(id, meta, now, delay)).then_some(Verdict::TooFresh)
        });
        self.exclude_marked(out, now).await;
        exclude_duplicates(out);
    }

    fn survives(&self, id: Ulid, meta: &BlockMeta) -> bool {
        if self.options.relabel.is_empty() {
            return true;
        }
        let labels = meta.thanos.as_ref().map(|t| t.labels.clone()).unwrap_or_default();
        let mut builder = Labels::from_pairs(&labels).to_builder();
        builder.set(BLOCK_ID_LABEL, &id.to_string());
        keep(&mut builder, &self.options.relabel) && !builder.is_empty()
    }

    async fn exclude_marked(&self, out: &mut Fetched, now: i64) {
        let delay = millis(self.options.ignore_deletion_marks_delay);
        let ids: Vec<Ulid> = out.blocks.keys().copied().collect();
        let marks = stream::iter(ids)
            .map(|id| async move { (id, self.bucket.get(&format!("{id}/{DELETION_MARK}")).await) })
            .buffer_unordered(self.options.concurrency.max(1));
        for (id, mark) in marks.collect::<Vec<_>>().await {
            match mark.map(|content| serde_json::from_slice::<DeletionMark>(&content)) {
                Ok(Ok(mark)) if now - mark.deletion_time.saturating_mul(1000) > delay => {
                    out.blocks.remove(&id);
                    out.left_out.insert(id, (Verdict::MarkedForDeletion, String::new()));
                }
                Ok(Ok(_)) => {}
                Ok(Err(err)) => warn!(block = %id, %err, "deletion mark is damaged; block is kept"),
                Err(err) if err.is_not_found() => {}
                Err(err) => out.incomplete.push(err.to_string()),
            }
        }
    }
}

/// The id of a folder that is a block.
fn block_id(entry: &Entry) -> Option<Ulid> {
    match entry {
        Entry::Dir(name) => {
            let name = name.trim_end_matches('/');
            // The crate reads lower case too; bucket folders are upper case.
            name.parse::<Ulid>().ok().filter(|id| id.to_string() == name)
        }
        Entry::Object { .. } => None,
    }
}

fn exclude(out: &mut Fetched, judge: impl Fn(Ulid, &BlockMeta) -> Option<Verdict>) {
    let left_out = &mut out.left_out;
    out.blocks.retain(|id, meta| match judge(*id, meta) {
        None => true,
        Some(verdict) => {
            left_out.insert(*id, (verdict, String::new()));
            false
        }
    });
}

/// Whether a block may still be on its way to all readers of the bucket. Compacted and repaired blocks replace others at once.
fn is_fresh(id: Ulid, meta: &BlockMeta, now: i64, delay: i64) -> bool {
    let thanos = meta.thanos.as_ref();
    let source = thanos.map_or("", |t| t.source.as_str());
    if matches!(source, "bucket.repair" | "compactor" | "compactor.repair") {
        return false;
    }
    let uploaded = thanos.and_then(|t| t.upload_time.as_deref()?.parse::<jiff::Timestamp>().ok());
    let made = uploaded.map_or(id.timestamp_ms() as i64, |t| t.as_millisecond());
    now - made < delay
}

/// A block whose sources are all in another of the same labels and resolution is a duplicate: compaction made the other of it.
fn exclude_duplicates(out: &mut Fetched) {
    let mut groups: BTreeMap<(Labels, i64), Vec<&BlockMeta>> = BTreeMap::new();
    for meta in out.blocks.values() {
        let thanos = meta.thanos.clone().unwrap_or_default();
        let key = (Labels::from_pairs(&thanos.labels), thanos.downsample.resolution_ms);
        groups.entry(key).or_default().push(meta);
    }
    let mut duplicates = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|meta| (std::cmp::Reverse(meta.compaction.sources.len()), meta.ulid));
        let mut kept: Vec<BTreeSet<Ulid>> = Vec::new();
        for meta in group {
            let sources: BTreeSet<Ulid> = meta.compaction.sources.iter().copied().collect();
            if kept.iter().any(|other| sources.is_subset(other)) {
                duplicates.push(meta.ulid);
            } else {
                kept.push(sources);
            }
        }
    }
    for id in duplicates {
        out.blocks.remove(&id);
        out.left_out.insert(id, (Verdict::Duplicate, String::new()));
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Ulid {
        Ulid::from_parts(n, 0)
    }

    fn duplicates(blocks: &[(u64, &[u64])]) -> Vec<u64> {
        let mut out = Fetched::default();
        for (n, sources) in blocks {
            let mut meta = BlockMeta::new(id(*n), 0, 1);
            meta.compaction.sources = sources.iter().map(|s| id(*s)).collect();
            out.blocks.insert(id(*n), meta);
        }
        exclude_duplicates(&mut out);
        out.blocks.keys().map(|id| id.timestamp_ms()).collect()
    }

    #[test]
    fn compacted_blocks_hide_their_sources() {
        let check = |blocks: &[(u64, &[u64])], kept: &[u64]| assert_eq!(duplicates(blocks), kept);
        check(&[(1, &[1]), (2, &[2]), (3, &[3])], &[1, 2, 3]);
        check(&[(6, &[6]), (4, &[1, 3, 2]), (5, &[5])], &[4, 5, 6]);
        check(&[(3, &[1, 2]), (4, &[1, 2])], &[3]);
        check(&[(4, &[1, 2]), (5, &[1, 2, 3]), (6, &[6])], &[5, 6]);
        check(&[(1, &[1]), (2, &[2]), (3, &[3]), (4, &[1, 2, 3]), (6, &[6])], &[4, 6]);
        check(
            &[(8, &[1, 2, 3, 4]), (6, &[1, 2, 3, 4]), (5, &[1, 2]), (7, &[1, 2, 3]), (1, &[1])],
            &[6],
        );
        check(&[(10, &[1, 2, 6, 7]), (11, &[1, 2, 6, 8]), (1, &[1])], &[10, 11]);
    }

    #[test]
    fn a_block_is_fresh_by_its_upload_and_else_by_its_id() {
        let mut meta = BlockMeta::new(id(1000), 0, 1);
        assert!(is_fresh(meta.ulid, &meta, 1500, 600));
        assert!(!is_fresh(meta.ulid, &meta, 1500, 400));
        let upload_time = Some("1970-01-01T00:00:01.4Z".to_owned());
        let mut thanos = gauntlet_block::meta::ThanosMeta { upload_time, ..Default::default() };
        meta.thanos = Some(thanos.clone());
        assert!(is_fresh(meta.ulid, &meta, 1500, 400));
        thanos.source = "compactor".to_owned();
        meta.thanos = Some(thanos);
        assert!(!is_fresh(meta.ulid, &meta, 1500, 400));
    }
}

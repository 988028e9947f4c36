//! The shipper: uploads finished blocks of a data folder. Page: docs/formats/shipper.md. Source: upstream `pkg/shipper`.
//!
//! A block is linked aside first, so that whoever deletes it meanwhile does no harm; then chunks, index and, last of all,
//! meta.json go up: a folder without meta.json is no block to any reader. What was uploaded is kept in `thanos.shipper.json`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_block::BlockMeta;
use gauntlet_block::meta::{BlockFile, FileHash};
use gauntlet_model::Labels;
use gauntlet_objstore::Bucket;
use gauntlet_runtime::{Clock, Fs};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};
use ulid::Ulid;

use crate::BucketError;

/// Default name of the file beside the blocks.
pub const SHIPPER_FILE: &str = "thanos.shipper.json";
const SHIPPER_VERSION: u32 = 1;
/// Largest shipper file read: a million blocks.
const SHIPPER_LIMIT_BYTES: u64 = 32 << 20;
const META: &str = "meta.json";
const INDEX: &str = "index";
const CHUNKS: &str = "chunks";
/// Bytes hashed at a time.
const HASH_STEP: usize = 1 << 20;

/// Settings of a shipper.
#[derive(Clone, Debug)]
pub struct ShipperOptions {
    /// `sidecar`, `ruler`, `receive`: goes into each meta.json.
    pub source: String,
    /// Whether compacted blocks go up too.
    pub upload_compacted: bool,
    /// Go on after a failed block, and upload compacted blocks unchecked for overlap.
    pub allow_out_of_order: bool,
    /// Leave unreadable blocks alone instead of stopping.
    pub skip_corrupted: bool,
    /// Write SHA-256 of each file into the meta.
    pub hash_files: bool,
    pub file_name: String,
}

impl Default for ShipperOptions {
    fn default() -> Self {
        Self {
            source: "sidecar".to_owned(),
            upload_compacted: false,
            allow_out_of_order: false,
            skip_corrupted: false,
            hash_files: false,
            file_name: SHIPPER_FILE.to_owned(),
        }
    }
}

/// What one synchronisation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    pub uploaded: Vec<Ulid>,
    /// Blocks whose upload failed, with the reason.
    pub failed: Vec<(Ulid, String)>,
    /// Unreadable local blocks.
    pub corrupted: Vec<String>,
}

/// `{"version":1,"uploaded":[...]}`, indented by tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipperState {
    pub version: u32,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub uploaded: Vec<Ulid>,
}

impl ShipperState {
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let state: Self = serde_json::from_slice(content).map_err(|err| err.to_string())?;
        if state.version != SHIPPER_VERSION {
            return Err(format!("unexpected meta file version {}", state.version));
        }
        Ok(state)
    }

    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, tabs);
        self.serialize(&mut serializer).expect("BUG: the state has string keys only");
        out.push(b'\n');
        out
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Ulid>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Uploads the blocks of one folder.
#[derive(Debug)]
pub struct Shipper {
    bucket: Arc<dyn Bucket>,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    data_dir: PathBuf,
    options: ShipperOptions,
}

impl Shipper {
    pub fn new(
        bucket: Arc<dyn Bucket>,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
        data_dir: PathBuf,
        options: ShipperOptions,
    ) -> Self {
        Self { bucket, fs, clock, data_dir, options }
    }

    /// Uploads what is not in the bucket yet, oldest first. An upload that fails ends it unless out-of-order uploads are allowed.
    pub async fn sync(&self, external: &Labels) -> Result<SyncReport, BucketError> {
        if external.is_empty() {
            let text = "empty external labels are not allowed for Thanos block.";
            return Err(BucketError::Refused(text.to_owned()));
        }
        let before: BTreeSet<Ulid> = self.read_state().uploaded.into_iter().collect();
        let mut after = ShipperState { version: SHIPPER_VERSION, uploaded: Vec::new() };
        let mut report = SyncReport::default();
        let metas = self.local_blocks(&mut report)?;
        let mut others: Option<Vec<BlockMeta>> = None;
        for meta in metas {
            if before.contains(&meta.ulid) {
                after.uploaded.push(meta.ulid);
                continue;
            }
            let compacted = meta.compaction.level > 1;
            if meta.stats.num_samples == 0 || (compacted && !self.options.upload_compacted) {
                continue;
            }
            if self.bucket.exists(&format!("{}/{META}", meta.ulid)).await? {
                after.uploaded.push(meta.ulid);
                continue;
            }
            if compacted && !self.options.allow_out_of_order {
                if others.is_none() {
                    others = Some(self.blocks_like(external).await?);
                }
                check_overlap(&meta, others.as_deref().unwrap_or_default())?;
            }
            let id = meta.ulid;
            match self.upload(meta, external).await {
                Ok(()) => {
                    info!(block = %id, "uploaded block");
                    after.uploaded.push(id);
                    report.uploaded.push(id);
                }
                Err(err) if self.options.allow_out_of_order => {
                    error!(block = %id, %err, "block not uploaded");
                    report.failed.push((id, err.to_string()));
                }
                Err(err) => return Err(err),
            }
        }
        let path = self.data_dir.join(&self.options.file_name);
        if let Err(err) = self.fs.replace(&path, &after.to_json()) {
            warn!(path = %path.display(), %err, "shipper file not written");
        }
        Ok(report)
    }

    /// What is known to be uploaded. A file that cannot be read costs lookups in the bucket, nothing else.
    fn read_state(&self) -> ShipperState {
        let path = self.data_dir.join(&self.options.file_name);
        let content = match self.fs.read(&path, SHIPPER_LIMIT_BYTES) {
            Ok(content) => content,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return ShipperState::default(),
            Err(err) => {
                warn!(path = %path.display(), %err, "shipper file not read");
                return ShipperState::default();
            }
        };
        ShipperState::parse(&content).unwrap_or_else(|err| {
            warn!(path = %path.display(), err, "shipper file is damaged and made anew");
            ShipperState::default()
        })
    }

    /// Blocks in the folder, oldest first.
    fn local_blocks(&self, report: &mut SyncReport) -> Result<Vec<BlockMeta>, BucketError> {
        let listing = self.fs.list(&self.data_dir).map_err(|err| io_error(&self.data_dir, &err))?;
        let mut metas = Vec::new();
        for entry in listing.into_iter().filter(|entry| entry.is_dir) {
            if !entry.name.parse::<Ulid>().is_ok_and(|id| id.to_string() == entry.name) {
                continue;
            }
            match BlockMeta::read(self.fs.as_ref(), &self.data_dir.join(&entry.name)) {
                Ok(meta) => metas.push(meta),
                Err(err) if self.options.skip_corrupted => {
                    error!(block = entry.name, %err, "block is damaged and not uploaded");
                    report.corrupted.push(entry.name);
                }
                Err(err) => return Err(err.into()),
            }
        }
        metas.sort_by_key(|meta| (meta.min_time, meta.ulid));
        Ok(metas)
    }

    /// Metas of the bucket's blocks with the same labels.
    async fn blocks_like(&self, external: &Labels) -> Result<Vec<BlockMeta>, BucketError> {
        let mut out = Vec::new();
        for entry in self.bucket.list("", false).await? {
            let name = entry.name().trim_end_matches('/');
            if !entry.is_dir() || name.parse::<Ulid>().is_err() {
                continue;
            }
            let path = format!("{name}/{META}");
            let content = match self.bucket.get(&path).await {
                Ok(content) => content,
                Err(err) if err.is_not_found() => continue,
                Err(err) => return Err(err.into()),
            };
            let meta = BlockMeta::parse(&path, &content)?;
            let labels = meta.thanos.as_ref().map(|t| Labels::from_pairs(&t.labels));
            if labels.as_ref() == Some(external) {
                out.push(meta);
            }
        }
        Ok(out)
    }

    async fn upload(&self, meta: BlockMeta, external: &Labels) -> Result<(), BucketError> {
        let aside = self.data_dir.join("thanos").join("upload").join(meta.ulid.to_string());
        let done = self.upload_from(&aside, meta, external).await;
        if let Err(err) = self.fs.remove_dir_all(&aside)
            && err.kind() != io::ErrorKind::NotFound
        {
            error!(path = %aside.display(), %err, "upload folder not removed");
        }
        done
    }

    async fn upload_from(
        &self,
        aside: &Path,
        mut meta: BlockMeta,
        external: &Labels,
    ) -> Result<(), BucketError> {
        let id = meta.ulid;
        let segments = self.link(id, aside)?;
        let mut files = Vec::new();
        for segment in &segments {
            files.push(self.describe(aside, &format!("{CHUNKS}/{segment}"))?);
        }
        files.push(self.describe(aside, INDEX)?);
        files.push(BlockFile { rel_path: META.to_owned(), size_bytes: 0, hash: None });
        files.sort_by(|a, b| a.rel_path.cmp(&b.rel_path));
        for segment in &segments {
            let path = format!("{CHUNKS}/{segment}");
            self.bucket.upload_file(&format!("{id}/{path}"), &aside.join(&path)).await?;
        }
        self.bucket.upload_file(&format!("{id}/{INDEX}"), &aside.join(INDEX)).await?;
        let mut thanos = meta.thanos.take().unwrap_or_default();
        thanos.labels.extend(external.iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
        thanos.source.clone_from(&self.options.source);
        thanos.segment_files = segments;
        thanos.files = files;
        thanos.upload_time = Some(rfc3339(self.clock.now_ms()));
        meta.thanos = Some(thanos);
        self.bucket.upload(&format!("{id}/{META}"), meta.to_json().into()).await?;
        Ok(())
    }

    /// Links a block's files into `aside` and returns the names of its segments, ascending.
    fn link(&self, id: Ulid, aside: &Path) -> Result<Vec<String>, BucketError> {
        let block = self.data_dir.join(id.to_string());
        match self.fs.remove_dir_all(aside) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(io_error(aside, &err)),
            _ => {}
        }
        let chunks = aside.join(CHUNKS);
        self.fs.create_dir_all(&chunks).map_err(|err| io_error(&chunks, &err))?;
        let listing = self.fs.list(&block.join(CHUNKS));
        let listing = listing.map_err(|err| io_error(&block.join(CHUNKS), &err))?;
        let mut segments: Vec<String> =
            listing.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect();
        segments.sort_unstable();
        let names = segments.iter().map(|s| format!("{CHUNKS}/{s}")).chain([INDEX.to_owned()]);
        for name in names {
            let (from, to) = (block.join(&name), aside.join(&name));
            self.fs.hard_link(&from, &to).map_err(|err| io_error(&from, &err))?;
        }
        Ok(segments)
    }

    fn describe(&self, folder: &Path, rel_path: &str) -> Result<BlockFile, BucketError> {
        let path = folder.join(rel_path);
        let failed = |err: io::Error| io_error(&path, &err);
        let file = self.fs.open(&path).map_err(failed)?;
        let size_bytes = file.size_bytes().map_err(failed)?;
        let mut hash = None;
        if self.options.hash_files {
            let mut context = ring::digest::Context::new(&ring::digest::SHA256);
            let mut buffer = vec![0; HASH_STEP];
            let mut offset = 0;
            while offset < size_bytes {
                let read = file.read_at(&mut buffer, offset).map_err(failed)?;
                if read == 0 {
                    break;
                }
                context.update(&buffer[..read]);
                offset += read as u64;
            }
            let digest = context.finish();
            let value = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            hash = Some(FileHash { function: "SHA256".to_owned(), value });
        }
        Ok(BlockFile { rel_path: rel_path.to_owned(), size_bytes, hash })
    }
}

fn check_overlap(meta: &BlockMeta, others: &[BlockMeta]) -> Result<(), BucketError> {
    let overlap = others.iter().find(|o| o.min_time < meta.max_time && meta.min_time < o.max_time);
    overlap.map_or(Ok(()), |other| {
        Err(BucketError::Refused(format!(
            "Found overlap or error during sync, cannot upload compacted block, details: block {} overlaps block {} of the bucket",
            meta.ulid, other.ulid
        )))
    })
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |t| t.to_string())
}

fn io_error(path: &Path, err: &io::Error) -> BucketError {
    BucketError::Io(format!("{}: {err}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_upstreams() {
        let id: Ulid = "01M85QE5N5QQY2CHMRKFGFAG2W".parse().unwrap();
        let state = ShipperState { version: 1, uploaded: vec![id] };
        let text =
            "{\n\t\"version\": 1,\n\t\"uploaded\": [\n\t\t\"01M85QE5N5QQY2CHMRKFGFAG2W\"\n\t]\n}\n";
        assert_eq!(String::from_utf8(state.to_json()).unwrap(), text);
        assert_eq!(ShipperState::parse(text.as_bytes()).unwrap(), state);
        assert!(
            ShipperState::parse(b"{\"version\":1,\"uploaded\":null}").unwrap().uploaded.is_empty()
        );
        assert!(ShipperState::parse(b"{\"version\":2}").is_err());
        assert!(ShipperState::parse(b"").is_err());
    }
}

//! The bucket store and what stands on it, against buckets written and answers given by a real Thanos.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests say where they fail and what they skip"
)]

mod answers;
mod damage;
mod faults;
mod peers;
mod s3;
mod shipping;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_bucket::{BlockFetcher, BucketStore, FetchOptions, StoreOptions};
use gauntlet_objstore::{Bucket, Filesystem};
use gauntlet_runtime::{SystemClock, SystemFs};

/// A golden bucket, if the oracles are there.
pub(crate) fn golden(name: &str) -> Option<PathBuf> {
    Some(gauntlet_testkit::conformance_dir()?.join("golden").join(name))
}

/// A store over a bucket, not yet synchronised.
pub(crate) fn store_over(bucket: Arc<dyn Bucket>, data_dir: &Path) -> BucketStore {
    let fs = SystemFs::shared();
    let clock = Arc::new(SystemClock);
    let options = FetchOptions::default();
    let data = data_dir.to_owned();
    let fetcher = BlockFetcher::new(
        Arc::clone(&bucket),
        Arc::clone(&fs),
        Arc::clone(&clock) as _,
        Some(data.clone()),
        options,
    );
    let options = StoreOptions { data_dir: data, ..StoreOptions::default() };
    BucketStore::new(bucket, fetcher, fs, clock, options)
}

/// A synchronised store over a folder.
pub(crate) async fn store_in(folder: &Path, data_dir: &Path) -> BucketStore {
    let store = store_over(Arc::new(Filesystem::new(folder)), data_dir);
    store.sync().await.unwrap();
    store
}

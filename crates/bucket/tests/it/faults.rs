//! Uploads that break at every step, before or after the bucket took the object: no reader ever sees half a block, and the next
//! synchronisation finishes the work.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_bucket::{Shipper, ShipperOptions};
use gauntlet_model::Labels;
use gauntlet_objstore::{Attributes, Bucket, Condition, Entry, Filesystem, ObjstoreError, Version};
use gauntlet_runtime::{SystemClock, SystemFs};

type Answer<'a, T> = BoxFuture<'a, Result<T, ObjstoreError>>;

/// Breaks one upload.
#[derive(Debug)]
struct Breaking {
    inner: Filesystem,
    /// Uploads until the one that breaks.
    left: AtomicUsize,
    /// Whether the object arrives all the same.
    late: bool,
}

impl Breaking {
    fn put<'a>(&'a self, name: &'a str, put: Answer<'a, ()>) -> Answer<'a, ()> {
        async move {
            let left = self.left.load(Ordering::SeqCst);
            self.left.store(left.wrapping_sub(1), Ordering::SeqCst);
            if left != 0 {
                return put.await;
            }
            if self.late {
                put.await?;
            }
            let (operation, reason) = ("upload", "connection reset".to_owned());
            Err(ObjstoreError::Temporary { operation, name: name.to_owned(), reason })
        }
        .boxed()
    }
}

impl Bucket for Breaking {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)> {
        self.inner.get_versioned(name)
    }
    fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes> {
        self.inner.get_range(name, range)
    }
    fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes> {
        self.inner.attributes(name)
    }
    fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>> {
        self.inner.list(dir, recursive)
    }
    fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()> {
        self.put(name, self.inner.upload(name, content))
    }
    fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()> {
        self.put(name, self.inner.upload_file(name, file))
    }
    fn upload_if<'a>(
        &'a self,
        name: &'a str,
        content: Bytes,
        condition: Condition,
    ) -> Answer<'a, Version> {
        self.inner.upload_if(name, content, condition)
    }
    fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.inner.delete(name)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_may_break_anywhere() {
    let external = Labels::from_pairs([("replica", "a")]);
    for late in [false, true] {
        // Chunks, index and meta of two blocks.
        for step in 0..6 {
            let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let Some(metas) = crate::shipping::local_blocks(data.path(), 2) else { return };
            let left = AtomicUsize::new(step);
            let inner = Filesystem::new(bucket.path());
            let breaking: Arc<dyn Bucket> = Arc::new(Breaking { inner, left, late });
            let shipper = Shipper::new(
                breaking,
                SystemFs::shared(),
                Arc::new(SystemClock),
                data.path().to_owned(),
                ShipperOptions::default(),
            );
            assert!(shipper.sync(&external).await.is_err(), "step {step}");
            let whole = |i: usize| {
                let block = bucket.path().join(metas[i].ulid.to_string());
                let local = data.path().join(metas[i].ulid.to_string());
                let same = |name: &str| {
                    std::fs::read(block.join(name)).ok() == std::fs::read(local.join(name)).ok()
                };
                (block.join("meta.json").exists(), same("index") && same("chunks/000001"))
            };
            for i in 0..2 {
                let (is_block, is_whole) = whole(i);
                assert!(!is_block || is_whole, "step {step}: a meta.json without its files");
            }
            let reader = crate::store_in(bucket.path(), &data.path().join("store")).await;
            assert!(reader.state().ready && reader.state().reason.is_none());
            assert!(reader.state().blocks.iter().all(|b| b.damage.is_none()));
            shipper.sync(&external).await.unwrap();
            assert_eq!((whole(0), whole(1)), ((true, true), (true, true)), "step {step}");
            assert!(shipper.sync(&external).await.unwrap().uploaded.is_empty());
        }
    }
}

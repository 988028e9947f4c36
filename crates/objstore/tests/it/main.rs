//! One suite on every provider: memory, folder, a prefix in either, and S3 against a real server where its binary is found.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests say where they fail and what they skip"
)]

mod server;
mod suite;

use std::sync::Arc;

use gauntlet_objstore::{
    Bucket, BucketConfig, Filesystem, ObjectStoreBucket, Prefixed, RetryPolicy, Retrying,
};

#[tokio::test]
async fn memory() {
    suite::run(Arc::new(ObjectStoreBucket::in_memory())).await;
}

#[tokio::test]
async fn folder() {
    let dir = tempfile::tempdir().unwrap();
    suite::run(Arc::new(Filesystem::new(dir.path().join("made/when/written")))).await;
}

#[tokio::test]
async fn prefix_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder: Arc<dyn Bucket> = Arc::new(Filesystem::new(dir.path()));
    folder.upload("other", "kept".into()).await.unwrap();
    let retrying = Arc::new(Retrying::new(Arc::clone(&folder), RetryPolicy::default()));
    suite::run(Prefixed::wrap(retrying, "/tenant/a/")).await;
    assert_eq!(folder.get("other").await.unwrap(), "kept");
}

#[tokio::test]
async fn s3() {
    let Some(server) = server::VersityGw::start().await else { return };
    let bucket = server.config("suite").build(RetryPolicy::default()).unwrap();
    suite::run(bucket).await;
    let denied = server.config_with("suite", "wrong").build(RetryPolicy::default()).unwrap();
    let err = denied.get("a").await.unwrap_err();
    assert!(!err.is_retryable(), "{err}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_worth_a_retry() {
    let text = "type: S3\nconfig: {bucket: b, endpoint: '127.0.0.1:1', insecure: true, access_key: a, secret_key: s, max_retries: 1}";
    let policy = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let bucket = BucketConfig::parse(text.as_bytes()).unwrap().build(policy).unwrap();
    let err = bucket.get("a").await.unwrap_err();
    assert!(err.is_retryable(), "{err:?}");
}

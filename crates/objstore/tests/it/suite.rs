//! What every bucket does, provider regardless.

use std::sync::Arc;

use bytes::Bytes;
use gauntlet_objstore::{Bucket, Condition, ObjstoreError};

pub(crate) async fn run(bucket: Arc<dyn Bucket>) {
    let bucket = bucket.as_ref();
    missing_objects_are_said_to_be_missing(bucket).await;
    what_is_uploaded_is_read(bucket).await;
    ranges_end_with_the_object(bucket).await;
    listings_are_sorted_and_flat_or_deep(bucket).await;
    files_are_uploaded(bucket).await;
    conditional_puts_hold_their_condition(bucket).await;
    names_that_leave_the_bucket_are_refused(bucket).await;
    deleting_empties(bucket).await;
}

async fn missing_objects_are_said_to_be_missing(bucket: &dyn Bucket) {
    assert!(bucket.get("no").await.unwrap_err().is_not_found());
    assert!(bucket.get_range("no/such", 0..4).await.unwrap_err().is_not_found());
    assert!(bucket.attributes("no").await.unwrap_err().is_not_found());
    assert!(!bucket.exists("no").await.unwrap());
    assert!(bucket.list("", false).await.unwrap().is_empty());
    assert!(bucket.list("no", true).await.unwrap().is_empty());
}

async fn what_is_uploaded_is_read(bucket: &dyn Bucket) {
    for content in ["first", "second and longer", ""] {
        bucket.upload("dir/a", Bytes::from(content)).await.unwrap();
        assert_eq!(bucket.get("dir/a").await.unwrap(), content);
    }
    bucket.upload("dir/a", "0123456789".into()).await.unwrap();
    assert!(bucket.exists("dir/a").await.unwrap());
    assert!(!bucket.exists("dir").await.unwrap(), "a folder is no object");
    let attributes = bucket.attributes("dir/a").await.unwrap();
    assert_eq!(attributes.size_bytes, 10);
    assert!(attributes.last_modified_ms > 1_500_000_000_000);
}

async fn ranges_end_with_the_object(bucket: &dyn Bucket) {
    assert_eq!(bucket.get_range("dir/a", 2..5).await.unwrap(), "234");
    assert_eq!(bucket.get_range("dir/a", 8..500).await.unwrap(), "89");
    assert_eq!(bucket.get_range("dir/a", 3..3).await.unwrap(), "");
    let past = bucket.get_range("dir/a", 10..12).await.unwrap_err();
    assert!(matches!(past, ObjstoreError::Range { start: 10, size: 10, .. }), "{past:?}");
}

async fn listings_are_sorted_and_flat_or_deep(bucket: &dyn Bucket) {
    for name in ["z", "dir/b/c", "dir/b/d", "dir-2/x", "a+b=c~"] {
        bucket.upload(name, "x".into()).await.unwrap();
    }
    let names = |entries: Vec<gauntlet_objstore::Entry>| {
        entries.iter().map(|e| e.name().to_owned()).collect::<Vec<_>>()
    };
    let flat = bucket.list("", false).await.unwrap();
    assert_eq!(flat.iter().filter(|e| e.is_dir()).count(), 2);
    assert_eq!(names(flat), ["a+b=c~", "dir-2/", "dir/", "z"]);
    assert_eq!(names(bucket.list("dir", false).await.unwrap()), ["dir/a", "dir/b/"]);
    assert_eq!(names(bucket.list("dir/", false).await.unwrap()), ["dir/a", "dir/b/"]);
    let deep = bucket.list("dir", true).await.unwrap();
    assert_eq!(names(deep), ["dir/a", "dir/b/c", "dir/b/d"]);
    assert_eq!(bucket.list("", true).await.unwrap().len(), 6);
}

async fn files_are_uploaded(bucket: &dyn Bucket) {
    let file = tempfile::NamedTempFile::new().unwrap();
    // Over one part, so that several are sent where the provider has parts.
    let content: Vec<u8> = (0..(6 << 20)).map(|i: u32| (i >> 8) as u8).collect();
    std::fs::write(file.path(), &content).unwrap();
    bucket.upload_file("dir/big", file.path()).await.unwrap();
    assert_eq!(bucket.attributes("dir/big").await.unwrap().size_bytes, content.len() as u64);
    let tail = bucket.get_range("dir/big", (5 << 20)..(7 << 20)).await.unwrap();
    assert_eq!(tail, content[5 << 20..]);
    let none = bucket.upload_file("dir/none", std::path::Path::new("does/not/exist")).await;
    assert!(none.is_err());
    assert!(!bucket.exists("dir/none").await.unwrap());
}

async fn conditional_puts_hold_their_condition(bucket: &dyn Bucket) {
    let precondition = |err: ObjstoreError| matches!(err, ObjstoreError::Precondition { .. });
    let first = bucket.upload_if("lease", "one".into(), Condition::Absent).await.unwrap();
    let twice = bucket.upload_if("lease", "two".into(), Condition::Absent).await;
    assert!(twice.is_err_and(precondition));
    let (content, version) = bucket.get_versioned("lease").await.unwrap();
    assert_eq!((content, &version), ("one".into(), &first));
    let next = Condition::Unchanged(version.clone());
    let second = bucket.upload_if("lease", "two".into(), next.clone()).await.unwrap();
    assert_ne!(first, second);
    assert!(bucket.upload_if("lease", "three".into(), next).await.is_err_and(precondition));
    assert_eq!(bucket.get("lease").await.unwrap(), "two");
    bucket.delete("lease").await.unwrap();
    let gone = bucket.upload_if("lease", "four".into(), Condition::Unchanged(second)).await;
    assert!(gone.is_err_and(precondition));
}

async fn names_that_leave_the_bucket_are_refused(bucket: &dyn Bucket) {
    for name in ["", "../x", "a/../b", "a//b", "/a", "a/./b"] {
        let err = bucket.upload(name, "x".into()).await.unwrap_err();
        assert!(matches!(err, ObjstoreError::BadName { .. }), "{name}: {err}");
    }
}

async fn deleting_empties(bucket: &dyn Bucket) {
    for entry in bucket.list("", true).await.unwrap() {
        bucket.delete(entry.name()).await.unwrap();
    }
    assert!(bucket.list("", false).await.unwrap().is_empty());
    assert!(!bucket.exists("dir/b/c").await.unwrap());
}

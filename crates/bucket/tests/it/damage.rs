//! Damage and absence: what is broken is named and costs itself alone; a bucket that cannot be read is waited for. And what a
//! query costs in requests.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gauntlet_bucket::Verdict;
use gauntlet_model::Matcher;
use std::time::Duration;

use gauntlet_objstore::{Bucket, Filesystem, ObjstoreError, Observed, Observer, Operation};
use gauntlet_storage::{Queryable, SelectRequest, SeriesSet, TimeRange};
use gauntlet_storeapi::{SourceQueryable, StoreSource};

/// A copy of the golden bucket that may be damaged.
fn copy(folder: &Path, to: &Path) -> Vec<String> {
    let mut ids = Vec::new();
    for block in fs::read_dir(folder).unwrap().take(4) {
        let block = block.unwrap();
        let id = block.file_name().into_string().unwrap();
        let target = to.join(&id);
        fs::create_dir_all(target.join("chunks")).unwrap();
        for file in ["meta.json", "index", "chunks/000001"] {
            fs::write(target.join(file), fs::read(block.path().join(file)).unwrap()).unwrap();
        }
        ids.push(id);
    }
    ids.sort();
    ids
}

fn flip(path: &Path, at: usize) {
    let mut content = fs::read(path).unwrap();
    content[at] ^= 0x10;
    fs::write(path, content).unwrap();
}

async fn all(store: &Arc<gauntlet_bucket::BucketStore>) -> SeriesSet {
    let matchers = [Matcher::equal("__name__", "bench_metric_00_total")];
    let mut request = SelectRequest::new(matchers, TimeRange::all());
    request.hints.partial_response = true;
    let source: Arc<dyn StoreSource> = store.clone();
    SourceQueryable::new(source).select(&request).await.unwrap()
}

fn chunks(set: &SeriesSet) -> usize {
    set.iter().map(|(_, chunks)| chunks.len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_chunk_costs_itself_and_is_named() {
    let Some(folder) = crate::golden("bucket-raw") else { return };
    let (bucket, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = copy(&folder, bucket.path());
    let store = Arc::new(crate::store_in(bucket.path(), data.path()).await);
    let sound = all(&store).await;
    assert!(sound.warnings.is_empty() && chunks(&sound) > 4);
    flip(&bucket.path().join(&ids[1]).join("chunks/000001"), 20);
    let damaged = all(&store).await;
    assert_eq!(chunks(&damaged), chunks(&sound) - 1);
    assert_eq!(damaged.warnings.len(), 1, "{:?}", damaged.warnings);
    assert!(damaged.warnings[0].contains(&ids[1]) && damaged.warnings[0].contains("checksum"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_blocks_are_set_aside_and_the_rest_answers() {
    let Some(folder) = crate::golden("bucket-raw") else { return };
    let (bucket, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = copy(&folder, bucket.path());
    // One has no table of contents, one a damaged meta, one none at all, one lost its index.
    let index = bucket.path().join(&ids[0]).join("index");
    let len = fs::metadata(&index).unwrap().len() as usize;
    flip(&index, len - 20);
    fs::write(bucket.path().join(&ids[1]).join("meta.json"), "{").unwrap();
    fs::remove_file(bucket.path().join(&ids[2]).join("meta.json")).unwrap();
    let store = Arc::new(crate::store_in(bucket.path(), data.path()).await);
    let state = store.state();
    assert!(state.ready, "{:?}", state.reason);
    let of = |i: usize| state.blocks.iter().find(|b| b.id.to_string() == ids[i]).unwrap();
    assert!(of(0).damage.as_ref().unwrap().contains("index"), "{:?}", of(0));
    assert_eq!(of(1).verdict, Some(Verdict::CorruptedMeta));
    assert_eq!(of(2).verdict, Some(Verdict::NoMeta));
    assert!(of(3).damage.is_none() && of(3).verdict.is_none());
    let set = all(&store).await;
    assert!(!set.is_empty());
    assert!(set.warnings.iter().any(|w| w.contains(&ids[0])), "{:?}", set.warnings);
    fs::remove_file(bucket.path().join(&ids[3]).join("index")).unwrap();
    let set = all(&store).await;
    assert!(set.is_empty());
    assert!(set.warnings.iter().any(|w| w.contains(&ids[3])), "{:?}", set.warnings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_header_is_made_once_and_remade_when_damaged() {
    let Some(folder) = crate::golden("bucket-raw") else { return };
    let (bucket, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = copy(&folder, bucket.path());
    drop(crate::store_in(bucket.path(), data.path()).await);
    let header = data.path().join(&ids[0]).join("index-header");
    let sound = fs::read(&header).unwrap();
    assert_eq!(sound[..4], [0xba, 0xaa, 0xd7, 0x92]);
    fs::write(&header, &sound[..sound.len() / 2]).unwrap();
    let store = Arc::new(crate::store_in(bucket.path(), data.path()).await);
    assert_eq!(fs::read(&header).unwrap(), sound);
    assert!(!all(&store).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_come_and_go_with_the_bucket() {
    let Some(folder) = crate::golden("bucket-raw") else { return };
    let (bucket, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Arc::new(crate::store_over(Arc::new(Filesystem::new(bucket.path())), data.path()));
    assert!(!store.state().ready);
    let waiting = store.info().unwrap_err().to_string();
    assert!(waiting.contains("not ready"), "{waiting}");
    store.sync().await.unwrap();
    assert!(all(&store).await.is_empty(), "an empty bucket is a good bucket");
    let ids = copy(&folder, bucket.path());
    store.sync().await.unwrap();
    let loaded = || store.state().blocks.iter().filter(|b| b.verdict.is_none()).count();
    assert_eq!(loaded(), 4);
    fs::remove_dir_all(bucket.path().join(&ids[0])).unwrap();
    let mark = format!(r#"{{"id":"{}","version":1,"deletion_time":1}}"#, ids[1]);
    fs::write(bucket.path().join(&ids[1]).join("deletion-mark.json"), mark).unwrap();
    store.sync().await.unwrap();
    assert_eq!(loaded(), 2);
    assert!(!data.path().join(&ids[0]).exists(), "its header is gone too");
    let marked = store.state().blocks.iter().find(|b| b.id.to_string() == ids[1]).unwrap().verdict;
    assert_eq!(marked, Some(Verdict::MarkedForDeletion));
}

#[tokio::test]
async fn an_unreadable_bucket_is_a_reason() {
    let data = tempfile::tempdir().unwrap();
    let text = "type: S3\nconfig: {bucket: b, endpoint: '127.0.0.1:1', insecure: true, access_key: a, secret_key: s, max_retries: 1}";
    let policy = gauntlet_objstore::RetryPolicy { attempts: 1, ..Default::default() };
    let config = gauntlet_objstore::BucketConfig::parse(text.as_bytes()).unwrap();
    let bucket: Arc<dyn Bucket> = config.build(policy).unwrap();
    let store = crate::store_over(bucket, data.path());
    assert!(store.sync().await.is_err());
    let state = store.state();
    assert!(!state.ready && state.reason.unwrap().contains("iter"));
}

#[derive(Debug, Default)]
struct Calls(std::sync::Mutex<Vec<Operation>>);

impl Observer for Calls {
    fn done(&self, _: &str, op: Operation, _: Duration, _: u64, _: Option<&ObjstoreError>) {
        self.0.lock().unwrap().push(op);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_by_name_takes_two_requests_a_block() {
    let Some(folder) = crate::golden("bucket-raw") else { return };
    let (bucket, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = copy(&folder, bucket.path());
    let calls = Arc::new(Calls::default());
    let inner: Arc<dyn Bucket> = Arc::new(Filesystem::new(bucket.path()));
    let clock = Arc::new(gauntlet_runtime::SystemClock);
    let observed = Arc::new(Observed::new(inner, Arc::clone(&calls) as _, clock));
    let store = Arc::new(crate::store_over(observed, data.path()));
    store.sync().await.unwrap();
    assert!(data.path().join(&ids[0]).join("index-header.spans").exists());
    calls.0.lock().unwrap().clear();
    let set = all(&store).await;
    assert!(!set.is_empty());
    // One for the metric's run of the index, one for its chunks.
    assert_eq!(*calls.0.lock().unwrap(), [Operation::GetRange; 8]);
    // Opened again, nothing is read but what says which blocks there are.
    calls.0.lock().unwrap().clear();
    let inner: Arc<dyn Bucket> = Arc::new(Filesystem::new(bucket.path()));
    let clock = Arc::new(gauntlet_runtime::SystemClock);
    let observed = Arc::new(Observed::new(inner, Arc::clone(&calls) as _, clock));
    crate::store_over(observed, data.path()).sync().await.unwrap();
    assert!(!calls.0.lock().unwrap().contains(&Operation::GetRange));
}

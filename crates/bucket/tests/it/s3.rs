//! The whole way over a real S3 server: shipped from a data folder, found, read by ranges, answered.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_bucket::{Shipper, ShipperOptions};
use gauntlet_model::{Labels, Matcher};
use gauntlet_objstore::{BucketConfig, RetryPolicy};
use gauntlet_runtime::{SystemClock, SystemFs};
use gauntlet_storage::{Queryable, SelectRequest, TimeRange};
use gauntlet_storeapi::{SourceQueryable, StoreSource};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shipped_blocks_answer_from_s3() {
    let Some(program) = crate::peers::program("VERSITYGW_BIN", "versitygw") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs versitygw");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (data, served, home) =
        (dir.path().join("data"), dir.path().join("s3"), dir.path().join("home"));
    std::fs::create_dir_all(served.join("metrics")).unwrap();
    std::fs::create_dir_all(&home).unwrap();
    let address = crate::peers::free_address();
    let started = Command::new(program)
        .args(["--port", &address.to_string(), "posix"])
        .arg(&served)
        .env("ROOT_ACCESS_KEY", "key")
        .env("ROOT_SECRET_KEY", "secret")
        .env("HOME", &home)
        .current_dir(&home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Server(started.unwrap());
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let text = format!(
        "type: S3\nconfig: {{bucket: metrics, endpoint: '{address}', insecure: true, \
         access_key: key, secret_key: secret}}\nprefix: tenant/a\n"
    );
    let config = BucketConfig::parse(text.as_bytes()).unwrap();
    let bucket = config.build(RetryPolicy::default()).unwrap();
    let Some(metas) = crate::shipping::local_blocks(&data, 3) else { return };
    let shipper = Shipper::new(
        Arc::clone(&bucket),
        SystemFs::shared(),
        Arc::new(SystemClock),
        data,
        ShipperOptions::default(),
    );
    let external = Labels::from_pairs([("replica", "a")]);
    assert_eq!(shipper.sync(&external).await.unwrap().uploaded.len(), metas.len());
    let store = Arc::new(crate::store_over(bucket, &dir.path().join("store")));
    store.sync().await.unwrap();
    let source: Arc<dyn StoreSource> = store.clone();
    let matchers =
        [Matcher::equal("__name__", "bench_metric_00_total"), Matcher::equal("replica", "a")];
    let request = SelectRequest::new(matchers, TimeRange::all());
    let set = SourceQueryable::new(source).select(&request).await.unwrap();
    assert!(!set.is_empty() && set.warnings.is_empty(), "{:?}", set.warnings);
    assert!(
        set.iter().all(|(labels, chunks)| labels.value("replica") == "a" && !chunks.is_empty())
    );
    assert_eq!(store.state().blocks.len(), metas.len());
}

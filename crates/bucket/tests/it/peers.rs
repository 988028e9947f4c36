//! Real peers on the other end: a Thanos store that we query, a Thanos query that asks us, a Prometheus that our sidecar reads.
//!
//! Programs are found by `THANOS_BIN` and `PROMETHEUS_BIN` or on the PATH; without them the tests say so and pass, unless CI=true.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_bucket::{QueryNode, Sidecar, SidecarFacts, SidecarOptions};
use gauntlet_model::{Labels, Timestamp};
use gauntlet_net::client::{ClientOptions, HttpClient};
use gauntlet_net::config::HttpClientConfig;
use gauntlet_remote::read_prometheus::PrometheusReader;
use gauntlet_runtime::SystemClock;
use gauntlet_storeapi::grpc::ServerOptions;
use gauntlet_storeapi::source::OtherApis;
use gauntlet_storeapi::{EndpointOptions, EndpointSet, EndpointSpec, ProxyOptions};
use gauntlet_testkit::http::{encode, get};
use gauntlet_testkit::process::{Process, ask_until};
use serde_json::Value as Json;

/// A peer's program; the comparison with it is skipped, and says so, where there is none: no run can bring them all.
pub(crate) fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).map(PathBuf::from);
    let on_path = || {
        let dirs = std::env::var_os("PATH")?;
        std::env::split_paths(&dirs).map(|dir| dir.join(name)).find(|path| path.is_file())
    };
    let found = given.or_else(on_path).filter(|path| path.is_file());
    if found.is_none() {
        println!("SKIPPED: no {name} (set {variable})");
    }
    found
}

pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn objstore_file(dir: &Path, bucket: &Path) -> String {
    let path = dir.join("objstore.yml");
    let text = format!("type: FILESYSTEM\nconfig: {{directory: {}}}\n", bucket.display());
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Waits for the log line that says a program is ready; its whole log is in the panic if it never is.
fn wait_ready(process: &mut Process, sign: &'static str) {
    tokio::task::block_in_place(|| {
        process.wait_for(sign, |line| line.contains(sign).then_some(()));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_query_a_real_store() {
    let (Some(thanos), Some(bucket)) =
        (program("THANOS_BIN", "thanos"), crate::golden("bucket-raw"))
    else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let (http, grpc) = (free_address(), free_address());
    let arguments = [
        "store".to_owned(),
        format!("--http-address={http}"),
        format!("--grpc-address={grpc}"),
        format!("--data-dir={}", data.path().join("store").display()),
        format!("--objstore.config-file={}", objstore_file(data.path(), &bucket)),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut store = Process::start(&thanos, "thanos", &arguments);
    wait_ready(&mut store, "status=ready");
    let spec = EndpointSpec::new(grpc.to_string());
    let set = EndpointSet::new(vec![spec], EndpointOptions::default(), Arc::new(SystemClock));
    let node = QueryNode::new(set, ProxyOptions::default());
    // It says that it is ready a moment before its gRPC server listens.
    for _ in 0..100 {
        node.endpoints().refresh().await;
        if !node.stores().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(node.stores()[0].component, "store", "{:?}", node.stores());
    let golden: Json =
        serde_json::from_slice(&std::fs::read(crate::golden("answers-raw.json").unwrap()).unwrap())
            .unwrap();
    let (good, bad) = crate::answers::run(node.queryable(), &golden, 1).await;
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
    assert_eq!(good, 52);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_query_asks_us() {
    let (Some(thanos), Some(bucket)) =
        (program("THANOS_BIN", "thanos"), crate::golden("bucket-compacted"))
    else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let store = Arc::new(crate::store_in(&bucket, data.path()).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let grpc = listener.local_addr().unwrap();
    let options = ServerOptions::default();
    options.ready.set(true);
    tokio::spawn(gauntlet_storeapi::grpc::serve(listener, store, options, std::future::pending()));
    let (http, own_grpc) = (free_address(), free_address());
    let arguments = [
        "query".to_owned(),
        format!("--http-address={http}"),
        format!("--grpc-address={own_grpc}"),
        format!("--endpoint={grpc}"),
        "--query.replica-label=prom_replica".to_owned(),
        "--grpc-compression=snappy".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut query = Process::start(&thanos, "thanos", &arguments);
    wait_ready(&mut query, "status=ready");
    tokio::task::spawn_blocking(move || {
        ask_until(http, "/api/v1/stores", |answer| answer.text().contains("\"store\"").then_some(()));
        let golden = std::fs::read(crate::golden("answers-compacted.json").unwrap()).unwrap();
        let golden: Json = serde_json::from_slice(&golden).unwrap();
        let queries = golden["queries"].as_array().unwrap();
        for query in queries.iter().step_by(5) {
            let text = encode(query["query"].as_str().unwrap());
            let path = format!(
                "/api/v1/query_range?query={text}&start={}&end={}&step={}&dedup={}&max_source_resolution={}",
                query["start"], query["end"], query["step"], query["dedup"],
                query["max_source_resolution"].as_str().unwrap()
            );
            let answer = get(http, &path).unwrap();
            let found: Json = serde_json::from_str(&answer.text()).unwrap();
            assert_eq!(found["data"]["result"], query["response"]["data"]["result"], "{path}");
        }
    })
    .await
    .unwrap();
}

#[derive(Debug)]
struct Facts(PrometheusReader);

impl SidecarFacts for Facts {
    fn external_labels(&self) -> BoxFuture<'_, Result<Labels, String>> {
        async move { self.0.external_labels().await.map_err(|err| err.to_string()) }.boxed()
    }
    fn lowest_timestamp(&self) -> BoxFuture<'_, Result<Timestamp, String>> {
        async move { self.0.lowest_timestamp().await.map_err(|err| err.to_string()) }.boxed()
    }
    fn check_uploadable(&self) -> BoxFuture<'_, Result<(), String>> {
        async move { Ok(()) }.boxed()
    }
}

/// Answers of a real sidecar over the same data, recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_sidecar_over_a_real_prometheus() {
    let (Some(prometheus), Some(golden)) =
        (program("PROMETHEUS_BIN", "prometheus"), crate::golden("prometheus-data/killed"))
    else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    copy(&golden, &data.path().join("tsdb"));
    let config = data.path().join("prometheus.yml");
    std::fs::write(
        &config,
        "global: {external_labels: {cluster: golden, replica: a}}\nstorage: {tsdb: {out_of_order_time_window: 3h}}\n",
    )
    .unwrap();
    let http = free_address();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", data.path().join("tsdb").display()),
        format!("--web.listen-address={http}"),
        "--storage.tsdb.retention.time=100y".to_owned(),
        "--enable-feature=exemplar-storage,promql-experimental-functions,metadata-wal-records"
            .to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut prometheus = Process::start(&prometheus, "prometheus", &arguments);
    wait_ready(&mut prometheus, "Server is ready to receive web requests");
    let client = HttpClient::new(&HttpClientConfig::default(), ClientOptions::default()).unwrap();
    let timeout = std::time::Duration::from_secs(30);
    let reader = PrometheusReader::new(&format!("http://{http}"), client, timeout).unwrap();
    let (storage, facts) = (Arc::new(reader.clone()), Arc::new(Facts(reader)));
    let all = OtherApis {
        rules: true,
        metric_metadata: true,
        targets: true,
        exemplars: Some((0, 0)),
        query: false,
        status: true,
    };
    let options = SidecarOptions { apis: all, ..SidecarOptions::default() };
    let sidecar = Sidecar::new("prometheus", storage, facts, None, options);
    assert!(sidecar.source().info().is_err());
    sidecar.refresh().await.unwrap();
    let info = sidecar.source().info().unwrap();
    assert_eq!((info.component.as_str(), info.min_time), ("sidecar", 1_795_406_280_000));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = ServerOptions::default();
    tokio::spawn(gauntlet_storeapi::grpc::serve(
        listener,
        sidecar.source(),
        options,
        std::future::pending(),
    ));
    crate::wire::check_calls(
        address,
        "sidecar of prometheus over prometheus-data/killed",
        &[
            // Where chunks are skipped the peer removes no inner labels and looks at no shard; its limits count before external
            // labels and before sorting. Ours do what was asked.
            ("/thanos.Store/Series", "without an inner label"),
            ("/thanos.Store/Series", "shard 0 of 2 by job"),
            ("/thanos.Store/Series", "shard 1 of 2 by job"),
            ("/thanos.Store/Series", "shard 1 of 3 without"),
            ("/thanos.Store/LabelNames", "limit"),
            ("/thanos.Store/LabelValues", "limit"),
        ],
    )
    .await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            std::fs::write(target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

//! Bucket store, proxy, dedup and engine together: every answer of a real Thanos Query, to the bit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_bucket::roles::dynamic_lookback;
use gauntlet_model::Labels;
use gauntlet_promql::engine::{QueryOptions, Value};
use gauntlet_promql::{Engine, EngineOptions};
use gauntlet_runtime::{CpuPool, SystemClock};
use gauntlet_storage::{LabelRequest, Queryable, SelectHints, SelectRequest, TimeRange};
use gauntlet_storeapi::grpc::ServerOptions;
use gauntlet_storeapi::remote::Compression;
use gauntlet_storeapi::{
    ClientSettings, EndpointOptions, EndpointSet, EndpointSpec, Proxy, ProxyOptions, StoreSource,
};
use serde_json::Value as Json;

type Series = BTreeMap<Labels, Vec<(i64, u64)>>;

/// A proxy over a store of this process.
fn local(store: Arc<dyn StoreSource>) -> Arc<dyn Queryable> {
    let sources: Vec<Arc<dyn StoreSource>> = vec![store];
    Arc::new(Proxy::new(Arc::new(sources), ProxyOptions::default()))
}

async fn check(bucket: &str, answers: &str, expect: usize) {
    let (Some(folder), Some(answers)) = (crate::golden(bucket), crate::golden(answers)) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let store = Arc::new(crate::store_in(&folder, data.path()).await);
    let golden: Json = serde_json::from_slice(&std::fs::read(answers).unwrap()).unwrap();
    let (good, bad) = run(local(store), &golden, 1).await;
    println!("{bucket}: {good} of {} answers equal", good + bad.len());
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
    assert_eq!(good, expect);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_replicas_are_deduplicated_as_the_peer_does() {
    check("bucket-raw", "answers-raw.json", 52).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downsampled_blocks_answer_as_the_peers_do() {
    check("bucket-compacted", "answers-compacted.json", 156).await;
}

/// The same over the wire: our server, snappy on, an endpoint set and the proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_survive_the_wire() {
    let (Some(folder), Some(answers)) =
        (crate::golden("bucket-raw"), crate::golden("answers-raw.json"))
    else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let store = Arc::new(crate::store_in(&folder, data.path()).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap_or(()) };
        gauntlet_storeapi::grpc::serve(listener, store, ServerOptions::default(), stopped).await
    });
    let spec = EndpointSpec::new(address.clone());
    let options = EndpointOptions {
        client: ClientSettings { compression: Compression::Snappy, tls: None },
        ..EndpointOptions::default()
    };
    let endpoints = Arc::new(EndpointSet::new(vec![spec], options, Arc::new(SystemClock)));
    endpoints.refresh().await;
    let status = endpoints.status();
    assert_eq!((status.len(), status[0].component.as_str()), (1, "store"));
    assert_eq!((status[0].label_sets.len(), &status[0].last_error), (2, &None));
    let proxy = Arc::new(Proxy::new(endpoints.clone(), ProxyOptions::default()));
    let golden: Json = serde_json::from_slice(&std::fs::read(answers).unwrap()).unwrap();
    let (good, bad) = run(proxy.clone(), &golden, 4).await;
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
    assert_eq!(good, 13);

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    let gone = SelectRequest::new(
        [gauntlet_model::Matcher::equal("__name__", "bench_metric_00_total")],
        TimeRange::all(),
    );
    let mut partial = gone.clone();
    partial.hints.partial_response = true;
    let set = Queryable::select(proxy.as_ref(), &partial).await.unwrap();
    assert!(set.is_empty() && set.warnings.len() == 1, "{:?}", set.warnings);
    assert!(set.warnings[0].contains(&address), "{:?}", set.warnings);
    assert!(Queryable::select(proxy.as_ref(), &gone).await.is_err(), "ABORT makes it an error");
    endpoints.refresh().await;
    assert!(endpoints.status()[0].last_error.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_is_the_peers() {
    for (bucket, answers) in
        [("bucket-raw", "answers-raw.json"), ("bucket-compacted", "answers-compacted.json")]
    {
        let (Some(folder), Some(answers)) = (crate::golden(bucket), crate::golden(answers)) else {
            return;
        };
        let data = tempfile::tempdir().unwrap();
        let storage = local(Arc::new(crate::store_in(&folder, data.path()).await));
        let golden: Json = serde_json::from_slice(&std::fs::read(answers).unwrap()).unwrap();
        let metadata = &golden["metadata"];
        let request = LabelRequest::new([], TimeRange::all());
        let names = storage.label_names(&request).await.unwrap();
        assert_eq!(strings(&metadata["labels"]["data"]), names.values, "{bucket}");
        for (name, expect) in metadata["values"].as_object().unwrap() {
            let values = storage.label_values(name, &request).await.unwrap();
            assert_eq!(strings(&expect["data"]), values.values, "{bucket} {name}");
        }
    }
}

fn strings(json: &Json) -> Vec<String> {
    json.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

/// Asks every `step`th golden query; how many answers were equal, and what was different about the others.
pub(crate) async fn run(
    storage: Arc<dyn Queryable>,
    golden: &Json,
    step: usize,
) -> (usize, Vec<String>) {
    let mut options = EngineOptions::new(CpuPool::new(2), Arc::new(SystemClock));
    options.max_samples = usize::MAX;
    let engine = Engine::new(options);
    let (mut good, mut bad) = (0, Vec::new());
    for query in golden["queries"].as_array().unwrap().iter().step_by(step) {
        let expect = expected(&query["response"]["data"]["result"]);
        let found = answer(&engine, Arc::clone(&storage), query).await;
        match difference(&expect, &found) {
            None => good += 1,
            Some(text) => {
                let mut asked = query.clone();
                asked.as_object_mut().unwrap().remove("response");
                bad.push(format!("{asked}: {text}"));
            }
        }
    }
    (good, bad)
}

async fn answer(engine: &Engine, storage: Arc<dyn Queryable>, query: &Json) -> Series {
    let ms = |name: &str| query[name].as_i64().unwrap() * 1000;
    let resolution = match query["max_source_resolution"].as_str().unwrap() {
        "0s" => Duration::ZERO,
        "5m" => Duration::from_secs(300),
        _ => Duration::from_secs(3600),
    };
    let max_resolution_ms = resolution.as_millis() as i64;
    let dedup = query["dedup"].as_bool().unwrap();
    let hints = SelectHints {
        max_resolution_ms,
        replica_labels: if dedup { vec!["prom_replica".to_owned()] } else { Vec::new() },
        partial_response: true,
        ..SelectHints::default()
    };
    let lookback = dynamic_lookback(300_000, max_resolution_ms);
    let options =
        QueryOptions { hints, lookback_delta_ms: Some(lookback), ..QueryOptions::default() };
    let text = query["query"].as_str().unwrap();
    let result = engine.range(storage, text, ms("start"), ms("end"), ms("step"), &options).await;
    let Value::Matrix(matrix) = result.unwrap().value else { panic!("{text} gives no matrix") };
    let mut out = Series::new();
    for series in 0..matrix.len() {
        let samples = matrix.floats(series).map(|(t, v)| (t, canonical(v))).collect();
        out.insert(matrix.labels(series).clone(), samples);
    }
    out
}

fn expected(result: &Json) -> Series {
    let mut out = Series::new();
    for series in result.as_array().unwrap() {
        let metric = series["metric"].as_object().unwrap();
        let labels =
            Labels::from_pairs(metric.iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())));
        let samples = series["values"].as_array().unwrap().iter().map(|pair| {
            let value: f64 = pair[1].as_str().unwrap().parse().unwrap();
            ((pair[0].as_f64().unwrap() * 1000.0).round() as i64, canonical(value))
        });
        out.insert(labels, samples.collect());
    }
    out
}

/// Bits of a value; all not-a-numbers are one, as in JSON.
fn canonical(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn difference(expect: &Series, found: &Series) -> Option<String> {
    if !expect.keys().eq(found.keys()) {
        let missing: Vec<_> = expect.keys().filter(|k| !found.contains_key(*k)).take(3).collect();
        let extra: Vec<_> = found.keys().filter(|k| !expect.contains_key(*k)).take(3).collect();
        return Some(format!("series missing {missing:?}, extra {extra:?}"));
    }
    for (labels, samples) in expect {
        let other = &found[labels];
        if samples == other {
            continue;
        }
        let show = |s: Option<&(i64, u64)>| s.map(|(t, v)| (*t, f64::from_bits(*v)));
        let at = samples
            .iter()
            .zip(other)
            .position(|(a, b)| a != b)
            .unwrap_or(samples.len().min(other.len()));
        let differ = samples.iter().zip(other).filter(|(a, b)| a != b).count();
        return Some(format!(
            "{labels}: {} and {} samples, {differ} differ, first expected {:?}, found {:?}",
            samples.len(),
            other.len(),
            show(samples.get(at)),
            show(other.get(at))
        ));
    }
    None
}

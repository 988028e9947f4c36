//! What the conversion of OTLP metrics gives, shape by shape.

use std::sync::Arc;

use gauntlet_chunk::Columns;
use gauntlet_model::{MatchOp, Matcher};
use gauntlet_runtime::clock::ManualClock;
use gauntlet_runtime::fs::SystemFs;
use gauntlet_storage::{Queryable as _, SelectRequest, TimeRange};
use gauntlet_tsdb::{Db, Options};

use super::*;

const NOW: i64 = 1_800_000_000_000;

fn options(delta: DeltaMode) -> OtlpOptions {
    OtlpOptions { delta, type_and_unit_labels: false, append_metadata: false, lookback_ms: 300_000 }
}

/// Sends JSON bodies and gives the status, the error, and what is stored then: `T` in them is `NOW` in nanoseconds.
fn send(config: OtlpConfig, options: OtlpOptions, bodies: &[&str]) -> (WriteReply, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW));
    let db = Arc::new(
        Db::open(dir.path(), Options::default(), clock.clone(), Arc::new(SystemFs)).unwrap(),
    );
    db.wait_replayed().unwrap();
    let source: OtlpSource = Arc::new(move || config.clone());
    let receiver = OtlpReceiver::new(db.clone(), clock, options, source, &Registry::new());
    let mut reply = None;
    for (at, body) in bodies.iter().enumerate() {
        let t = ((NOW + at as i64 * 1000) * 1_000_000).to_string();
        let body = body.replace("\"T\"", &format!("\"{t}\""));
        reply = Some(receiver.receive(Some("application/json"), None, body.as_bytes()));
    }
    let request = SelectRequest::new(
        vec![Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()],
        TimeRange::all(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let set = runtime.block_on(db.select(&request)).unwrap();
    let (mut scratch, mut columns, mut out) = (Default::default(), Columns::default(), Vec::new());
    for (index, (labels, _)) in set.iter().enumerate() {
        set.decode(index, TimeRange::all(), &mut scratch, &mut columns).unwrap();
        let values: Vec<String> = (0..columns.len())
            .map(|at| match columns.histogram(at) {
                Some(h) => format!("{{count {} sum {}}}", h.count, h.sum),
                None => columns.values[at].to_string(),
            })
            .collect();
        out.push(format!("{labels} {}", values.join(" ")));
    }
    (reply.unwrap(), out)
}

const RESOURCE: &str = r#""resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"shop"}},
    {"key":"service.namespace","value":{"stringValue":"eu"}},
    {"key":"service.instance.id","value":{"stringValue":"i1"}},
    {"key":"host.name","value":{"stringValue":"h"}}]}"#;

fn body(metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{{RESOURCE},"scopeMetrics":[{{"scope":{{"name":"lib","version":"2"}},"metrics":[{metrics}]}}]}}]}}"#
    )
}

const COUNTER: &str = r#"{"name":"http.requests","unit":"{req}","sum":{"isMonotonic":true,"aggregationTemporality":2,
    "dataPoints":[{"timeUnixNano":"T","asInt":"7","attributes":[{"key":"http.method","value":{"stringValue":"GET"}}]}]}}"#;

#[test]
fn points_become_samples_with_target_info() {
    let (reply, stored) =
        send(OtlpConfig::default(), options(DeltaMode::Refuse), &[&body(COUNTER)]);
    assert_eq!((reply.status, reply.error.as_str()), (200, ""));
    assert_eq!(
        stored,
        [
            r#"{__name__="http_requests_total", http_method="GET", instance="i1", job="eu/shop"} 7"#,
            r#"{__name__="target_info", host_name="h", instance="i1", job="eu/shop"} 1"#,
        ]
    );
}

#[test]
fn what_is_configured_is_promoted_and_kept() {
    let config = OtlpConfig {
        promote_resource_attributes: vec!["host.name".to_owned()],
        keep_identifying_resource_attributes: true,
        promote_scope_metadata: true,
        translation_strategy: crate::config::TranslationStrategy::NoTranslation,
        ..OtlpConfig::default()
    };
    let (reply, stored) = send(config, options(DeltaMode::Refuse), &[&body(COUNTER)]);
    assert_eq!(reply.status, 200);
    assert_eq!(
        stored,
        [
            r#"{__name__="http.requests", "host.name"="h", "http.method"="GET", instance="i1", job="eu/shop", otel_scope_name="lib", otel_scope_version="2"} 7"#,
            r#"{__name__="target_info", "host.name"="h", instance="i1", job="eu/shop", "service.instance.id"="i1", "service.name"="shop", "service.namespace"="eu"} 1"#,
        ]
    );
}

const HISTOGRAM: &str = r#"{"name":"lat","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[
    {"timeUnixNano":"T","count":"6","sum":3.5,"bucketCounts":["1","2","3"],"explicitBounds":[0.5,1]}]}},
    {"name":"exp","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
    {"timeUnixNano":"T","count":"4","sum":2,"scale":1,"zeroCount":"1","positive":{"offset":1,"bucketCounts":["1","2"]}}]}}"#;

#[test]
fn histograms_are_classic_native_or_of_custom_buckets() {
    let (reply, stored) =
        send(OtlpConfig::default(), options(DeltaMode::Refuse), &[&body(HISTOGRAM)]);
    assert_eq!((reply.status, reply.error.as_str()), (200, ""));
    let shop = r#"instance="i1", job="eu/shop""#;
    assert_eq!(
        stored[..6],
        [
            format!(r#"{{__name__="exp", {shop}}} {{count 4 sum 2}}"#),
            format!(r#"{{__name__="lat_seconds_bucket", {shop}, le="+Inf"}} 6"#),
            format!(r#"{{__name__="lat_seconds_bucket", {shop}, le="0.5"}} 1"#),
            format!(r#"{{__name__="lat_seconds_bucket", {shop}, le="1"}} 3"#),
            format!(r#"{{__name__="lat_seconds_count", {shop}}} 6"#),
            format!(r#"{{__name__="lat_seconds_sum", {shop}}} 3.5"#),
        ]
    );
    let nhcb = OtlpConfig { convert_histograms_to_nhcb: true, ..OtlpConfig::default() };
    let (_, stored) = send(nhcb, options(DeltaMode::Refuse), &[&body(HISTOGRAM)]);
    assert_eq!(stored[1], format!(r#"{{__name__="lat_seconds", {shop}}} {{count 6 sum 3.5}}"#));
}

#[test]
fn deltas_are_refused_kept_or_summed_up() {
    let delta = COUNTER.replace("\"aggregationTemporality\":2", "\"aggregationTemporality\":1");
    let one = body(&delta);
    let bodies = [one.as_str(), &one, &one];
    let (reply, stored) = send(OtlpConfig::default(), options(DeltaMode::Refuse), &bodies);
    let text = "invalid temporality and type combination for metric \"http.requests\"";
    assert_eq!((reply.status, reply.error.as_str()), (500, text));
    assert!(stored.is_empty());
    let (_, stored) = send(OtlpConfig::default(), options(DeltaMode::Keep), &bodies);
    assert!(stored[0].ends_with("7 7 7"), "{stored:?}");
    let (_, stored) = send(OtlpConfig::default(), options(DeltaMode::Cumulate), &bodies);
    assert!(stored[0].ends_with("7 14 21"), "{stored:?}");
}

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    let db: Arc<dyn Appendable> = Arc::new(Nowhere);
    #[derive(Debug)]
    struct Nowhere;
    impl Appendable for Nowhere {
        fn appender(&self, _: AppendOptions) -> Box<dyn gauntlet_storage::Appender + '_> {
            Box::new(crate::nowhere::NoAppender)
        }
    }
    let receiver = OtlpReceiver::new(
        db,
        Arc::new(ManualClock::new(NOW)),
        options(DeltaMode::Refuse),
        Arc::new(OtlpConfig::default),
        &Registry::new(),
    );
    let check = |content_type, encoding, body: &[u8], expect: &str| {
        let reply = receiver.receive(content_type, encoding, body);
        assert_eq!(reply.status, 400);
        assert!(reply.error.contains(expect), "{}", reply.error);
    };
    let json = Some("application/json");
    check(
        None,
        None,
        b"",
        "unsupported content type: , supported: [application/json, application/x-protobuf]",
    );
    check(
        json,
        Some("br"),
        b"",
        "unsupported compression: br. Only \"gzip\" or no compression supported",
    );
    check(json, Some("gzip"), b"junk", "gzip");
    check(json, None, b"{", "EOF");
    check(Some("application/x-protobuf"), None, b"junk", "");
    for cut in 0..COUNTER.len() {
        let _ = receiver.receive(json, None, &body(COUNTER).as_bytes()[..cut]);
    }
}

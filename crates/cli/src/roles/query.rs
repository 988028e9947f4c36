//! The role `query`: one PromQL API over many stores, replicas merged.

use std::sync::Arc;
use std::time::Duration;

use gauntlet_api::{ApiError, Params, RoleStatus, ThanosDefaults};
use gauntlet_model::{Labels, LabelsBuilder, Matcher};
use gauntlet_runtime::Clock;
use gauntlet_storage::Queryable;
use gauntlet_storeapi::endpoints::{EndpointOptions, EndpointSet, EndpointSpec, EndpointStatus};
use gauntlet_storeapi::grpc::health::Readiness;
use gauntlet_storeapi::grpc::{ServerOptions as GrpcOptions, serve};
use gauntlet_storeapi::proxy::SourceList;
use gauntlet_storeapi::{Proxy, ProxyOptions};
use gauntlet_telemetry::logs::RecentWarnings;
use serde_json::{Map, Value, json};
use tracing::warn;

use crate::flags::values::Values;
use crate::roles::common::{self, EngineFlags};
use crate::roles::overview::{Part, api_links, overview_json, overview_page};
use crate::roles::thanos::{self, HttpParts};
use crate::roles::{Failure, Start};

/// Lookback where `--query.lookback-delta` is not given, as the engine's.
const DEFAULT_LOOKBACK_MS: i64 = 5 * 60 * 1000;

pub(crate) async fn run(start: Start) -> Result<(), Failure> {
    let values = &start.values;
    let endpoints = Arc::new(endpoint_set(values, &start.clock));
    let proxy_options = ProxyOptions {
        component: "query".to_owned(),
        selector_labels: selector_labels(values)?,
        response_timeout: millis(values.duration_ms("store.response-timeout")),
        chain_replicas: values.text("deduplication.func") == "chain",
    };
    let proxy = Arc::new(Proxy::new(Arc::clone(&endpoints) as Arc<dyn SourceList>, proxy_options));
    let registry = thanos::registry();
    let status = Arc::new(QueryStatus {
        proxy: Arc::clone(&proxy),
        endpoints: Arc::clone(&endpoints),
        started_ms: start.clock.now_ms(),
        recent: start.recent.clone(),
    });
    let page = {
        let (status, lead) = (Arc::clone(&status), "One query over many stores, by Gauntlet.");
        Arc::new(move || overview_page("Query", lead, &status.parts(), api_links("")))
    };
    let parts = HttpParts {
        storage: proxy.clone(),
        status,
        page,
        engine: engine_flags(values),
        max_queries: values.count("query.max-concurrent").max(1),
        parameters: Some(thanos_defaults(values)),
    };
    let http = thanos::bind(&start, registry, parts).await?;
    let (listener, _) = common::listen_grpc(&values.text("grpc-address")).await?;
    let ready = Readiness::default();
    ready.set(true);
    let grpc_options = GrpcOptions { clock: start.clock.clone(), ready, ..GrpcOptions::default() };
    let grpc = {
        let shutdown = start.shutdown.clone();
        serve(listener, proxy, grpc_options, async move { shutdown.wait().await })
    };
    let refresh = {
        let (endpoints, shutdown) = (Arc::clone(&endpoints), start.shutdown.clone());
        async move { endpoints.run(shutdown).await }
    };
    let ((), served, ()) = tokio::join!(refresh, grpc, http);
    served.map_err(|err| Failure::new(format!("serving gRPC: {err}")))
}

fn engine_flags(values: &Values) -> EngineFlags {
    let lookback_ms = match values.is_given("query.lookback-delta") {
        true => values.duration_ms("query.lookback-delta"),
        false => DEFAULT_LOOKBACK_MS,
    };
    EngineFlags {
        lookback_ms,
        timeout: millis(values.duration_ms("query.timeout")),
        max_samples: usize::MAX,
        subquery_step_ms: values.duration_ms("query.default-evaluation-interval"),
    }
}

fn thanos_defaults(values: &Values) -> ThanosDefaults {
    let replica_labels = values
        .texts("query.replica-label")
        .iter()
        .flat_map(|text| text.split(','))
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty())
        .collect();
    ThanosDefaults {
        replica_labels,
        partial_response: values.bool("query.partial-response"),
        auto_downsampling: values.bool("query.auto-downsampling"),
        instant_max_resolution_ms: values
            .duration_ms("query.instant.default.max_source_resolution"),
        default_step_ms: values.duration_ms("query.default-step"),
        dynamic_lookback: values
            .bool("query.dynamic-lookback-delta")
            .then_some(gauntlet_bucket::roles::dynamic_lookback as fn(i64, i64) -> i64),
    }
}

fn endpoint_set(values: &Values, clock: &Arc<dyn Clock>) -> EndpointSet {
    let mut specs: Vec<EndpointSpec> = Vec::new();
    for (flag, strict) in [("endpoint", false), ("endpoint-strict", true)] {
        for address in values.texts(flag) {
            if specs.iter().any(|spec| spec.address == address) {
                warn!(addr = address, "Duplicate endpoint address is provided");
                continue;
            }
            specs.push(EndpointSpec { strict, ..EndpointSpec::new(address) });
        }
    }
    let options = EndpointOptions {
        info_timeout: millis(values.duration_ms("endpoint.info-timeout")),
        unhealthy_timeout: millis(values.duration_ms("store.unhealthy-timeout")),
        ..EndpointOptions::default()
    };
    EndpointSet::new(specs, options, Arc::clone(clock))
}

/// `--selector-label` values: `name="value"`.
fn selector_labels(values: &Values) -> Result<Labels, Failure> {
    let mut labels = LabelsBuilder::default();
    for text in values.texts("selector-label") {
        let bad = |reason: &str| Failure::new(format!("{reason}\nparse federation labels"));
        let Some((name, quoted)) = text.split_once('=') else {
            return Err(bad(&format!("unrecognized label {text:?}")));
        };
        let value = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let Some(value) = value else { return Err(bad("invalid syntax\nunquote label value")) };
        labels.set(name, value);
    }
    Ok(labels.build())
}

pub(crate) fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[derive(Debug)]
struct QueryStatus {
    proxy: Arc<Proxy>,
    endpoints: Arc<EndpointSet>,
    started_ms: i64,
    recent: RecentWarnings,
}

impl QueryStatus {
    fn parts(&self) -> Vec<Part> {
        let mut stores = self.endpoints.status();
        stores.extend(self.endpoints.unanswered());
        if stores.is_empty() {
            return vec![
                Part::degraded(
                    "Stores",
                    "no endpoint is known",
                    "name them with --endpoint=HOST:PORT",
                )
                .link("stores"),
            ];
        }
        stores.iter().map(store_part).collect()
    }
}

fn store_part(store: &EndpointStatus) -> Part {
    let name = match store.component.as_str() {
        "unanswered" => format!("endpoint {}", store.name),
        kind => format!("{kind} {}", store.name),
    };
    match &store.last_error {
        None if store.last_check_ms == 0 => {
            Part::degraded(name, "is being asked for the first time", "wait for its answer")
                .link("stores")
        }
        None => Part::good(name, format!("{} label sets", store.label_sets.len())).link("stores"),
        Some(error) => Part::failing(
            name,
            error.clone(),
            "start the process at this address, or take the endpoint from the flags; answers carry a warning until then",
        )
        .link("stores"),
    }
}

impl RoleStatus for QueryStatus {
    fn name(&self) -> &'static str {
        "Thanos Query"
    }

    fn storage_of(&self, stores: Vec<Vec<Matcher>>) -> Option<Arc<dyn Queryable>> {
        Some(Arc::new(self.proxy.of_stores(stores)))
    }

    fn stores(&self, params: &Params) -> Result<Value, ApiError> {
        let mut by_kind: Map<String, Value> = Map::new();
        let mut stores = self.endpoints.status();
        if params.get("unanswered") == "true" {
            stores.extend(self.endpoints.unanswered());
        }
        for store in stores {
            let label_sets: Vec<Value> = store.label_sets.iter().map(labels_json).collect();
            let row = json!({
                "name": store.name,
                "lastCheck": rfc3339(store.last_check_ms),
                "lastError": store.last_error,
                "labelSets": label_sets,
                "minTime": store.min_time,
                "maxTime": store.max_time,
            });
            match by_kind.entry(store.component.clone()).or_insert_with(|| json!([])) {
                Value::Array(rows) => rows.push(row),
                _ => unreachable!("BUG: rows are lists"),
            }
        }
        Ok(Value::Object(by_kind))
    }

    fn overview(&self) -> Result<Value, ApiError> {
        let pages = ["query", "overview", "stores", "flags", "log"];
        Ok(overview_json("query", &pages, None, self.started_ms, &self.parts(), &self.recent))
    }
}

pub(crate) fn labels_json(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(n, v)| (n.to_owned(), Value::from(v))).collect())
}

/// A time as Go's JSON has it; 0 is Go's zero time.
pub(crate) fn rfc3339(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) if ms != 0 => time.to_string(),
        _ => "0001-01-01T00:00:00Z".to_owned(),
    }
}

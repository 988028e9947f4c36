//! What the handlers work on: storage, engine and the role's own status, behind traits so that each role serves what it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use gauntlet_model::Matcher;
use gauntlet_model::regex::AnchoredRegex;
use gauntlet_promql::engine::Engine;
use gauntlet_promql::parse_metric_selector;
use gauntlet_remote::otlp::OtlpReceiver;
use gauntlet_remote::receive::WriteReceiver;
use gauntlet_runtime::Clock;
use gauntlet_storage::Queryable;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::envelope::{ApiError, ErrorKind};
use crate::params::{Params, parse_duration};

/// Everything that the API of a role needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState {
    pub storage: Arc<dyn Queryable>,
    pub engine: Arc<Engine>,
    pub clock: Arc<dyn Clock>,
    pub role: Arc<dyn RoleStatus>,
    pub build: BuildInfo,
    /// Flags and their values, as `/api/v1/status/flags` shows them.
    pub flags: Arc<BTreeMap<String, String>>,
    /// Origins that may ask from a browser.
    pub cors_origin: Option<AnchoredRegex>,
    /// Set in the role `query`: parameters of Thanos are read.
    pub thanos: Option<Arc<ThanosDefaults>>,
    /// Prefix of all routes, without a slash at its end; empty for none.
    pub route_prefix: String,
    pub limits: ApiLimits,
    /// Queries at once; further ones wait for a place as long as they may take.
    pub query_gate: Arc<Semaphore>,
    pub receivers: Receivers,
}

/// What takes samples in from other senders, and hands them to other servers; each `None` where it is not enabled.
#[derive(Clone, Debug)]
pub struct Receivers {
    pub write: Option<Arc<WriteReceiver>>,
    pub otlp: Option<Arc<OtlpReceiver>>,
    /// What `/federate` shows: the role's own storage.
    pub federation: Option<Arc<dyn Queryable>>,
    /// Bodies at work at once: each may hold twice 32 MiB.
    pub gate: Arc<Semaphore>,
}

/// Bodies that are read and stored at once.
const BODIES_AT_ONCE: usize = 32;

impl Default for Receivers {
    fn default() -> Self {
        Self {
            write: None,
            otlp: None,
            federation: None,
            gate: Arc::new(Semaphore::new(BODIES_AT_ONCE)),
        }
    }
}

/// Bounds of requests.
#[derive(Clone, Copy, Debug)]
pub struct ApiLimits {
    /// Most bytes of a form body.
    pub form_bytes: usize,
    /// Most bytes of a remote read body, compressed and uncompressed.
    pub remote_read_bytes: usize,
    /// Most samples in a remote read answer that is sent whole; 0 for no limit.
    pub remote_read_samples: usize,
    /// Most remote reads at once; 0 for no limit.
    pub remote_read_concurrency: usize,
    /// Most bytes in a frame of a streamed remote read.
    pub remote_read_frame_bytes: usize,
    pub lifecycle: bool,
    pub admin: bool,
    /// Agent mode: there is nothing to query.
    pub agent: bool,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            form_bytes: 10 << 20,
            remote_read_bytes: 32 << 20,
            remote_read_samples: 50_000_000,
            remote_read_concurrency: 10,
            remote_read_frame_bytes: 1 << 20,
            lifecycle: false,
            admin: false,
            agent: false,
        }
    }
}

/// Defaults of the parameters that Thanos adds.
#[derive(Clone, Debug, Default)]
pub struct ThanosDefaults {
    pub replica_labels: Vec<String>,
    pub partial_response: bool,
    pub auto_downsampling: bool,
    /// Coarsest resolution of instant queries, in ms.
    pub instant_max_resolution_ms: i64,
    /// Step of range queries without one, in ms.
    pub default_step_ms: i64,
    /// The lookback in ms for a lookback and a coarsest resolution: downsampled data needs a wider one.
    pub dynamic_lookback: Option<fn(i64, i64) -> i64>,
}

/// `/api/v1/status/buildinfo`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildInfo {
    pub version: String,
    pub revision: String,
    pub branch: String,
    pub build_user: String,
    pub build_date: String,
    pub go_version: String,
}

/// What a role can say about itself. Each method's default refuses, for roles that have no such thing.
pub trait RoleStatus: std::fmt::Debug + Send + Sync {
    /// The loaded configuration as YAML.
    fn config_yaml(&self) -> Result<String, ApiError> {
        Err(missing("configuration"))
    }

    /// Labels that every series gets when it leaves this server.
    fn external_labels(&self) -> gauntlet_model::Labels {
        gauntlet_model::Labels::empty()
    }

    /// JSON of `/api/v1/status/runtimeinfo`.
    fn runtime_info(&self) -> Result<serde_json::Value, ApiError> {
        Err(missing("runtime information"))
    }

    /// JSON of `/api/v1/status/tsdb`, with at most `limit` rows a table.
    fn tsdb_status(&self, limit: usize) -> Result<serde_json::Value, ApiError> {
        let _ = limit;
        Err(missing("database"))
    }

    /// JSON of `/api/v1/status/tsdb/blocks`.
    fn tsdb_blocks(&self) -> Result<serde_json::Value, ApiError> {
        Err(missing("database"))
    }

    /// Exemplars within `min_time..=max_time` of the series that any of the selectors accepts, by series.
    /// A role that keeps none has none.
    fn exemplars(
        &self,
        selectors: Vec<Vec<gauntlet_model::Matcher>>,
        min_time: i64,
        max_time: i64,
    ) -> Result<Vec<(gauntlet_model::Labels, Vec<gauntlet_model::Exemplar>)>, ApiError> {
        let _ = (selectors, min_time, max_time);
        Ok(Vec::new())
    }

    /// JSON of `/api/v1/status/walreplay`.
    fn wal_replay(&self) -> Result<serde_json::Value, ApiError> {
        Err(missing("database"))
    }

    /// JSON of `/api/v1/targets`, as a text: with thousands of targets, values of it would be ten times as large.
    fn targets(&self, params: &Params) -> Result<Vec<u8>, ApiError> {
        let _ = params;
        Err(missing("targets"))
    }

    /// JSON of `/api/v1/scrape_pools`.
    fn scrape_pools(&self) -> Result<serde_json::Value, ApiError> {
        Err(missing("targets"))
    }

    /// JSON of `/api/v1/scrape_pools/config`.
    fn scrape_pool_config(&self, params: &Params) -> Result<serde_json::Value, ApiError> {
        let _ = params;
        Err(missing("targets"))
    }

    /// JSON of `/api/v1/targets/relabel_steps`.
    fn relabel_steps(&self, params: &Params) -> Result<serde_json::Value, ApiError> {
        let _ = params;
        Err(missing("targets"))
    }

    /// JSON of `/api/v1/status/self_metrics`.
    fn self_metrics(&self, params: &Params) -> Result<serde_json::Value, ApiError> {
        let _ = params;
        Err(missing("metrics of its own"))
    }

    /// JSON of `/api/v1/metadata`.
    fn metadata(&self, params: &Params) -> Result<serde_json::Value, ApiError> {
        let _ = params;
        Err(missing("metadata"))
    }

    /// JSON of `/api/v1/targets/metadata`.
    fn targets_metadata(&self, params: &Params) -> Result<serde_json::Value, ApiError> {
        let _ = params;
        Err(missing("metadata"))
    }

    /// JSON of `/api/v1/stores`; the parameter `unanswered` is ours.
    fn stores(&self, params: &Params) -> Result<serde_json::Value, ApiError> {
        let _ = params;
        Err(missing("stores"))
    }

    /// The storage with only those stores whose `__address__` fits one of the selectors; `None` where there is no such choice.
    fn storage_of(&self, stores: Vec<Vec<Matcher>>) -> Option<Arc<dyn Queryable>> {
        let _ = stores;
        None
    }

    /// Whether exemplars are kept, so that asking for them makes sense.
    fn keeps_exemplars(&self) -> bool {
        false
    }

    /// JSON of `/api/v1/status/overview`: what runs, and what needs attention.
    fn overview(&self) -> Result<serde_json::Value, ApiError> {
        Err(missing("overview"))
    }

    /// Why the role is not ready; `None` when it is.
    fn not_ready(&self) -> Option<String> {
        None
    }

    /// The name in the probes' texts.
    fn name(&self) -> &'static str {
        "Prometheus Server"
    }

    /// Reloads the configuration. The error is what to tell the caller.
    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Err("this role has no configuration to reload".to_owned()) })
    }

    /// Ends the process in order.
    fn quit(&self) {}

    /// Deletes samples of the series that match.
    fn delete_series(
        &self,
        matchers: Vec<gauntlet_model::Matcher>,
        min_time: i64,
        max_time: i64,
    ) -> Result<(), ApiError> {
        let _ = (matchers, min_time, max_time);
        Err(missing("database"))
    }

    fn clean_tombstones(&self) -> Result<(), ApiError> {
        Err(missing("database"))
    }

    /// Takes a snapshot and returns its folder's name.
    fn snapshot(&self, skip_head: bool) -> Result<String, ApiError> {
        let _ = skip_head;
        Err(missing("database"))
    }
}

fn missing(what: &str) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, format!("this role has no {what}"))
}

impl ApiState {
    /// Whether missing stores are warnings: the parameter, or the role's default.
    pub(crate) fn partial_response(&self, params: &Params) -> Result<bool, ApiError> {
        let Some(thanos) = &self.thanos else { return Ok(true) };
        if params.find("shard_info").is_some() {
            let text = "the parameter shard_info is not built yet: leave it out";
            return Err(ApiError::bad_data(text));
        }
        bool_param(params, "partial_response", thanos.partial_response)
    }

    /// What a request reads: all of the storage, or the stores that `storeMatch[]` takes.
    pub(crate) fn storage_for(&self, params: &Params) -> Result<Arc<dyn Queryable>, ApiError> {
        if self.thanos.is_none() || params.find("storeMatch[]").is_none() {
            return Ok(Arc::clone(&self.storage));
        }
        let stores = params
            .all("storeMatch[]")
            .map(|text| {
                parse_metric_selector(text)
                    .map_err(|err| ApiError::parameter("storeMatch[]", err.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.role.storage_of(stores).ok_or_else(|| missing("choice of stores"))
    }

    /// The replica labels to remove: none where `dedup=false`.
    pub(crate) fn replica_labels(&self, params: &Params) -> Result<Vec<String>, ApiError> {
        let Some(thanos) = &self.thanos else { return Ok(Vec::new()) };
        if !bool_param(params, "dedup", true)? {
            return Ok(Vec::new());
        }
        let asked: Vec<String> = params.all("replicaLabels[]").map(str::to_owned).collect();
        Ok(if asked.is_empty() { thanos.replica_labels.clone() } else { asked })
    }

    /// Coarsest resolution in ms that an answer may use. `step_ms` is 0 for an instant query.
    pub(crate) fn max_resolution_ms(&self, params: &Params, step_ms: i64) -> Result<i64, ApiError> {
        let Some(thanos) = &self.thanos else { return Ok(0) };
        match params.get("max_source_resolution") {
            "" if step_ms == 0 => Ok(thanos.instant_max_resolution_ms),
            "" if thanos.auto_downsampling => Ok(step_ms / 5),
            "" => Ok(0),
            "auto" => Ok(step_ms / 5),
            text => {
                let ms = parse_duration(text).map_err(|reason| {
                    ApiError::bad_data(format!("'max_source_resolution' parameter: {reason}"))
                })?;
                if ms < 0 {
                    return Err(ApiError::bad_data(
                        "negative 'max_source_resolution' is not accepted. Try a positive integer",
                    ));
                }
                Ok(ms)
            }
        }
    }
}

/// A boolean parameter as Go parses it.
pub(crate) fn bool_param(params: &Params, name: &str, default: bool) -> Result<bool, ApiError> {
    match params.get(name) {
        "" => Ok(default),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        text => Err(ApiError::bad_data(format!(
            "'{name}' parameter: strconv.ParseBool: parsing {text:?}: invalid syntax"
        ))),
    }
}

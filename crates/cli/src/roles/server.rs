//! The role `server`: collects, keeps and queries samples, in Prometheus' place. `up` runs it too, with more around it.

mod config;
mod late;
mod pools;
mod remote;
mod self_metrics;
mod status;
mod store;
mod targets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gauntlet_api::{ApiLimits, ApiState, QueryLog, Receivers, RoleStatus as _};
use gauntlet_config::{FloatEncoding, LoadOptions, Loaded};
use gauntlet_discovery::{self as discovery, Deps, NetworkClients};
use gauntlet_model::regex::AnchoredRegex;
use gauntlet_net::server::{Server, ServerOptions};
use gauntlet_remote::config::ProtobufMessage;
use gauntlet_remote::otlp::{DeltaMode, OtlpOptions, OtlpReceiver, OtlpSource};
use gauntlet_remote::receive::{ReceiveOptions, WriteReceiver};
use gauntlet_runtime::fs::{Fs as _, SystemFs};
use gauntlet_runtime::{Clock, CpuPool, Shutdown};
use gauntlet_scrape::{self as scrape, offset_seed};
use gauntlet_storage::{Fanout, Queryable};
use gauntlet_telemetry::logs::RecentWarnings;
use gauntlet_telemetry::{Gauge, Registry, process};
use gauntlet_tsdb::wal::Compression;
use gauntlet_tsdb::{AgentDb, AgentOptions, Db, Durability, Options, Retention};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc};
use tracing::{error, info, warn};

pub(crate) use self::config::ConfigSource;
use self::late::LateDb;
use self::remote::Remote;
use self::store::Store;
use crate::flags::program::PROMETHEUS_VERSION;
use crate::flags::values::Values;
use crate::roles::common::{self, EngineFlags};
use crate::roles::overview::{Part, api_links, overview_page};
use crate::roles::query::millis;
use crate::roles::{Failure, Start};
use crate::web::{HttpMetrics, Web};

/// Called once the database is open.
pub(crate) type OnOpen = Box<dyn FnOnce(Arc<Db>, Arc<Shared>) + Send>;

/// Gives more parts for the overview.
pub(crate) type MoreParts = Arc<dyn Fn() -> Vec<Part> + Send + Sync>;

/// What makes a server besides its storage: taken from Prometheus' flags, or from those of `up`.
pub(crate) struct ServerPlan {
    /// Name in the overview.
    pub(crate) role: &'static str,
    pub(crate) title: String,
    pub(crate) config: ConfigSource,
    pub(crate) data_dir: PathBuf,
    pub(crate) tsdb: Options,
    /// Set in agent mode: only a log is kept.
    pub(crate) agent: Option<AgentOptions>,
    pub(crate) compact_interval: Duration,
    pub(crate) engine: EngineFlags,
    /// Queries at once.
    pub(crate) max_queries: usize,
    /// How far a scrape's timestamp may be moved.
    pub(crate) timestamp_tolerance: Duration,
    pub(crate) features: Vec<String>,
    pub(crate) listen: Vec<String>,
    pub(crate) web: ServerOptions,
    pub(crate) route_prefix: String,
    pub(crate) cors: Option<AnchoredRegex>,
    pub(crate) limits: ApiLimits,
    pub(crate) flags: BTreeMap<String, String>,
    /// How often to look for changed files; `None` to reload on request alone.
    pub(crate) auto_reload: Option<Duration>,
    pub(crate) discovery_interval: Duration,
    /// How long queued samples may still be sent when the server ends.
    pub(crate) flush_deadline: Duration,
    /// What takes samples in from other senders.
    pub(crate) receive: ReceivePlan,
    /// Further storages that queries read: the bucket, in `up`.
    pub(crate) more_storages: Vec<Arc<dyn Queryable>>,
    pub(crate) more_parts: Vec<MoreParts>,
    /// Called once the database is open.
    pub(crate) on_open: Option<OnOpen>,
    pub(crate) registry: Registry,
}

/// Which receivers are on.
#[derive(Default)]
pub(crate) struct ReceivePlan {
    /// `--web.enable-remote-write-receiver`
    pub(crate) write: Option<ReceiveOptions>,
    /// `--web.enable-otlp-receiver`
    pub(crate) otlp: Option<OtlpOptions>,
}

/// State that requests and tasks share.
pub(crate) struct Shared {
    role: &'static str,
    source: ConfigSource,
    load_options: LoadOptions,
    loaded: RwLock<Arc<Loaded>>,
    db: LateDb,
    scrape: OnceLock<scrape::ManagerHandle>,
    remote: Remote,
    discovery: discovery::ManagerHandle,
    clock: Arc<dyn Clock>,
    started_ms: i64,
    /// What the flags say; the file goes before them.
    flag_retention: Retention,
    /// `--enable-feature=exemplar-storage`.
    keeps_exemplars: bool,
    /// `--enable-feature=xor2-encoding` and `st-storage`; the file goes before the first.
    flag_encoding: FlagEncoding,
    query_log: Arc<QueryLog>,
    reload_state: Mutex<ReloadState>,
    reload_ok: Gauge,
    reload_time: Gauge,
    recent: RecentWarnings,
    shutdown: Shutdown,
    stop: Arc<dyn Fn() + Send + Sync>,
    extra_parts: Vec<MoreParts>,
    registry: Registry,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("role", &self.role).finish_non_exhaustive()
    }
}

struct ReloadState {
    successful: bool,
    at_ms: i64,
    problem: Option<String>,
}

impl Shared {
    /// Labels that leave with every sample.
    pub(crate) fn external_labels(&self) -> gauntlet_model::Labels {
        self.loaded.read().config.global.external_labels.clone()
    }

    /// Reads the configuration and puts it into effect; on any problem the one before stays.
    async fn reload_now(&self) -> Result<(), String> {
        let _one = self.reloading.lock().await;
        let outcome = match self.source.load(&self.load_options) {
            Ok(loaded) => self.apply(Arc::new(loaded)).await,
            Err(err) => Err(err.to_string()),
        };
        let now = self.clock.now_ms();
        let mut state = self.reload_state.lock();
        state.successful = outcome.is_ok();
        self.reload_ok.set(if outcome.is_ok() { 1.0 } else { 0.0 });
        match &outcome {
            Ok(()) => {
                state.at_ms = now;
                state.problem = None;
                self.reload_time.set(now as f64 / 1000.0);
                info!(filename = self.source.name(), "Completed loading of configuration file");
            }
            Err(reason) => {
                state.problem = Some(reason.clone());
                error!(err = reason, "Error reloading config");
            }
        }
        outcome
    }

    async fn apply(&self, loaded: Arc<Loaded>) -> Result<(), String> {
        for warning in &loaded.warnings {
            warn!(warning, "configuration");
        }
        let xor2 = match self.db.agent() {
            Some(_) => false,
            None => self.flag_encoding.writes_xor2(&loaded)?,
        };
        let log = &loaded.config.global.query_log_file;
        self.query_log
            .reopen(Path::new(log))
            .map_err(|err| format!("can't create json log file {log:?}: {err}"))?;
        // Fallible, so it is first; and before targets are visited: a new destination gets their first samples.
        if self.scrape.get().is_some()
            && let Err(reason) = self.remote.apply(&loaded.config, &self.db).await
        {
            let before = self.loaded.read().config.global.query_log_file.clone();
            let _ = self.query_log.reopen(Path::new(&before));
            return Err(reason);
        }
        let seed = offset_seed(&common::hostname(), &loaded.config.global.external_labels);
        let tsdb = &loaded.config.storage.tsdb;
        if let Some(db) = self.db.get() {
            db.set_retention(retention(&loaded, self.flag_retention));
            db.set_stale_series_threshold(tsdb.stale_series_compaction_threshold);
            let exemplars = max_exemplars(&loaded, self.keeps_exemplars);
            db.apply_config(tsdb.out_of_order_time_window.as_ms(), exemplars);
            db.head().set_xor2(xor2);
        }
        if let Some(db) = self.db.agent() {
            db.set_out_of_order_window(tsdb.out_of_order_time_window.as_ms());
        }
        if let Some(scrape) = self.scrape.get() {
            let failed = scrape.apply(config::jobs(&loaded), seed).await;
            self.discovery.apply(config::discoveries(&loaded)).await;
            *self.loaded.write() = Arc::clone(&loaded);
            if let Some((job, err)) = failed.into_iter().next() {
                return Err(format!("error creating HTTP client of job {job:?}: {err}"));
            }
        }
        Ok(())
    }
}

/// What flags say of float chunks.
#[derive(Clone, Copy)]
struct FlagEncoding {
    xor2: bool,
    store_starts: bool,
}

impl FlagEncoding {
    /// Whether new float chunks are XOR2. The reason of a refusal is upstream's text.
    fn writes_xor2(self, loaded: &Loaded) -> Result<bool, String> {
        let xor2 = match loaded.config.storage.tsdb.float_encoding {
            Some(encoding) => encoding == FloatEncoding::Xor2,
            None => self.xor2,
        };
        if self.store_starts && !xor2 {
            return Err("float chunk encoding \"xor\" is incompatible with start-timestamp storage; XOR chunks do not store start timestamps, use \"xor2\"".to_owned());
        }
        Ok(xor2)
    }
}

/// Exemplars that the configuration lets the storage keep: none unless the feature is on.
fn max_exemplars(loaded: &Loaded, enabled: bool) -> usize {
    match loaded.config.storage.max_exemplars {
        _ if !enabled => 0,
        None => Options::default().max_exemplars,
        Some(most) => usize::try_from(most).unwrap_or(0),
    }
}

/// The server as Prometheus' flags ask for it.
pub(crate) async fn run(start: Start) -> Result<(), Failure> {
    let plan = plan(&start.values)?;
    run_plan(start, plan).await
}

fn plan(values: &Values) -> Result<ServerPlan, Failure> {
    let features: Vec<String> = values
        .texts("enable-feature")
        .iter()
        .flat_map(|list| list.split(','))
        .map(|feature| feature.trim().to_owned())
        .filter(|feature| !feature.is_empty())
        .collect();
    check_features(&features);
    let cors = values.text("web.cors.origin");
    let cors = AnchoredRegex::new(&cors).map_err(|err| {
        Failure::config(format!("could not compile CORS regex string {cors:?}: {err}"))
    })?;
    let external = values.text("web.external-url");
    let has = |name: &str| features.iter().any(|feature| feature == name);
    let auto_reload = values.bool("config.auto-reload") || has("auto-reload-config");
    let agent = values.bool("agent");
    Ok(ServerPlan {
        role: if agent { "agent" } else { "server" },
        title: values.text("web.page-title"),
        config: ConfigSource::File(PathBuf::from(values.text("config.file"))),
        data_dir: PathBuf::from(values.text(match agent {
            true => "storage.agent.path",
            false => "storage.tsdb.path",
        })),
        tsdb: tsdb_options(values, &features),
        agent: agent.then(|| agent_options(values, &features)).transpose()?,
        compact_interval: millis(values.duration_ms("storage.tsdb.block-reload-interval")),
        engine: EngineFlags {
            lookback_ms: values.duration_ms("query.lookback-delta"),
            timeout: millis(values.duration_ms("query.timeout")),
            max_samples: values.count("query.max-samples"),
            subquery_step_ms: 60 * 1000,
        },
        max_queries: values.count("query.max-concurrency").max(1),
        timestamp_tolerance: match values.bool("scrape.adjust-timestamps") {
            true => millis(values.duration_ms("scrape.timestamp-tolerance")),
            false => Duration::ZERO,
        },
        listen: values.texts("web.listen-address"),
        web: ServerOptions {
            max_connections: values.count("web.max-connections").max(1),
            read_timeout: millis(values.duration_ms("web.read-timeout")),
            web_config_file: values.text("web.config.file"),
            ..ServerOptions::default()
        },
        route_prefix: route_prefix(&values.text("web.route-prefix"), &external)?,
        cors: Some(cors),
        limits: ApiLimits {
            remote_read_samples: values.count("storage.remote.read-sample-limit"),
            remote_read_concurrency: values.count("storage.remote.read-concurrent-limit"),
            remote_read_frame_bytes: values.count("storage.remote.read-max-bytes-in-frame"),
            lifecycle: values.bool("web.enable-lifecycle"),
            admin: values.bool("web.enable-admin-api"),
            agent,
            ..ApiLimits::default()
        },
        flags: values.all(),
        auto_reload: auto_reload.then(|| millis(values.duration_ms("config.auto-reload-interval"))),
        discovery_interval: millis(values.duration_ms("scrape.discovery-reload-interval")),
        flush_deadline: millis(values.duration_ms("storage.remote.flush-deadline")),
        receive: receive_plan(values, &features)?,
        features,
        more_storages: Vec::new(),
        more_parts: Vec::new(),
        on_open: None,
        registry: Registry::new(),
    })
}

fn receive_plan(values: &Values, features: &[String]) -> Result<ReceivePlan, Failure> {
    let has = |name: &str| features.iter().any(|feature| feature == name);
    let mut accepted = Vec::new();
    for name in values.texts("web.remote-write-receiver.accepted-protobuf-messages") {
        let message = name.parse::<ProtobufMessage>();
        accepted.push(message.map_err(|err| Failure::config(err.to_string()))?);
    }
    let write = ReceiveOptions {
        accepted,
        type_and_unit_labels: has("type-and-unit-labels"),
        append_metadata: has("metadata-wal-records"),
        zero_ingestion: has("created-timestamp-zero-ingestion"),
    };
    let delta = match (has("otlp-native-delta-ingestion"), has("otlp-deltatocumulative")) {
        (true, true) => {
            return Err(Failure::config(
                "cannot enable otlp-native-delta-ingestion and otlp-deltatocumulative features at the same time",
            ));
        }
        (true, false) => DeltaMode::Keep,
        (false, true) => DeltaMode::Cumulate,
        (false, false) => DeltaMode::Refuse,
    };
    let otlp = OtlpOptions {
        delta,
        type_and_unit_labels: write.type_and_unit_labels,
        append_metadata: write.append_metadata,
        lookback_ms: values.duration_ms("query.lookback-delta"),
    };
    Ok(ReceivePlan {
        write: values.bool("web.enable-remote-write-receiver").then_some(write),
        otlp: values.bool("web.enable-otlp-receiver").then_some(otlp),
    })
}

/// Features that act here.
const FEATURES: &[&str] = &[
    "auto-reload-config",
    "created-timestamp-zero-ingestion",
    "exemplar-storage",
    "extra-scrape-metrics",
    "histograms-st-encoding",
    "metadata-wal-records",
    "otlp-deltatocumulative",
    "otlp-native-delta-ingestion",
    "promql-binop-fill-modifiers",
    "promql-delayed-name-removal",
    "promql-experimental-functions",
    "promql-extended-range-selectors",
    "promql-per-step-stats",
    "st-storage",
    "type-and-unit-labels",
    "use-start-timestamps",
    "xor2-encoding",
];

/// Features that are always on, as they are by now with the peer.
const ALWAYS_ON: &[&str] = &[
    "native-histograms",
    "ooo-native-histograms",
    "promql-at-modifier",
    "promql-duration-expr",
    "promql-negative-offset",
    "utf8-names",
    "no-default-scrape-port",
    "new-service-discovery-manager",
];

/// Features that the peer knows and that change nothing here.
const WITHOUT_EFFECT: &[&str] = &[
    "concurrent-rule-eval",
    "delayed-compaction",
    "fast-startup",
    "memory-snapshot-on-shutdown",
    "old-ui",
    "search-api",
    "st-synthesis",
    "use-uncached-io",
];

/// How configurations are read: features change defaults of `global`.
fn load_options(plan: &ServerPlan) -> LoadOptions {
    let has = |name: &str| plan.features.iter().any(|feature| feature == name);
    let mut options = LoadOptions { agent: plan.agent.is_some(), ..LoadOptions::default() };
    options.defaults.extra_scrape_metrics = has("extra-scrape-metrics");
    if has("created-timestamp-zero-ingestion") || has("st-storage") {
        options.defaults.scrape_protocols = Some(scrape::config::PROTO_FIRST_PROTOCOLS.to_vec());
    }
    options
}

/// Says of each feature that does nothing why: an unknown one is a warning with the peer too.
fn check_features(features: &[String]) {
    for feature in features {
        if WITHOUT_EFFECT.contains(&feature.as_str()) {
            warn!(option = feature, "this feature is known and has no effect yet");
        } else if !FEATURES.contains(&feature.as_str()) && !ALWAYS_ON.contains(&feature.as_str()) {
            warn!(option = feature, "Unknown option for --enable-feature");
        }
    }
}

fn tsdb_options(values: &Values, features: &[String]) -> Options {
    let has = |name: &str| features.iter().any(|feature| feature == name);
    let size = values.bytes("storage.tsdb.retention.size");
    let time = match values.is_given("storage.tsdb.retention.time") {
        true => values.duration_ms("storage.tsdb.retention.time"),
        false if size > 0 => 0,
        false => gauntlet_tsdb::options::DEFAULT_RETENTION_MS,
    };
    let mut options = Options {
        retention_ms: time,
        retention_bytes: size,
        min_block_ms: values.duration_ms("storage.tsdb.min-block-duration"),
        max_block_ms: values.duration_ms("storage.tsdb.max-block-duration"),
        samples_per_chunk: u16::try_from(values.count("storage.tsdb.samples-per-chunk"))
            .unwrap_or(120),
        xor2: has("xor2-encoding"),
        histogram_starts: has("histograms-st-encoding"),
        store_starts: has("st-storage"),
        no_lockfile: values.bool("storage.tsdb.no-lockfile"),
        wal_compression: wal_compression(values),
        durability: Durability::parse(&values.text("storage.tsdb.durability")).unwrap_or_default(),
        min_free_bytes: values.bytes("storage.tsdb.min-free-space"),
        ..Options::default()
    };
    if values.is_given("storage.tsdb.wal-segment-size") {
        options.wal_segment_bytes = values.bytes("storage.tsdb.wal-segment-size");
    }
    options
}

fn agent_options(values: &Values, features: &[String]) -> Result<AgentOptions, Failure> {
    if values.count("storage.agent.checkpoint-batch-size") == 0 {
        return Err(Failure::config("storage.agent.checkpoint-batch-size must be greater than 0"));
    }
    let mut options = AgentOptions {
        wal_compression: match values.text("storage.agent.wal-compression-type").as_str() {
            _ if !values.bool("storage.agent.wal-compression") => Compression::None,
            "zstd" => Compression::Zstd,
            _ => Compression::Snappy,
        },
        no_lockfile: values.bool("storage.agent.no-lockfile"),
        store_starts: features.iter().any(|feature| feature == "st-storage"),
        ..AgentOptions::default()
    };
    if values.is_given("storage.agent.wal-segment-size") {
        options.wal_segment_bytes = values.bytes("storage.agent.wal-segment-size");
    }
    let given = |name: &str| values.is_given(name).then(|| values.duration_ms(name));
    let every = given("storage.agent.wal-truncate-frequency").filter(|ms| *ms > 0);
    options.truncate_every_ms = every.unwrap_or(options.truncate_every_ms);
    let min = values.duration_ms("storage.agent.retention.min-time");
    options.min_time_ms = if min > 0 { min } else { options.min_time_ms };
    let max = values.duration_ms("storage.agent.retention.max-time");
    options.max_time_ms = if max > 0 { max } else { options.max_time_ms };
    // As with the peer: the greatest time is at least the frequency and the least time.
    options.max_time_ms = options.max_time_ms.max(options.min_time_ms);
    if options.truncate_every_ms > options.max_time_ms {
        options.max_time_ms = options.truncate_every_ms;
    }
    Ok(options)
}

/// Retention by the file where it says anything, else by the flags.
fn retention(loaded: &Loaded, flags: Retention) -> Retention {
    let file = &loaded.config.storage.tsdb.retention;
    let file = Retention {
        time_ms: file.time.as_ms(),
        bytes: u64::try_from(file.size.0).unwrap_or(0),
        percent: file.percentage,
    };
    if file == Retention::default() { flags } else { file }
}

fn wal_compression(values: &Values) -> Compression {
    match values.text("storage.tsdb.wal-compression-type").as_str() {
        _ if !values.bool("storage.tsdb.wal-compression") => Compression::None,
        "zstd" => Compression::Zstd,
        _ => Compression::Snappy,
    }
}

/// The prefix of all routes: the flag, or the path of the external URL; without a slash at its end.
fn route_prefix(prefix: &str, external: &str) -> Result<String, Failure> {
    let path = if !prefix.is_empty() {
        prefix.to_owned()
    } else if external.is_empty() {
        String::new()
    } else {
        let parsed = url::Url::parse(external)
            .map_err(|err| Failure::config(format!("parse external URL {external:?}: {err}")))?;
        parsed.path().to_owned()
    };
    let trimmed = path.trim_matches('/');
    Ok(if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") })
}

/// Runs a server until the shutdown. Start order: configuration, listeners, database, discovery, scraping. Stop order: no new
/// requests, no new scrapes, log and head closed.
pub(crate) async fn run_plan(start: Start, mut plan: ServerPlan) -> Result<(), Failure> {
    let load_options = load_options(&plan);
    let loaded = plan.config.load(&load_options).map_err(|err| {
        Failure::config(format!(
            "Error loading config (--config.file={}): {err}",
            plan.config.name()
        ))
    })?;
    let flag_retention = Retention {
        time_ms: plan.tsdb.retention_ms,
        bytes: plan.tsdb.retention_bytes,
        percent: 0.0,
    };
    let retention = retention(&loaded, flag_retention);
    plan.tsdb.retention_ms = retention.time_ms;
    plan.tsdb.retention_bytes = retention.bytes;
    plan.tsdb.retention_percent = retention.percent;
    let flag_encoding = FlagEncoding { xor2: plan.tsdb.xor2, store_starts: plan.tsdb.store_starts };
    if plan.agent.is_none() {
        plan.tsdb.xor2 = flag_encoding
            .writes_xor2(&loaded)
            .map_err(|reason| Failure::new(format!("opening storage failed: {reason}")))?;
    }
    let keeps_exemplars = plan.features.iter().any(|f| f == "exemplar-storage");
    plan.tsdb.max_exemplars = max_exemplars(&loaded, keeps_exemplars);
    plan.tsdb.out_of_order_window_ms = loaded.config.storage.tsdb.out_of_order_time_window.as_ms();
    plan.engine.subquery_step_ms = loaded.config.global.evaluation_interval.as_ms();
    let registry = plan.registry.clone();
    process::register(&registry);
    common::register_build_info(&registry, "prometheus_build_info", PROMETHEUS_VERSION);
    let deps = Deps {
        clock: start.clock.clone(),
        metrics: discovery::Metrics::new(&registry),
        clients: Arc::new(NetworkClients),
        resolver: Arc::new(discovery::dns::SystemLookup::new()),
        watches: discovery::SharedWatches::default(),
    };
    let manager_options = discovery::ManagerOptions {
        update_interval: plan.discovery_interval,
        ..Default::default()
    };
    let (discovery_manager, discovery_handle, sets) =
        discovery::Manager::new(manager_options, deps);
    let now = start.clock.now_ms();
    let shared = Arc::new(Shared {
        role: plan.role,
        source: plan.config.clone(),
        load_options,
        loaded: RwLock::new(Arc::new(loaded)),
        db: LateDb::default(),
        scrape: OnceLock::new(),
        remote: Remote::default(),
        discovery: discovery_handle,
        clock: start.clock.clone(),
        started_ms: now,
        flag_retention,
        keeps_exemplars,
        flag_encoding,
        query_log: query_log(&plan, &start),
        reload_state: Mutex::new(ReloadState { successful: true, at_ms: now, problem: None }),
        reload_ok: registry.gauge(
            "prometheus_config_last_reload_successful",
            "Whether the last configuration reload attempt was successful.",
        ),
        reload_time: registry.gauge(
            "prometheus_config_last_reload_success_timestamp_seconds",
            "Timestamp of the last successful configuration reload.",
        ),
        recent: start.recent.clone(),
        shutdown: start.shutdown.clone(),
        stop: Arc::clone(&start.stop),
        extra_parts: std::mem::take(&mut plan.more_parts),
        registry: registry.clone(),
        reloading: tokio::sync::Mutex::new(()),
    });
    {
        let shared = Arc::clone(&shared);
        registry.gauge_fn(
            "prometheus_ready",
            "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
            move || if shared.not_ready().is_none() { 1.0 } else { 0.0 },
        );
    }
    let server = Server::bind(&plan.listen, plan.web.clone()).await?;
    for address in server.addresses() {
        info!(component = "web", %address, "Listening on");
    }
    let web = web(&plan, &shared, &start);
    let http_shutdown = start.shutdown.clone();
    let http = tokio::spawn(server.run(web.router(), http_shutdown));

    let Some(store) = open(&plan, start.clock.clone(), &start.shutdown).await? else {
        let _ = http.await;
        return Ok(());
    };
    shared.db.set(store.clone());
    let replay_task = match &store {
        Store::Tsdb(db) => {
            gauntlet_tsdb::register_metrics(db, &registry);
            if let Some(on_open) = plan.on_open.take() {
                on_open(Arc::clone(db), Arc::clone(&shared));
            }
            Some(watch_replay(db, &start))
        }
        Store::Agent(db) => {
            gauntlet_tsdb::register_agent_metrics(db, &registry);
            None
        }
    };
    info!("Server is ready to receive web requests.");
    // Nothing is scraped before the log's series are known: samples would be refused.
    if let Store::Tsdb(db) = &store {
        let learning = Arc::clone(db);
        tokio::select! {
            _ = tokio::task::spawn_blocking(move || learning.wait_writable()) => {}
            () = start.shutdown.wait() => db.head().stop_replay(),
        }
    }
    let (scrape_manager, scrape_handle) = scrape::Manager::new(
        scrape::ManagerOptions {
            reload_interval: plan.discovery_interval,
            timestamp_tolerance: plan.timestamp_tolerance,
            type_and_unit_labels: plan.features.iter().any(|f| f == "type-and-unit-labels"),
            append_metadata: plan.features.iter().any(|f| f == "metadata-wal-records"),
            start_zeros: plan.features.iter().any(|f| f == "created-timestamp-zero-ingestion"),
            store_starts: plan.features.iter().any(|f| f == "st-storage"),
            hash_seed: now.unsigned_abs() ^ u64::from(std::process::id()) << 40,
        },
        store.appendable(),
        start.clock.clone(),
        &registry,
    );
    let _ = shared.scrape.set(scrape_handle.clone());
    shared.remote.open(
        &store,
        plan.flush_deadline,
        &plan.features,
        scrape_handle.clone(),
        start.clock.clone(),
        &registry,
    );
    let discovery_task = tokio::spawn(discovery_manager.run(start.shutdown.clone()));
    let scrape_task = tokio::spawn(scrape_manager.run(start.shutdown.clone()));
    let forward_task = tokio::spawn(forward(sets, scrape_handle, start.shutdown.clone()));
    let first = Arc::clone(&shared.loaded.read());
    shared.apply(first).await.map_err(Failure::config)?;
    shared.reload_ok.set(1.0);
    shared.reload_time.set(now as f64 / 1000.0);
    let reload_task = tokio::spawn(reloads(
        Arc::clone(&shared),
        start.reload,
        plan.auto_reload,
        start.shutdown.clone(),
    ));
    match &store {
        Store::Tsdb(db) => compaction(db, plan.compact_interval, &start.shutdown).await,
        Store::Agent(db) => {
            store::maintain_agent(db, &shared.remote, &*start.clock, &start.shutdown).await;
        }
    }

    // The shutdown has fired: each task ends by itself, in whatever order; the database closes last.
    let _ = tokio::join!(http, discovery_task, scrape_task, forward_task, reload_task);
    shared.remote.stop().await;
    tokio::task::spawn_blocking(move || store.close())
        .await
        .map_err(|_| Failure::new("closing the database ended without a result"))??;
    if let Some(replay_task) = replay_task
        && let Ok(Some(reason)) = replay_task.await
    {
        return Err(Failure::new(format!("opening storage failed: {reason}")));
    }
    info!("See you next time!");
    Ok(())
}

/// The log of queries, closed until the configuration names a file, and the file of queries at work.
fn query_log(plan: &ServerPlan, start: &Start) -> Arc<QueryLog> {
    let mut log = QueryLog::new(start.clock.clone());
    let fs = SystemFs;
    let tracked = fs
        .create_dir_all(&plan.data_dir)
        .and_then(|()| log.track_active(&fs, &plan.data_dir, plan.max_queries));
    match tracked {
        Ok(None) => {}
        Ok(Some(queries)) => info!(queries, "these queries did not finish in the last run"),
        Err(err) => warn!(%err, dir = %plan.data_dir.display(), "queries at work are not tracked"),
    }
    Arc::new(log)
}

fn web(plan: &ServerPlan, shared: &Arc<Shared>, start: &Start) -> Web {
    let mut storages: Vec<Arc<dyn Queryable>> = vec![Arc::new(shared.db.clone())];
    storages.push(Arc::new(shared.remote.read.clone()));
    storages.extend(plan.more_storages.iter().cloned());
    let storage: Arc<dyn Queryable> = match storages.len() {
        1 => storages.remove(0),
        _ => Arc::new(Fanout::new(storages)),
    };
    let api = Arc::new(ApiState {
        storage,
        engine: Arc::new(common::engine(
            plan.engine,
            start.clock.clone(),
            &plan.features,
            Some(shared.query_log.clone()),
        )),
        clock: start.clock.clone(),
        role: shared.clone(),
        build: common::build_info(),
        flags: Arc::new(plan.flags.clone()),
        cors_origin: plan.cors.clone(),
        thanos: None,
        route_prefix: plan.route_prefix.clone(),
        limits: plan.limits,
        query_gate: Arc::new(Semaphore::new(plan.max_queries)),
        receivers: receivers(plan, shared, start),
    });
    let (title, prefix) = (plan.title.clone(), plan.route_prefix.clone());
    let shared = Arc::clone(shared);
    Web {
        api: Some(api),
        metrics: HttpMetrics::prometheus(&plan.registry),
        registry: plan.registry.clone(),
        page: Arc::new(move || {
            overview_page(
                &title,
                "Collects, keeps and queries samples, by Gauntlet.",
                &shared.parts(),
                api_links(&prefix),
            )
        }),
        prefix: plan.route_prefix.clone(),
        clock: start.clock.clone(),
    }
}

fn receivers(plan: &ServerPlan, shared: &Arc<Shared>, start: &Start) -> Receivers {
    let write = plan.receive.write.clone().map(|options| {
        let storage = Arc::new(shared.db.clone());
        Arc::new(WriteReceiver::new(storage, start.clock.clone(), options, &plan.registry))
    });
    let otlp = plan.receive.otlp.clone().map(|options| {
        let (storage, source) = (Arc::new(shared.db.clone()), Arc::clone(shared));
        let config: OtlpSource = Arc::new(move || source.loaded.read().config.otlp.clone());
        let clock = start.clock.clone();
        Arc::new(OtlpReceiver::new(storage, clock, options, config, &plan.registry))
    });
    let federation: Option<Arc<dyn Queryable>> = match plan.agent {
        Some(_) => None,
        None => Some(Arc::new(shared.db.clone())),
    };
    Receivers { write, otlp, federation, ..Receivers::default() }
}

/// Opens the database off the async threads; `None` where the shutdown came first.
async fn open(
    plan: &ServerPlan,
    clock: Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<Option<Store>, Failure> {
    let (dir, options, agent) = (plan.data_dir.clone(), plan.tsdb.clone(), plan.agent.clone());
    let fs: Arc<dyn gauntlet_runtime::Fs> = Arc::new(SystemFs);
    let opening = tokio::task::spawn_blocking(move || match agent {
        Some(options) => AgentDb::open(&dir, options, fs).map(|db| Store::Agent(Arc::new(db))),
        None => {
            let db = Db::open(&dir, options, clock, fs)?;
            Ok(Store::Tsdb(Arc::new(db.with_pool(CpuPool::new(0)))))
        }
    });
    tokio::select! {
        opened = opening => match opened {
            Ok(Ok(store)) => Ok(Some(store)),
            Ok::<gauntlet_tsdb::Result<Store>, _>(Err(err)) => {
                Err(Failure::new(format!("opening storage failed: {err}")))
            }
            Err(_) => Err(Failure::new("opening storage ended without a result")),
        },
        () = shutdown.wait() => Ok(None),
    }
}

/// Ends the server where its log cannot be read; gives the reason then.
fn watch_replay(db: &Arc<Db>, start: &Start) -> tokio::task::JoinHandle<Option<String>> {
    let (db, stop, shutdown) = (Arc::clone(db), Arc::clone(&start.stop), start.shutdown.clone());
    tokio::task::spawn_blocking(move || {
        let failed = db.wait_replayed().err().filter(|_| !shutdown.is_fired())?;
        stop();
        Some(failed.to_string())
    })
}

/// Hands what discovery finds to the scraper.
async fn forward(
    mut sets: tokio::sync::watch::Receiver<Arc<discovery::TargetSets>>,
    scrape: scrape::ManagerHandle,
    shutdown: Shutdown,
) {
    loop {
        let found = Arc::clone(&sets.borrow_and_update());
        scrape.set_targets(found);
        tokio::select! {
            changed = sets.changed() => if changed.is_err() { return },
            () = shutdown.wait() => return,
        }
    }
}

/// Reloads on SIGHUP, and when files changed if that is asked for.
async fn reloads(
    shared: Arc<Shared>,
    mut requests: mpsc::Receiver<()>,
    every: Option<Duration>,
    shutdown: Shutdown,
) {
    let mut seen = shared.source.fingerprint();
    loop {
        let timer = async {
            match every {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = requests.recv() => {
                let _ = shared.reload_now().await;
                seen = shared.source.fingerprint();
            }
            () = timer => {
                let now = shared.source.fingerprint();
                if now != seen {
                    seen = now;
                    let _ = shared.reload_now().await;
                }
            }
            () = shutdown.wait() => return,
        }
    }
}

/// Cuts and compacts blocks at an interval until the shutdown.
async fn compaction(db: &Arc<Db>, every: Duration, shutdown: &Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.wait() => return,
        }
        let worker = Arc::clone(db);
        let ticked = tokio::task::spawn_blocking(move || worker.compact_tick()).await;
        match ticked {
            Ok(Ok(())) => {}
            Ok(Err(err)) => {
                error!(component = "tsdb", %err, "compaction failed, it is tried again")
            }
            Err(_) => error!(component = "tsdb", "compaction ended without a result"),
        }
    }
}

fn retention_text(retention: Retention) -> String {
    use gauntlet_model::duration::Duration as PromDuration;
    let mut parts = Vec::new();
    if retention.time_ms > 0 {
        parts.push(PromDuration::from_ms(retention.time_ms).to_string());
    }
    if retention.bytes > 0 {
        parts.push(format!("{}B", retention.bytes));
    }
    if retention.percent > 0.0 {
        parts.push(format!("{}%", retention.percent));
    }
    parts.join(" or ")
}

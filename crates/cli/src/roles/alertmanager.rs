//! The role `alertmanager`: alerts in, notifications out, alone or in a cluster.

mod cluster;
mod config;
mod overview;
mod web;

use std::sync::Arc;
use std::time::Duration;

use gauntlet_alertmanager::api::{Api, ApiOptions, ClusterView, VersionInfo};
use gauntlet_alertmanager::metrics::Features;
use gauntlet_alertmanager::{FeatureFlags, Manager, ManagerOptions, ParseMode};
use gauntlet_net::server::{Server, ServerOptions};
use gauntlet_telemetry::{Registry, process};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::flags::program::ALERTMANAGER_VERSION;
use crate::flags::values::Values;
use crate::roles::{Failure, Start, common};
use config::Loader;
use overview::{Overview, Refused};
use web::Web;

const NS_PER_MS: i64 = 1_000_000;
/// Fewest GET requests that may be answered at once by default.
const MIN_GETS: usize = 8;
/// Longest farewell to the cluster.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until the shutdown.
pub(crate) async fn run(mut start: Start) -> Result<(), Failure> {
    let values = &start.values;
    let (mode, features) = features(&values.text("enable-feature"))?;
    let registry = Registry::new();
    process::register(&registry);
    common::register_build_info(&registry, "alertmanager_build_info", ALERTMANAGER_VERSION);
    let data_dir = values.text("storage.path");
    std::fs::create_dir_all(&data_dir).map_err(|err| {
        let why = if err.kind() == std::io::ErrorKind::NotFound {
            "no such file or directory".to_owned()
        } else {
            err.to_string()
        };
        Failure::new(format!("unable to create data directory: mkdir {data_dir}: {why}"))
    })?;
    let cluster = cluster::create(values, &registry, start.clock.clone()).await?;
    let manager = open(&start, mode, features, &registry)?;
    if let Some(cluster) = &cluster {
        cluster.attach(&manager);
    }
    let loader = Loader::new(values, mode, &start)?;
    // The configuration is read before anything listens: a wrong one must not look like a running Alertmanager.
    loader.load(&manager, true).await.map_err(Failure::new)?;
    let (reload_sender, reloads) = mpsc::channel(4);
    let api = Api::new(
        ApiOptions {
            manager: Arc::clone(&manager),
            cluster: cluster.as_ref().map(|node| node.view() as Arc<dyn ClusterView>),
            version: version(),
            mode,
            get_concurrency: match values.int("web.get-concurrency") {
                given if given > 0 => given as usize,
                _ => std::thread::available_parallelism().map_or(1, usize::from).max(MIN_GETS),
            },
            timeout: millis(values, "web.timeout"),
            reload: reload_asker(reload_sender),
            templates: loader.templates_in_force(),
        },
        &registry,
    );
    let refused = Refused::default();
    let overview = Overview {
        manager: Arc::clone(&manager),
        registry: registry.clone(),
        cluster: cluster.as_ref().map(cluster::Node::view),
        recent: start.recent.clone(),
        refused: Arc::clone(&refused),
    };
    let web = Web::new(api, overview, registry.clone(), loader.prefix().to_owned());
    let server = listen(values).await?;
    for address in server.addresses() {
        info!(%address, "Listening on");
    }
    if let Some(cluster) = &cluster {
        cluster.join(millis(values, "cluster.settle-timeout")).await;
    }
    let shutdown = start.shutdown.clone();
    let driver = tokio::spawn(Arc::clone(&manager).run(shutdown.clone()));
    let reloading = async {
        tokio::select! {
            () = shutdown.wait() => {}
            () = reload_loop(&loader, &manager, &refused, &mut start.reload, reloads) => {}
        }
    };
    tokio::join!(server.run(web.router(), shutdown.clone()), reloading);
    driver.await.map_err(|err| Failure::new(format!("the dispatcher ended: {err}")))?;
    if let Some(cluster) = cluster {
        cluster.leave(LEAVE_TIMEOUT).await;
    }
    Ok(())
}

async fn listen(values: &Values) -> Result<Server, Failure> {
    let options = ServerOptions {
        read_timeout: Duration::from_secs(60),
        web_config_file: values.text("web.config.file"),
        ..ServerOptions::default()
    };
    if values.bool("web.systemd-socket") {
        let inherited = gauntlet_sys::sockets::inherited_listeners();
        if inherited.is_empty() {
            return Err(Failure::new(
                "no socket activation file descriptors found: start it from a systemd socket unit, or without --web.systemd-socket",
            ));
        }
        return Ok(Server::from_listeners(inherited, options)?);
    }
    Ok(Server::bind(&values.texts("web.listen-address"), options).await?)
}

fn open(
    start: &Start,
    mode: ParseMode,
    features: Features,
    registry: &Registry,
) -> Result<Arc<Manager>, Failure> {
    let values = &start.values;
    let ns = |name: &str| values.duration_ms(name).saturating_mul(NS_PER_MS);
    let mut options =
        ManagerOptions::new(Some(values.text("storage.path").into()), start.clock.clone());
    options.features = features;
    options.maintenance_interval_ns = ns("data.maintenance-interval");
    options.log_silences = values.bool("log.silences");
    let core = &mut options.core;
    core.mode = mode;
    core.retention_ns = ns("data.retention");
    core.silence_limits.max_silences = values.count("silences.max-silences");
    core.silence_limits.max_size_bytes = values.count("silences.max-silence-size-bytes");
    core.per_name_limit = values.count("alerts.per-alertname-limit");
    core.collect_interval_ns = ns("alerts.gc-interval");
    core.peer_timeout_ns = ns("cluster.peer-timeout");
    core.start_at =
        gauntlet_alertmanager::Time::now(start.clock.as_ref()).plus_ns(ns("dispatch.start-delay"));
    Ok(Manager::open(options, registry)?)
}

fn features(list: &str) -> Result<(ParseMode, Features), Failure> {
    let wrong = |text| Failure::new(format!("error parsing the feature flag list: {text}"));
    let flags = FeatureFlags::parse(list).map_err(wrong)?;
    for (_, words) in flags.mode_notes() {
        warn!("{words}");
    }
    if flags.auto_gomemlimit {
        warn!("there is no Go runtime to tune: auto-gomemlimit does nothing");
    }
    if flags.event_recorder {
        return Err(Failure::new(
            "the feature event-recorder is not built: the ledger at /api/v2/ledger records what becomes of each alert",
        ));
    }
    Ok((flags.mode().map_err(wrong)?, flags.metrics))
}

fn version() -> VersionInfo {
    let build = common::build_info();
    VersionInfo {
        branch: build.branch,
        build_date: build.build_date,
        build_user: build.build_user,
        go_version: build.go_version,
        revision: build.revision,
        version: ALERTMANAGER_VERSION.to_owned(),
    }
}

type Reloads = mpsc::Sender<oneshot::Sender<Result<(), String>>>;

/// What `/-/reload` calls: asks the loop below and waits for its answer.
fn reload_asker(sender: Reloads) -> gauntlet_alertmanager::api::Reload {
    Arc::new(move || {
        let sender = sender.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let gone = || "the process is stopping".to_owned();
            sender.send(answer).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        })
    })
}

async fn reload_loop(
    loader: &Loader,
    manager: &Manager,
    refused: &Refused,
    signals: &mut mpsc::Receiver<()>,
    mut requests: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
) {
    loop {
        let answer = tokio::select! {
            Some(()) = signals.recv() => None,
            Some(answer) = requests.recv() => Some(answer),
            else => return,
        };
        let result = loader.load(manager, false).await;
        if let Err(reason) = &result {
            error!(err = %reason, "Loading configuration file failed");
            manager.reload_failed();
        }
        *refused.lock() = result.as_ref().err().cloned();
        if let Some(answer) = answer {
            let _ = answer.send(result);
        }
    }
}

fn millis(values: &Values, name: &str) -> Duration {
    Duration::from_millis(u64::try_from(values.duration_ms(name)).unwrap_or(0))
}

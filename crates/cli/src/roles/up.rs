//! The role `up`: server, host metrics, alerts and bucket in one process, on embedded defaults.
//!
//! One folder holds all: `server/` the database, `bucket/` the blocks for good, `store/` what can be made again, `alertmanager/`. The parts meet
//! in memory; the server scrapes the host's metrics and its own over HTTP as it would any target.

mod alerts;
mod past;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gauntlet_api::ApiLimits;
use gauntlet_bucket::fetcher::{BlockFetcher, FetchOptions};
use gauntlet_bucket::shipper::{Shipper, ShipperOptions};
use gauntlet_bucket::store::{BucketStore, StoreOptions};
use gauntlet_model::regex::AnchoredRegex;
use gauntlet_net::server::{Server, ServerOptions};
use gauntlet_objstore::{Bucket, Filesystem};
use gauntlet_runtime::fs::SystemFs;
use gauntlet_telemetry::Registry;
use gauntlet_tsdb::{Db, Options};
use tracing::{info, warn};

use self::alerts::Alerts;
use self::past::Past;
use crate::commands::node_flags;
use crate::flags::values::Values;
use crate::roles::common::{EngineFlags, hostname};
use crate::roles::node::{self, Node};
use crate::roles::overview::Part;
use crate::roles::server::{
    ConfigSource, MoreParts, OnOpen, ReceivePlan, ServerPlan, Shared, run_plan,
};
use crate::roles::{Failure, Start};

/// Ports before `--port-offset`, those of the peers.
const API_PORT: i64 = 9090;
const NODE_PORT: i64 = 9100;
const ALERTS_PORT: i64 = 9093;
/// How often finished blocks are looked for, and the bucket for new ones.
const SHIP_INTERVAL: Duration = Duration::from_secs(30);
const SYNC_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) async fn run(mut start: Start) -> Result<(), Failure> {
    let (bind, offset) = (start.values.text("bind"), start.values.int("port-offset"));
    let api_port = port(API_PORT, offset)?;
    let node_port = port(NODE_PORT, offset)?;
    let alerts_address = with_port(&bind, port(ALERTS_PORT, offset)?);
    let data = PathBuf::from(start.values.text("data-dir"));
    let alerts = Alerts::plan(&mut start, alerts_address.clone(), &data)?;
    if alerts.is_some() {
        // It binds the port itself, but would not know of the way out.
        drop(bind_or_explain(&alerts_address).await?);
    }
    let values = &start.values;
    let (api_address, node_address) = (with_port(&bind, api_port), with_port(&bind, node_port));

    let node_values = Values::check(&node_flags(), Vec::new())
        .map_err(|err| Failure::new(format!("BUG: defaults of the node flags: {err}")))?;
    let node = Arc::new(Node::build(&node_values)?);
    let collectors = node.enabled().len();
    let node_server = bind_or_explain(&node_address).await?;
    let node_port = node_server.addresses().first().map_or(node_port, |a| a.port());
    let node_task = tokio::spawn(node_server.run(node::router(node), start.shutdown.clone()));

    let bucket_dir = data.join("bucket");
    std::fs::create_dir_all(&bucket_dir)
        .map_err(|err| Failure::new(format!("creating {}: {err}", bucket_dir.display())))?;
    let bucket: Arc<dyn Bucket> = Arc::new(Filesystem::new(bucket_dir.display().to_string()));
    let store = Arc::new(bucket_store(&bucket, &data, &start));
    let store_task = {
        let (store, shutdown) = (Arc::clone(&store), start.shutdown.clone());
        tokio::spawn(async move { store.run(shutdown).await })
    };

    let local: Arc<OnceLock<Arc<Db>>> = Arc::default();
    let past = Past::new(Arc::clone(&store), Arc::clone(&local));
    let config = match values.text("config.file").as_str() {
        "" => {
            let alerts_address = alerts.as_ref().map(|_| alerts_address.as_str());
            ConfigSource::Text(built_in_config(values, &bind, api_port, node_port, alerts_address))
        }
        path => ConfigSource::File(PathBuf::from(path)),
    };
    let shipping = {
        let (bucket, data, clock) = (Arc::clone(&bucket), data.clone(), start.clock.clone());
        let shutdown = start.shutdown.clone();
        move |db: Arc<Db>, shared: Arc<Shared>| {
            let _ = local.set(db);
            let dir = data.join("server");
            let shipper =
                Shipper::new(bucket, Arc::new(SystemFs), clock, dir, ShipperOptions::default());
            tokio::spawn(ship(shipper, shared, shutdown));
        }
    };
    let alerts_part = alerts.as_ref().map(Alerts::part);
    let parts: Vec<MoreParts> = vec![
        Arc::new(move || {
            vec![Part::good("Host metrics", format!("{collectors} collectors on port {node_port}"))]
        }),
        Arc::new(move || alerts_part.clone().into_iter().collect()),
        Arc::new(move || vec![bucket_part(&store, &bucket_dir)]),
    ];
    let plan = plan(values, config, &data, api_address.clone(), past, parts, Box::new(shipping))?;
    say_what_to_open(&bind, api_port, &data);
    let shutdown = start.shutdown.clone();
    let mut telling = Box::pin(async move {
        match alerts {
            Some(alerts) => alerts.run().await,
            None => {
                shutdown.wait().await;
                Ok(())
            }
        }
    });
    let mut serving = Box::pin(run_plan(start, plan));
    // What fails ends the other; what stops is waited for.
    let ended = tokio::select! {
        ended = &mut serving => match ended {
            Ok(()) => telling.await,
            Err(failure) => Err(explain_port(failure, &api_address)),
        },
        ended = &mut telling => match ended {
            Ok(()) => serving.await,
            Err(failure) => Err(failure),
        },
    };
    if ended.is_ok() {
        let _ = tokio::join!(node_task, store_task);
    }
    ended
}

fn plan(
    values: &Values,
    config: ConfigSource,
    data: &Path,
    listen: String,
    past: Past,
    more_parts: Vec<MoreParts>,
    on_open: OnOpen,
) -> Result<ServerPlan, Failure> {
    let block_ms = values.duration_ms("storage.tsdb.min-block-duration");
    let flags: BTreeMap<String, String> = values.all();
    Ok(ServerPlan {
        role: "up",
        title: "Gauntlet".to_owned(),
        config,
        data_dir: data.join("server"),
        // Blocks are shipped as they are cut: merging them is for whoever owns the bucket.
        tsdb: Options {
            retention_ms: values.duration_ms("storage.tsdb.retention.time"),
            min_block_ms: block_ms,
            max_block_ms: block_ms,
            ..Options::default()
        },
        compact_interval: Duration::from_secs(60),
        engine: EngineFlags {
            lookback_ms: 5 * 60 * 1000,
            timeout: Duration::from_secs(120),
            max_samples: 50_000_000,
            subquery_step_ms: 60 * 1000,
        },
        max_queries: 20,
        timestamp_tolerance: Duration::from_millis(2),
        features: vec!["exemplar-storage".to_owned()],
        listen: vec![listen],
        web: ServerOptions::default(),
        route_prefix: String::new(),
        cors: AnchoredRegex::new(".*").ok(),
        limits: ApiLimits::default(),
        flags,
        auto_reload: None,
        discovery_interval: Duration::from_secs(5),
        agent: None,
        flush_deadline: Duration::from_secs(60),
        receive: ReceivePlan::default(),
        more_storages: vec![Arc::new(past)],
        more_parts,
        on_open: Some(on_open),
        registry: Registry::new(),
    })
}

fn bucket_store(bucket: &Arc<dyn Bucket>, data: &Path, start: &Start) -> BucketStore {
    let (fs, dir) = (Arc::new(SystemFs), data.join("store"));
    let fetcher = BlockFetcher::new(
        Arc::clone(bucket),
        fs.clone(),
        start.clock.clone(),
        Some(dir.clone()),
        FetchOptions::default(),
    );
    let options =
        StoreOptions { data_dir: dir, sync_interval: SYNC_INTERVAL, ..StoreOptions::default() };
    BucketStore::new(Arc::clone(bucket), fetcher, fs, start.clock.clone(), options)
}

/// Uploads finished blocks until the shutdown.
async fn ship(shipper: Shipper, shared: Arc<Shared>, shutdown: gauntlet_runtime::Shutdown) {
    loop {
        match shipper.sync(&shared.external_labels()).await {
            Ok(report) => {
                for id in &report.uploaded {
                    info!(component = "shipper", block = %id, "uploaded");
                }
                for (id, reason) in &report.failed {
                    warn!(component = "shipper", block = %id, reason, "not uploaded, tried again");
                }
            }
            Err(err) => warn!(component = "shipper", %err, "blocks not uploaded, tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(SHIP_INTERVAL) => {}
            () = shutdown.wait() => return,
        }
    }
}

fn bucket_part(store: &BucketStore, dir: &Path) -> Part {
    let state = store.state();
    let name = "Bucket";
    match state.reason {
        Some(reason) => Part::failing(name, reason, format!("check the folder {}", dir.display())),
        None => {
            let served = state.blocks.iter().filter(|b| b.verdict.is_none() && b.damage.is_none());
            Part::good(name, format!("{} blocks in {}", served.count(), dir.display()))
        }
    }
}

/// Scrapes this host and this process.
fn built_in_config(
    values: &Values,
    bind: &str,
    api_port: u16,
    node_port: u16,
    alerts_address: Option<&str>,
) -> String {
    let host = match bind {
        "0.0.0.0" | "::" | "[::]" | "" => "127.0.0.1",
        other => other,
    };
    let interval = values.text("scrape-interval");
    let (api, node) = (with_port(host, api_port), with_port(host, node_port));
    let name = hostname();
    let alerts = alerts_address.map_or_else(String::new, |address| {
        let address = with_port(host, address.rsplit(':').next().unwrap_or_default());
        format!("- job_name: alertmanager\n  static_configs:\n  - targets: [{address:?}]\n")
    });
    format!(
        "global:\n  scrape_interval: {interval}\n  external_labels:\n    cluster: local\n    replica: {name:?}\n\
         scrape_configs:\n- job_name: gauntlet\n  static_configs:\n  - targets: [{api:?}]\n\
         - job_name: node\n  static_configs:\n  - targets: [{node:?}]\n    labels:\n      nodename: {name:?}\n{alerts}"
    )
}

fn port(base: i64, offset: i64) -> Result<u16, Failure> {
    u16::try_from(base + offset).ok().filter(|p| *p > 0).ok_or_else(|| {
        Failure::config(format!(
            "--port-offset={offset} makes {base} port {}, which is none",
            base + offset
        ))
    })
}

fn with_port(host: &str, port: impl std::fmt::Display) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

async fn bind_or_explain(address: &str) -> Result<Server, Failure> {
    Server::bind(&[address], ServerOptions::default())
        .await
        .map_err(|err| explain_port(Failure::from(err), address))
}

/// Adds the way out of a taken port.
fn explain_port(failure: Failure, address: &str) -> Failure {
    if failure.reason.contains("in use") && failure.reason.contains(address) {
        let way_out =
            "move all ports of this process with --port-offset, for example --port-offset=1000";
        return Failure { reason: format!("{}; or {way_out}", failure.reason), ..failure };
    }
    failure
}

#[expect(clippy::print_stdout, reason = "the first thing a new user should see")]
fn say_what_to_open(bind: &str, port: u16, data: &Path) {
    let host = if bind == "0.0.0.0" { "127.0.0.1" } else { bind };
    println!(
        "Gauntlet is starting: this host's metrics, their database, queries, alerts and a bucket, all in {}.\n\n    \
         Open  http://{}/\n\nStop with Ctrl-C. A first query: up, or rate(node_cpu_seconds_total[1m])",
        data.display(),
        with_port(host, port)
    );
}

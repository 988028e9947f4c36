//! The role `sidecar`: a server's data as a StoreAPI, and its blocks into the bucket.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_api::{ApiError, RoleStatus};
use gauntlet_bucket::roles::{Sidecar, SidecarFacts, SidecarOptions};
use gauntlet_bucket::shipper::{Shipper, ShipperOptions};
use gauntlet_model::{Labels, Timestamp};
use gauntlet_net::client::{ClientOptions, HttpClient};
use gauntlet_net::config::HttpClientConfig;
use gauntlet_remote::read_prometheus::PrometheusReader;
use gauntlet_runtime::fs::SystemFs;
use gauntlet_storeapi::grpc::{ServerOptions as GrpcOptions, serve};
use gauntlet_telemetry::logs::RecentWarnings;
use serde_json::Value;

use crate::flags::values::parse_time_or_duration;
use crate::roles::common;
use crate::roles::overview::{Part, api_links, overview_json, overview_page};
use crate::roles::query::millis;
use crate::roles::thanos::{self, HttpParts, MAX_QUERIES, PLAIN_ENGINE};
use crate::roles::{Failure, Start, bucket};

pub(crate) async fn run(start: Start) -> Result<(), Failure> {
    let values = &start.values;
    let sidecar = Arc::new(build(&start)?);
    let registry = thanos::registry();
    let status = Arc::new(SidecarStatus {
        sidecar: Arc::clone(&sidecar),
        started_ms: start.clock.now_ms(),
        recent: start.recent.clone(),
    });
    {
        let sidecar = Arc::clone(&sidecar);
        registry.gauge_fn(
            "thanos_sidecar_prometheus_up",
            "Boolean indicator whether the sidecar can reach its Prometheus peer.",
            move || if sidecar.problem().is_none() { 1.0 } else { 0.0 },
        );
    }
    let page = {
        let lead = "A server's data for queries and the bucket, by Gauntlet.";
        let status = Arc::clone(&status);
        Arc::new(move || overview_page("Sidecar", lead, &status.parts(), api_links("")))
    };
    let parts = HttpParts {
        storage: gauntlet_bucket::roles::queryable(sidecar.source()),
        status,
        page,
        engine: PLAIN_ENGINE,
        max_queries: MAX_QUERIES,
        parameters: None,
    };
    let http = thanos::bind(&start, registry, parts).await?;
    let (listener, _) = common::listen_grpc(&values.text("grpc-address")).await?;
    let grpc_options = GrpcOptions {
        clock: start.clock.clone(),
        max_series: values.count("store.limits.request-series"),
        max_samples: values.count("store.limits.request-samples"),
        ..GrpcOptions::default()
    };
    grpc_options.ready.set(true);
    let shutdown = start.shutdown.clone();
    let grpc =
        serve(listener, sidecar.source(), grpc_options, async move { shutdown.wait().await });
    let (served, (), ()) = tokio::join!(grpc, sidecar.run(start.shutdown.clone()), http,);
    served.map_err(|err| Failure::new(format!("serving gRPC: {err}")))
}

fn build(start: &Start) -> Result<Sidecar, Failure> {
    let values = &start.values;
    let min_time = parse_time_or_duration(&values.text("min-time"), start.clock.now_ms())
        .map_err(|reason| Failure::new(format!("--min-time: {reason}")))?;
    let shipper = bucket::from_flags(values)?.map(|bucket| {
        let options = ShipperOptions {
            upload_compacted: values.bool("shipper.upload-compacted"),
            allow_out_of_order: values.bool("shipper.allow-out-of-order-uploads"),
            file_name: values.text("shipper.meta-file-name"),
            ..ShipperOptions::default()
        };
        let dir = PathBuf::from(values.text("tsdb.path"));
        Shipper::new(bucket, Arc::new(SystemFs), start.clock.clone(), dir, options)
    });
    let url = values.text("prometheus.url");
    let client = HttpClient::new(&HttpClientConfig::default(), ClientOptions::default())?;
    let timeout = millis(values.duration_ms("prometheus.get_config_timeout"));
    let reader = Arc::new(PrometheusReader::new(&url, client, timeout)?);
    let facts = Arc::new(Facts {
        reader: Arc::clone(&reader),
        upload_compacted: values.bool("shipper.upload-compacted"),
    });
    let options = SidecarOptions {
        config_interval: millis(values.duration_ms("prometheus.get_config_interval")),
        config_timeout: timeout,
        min_time,
        ..SidecarOptions::default()
    };
    Ok(Sidecar::new(&url, reader, facts, shipper, options))
}

/// What the sidecar asks of its server, over HTTP.
#[derive(Debug)]
struct Facts {
    reader: Arc<PrometheusReader>,
    upload_compacted: bool,
}

impl SidecarFacts for Facts {
    fn external_labels(&self) -> BoxFuture<'_, Result<Labels, String>> {
        async { self.reader.external_labels().await.map_err(|err| err.to_string()) }.boxed()
    }

    fn lowest_timestamp(&self) -> BoxFuture<'_, Result<Timestamp, String>> {
        async { self.reader.lowest_timestamp().await.map_err(|err| err.to_string()) }.boxed()
    }

    /// A server that compacts on its own may merge blocks before they were uploaded.
    fn check_uploadable(&self) -> BoxFuture<'_, Result<(), String>> {
        async move {
            if self.upload_compacted {
                return Ok(());
            }
            let flag = |name: &'static str| async move {
                self.reader.flag(name).await.map_err(|err| err.to_string())
            };
            let min = flag("storage.tsdb.min-block-duration").await?;
            let max = flag("storage.tsdb.max-block-duration").await?;
            match (min, max) {
                (Some(min), Some(max)) if min != max => Err(format!(
                    "found that TSDB Max time is {max} and Min time is {min}. Compaction needs to be disabled \
                     (storage.tsdb.min-block-duration = storage.tsdb.max-block-duration)"
                )),
                _ => Ok(()),
            }
        }
        .boxed()
    }
}

#[derive(Debug)]
struct SidecarStatus {
    sidecar: Arc<Sidecar>,
    started_ms: i64,
    recent: RecentWarnings,
}

impl SidecarStatus {
    fn parts(&self) -> Vec<Part> {
        vec![match self.sidecar.problem() {
            None => Part::good("Server", "reached, its labels are known"),
            Some(reason) => Part::failing(
                "Server",
                reason,
                "check --prometheus.url, that the server runs, and that it has external_labels",
            ),
        }]
    }
}

impl RoleStatus for SidecarStatus {
    fn name(&self) -> &'static str {
        "Thanos Sidecar"
    }

    fn not_ready(&self) -> Option<String> {
        self.sidecar.problem()
    }

    fn overview(&self) -> Result<Value, ApiError> {
        let pages = ["query", "overview", "flags", "log"];
        let reason = self.not_ready();
        let parts = self.parts();
        Ok(overview_json(
            "sidecar",
            &pages,
            reason.as_deref(),
            self.started_ms,
            &parts,
            &self.recent,
        ))
    }
}

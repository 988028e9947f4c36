//! The role `store`: the blocks of a bucket as a StoreAPI.

use std::path::PathBuf;
use std::sync::Arc;

use gauntlet_api::{ApiError, RoleStatus};
use gauntlet_bucket::fetcher::{BlockFetcher, FetchOptions};
use gauntlet_bucket::roles::{StoreGateway, queryable};
use gauntlet_bucket::store::{BucketStore, StoreOptions};
use gauntlet_runtime::fs::SystemFs;
use gauntlet_storeapi::grpc::ServerOptions as GrpcOptions;
use gauntlet_telemetry::logs::RecentWarnings;
use serde_json::Value;

use crate::flags::values::{Values, parse_time_or_duration};
use crate::roles::common;
use crate::roles::overview::{Part, api_links, overview_json, overview_page};
use crate::roles::query::millis;
use crate::roles::thanos::{self, HttpParts, MAX_QUERIES, PLAIN_ENGINE};
use crate::roles::{Failure, Start, bucket};

pub(crate) async fn run(start: Start) -> Result<(), Failure> {
    let values = &start.values;
    let store = Arc::new(build(&start)?);
    let registry = thanos::registry();
    let status = Arc::new(StoreStatus {
        store: Arc::clone(&store),
        started_ms: start.clock.now_ms(),
        recent: start.recent.clone(),
    });
    let page = {
        let (status, lead) = (Arc::clone(&status), "The blocks of a bucket, by Gauntlet.");
        Arc::new(move || overview_page("Store", lead, &status.parts(), api_links("")))
    };
    let parts = HttpParts {
        storage: queryable(store.clone()),
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
    let gateway = StoreGateway::new(store);
    let (served, ()) =
        tokio::join!(gateway.run(listener, grpc_options, start.shutdown.clone()), http,);
    Ok(served?)
}

fn build(start: &Start) -> Result<BucketStore, Failure> {
    let values = &start.values;
    let Some(bucket) = bucket::from_flags(values)? else {
        return Err(Failure::new(
            "flag objstore.config-file or objstore.config is required for running this command and content cannot be empty.",
        ));
    };
    if values.int("block-sync-concurrency") < 1 {
        return Err(Failure::new("the block sync concurrency must be equal or greater than 1."));
    }
    let (min_time, max_time) = time_bounds(values, start.clock.now_ms())?;
    let data_dir = PathBuf::from(values.text("data-dir"));
    let fetch = FetchOptions {
        min_time,
        max_time,
        consistency_delay: millis(values.duration_ms("consistency-delay")),
        ignore_deletion_marks_delay: millis(values.duration_ms("ignore-deletion-marks-delay")),
        concurrency: values.count("block-meta-fetch-concurrency").max(1),
        ..FetchOptions::default()
    };
    let fs = Arc::new(SystemFs);
    let fetcher = BlockFetcher::new(
        Arc::clone(&bucket),
        fs.clone(),
        start.clock.clone(),
        Some(data_dir.clone()),
        fetch,
    );
    let options = StoreOptions {
        data_dir,
        sync_interval: millis(values.duration_ms("sync-block-duration")),
        sync_concurrency: values.count("block-sync-concurrency"),
        min_time,
        max_time,
        ..StoreOptions::default()
    };
    Ok(BucketStore::new(bucket, fetcher, fs, start.clock.clone(), options))
}

fn time_bounds(values: &Values, now_ms: i64) -> Result<(i64, i64), Failure> {
    let bound = |flag: &str| {
        parse_time_or_duration(&values.text(flag), now_ms)
            .map_err(|reason| Failure::new(format!("--{flag}: {reason}")))
    };
    let (min, max) = (bound("min-time")?, bound("max-time")?);
    if min > max {
        return Err(Failure::new(format!(
            "invalid argument: --min-time '{}' can't be greater than --max-time '{}'",
            values.text("min-time"),
            values.text("max-time")
        )));
    }
    Ok((min, max))
}

#[derive(Debug)]
struct StoreStatus {
    store: Arc<BucketStore>,
    started_ms: i64,
    recent: RecentWarnings,
}

impl StoreStatus {
    fn parts(&self) -> Vec<Part> {
        let state = self.store.state();
        let bucket = match (&state.reason, state.ready) {
            (Some(reason), _) => Part::failing(
                "Bucket",
                reason.clone(),
                "check that the bucket can be reached with the credentials given; it is tried again by itself",
            ),
            (None, false) => Part::degraded("Bucket", "first look is under way", "wait"),
            (None, true) => {
                let served =
                    state.blocks.iter().filter(|b| b.verdict.is_none() && b.damage.is_none());
                Part::good("Bucket", format!("{} blocks served", served.count()))
            }
        };
        let mut parts = vec![bucket];
        for block in state.blocks.iter().filter(|b| b.verdict.is_none()) {
            if let Some(damage) = &block.damage {
                parts.push(Part::failing(
                    format!("Block {}", block.id),
                    damage.clone(),
                    "repair or delete the block; all others are served",
                ));
            }
        }
        parts
    }
}

impl RoleStatus for StoreStatus {
    fn name(&self) -> &'static str {
        "Thanos Store"
    }

    fn not_ready(&self) -> Option<String> {
        let state = self.store.state();
        if state.ready {
            return None;
        }
        Some(state.reason.unwrap_or_else(|| "the first look at the bucket is under way".to_owned()))
    }

    fn overview(&self) -> Result<Value, ApiError> {
        let pages = ["query", "overview", "flags", "log"];
        let reason = self.not_ready();
        let parts = self.parts();
        Ok(overview_json("store", &pages, reason.as_deref(), self.started_ms, &parts, &self.recent))
    }
}

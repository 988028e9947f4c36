//! What the server says of itself over the API: configuration, runtime, database, targets, metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use gauntlet_api::{ApiError, ErrorKind, Params, RoleStatus};
use gauntlet_model::{Exemplar, Labels, Matcher};
use gauntlet_promql::parse_metric_selector;
use gauntlet_scrape::status::Status;
use gauntlet_tsdb::head::Cardinality;
use serde_json::{Map, Value, json};

use super::{Shared, pools, self_metrics, targets};
use crate::roles::common::hostname;
use crate::roles::overview::{Part, overview_json};
use crate::roles::query::{labels_json, rfc3339};

impl RoleStatus for Shared {
    fn config_yaml(&self) -> Result<String, ApiError> {
        Ok(self.loaded.read().config.yaml())
    }

    fn external_labels(&self) -> Labels {
        Shared::external_labels(self)
    }

    fn runtime_info(&self) -> Result<Value, ApiError> {
        let state = self.reload_state.lock();
        let cwd = std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(json!({
            "startTime": rfc3339(self.started_ms),
            "CWD": cwd,
            "hostname": hostname(),
            "serverTime": rfc3339(self.clock.now_ms()),
            "reloadConfigSuccess": state.successful,
            "lastConfigTime": rfc3339(state.at_ms),
            "corruptionCount": self.db.get().map_or(0, |db| db.replay_stats().damages),
            "goroutineCount": 0,
            "GOMAXPROCS": threads,
            "GOMEMLIMIT": 0,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": super::retention_text(self.retention()),
        }))
    }

    fn tsdb_status(&self, limit: usize) -> Result<Value, ApiError> {
        let db = self.open_db()?;
        let stats = db.head().stats();
        let tables = db.head().cardinalities("__name__", limit);
        let memory = db.head().memory();
        let on_disk = db.size_bytes();
        let blocks: u64 = db.blocks().iter().map(|block| block.size_bytes()).sum();
        Ok(json!({
            "headStats": {
                "numSeries": stats.num_series,
                "numLabelPairs": stats.num_label_pairs,
                "chunkCount": stats.chunk_count,
                "minTime": stats.min_time,
                "maxTime": stats.max_time,
            },
            "seriesCountByMetricName": table(&tables.series_count_by_metric_name),
            "labelValueCountByLabelName": table(&tables.label_value_count_by_label_name),
            "memoryInBytesByLabelName": table(&tables.memory_in_bytes_by_label_name),
            "seriesCountByLabelValuePair": table(&tables.series_count_by_label_value_pair),
            "memoryInBytesByPart": memory.parts().map(|(part, bytes)| json!({
                "name": part, "value": bytes,
            })),
            "diskBytesByPart": [
                { "name": "blocks", "value": blocks },
                { "name": "log and files of the head", "value": on_disk.saturating_sub(blocks) },
            ],
        }))
    }

    fn tsdb_blocks(&self) -> Result<Value, ApiError> {
        let blocks = self.open_db()?.blocks();
        let metas: Vec<_> = blocks.iter().map(|block| block.meta()).collect();
        // The sizes are ours: the peer's metas have none.
        let sizes: Map<String, Value> = blocks
            .iter()
            .map(|block| (block.meta().ulid.to_string(), json!(block.size_bytes())))
            .collect();
        Ok(json!({ "blocks": metas, "sizeBytes": sizes }))
    }

    fn exemplars(
        &self,
        selectors: Vec<Vec<Matcher>>,
        min_time: i64,
        max_time: i64,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, ApiError> {
        let found = self.open_db()?.head().exemplars(&selectors, min_time, max_time);
        Ok(found.into_iter().map(|series| (series.labels, series.exemplars)).collect())
    }

    fn keeps_exemplars(&self) -> bool {
        self.keeps_exemplars
    }

    fn wal_replay(&self) -> Result<Value, ApiError> {
        // `done` is ours: here the server is ready before the log has been read.
        Ok(match self.db.get().map(|db| db.replay_progress()) {
            None => json!({ "min": 0, "max": 0, "current": 0, "done": false }),
            Some(at) => json!({
                "min": at.first, "max": at.last, "current": at.current, "done": at.is_done,
            }),
        })
    }

    fn targets(&self, params: &Params) -> Result<Vec<u8>, ApiError> {
        targets::json(&self.scrape_status().ok_or_else(starting)?, params)
    }

    fn scrape_pools(&self) -> Result<Value, ApiError> {
        let status = self.scrape_status().ok_or_else(starting)?;
        Ok(pools::list(&status, &self.discovery.status()))
    }

    fn scrape_pool_config(&self, params: &Params) -> Result<Value, ApiError> {
        pools::config(&self.scrape_status().ok_or_else(starting)?, params)
    }

    fn relabel_steps(&self, params: &Params) -> Result<Value, ApiError> {
        pools::relabel_steps(&self.scrape_status().ok_or_else(starting)?, params)
    }

    fn self_metrics(&self, params: &Params) -> Result<Value, ApiError> {
        self_metrics::json(&self.registry, params)
    }

    fn metadata(&self, params: &Params) -> Result<Value, ApiError> {
        let number = |name: &str| -> Result<Option<usize>, ApiError> {
            match params.get(name) {
                "" => Ok(None),
                text => match text.parse::<i64>() {
                    Ok(n) => Ok(usize::try_from(n).ok()),
                    Err(_) => Err(ApiError::bad_data(format!("{name} must be a number"))),
                },
            }
        };
        let limit = number("limit")?;
        let per_metric = number("limit_per_metric")?.filter(|n| *n > 0);
        let metric = params.find("metric").filter(|m| !m.is_empty());
        let status = self.scrape_status().ok_or_else(starting)?;
        let mut by_metric: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (_, list) in status.metadata(metric, |_| true) {
            for entry in list {
                let row = json!({
                    "type": entry.metadata.metric_type.as_str(),
                    "unit": entry.metadata.unit,
                    "help": entry.metadata.help,
                });
                let rows = by_metric.entry(entry.metric).or_default();
                if !rows.contains(&row) && per_metric.is_none_or(|most| rows.len() < most) {
                    rows.push(row);
                }
            }
        }
        let most = limit.unwrap_or(usize::MAX);
        let kept: Map<String, Value> =
            by_metric.into_iter().take(most).map(|(n, rows)| (n, json!(rows))).collect();
        Ok(Value::Object(kept))
    }

    fn targets_metadata(&self, params: &Params) -> Result<Value, ApiError> {
        let limit = match params.get("limit") {
            "" => usize::MAX,
            text => text.parse().map_err(|_| ApiError::bad_data("limit must be a number"))?,
        };
        let matchers: Vec<Matcher> = match params.get("match_target") {
            "" => Vec::new(),
            text => parse_metric_selector(text)
                .map_err(|err| ApiError::parameter("match_target", err))?,
        };
        let metric = params.find("metric").filter(|m| !m.is_empty());
        let status = self.scrape_status().ok_or_else(starting)?;
        let wanted = |labels: &Labels| matchers.iter().all(|m| m.matches_labels(labels));
        let mut rows = Vec::new();
        for (target, list) in status.metadata(metric, wanted) {
            for entry in list {
                if rows.len() >= limit {
                    break;
                }
                let mut row = Map::new();
                row.insert("target".to_owned(), labels_json(target.labels()));
                if metric.is_none() {
                    row.insert("metric".to_owned(), json!(entry.metric));
                }
                row.insert("type".to_owned(), json!(entry.metadata.metric_type.as_str()));
                row.insert("help".to_owned(), json!(entry.metadata.help));
                row.insert("unit".to_owned(), json!(entry.metadata.unit));
                rows.push(Value::Object(row));
            }
        }
        Ok(json!(rows))
    }

    fn overview(&self) -> Result<Value, ApiError> {
        let pages =
            ["query", "targets", "discovery", "overview", "storage", "flags", "config", "log"];
        let reason = self.not_ready();
        Ok(overview_json(
            self.role,
            &pages,
            reason.as_deref(),
            self.started_ms,
            &self.parts(),
            &self.recent,
        ))
    }

    fn not_ready(&self) -> Option<String> {
        if self.shutdown.is_fired() {
            return Some("shutting down".to_owned());
        }
        (!self.db.is_open()).then(|| "the database is being opened".to_owned())
    }

    fn name(&self) -> &'static str {
        if self.load_options.agent { "Prometheus Agent" } else { "Prometheus Server" }
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { self.reload_now().await })
    }

    fn quit(&self) {
        (self.stop)();
    }

    fn delete_series(&self, matchers: Vec<Matcher>, min: i64, max: i64) -> Result<(), ApiError> {
        self.open_db()?.delete(&matchers, min, max).map_err(internal)
    }

    fn clean_tombstones(&self) -> Result<(), ApiError> {
        self.open_db()?.clean_tombstones().map_err(internal)
    }

    fn snapshot(&self, skip_head: bool) -> Result<String, ApiError> {
        let db = self.open_db()?;
        let now = self.clock.now_ms();
        let stamp = jiff::Timestamp::from_millisecond(now)
            .map(|t| t.strftime("%Y%m%dT%H%M%SZ").to_string())
            .unwrap_or_default();
        let name =
            format!("{stamp}-{:016x}", now.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let dest = db.dir().join("snapshots").join(&name);
        db.snapshot(&dest, !skip_head).map_err(internal)?;
        Ok(name)
    }
}

impl Shared {
    /// What limits the blocks.
    fn retention(&self) -> gauntlet_tsdb::Retention {
        let loaded = self.loaded.read();
        super::retention(&loaded, self.flag_retention)
    }

    fn open_db(&self) -> Result<&Arc<gauntlet_tsdb::Db>, ApiError> {
        self.db.get().ok_or_else(starting)
    }

    fn scrape_status(&self) -> Option<Status> {
        self.scrape.get().map(|handle| handle.status().clone())
    }

    /// What runs, for the overview and the plain page.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        parts.push(match self.db.get() {
            None => Part::degraded("Database", "is being opened", "wait; queries answer after it"),
            Some(db) => database_part(db),
        });
        if let Some(db) = self.db.get() {
            for bad in db.bad_blocks().iter() {
                parts.push(Part::failing(
                    format!("Block {}", bad.folder.display()),
                    bad.reason.clone(),
                    "repair it, or move the folder away; all other blocks are served",
                ));
            }
        }
        if let Some(status) = self.scrape_status() {
            parts.push(targets::part(&status.active(None)));
        }
        parts.extend(pools::discovery_parts(&self.discovery.status(), self.clock.now_ms()));
        let state = self.reload_state.lock();
        if let Some(reason) = &state.problem {
            parts.push(
                Part::failing(
                    "Configuration",
                    format!("the last reload failed, the one before is in force: {reason}"),
                    "mend the file and send SIGHUP",
                )
                .link("config"),
            );
        }
        drop(state);
        parts.extend(self.extra_parts.iter().flat_map(|more| more()));
        parts
    }
}

fn database_part(db: &gauntlet_tsdb::Db) -> Part {
    let stats = db.head().stats();
    let text = format!("{} series in the head, {} blocks", stats.num_series, db.blocks().len());
    let replay = db.replay_progress();
    if !replay.is_done {
        return Part::degraded(
            "Database",
            format!(
                "{text}; replays its log, segment {} of {} to {}",
                replay.current, replay.first, replay.last
            ),
            "wait; it scrapes and answers meanwhile, and warns where older samples may be missing",
        )
        .link("storage");
    }
    let damages = db.replay_stats().damages;
    let part = match damages {
        0 => Part::good("Database", text),
        n => Part::degraded(
            "Database",
            format!("{text}; {n} damaged places in the log were skipped at start"),
            "check the disk; the log lines of the start name file and offset",
        ),
    };
    part.link("storage")
}

fn table(rows: &[Cardinality]) -> Value {
    rows.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn starting() -> ApiError {
    ApiError::new(ErrorKind::Unavailable, "TSDB not ready")
}

fn internal(err: gauntlet_tsdb::TsdbError) -> ApiError {
    ApiError::new(ErrorKind::Internal, err.to_string())
}

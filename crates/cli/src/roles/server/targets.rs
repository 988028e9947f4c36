//! `/api/v1/targets` and the overview's part on targets: what is scraped, what relabelling dropped, why a scrape failed and what to do.
//!
//! The peer's parameters are `state` and `scrapePool`. Ours let the server filter, for pages over thousands of targets: `search` (words
//! that all must occur in labels, URL, pool or error), `health`, `scrapeUrl`, `limit` (rows), `discovered=true` (the search
//! sees labels before relabelling too), and `recent=true`, which adds the last scrapes of each. With one of them the rows come worst first, and `activeTargetCounts` says how many of the pool and the search there
//! are by health.

use gauntlet_api::{ApiError, Params};
use gauntlet_model::Labels;
use gauntlet_scrape::Health;
use gauntlet_scrape::status::{ActiveTarget, DroppedTarget, Status};
use serde_json::{Value, json};

use crate::roles::common::hostname;
use crate::roles::overview::{self, Part};
use crate::roles::query::{labels_json, rfc3339};

/// JSON of `/api/v1/targets`, written row by row.
pub(super) fn json(status: &Status, params: &Params) -> Result<Vec<u8>, ApiError> {
    let state = params.get("state").to_ascii_lowercase();
    let wants = |kind: &str| state.is_empty() || state == "any" || state == kind;
    let pool = params.find("scrapePool").filter(|p| !p.is_empty());
    let filter = Filter::new(params)?;
    let mut out = b"{\"activeTargets\":".to_vec();
    if wants("active") {
        let counts = active(&mut out, status, pool, &filter);
        if filter.is_ours {
            out.extend_from_slice(b",\"activeTargetCounts\":");
            write(&mut out, &counts);
        }
    } else {
        out.extend_from_slice(b"[]");
    }
    out.extend_from_slice(b",\"droppedTargets\":");
    if wants("dropped") {
        dropped(&mut out, status, pool, &filter);
    } else {
        out.extend_from_slice(b"[]");
    }
    let counts = (wants("active") || wants("dropped")).then(|| status.dropped_counts());
    out.extend_from_slice(b",\"droppedTargetCounts\":");
    write(&mut out, &json!(counts));
    out.push(b'}');
    Ok(out)
}

fn write(out: &mut Vec<u8>, value: &Value) {
    // Writing to memory does not fail, and values have text keys alone.
    let _ = serde_json::to_writer(out, value);
}

fn write_list(out: &mut Vec<u8>, rows: impl Iterator<Item = Value>) {
    out.push(b'[');
    for (index, row) in rows.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, &row);
    }
    out.push(b']');
}

/// What of the rows is asked for, beyond the peer's parameters.
struct Filter {
    is_ours: bool,
    /// In lower case.
    words: Vec<String>,
    health: String,
    url: String,
    limit: usize,
    discovered: bool,
    recent: bool,
}

impl Filter {
    fn new(params: &Params) -> Result<Self, ApiError> {
        let names = ["search", "health", "scrapeUrl", "limit", "discovered", "recent"];
        let health = params.get("health").to_owned();
        if !["", "up", "down", "unknown"].contains(&health.as_str()) {
            let text = format!("health must be up, down or unknown, not {health:?}");
            return Err(ApiError::bad_data(text));
        }
        let limit = match params.get("limit") {
            "" => usize::MAX,
            text => text.parse().map_err(|_| ApiError::bad_data("limit must be a number"))?,
        };
        Ok(Self {
            is_ours: names.iter().any(|name| params.find(name).is_some()),
            words: params.get("search").split_whitespace().map(str::to_lowercase).collect(),
            health,
            url: params.get("scrapeUrl").to_owned(),
            limit,
            discovered: params.get("discovered") == "true",
            recent: params.get("recent") == "true",
        })
    }

    /// Whether every word occurs in the labels, as `name="value"`, or in one of the texts.
    fn finds(&self, labels: &[&Labels], texts: &[&str]) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let mut hay = texts.join("\n");
        for (name, value) in labels.iter().flat_map(|labels| labels.iter()) {
            hay.push_str(&format!("\n{name}=\"{value}\""));
        }
        let hay = hay.to_lowercase();
        self.words.iter().all(|word| hay.contains(word.as_str()))
    }
}

/// Writes the rows; returns how many there are by health.
fn active(out: &mut Vec<u8>, status: &Status, pool: Option<&str>, filter: &Filter) -> Value {
    let mut found = status.active(pool);
    if filter.is_ours {
        found.retain(|row| {
            let error = row.report.error.as_ref().map(ToString::to_string).unwrap_or_default();
            let texts = [row.pool.as_str(), row.target.url(), error.as_str()];
            let found = match filter.discovered {
                true => filter.finds(&[row.target.labels(), &row.target.discovered()], &texts),
                false => filter.finds(&[row.target.labels()], &texts),
            };
            found && (filter.url.is_empty() || filter.url == row.target.url())
        });
        found.sort_by_key(|row| rank(row.report.health));
    }
    let count = |health| found.iter().filter(|row| row.report.health == health).count();
    let counts = json!({
        "up": count(Health::Up), "down": count(Health::Down), "unknown": count(Health::Unknown),
    });
    let is_asked = |row: &&ActiveTarget| {
        filter.health.is_empty() || filter.health == row.report.health.as_str()
    };
    let rows = found.iter().filter(is_asked).take(filter.limit);
    write_list(out, rows.map(|row| active_json(row, filter.recent)));
    counts
}

fn rank(health: Health) -> u8 {
    match health {
        Health::Down => 0,
        Health::Unknown => 1,
        Health::Up => 2,
    }
}

fn dropped(out: &mut Vec<u8>, status: &Status, pool: Option<&str>, filter: &Filter) {
    let found = status.dropped(pool);
    let is_asked = |row: &&(String, DroppedTarget)| {
        let by = if filter.words.is_empty() { String::new() } else { dropped_by(row, status) };
        filter.finds(&[&row.1.discovered], &[&row.0, &by])
    };
    let rows = found.iter().filter(is_asked).take(filter.limit);
    write_list(out, rows.map(|row| dropped_json(row, status)));
}

fn active_json(row: &ActiveTarget, with_recent: bool) -> Value {
    let report = &row.report;
    let error = report.error.as_ref();
    let mut out = json!({
        "discoveredLabels": labels_json(&row.target.discovered()),
        "labels": labels_json(row.target.labels()),
        "scrapePool": row.pool,
        "scrapeUrl": row.target.url(),
        "globalUrl": global_url(row.target.url()),
        "lastError": error.map(ToString::to_string).unwrap_or_default(),
        "lastScrape": rfc3339(report.started_ms),
        "lastScrapeDuration": report.took.as_secs_f64(),
        "health": report.health.as_str(),
        "scrapeInterval": row.target.interval_text(),
        "scrapeTimeout": row.target.timeout_text(),
    });
    let Value::Object(fields) = &mut out else { return out };
    if let Some(error) = error {
        fields.insert("lastErrorStage".to_owned(), json!(error.stage()));
        fields.insert("lastErrorCure".to_owned(), json!(cure(error.stage())));
    }
    if report.started_ms != 0 {
        fields.insert("lastSamples".to_owned(), json!(report.samples));
        fields.insert("lastBodyBytes".to_owned(), json!(report.body_bytes));
        fields.insert("lastLateness".to_owned(), json!(report.lateness.as_secs_f64()));
    }
    if with_recent {
        let recent: Vec<Value> = row
            .target
            .recent()
            .iter()
            .map(|s| json!([s.took_us, s.lateness_us, s.samples]))
            .collect();
        fields.insert("recentScrapes".to_owned(), Value::Array(recent));
    }
    out
}

fn dropped_json(row: &(String, DroppedTarget), status: &Status) -> Value {
    json!({
        "discoveredLabels": labels_json(&row.1.discovered),
        "scrapePool": row.0,
        "droppedBy": dropped_by(row, status),
    })
}

/// The rule that dropped a target, in words.
fn dropped_by((pool, dropped): &(String, DroppedTarget), status: &Status) -> String {
    let Some(index) = dropped.rule else {
        return "no label was left but internal ones".to_owned();
    };
    let config = status.config(pool);
    let rule = config.as_ref().and_then(|config| config.relabel_configs.get(index));
    let action = rule.map_or("gone since", |rule| rule.config().action.as_str());
    format!("relabel rule {} ({action})", index + 1)
}

/// The target's URL as others reach it: loopback names become this host's.
fn global_url(text: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(text) else { return text.to_owned() };
    if matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
        && parsed.set_host(Some(&hostname())).is_ok()
    {
        return parsed.to_string();
    }
    text.to_owned()
}

/// The part of the overview.
pub(super) fn part(active: &[ActiveTarget]) -> Part {
    let down: Vec<&ActiveTarget> =
        active.iter().filter(|t| t.report.health == Health::Down).collect();
    let part = match down.first() {
        None => Part::good("Targets", format!("{} scraped", active.len())),
        Some(first) => {
            let reason = first.report.error.as_ref().map(ToString::to_string).unwrap_or_default();
            Part {
                name: "Targets".to_owned(),
                health: if down.len() == active.len() {
                    overview::Health::Bad
                } else {
                    overview::Health::Warn
                },
                text: format!(
                    "{} of {} down, for example {}: {reason}",
                    down.len(),
                    active.len(),
                    first.target.url()
                ),
                cure: first.report.error.as_ref().map(|e| cure(e.stage()).to_owned()),
                link: None,
            }
        }
    };
    part.link("targets")
}

/// What to do about a scrape that failed at a stage.
fn cure(stage: &str) -> &'static str {
    match stage {
        "resolve" => "check the host name and the DNS of this machine",
        "connect" => {
            "check that the target runs and listens at this address, and that no firewall is between"
        }
        "tls" => "check scheme, CA, server name and certificates of the job",
        "status" => "open the address by hand: the target answers, but not with 200",
        "timeout" => "the target is slow: raise scrape_timeout or find out why",
        "limit" => "the target exposes more than the limits of the job allow",
        "parse" => "the target's text is not valid: the line named is where",
        "append" => "the database did not take the samples: see its part of the overview",
        _ => "see the message",
    }
}

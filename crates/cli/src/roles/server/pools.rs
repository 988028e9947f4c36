//! What the API says of scrape pools: which there are and how what feeds them fares; of one, its configuration, and what its rules
//! make of labels step by step.

use gauntlet_api::{ApiError, Params};
use gauntlet_discovery::ProviderStatus;
use gauntlet_model::LabelsBuilder;
use gauntlet_model::relabel::{Rule, Scratch};
use gauntlet_scrape::status::Status;
use gauntlet_scrape::{Health, ScrapeConfig};
use gauntlet_yaml::ToYaml as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::roles::overview::Part;
use crate::roles::query::rfc3339;

/// `/api/v1/scrape_pools`. Ours beside the peer's list: `discovery`, every discovery with the age of its targets and, if it fails, why; and
/// `costs`, what each pool brings.
pub(super) fn list(status: &Status, discovery: &[ProviderStatus]) -> Value {
    let rows: Vec<Value> = discovery
        .iter()
        .map(|provider| {
            let (failed_ms, reason) = provider.failing.clone().unwrap_or_default();
            json!({
                "kind": provider.kind,
                "scrapePools": provider.jobs,
                "targets": provider.targets,
                "lastUpdate": rfc3339(provider.last_good_ms.unwrap_or_default()),
                "lastError": reason,
                "lastErrorTime": rfc3339(failed_ms),
            })
        })
        .collect();
    json!({ "scrapePools": status.pools(), "discovery": rows, "costs": costs(status) })
}

/// What pools cost, by the last scrapes of their targets.
fn costs(status: &Status) -> Value {
    let mut out: BTreeMap<String, Cost> = BTreeMap::new();
    for row in status.active(None) {
        let cost = out.entry(row.pool).or_default();
        let report = &row.report;
        cost.targets += 1;
        cost.up += usize::from(report.health == Health::Up);
        cost.samples += report.samples;
        cost.samples_kept += report.samples_kept;
        cost.samples_per_second += report.samples_kept as f64 / row.target.interval.as_secs_f64();
        cost.body_bytes += report.body_bytes;
        cost.seconds += report.took.as_secs_f64();
    }
    let rows = out.into_iter().map(|(pool, cost)| {
        let row = json!({
            "targets": cost.targets,
            "up": cost.up,
            "samples": cost.samples,
            "samplesKept": cost.samples_kept,
            "samplesPerSecond": cost.samples_per_second,
            "bodyBytes": cost.body_bytes,
            "seconds": cost.seconds,
        });
        (pool, row)
    });
    Value::Object(rows.collect())
}

/// Sums over the targets of a pool; the last scrape of each, but for samples a second.
#[derive(Debug, Default)]
struct Cost {
    targets: usize,
    up: usize,
    samples: usize,
    samples_kept: usize,
    samples_per_second: f64,
    body_bytes: usize,
    seconds: f64,
}

/// The overview's parts on discoveries: one for all that work, one for each that fails.
pub(super) fn discovery_parts(discovery: &[ProviderStatus], now_ms: i64) -> Vec<Part> {
    let mut parts = Vec::new();
    for provider in discovery {
        let Some((_, reason)) = &provider.failing else { continue };
        let name = format!("Discovery {} of {}", provider.kind, provider.jobs.join(", "));
        let part = match provider.last_good_ms {
            None => Part::failing(
                name,
                format!("has found nothing yet: {reason}"),
                "the job has no targets of it: mend what the message says",
            ),
            Some(at) => {
                let age = now_ms.saturating_sub(at) / 1000;
                let targets = provider.targets;
                Part::degraded(
                    name,
                    format!("{targets} targets are {age} s old: {reason}"),
                    "what was found last stays in use: mend what the message says",
                )
            }
        };
        parts.push(part.link("discovery"));
    }
    if parts.is_empty() && !discovery.is_empty() {
        let text = format!("{} run", discovery.len());
        parts.push(Part::good("Discovery", text).link("discovery"));
    }
    parts
}

/// `/api/v1/scrape_pools/config`
pub(super) fn config(status: &Status, params: &Params) -> Result<Value, ApiError> {
    let config = find(status, pool(params)?)?;
    Ok(json!({ "yaml": gauntlet_yaml::to_string(&config.to_yaml()) }))
}

/// `/api/v1/targets/relabel_steps`
pub(super) fn relabel_steps(status: &Status, params: &Params) -> Result<Value, ApiError> {
    let pool = pool(params)?;
    let given = params.get("labels");
    if given.is_empty() {
        return Err(ApiError::bad_data("no labels parameter provided"));
    }
    let mut labels = parse_labels(given)
        .map_err(|reason| ApiError::bad_data(format!("error parsing labels: {reason}")))?;
    let config = find(status, pool)?;
    let (mut scratch, mut keep) = (Scratch::default(), true);
    let steps: Vec<Value> = config
        .relabel_configs
        .iter()
        .map(|rule| {
            keep = keep && rule.apply(&mut labels, &mut scratch);
            let output: Map<String, Value> = match keep {
                true => labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect(),
                false => Map::new(),
            };
            json!({ "rule": rule_json(rule), "output": output, "keep": keep })
        })
        .collect();
    Ok(json!({ "steps": steps }))
}

fn pool(params: &Params) -> Result<&str, ApiError> {
    match params.get("scrapePool") {
        "" => Err(ApiError::bad_data("no scrapePool parameter provided")),
        pool => Ok(pool),
    }
}

fn find(status: &Status, pool: &str) -> Result<Arc<ScrapeConfig>, ApiError> {
    status.config(pool).ok_or_else(|| {
        ApiError::bad_data(format!(
            "error retrieving scrape config: scrape pool {pool:?} not found"
        ))
    })
}

/// An object of strings, with errors as Go has them where they are known.
fn parse_labels(text: &str) -> Result<LabelsBuilder, String> {
    let value: Value = serde_json::from_str(text).map_err(|err| {
        if err.is_eof() {
            return "unexpected end of JSON input".to_owned();
        }
        match text.trim_start().chars().next() {
            Some(c)
                if err.column() == 1 || err.is_syntax() && !"{[\"-0123456789tfn".contains(c) =>
            {
                format!("invalid character {} looking for beginning of value", GoChar(c))
            }
            _ => err.to_string(),
        }
    })?;
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut labels = LabelsBuilder::default();
    match &value {
        Value::Null => {}
        Value::Object(pairs) => {
            for (name, value) in pairs {
                let text = value.as_str().ok_or_else(|| {
                    format!("json: cannot unmarshal {} into Go value of type string", kind(value))
                })?;
                labels.set(name, text);
            }
        }
        other => {
            return Err(format!(
                "json: cannot unmarshal {} into Go value of type map[string]string",
                kind(other)
            ));
        }
    }
    Ok(labels)
}

/// A character as Go's JSON errors quote it.
struct GoChar(char);

impl std::fmt::Display for GoChar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            '\'' => f.write_str(r"'\''"),
            '"' => f.write_str("'\"'"),
            c => write!(f, "'{c}'"),
        }
    }
}

/// A rule as upstream prints it: what is empty is left out.
fn rule_json(rule: &Rule) -> Value {
    let config = rule.config();
    let mut out = Map::new();
    if !config.source_labels.is_empty() {
        out.insert("source_labels".into(), json!(config.source_labels));
    }
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            out.insert(name.into(), json!(value));
        }
    };
    text("separator", &config.separator);
    text("regex", config.regex.as_deref().unwrap_or("(.*)"));
    if config.modulus != 0 {
        out.insert("modulus".into(), json!(config.modulus));
    }
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            out.insert(name.into(), json!(value));
        }
    };
    text("target_label", &config.target_label);
    text("replacement", &config.replacement);
    text("action", config.action.as_str());
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discoveries_tell_how_old_their_targets_are() {
        let provider = |last_good_ms, failing: Option<&str>| ProviderStatus {
            kind: "http",
            jobs: vec!["a".into(), "b".into()],
            last_good_ms,
            failing: failing.map(|reason| (90_000, reason.to_owned())),
            targets: 3,
        };
        let texts = |list: &[ProviderStatus]| -> Vec<(String, String)> {
            discovery_parts(list, 100_000).into_iter().map(|p| (p.name, p.text)).collect()
        };
        assert_eq!(texts(&[]), []);
        let good = provider(Some(40_000), None);
        assert_eq!(texts(std::slice::from_ref(&good)), [("Discovery".into(), "1 run".into())]);
        let name = || "Discovery http of a, b".to_owned();
        let old = provider(Some(40_000), Some("refused"));
        let never = provider(None, Some("refused"));
        assert_eq!(
            texts(&[good, old.clone(), never]),
            [
                (name(), "3 targets are 60 s old: refused".to_owned()),
                (name(), "has found nothing yet: refused".to_owned())
            ]
        );
        let rows = list(&Status::default(), &[old]);
        assert_eq!(
            rows["discovery"][0],
            json!({"kind": "http", "scrapePools": ["a", "b"], "targets": 3, "lastError": "refused",
                "lastUpdate": "1970-01-01T00:00:40Z", "lastErrorTime": "1970-01-01T00:01:30Z"})
        );
    }

    #[test]
    fn labels_are_an_object_of_strings() {
        let check = |text: &str, expect: &str| assert_eq!(parse_labels(text).unwrap_err(), expect);
        check("x", "invalid character 'x' looking for beginning of value");
        check("[]", "json: cannot unmarshal array into Go value of type map[string]string");
        check("{\"a\":1}", "json: cannot unmarshal number into Go value of type string");
        check("{", "unexpected end of JSON input");
        assert_eq!(parse_labels("{\"a\":\"b\"}").unwrap().value("a"), "b");
    }
}

//! What the API says of one scrape pool: its configuration, and what its rules make of labels step by step.

use gauntlet_api::{ApiError, Params};
use gauntlet_model::LabelsBuilder;
use gauntlet_model::relabel::{Rule, Scratch};
use gauntlet_scrape::ScrapeConfig;
use gauntlet_scrape::status::Status;
use gauntlet_yaml::ToYaml as _;
use serde_json::{Map, Value, json};
use std::sync::Arc;

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
    fn labels_are_an_object_of_strings() {
        let check = |text: &str, expect: &str| assert_eq!(parse_labels(text).unwrap_err(), expect);
        check("x", "invalid character 'x' looking for beginning of value");
        check("[]", "json: cannot unmarshal array into Go value of type map[string]string");
        check("{\"a\":1}", "json: cannot unmarshal number into Go value of type string");
        check("{", "unexpected end of JSON input");
        assert_eq!(parse_labels("{\"a\":\"b\"}").unwrap().value("a"), "b");
    }
}

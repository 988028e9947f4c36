//! `puppetdb_sd_configs`: resources that a PuppetDB query finds. Source: PuppetDB query API v4.

use gauntlet_model::float::go_float;
use gauntlet_model::{Labels, TargetGroup};
use serde_json::{Map, Value, json};

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::http::is_json;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, decode};

/// Deepest nesting of parameters that is shown.
const MAX_DEPTH: usize = 32;

answer! {
    struct Resource {
        certname: String,
        resource: String,
        #[serde(rename = "type")]
        kind: String,
        title: String,
        exported: bool,
        tags: Vec<String>,
        file: String,
        environment: String,
        parameters: Map<String, Value>,
    }
}

#[derive(Debug)]
pub(super) struct PuppetDb {
    api: Api,
    url: String,
    query: String,
    port: i64,
    include_parameters: bool,
}

impl PuppetDb {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        Ok(Self {
            api: making.api()?,
            url: format!("{}/pdb/query/v4", fields.str("url").trim_end_matches('/')),
            query: fields.str("query").to_owned(),
            port: fields.int("port"),
            include_parameters: fields.bool("include_parameters"),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let body = json!({ "query": self.query }).to_string();
        let ask = self.api.post_ask(&self.url, body).header("accept", "application/json");
        let answer = self.api.send(ask.header("content-type", "application/json")).await?;
        let kind = answer.header("content-type").unwrap_or_default();
        if !is_json(kind) {
            return Err(format!("unsupported content type {kind}"));
        }
        let resources: Vec<Resource> = decode(&answer.body)?;
        let targets = resources.iter().map(|resource| self.target(resource)).collect();
        Ok(one_group(format!("{}?query={}", self.url, self.query), targets))
    }

    fn target(&self, resource: &Resource) -> Labels {
        let mut target = Meta::new("__meta_puppetdb_");
        target
            .address(&resource.certname, self.port)
            .put("query", &self.query)
            .put("certname", &resource.certname)
            .put("resource", &resource.resource)
            .put("type", &resource.kind)
            .put("title", &resource.title)
            .show("exported", resource.exported)
            .put("file", &resource.file)
            .put("environment", &resource.environment)
            .list("tags", ",", &resource.tags);
        if self.include_parameters {
            put_parameters(&mut target, "parameter_", &resource.parameters, 0);
        }
        target.build()
    }
}

refresh!(PuppetDb);

fn put_parameters(target: &mut Meta, prefix: &str, parameters: &Map<String, Value>, depth: usize) {
    for (name, value) in parameters {
        let name = format!("{prefix}{}", sanitise(name));
        let text = match value {
            Value::Object(nested) if depth < MAX_DEPTH => {
                put_parameters(target, &format!("{name}_"), nested, depth + 1);
                continue;
            }
            Value::Array(values) => {
                let values: Vec<String> = values.iter().map(scalar).collect();
                values.join(",")
            }
            value => scalar(value),
        };
        if !text.is_empty() {
            target.put(&name, text);
        }
    }
}

/// Numbers as Go shows floats; anything but text, numbers and truth is nothing.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.as_f64().map(shortest).unwrap_or_default(),
        _ => String::new(),
    }
}

/// As Go's `'g'`: an exponent from 21 digits of `%v` on would come later than here, where it comes from six on.
fn shortest(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && (1e6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{digits}e+{exponent:0>2}");
    }
    go_float(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let check = |text: &str, want: &str| {
            assert_eq!(scalar(&serde_json::from_str(text).unwrap()), want);
        };
        check("0", "0");
        check("80", "80");
        check("-1.5", "-1.5");
        check("999999", "999999");
        check("1000000", "1e+06");
        check("12345678", "1.2345678e+07");
        check("1e22", "1e+22");
        check("null", "");
    }
}

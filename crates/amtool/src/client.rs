//! Calls of the API v2 of a server. Answers stay JSON: what is printed as JSON keeps the server's order of fields.

use std::time::Duration;

use bytes::Bytes;
use gauntlet_model::MatchOp;
use gauntlet_net::client::{ClientOptions, HttpClient};
use gauntlet_net::config::{BasicAuth, HttpClientConfig, Secret};
use gauntlet_yaml::{Context, Dialect, Document, FromYaml as _};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{Failure, Run};

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 256 << 20;
/// Shown of an answer that is no JSON.
const MAX_SHOWN: usize = 500;

/// A server.
pub(crate) struct Client {
    http: HttpClient,
    base: String,
    timeout: Duration,
}

/// One kind of call, with the names that errors carry.
struct Operation {
    method: Method,
    /// As the API's description has it.
    template: &'static str,
    name: &'static str,
    /// Statuses with an error of their own, and whether it carries a text.
    known: &'static [(u16, &'static str, bool)],
}

const BAD: (u16, &str, bool) = (400, "BadRequest", true);
const MISSING: (u16, &str, bool) = (404, "NotFound", false);
const BROKEN: (u16, &str, bool) = (500, "InternalServerError", true);

impl Client {
    pub(crate) fn new(run: &Run<'_, '_>) -> Result<Self, Failure> {
        let Some(url) = &run.call.url else {
            return Err(Failure::new("failed to get Alertmanager configuration"));
        };
        let mut config = HttpClientConfig::default();
        let file = run.call.text("http.config.file");
        if let Some((username, password)) = &url.user {
            if !file.is_empty() {
                let text = "basic authentication and http.config.file are mutually exclusive";
                return Err(Failure::Terse(text.to_owned()));
            }
            config.basic_auth = Some(BasicAuth {
                username: username.clone(),
                password: Secret::new(password.clone()),
                ..BasicAuth::default()
            });
        }
        if !file.is_empty() {
            config = http_config(file).map_err(|reason| {
                Failure::Terse(format!("failed to load HTTP config file: {reason}"))
            })?;
        }
        let http = HttpClient::new(&config, ClientOptions::default())
            .map_err(|err| Failure::Terse(format!("failed to create a new HTTP client: {err}")))?;
        let scheme = if url.scheme.is_empty() { "http" } else { &url.scheme };
        let host = if url.host.is_empty() { "localhost:9093" } else { &url.host };
        let base = format!("{scheme}://{host}{}/api/v2", url.path);
        Ok(Self { http, base, timeout: run.call.timeout })
    }

    pub(crate) async fn status(&self) -> Result<Value, Failure> {
        let operation =
            Operation { method: Method::GET, template: "/status", name: "getStatus", known: &[] };
        self.call(&operation, "/status", None).await
    }

    /// Alerts by their states, receiver and matchers.
    pub(crate) async fn alerts(
        &self,
        states: [(&str, bool); 4],
        receiver: &str,
        filter: &[String],
    ) -> Result<Vec<Value>, Failure> {
        let mut query: Vec<(&str, &str)> = states
            .iter()
            .map(|(name, on)| (*name, if *on { "true" } else { "false" }))
            .chain(filter.iter().map(|text| ("filter", text.as_str())))
            .collect();
        if !receiver.is_empty() {
            query.push(("receiver", receiver));
        }
        let operation = Operation {
            method: Method::GET,
            template: "/alerts",
            name: "getAlerts",
            known: &[BAD, BROKEN],
        };
        list(self.call(&operation, &with_query("/alerts", query), None).await?)
    }

    pub(crate) async fn post_alerts(&self, alerts: &Value) -> Result<(), Failure> {
        let operation = Operation {
            method: Method::POST,
            template: "/alerts",
            name: "postAlerts",
            known: &[BAD, BROKEN],
        };
        self.call(&operation, "/alerts", Some(alerts)).await.map(drop)
    }

    pub(crate) async fn silences(&self, filter: &[String]) -> Result<Vec<Value>, Failure> {
        let query = filter.iter().map(|text| ("filter", text.as_str())).collect();
        let operation = Operation {
            method: Method::GET,
            template: "/silences",
            name: "getSilences",
            known: &[BAD, BROKEN],
        };
        list(self.call(&operation, &with_query("/silences", query), None).await?)
    }

    pub(crate) async fn silence(&self, id: &str) -> Result<Value, Failure> {
        let operation = Operation {
            method: Method::GET,
            template: "/silence/{silenceID}",
            name: "getSilence",
            known: &[MISSING, BROKEN],
        };
        self.call(&operation, &format!("/silence/{}", path_part(id)), None).await
    }

    /// Makes or changes a silence; returns its id.
    pub(crate) async fn post_silence(&self, silence: &Value) -> Result<String, Failure> {
        let operation = Operation {
            method: Method::POST,
            template: "/silences",
            name: "postSilences",
            known: &[BAD, (404, "NotFound", true)],
        };
        let answer = self.call(&operation, "/silences", Some(silence)).await?;
        Ok(answer["silenceID"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn expire_silence(&self, id: &str) -> Result<(), Failure> {
        let operation = Operation {
            method: Method::DELETE,
            template: "/silence/{silenceID}",
            name: "deleteSilence",
            known: &[MISSING, BROKEN],
        };
        self.call(&operation, &format!("/silence/{}", path_part(id)), None).await.map(drop)
    }

    pub(crate) async fn ledger(&self, query: Vec<(&str, &str)>) -> Result<Value, Failure> {
        let operation = Operation {
            method: Method::GET,
            template: "/ledger",
            name: "getLedger",
            known: &[BAD],
        };
        self.call(&operation, &with_query("/ledger", query), None).await
    }

    async fn call(
        &self,
        operation: &Operation,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut request = Request::builder()
            .method(operation.method.clone())
            .uri(format!("{}{path}", self.base))
            .header(header::ACCEPT, "application/json");
        let bytes = match body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
        };
        let request = request.body(bytes).map_err(|err| Failure::Message(err.to_string()))?;
        let sent = self.http.send(request, self.timeout).await;
        let response = sent.map_err(|err| Failure::Message(err.to_string()))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|err| Failure::Message(format!("reading the answer: {err}")))?
            .to_bytes();
        if status == 200 {
            if body.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&body)
                .map_err(|err| Failure::Message(format!("the answer is not JSON: {err}")));
        }
        let Operation { method, template, name, known } = operation;
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_SHOWN)]);
        let text = text.trim_end();
        Err(Failure::Message(match known.iter().find(|(code, ..)| *code == status) {
            Some((_, kind, true)) => {
                format!("[{method} {template}][{status}] {name}{kind} {text}")
            }
            Some((_, kind, false)) => format!("[{method} {template}][{status}] {name}{kind}"),
            None => format!("[{method} {template}] {name} (status {status}): {text}"),
        }))
    }
}

/// Whether a failed call says that the thing is not there.
pub(crate) fn is_not_found(failure: &Failure) -> bool {
    matches!(failure, Failure::Message(text) if text.contains("][404] "))
}

/// A matcher as the API wants it.
pub(crate) fn matcher_json(matcher: &gauntlet_alertmanager::Matcher) -> Value {
    let is_equal = matches!(matcher.op, MatchOp::Equal | MatchOp::Regex);
    let is_regex = matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex);
    json!({
        "isEqual": is_equal,
        "isRegex": is_regex,
        "name": &*matcher.name,
        "value": &*matcher.value,
    })
}

fn list(value: Value) -> Result<Vec<Value>, Failure> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        _ => Err(Failure::new("the answer is no list")),
    }
}

/// Parameters in the order of their names, as Go encodes them.
fn with_query(path: &str, mut query: Vec<(&str, &str)>) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    query.sort_by(|a, b| a.0.cmp(b.0));
    let mut text = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    for (name, value) in query {
        text.append_pair(name, value);
    }
    // Go leaves the tilde as it is and encodes the asterisk.
    text.finish().replace("%7E", "~").replace('*', "%2A")
}

fn path_part(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-_.~$&+:=@".contains(&b);
    text.bytes()
        .map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn http_config(path: &str) -> Result<HttpClientConfig, String> {
    let text = std::fs::read(path).map_err(|err| crate::args::io_text("open", path, &err))?;
    let document = Document::parse(&text, Dialect::V2).map_err(|err| err.to_string())?;
    let mut cx = Context::new();
    let config = match document.root() {
        Some(root) => HttpClientConfig::from_yaml(root, &mut cx),
        None => Some(HttpClientConfig::default()),
    };
    let mut config = cx.finish(config).map_err(|problems| problems.to_string())?;
    if let Some(dir) = std::path::Path::new(path).parent() {
        config.set_directory(&dir.display().to_string());
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded_as_go_does() {
        let query = vec![("filter", "alertname=\"a=~(\""), ("active", "true"), ("filter", "a*")];
        assert_eq!(
            with_query("/alerts", query),
            "/alerts?active=true&filter=alertname%3D%22a%3D~%28%22&filter=a%2A"
        );
    }
}

//! A whole Prometheus over HTTP, as a sidecar reads it: samples by remote read, labels and label sets by its API, and the facts
//! that a sidecar announces.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_model::{Labels, Matcher, Timestamp};
use gauntlet_net::client::HttpClient;
use gauntlet_storage::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet, SeriesSetBuilder,
    TimeRange,
};
use gauntlet_yaml::{Dialect, Document, Node};
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use crate::read::ReadError;
use crate::read_client::RemoteReadClient;

/// Largest answer of the API or of `/metrics`.
const MAX_BODY_BYTES: usize = 256 << 20;
/// The years that the API's times may name, in seconds.
const TIME_BOUNDS: (f64, f64) = (-62_135_596_800.0, 253_402_300_799.0);
/// The metric that tells the oldest sample.
const LOWEST_TIMESTAMP: &str = "prometheus_tsdb_lowest_timestamp_seconds";

/// A Prometheus at a base URL.
#[derive(Clone, Debug)]
pub struct PrometheusReader {
    base: String,
    client: HttpClient,
    timeout: Duration,
    read: RemoteReadClient,
}

impl PrometheusReader {
    /// `base` is scheme, host and prefix, e.g. `http://localhost:9090`.
    pub fn new(base: &str, client: HttpClient, timeout: Duration) -> Result<Self, ReadError> {
        let base = base.trim_end_matches('/').to_owned();
        let url = format!("{base}/api/v1/read");
        let url = url.parse().map_err(|err| ReadError::BadRequest(format!("{base}: {err}")))?;
        let read = RemoteReadClient::new(base.clone(), url, client.clone(), timeout);
        Ok(Self { base, client, timeout, read })
    }

    async fn get(&self, path: &str, params: &[(&str, String)]) -> Result<Bytes, ReadError> {
        let mut query = String::new();
        for (name, value) in params {
            let separator = if query.is_empty() { '?' } else { '&' };
            query.push_str(&format!("{separator}{}={}", escape(name), escape(value)));
        }
        let url = format!("{}{path}{query}", self.base);
        let failed =
            |err: &dyn std::fmt::Display| ReadError::Failed(format!("{}{path}: {err}", self.base));
        let request = Request::get(&url).body(Bytes::new()).map_err(|err| failed(&err))?;
        let response = self.client.send(request, self.timeout).await.map_err(|err| failed(&err))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect();
        let body = tokio::time::timeout(self.timeout, body).await.map_err(|err| failed(&err))?;
        let body = body.map_err(|err| failed(&err))?.to_bytes();
        if !status.is_success() {
            let shown = String::from_utf8_lossy(&body[..body.len().min(512)]).into_owned();
            return Err(failed(&format!("status {status}: {}", shown.trim())));
        }
        Ok(body)
    }

    /// `data` of an API answer, and its warnings.
    async fn api(
        &self,
        path: &str,
        params: &[(&str, String)],
    ) -> Result<(Value, Vec<String>), ReadError> {
        let body = self.get(path, params).await?;
        let damaged = |text: String| ReadError::Damaged(format!("{path}: {text}"));
        let mut answer: Value =
            serde_json::from_slice(&body).map_err(|err| damaged(err.to_string()))?;
        if answer["status"] != "success" {
            return Err(damaged(answer["error"].to_string()));
        }
        let warnings = strings(&answer["warnings"]);
        Ok((answer["data"].take(), warnings))
    }

    /// `global.external_labels` of its configuration.
    pub async fn external_labels(&self) -> Result<Labels, ReadError> {
        let (data, _) = self.api("/api/v1/status/config", &[]).await?;
        let damaged = |text: &str| ReadError::Damaged(format!("/api/v1/status/config: {text}"));
        let text = data["yaml"].as_str().ok_or_else(|| damaged("no yaml in it"))?;
        let document = Document::parse(text.as_bytes(), Dialect::V2)
            .map_err(|err| damaged(&err.to_string()))?;
        let mut pairs = Vec::new();
        if let Some(root) = document.root()
            && let Some(global) = child(root, "global")
            && let Some(labels) = child(global, "external_labels")
        {
            for (name, value) in labels.pairs() {
                pairs.push((name.text().unwrap_or_default(), value.text().unwrap_or_default()));
            }
        }
        Ok(Labels::from_pairs(pairs))
    }

    /// Its oldest sample in milliseconds, as its metrics tell; the far past where they do not.
    pub async fn lowest_timestamp(&self) -> Result<Timestamp, ReadError> {
        let body = self.get("/metrics", &[]).await?;
        let text = String::from_utf8_lossy(&body);
        let line =
            text.lines().find_map(|line| line.strip_prefix(LOWEST_TIMESTAMP)?.strip_prefix(' '));
        let seconds =
            line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<f64>().ok());
        Ok(seconds.map_or(0, |seconds| (seconds * 1000.0) as Timestamp))
    }

    /// One of its flags, without dashes; `None` where it has no such flag or no flags page.
    pub async fn flag(&self, name: &str) -> Result<Option<String>, ReadError> {
        let (data, _) = self.api("/api/v1/status/flags", &[]).await?;
        Ok(data[name].as_str().map(str::to_owned))
    }

    fn params(matchers: &[Matcher], range: TimeRange) -> Vec<(&'static str, String)> {
        let mut params = vec![("start", seconds(range.min)), ("end", seconds(range.max))];
        if !matchers.is_empty() {
            let list: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            params.push(("match[]", format!("{{{}}}", list.join(","))));
        }
        params
    }

    async fn series(&self, request: &SelectRequest) -> Result<SeriesSet, ReadError> {
        let params = Self::params(&request.matchers, request.range);
        let (data, warnings) = self.api("/api/v1/series", &params).await?;
        let mut builder = SeriesSetBuilder::new();
        for series in data.as_array().into_iter().flatten() {
            let pairs = series.as_object().into_iter().flatten();
            let pairs =
                pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
            builder.push_series(Labels::from_pairs(pairs));
        }
        warnings.into_iter().for_each(|warning| builder.warn(warning));
        Ok(builder.build_sorted())
    }
}

impl Queryable for PrometheusReader {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        if request.hints.labels_only {
            return async move { Ok(self.series(request).await?) }.boxed();
        }
        self.read.select(request)
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let params = Self::params(&request.matchers, request.range);
            let (data, warnings) = self.api("/api/v1/labels", &params).await?;
            Ok(LabelAnswer { values: strings(&data), warnings })
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let params = Self::params(&request.matchers, request.range);
            let path = format!("/api/v1/label/{}/values", escape(&escape_name(name)));
            let (data, warnings) = self.api(&path, &params).await?;
            Ok(LabelAnswer { values: strings(&data), warnings })
        }
        .boxed()
    }
}

/// The value of a key in a mapping.
fn child<'d>(node: Node<'d>, name: &str) -> Option<Node<'d>> {
    node.pairs().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
}

fn strings(data: &Value) -> Vec<String> {
    data.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Seconds as the API reads them, kept inside the years it knows.
fn seconds(ms: Timestamp) -> String {
    let seconds = (ms as f64 / 1000.0).clamp(TIME_BOUNDS.0, TIME_BOUNDS.1);
    format!("{seconds:.3}")
}

/// A label name as a path of the API takes it: names outside the old rule travel as `U__` and hex in underscores.
fn escape_name(name: &str) -> String {
    if gauntlet_model::labels::is_legacy_label_name(name) && !name.starts_with("U__") {
        return name.to_owned();
    }
    let mut out = "U__".to_owned();
    for c in name.chars() {
        match c {
            '_' => out.push_str("__"),
            c if c.is_ascii_alphanumeric() => out.push(c),
            c => out.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_travel_as_the_api_reads_them() {
        assert_eq!(escape_name("app.utf8"), "U__app_2e_utf8");
        assert_eq!((escape_name("job"), escape_name("U__x")), ("job".into(), "U__U____x".into()));
        assert_eq!(seconds(1_500), "1.500");
        assert_eq!(seconds(Timestamp::MAX), "253402300799.000");
        assert_eq!(escape("a b&{"), "a%20b%26%7B");
    }
}

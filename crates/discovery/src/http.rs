//! `http_sd_configs`: groups as JSON from a URL.

use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_runtime::Shutdown;

use crate::config::Fields;
use crate::deps::Deps;
use crate::discoverer::{Client, Discoverer, Refresh, RefreshLoop, Updates};
use crate::parse::groups_from_json;
use gauntlet_model::TargetGroup;

/// The label that holds the URL a target came from.
const URL_LABEL: &str = "__meta_url";

/// Asks a URL.
#[derive(Debug)]
pub(crate) struct HttpDiscoverer {
    url: String,
    interval: Duration,
    job: String,
    client: Client,
    deps: Deps,
    /// Groups of the last good answer.
    known: usize,
}

impl HttpDiscoverer {
    pub(crate) fn new(fields: &Fields, job: &str, client: Client, deps: &Deps) -> Self {
        Self {
            url: fields.str("url").to_owned(),
            interval: fields.duration("refresh_interval").to_std(),
            job: job.to_owned(),
            client,
            deps: deps.clone(),
            known: 0,
        }
    }

    async fn ask(&self) -> Result<Vec<TargetGroup>, String> {
        let headers = [
            ("accept", "application/json".to_owned()),
            ("x-prometheus-refresh-interval-seconds", self.interval.as_secs_f64().to_string()),
        ];
        let answer = self.client.get(&self.url, &headers, self.interval).await;
        let answer = answer.map_err(|err| err.to_string())?;
        if answer.status != 200 {
            return Err(format!("server returned HTTP status {}", answer.status));
        }
        let kind = answer.header("content-type").unwrap_or_default();
        if !is_json(kind) {
            return Err(format!("unsupported content type {kind:?}"));
        }
        groups_from_json(&answer.body)
    }
}

/// `application/json`, alone or in UTF-8.
pub(crate) fn is_json(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let Some(rest) = kind.trim().strip_prefix("application/json") else { return false };
    let rest = rest.trim_start();
    rest.is_empty()
        || rest.strip_prefix(';').is_some_and(|parameter| {
            matches!(parameter.trim(), "charset=utf-8" | "charset=\"utf-8\"")
        })
}

impl Refresh for HttpDiscoverer {
    fn refresh(&mut self) -> BoxFuture<'_, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let found = self.ask().await;
            let mut groups = found.inspect_err(|_| self.deps.metrics.http_failures.inc())?;
            let count = groups.len();
            for (index, group) in groups.iter_mut().enumerate() {
                group.source = format!("{}:{index}", self.url);
                let mut labels = group.labels.to_builder();
                labels.set(URL_LABEL, &self.url);
                group.labels = labels.build();
            }
            // Take back the groups that the last answer had more.
            groups.extend((count..self.known).map(|index| TargetGroup {
                source: format!("{}:{index}", self.url),
                ..TargetGroup::default()
            }));
            self.known = count;
            Ok(groups)
        })
    }
}

impl Discoverer for HttpDiscoverer {
    fn run(self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        let calls = RefreshLoop {
            mechanism: "http",
            job: self.job.clone(),
            interval: self.interval,
            deps: self.deps.clone(),
        };
        Box::pin(calls.run(*self, updates, shutdown))
    }
}

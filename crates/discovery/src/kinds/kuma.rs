//! `kuma_sd_configs`: the dataplanes that a Kuma control plane assigns. Source: Kuma's monitoring assignment discovery service
//! v1 over xDS v3 as REST and JSON.
//!
//! The server holds an answer back until there is news; an answer without news leaves what was found.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_model::{ADDRESS_LABEL, Labels};
use gauntlet_runtime::Shutdown;
use serde_json::json;

use super::{Making, Pairs};
use crate::answer::answer;
use crate::deps::Deps;
use crate::discoverer::{Discoverer, StartError, Updates, pause, refresh_interval};
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, decode, query, refusal};

const TYPE: &str = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment";
/// How much longer than the server is asked to hold back an answer it is waited for.
const GRACE: Duration = Duration::from_secs(15);

answer! {
    struct Assignments {
        #[serde(rename = "versionInfo", alias = "version_info")]
        version: String,
        #[serde(rename = "typeUrl", alias = "type_url")]
        type_url: String,
        nonce: String,
        resources: Vec<Assignment>,
    }

    struct Assignment {
        mesh: String,
        service: String,
        labels: Pairs,
        targets: Vec<Target>,
    }

    struct Target {
        name: String,
        scheme: String,
        address: String,
        #[serde(rename = "metricsPath", alias = "metrics_path")]
        metrics_path: String,
        labels: Pairs,
    }
}

/// Follows a control plane.
#[derive(Debug)]
pub(crate) struct Kuma {
    api: Api,
    url: String,
    client_id: String,
    interval: Duration,
    deps: Deps,
    version: String,
    nonce: String,
}

impl Kuma {
    pub(crate) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let server = fields.str("server").trim_end_matches('/');
        if !server.starts_with("http://") && !server.starts_with("https://") {
            return Err(making.refused(
                "kuma_sd: invalid xDS server URL protocol. must be either 'http' or 'https'",
            ));
        }
        let wait = fields.duration("fetch_timeout");
        let mut api = making.api()?;
        api.timeout = wait.to_std() + GRACE;
        let client_id = match fields.str("client_id") {
            "" => std::fs::read_to_string("/proc/sys/kernel/hostname")
                .map_or("prometheus".to_owned(), |name| name.trim().to_owned()),
            given => given.to_owned(),
        };
        let query = query([("fetch-timeout", &*wait.to_string())]);
        Ok(Self {
            api,
            url: format!("{server}/v3/discovery:monitoringassignments?{query}"),
            client_id,
            interval: refresh_interval(fields),
            deps: making.deps.clone(),
            version: String::new(),
            nonce: String::new(),
        })
    }

    /// `None`: there is no news.
    async fn fetch(&mut self) -> Result<Option<Vec<Labels>>, String> {
        let mut body = json!({ "node": { "id": self.client_id }, "type_url": TYPE });
        for (name, value) in [("version_info", &self.version), ("response_nonce", &self.nonce)] {
            if !value.is_empty() {
                body[name] = json!(value);
            }
        }
        let ask = self.api.post_ask(&self.url, body.to_string());
        let ask =
            ask.header("content-type", "application/json").header("accept", "application/json");
        let answer = self.api.client.send(ask).await.map_err(|err| err.to_string())?;
        match answer.status {
            304 => return Ok(None),
            200 => {}
            _ => return Err(refusal(&self.url, &answer)),
        }
        let found: Assignments = decode(&answer.body)?;
        self.version = found.version;
        self.nonce = found.nonce;
        if found.type_url != TYPE {
            let url = found.type_url;
            return Err(format!("received invalid typeURL for Kuma MADS v1 Resource: {url}"));
        }
        Ok(Some(found.resources.iter().flat_map(targets).collect()))
    }
}

fn targets(assignment: &Assignment) -> impl Iterator<Item = Labels> {
    assignment.targets.iter().map(|target| {
        // Of labels alike the assignment's win.
        let mut labels: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in target.labels.iter().chain(&assignment.labels) {
            labels.insert(sanitise(name), value);
        }
        Meta::new("__meta_kuma_")
            .put_all("label_", labels)
            .put("mesh", &assignment.mesh)
            .put("service", &assignment.service)
            .put("dataplane", &target.name)
            .set(ADDRESS_LABEL, &target.address)
            .set("instance", &target.name)
            .set("__scheme__", &target.scheme)
            .set("__metrics_path__", &target.metrics_path)
            .build()
    })
}

impl Discoverer for Kuma {
    fn run(mut self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let (metrics, clock) = (self.deps.metrics.clone(), self.deps.clock.clone());
                let start = clock.monotonic();
                let fetched = tokio::select! {
                    fetched = self.fetch() => fetched,
                    () = shutdown.wait() => return,
                };
                let took = clock.monotonic().saturating_sub(start);
                metrics.kuma_duration.observe(took.as_secs_f64());
                let goes_on = match fetched {
                    Ok(Some(targets)) => updates.send(one_group("kuma", targets)).await,
                    Ok(None) => {
                        metrics.kuma_skipped.inc();
                        true
                    }
                    Err(err) => {
                        metrics.kuma_failures.inc();
                        tracing::error!(discovery = "kuma", err, "error parsing resources");
                        updates.fail(err).await
                    }
                };
                let rest = self.interval.saturating_sub(took);
                if !goes_on || !pause(rest, &shutdown).await {
                    return;
                }
            }
        })
    }
}

//! `consul_sd_configs`: the services of a Consul catalog and their healthy and unhealthy instances.
//!
//! The catalog's list is asked for, then each wanted service is watched by a task of its own with blocking queries: Consul
//! answers when something changed or after two minutes. Facts: upstream's `discovery/consul`.

mod target;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_runtime::{Shutdown, ShutdownTrigger};
use serde::de::DeserializeOwned;

use crate::config::Fields;
use crate::deps::Deps;
use crate::discoverer::{Client, Discoverer, Updates, pause};
use crate::rest::escape;
use gauntlet_model::TargetGroup;

/// How long Consul may hold an answer back.
const WATCH_TIMEOUT: Duration = Duration::from_secs(120);
/// How long to wait after an error.
const RETRY: Duration = Duration::from_secs(15);

/// Watches a catalog.
#[derive(Debug)]
pub(crate) struct ConsulDiscoverer {
    context: Context,
}

/// What all tasks of a discovery share.
#[derive(Clone, Debug)]
struct Context {
    client: Client,
    deps: Deps,
    fields: Arc<Fields>,
    base: String,
    interval: Duration,
    datacenter: String,
}

/// A decoded answer and the index that the next blocking query waits on.
struct Indexed<T> {
    value: T,
    index: u64,
}

impl ConsulDiscoverer {
    pub(crate) fn new(fields: &Fields, client: Client, deps: &Deps) -> Self {
        let server = fields.str("server");
        let (scheme, host) = server.split_once("://").unwrap_or((fields.str("scheme"), server));
        let base =
            format!("{scheme}://{}{}", host.trim_end_matches('/'), fields.str("path_prefix"));
        let context = Context {
            client,
            deps: deps.clone(),
            base,
            interval: fields.duration("refresh_interval").to_std(),
            datacenter: fields.str("datacenter").to_owned(),
            fields: Arc::new(fields.clone()),
        };
        Self { context }
    }
}

impl Discoverer for ConsulDiscoverer {
    fn run(self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut context = self.context;
            while context.datacenter.is_empty() {
                match context.find_datacenter().await {
                    Ok(name) => context.datacenter = name,
                    Err(err) => {
                        tracing::error!(
                            discovery = "consul",
                            err,
                            "error retrieving datacenter name"
                        );
                        if !pause(RETRY, &shutdown).await {
                            return;
                        }
                    }
                }
            }
            let names = context.fields.strings("services").to_vec();
            let by_catalog = names.is_empty()
                || !context.fields.strings("tags").is_empty()
                || !context.fields.str("filter").is_empty();
            let mut watches = Watches { context, updates, shutdown, running: HashMap::new() };
            if by_catalog {
                watches.follow_catalog().await;
            } else {
                names.into_iter().for_each(|name| watches.start(name));
                watches.shutdown.wait().await;
            }
        })
    }
}

/// The watched services, each with the trigger that ends its task.
struct Watches {
    context: Context,
    updates: Updates,
    shutdown: Shutdown,
    running: HashMap<String, ShutdownTrigger>,
}

impl Watches {
    fn start(&mut self, name: String) {
        let (trigger, ended) = Shutdown::new();
        self.running.insert(name.clone(), trigger);
        let (context, updates) = (self.context.clone(), self.updates.clone());
        // The task ends with its trigger, which lives here.
        tokio::spawn(async move {
            tokio::select! {
                () = watch_service(context, name, updates) => {}
                () = ended.wait() => {}
            }
        });
    }

    /// Asks for the list of services over and over, starting and ending watches.
    async fn follow_catalog(&mut self) {
        let mut index = 0;
        loop {
            let found = tokio::select! {
                found = self.context.services(index) => found,
                () = self.shutdown.wait() => return,
            };
            let wait = match found {
                Ok(found) => {
                    // An index that falls back means that Consul was restored: start over.
                    let changed = found.index != index;
                    index = if found.index < index { 0 } else { found.index };
                    if changed && !self.adopt(&found.value).await {
                        return;
                    }
                    self.context.interval
                }
                Err(err) => {
                    tracing::error!(discovery = "consul", err, "error refreshing service list");
                    RETRY
                }
            };
            if !pause(wait, &self.shutdown).await {
                return;
            }
        }
    }

    /// Starts what is new and ends what is gone. `false`: nobody listens any more.
    async fn adopt(&mut self, services: &BTreeMap<String, Vec<String>>) -> bool {
        let wanted = |name: &str, tags: &[String]| self.context.wants(name, tags);
        let new: Vec<String> = services
            .iter()
            .filter(|(name, tags)| wanted(name, tags) && !self.running.contains_key(*name))
            .map(|(name, _)| name.clone())
            .collect();
        let gone: Vec<String> = self
            .running
            .keys()
            .filter(|name| !services.get(*name).is_some_and(|tags| wanted(name, tags)))
            .cloned()
            .collect();
        new.into_iter().for_each(|name| self.start(name));
        for name in gone {
            self.running.remove(&name);
            let empty = TargetGroup { source: name, ..TargetGroup::default() };
            if !self.updates.send(vec![empty]).await {
                return false;
            }
        }
        true
    }
}

/// Reports a service's instances whenever they change. Ends when nobody listens.
async fn watch_service(context: Context, name: String, updates: Updates) {
    let mut index = 0;
    loop {
        match context.instances(&name, index).await {
            Ok(found) => {
                let changed = found.index != index;
                index = if found.index < index { 0 } else { found.index };
                if changed {
                    let separator = context.fields.str("tag_separator");
                    let group = target::group(&name, &context.datacenter, separator, &found.value);
                    if !updates.send(vec![group]).await {
                        return;
                    }
                }
                tokio::time::sleep(context.interval).await;
            }
            Err(err) => {
                tracing::error!(discovery = "consul", service = %name, err, "error refreshing service");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

impl Context {
    /// Whether a service of the catalog is asked for: by name, and with all tags.
    fn wants(&self, name: &str, tags: &[String]) -> bool {
        let names = self.fields.strings("services");
        (names.is_empty() || names.iter().any(|n| n == name))
            && self.fields.strings("tags").iter().all(|tag| tags.contains(tag))
    }

    async fn find_datacenter(&self) -> Result<String, String> {
        let agent: serde_json::Value = self.ask("/v1/agent/self", &[]).await?.value;
        let name = agent["Config"]["Datacenter"].as_str().filter(|name| !name.is_empty());
        name.map(str::to_owned).ok_or_else(|| "agent names no datacenter".to_owned())
    }

    async fn services(&self, index: u64) -> Result<Indexed<BTreeMap<String, Vec<String>>>, String> {
        let start = self.deps.clock.monotonic();
        let mut query = self.blocking_query(index);
        let filter = self.fields.str("filter");
        if !filter.is_empty() {
            query.push(("filter", filter.to_owned()));
        }
        let answer = self.ask("/v1/catalog/services", &query).await;
        self.observe("services", start);
        answer
    }

    async fn instances(
        &self,
        name: &str,
        index: u64,
    ) -> Result<Indexed<Vec<target::Entry>>, String> {
        let start = self.deps.clock.monotonic();
        let mut query = self.blocking_query(index);
        let filter = self.fields.str("health_filter");
        if !filter.is_empty() {
            query.push(("filter", filter.to_owned()));
        }
        query.extend(self.fields.strings("tags").iter().map(|tag| ("tag", tag.clone())));
        let path = format!("/v1/health/service/{}", escape(name, b"&=+$:@"));
        let answer = self.ask(&path, &query).await;
        self.observe("service", start);
        answer
    }

    fn blocking_query(&self, index: u64) -> Vec<(&'static str, String)> {
        let mut query = vec![("wait", format!("{}ms", WATCH_TIMEOUT.as_millis()))];
        if index > 0 {
            query.push(("index", index.to_string()));
        }
        if self.fields.bool("allow_stale") {
            query.push(("stale", String::new()));
        }
        query.extend(self.fields.map("node_meta").map(|(k, v)| ("node-meta", format!("{k}:{v}"))));
        query
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Indexed<T>, String> {
        let answer = self.try_ask(path, query).await;
        if answer.is_err() {
            self.deps.metrics.consul_rpc_failures.inc();
        }
        answer
    }

    async fn try_ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Indexed<T>, String> {
        let scope = [("dc", "datacenter"), ("ns", "namespace"), ("partition", "partition")]
            .map(|(parameter, field)| (parameter, self.fields.str(field).to_owned()));
        let all = scope.iter().filter(|(_, v)| !v.is_empty()).chain(query);
        let query: Vec<String> = all.map(|(k, v)| format!("{k}={}", escape(v, b""))).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{path}{separator}{}", self.base, query.join("&"));
        let token = self.fields.secret("token");
        let headers: Vec<(&str, String)> = if token.is_empty() {
            Vec::new()
        } else {
            vec![("x-consul-token", token.expose().to_owned())]
        };
        let timeout = WATCH_TIMEOUT + Duration::from_secs(15);
        let answer =
            self.client.get(&url, &headers, timeout).await.map_err(|err| err.to_string())?;
        if answer.status != 200 {
            return Err(format!("unexpected response code: {}", answer.status));
        }
        let index = answer.header("x-consul-index").and_then(|i| i.parse().ok()).unwrap_or(0);
        let value =
            serde_json::from_slice(&answer.body).map_err(|err| format!("bad answer: {err}"))?;
        Ok(Indexed { value, index })
    }

    fn observe(&self, call: &str, start: Duration) {
        let took = self.deps.clock.monotonic() - start;
        self.deps.metrics.consul_rpc_duration.with(&["catalog", call]).observe(took.as_secs_f64());
    }
}

/// Reads bytes as the instances of a service.
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(entries) = serde_json::from_slice::<Vec<target::Entry>>(bytes) {
        target::group("service", "dc", ",", &entries);
    }
}

#[cfg(test)]
mod tests;

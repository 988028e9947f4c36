//! The set of remote stores: which addresses, which of them answer, what each says of itself.
//!
//! A store joins when its Info first answers and is asked until it has not answered for the unhealthy timeout; a strict one is
//! always asked. Source: upstream `pkg/query/endpointset.go`. Addresses come from a [`Resolver`]; the one here knows literal
//! addresses and `dns+host:port`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use gauntlet_model::{Labels, Timestamp};
use gauntlet_runtime::{Clock, Shutdown};
use parking_lot::RwLock;
use tracing::{info, warn};

use crate::grpc::tls::ClientTls;
use crate::proxy::SourceList;
use crate::remote::{Compression, RemoteStore};
use crate::source::{SourceInfo, StoreSource};

/// One configured endpoint.
#[derive(Clone, Debug)]
pub struct EndpointSpec {
    /// `host:port`, or a name for the resolver.
    pub address: String,
    /// Asked even while it does not answer.
    pub strict: bool,
    /// How to speak to it; the set's own settings where there are none.
    pub client: Option<ClientSettings>,
}

impl EndpointSpec {
    /// An endpoint that is asked while it answers.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), strict: false, client: None }
    }
}

/// How to speak to an endpoint.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    pub compression: Compression,
    /// Plain text without.
    pub tls: Option<ClientTls>,
}

/// Turns a configured address into addresses.
pub trait Resolver: fmt::Debug + Send + Sync {
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Vec<String>, String>>;
}

/// Literal addresses and the system's name lookup.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Vec<String>, String>> {
        async move {
            match address.split_once('+') {
                None => Ok(vec![address.to_owned()]),
                Some(("dns" | "dnsdualstack", name)) => {
                    let found = tokio::net::lookup_host(name).await;
                    let found = found.map_err(|err| format!("lookup {name}: {err}"))?;
                    let mut found: Vec<String> = found.map(|a| a.to_string()).collect();
                    found.sort_unstable();
                    found.dedup();
                    Ok(found)
                }
                Some((kind, _)) => {
                    Err(format!("address {address}: lookup by {kind}+ is not supported"))
                }
            }
        }
        .boxed()
    }
}

/// Settings of the set.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// Wait for one Info answer, and pause between rounds.
    pub info_timeout: Duration,
    pub refresh_interval: Duration,
    /// After so long without an answer an endpoint leaves the set.
    pub unhealthy_timeout: Duration,
    /// Of endpoints that have no settings of their own.
    pub client: ClientSettings,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        Self {
            info_timeout: Duration::from_secs(5),
            refresh_interval: Duration::from_secs(5),
            unhealthy_timeout: Duration::from_secs(300),
            client: ClientSettings::default(),
        }
    }
}

/// A line of `/api/v1/stores`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    pub name: String,
    /// `sidecar`, `store`, ...; `store` for a strict endpoint that never answered.
    pub component: String,
    /// Milliseconds since the epoch; 0 before the first check.
    pub last_check_ms: i64,
    pub last_error: Option<String>,
    pub label_sets: Vec<Labels>,
    pub min_time: Timestamp,
    pub max_time: Timestamp,
}

#[derive(Clone, Debug)]
struct Member {
    store: Arc<RemoteStore>,
    strict: bool,
    info: Option<SourceInfo>,
    last_error: Option<String>,
    last_check_ms: i64,
    /// When it last answered, or joined the configuration.
    last_good_ms: i64,
}

impl Member {
    fn is_asked(&self) -> bool {
        self.strict || (self.info.is_some() && self.last_error.is_none())
    }

    /// Last known facts; a strict member without any may hold everything.
    fn known(&self) -> SourceInfo {
        self.info.clone().unwrap_or_else(|| SourceInfo {
            component: "store".to_owned(),
            min_time: Timestamp::MIN,
            max_time: Timestamp::MAX,
            ..SourceInfo::default()
        })
    }
}

/// The set, shared between its refresher and its readers. Stores of this process may be members as well.
pub struct EndpointSet {
    options: EndpointOptions,
    clock: Arc<dyn Clock>,
    resolver: Arc<dyn Resolver>,
    specs: RwLock<Vec<EndpointSpec>>,
    members: RwLock<BTreeMap<String, Member>>,
    local: Vec<Arc<dyn StoreSource>>,
}

impl EndpointSet {
    pub fn new(specs: Vec<EndpointSpec>, options: EndpointOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            clock,
            resolver: Arc::new(SystemResolver),
            specs: RwLock::new(specs),
            members: RwLock::default(),
            local: Vec::new(),
        }
    }

    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Adds stores of this process, which are always members.
    pub fn with_local(mut self, local: Vec<Arc<dyn StoreSource>>) -> Self {
        self.local = local;
        self
    }

    /// Replaces the configured endpoints; takes effect with the next refresh.
    pub fn set_specs(&self, specs: Vec<EndpointSpec>) {
        *self.specs.write() = specs;
    }

    /// Resolves addresses and asks every endpoint for its Info, all at once.
    pub async fn refresh(&self) {
        let specs = self.specs.read().clone();
        let resolved =
            join_all(specs.iter().map(|spec| self.resolver.resolve(&spec.address))).await;
        let mut wanted: BTreeMap<String, &EndpointSpec> = BTreeMap::new();
        let mut complete = true;
        for (spec, addresses) in specs.iter().zip(resolved) {
            match addresses {
                Ok(addresses) => {
                    wanted.extend(addresses.into_iter().map(|address| (address, spec)));
                }
                Err(err) => {
                    complete = false;
                    warn!(address = spec.address, err, "endpoint address not resolved");
                }
            }
        }
        self.adopt(&wanted, complete);
        let members: Vec<(String, Arc<RemoteStore>)> =
            self.members.read().iter().map(|(a, m)| (a.clone(), Arc::clone(&m.store))).collect();
        let checks = join_all(members.into_iter().map(|(address, store)| async move {
            (address, store.refresh_info(self.options.info_timeout).await)
        }));
        let checks = checks.await;
        let now = self.clock.now_ms();
        let mut members = self.members.write();
        for (address, check) in checks {
            let Some(member) = members.get_mut(&address) else { continue };
            member.last_check_ms = now;
            match check {
                Ok(found) => {
                    if member.info.is_none() {
                        let component = found.component.as_str();
                        info!(address, component, "adding new endpoint");
                    }
                    member.info = Some(found);
                    member.last_error = None;
                    member.last_good_ms = now;
                }
                Err(err) => {
                    let err = err.to_string();
                    if member.last_error.is_none() {
                        warn!(address, err, "endpoint does not answer");
                    }
                    member.last_error = Some(err);
                }
            }
        }
        let unhealthy =
            i64::try_from(self.options.unhealthy_timeout.as_millis()).unwrap_or(i64::MAX);
        members.retain(|_, m| m.strict || now.saturating_sub(m.last_good_ms) < unhealthy);
    }

    /// Makes members of new addresses and drops those no longer wanted; after a failed lookup nothing is dropped.
    fn adopt(&self, wanted: &BTreeMap<String, &EndpointSpec>, complete: bool) {
        let now = self.clock.now_ms();
        let mut members = self.members.write();
        if complete {
            members.retain(|address, _| wanted.contains_key(address));
        }
        for (address, spec) in wanted {
            if let Some(member) = members.get_mut(address) {
                member.strict = spec.strict;
                continue;
            }
            let client = spec.client.as_ref().unwrap_or(&self.options.client);
            match RemoteStore::connect(address, client.compression, client.tls.as_ref()) {
                Ok(store) => {
                    let member = Member {
                        store: Arc::new(store),
                        strict: spec.strict,
                        info: None,
                        last_error: None,
                        last_check_ms: 0,
                        last_good_ms: now,
                    };
                    members.insert(address.clone(), member);
                }
                Err(err) => warn!(address, %err, "endpoint address is not usable"),
            }
        }
    }

    /// Refreshes until the shutdown fires.
    pub async fn run(&self, shutdown: Shutdown) {
        loop {
            self.refresh().await;
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(self.options.refresh_interval) => {}
            }
        }
    }

    /// Remote stores that are asked now, for the APIs beside Store.
    pub fn remotes(&self) -> Vec<(Arc<RemoteStore>, SourceInfo)> {
        let members = self.members.read();
        let asked = members.values().filter(|m| m.is_asked());
        asked.map(|m| (Arc::clone(&m.store), m.known())).collect()
    }

    /// Members that never answered and are not asked, which `/api/v1/stores` leaves out as the peer does.
    pub fn unanswered(&self) -> Vec<EndpointStatus> {
        let members = self.members.read();
        let silent = members.iter().filter(|(_, m)| !m.strict && m.info.is_none());
        let line = |(address, m): (&String, &Member)| EndpointStatus {
            name: address.clone(),
            component: "unanswered".to_owned(),
            last_check_ms: m.last_check_ms,
            last_error: m.last_error.clone(),
            label_sets: Vec::new(),
            min_time: Timestamp::MAX,
            max_time: Timestamp::MIN,
        };
        silent.map(line).collect()
    }

    /// Every member as `/api/v1/stores` lists it, by address; local ones first.
    pub fn status(&self) -> Vec<EndpointStatus> {
        let line = |name: String, known: SourceInfo, last_check_ms, last_error| EndpointStatus {
            name,
            component: known.component,
            last_check_ms,
            last_error,
            label_sets: known.label_sets,
            min_time: known.min_time,
            max_time: known.max_time,
        };
        let now = self.clock.now_ms();
        let local = self.local.iter().map(|store| match store.info() {
            Ok(info) => line(store.name(), info, now, None),
            Err(err) => line(store.name(), SourceInfo::default(), now, Some(err.to_string())),
        });
        let members = self.members.read();
        let remote =
            members.iter().filter(|(_, m)| m.strict || m.info.is_some()).map(|(address, m)| {
                line(address.clone(), m.known(), m.last_check_ms, m.last_error.clone())
            });
        local.chain(remote).collect()
    }
}

impl fmt::Debug for EndpointSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSet").field("specs", &*self.specs.read()).finish_non_exhaustive()
    }
}

impl SourceList for EndpointSet {
    fn sources(&self) -> Vec<(Arc<dyn StoreSource>, SourceInfo)> {
        let local = self.local.iter().filter_map(|s| Some((Arc::clone(s), s.info().ok()?)));
        let members = self.members.read();
        let asked = members.values().filter(|m| m.is_asked());
        let remote = asked.map(|m| (Arc::clone(&m.store) as Arc<dyn StoreSource>, m.known()));
        local.chain(remote).collect()
    }
}

//! `dns_sd_configs`: targets from SRV, A, AAAA, MX and NS records.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_model::Labels;
use gauntlet_runtime::Shutdown;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::config::Fields;
use crate::deps::Deps;
use crate::discoverer::{Discoverer, Refresh, RefreshLoop, Updates};
use gauntlet_model::{ADDRESS_LABEL, TargetGroup};

/// A record that names a target. Names end with their dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsRecord {
    Srv { target: String, port: u16 },
    Mx(String),
    Ns(String),
    Ip(IpAddr),
}

/// Asks for records. A name that does not exist has none.
pub trait Lookup: Debug + Send + Sync {
    /// `kind` is `SRV`, `A`, `AAAA`, `MX` or `NS`.
    fn lookup<'a>(
        &'a self,
        name: &'a str,
        kind: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DnsRecord>, String>>;
}

/// The system's resolver.
#[derive(Debug)]
pub struct SystemLookup {
    resolver: Result<TokioResolver, String>,
}

impl SystemLookup {
    /// Reads the system's configuration; if it cannot be read, lookups say so.
    pub fn new() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        Self {
            resolver: resolver
                .map_err(|err| format!("cannot read the resolver's configuration: {err}")),
        }
    }
}

impl Default for SystemLookup {
    fn default() -> Self {
        Self::new()
    }
}

impl Lookup for SystemLookup {
    fn lookup<'a>(
        &'a self,
        name: &'a str,
        kind: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DnsRecord>, String>> {
        Box::pin(async move {
            let kind = match kind {
                "A" => RecordType::A,
                "AAAA" => RecordType::AAAA,
                "MX" => RecordType::MX,
                "NS" => RecordType::NS,
                _ => RecordType::SRV,
            };
            let resolver = self.resolver.as_ref().map_err(Clone::clone)?;
            let found = match resolver.lookup(name, kind).await {
                Ok(found) => found,
                Err(err) if err.is_no_records_found() => return Ok(Vec::new()),
                Err(err) => return Err(err.to_string()),
            };
            Ok(found.answers().iter().filter_map(|record| of_data(&record.data)).collect())
        })
    }
}

/// `None` for records that name no target, as aliases on the way.
fn of_data(data: &RData) -> Option<DnsRecord> {
    match data {
        RData::SRV(srv) => Some(DnsRecord::Srv { target: srv.target.to_string(), port: srv.port }),
        RData::MX(mx) => Some(DnsRecord::Mx(mx.exchange.to_string())),
        RData::NS(ns) => Some(DnsRecord::Ns(ns.0.to_string())),
        RData::A(a) => Some(DnsRecord::Ip(IpAddr::V4(a.0))),
        RData::AAAA(aaaa) => Some(DnsRecord::Ip(IpAddr::V6(aaaa.0))),
        _ => None,
    }
}

/// Asks names.
#[derive(Debug)]
pub(crate) struct DnsDiscoverer {
    names: Vec<String>,
    kind: String,
    port: i64,
    interval: Duration,
    job: String,
    deps: Deps,
}

impl DnsDiscoverer {
    pub(crate) fn new(fields: &Fields, job: &str, deps: &Deps) -> Self {
        Self {
            names: fields.strings("names").to_vec(),
            kind: fields.str("type").to_ascii_uppercase(),
            port: fields.int("port"),
            interval: fields.duration("refresh_interval").to_std(),
            job: job.to_owned(),
            deps: deps.clone(),
        }
    }

    /// All names at once; those that fail keep their last targets.
    async fn ask(&self) -> Result<Vec<TargetGroup>, String> {
        let lookups = self.names.iter().map(|name| async move {
            self.deps.metrics.dns_lookups.inc();
            let found = self.deps.resolver.lookup(name, &self.kind).await;
            if found.is_err() {
                self.deps.metrics.dns_lookup_failures.inc();
            }
            (name, found)
        });
        let (mut groups, mut failed) = (Vec::new(), Vec::new());
        for (name, found) in futures::future::join_all(lookups).await {
            match found {
                Ok(records) => groups.push(self.group(name, &records)),
                Err(err) => failed.push(format!("{name}: {err}")),
            }
        }
        if groups.is_empty() && !failed.is_empty() {
            return Err(failed.join("; "));
        }
        for err in failed {
            tracing::error!(discovery = "dns", err, "error refreshing DNS targets");
        }
        Ok(groups)
    }

    fn group(&self, name: &str, records: &[DnsRecord]) -> TargetGroup {
        let targets = records.iter().map(|record| self.target(name, record)).collect();
        TargetGroup { source: name.to_owned(), targets, labels: Labels::empty() }
    }

    fn target(&self, name: &str, record: &DnsRecord) -> Labels {
        let (address, labels): (String, Vec<(&str, String)>) = match record {
            DnsRecord::Srv { target, port } => (
                join_host_port(target.trim_end_matches('.'), i64::from(*port)),
                vec![
                    ("__meta_dns_srv_record_target", target.clone()),
                    ("__meta_dns_srv_record_port", port.to_string()),
                ],
            ),
            DnsRecord::Mx(host) => (
                join_host_port(host.trim_end_matches('.'), self.port),
                vec![("__meta_dns_mx_record_target", host.clone())],
            ),
            DnsRecord::Ns(host) => (
                join_host_port(host.trim_end_matches('.'), self.port),
                vec![("__meta_dns_ns_record_target", host.clone())],
            ),
            DnsRecord::Ip(ip) => (join_host_port(&ip.to_string(), self.port), Vec::new()),
        };
        let fixed = [(ADDRESS_LABEL, address), ("__meta_dns_name", name.to_owned())];
        Labels::from_pairs(fixed.into_iter().chain(labels))
    }
}

/// `host:port`, brackets around IPv6.
pub(crate) fn join_host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl Refresh for DnsDiscoverer {
    fn refresh(&mut self) -> BoxFuture<'_, Result<Vec<TargetGroup>, String>> {
        Box::pin(self.ask())
    }
}

impl Discoverer for DnsDiscoverer {
    fn run(self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        let calls = RefreshLoop {
            mechanism: "dns",
            job: self.job.clone(),
            interval: self.interval,
            deps: self.deps.clone(),
        };
        Box::pin(calls.run(*self, updates, shutdown))
    }
}

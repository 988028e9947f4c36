//! `linode_sd_configs`: Linode's instances. Source: Linode API v4.
//!
//! Between full lists only the account's events are asked for, while the token may see them: nothing happened, nothing changed.

use std::sync::Arc;

use gauntlet_model::{Labels, TargetGroup};
use gauntlet_runtime::Clock;
use serde::de::DeserializeOwned;

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, MAX_PAGES, decode, refusal};
use gauntlet_net::time::utc_text;

const BASE: &str = "https://api.linode.com/v4";
/// Refreshes without events after which all is listed again.
const POLLS: u32 = 10;

#[derive(Debug, serde::Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    pages: usize,
}

answer! {
    struct Instance {
        id: i64,
        label: String,
        image: String,
        ipv4: Vec<String>,
        ipv6: String,
        region: String,
        #[serde(rename = "type")]
        kind: String,
        status: String,
        tags: Vec<String>,
        group: String,
        hypervisor: String,
        backups: Backups,
        specs: Specs,
    }

    struct Backups {
        enabled: bool,
    }

    struct Specs {
        disk: i64,
        memory: i64,
        vcpus: i64,
        transfer: i64,
        gpus: i64,
    }

    struct Address {
        address: String,
        public: bool,
        rdns: String,
    }

    struct Range {
        range: String,
        prefix: i64,
        route_target: String,
    }

    struct Event {
        id: i64,
    }
}

#[derive(Debug)]
pub(super) struct Linode {
    api: Api,
    port: i64,
    region: String,
    separator: String,
    clock: Arc<dyn Clock>,
    failures: gauntlet_telemetry::Counter,
    last: Option<Vec<TargetGroup>>,
    last_ms: i64,
    polls: u32,
    has_events: bool,
}

impl Linode {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        Ok(Self {
            api: making.api()?,
            port: fields.int("port"),
            region: fields.str("region").to_owned(),
            separator: fields.str("tag_separator").to_owned(),
            clock: Arc::clone(&making.deps.clock),
            failures: making.deps.metrics.linode_failures.clone(),
            last: None,
            last_ms: making.deps.clock.now_ms(),
            polls: 0,
            has_events: true,
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let now = self.clock.now_ms();
        let last = match &self.last {
            Some(last) if self.has_events => Some(last.clone()),
            _ => None,
        };
        if let Some(last) = last
            && !self.has_news().await?
        {
            self.last_ms = now;
            return Ok(last);
        }
        let found = self.list().await.inspect_err(|_| self.failures.inc())?;
        self.polls = 0;
        self.last = Some(found.clone());
        self.last_ms = now;
        Ok(found)
    }

    /// Whether something may have happened since the last refresh.
    async fn has_news(&mut self) -> Result<bool, String> {
        let since = utc_text(self.last_ms);
        let url = format!("{BASE}/account/events?page=1&page_size=25");
        let filter = format!("{{\"created\": {{\"+gte\": \"{}\"}}}}", since.trim_end_matches('Z'));
        let ask = self.api.get_ask(&url).header("x-filter", filter);
        let answer = self.api.client.send(ask).await.map_err(|err| err.to_string())?;
        match answer.status {
            // The token may not see events.
            401 => {
                self.has_events = false;
                Ok(true)
            }
            200 => {
                let events: Page<Event> = decode(&answer.body)?;
                self.polls += 1;
                Ok(!events.data.is_empty() || self.polls >= POLLS)
            }
            _ => Err(refusal(&url, &answer)),
        }
    }

    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let mut ask = self.api.get_ask(format!("{BASE}/{path}?page={page}&page_size=500"));
            if !self.region.is_empty() {
                let filter = serde_json::json!({ "region": self.region }).to_string();
                ask = ask.header("x-filter", filter);
            }
            let found: Page<T> = self.api.json(ask).await?;
            all.extend(found.data);
            if page >= found.pages {
                return Ok(all);
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    async fn list(&self) -> Result<Vec<TargetGroup>, String> {
        let instances: Vec<Instance> = self.all("linode/instances").await?;
        let addresses: Vec<Address> = self.all("networking/ips").await?;
        let ranges: Vec<Range> = self.all("networking/ipv6/ranges").await?;
        let with_address = instances.iter().filter(|instance| !instance.ipv4.is_empty());
        let targets = with_address.map(|instance| self.target(instance, &addresses, &ranges));
        Ok(one_group("Linode", targets.collect()))
    }

    fn target(&self, instance: &Instance, addresses: &[Address], ranges: &[Range]) -> Labels {
        let (mut public, mut private, mut more) = (None, None, Vec::new());
        for ip in &instance.ipv4 {
            for address in addresses.iter().filter(|address| address.address == *ip) {
                let slot = if address.public { &mut public } else { &mut private };
                match slot {
                    None => *slot = Some(address),
                    Some(_) => more.push(address.address.as_str()),
                }
            }
        }
        let slaac = instance.ipv6.split('/').next().unwrap_or_default();
        let v6 = addresses.iter().rfind(|a| !slaac.is_empty() && a.address == slaac);
        let routed = ranges.iter().filter(|r| !slaac.is_empty() && r.route_target == slaac);
        let routed: Vec<String> = routed.map(|r| format!("{}/{}", r.range, r.prefix)).collect();
        let ip = |address: Option<&Address>| address.map(|a| a.address.clone()).unwrap_or_default();
        let name = |address: Option<&Address>| {
            address.map(|a| a.rdns.clone()).filter(|name| name != "null").unwrap_or_default()
        };
        let specs = &instance.specs;
        let bytes = |mebibytes: i64| mebibytes.saturating_mul(1 << 20);
        Meta::new("__meta_linode_")
            .address(&ip(public), self.port)
            .show("instance_id", instance.id)
            .put("instance_label", &instance.label)
            .put("image", &instance.image)
            .put("private_ipv4", ip(private))
            .put("public_ipv4", ip(public))
            .put("public_ipv6", ip(v6))
            .put("private_ipv4_rdns", name(private))
            .put("public_ipv4_rdns", name(public))
            .put("public_ipv6_rdns", name(v6))
            .put("region", &instance.region)
            .put("type", &instance.kind)
            .put("status", &instance.status)
            .put("group", &instance.group)
            .show("gpus", specs.gpus)
            .put("hypervisor", &instance.hypervisor)
            .put("backups", if instance.backups.enabled { "enabled" } else { "disabled" })
            .show("specs_disk_bytes", bytes(specs.disk))
            .show("specs_memory_bytes", bytes(specs.memory))
            .show("specs_vcpus", specs.vcpus)
            .show("specs_transfer_bytes", bytes(specs.transfer))
            .list("tags", &self.separator, &instance.tags)
            .list("extra_ips", &self.separator, &more)
            .list("ipv6_ranges", &self.separator, &routed)
            .build()
    }
}

refresh!(Linode);

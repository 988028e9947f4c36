//! `openstack_sd_configs`: hypervisors, instances and load balancers. Sources: OpenStack Compute v2.1, Networking v2.0, Load
//! Balancer v2 API references.

use std::collections::{BTreeMap, BTreeSet};

use gauntlet_model::{Labels, TargetGroup};
use serde_json::{Map, Value};

use super::openstack_token::Identity;
use super::{Making, Pairs, refresh};
use crate::answer::{Loose, answer};
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::MAX_PAGES;

const PREFIX: &str = "__meta_openstack_";

answer! {
    /// A page of any of the lists.
    struct Page {
        hypervisors: Vec<Hypervisor>,
        hypervisors_links: Vec<Link>,
        servers: Vec<Server>,
        servers_links: Vec<Link>,
        ports: Vec<Port>,
        ports_links: Vec<Link>,
        floatingips: Vec<FloatingIp>,
        floatingips_links: Vec<Link>,
        loadbalancers: Vec<LoadBalancer>,
        loadbalancers_links: Vec<Link>,
        listeners: Vec<Listener>,
        listeners_links: Vec<Link>,
    }

    struct Link {
        rel: String,
        href: String,
    }

    struct Hypervisor {
        id: Loose,
        hypervisor_hostname: String,
        host_ip: String,
        status: String,
        state: String,
        hypervisor_type: String,
    }

    struct Server {
        id: String,
        status: String,
        name: String,
        tenant_id: String,
        user_id: String,
        flavor: Map<String, Value>,
        /// An object, or an empty text for machines that boot from a volume.
        image: Value,
        metadata: Pairs,
        addresses: BTreeMap<String, Vec<Address>>,
    }

    struct Address {
        addr: String,
    }

    struct Port {
        id: String,
        device_id: String,
    }

    struct FloatingIp {
        floating_ip_address: String,
        fixed_ip_address: String,
        port_id: String,
    }

    struct LoadBalancer {
        id: String,
        name: String,
        operating_status: String,
        provisioning_status: String,
        availability_zone: String,
        vip_address: String,
        vip_port_id: String,
        provider: String,
        project_id: String,
        tags: Vec<String>,
    }

    struct Listener {
        protocol: String,
        protocol_port: i64,
        loadbalancers: Vec<Reference>,
    }

    struct Reference {
        id: String,
    }
}

impl Page {
    /// Where the next page is.
    fn next(&self) -> Option<&str> {
        let links = [
            &self.hypervisors_links,
            &self.servers_links,
            &self.ports_links,
            &self.floatingips_links,
            &self.loadbalancers_links,
            &self.listeners_links,
        ];
        let mut links = links.into_iter().flatten();
        links.find(|link| link.rel == "next").map(|link| link.href.as_str())
    }
}

#[derive(Debug)]
pub(super) struct OpenStack {
    identity: Identity,
    role: String,
    region: String,
    port: i64,
    all_tenants: bool,
}

impl OpenStack {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        Ok(Self {
            identity: Identity::new(making)?,
            role: fields.str("role").to_owned(),
            region: fields.str("region").to_owned(),
            port: fields.int("port"),
            all_tenants: fields.bool("all_tenants"),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        self.identity
            .login()
            .await
            .map_err(|err| format!("could not authenticate to OpenStack: {err}"))?;
        let targets = match self.role.as_str() {
            "hypervisor" => self.hypervisors().await?,
            "instance" => self.instances().await?,
            _ => self.load_balancers().await?,
        };
        Ok(one_group(format!("OS_{}", self.region), targets))
    }

    /// All pages of a list of a service.
    async fn all(&self, service: &str, path: &str) -> Result<Vec<Page>, String> {
        let base = self.identity.endpoint(service)?;
        let mut url = format!("{base}{path}");
        let mut pages = Vec::new();
        for _ in 0..MAX_PAGES {
            let page: Page = self.identity.get(&url).await?;
            let next = page.next().map(str::to_owned);
            pages.push(page);
            match next {
                None => return Ok(pages),
                // The token is for this host alone.
                Some(next) if origin(&next) != origin(&base) => {
                    return Err(format!("{path}: next page is on another host"));
                }
                Some(next) => url = next,
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    async fn hypervisors(&self) -> Result<Vec<Labels>, String> {
        let pages = self.all("compute", "/os-hypervisors/detail").await?;
        let target = |hypervisor: &Hypervisor| {
            Meta::new(PREFIX)
                .address(&hypervisor.host_ip, self.port)
                .put("hypervisor_id", &hypervisor.id.0)
                .put("hypervisor_hostname", &hypervisor.hypervisor_hostname)
                .put("hypervisor_host_ip", &hypervisor.host_ip)
                .put("hypervisor_status", &hypervisor.status)
                .put("hypervisor_state", &hypervisor.state)
                .put("hypervisor_type", &hypervisor.hypervisor_type)
                .build()
        };
        Ok(pages.iter().flat_map(|page| &page.hypervisors).map(target).collect())
    }

    async fn instances(&self) -> Result<Vec<Labels>, String> {
        let ports = self.all("network", "/v2.0/ports").await?;
        let ports = ports.iter().flat_map(|page| &page.ports);
        let devices: BTreeMap<&str, &str> =
            ports.map(|port| (port.id.as_str(), port.device_id.as_str())).collect();
        let floating = self.all("network", "/v2.0/floatingips").await?;
        // Floating addresses by device and fixed address.
        let mut public: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        let mut all_public: BTreeSet<&str> = BTreeSet::new();
        for ip in floating.iter().flat_map(|page| &page.floatingips) {
            if ip.port_id.is_empty() || ip.fixed_ip_address.is_empty() {
                continue;
            }
            let Some(device) = devices.get(ip.port_id.as_str()) else { continue };
            public.insert((device, &ip.fixed_ip_address), &ip.floating_ip_address);
            all_public.insert(&ip.floating_ip_address);
        }
        let path =
            if self.all_tenants { "/servers/detail?all_tenants=true" } else { "/servers/detail" };
        let mut targets = Vec::new();
        for server in self.all("compute", path).await?.iter().flat_map(|page| &page.servers) {
            let Some(common) = of_server(server) else { continue };
            for (pool, addresses) in &server.addresses {
                for address in addresses.iter().filter(|a| !all_public.contains(&*a.addr)) {
                    let floating = public.get(&(server.id.as_str(), address.addr.as_str()));
                    let target = common
                        .clone()
                        .put("address_pool", pool)
                        .put("private_ip", &address.addr)
                        .put_some("public_ip", floating)
                        .address(&address.addr, self.port)
                        .build();
                    targets.push(target);
                }
            }
        }
        Ok(targets)
    }

    async fn load_balancers(&self) -> Result<Vec<Labels>, String> {
        let balancers = self.all("load-balancer", "/v2.0/lbaas/loadbalancers").await?;
        let listeners = self.all("load-balancer", "/v2.0/lbaas/listeners").await?;
        let floating = self.all("network", "/v2.0/floatingips").await?;
        let floating = floating.iter().flat_map(|page| &page.floatingips);
        let by_port: BTreeMap<&str, &str> = floating
            .filter(|ip| !ip.port_id.is_empty())
            .map(|ip| (ip.port_id.as_str(), ip.floating_ip_address.as_str()))
            .collect();
        let mut targets = Vec::new();
        for balancer in balancers.iter().flat_map(|page| &page.loadbalancers) {
            let mut listeners = listeners.iter().flat_map(|page| &page.listeners);
            let of_metrics = listeners.find(|listener| {
                listener.protocol == "PROMETHEUS"
                    && listener.loadbalancers.iter().any(|of| of.id == balancer.id)
            });
            let Some(listener) = of_metrics else { continue };
            let mut target = Meta::new(PREFIX);
            target
                .address(&balancer.vip_address, listener.protocol_port)
                .put("loadbalancer_id", &balancer.id)
                .put("loadbalancer_name", &balancer.name)
                .put("loadbalancer_operating_status", &balancer.operating_status)
                .put("loadbalancer_provisioning_status", &balancer.provisioning_status)
                .put("loadbalancer_availability_zone", &balancer.availability_zone)
                .put("loadbalancer_vip", &balancer.vip_address)
                .put("loadbalancer_provider", &balancer.provider)
                .put("project_id", &balancer.project_id)
                .put("loadbalancer_tags", balancer.tags.join(","))
                .put_some("loadbalancer_floating_ip", by_port.get(balancer.vip_port_id.as_str()));
            targets.push(target.build());
        }
        Ok(targets)
    }
}

refresh!(OpenStack);

/// What all addresses of a server share. `None`: its flavour has no name.
fn of_server(server: &Server) -> Option<Meta> {
    let flavor =
        ["original_name", "id"].into_iter().find_map(|key| server.flavor.get(key)?.as_str());
    let Some(flavor) = flavor else {
        let id = &server.id;
        tracing::warn!(discovery = "openstack", id, "flavor has neither original_name nor id");
        return None;
    };
    let mut labels = Meta::new(PREFIX);
    labels
        .put("instance_id", &server.id)
        .put("instance_status", &server.status)
        .put("instance_name", &server.name)
        .put("project_id", &server.tenant_id)
        .put("user_id", &server.user_id)
        .put("instance_flavor", flavor)
        .put_some("instance_image", server.image["id"].as_str())
        .put_all("tag_", &server.metadata);
    Some(labels)
}

/// Scheme and host of a URL.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    &url[..end]
}

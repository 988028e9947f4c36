//! `scaleway_sd_configs`: Scaleway's instances and bare metal. Sources: Instance API v1, Elastic Metal API v1, IPAM API v1.

use std::collections::BTreeMap;

use gauntlet_model::{Labels, TargetGroup};
use gauntlet_net::config::Secret;
use serde::de::DeserializeOwned;

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, MAX_PAGES, escape};

const PER_PAGE: usize = 100;

answer! {
    struct Page {
        servers: Vec<Server>,
        offers: Vec<Named>,
        os: Vec<Named>,
        ips: Vec<ManagedIp>,
    }

    /// Of either kind.
    struct Server {
        id: String,
        name: String,
        zone: String,
        tags: Vec<String>,
        // Instances.
        organization: String,
        project: String,
        commercial_type: String,
        boot_type: String,
        hostname: String,
        state: String,
        image: Option<Image>,
        location: Option<Location>,
        security_group: Option<Named>,
        public_ips: Vec<PublicIp>,
        public_ip: Option<PublicIp>,
        private_ip: Option<String>,
        ipv6: Option<PublicIp>,
        private_nics: Vec<Named>,
        // Bare metal.
        project_id: String,
        status: String,
        offer_id: String,
        install: Option<Install>,
        ips: Vec<MetalIp>,
    }

    struct Image {
        id: String,
        name: String,
        arch: String,
    }

    struct Location {
        cluster_id: String,
        hypervisor_id: String,
        node_id: String,
    }

    struct Named {
        id: String,
        name: String,
        version: String,
    }

    struct PublicIp {
        address: String,
        family: String,
    }

    struct Install {
        os_id: String,
    }

    struct MetalIp {
        address: String,
        version: String,
    }

    struct ManagedIp {
        address: String,
        is_ipv6: bool,
        resource: Option<Named>,
    }
}

#[derive(Debug)]
pub(super) struct Scaleway {
    api: Api,
    base: String,
    zone: String,
    port: i64,
    is_metal: bool,
    /// Parameters of the list of servers.
    filter: String,
    secret: Secret,
    /// Read again for each refresh.
    secret_file: String,
}

impl Scaleway {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let mut filter = String::new();
        if !fields.str("name_filter").is_empty() {
            filter.push_str(&format!("&name={}", escape(fields.str("name_filter"), b"")));
        }
        let is_metal = fields.str("role") == "baremetal";
        let tags = fields.strings("tags_filter");
        if is_metal {
            filter.extend(tags.iter().map(|tag| format!("&tags={}", escape(tag, b""))));
        } else if !tags.is_empty() {
            filter.push_str(&format!("&tags={}", escape(&tags.join(","), b"")));
        }
        let file = fields.str("secret_key_file");
        if !file.is_empty() && !std::path::Path::new(file).is_file() {
            return Err(making.refused(format!("unable to read auth token file {file}")));
        }
        Ok(Self {
            api: making.api()?,
            base: fields.str("api_url").trim_end_matches('/').to_owned(),
            zone: fields.str("zone").to_owned(),
            port: fields.int("port"),
            is_metal,
            filter,
            secret: fields.secret("secret_key"),
            secret_file: file.to_owned(),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        if !self.secret_file.is_empty() {
            let file = &self.secret_file;
            let text = std::fs::read_to_string(file)
                .map_err(|err| format!("unable to read auth token file {file}: {err}"))?;
            self.secret = Secret::new(text.trim());
        }
        let targets = if self.is_metal { self.metal().await? } else { self.instances().await? };
        Ok(one_group("scaleway", targets))
    }

    async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        filter: &str,
        take: impl Fn(Page) -> Vec<T>,
    ) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let size = if path.starts_with("instance") { "per_page" } else { "page_size" };
            let url = format!("{}/{path}?page={page}&{size}={PER_PAGE}{filter}", self.base);
            let ask = self.api.get_ask(url).header("x-auth-token", self.secret.expose());
            let found = take(self.api.json(ask).await?);
            let is_last = found.len() < PER_PAGE;
            all.extend(found);
            if is_last {
                return Ok(all);
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    async fn instances(&self) -> Result<Vec<Labels>, String> {
        let path = format!("instance/v1/zones/{}/servers", self.zone);
        let servers = self.all(&path, &self.filter, |page| page.servers).await?;
        // Addresses of private networks, where there are no others.
        let mut nics: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for server in &servers {
            if server.private_ip.is_none() && server.public_ip.is_none() && server.ipv6.is_none() {
                let ids = server.private_nics.iter().map(|nic| nic.id.as_str());
                let region = region(&server.zone);
                nics.entry(region).or_default().extend(ids.filter(|id| !id.is_empty()));
            }
        }
        let mut by_nic = BTreeMap::new();
        for (region, ids) in nics.iter().filter(|(_, ids)| !ids.is_empty()) {
            // In parts, so that no URL grows without bounds.
            for ids in ids.chunks(PER_PAGE) {
                let ids: String =
                    ids.iter().map(|id| format!("&resource_ids={}", escape(id, b""))).collect();
                let path = format!("ipam/v1/regions/{region}/ips");
                let filter = format!("{ids}&resource_types=instance_private_nic");
                for ip in self.all(&path, &filter, |page| page.ips).await? {
                    if let Some(resource) = ip.resource.filter(|_| !ip.is_ipv6) {
                        let address = ip.address.split('/').next().unwrap_or_default();
                        by_nic.insert(resource.id, address.to_owned());
                    }
                }
            }
        }
        Ok(servers.iter().filter_map(|server| self.instance(server, &by_nic)).collect())
    }

    /// `None`: the instance has no address.
    fn instance(&self, server: &Server, by_nic: &BTreeMap<String, String>) -> Option<Labels> {
        let mut target = Meta::new("__meta_scaleway_instance_");
        target
            .put("boot_type", &server.boot_type)
            .put("hostname", &server.hostname)
            .put("id", &server.id)
            .put("name", &server.name)
            .put("organization_id", &server.organization)
            .put("project_id", &server.project)
            .put("status", &server.state)
            .put("type", &server.commercial_type)
            .put("zone", &server.zone)
            .put("region", region(&server.zone))
            .list("tags", ",", &server.tags);
        if let Some(image) = &server.image {
            target
                .put("image_arch", &image.arch)
                .put("image_id", &image.id)
                .put("image_name", &image.name);
        }
        if let Some(location) = &server.location {
            target
                .put("location_cluster_id", &location.cluster_id)
                .put("location_hypervisor_id", &location.hypervisor_id)
                .put("location_node_id", &location.node_id);
        }
        if let Some(group) = &server.security_group {
            target.put("security_group_id", &group.id).put("security_group_name", &group.name);
        }
        let of_family = |family: &str| -> Vec<&str> {
            let found = server.public_ips.iter().filter(|ip| ip.family == family);
            found.map(|ip| ip.address.as_str()).collect()
        };
        target.list("public_ipv4_addresses", ",", &of_family("inet")).list(
            "public_ipv6_addresses",
            ",",
            &of_family("inet6"),
        );
        let mut host = None;
        if let Some(ip) = &server.ipv6 {
            target.put("public_ipv6", &ip.address);
            host = Some(&ip.address);
        }
        if let Some(ip) = &server.public_ip {
            if ip.family != "inet6" {
                target.put("public_ipv4", &ip.address);
            }
            host = Some(&ip.address);
        }
        if let Some(ip) = &server.private_ip {
            target.put("private_ipv4", ip);
            host = Some(ip);
        }
        if host.is_none_or(|host| host.is_empty()) {
            host = server.private_nics.iter().find_map(|nic| by_nic.get(&nic.id));
            target.put_some("private_ipv4", host);
        }
        Some(target.address(host?, self.port).build())
    }

    async fn metal(&self) -> Result<Vec<Labels>, String> {
        let path = |what: &str| format!("baremetal/v1/zones/{}/{what}", self.zone);
        let servers = self.all(&path("servers"), &self.filter, |page| page.servers).await?;
        let offers = self.all(&path("offers"), "", |page| page.offers).await?;
        let systems = self.all(&path("os"), "", |page| page.os).await?;
        servers.iter().map(|server| self.metal_target(server, &offers, &systems)).collect()
    }

    fn metal_target(
        &self,
        server: &Server,
        offers: &[Named],
        systems: &[Named],
    ) -> Result<Labels, String> {
        let mut target = Meta::new("__meta_scaleway_baremetal_");
        target
            .put("id", &server.id)
            .put("name", &server.name)
            .put("zone", &server.zone)
            .put("status", &server.status)
            .put("project_id", &server.project_id)
            .list("tags", ",", &server.tags);
        let offer = offers.iter().find(|offer| offer.id == server.offer_id);
        target.put_some("type", offer.map(|offer| &offer.name));
        let installed = server.install.as_ref();
        let system = installed.and_then(|i| systems.iter().find(|system| system.id == i.os_id));
        if let Some(system) = system {
            target.put("os_name", &system.name).put("os_version", &system.version);
        }
        let (mut v4, mut v6) = (None, None);
        for ip in &server.ips {
            let slot = match ip.version.as_str() {
                "IPv4" => &mut v4,
                "IPv6" => &mut v6,
                version => return Err(format!("unknown IP version: {version}")),
            };
            slot.get_or_insert(&ip.address);
        }
        target.put_some("public_ipv4", v4).put_some("public_ipv6", v6);
        if let Some(host) = v4.or(v6) {
            target.address(host, self.port);
        }
        Ok(target.build())
    }
}

refresh!(Scaleway);

/// `fr-par` of `fr-par-1`.
fn region(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}

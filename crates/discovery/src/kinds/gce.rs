//! `gce_sd_configs`: instances of a project and zone. Source: Compute Engine API v1, `instances.list`.

use gauntlet_model::{Labels, TargetGroup};
use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;

use super::google::GoogleTokens;
use super::{Making, Pairs, refresh};
use crate::answer::{Loose, answer};
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, MAX_PAGES, escape};

const BASE: &str = "https://compute.googleapis.com/compute/v1";
const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";

answer! {
    #[serde(rename_all = "camelCase")]
    struct Page {
        items: Vec<Instance>,
        next_page_token: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Instance {
        id: Loose,
        name: String,
        zone: String,
        status: String,
        machine_type: String,
        network_interfaces: Vec<Interface>,
        tags: Tags,
        metadata: Metadata,
        labels: Pairs,
    }

    struct Interface {
        name: String,
        network: String,
        subnetwork: String,
        #[serde(rename = "networkIP")]
        network_ip: String,
        #[serde(rename = "accessConfigs")]
        access_configs: Vec<AccessConfig>,
    }

    struct AccessConfig {
        #[serde(rename = "type")]
        kind: String,
        #[serde(rename = "natIP")]
        nat_ip: String,
    }

    struct Tags {
        items: Vec<String>,
    }

    struct Metadata {
        items: Vec<MetadataItem>,
    }

    struct MetadataItem {
        key: String,
        value: Option<String>,
    }
}

#[derive(Debug)]
pub(super) struct Gce {
    api: Api,
    tokens: GoogleTokens,
    project: String,
    zone: String,
    filter: String,
    port: i64,
    separator: String,
}

impl Gce {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let mut http = HttpClientConfig::default();
        http.proxy.proxy_from_environment = true;
        let api = making.api_with(&http, ClientOptions::default())?;
        let tokens = GoogleTokens::new(api.clone(), making, SCOPE).map_err(|err| {
            making.refused(format!("error setting up communication with GCE service: {err}"))
        })?;
        Ok(Self {
            api,
            tokens,
            project: fields.str("project").to_owned(),
            zone: fields.str("zone").to_owned(),
            filter: fields.str("filter").to_owned(),
            port: fields.int("port"),
            separator: fields.str("tag_separator").to_owned(),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let found = self.find().await;
        let targets =
            found.map_err(|err| format!("error retrieving refresh targets from gce: {err}"))?;
        Ok(one_group(format!("GCE_{}_{}", self.project, self.zone), targets))
    }

    async fn find(&mut self) -> Result<Vec<Labels>, String> {
        let (project, zone) = (escape(&self.project, b":"), escape(&self.zone, b""));
        let url = format!("{BASE}/projects/{project}/zones/{zone}/instances?alt=json");
        let (mut targets, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let mut url = url.clone();
            for (name, value) in [("filter", &self.filter), ("pageToken", &token)] {
                if !value.is_empty() {
                    url.push_str(&format!("&{name}={}", escape(value, b"")));
                }
            }
            let bearer = self.tokens.bearer().await?;
            let page = self.api.json(self.api.get_ask(url).header("authorization", bearer)).await;
            let page: Page = page?;
            targets.extend(page.items.iter().filter_map(|instance| self.target(instance)));
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(targets);
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    /// `None`: the instance is in no network.
    fn target(&self, instance: &Instance) -> Option<Labels> {
        let first = instance.network_interfaces.first()?;
        let address = format!("{}:{}", first.network_ip, self.port);
        let mut target = Meta::new("__meta_gce_");
        target
            .set(gauntlet_model::ADDRESS_LABEL, address)
            .put("project", &self.project)
            .put("zone", &instance.zone)
            .put("instance_id", &instance.id.0)
            .put("instance_name", &instance.name)
            .put("instance_status", &instance.status)
            .put("machine_type", &instance.machine_type)
            .put("network", &first.network)
            .put("subnetwork", &first.subnetwork)
            .put("private_ip", &first.network_ip)
            .list("tags", &self.separator, &instance.tags.items)
            .put_all("label_", &instance.labels);
        for interface in &instance.network_interfaces {
            let name = format!("interface_ipv4_{}", sanitise(&interface.name));
            target.put(&name, &interface.network_ip);
        }
        for item in &instance.metadata.items {
            target.put_some(&format!("metadata_{}", sanitise(&item.key)), item.value.as_ref());
        }
        let nat = first.access_configs.first().filter(|config| config.kind == "ONE_TO_ONE_NAT");
        target.put_some("public_ip", nat.map(|config| &config.nat_ip));
        Some(target.build())
    }
}

refresh!(Gce);

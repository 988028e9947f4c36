//! `ovhcloud_sd_configs`: dedicated servers and virtual private servers. Source: OVHcloud API v1, "First steps".

use std::net::IpAddr;
use std::sync::Arc;

use gauntlet_model::{ADDRESS_LABEL, Labels, TargetGroup};
use gauntlet_net::ClientOptions;
use gauntlet_net::config::{HttpClientConfig, Secret};
use gauntlet_runtime::Clock;
use ring::digest;
use serde::de::DeserializeOwned;

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, escape};

answer! {
    #[serde(rename_all = "camelCase")]
    struct Dedicated {
        state: String,
        commercial_range: String,
        link_speed: i64,
        rack: String,
        no_intervention: bool,
        os: String,
        support_level: String,
        server_id: i64,
        reverse: String,
        datacenter: String,
        name: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Vps {
        zone: String,
        model: VpsModel,
        display_name: String,
        cluster: String,
        state: String,
        name: String,
        netboot_mode: String,
        memory_limit: i64,
        offer_type: String,
        vcore: i64,
    }

    struct VpsModel {
        #[serde(rename = "maximumAdditionnalIp")]
        maximum_additional_ip: i64,
        offer: String,
        datacenter: Vec<String>,
        vcore: i64,
        version: String,
        name: String,
        disk: i64,
        memory: i64,
    }
}

#[derive(Debug)]
pub(super) struct OvhCloud {
    api: Api,
    base: String,
    application_key: String,
    application_secret: Secret,
    consumer_key: Secret,
    is_vps: bool,
    clock: Arc<dyn Clock>,
    /// How far the server's clock is ahead, in seconds; asked for once.
    ahead_secs: Option<i64>,
}

impl OvhCloud {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let base = match fields.str("endpoint") {
            "ovh-eu" => "https://eu.api.ovh.com/1.0",
            "ovh-ca" => "https://ca.api.ovh.com/1.0",
            "ovh-us" => "https://api.us.ovhcloud.com/1.0",
            "kimsufi-eu" => "https://eu.api.kimsufi.com/1.0",
            "kimsufi-ca" => "https://ca.api.kimsufi.com/1.0",
            "soyoustart-eu" => "https://eu.api.soyoustart.com/1.0",
            "soyoustart-ca" => "https://ca.api.soyoustart.com/1.0",
            url if url.contains('/') => url.trim_end_matches('/'),
            other => return Err(making.refused(format!("unknown endpoint '{other}'"))),
        };
        let mut http = HttpClientConfig::default();
        http.proxy.proxy_from_environment = true;
        Ok(Self {
            api: making.api_with(&http, ClientOptions::default())?,
            base: base.to_owned(),
            application_key: fields.str("application_key").to_owned(),
            application_secret: fields.secret("application_secret"),
            consumer_key: fields.secret("consumer_key"),
            is_vps: fields.str("service") == "vps",
            clock: Arc::clone(&making.deps.clock),
            ahead_secs: None,
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        if self.ahead_secs.is_none() {
            let theirs: i64 = self.api.get(format!("{}/auth/time", self.base)).await?;
            self.ahead_secs = Some(theirs - self.clock.now_ms() / 1000);
        }
        let (path, source) = if self.is_vps {
            ("/vps", "ovhcloud_vps")
        } else {
            ("/dedicated/server", "ovhcloud_dedicated_server")
        };
        let names: Vec<String> = self.get(path).await?;
        let mut targets = Vec::new();
        for name in &names {
            let path = format!("{path}/{}", escape(name, b""));
            match self.server(&path).await {
                Ok(target) => targets.push(target),
                Err(err) => {
                    tracing::warn!(discovery = "ovhcloud", name, err, "could not get details");
                }
            }
        }
        Ok(one_group(source, targets))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let url = format!("{}{path}", self.base);
        let now = self.clock.now_ms() / 1000 + self.ahead_secs.unwrap_or(0);
        let consumer = self.consumer_key.expose();
        let text = format!("{}+{consumer}+GET+{url}++{now}", self.application_secret.expose());
        let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let sum: String = sum.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let ask = self
            .api
            .get_ask(url)
            .header("accept", "application/json")
            .header("x-ovh-application", self.application_key.clone())
            .header("x-ovh-timestamp", now.to_string())
            .header("x-ovh-consumer", consumer)
            .header("x-ovh-signature", format!("$1${sum}"));
        self.api.json(ask).await
    }

    async fn server(&self, path: &str) -> Result<Labels, String> {
        if self.is_vps {
            let vps: Vps = self.get(path).await?;
            let mut target = of_vps(&vps);
            self.put_ips(path, &vps.name, &mut target).await?;
            return Ok(target.build());
        }
        let server: Dedicated = self.get(path).await?;
        let mut target = of_dedicated(&server);
        self.put_ips(path, &server.name, &mut target).await?;
        Ok(target.build())
    }

    async fn put_ips(&self, path: &str, name: &str, target: &mut Meta) -> Result<(), String> {
        let ips: Vec<String> = self.get(&format!("{path}/ips")).await?;
        let ips = parse_ips(&ips).ok_or("could not parse IP addresses from list")?;
        let last = |wanted: fn(&IpAddr) -> bool| {
            ips.iter().rev().find(|ip| wanted(ip)).map(IpAddr::to_string).unwrap_or_default()
        };
        let (v4, v6) = (last(IpAddr::is_ipv4), last(IpAddr::is_ipv6));
        target.put("ipv4", &v4).put("ipv6", &v6).set("instance", name);
        target.set(ADDRESS_LABEL, if v4.is_empty() { v6 } else { v4 });
        Ok(())
    }
}

refresh!(OvhCloud);

fn of_dedicated(server: &Dedicated) -> Meta {
    let mut target = Meta::new("__meta_ovhcloud_dedicated_server_");
    target
        .put("state", &server.state)
        .put("commercial_range", &server.commercial_range)
        .show("link_speed", server.link_speed)
        .put("rack", &server.rack)
        .show("no_intervention", server.no_intervention)
        .put("os", &server.os)
        .put("support_level", &server.support_level)
        .show("server_id", server.server_id)
        .put("reverse", &server.reverse)
        .put("datacenter", &server.datacenter)
        .put("name", &server.name);
    target
}

fn of_vps(vps: &Vps) -> Meta {
    let model = &vps.model;
    let mut target = Meta::new("__meta_ovhcloud_vps_");
    target
        .put("offer", &model.offer)
        .put("datacenter", format!("[{}]", model.datacenter.join(" ")))
        .show("model_vcore", model.vcore)
        .show("maximum_additional_ip", model.maximum_additional_ip)
        .put("version", &model.version)
        .put("model_name", &model.name)
        .show("disk", model.disk)
        .show("memory", model.memory)
        .put("zone", &vps.zone)
        .put("display_name", &vps.display_name)
        .put("cluster", &vps.cluster)
        .put("state", &vps.state)
        .put("name", &vps.name)
        .put("netboot_mode", &vps.netboot_mode)
        .show("memory_limit", vps.memory_limit)
        .put("offer_type", &vps.offer_type)
        .show("vcore", vps.vcore);
    target
}

/// Single addresses of a list, as they are or with a length of 32. `None`: there are none, or one is no address.
fn parse_ips(list: &[String]) -> Option<Vec<IpAddr>> {
    let mut ips = Vec::new();
    for text in list {
        let ip: IpAddr = match text.split_once('/') {
            None => text.parse().ok()?,
            Some((ip, length)) => {
                let (ip, length): (IpAddr, u8) = (ip.parse().ok()?, length.parse().ok()?);
                if length != 32 {
                    continue;
                }
                ip
            }
        };
        if !ip.is_unspecified() {
            ips.push(ip);
        }
    }
    (!ips.is_empty()).then_some(ips)
}

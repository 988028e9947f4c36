//! `vultr_sd_configs`: Vultr's instances. Source: Vultr API v2.

use gauntlet_model::{Labels, TargetGroup};

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, MAX_PAGES, escape};

const URL: &str = "https://api.vultr.com/v2/instances";

answer! {
    struct Page {
        instances: Vec<Instance>,
        meta: PageMeta,
    }

    struct PageMeta {
        links: Links,
    }

    struct Links {
        next: String,
    }

    struct Instance {
        id: String,
        label: String,
        os: String,
        os_id: i64,
        region: String,
        plan: String,
        vcpu_count: i64,
        ram: i64,
        allowed_bandwidth: i64,
        disk: i64,
        main_ip: String,
        v6_main_ip: String,
        internal_ip: String,
        hostname: String,
        server_status: String,
        features: Vec<String>,
        tags: Vec<String>,
    }
}

#[derive(Debug)]
pub(super) struct Vultr {
    api: Api,
    port: i64,
}

impl Vultr {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        Ok(Self { api: making.api()?, port: making.fields.int("port") })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let (mut targets, mut cursor) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let more = match cursor.as_str() {
                "" => String::new(),
                cursor => format!("&cursor={}", escape(cursor, b"")),
            };
            let page: Page = self.api.get(format!("{URL}?per_page=100{more}")).await?;
            targets.extend(page.instances.iter().map(|instance| self.target(instance)));
            cursor = page.meta.links.next;
            if cursor.is_empty() {
                return Ok(one_group("Vultr", targets));
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    fn target(&self, instance: &Instance) -> Labels {
        Meta::new("__meta_vultr_instance_")
            .address(&instance.main_ip, self.port)
            .put("id", &instance.id)
            .put("label", &instance.label)
            .put("os", &instance.os)
            .show("os_id", instance.os_id)
            .put("region", &instance.region)
            .put("plan", &instance.plan)
            .show("vcpu_count", instance.vcpu_count)
            .show("ram_mb", instance.ram)
            .show("allowed_bandwidth_gb", instance.allowed_bandwidth)
            .show("disk_gb", instance.disk)
            .put("main_ip", &instance.main_ip)
            .put("main_ipv6", &instance.v6_main_ip)
            .put("internal_ip", &instance.internal_ip)
            .put("hostname", &instance.hostname)
            .put("server_status", &instance.server_status)
            .list("features", ",", &instance.features)
            .list("tags", ",", &instance.tags)
            .build()
    }
}

refresh!(Vultr);

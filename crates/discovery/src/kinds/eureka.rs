//! `eureka_sd_configs`: instances of Eureka's apps. Source: Eureka REST operations, `/apps` in XML.

use gauntlet_model::{Labels, TargetGroup};

use super::{Making, refresh};
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::Api;
use crate::xml::Element;

#[derive(Debug)]
pub(super) struct Eureka {
    api: Api,
    url: String,
}

impl Eureka {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        Ok(Self { api: making.api()?, url: format!("{}/apps", making.fields.str("server")) })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let answer = self.api.send(self.api.get_ask(&self.url)).await?;
        let apps = Element::of_bytes(&answer.body).map_err(|err| format!("{}: {err}", self.url))?;
        let mut targets = Vec::new();
        for app in apps.all("application") {
            for instance in app.all("instance") {
                targets.push(target(app.str("name"), instance)?);
            }
        }
        Ok(one_group("eureka", targets))
    }
}

refresh!(Eureka);

fn target(app: &str, instance: &Element<'_>) -> Result<Labels, String> {
    let mut labels = Meta::new("__meta_eureka_");
    let number = |text: &str| match text.trim() {
        "" => Ok(0),
        text => text.parse::<i64>().map_err(|_| format!("{text:?} is not a number")),
    };
    let host = instance.str("hostName");
    let mut address_port = 80;
    for (element, label) in [("port", "port"), ("securePort", "secure_port")] {
        let Some(port) = instance.child(element) else { continue };
        let value = number(&port.text)?;
        let is_enabled = matches!(port.attribute("enabled"), Some("true" | "1" | "TRUE" | "True"));
        labels.show(&format!("app_instance_{label}"), value);
        labels.show(&format!("app_instance_{label}_enabled"), is_enabled);
        if element == "port" {
            address_port = value;
        }
    }
    labels.address(host, address_port);
    labels.set("instance", instance.str("instanceId"));
    labels.put("app_name", app);
    for (element, label) in [
        ("hostName", "hostname"),
        ("homePageUrl", "homepage_url"),
        ("statusPageUrl", "statuspage_url"),
        ("healthCheckUrl", "healthcheck_url"),
        ("ipAddr", "ip_addr"),
        ("vipAddress", "vip_address"),
        ("secureVipAddress", "secure_vip_address"),
        ("status", "status"),
        ("instanceId", "id"),
    ] {
        labels.put(&format!("app_instance_{label}"), instance.str(element));
    }
    labels.show("app_instance_country_id", number(instance.str("countryId"))?);
    let mut metadata = |of: &Element<'_>, label: &str| {
        for item in of.child("metadata").into_iter().flat_map(|metadata| &metadata.children) {
            let name = format!("app_instance_{label}metadata_{}", sanitise(item.name));
            labels.put(&name, item.inner);
        }
    };
    metadata(instance, "");
    if let Some(info) = instance.child("dataCenterInfo") {
        metadata(info, "datacenterinfo_");
        labels.put("app_instance_datacenterinfo_name", info.str("name"));
    }
    Ok(labels.build())
}

//! `nomad_sd_configs`: the services that Nomad itself registers. Source: Nomad's Services HTTP API.

use gauntlet_model::{Labels, TargetGroup};
use gauntlet_telemetry::Counter;

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, escape, query};

answer! {
    #[serde(rename_all = "PascalCase")]
    struct Namespace {
        services: Vec<ServiceName>,
    }

    #[serde(rename_all = "PascalCase")]
    struct ServiceName {
        service_name: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct Instance {
        #[serde(rename = "ID")]
        id: String,
        service_name: String,
        namespace: String,
        #[serde(rename = "NodeID")]
        node_id: String,
        datacenter: String,
        address: String,
        port: i64,
        tags: Vec<String>,
    }
}

#[derive(Debug)]
pub(super) struct Nomad {
    api: Api,
    base: String,
    query: String,
    separator: String,
    failures: Counter,
}

impl Nomad {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let mut pairs =
            vec![("namespace", fields.str("namespace")), ("region", fields.str("region"))];
        if fields.bool("allow_stale") {
            pairs.push(("stale", ""));
        }
        pairs.retain(|(name, value)| *name == "stale" || !value.is_empty());
        let server = fields.str("server").trim_end_matches('/');
        let scheme = if server.contains("://") { "" } else { "http://" };
        Ok(Self {
            api: making.api()?,
            base: format!("{scheme}{server}/v1"),
            query: query(pairs),
            separator: fields.str("tag_separator").to_owned(),
            failures: making.deps.metrics.nomad_failures.clone(),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        self.find().await.inspect_err(|_| self.failures.inc())
    }

    async fn find(&self) -> Result<Vec<TargetGroup>, String> {
        let url = format!("{}/services?{}", self.base, self.query);
        let namespaces: Vec<Namespace> = self.api.get(url).await?;
        let mut targets = Vec::new();
        for service in namespaces.iter().flat_map(|namespace| &namespace.services) {
            let name = escape(&service.service_name, b"");
            let url = format!("{}/service/{name}?{}", self.base, self.query);
            let instances: Vec<Instance> = self.api.get(url).await?;
            targets.extend(instances.iter().map(|instance| self.target(instance)));
        }
        Ok(one_group("Nomad", targets))
    }

    fn target(&self, instance: &Instance) -> Labels {
        Meta::new("__meta_nomad_")
            .address(&instance.address, instance.port)
            .put("address", &instance.address)
            .put("dc", &instance.datacenter)
            .put("node_id", &instance.node_id)
            .put("namespace", &instance.namespace)
            .put("service_address", &instance.address)
            .put("service_id", &instance.id)
            .show("service_port", instance.port)
            .put("service", &instance.service_name)
            .list("tags", &self.separator, &instance.tags)
            .build()
    }
}

refresh!(Nomad);

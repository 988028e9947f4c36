//! `triton_sd_configs`: containers and compute nodes of Triton. Source: triton-cmon, discovery endpoints.

use gauntlet_model::{ADDRESS_LABEL, TargetGroup};
use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;

use super::{Making, refresh};
use crate::answer::answer;
use crate::config::FieldValue;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, decode, escape};

answer! {
    struct Found {
        containers: Vec<Container>,
        cns: Vec<Node>,
    }

    struct Container {
        groups: Vec<String>,
        server_uuid: String,
        vm_alias: String,
        vm_brand: String,
        vm_image_uuid: String,
        vm_uuid: String,
    }

    struct Node {
        server_uuid: String,
        server_hostname: String,
    }
}

#[derive(Debug)]
pub(super) struct Triton {
    api: Api,
    url: String,
    suffix: String,
    port: i64,
    is_node: bool,
}

impl Triton {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let mut http = HttpClientConfig::default();
        if let Some(FieldValue::Tls(tls)) = fields.get("tls_config") {
            http.tls_config = (**tls).clone();
        }
        let is_node = fields.str("role") == "cn";
        let port = fields.int("port");
        let mut url = format!(
            "https://{}:{port}/v{}/{}discover",
            fields.str("endpoint"),
            fields.int("version"),
            if is_node { "gz/" } else { "" }
        );
        let groups = fields.strings("groups");
        if !groups.is_empty() {
            url.push_str(&format!("?groups={}", escape(&groups.join(","), b"")));
        }
        Ok(Self {
            api: making.api_with(&http, ClientOptions::default())?,
            url,
            suffix: fields.str("dns_suffix").to_owned(),
            port,
            is_node,
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let answer = self.api.send(self.api.get_ask(&self.url)).await.map_err(|err| {
            format!("an error occurred when requesting targets from the discovery endpoint: {err}")
        })?;
        let found: Found = decode(&answer.body)?;
        let address = |id: &str| format!("{id}.{}:{}", self.suffix, self.port);
        let container = |container: &Container| {
            Meta::new("__meta_triton_")
                .set(ADDRESS_LABEL, address(&container.vm_uuid))
                .put("machine_id", &container.vm_uuid)
                .put("machine_alias", &container.vm_alias)
                .put("machine_brand", &container.vm_brand)
                .put("machine_image", &container.vm_image_uuid)
                .put("server_id", &container.server_uuid)
                .list("groups", ",", &container.groups)
                .build()
        };
        let node = |node: &Node| {
            Meta::new("__meta_triton_")
                .set(ADDRESS_LABEL, address(&node.server_uuid))
                .put("machine_id", &node.server_uuid)
                .put("machine_alias", &node.server_hostname)
                .build()
        };
        let targets = if self.is_node {
            found.cns.iter().map(node).collect()
        } else {
            found.containers.iter().map(container).collect()
        };
        Ok(one_group(&self.url, targets))
    }
}

refresh!(Triton);

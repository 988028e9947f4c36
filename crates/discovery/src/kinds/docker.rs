//! `docker_sd_configs`: running containers, a target per network and TCP port.

use std::collections::BTreeMap;

use gauntlet_model::{ADDRESS_LABEL, Labels, TargetGroup};

use super::moby::Daemon;
use super::{Making, Pairs, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};

const PREFIX: &str = "__meta_docker_";

answer! {
    #[serde(rename_all = "PascalCase")]
    struct Container {
        id: String,
        names: Vec<String>,
        image: String,
        #[serde(rename = "ImageID")]
        image_id: String,
        labels: Pairs,
        ports: Vec<Port>,
        host_config: HostConfig,
        network_settings: NetworkSettings,
    }

    #[serde(rename_all = "PascalCase")]
    struct Port {
        #[serde(rename = "IP")]
        ip: String,
        private_port: i64,
        public_port: i64,
        #[serde(rename = "Type")]
        kind: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct HostConfig {
        network_mode: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct NetworkSettings {
        networks: BTreeMap<String, Option<Endpoint>>,
    }

    struct Endpoint {
        #[serde(rename = "NetworkID")]
        network_id: String,
        #[serde(rename = "IPAddress")]
        ip: String,
        #[serde(rename = "GlobalIPv6Address")]
        ipv6: String,
    }
}

#[derive(Debug)]
pub(super) struct Docker {
    daemon: Daemon,
    port: i64,
    host_networking_host: String,
    match_first_network: bool,
}

impl Docker {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        Ok(Self {
            daemon: Daemon::new(making)?,
            port: making.fields.int("port"),
            host_networking_host: making.fields.str("host_networking_host").to_owned(),
            match_first_network: making.fields.bool("match_first_network"),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let containers: Vec<Container> = self.daemon.filtered("/containers/json").await?;
        let networks = self.daemon.networks(PREFIX).await?;
        let by_id: BTreeMap<&str, &Container> =
            containers.iter().map(|c| (c.id.as_str(), c)).collect();
        let mut targets = Vec::new();
        for container in containers.iter().filter(|c| !c.names.is_empty()) {
            let joined = networks_of(container, &by_id).values().flatten();
            // By name, so that the first is always the same.
            let count = if self.match_first_network { 1 } else { usize::MAX };
            for endpoint in joined.take(count) {
                let of_network = networks.get(&endpoint.network_id);
                self.targets(container, endpoint, of_network, &mut targets);
            }
        }
        Ok(one_group("Docker", targets))
    }

    /// Targets of a container in one network.
    fn targets(
        &self,
        container: &Container,
        endpoint: &Endpoint,
        network: Option<&Labels>,
        targets: &mut Vec<Labels>,
    ) {
        let ip = if endpoint.ip.is_empty() { &endpoint.ipv6 } else { &endpoint.ip };
        let mut common = Meta::new(PREFIX);
        common
            .put("container_id", &container.id)
            .put("container_name", &container.names[0])
            .put("container_network_mode", &container.host_config.network_mode)
            .put("container_image", &container.image)
            .put("container_image_id", &container.image_id)
            .put_all("container_label_", &container.labels)
            .put("network_ip", ip);
        if let Some(network) = network {
            common.merge(network);
        }
        let before = targets.len();
        for port in container.ports.iter().filter(|port| port.kind == "tcp") {
            let mut target = common.clone();
            target.show("port_private", port.private_port);
            if port.public_port > 0 {
                target.show("port_public", port.public_port).put("port_public_ip", &port.ip);
            }
            targets.push(target.address(ip, port.private_port).build());
        }
        if targets.len() == before {
            if container.host_config.network_mode == "host" {
                common.set(ADDRESS_LABEL, &self.host_networking_host);
            } else {
                common.address(ip, self.port);
            }
            targets.push(common.build());
        }
    }
}

refresh!(Docker);

/// The networks of a container, or of the one whose network it shares, over as many steps as it takes.
fn networks_of<'a>(
    container: &'a Container,
    by_id: &BTreeMap<&str, &'a Container>,
) -> &'a BTreeMap<String, Option<Endpoint>> {
    let mut at = container;
    for _ in 0..by_id.len() {
        let shared = at.host_config.network_mode.strip_prefix("container:");
        match shared.and_then(|id| by_id.get(id)) {
            Some(next) if at.network_settings.networks.is_empty() => at = next,
            _ => break,
        }
    }
    &at.network_settings.networks
}

//! `marathon_sd_configs`: tasks of Marathon's apps, a target per port. Source: Marathon's REST API, `/v2/apps`.

use std::collections::BTreeSet;
use std::sync::Arc;

use gauntlet_model::{Labels, TargetGroup};
use gauntlet_net::config::Secret;
use gauntlet_runtime::Clock;

use super::{Making, Pairs, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::dns::join_host_port;
use crate::meta::Meta;
use crate::rest::Api;

const PREFIX: &str = "__meta_marathon_";

answer! {
    struct Apps {
        apps: Vec<App>,
    }

    #[serde(rename_all = "camelCase")]
    struct App {
        id: String,
        tasks: Vec<Task>,
        labels: Pairs,
        container: Container,
        port_definitions: Vec<PortDefinition>,
        networks: Vec<Network>,
        require_ports: bool,
    }

    #[serde(rename_all = "camelCase")]
    struct Task {
        id: String,
        host: String,
        ports: Vec<u32>,
        ip_addresses: Vec<IpAddress>,
    }

    #[serde(rename_all = "camelCase")]
    struct IpAddress {
        ip_address: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Container {
        docker: Docker,
        port_mappings: Vec<PortMapping>,
    }

    #[serde(rename_all = "camelCase")]
    struct Docker {
        image: String,
        port_mappings: Vec<PortMapping>,
    }

    #[serde(rename_all = "camelCase")]
    struct PortMapping {
        labels: Pairs,
        container_port: u32,
        host_port: u32,
    }

    struct PortDefinition {
        labels: Pairs,
        port: u32,
    }

    struct Network {
        mode: String,
    }
}

#[derive(Debug)]
pub(super) struct Marathon {
    api: Api,
    token: Secret,
    /// Read again for each request.
    token_file: String,
    servers: Vec<String>,
    clock: Arc<dyn Clock>,
    /// Apps of the last good answer.
    known: BTreeSet<String>,
}

impl Marathon {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let file = making.fields.str("auth_token_file");
        if !file.is_empty() && !std::path::Path::new(file).is_file() {
            return Err(making.refused(format!("unable to read auth token file {file}")));
        }
        Ok(Self {
            api: making.api()?,
            token: making.fields.secret("auth_token"),
            token_file: file.to_owned(),
            servers: making.fields.strings("servers").to_vec(),
            clock: Arc::clone(&making.deps.clock),
            known: BTreeSet::new(),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        // Any server will do; chance spreads the load.
        let chance = self.clock.monotonic().subsec_nanos() as usize;
        let server = &self.servers[chance % self.servers.len()];
        let mut ask = self.api.get_ask(format!("{server}/v2/apps/?embed=apps.tasks"));
        let mut token = self.token.clone();
        if !self.token_file.is_empty() {
            let text = std::fs::read_to_string(&self.token_file).map_err(|err| {
                format!("unable to read auth token file {}: {err}", self.token_file)
            })?;
            token = Secret::new(text.trim());
        }
        if !token.is_empty() {
            // DC/OS wants `token=...` in place of `Bearer ...`.
            ask = ask.header("authorization", format!("token={}", token.expose()));
        }
        let apps: Apps = self.api.json(ask).await?;
        let mut groups: Vec<TargetGroup> = apps.apps.iter().map(group).collect();
        let known: BTreeSet<String> = groups.iter().map(|group| group.source.clone()).collect();
        for source in self.known.difference(&known) {
            groups.push(TargetGroup { source: source.clone(), ..TargetGroup::default() });
        }
        self.known = known;
        Ok(groups)
    }
}

refresh!(Marathon);

fn group(app: &App) -> TargetGroup {
    let mut labels = Meta::new(PREFIX);
    labels
        .put("app", &app.id)
        .put("image", &app.container.docker.image)
        .put_all("app_label_", &app.labels);
    TargetGroup { source: app.id.clone(), targets: targets(app), labels: labels.build() }
}

fn targets(app: &App) -> Vec<Labels> {
    let in_container = app.networks.first().is_some_and(|network| network.mode == "container");
    // Ports of the app with their labels. Port 0 is to be looked up in the task.
    let mapped = |mappings: &[PortMapping]| -> Vec<(u32, Pairs)> {
        let port = |m: &PortMapping| if in_container { m.container_port } else { m.host_port };
        mappings.iter().map(|m| (port(m), m.labels.clone())).collect()
    };
    let container = &app.container;
    let (mut ports, prefix) = if !container.port_mappings.is_empty() {
        (mapped(&container.port_mappings), "port_mapping_label_")
    } else if !container.docker.port_mappings.is_empty() {
        (mapped(&container.docker.port_mappings), "port_mapping_label_")
    } else {
        let definitions = app.port_definitions.iter();
        let port = |d: &PortDefinition| if app.require_ports { d.port } else { 0 };
        (definitions.map(|d| (port(d), d.labels.clone())).collect(), "port_definition_label_")
    };
    let mut targets = Vec::new();
    for task in &app.tasks {
        if ports.is_empty() {
            // Without any in the app, those of the first task that has some count for all.
            ports = task.ports.iter().map(|port| (*port, Pairs::new())).collect();
        }
        for (index, (port, labels)) in ports.iter().enumerate() {
            let of_task = (task.ports.len() == ports.len()).then(|| task.ports[index]);
            let port = if *port == 0 { of_task.unwrap_or(0) } else { *port };
            let address = task.ip_addresses.first().filter(|_| in_container);
            let host = address.map_or(&task.host, |address| &address.ip_address);
            let target = Meta::new(PREFIX)
                .set(gauntlet_model::ADDRESS_LABEL, join_host_port(host, i64::from(port)))
                .put("task", &task.id)
                .show("port_index", index)
                .put_all(prefix, labels)
                .build();
            targets.push(target);
        }
    }
    targets
}

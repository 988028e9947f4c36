//! `dockerswarm_sd_configs`: services, tasks and nodes of a swarm.

use std::collections::BTreeMap;

use gauntlet_model::{Labels, TargetGroup};

use super::moby::{Daemon, ip_of};
use super::{Making, Pairs, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};

const PREFIX: &str = "__meta_dockerswarm_";

answer! {
    #[serde(rename_all = "PascalCase")]
    struct Service {
        #[serde(rename = "ID")]
        id: String,
        spec: ServiceSpec,
        endpoint: ServiceEndpoint,
        update_status: Option<State>,
    }

    #[serde(rename_all = "PascalCase")]
    struct ServiceSpec {
        name: String,
        labels: Pairs,
        mode: ServiceMode,
        task_template: TaskSpec,
    }

    #[serde(rename_all = "PascalCase")]
    struct ServiceMode {
        replicated: Option<serde_json::Value>,
        global: Option<serde_json::Value>,
    }

    #[serde(rename_all = "PascalCase")]
    struct TaskSpec {
        container_spec: Option<ContainerSpec>,
    }

    #[serde(rename_all = "PascalCase")]
    struct ContainerSpec {
        image: String,
        hostname: String,
        labels: Pairs,
    }

    struct ServiceEndpoint {
        #[serde(rename = "Ports")]
        ports: Vec<Port>,
        #[serde(rename = "VirtualIPs")]
        virtual_ips: Vec<VirtualIp>,
    }

    #[serde(rename_all = "PascalCase")]
    struct Port {
        name: String,
        protocol: String,
        published_port: i64,
        publish_mode: String,
    }

    struct VirtualIp {
        #[serde(rename = "NetworkID")]
        network_id: String,
        #[serde(rename = "Addr")]
        address: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct State {
        state: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct Task {
        #[serde(rename = "ID")]
        id: String,
        #[serde(rename = "ServiceID")]
        service_id: String,
        #[serde(rename = "NodeID")]
        node_id: String,
        slot: i64,
        desired_state: String,
        spec: TaskSpec,
        status: TaskStatus,
        networks_attachments: Vec<Attachment>,
    }

    #[serde(rename_all = "PascalCase")]
    struct TaskStatus {
        state: String,
        container_status: Option<ContainerStatus>,
        port_status: PortStatus,
    }

    struct ContainerStatus {
        #[serde(rename = "ContainerID")]
        id: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct PortStatus {
        ports: Vec<Port>,
    }

    #[serde(rename_all = "PascalCase")]
    struct Attachment {
        network: NetworkRef,
        addresses: Vec<String>,
    }

    struct NetworkRef {
        #[serde(rename = "ID")]
        id: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct Node {
        #[serde(rename = "ID")]
        id: String,
        spec: NodeSpec,
        description: NodeDescription,
        status: NodeStatus,
        manager_status: Option<ManagerStatus>,
    }

    #[serde(rename_all = "PascalCase")]
    struct NodeSpec {
        role: String,
        availability: String,
        labels: Pairs,
    }

    #[serde(rename_all = "PascalCase")]
    struct NodeDescription {
        hostname: String,
        platform: Platform,
        engine: Engine,
    }

    struct Platform {
        #[serde(rename = "Architecture")]
        architecture: String,
        #[serde(rename = "OS")]
        os: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct Engine {
        engine_version: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct NodeStatus {
        state: String,
        addr: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct ManagerStatus {
        leader: bool,
        reachability: String,
        addr: String,
    }
}

#[derive(Debug)]
pub(super) struct DockerSwarm {
    daemon: Daemon,
    role: String,
    port: i64,
}

impl DockerSwarm {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let (role, port) = (making.fields.str("role").to_owned(), making.fields.int("port"));
        Ok(Self { daemon: Daemon::new(making)?, role, port })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let targets = match self.role.as_str() {
            "services" => self.services().await?,
            "tasks" => self.tasks().await?,
            _ => self.nodes().await?,
        };
        Ok(one_group("DockerSwarm", targets))
    }

    async fn services(&self) -> Result<Vec<Labels>, String> {
        let services: Vec<Service> = self.daemon.filtered("/services").await?;
        let networks = self.daemon.networks(PREFIX).await?;
        let mut targets = Vec::new();
        for service in &services {
            let mut common = of_service(service);
            if let Some(container) = &service.spec.task_template.container_spec {
                common.put("service_task_container_hostname", &container.hostname);
                common.put("service_task_container_image", &container.image);
            }
            let updating = service.update_status.as_ref().map(|status| &status.state);
            common.put_some("service_updating_status", updating);
            for virtual_ip in &service.endpoint.virtual_ips {
                let ip = ip_of(&virtual_ip.address)?;
                let mut target = common.clone();
                if let Some(network) = networks.get(&virtual_ip.network_id) {
                    target.merge(network);
                }
                self.by_ports(&service.endpoint.ports, ip, &mut targets, |port| {
                    let mut target = target.clone();
                    if let Some(port) = port {
                        target.put("service_endpoint_port_name", &port.name);
                        target.put("service_endpoint_port_publish_mode", &port.publish_mode);
                    }
                    target
                });
            }
        }
        Ok(targets)
    }

    async fn tasks(&self) -> Result<Vec<Labels>, String> {
        let tasks: Vec<Task> = self.daemon.filtered("/tasks").await?;
        let services: Vec<Service> = self.daemon.get("/services").await?;
        let services: BTreeMap<&str, &Service> =
            services.iter().map(|service| (service.id.as_str(), service)).collect();
        let nodes: Vec<Node> = self.daemon.get("/nodes").await?;
        let nodes: BTreeMap<&str, &Node> = nodes.iter().map(|n| (n.id.as_str(), n)).collect();
        let networks = self.daemon.networks(PREFIX).await?;
        let mut targets = Vec::new();
        for task in &tasks {
            let service = services.get(task.service_id.as_str());
            let node = nodes.get(task.node_id.as_str());
            let mut common = Meta::new(PREFIX);
            common
                .put("task_id", &task.id)
                .put("task_desired_state", &task.desired_state)
                .put("task_state", &task.status.state)
                .show("task_slot", task.slot);
            let container = task.status.container_status.as_ref();
            common.put_some("task_container_id", container.map(|container| &container.id));
            if let Some(container) = &task.spec.container_spec {
                common.put_all("container_label_", &container.labels);
            }
            if let Some(service) = service {
                common.merge(&of_service(service).build());
            }
            if let Some(node) = node {
                common.merge(&of_node(node).build());
            }
            let host = node.map_or("", |node| &node.status.addr);
            for port in task.status.port_status.ports.iter().filter(|p| p.protocol == "tcp") {
                let mut target = common.clone();
                target.put("task_port_publish_mode", &port.publish_mode);
                targets.push(target.address(host, port.published_port).build());
            }
            let ports = service.map(|service| &service.endpoint.ports[..]).unwrap_or_default();
            for attachment in &task.networks_attachments {
                let mut common = common.clone();
                if let Some(network) = networks.get(&attachment.network.id) {
                    common.merge(network);
                }
                for address in &attachment.addresses {
                    self.by_ports(ports, ip_of(address)?, &mut targets, |port| {
                        let mut target = common.clone();
                        let mode = port.map(|port| &port.publish_mode);
                        target.put_some("task_port_publish_mode", mode);
                        target
                    });
                }
            }
        }
        Ok(targets)
    }

    /// A target per TCP port, or one with the configured port if there is none.
    fn by_ports(
        &self,
        ports: &[Port],
        ip: &str,
        targets: &mut Vec<Labels>,
        labels: impl Fn(Option<&Port>) -> Meta,
    ) {
        let before = targets.len();
        for port in ports.iter().filter(|port| port.protocol == "tcp") {
            targets.push(labels(Some(port)).address(ip, port.published_port).build());
        }
        if targets.len() == before {
            targets.push(labels(None).address(ip, self.port).build());
        }
    }

    async fn nodes(&self) -> Result<Vec<Labels>, String> {
        let nodes: Vec<Node> = self.daemon.filtered("/nodes").await?;
        let target = |node: &Node| {
            let mut target = of_node(node);
            target.put("node_engine_version", &node.description.engine.engine_version);
            if let Some(manager) = &node.manager_status {
                target
                    .show("node_manager_leader", manager.leader)
                    .put("node_manager_reachability", &manager.reachability)
                    .put("node_manager_address", &manager.addr);
            }
            target.address(&node.status.addr, self.port).build()
        };
        Ok(nodes.iter().map(target).collect())
    }
}

refresh!(DockerSwarm);

fn of_service(service: &Service) -> Meta {
    let spec = &service.spec;
    let mode = if spec.mode.global.is_some() {
        "global"
    } else if spec.mode.replicated.is_some() {
        "replicated"
    } else {
        ""
    };
    let mut labels = Meta::new(PREFIX);
    labels
        .put("service_id", &service.id)
        .put("service_name", &spec.name)
        .put("service_mode", mode)
        .put_all("service_label_", &spec.labels);
    labels
}

fn of_node(node: &Node) -> Meta {
    let mut labels = Meta::new(PREFIX);
    labels
        .put("node_id", &node.id)
        .put("node_role", &node.spec.role)
        .put("node_address", &node.status.addr)
        .put("node_availability", &node.spec.availability)
        .put("node_hostname", &node.description.hostname)
        .put("node_platform_architecture", &node.description.platform.architecture)
        .put("node_platform_os", &node.description.platform.os)
        .put("node_status", &node.status.state)
        .put_all("node_label_", &node.spec.labels);
    labels
}

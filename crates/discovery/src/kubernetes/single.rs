//! Groups of objects that stand by themselves: nodes, pods, services, ingresses.

use gauntlet_model::TargetGroup;

use super::View;
use super::labels::{PREFIX, put_conditions, put_container_port, put_named, put_service};
use super::objects::{ContainerStatus, Ingress, IngressRule, Node, Pod, Service};
use crate::dns::join_host_port;
use crate::meta::{Meta, sanitise};

/// Kinds of addresses of a node, the best first.
const NODE_ADDRESSES: [&str; 6] =
    ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

impl View {
    /// `None`: the node has no address, and nothing is said of it.
    pub(super) fn node_group(&self, source: String, node: &Node) -> Option<TargetGroup> {
        let addresses = &node.status.addresses;
        let of_kind = |kind: &str| addresses.iter().find(|a| a.kind == kind);
        let Some(best) = NODE_ADDRESSES.into_iter().find_map(of_kind) else {
            tracing::warn!(
                discovery = "kubernetes",
                node = node.metadata.name,
                "no node address found"
            );
            return None;
        };
        let mut labels = Meta::new(PREFIX);
        labels.put("node_provider_id", &node.spec.provider_id);
        put_conditions(&mut labels, node);
        put_named(&mut labels, &node.metadata, "node");
        let mut target = Meta::new(PREFIX);
        target.address(&best.address, node.status.daemon_endpoints.kubelet_endpoint.port);
        target.set("instance", &node.metadata.name);
        // Of several addresses of a kind the first counts.
        for address in addresses.iter().rev() {
            target.put(&format!("node_address_{}", sanitise(&address.kind)), &address.address);
        }
        Some(TargetGroup { source, targets: vec![target.build()], labels: labels.build() })
    }

    pub(super) fn pod_group(&self, source: String, pod: &Pod) -> TargetGroup {
        let nothing = TargetGroup { source: source.clone(), ..TargetGroup::default() };
        // Starting and evicted pods have no address. Nodes that are not known were left out by selectors.
        let ip = &pod.status.pod_ip;
        let is_on_known_node =
            self.nodes.as_ref().is_none_or(|nodes| nodes.get(&pod.spec.node_name).is_some());
        if ip.is_empty() || !is_on_known_node {
            return nothing;
        }
        let mut labels = Meta::new(PREFIX);
        labels.merge(&self.pod_labels(pod)).put("namespace", &pod.metadata.namespace);
        self.put_node(&mut labels, Some(&pod.spec.node_name));
        self.put_namespace(&mut labels, &pod.metadata.namespace);
        let mut targets = Vec::new();
        for (container, is_initial) in pod.containers() {
            let statuses: &[ContainerStatus] = if is_initial {
                &pod.status.init_container_statuses
            } else {
                &pod.status.container_statuses
            };
            let id = statuses.iter().find(|s| s.name == container.name);
            let id = id.map_or("", |status| &status.container_id);
            if container.ports.is_empty() {
                let mut target = Meta::new(PREFIX);
                target
                    .set(gauntlet_model::ADDRESS_LABEL, ip)
                    .put("pod_container_name", &container.name)
                    .put("pod_container_id", id)
                    .put("pod_container_image", &container.image)
                    .show("pod_container_init", is_initial);
                targets.push(target.build());
            }
            for port in &container.ports {
                let mut target = Meta::new(PREFIX);
                target.address(ip, port.container_port).put("pod_container_id", id);
                let of_port = (port.name.as_str(), port.container_port, port.protocol.as_str());
                put_container_port(&mut target, container, is_initial, of_port);
                targets.push(target.build());
            }
        }
        TargetGroup { source, targets, labels: labels.build() }
    }

    pub(super) fn service_group(&self, source: String, service: &Service) -> TargetGroup {
        let mut labels = Meta::new(PREFIX);
        put_service(&mut labels, service);
        self.put_namespace(&mut labels, &service.metadata.namespace);
        let spec = &service.spec;
        let host = format!("{}.{}.svc", service.metadata.name, service.metadata.namespace);
        let target = |port: &super::objects::ServicePort| {
            let mut target = Meta::new(PREFIX);
            target
                .address(&host, port.port)
                .put("service_port_name", &port.name)
                .show("service_port_number", port.port)
                .put("service_port_protocol", &port.protocol)
                .put("service_type", &spec.kind);
            if spec.kind == "ExternalName" {
                target.put("service_external_name", &spec.external_name);
            } else {
                target.put("service_cluster_ip", &spec.cluster_ip);
            }
            if spec.kind == "LoadBalancer" {
                target.put("service_loadbalancer_ip", load_balancer_ips(service));
            }
            target.build()
        };
        let targets = spec.ports.iter().map(target).collect();
        TargetGroup { source, targets, labels: labels.build() }
    }

    pub(super) fn ingress_group(&self, source: String, ingress: &Ingress) -> TargetGroup {
        let mut labels = Meta::new(PREFIX);
        labels.put("namespace", &ingress.metadata.namespace);
        labels.put_some("ingress_class_name", ingress.spec.ingress_class_name.as_ref());
        put_named(&mut labels, &ingress.metadata, "ingress");
        self.put_namespace(&mut labels, &ingress.metadata.namespace);
        let mut targets = Vec::new();
        for rule in &ingress.spec.rules {
            let mut secured = ingress.spec.tls.iter().flat_map(|tls| &tls.hosts);
            let is_secured = secured.any(|pattern| matches_host(pattern, &rule.host));
            for path in paths(rule) {
                let mut target = Meta::new(PREFIX);
                target
                    .set(gauntlet_model::ADDRESS_LABEL, &rule.host)
                    .put("ingress_scheme", if is_secured { "https" } else { "http" })
                    .put("ingress_host", &rule.host)
                    .put("ingress_path", path);
                targets.push(target.build());
            }
        }
        TargetGroup { source, targets, labels: labels.build() }
    }
}

/// The addresses that were given, else the one that was asked for.
fn load_balancer_ips(service: &Service) -> String {
    let ingress = service.status.load_balancer.ingress.iter();
    let ips: Vec<&str> = ingress.map(|i| i.ip.as_str()).filter(|ip| !ip.is_empty()).collect();
    if ips.is_empty() { service.spec.load_balancer_ip.clone() } else { ips.join(",") }
}

/// The paths of a rule; a rule without any means all.
fn paths(rule: &IngressRule) -> Vec<&str> {
    let Some(http) = &rule.http else { return vec!["/"] };
    let paths = http.paths.iter().map(|p| p.path.as_str());
    paths.map(|path| if path.is_empty() { "/" } else { path }).collect()
}

/// Whether a host is the pattern, or differs from it in the first part alone where that is `*`.
fn matches_host(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    let Some(rest) = pattern.strip_prefix("*.") else {
        return pattern == "*" && !host.contains('.');
    };
    host.split_once('.').is_some_and(|(_, of_host)| of_host == rest)
}

/// `host:port` of a service's or pod's endpoint, or the bare host where there is no port.
pub(super) fn endpoint_address(host: &str, port: Option<i64>) -> String {
    port.map_or_else(|| host.to_owned(), |port| join_host_port(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_part() {
        let check =
            |pattern, host, want| assert_eq!(matches_host(pattern, host), want, "{pattern}");
        check("a.example.com", "a.example.com", true);
        check("*.example.com", "a.example.com", true);
        check("*.example.com", "a.b.example.com", false);
        check("*.example.com", "example.com", false);
        check("x.example.com", "a.example.com", false);
        check("*", "localhost", true);
        check("*", "a.b", false);
    }
}

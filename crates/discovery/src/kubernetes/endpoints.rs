//! Groups of endpoints and endpoint slices: a target per address and port, with what is known of the service and pod behind
//! it, and one for each other port of those pods' containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::{ADDRESS_LABEL, Labels, TargetGroup};

use super::View;
use super::labels::{PREFIX, put_container_port, put_named, put_service};
use super::objects::{
    Endpoint, EndpointAddress, EndpointSlice, Endpoints, ObjectReference, Pod, Service,
    ServicePort, SlicePort, key,
};
use super::single::endpoint_address;
use crate::meta::Meta;

/// The label that names a slice's service.
pub(super) const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// The pods that a group's targets lead to.
#[derive(Default)]
struct SeenPods(BTreeMap<String, SeenPod>);

struct SeenPod {
    pod: Arc<Pod>,
    labels: Labels,
    ports: Vec<i64>,
}

impl SeenPods {
    /// Adds a pod's labels, and its container's where the port is one of its own.
    fn attach(
        &mut self,
        view: &View,
        target: &mut Meta,
        pod: Arc<Pod>,
        port: Option<i64>,
        protocol: Option<&str>,
    ) {
        let of = key(&pod.metadata.namespace, &pod.metadata.name);
        let seen = self.0.entry(of).or_insert_with(|| SeenPod {
            labels: view.pod_labels(&pod),
            pod,
            ports: Vec::new(),
        });
        target.merge(&seen.labels);
        let Some(port) = port else { return };
        for (container, is_initial) in seen.pod.containers() {
            if let Some(own) = container.ports.iter().find(|own| own.container_port == port) {
                let protocol = protocol.unwrap_or(&own.protocol);
                put_container_port(target, container, is_initial, (&own.name, port, protocol));
            }
        }
        seen.ports.push(port);
    }

    /// Targets of the containers' ports that no endpoint leads to.
    fn other_ports(self, targets: &mut Vec<Labels>) {
        for SeenPod { pod, labels, ports } in self.0.into_values() {
            let ip = &pod.status.pod_ip;
            if ip.is_empty() {
                continue;
            }
            for (container, is_initial) in pod.containers() {
                for own in container.ports.iter().filter(|own| !ports.contains(&own.container_port))
                {
                    let mut target = Meta::new(PREFIX);
                    target.address(ip, own.container_port);
                    let of_port = (own.name.as_str(), own.container_port, own.protocol.as_str());
                    put_container_port(&mut target, container, is_initial, of_port);
                    target.merge(&labels);
                    targets.push(target.build());
                }
            }
        }
    }
}

impl View {
    fn pod_of(&self, reference: Option<&ObjectReference>) -> Option<Arc<Pod>> {
        let reference = reference.filter(|r| r.kind == "Pod")?;
        self.pods.as_ref()?.get(&key(&reference.namespace, &reference.name))
    }

    pub(super) fn endpoints_group(&self, source: String, endpoints: &Endpoints) -> TargetGroup {
        let meta = &endpoints.metadata;
        let mut labels = Meta::new(PREFIX);
        labels.put("namespace", &meta.namespace);
        let service = self.services.as_ref();
        if let Some(service) = service.and_then(|all| all.get(&key(&meta.namespace, &meta.name))) {
            put_service(&mut labels, &service);
        }
        put_named(&mut labels, meta, "endpoints");
        self.put_namespace(&mut labels, &meta.namespace);
        let (mut targets, mut seen) = (Vec::new(), SeenPods::default());
        for subset in &endpoints.subsets {
            for port in &subset.ports {
                let ready = subset.addresses.iter().map(|address| (address, true));
                let not_ready = subset.not_ready_addresses.iter().map(|address| (address, false));
                for (address, is_ready) in ready.chain(not_ready) {
                    targets.push(self.address_target(address, port, is_ready, &mut seen));
                }
            }
        }
        if let Some(size @ ("truncated" | "warning")) =
            meta.labels.get("endpoints.kubernetes.io/over-capacity").map(String::as_str)
        {
            let name = &meta.name;
            tracing::warn!(
                discovery = "kubernetes",
                name,
                size,
                "more than 1000 addresses, use role endpointslice instead"
            );
        }
        seen.other_ports(&mut targets);
        TargetGroup { source, targets, labels: labels.build() }
    }

    fn address_target(
        &self,
        address: &EndpointAddress,
        port: &ServicePort,
        is_ready: bool,
        seen: &mut SeenPods,
    ) -> Labels {
        let mut target = Meta::new(PREFIX);
        target
            .address(&address.ip, port.port)
            .put("endpoint_port_name", &port.name)
            .put("endpoint_port_protocol", &port.protocol)
            .show("endpoint_ready", is_ready)
            .put_some("endpoint_node_name", address.node_name.as_ref())
            .put("endpoint_hostname", &address.hostname);
        let reference = address.target_ref.as_ref();
        if let Some(reference) = reference {
            target.put("endpoint_address_target_kind", &reference.kind);
            target.put("endpoint_address_target_name", &reference.name);
        }
        let of_node = reference.filter(|r| r.kind == "Node").map(|r| r.name.as_str());
        self.put_node(&mut target, address.node_name.as_deref().or(of_node));
        if let Some(pod) = self.pod_of(reference) {
            seen.attach(self, &mut target, pod, Some(port.port), Some(&port.protocol));
        }
        target.build()
    }

    pub(super) fn slice_group(&self, source: String, slice: &EndpointSlice) -> TargetGroup {
        let meta = &slice.metadata;
        let mut labels = Meta::new(PREFIX);
        labels.put("namespace", &meta.namespace);
        labels.put("endpointslice_address_type", &slice.address_type);
        put_named(&mut labels, meta, "endpointslice");
        let of = meta.labels.get(SERVICE_LABEL).map(|name| key(&meta.namespace, name));
        let service = of.and_then(|of| self.services.as_ref()?.get(&of));
        if let Some(service) = &service {
            put_service(&mut labels, service);
        }
        self.put_namespace(&mut labels, &meta.namespace);
        let mut group = TargetGroup { source, targets: Vec::new(), labels: labels.build() };
        if service.is_some_and(|service| is_second_family(&service, slice)) {
            return group;
        }
        let mut seen = SeenPods::default();
        for endpoint in &slice.endpoints {
            for port in &slice.ports {
                for address in &endpoint.addresses {
                    group.targets.push(self.slice_target(address, endpoint, port, &mut seen));
                }
            }
        }
        seen.other_ports(&mut group.targets);
        group
    }

    fn slice_target(
        &self,
        address: &str,
        endpoint: &Endpoint,
        port: &SlicePort,
        seen: &mut SeenPods,
    ) -> Labels {
        let text = |flag: Option<bool>| flag.map(|flag| flag.to_string());
        let conditions = &endpoint.conditions;
        let mut target = Meta::new(PREFIX);
        target
            .set(ADDRESS_LABEL, endpoint_address(address, port.port))
            .put_some("endpointslice_port_name", port.name.as_ref())
            .put_some("endpointslice_port_protocol", port.protocol.as_ref())
            .put_some("endpointslice_port", port.port.map(|port| port.to_string()))
            .put_some("endpointslice_port_app_protocol", port.app_protocol.as_ref())
            .put_some("endpointslice_endpoint_conditions_ready", text(conditions.ready))
            .put_some("endpointslice_endpoint_conditions_serving", text(conditions.serving))
            .put_some("endpointslice_endpoint_conditions_terminating", text(conditions.terminating))
            .put_some("endpointslice_endpoint_hostname", endpoint.hostname.as_ref())
            .put_some("endpointslice_endpoint_node_name", endpoint.node_name.as_ref())
            .put_some("endpointslice_endpoint_zone", endpoint.zone.as_ref());
        let topology = &endpoint.deprecated_topology;
        target.put_all("endpointslice_endpoint_topology_", topology);
        let present = topology.keys().map(|name| (name, "true"));
        target.put_all("endpointslice_endpoint_topology_present_", present);
        let reference = endpoint.target_ref.as_ref();
        if let Some(reference) = reference {
            target.put("endpointslice_address_target_kind", &reference.kind);
            target.put("endpointslice_address_target_name", &reference.name);
        }
        let of_node = reference.filter(|r| r.kind == "Node").map(|r| r.name.as_str());
        self.put_node(&mut target, of_node.or(endpoint.node_name.as_deref()));
        if let Some(pod) = self.pod_of(reference) {
            seen.attach(self, &mut target, pod, port.port, None);
        }
        target.build()
    }
}

/// Whether a slice is that of a dual-stack service's second address family, whose targets would double those of the first.
fn is_second_family(service: &Service, slice: &EndpointSlice) -> bool {
    let spec = &service.spec;
    matches!(spec.ip_family_policy.as_str(), "PreferDualStack" | "RequireDualStack")
        && spec.ip_families.first().is_some_and(|first| *first != slice.address_type)
}

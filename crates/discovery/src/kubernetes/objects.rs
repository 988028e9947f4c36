//! What of Kubernetes' objects is looked at, and nothing more: objects that differ elsewhere alone (heartbeats) are equal, so
//! that they cause no work. Source: the Kubernetes API reference, v1 of each group.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::answer::answer;

/// A kind of object that can be listed and watched.
pub(super) trait Object:
    DeserializeOwned + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static
{
    /// The path of its group and version.
    const GROUP: &'static str;
    /// Its name in paths.
    const PLURAL: &'static str;
    /// Its name in metrics.
    const ROLE: &'static str;

    fn meta(&self) -> &ObjectMeta;

    fn meta_mut(&mut self) -> &mut ObjectMeta;

    /// `namespace/name`, or the name where there is no namespace.
    fn key(&self) -> String {
        let meta = self.meta();
        if meta.namespace.is_empty() { meta.name.clone() } else { key(&meta.namespace, &meta.name) }
    }
}

/// The key of an object in a namespace.
pub(super) fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

answer! {
    #[serde(rename_all = "camelCase")]
    struct ObjectMeta {
        name: String,
        namespace: String,
        uid: String,
        /// Taken out of stored objects, as it differs with every heartbeat.
        resource_version: String,
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
        owner_references: Vec<OwnerReference>,
    }

    struct OwnerReference {
        kind: String,
        name: String,
        controller: bool,
    }

    /// A page of a list.
    struct ListMeta {
        #[serde(rename = "resourceVersion")]
        resource_version: String,
        #[serde(rename = "continue")]
        next: String,
    }

    struct Condition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
    }

    struct Namespace {
        metadata: ObjectMeta,
    }

    struct ReplicaSet {
        metadata: ObjectMeta,
    }

    struct Job {
        metadata: ObjectMeta,
    }

    struct Node {
        metadata: ObjectMeta,
        spec: NodeSpec,
        status: NodeStatus,
    }

    struct NodeSpec {
        #[serde(rename = "providerID")]
        provider_id: String,
    }

    #[serde(rename_all = "camelCase")]
    struct NodeStatus {
        conditions: Vec<Condition>,
        addresses: Vec<NodeAddress>,
        daemon_endpoints: DaemonEndpoints,
    }

    struct NodeAddress {
        #[serde(rename = "type")]
        kind: String,
        address: String,
    }

    #[serde(rename_all = "camelCase")]
    struct DaemonEndpoints {
        kubelet_endpoint: DaemonEndpoint,
    }

    struct DaemonEndpoint {
        #[serde(rename = "Port")]
        port: i64,
    }

    struct Pod {
        metadata: ObjectMeta,
        spec: PodSpec,
        status: PodStatus,
    }

    #[serde(rename_all = "camelCase")]
    struct PodSpec {
        node_name: String,
        containers: Vec<Container>,
        init_containers: Vec<Container>,
    }

    struct Container {
        name: String,
        image: String,
        ports: Vec<ContainerPort>,
    }

    #[serde(rename_all = "camelCase")]
    struct ContainerPort {
        name: String,
        container_port: i64,
        protocol: String,
    }

    #[serde(rename_all = "camelCase")]
    struct PodStatus {
        phase: String,
        #[serde(rename = "podIP")]
        pod_ip: String,
        #[serde(rename = "hostIP")]
        host_ip: String,
        conditions: Vec<Condition>,
        container_statuses: Vec<ContainerStatus>,
        init_container_statuses: Vec<ContainerStatus>,
    }

    struct ContainerStatus {
        name: String,
        #[serde(rename = "containerID")]
        container_id: String,
    }

    struct Service {
        metadata: ObjectMeta,
        spec: ServiceSpec,
        status: ServiceStatus,
    }

    #[serde(rename_all = "camelCase")]
    struct ServiceSpec {
        ports: Vec<ServicePort>,
        #[serde(rename = "type")]
        kind: String,
        #[serde(rename = "clusterIP")]
        cluster_ip: String,
        external_name: String,
        #[serde(rename = "loadBalancerIP")]
        load_balancer_ip: String,
        ip_family_policy: String,
        ip_families: Vec<String>,
    }

    struct ServicePort {
        name: String,
        port: i64,
        protocol: String,
    }

    #[serde(rename_all = "camelCase")]
    struct ServiceStatus {
        load_balancer: LoadBalancer,
    }

    struct LoadBalancer {
        ingress: Vec<LoadBalancerIngress>,
    }

    struct LoadBalancerIngress {
        ip: String,
    }

    struct Endpoints {
        metadata: ObjectMeta,
        subsets: Vec<EndpointSubset>,
    }

    #[serde(rename_all = "camelCase")]
    struct EndpointSubset {
        addresses: Vec<EndpointAddress>,
        not_ready_addresses: Vec<EndpointAddress>,
        ports: Vec<ServicePort>,
    }

    #[serde(rename_all = "camelCase")]
    struct EndpointAddress {
        ip: String,
        hostname: String,
        node_name: Option<String>,
        target_ref: Option<ObjectReference>,
    }

    struct ObjectReference {
        kind: String,
        namespace: String,
        name: String,
    }

    #[serde(rename_all = "camelCase")]
    struct EndpointSlice {
        metadata: ObjectMeta,
        address_type: String,
        endpoints: Vec<Endpoint>,
        ports: Vec<SlicePort>,
    }

    #[serde(rename_all = "camelCase")]
    struct Endpoint {
        addresses: Vec<String>,
        conditions: EndpointConditions,
        hostname: Option<String>,
        target_ref: Option<ObjectReference>,
        node_name: Option<String>,
        zone: Option<String>,
        deprecated_topology: BTreeMap<String, String>,
    }

    struct EndpointConditions {
        ready: Option<bool>,
        serving: Option<bool>,
        terminating: Option<bool>,
    }

    #[serde(rename_all = "camelCase")]
    struct SlicePort {
        name: Option<String>,
        port: Option<i64>,
        protocol: Option<String>,
        app_protocol: Option<String>,
    }

    struct Ingress {
        metadata: ObjectMeta,
        spec: IngressSpec,
    }

    #[serde(rename_all = "camelCase")]
    struct IngressSpec {
        ingress_class_name: Option<String>,
        rules: Vec<IngressRule>,
        tls: Vec<IngressTls>,
    }

    struct IngressRule {
        host: String,
        http: Option<IngressHttp>,
    }

    struct IngressHttp {
        paths: Vec<IngressPath>,
    }

    struct IngressPath {
        path: String,
    }

    struct IngressTls {
        hosts: Vec<String>,
    }
}

macro_rules! object {
    ($($name:ident: $group:literal $plural:literal $role:literal;)*) => {$(
        impl Object for $name {
            const GROUP: &'static str = $group;
            const PLURAL: &'static str = $plural;
            const ROLE: &'static str = $role;

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    )*};
}

object! {
    Pod: "/api/v1" "pods" "pod";
    Service: "/api/v1" "services" "service";
    Endpoints: "/api/v1" "endpoints" "endpoints";
    Node: "/api/v1" "nodes" "node";
    Namespace: "/api/v1" "namespaces" "namespace";
    EndpointSlice: "/apis/discovery.k8s.io/v1" "endpointslices" "endpointslice";
    Ingress: "/apis/networking.k8s.io/v1" "ingresses" "ingress";
    ReplicaSet: "/apis/apps/v1" "replicasets" "replicaset";
    Job: "/apis/batch/v1" "jobs" "job";
}

impl ObjectMeta {
    /// The owner that manages the object.
    pub(super) fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// The key of the managing owner, if it is of a kind.
    pub(super) fn controller_key(&self, kind: &str) -> Option<String> {
        let owner = self.controller().filter(|owner| owner.kind == kind)?;
        Some(key(&self.namespace, &owner.name))
    }
}

impl Pod {
    /// All containers, the initial ones last, each with whether it is one.
    pub(super) fn containers(&self) -> impl Iterator<Item = (&Container, bool)> {
        let initial = self.spec.init_containers.iter().map(|c| (c, true));
        self.spec.containers.iter().map(|c| (c, false)).chain(initial)
    }
}

/// A list's page.
#[derive(Debug, serde::Deserialize)]
#[serde(bound = "T: Object")]
pub(super) struct List<T> {
    #[serde(default, deserialize_with = "crate::answer::or_default")]
    pub(super) metadata: ListMeta,
    #[serde(default, deserialize_with = "crate::answer::or_default")]
    pub(super) items: Vec<T>,
}

/// A line of a watch: what happened, then to what.
#[derive(Debug, serde::Deserialize)]
pub(super) struct EventKind {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Event<T> {
    pub(super) object: T,
}

answer! {
    /// What an error says.
    struct ApiStatus {
        code: i64,
        reason: String,
        message: String,
    }

    struct Bookmark {
        metadata: ObjectMeta,
    }
}

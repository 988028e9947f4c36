//! Labels that several roles share: of objects, pods, nodes, services and namespaces.

use gauntlet_model::Labels;

use super::View;
use super::objects::{Condition, Container, Node, ObjectMeta, Pod, Service, key};
use crate::meta::{Meta, sanitise};

pub(super) const PREFIX: &str = "__meta_kubernetes_";

/// Labels and annotations of an object, each with its value and with its presence.
pub(super) fn put_object(labels: &mut Meta, meta: &ObjectMeta, resource: &str) {
    for (what, pairs) in [("label", &meta.labels), ("annotation", &meta.annotations)] {
        for (name, value) in pairs {
            let name = sanitise(name);
            labels.put(&format!("{resource}_{what}_{name}"), value);
            labels.put(&format!("{resource}_{what}present_{name}"), "true");
        }
    }
}

/// As [`put_object`], with the object's name.
pub(super) fn put_named(labels: &mut Meta, meta: &ObjectMeta, resource: &str) {
    labels.put(&format!("{resource}_name"), &meta.name);
    put_object(labels, meta, resource);
}

pub(super) fn put_service(labels: &mut Meta, service: &Service) {
    labels.put("namespace", &service.metadata.namespace);
    put_named(labels, &service.metadata, "service");
}

pub(super) fn put_conditions(labels: &mut Meta, node: &Node) {
    for Condition { kind, status } in &node.status.conditions {
        let name = format!("node_condition_{}", sanitise(&kind.to_lowercase()));
        labels.put(&name, status.to_lowercase());
    }
}

/// Labels of a container's port; `protocol` may differ from the container's own word.
pub(super) fn put_container_port(
    labels: &mut Meta,
    container: &Container,
    is_initial: bool,
    (name, number, protocol): (&str, i64, &str),
) {
    labels
        .put("pod_container_name", &container.name)
        .put("pod_container_image", &container.image)
        .put("pod_container_port_name", name)
        .show("pod_container_port_number", number)
        .put("pod_container_port_protocol", protocol)
        .show("pod_container_init", is_initial);
}

impl View {
    /// What is known of a pod, owners as far as asked for.
    pub(super) fn pod_labels(&self, pod: &Pod) -> Labels {
        let ready = pod.status.conditions.iter().find(|c| c.kind == "Ready");
        let ready = ready.map_or("unknown".to_owned(), |c| c.status.to_lowercase());
        let mut labels = Meta::new(PREFIX);
        labels
            .put("pod_ip", &pod.status.pod_ip)
            .put("pod_ready", ready)
            .put("pod_phase", &pod.status.phase)
            .put("pod_node_name", &pod.spec.node_name)
            .put("pod_host_ip", &pod.status.host_ip)
            .put("pod_uid", &pod.metadata.uid);
        put_named(&mut labels, &pod.metadata, "pod");
        if let Some(owner) = pod.metadata.controller() {
            labels.put("pod_controller_kind", &owner.kind);
            labels.put("pod_controller_name", &owner.name);
            let of = key(&pod.metadata.namespace, &owner.name);
            let named = |meta: &ObjectMeta, kind: &str| {
                meta.controller().filter(|o| o.kind == kind).map(|o| o.name.clone())
            };
            match owner.kind.as_str() {
                "ReplicaSet" => {
                    let set = self.replica_sets.as_ref().and_then(|sets| sets.get(&of));
                    let name = set.and_then(|set| named(&set.metadata, "Deployment"));
                    labels.put_some("pod_deployment_name", name);
                }
                "Job" => {
                    if self.attach.job {
                        labels.put("pod_job_name", &owner.name);
                    }
                    if self.attach.cronjob {
                        let job = self.jobs.as_ref().and_then(|jobs| jobs.get(&of));
                        let name = job.and_then(|job| named(&job.metadata, "CronJob"));
                        labels.put_some("pod_cronjob_name", name);
                    }
                }
                _ => {}
            }
        }
        labels.build()
    }

    /// Adds a node's name, labels and annotations where nodes are asked for and this one is known.
    pub(super) fn put_node(&self, labels: &mut Meta, name: Option<&str>) {
        let node = name.and_then(|name| self.nodes.as_ref()?.get(name));
        if let Some(node) = node {
            put_named(labels, &node.metadata, "node");
        }
    }

    /// Adds a namespace's labels and annotations where namespaces are asked for.
    pub(super) fn put_namespace(&self, labels: &mut Meta, name: &str) {
        let namespace = self.namespaces.as_ref().and_then(|all| all.get(name));
        if let Some(namespace) = namespace {
            put_object(labels, &namespace.metadata, "namespace");
        }
    }
}

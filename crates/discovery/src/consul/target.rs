//! An instance of a service -> a target and its labels.

use std::collections::BTreeMap;

use gauntlet_model::Labels;
use serde::Deserialize;

use crate::answer::or_default;
use crate::dns::join_host_port;
use crate::meta::sanitise;
use gauntlet_model::{ADDRESS_LABEL, TargetGroup};

/// One element of `/v1/health/service/<name>`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Entry {
    node: Node,
    service: Service,
    #[serde(deserialize_with = "or_default")]
    checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Node {
    node: String,
    address: String,
    partition: String,
    #[serde(deserialize_with = "or_default")]
    tagged_addresses: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    meta: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    address: String,
    port: i64,
    namespace: String,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    meta: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "CheckID")]
    id: String,
    status: String,
}

/// The group of a service's instances.
pub(super) fn group(
    name: &str,
    datacenter: &str,
    separator: &str,
    entries: &[Entry],
) -> TargetGroup {
    TargetGroup {
        source: name.to_owned(),
        labels: Labels::from_pairs([
            ("__meta_consul_service", name),
            ("__meta_consul_dc", datacenter),
        ]),
        targets: entries.iter().map(|entry| target(entry, separator)).collect(),
    }
}

fn target(entry: &Entry, separator: &str) -> Labels {
    let (node, service) = (&entry.node, &entry.service);
    // Separators at both ends let rules match a whole tag.
    let tags = format!("{separator}{}{separator}", service.tags.join(separator));
    let host = if service.address.is_empty() { &node.address } else { &service.address };
    let fixed = [
        (ADDRESS_LABEL, join_host_port(host, service.port)),
        ("__meta_consul_address", node.address.clone()),
        ("__meta_consul_node", node.node.clone()),
        ("__meta_consul_namespace", service.namespace.clone()),
        ("__meta_consul_partition", node.partition.clone()),
        ("__meta_consul_tags", tags),
        ("__meta_consul_service_address", service.address.clone()),
        ("__meta_consul_service_port", service.port.to_string()),
        ("__meta_consul_service_id", service.id.clone()),
        ("__meta_consul_health", health(&entry.checks).to_owned()),
    ];
    let named = |prefix: &'static str, map: &BTreeMap<String, String>| -> Vec<(String, String)> {
        map.iter().map(|(k, v)| (format!("{prefix}{}", sanitise(k)), v.clone())).collect()
    };
    let fixed = fixed.into_iter().map(|(n, v)| (n.to_owned(), v));
    Labels::from_pairs(
        fixed
            .chain(named("__meta_consul_metadata_", &node.meta))
            .chain(named("__meta_consul_service_metadata_", &service.meta))
            .chain(named("__meta_consul_tagged_address_", &node.tagged_addresses)),
    )
}

/// The worst of all checks.
fn health(checks: &[Check]) -> &'static str {
    let maintained =
        |c: &Check| c.id == "_node_maintenance" || c.id.starts_with("_service_maintenance:");
    let any = |status: &str| checks.iter().any(|c| c.status == status);
    if checks.iter().any(maintained) {
        "maintenance"
    } else if any("critical") {
        "critical"
    } else if any("warning") {
        "warning"
    } else {
        "passing"
    }
}

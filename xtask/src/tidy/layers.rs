//! The map of ARCHITECTURE.md, enforced: a crate depends only on lower layers, and some crates never come in.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Crates that must not be in the lock file, each with the reason.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "TLS is rustls with ring"),
    ("openssl-sys", "TLS is rustls with ring"),
    ("native-tls", "TLS is rustls with ring"),
    ("aws-lc-sys", "TLS is rustls with ring: a second crypto library that needs a C build"),
    ("aws-lc-rs", "TLS is rustls with ring: a second crypto library that needs a C build"),
    ("aws-config", "cloud requests are signed by hand, not by SDKs"),
    ("aws-sdk-s3", "cloud requests are signed by hand, not by SDKs"),
    ("kube", "Kubernetes is spoken by hand"),
    ("chrono-tz", "time zones are jiff's"),
    ("serde_yaml", "YAML is the crate yaml's"),
    ("lazy_static_macro", "std has OnceLock"),
];

/// Same-layer edges that the map allows, each with the reason.
const ALLOWED_PEERS: &[(&str, &str, &str)] =
    &[("gauntlet-block", "gauntlet-storage", "a block answers selections with a SeriesSet")];

pub(super) fn check(root: &Path, problems: &mut Vec<String>) -> Result<()> {
    let crates = manifests(root)?;
    let layer_of: BTreeMap<&str, i64> = crates.iter().map(|c| (c.name.as_str(), c.layer)).collect();
    for one in &crates {
        for dependency in &one.dependencies {
            let Some(layer) = layer_of.get(dependency.as_str()) else { continue };
            let allowed = *layer < one.layer
                || ALLOWED_PEERS.iter().any(|(a, b, _)| *a == one.name && b == dependency);
            if !allowed {
                problems.push(format!(
                    "{}: layer {} must not depend on {dependency} of layer {layer}",
                    one.name, one.layer
                ));
            }
        }
    }
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("reading Cargo.lock")?;
    for (name, why) in BANNED {
        if lock.contains(&format!("name = \"{name}\"\n")) {
            problems.push(format!("Cargo.lock: {name} must not come in: {why}"));
        }
    }
    if lock.contains("source = \"git+") {
        problems.push("Cargo.lock: dependencies from git are not allowed".to_owned());
    }
    Ok(())
}

struct Manifest {
    name: String,
    layer: i64,
    dependencies: Vec<String>,
}

/// Reads what the check needs from the manifests; they are written by one hand, line by line.
fn manifests(root: &Path) -> Result<Vec<Manifest>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let path = entry?.path().join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let mut section = "";
        let mut manifest = Manifest { name: String::new(), layer: -1, dependencies: Vec::new() };
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                section = header.split(']').next().unwrap_or("");
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim(), value.trim());
                match (section, key) {
                    ("package", "name") => value.trim_matches('"').clone_into(&mut manifest.name),
                    ("package.metadata", "layer") => {
                        manifest.layer = value
                            .split_whitespace()
                            .next()
                            .and_then(|v| v.parse().ok())
                            .unwrap_or(-1);
                    }
                    ("dependencies" | "build-dependencies", _) => {
                        let name = key.split('.').next().unwrap_or(key);
                        manifest.dependencies.push(name.to_owned());
                    }
                    _ => {}
                }
            }
        }
        anyhow::ensure!(manifest.layer >= 0, "{}: no layer", path.display());
        all.push(manifest);
    }
    Ok(all)
}

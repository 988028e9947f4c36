//! `GET /status`.

use std::fmt::Write as _;

use gauntlet_encoding::push_json_str;

use super::answer::Answer;
use super::encode::push_time;
use super::{ApiOptions, ClusterView};

pub(super) fn get(options: &ApiOptions) -> Answer {
    let mut out = String::from("{\"cluster\":");
    match options.cluster.as_deref() {
        None => out.push_str("{\"peers\":[],\"status\":\"disabled\"}"),
        Some(cluster) => push_cluster(&mut out, cluster),
    }
    out.push_str(",\"config\":{\"original\":");
    let original = options.manager.config().map(|config| config.yaml()).unwrap_or_default();
    push_json_str(&mut out, &original);
    out.push_str("},\"uptime\":");
    push_time(&mut out, options.manager.started_at());
    out.push_str(",\"versionInfo\":{");
    let version = &options.version;
    let fields = [
        ("branch", &version.branch),
        ("buildDate", &version.build_date),
        ("buildUser", &version.build_user),
        ("goVersion", &version.go_version),
        ("revision", &version.revision),
        ("version", &version.version),
    ];
    for (i, (name, text)) in fields.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(out, "{comma}\"{name}\":");
        push_json_str(&mut out, text);
    }
    out.push_str("}}");
    Answer::json(out)
}

fn push_cluster(out: &mut String, cluster: &dyn ClusterView) {
    out.push_str("{\"name\":");
    push_json_str(out, &cluster.name());
    out.push_str(",\"peers\":[");
    for (i, (name, address)) in cluster.peers().iter().enumerate() {
        out.push_str(if i > 0 { ",{\"address\":" } else { "{\"address\":" });
        push_json_str(out, address);
        out.push_str(",\"name\":");
        push_json_str(out, name);
        out.push('}');
    }
    let _ = write!(out, "],\"status\":\"{}\"}}", cluster.status());
}

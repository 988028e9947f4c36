//! NVMe controllers and their namespaces.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "nvme",
    default_on: true,
    reads: "/sys/class/nvme",
    families: "node_nvme_*",
    make: |_| Ok(Box::new(Nvme)),
};

struct Nvme;

impl Collector for Nvme {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/nvme");
        for device in env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))? {
            let dir = format!("{root}/{device}");
            let get = |env: &mut Env, file: &str| {
                let path = format!("{dir}/{file}");
                env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))
            };
            let labels = [
                ("cntlid", get(env, "cntlid")?),
                ("device", device.clone()),
                ("firmware_revision", get(env, "firmware_rev")?),
                ("model", get(env, "model")?),
                ("serial", get(env, "serial")?),
                ("state", get(env, "state")?),
            ];
            let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let help = "Non-numeric data from /sys/class/nvme/<device>, value is always 1.";
            out.gauge("node_nvme_info", help, &labels, 1.0);
            for entry in env.list(&dir).unwrap_or_default() {
                if let Some(id) = namespace_id(&entry) {
                    let part = namespace(env, out, &format!("{dir}/{entry}"), &device, id);
                    out.note(part);
                }
            }
        }
        Ok(())
    }
}

/// The 1 of `nvme0n1`; paths (`nvme0c0n1`) are no namespaces.
fn namespace_id(name: &str) -> Option<&str> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (controller, id) = name.strip_prefix("nvme")?.split_once('n')?;
    (digits(controller) && digits(id)).then_some(id)
}

fn namespace(
    env: &mut Env,
    out: &mut Exposition,
    dir: &str,
    device: &str,
    id: &str,
) -> Result<(), Failure> {
    let mut get = |file: &str| {
        let path = format!("{dir}/{file}");
        let text = env.attr(&path);
        text.map(|t| t.parse::<u64>().unwrap_or(0))
            .ok_or_else(|| Failure::Other(format!("{path}: unreadable")))
    };
    let (used, size, block) = (get("nuse")?, get("size")?, get("queue/logical_block_size")?);
    let state = env.attr(&format!("{dir}/ana_state")).unwrap_or_else(|| "unknown".to_owned());
    let help = "Information about NVMe namespaces. Value is always 1";
    let labels = [("ana_state", state.as_str()), ("device", device), ("nsid", id)];
    out.gauge("node_nvme_namespace_info", help, &labels, 1.0);
    let labels = [("device", device), ("nsid", id)];
    let size = size.wrapping_mul(block) as f64;
    let rows = [
        (
            "node_nvme_namespace_capacity_bytes",
            "Capacity of the NVMe namespace in bytes. Computed as namespace_size * namespace_logical_block_size",
            size,
        ),
        (
            "node_nvme_namespace_size_bytes",
            "Size of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/size",
            size,
        ),
        (
            "node_nvme_namespace_used_bytes",
            "Used space of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/nuse",
            used.wrapping_mul(block) as f64,
        ),
        (
            "node_nvme_namespace_logical_block_size_bytes",
            "Logical block size of the NVMe namespace in bytes. Usually 4Kb. Available in /sys/class/nvme/<device>/<namespace>/queue/logical_block_size",
            block as f64,
        ),
    ];
    for (name, help, value) in rows {
        out.gauge(name, help, &labels, value);
    }
    Ok(())
}

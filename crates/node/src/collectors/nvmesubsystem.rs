//! NVMe subsystems: multipath namespaces and the state of the controllers that reach them.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "nvmesubsystem",
    default_on: false,
    reads: "/sys/class/nvme-subsystem",
    families: "node_nvmesubsystem_*",
    make: |_| Ok(Box::new(NvmeSubsystem)),
};

struct NvmeSubsystem;

const STATES: [&str; 7] = ["connecting", "dead", "deleting", "live", "new", "resetting", "unknown"];

impl Collector for NvmeSubsystem {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/nvme-subsystem");
        let names = env.list(&root).map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Failure::NoData(format!("{root}: not permitted"))
            }
            _ => Failure::absent_is_no_data(&root, e),
        })?;
        for name in names.iter().filter(|n| n.starts_with("nvme-subsys")) {
            let part = subsystem(env, out, &format!("{root}/{name}"), name);
            out.note(part);
        }
        Ok(())
    }
}

fn subsystem(env: &mut Env, out: &mut Exposition, dir: &str, name: &str) -> Result<(), Failure> {
    let get = |env: &mut Env, file: &str| {
        let path = format!("{dir}/{file}");
        env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))
    };
    let labels = [
        ("iopolicy", &*get(env, "iopolicy")?),
        ("model", &*get(env, "model")?),
        ("nqn", &*get(env, "subsysnqn")?),
        ("serial", &*get(env, "serial")?),
        ("subsystem", name),
    ];
    let help = "Non-numeric information about an NVMe subsystem.";
    out.gauge("node_nvmesubsystem_info", help, &labels, 1.0);
    let (mut all, mut live) = (0u32, 0u32);
    for entry in env.list(dir).unwrap_or_default() {
        match kind_of(&entry) {
            Entry::Namespace => {
                let help = "Maps an NVMe namespace block device to its subsystem.";
                let labels = [("device", entry.as_str()), ("subsystem", name)];
                out.gauge("node_nvmesubsystem_namespace_info", help, &labels, 1.0);
            }
            Entry::Controller => {
                let raw = get(env, &format!("{entry}/state"))?;
                let transport = get(env, &format!("{entry}/transport"))?;
                let raw = if raw == "deleting (no IO)" { "deleting" } else { &raw };
                let state = STATES.iter().find(|s| **s == raw).copied().unwrap_or("unknown");
                all += 1;
                live += u32::from(state == "live");
                let help = "Current NVMe controller path state (1 for the current state, 0 for all others).";
                for shown in STATES {
                    let labels = [
                        ("controller", entry.as_str()),
                        ("state", shown),
                        ("subsystem", name),
                        ("transport", &transport),
                    ];
                    let is = f64::from(u8::from(shown == state));
                    out.gauge("node_nvmesubsystem_path_state", help, &labels, is);
                }
            }
            Entry::Other => {}
        }
    }
    let labels = [("subsystem", name)];
    let help = "Number of controller paths for an NVMe subsystem.";
    out.gauge("node_nvmesubsystem_paths", help, &labels, f64::from(all));
    let help = "Number of controller paths in live state for an NVMe subsystem.";
    out.gauge("node_nvmesubsystem_paths_live", help, &labels, f64::from(live));
    Ok(())
}

enum Entry {
    Controller,
    Namespace,
    Other,
}

/// `nvme0` is a controller, `nvme0n1` a namespace.
fn kind_of(name: &str) -> Entry {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = name.strip_prefix("nvme") else { return Entry::Other };
    match rest.split_once('n') {
        None if digits(rest) => Entry::Controller,
        Some((controller, id)) if digits(controller) && digits(id) => Entry::Namespace,
        _ => Entry::Other,
    }
}

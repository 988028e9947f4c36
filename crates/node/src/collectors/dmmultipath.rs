//! Multipath devices of the device mapper and the state of their paths.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "dmmultipath",
    default_on: true,
    reads: "/sys/block/dm-*/{dm,slaves,size}, /sys/block/*/device/state",
    families: "node_dmmultipath_*",
    make: |_| Ok(Box::new(Multipath)),
};

struct Multipath;

const SECTOR_BYTES: f64 = 512.0;

impl Collector for Multipath {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("block");
        let blocks = env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))?;
        for dm in blocks.iter().filter(|name| name.starts_with("dm-")) {
            let uuid = env.attr(&format!("{root}/{dm}/dm/uuid")).unwrap_or_default();
            if uuid.starts_with("mpath-") {
                let part = device(env, out, &root, dm, &uuid);
                out.note(part);
            }
        }
        Ok(())
    }
}

fn device(
    env: &mut Env,
    out: &mut Exposition,
    root: &str,
    dm: &str,
    uuid: &str,
) -> Result<(), Failure> {
    let path = format!("{root}/{dm}/dm/name");
    let name = env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))?;
    let suspended = env.need_u64(&format!("{root}/{dm}/dm/suspended"))? == 1;
    let sectors = env.need_u64(&format!("{root}/{dm}/size"))?;
    let labels = [("device", name.as_str()), ("sysfs_name", dm)];
    out.gauge(
        "node_dmmultipath_device_info",
        "Non-numeric information about a DM-multipath device.",
        &[labels[0], labels[1], ("uuid", uuid)],
        1.0,
    );
    out.gauge(
        "node_dmmultipath_device_active",
        "Whether the multipath device-mapper device is active (1) or suspended (0).",
        &labels,
        f64::from(u8::from(!suspended)),
    );
    out.gauge(
        "node_dmmultipath_device_size_bytes",
        "Size of the multipath device in bytes, read from /sys/block/<dm>/size.",
        &labels,
        sectors as f64 * SECTOR_BYTES,
    );
    let (mut all, mut active) = (0u32, 0u32);
    for slave in env.list(&format!("{root}/{dm}/slaves")).unwrap_or_default() {
        let path = format!("{root}/{slave}/device/state");
        let state = env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))?;
        all += 1;
        active += u32::from(state == "running" || state == "live");
        out.gauge(
            "node_dmmultipath_path_state",
            "Reports the underlying device state for a multipath path, as read from /sys/block/<dev>/device/state.",
            &[("device", &name), ("path", &slave), ("state", &state)],
            1.0,
        );
    }
    out.gauge(
        "node_dmmultipath_device_paths",
        "Number of paths for a multipath device.",
        &labels,
        f64::from(all),
    );
    out.gauge(
        "node_dmmultipath_device_paths_active",
        "Number of paths in active state (SCSI running or NVMe live) for a multipath device.",
        &labels,
        f64::from(active),
    );
    out.gauge(
        "node_dmmultipath_device_paths_failed",
        "Number of paths not in active state for a multipath device.",
        &labels,
        f64::from(all - active),
    );
    Ok(())
}

//! btrfs: allocation, commits and devices of each file system. Error counters of devices need an ioctl on the mount point and
//! root's rights; without them the sizes from sysfs are shown.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

use super::filesystem;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "btrfs",
    default_on: true,
    reads: "/sys/fs/btrfs, BTRFS_IOC_* on mount points",
    families: "node_btrfs_*",
    make: |_| Ok(Box::new(Btrfs)),
};

struct Btrfs;

const SECTOR_BYTES: f64 = 512.0;

impl Collector for Btrfs {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("fs/btrfs");
        let names = env.list(&root).unwrap_or_default();
        let systems: Vec<&String> = names.iter().filter(|n| n.contains('-')).collect();
        if systems.is_empty() {
            return Ok(());
        }
        let mounted = mounted(env);
        for name in systems {
            let dir = format!("{root}/{name}");
            let uuid = env.attr(&format!("{dir}/metadata_uuid")).filter(|u| !u.is_empty());
            let uuid = uuid.unwrap_or_else(|| name.clone());
            let devices = mounted.iter().find(|m| m.uuid == uuid.replace('-', ""));
            let part = file_system(env, out, &dir, &uuid, devices);
            out.note(part);
        }
        Ok(())
    }
}

/// Devices of the mounted btrfs file systems, as far as this process may ask.
fn mounted(env: &mut Env) -> Vec<gauntlet_sys::btrfs::FileSystem> {
    let mut seen: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for mount in filesystem::read_mounts(env).unwrap_or_default() {
        if mount.fs_type != "btrfs" || seen.contains(&mount.device) {
            continue;
        }
        let path = env.paths.in_rootfs(&mount.point);
        if let Ok(system) = gauntlet_sys::btrfs::file_system(&path) {
            seen.push(mount.device);
            found.push(system);
        }
    }
    found
}

fn file_system(
    env: &mut Env,
    out: &mut Exposition,
    dir: &str,
    uuid: &str,
    mounted: Option<&gauntlet_sys::btrfs::FileSystem>,
) -> Result<(), Failure> {
    let id = ("uuid", uuid);
    let label = env.attr(&format!("{dir}/label")).unwrap_or_default();
    out.gauge("node_btrfs_info", "Filesystem information", &[("label", &label), id], 1.0);
    let reserve = env.attr_u64(&format!("{dir}/allocation/global_rsv_size")).unwrap_or(0);
    let help = "Size of global reserve.";
    out.gauge("node_btrfs_global_rsv_size_bytes", help, &[id], reserve as f64);
    commits(env, out, dir, id)?;
    let devices = env.list(&format!("{dir}/devices")).unwrap_or_default();
    for class in ["data", "metadata", "system"] {
        allocation(env, out, &format!("{dir}/allocation/{class}"), class, devices.len(), id);
    }
    let size = out.family(
        "node_btrfs_device_size_bytes",
        "Size of a device that is part of the filesystem.",
        Kind::Gauge,
    );
    let Some(mounted) = mounted else {
        for device in &devices {
            let sectors = env.attr_u64(&format!("{dir}/devices/{device}/size")).unwrap_or(0);
            out.put(size, &[("device", device), id], sectors as f64 * SECTOR_BYTES);
        }
        return Ok(());
    };
    for device in &mounted.devices {
        let name = device.path.rsplit('/').next().unwrap_or("");
        let labels = [("btrfs_dev_uuid", device.uuid.as_str()), ("device", name), id];
        out.put(size, &labels, device.total_bytes as f64);
        out.gauge(
            "node_btrfs_device_unused_bytes",
            "Unused bytes unused on a device that is part of the filesystem.",
            &labels,
            device.total_bytes.wrapping_sub(device.bytes_used) as f64,
        );
        let kinds = ["write", "read", "flush", "corruption", "generation"];
        for (kind, count) in kinds.iter().zip(device.errors) {
            let labels = [labels[0], labels[1], ("type", kind), id];
            let help = "Errors reported for the device";
            out.counter("node_btrfs_device_errors_total", help, &labels, count as f64);
        }
    }
    Ok(())
}

fn commits(
    env: &mut Env,
    out: &mut Exposition,
    dir: &str,
    id: (&str, &str),
) -> Result<(), Failure> {
    let path = format!("{dir}/commit_stats");
    let text = env.attr(&path).unwrap_or_default();
    let mut values = [0u64; 4];
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = scan::u64(value.trim()).map_err(|e| e.at(&path))?;
        let keys = ["commits", "last_commit_ms", "max_commit_ms", "total_commit_ms"];
        if let Some(at) = keys.iter().position(|k| *k == key) {
            values[at] = value;
        }
    }
    let [count, last, max, total] = values.map(|v| v as f64);
    let help = "The total number of commits that have occurred.";
    out.counter("node_btrfs_commits_total", help, &[id], count);
    let help = "Duration of the most recent commit, in seconds.";
    out.gauge("node_btrfs_last_commit_seconds", help, &[id], last / 1000.0);
    let help = "Duration of the slowest commit, in seconds.";
    out.gauge("node_btrfs_max_commit_seconds", help, &[id], max / 1000.0);
    let help = "Sum of the duration of all commits, in seconds.";
    out.counter("node_btrfs_commit_seconds_total", help, &[id], total / 1000.0);
    Ok(())
}

fn allocation(
    env: &mut Env,
    out: &mut Exposition,
    dir: &str,
    class: &str,
    devices: usize,
    id: (&str, &str),
) {
    let reserved = env.attr_u64(&format!("{dir}/bytes_reserved")).unwrap_or(0);
    let help = "Amount of space reserved for a data type";
    let labels = [("block_group_type", class), id];
    out.gauge("node_btrfs_reserved_bytes", help, &labels, reserved as f64);
    for layout in env.list(dir).unwrap_or_default() {
        if !std::fs::metadata(format!("{dir}/{layout}")).is_ok_and(|m| m.is_dir()) {
            continue;
        }
        let mut get = |file: &str| env.attr_u64(&format!("{dir}/{layout}/{file}")).unwrap_or(0);
        let labels = [("block_group_type", class), ("mode", &layout), id];
        let help = "Amount of used space by a layout/data type";
        out.gauge("node_btrfs_used_bytes", help, &labels, get("used_bytes") as f64);
        let help = "Amount of space allocated for a layout/data type";
        out.gauge("node_btrfs_size_bytes", help, &labels, get("total_bytes") as f64);
        let help = "Data allocation ratio for a layout/data type";
        out.gauge("node_btrfs_allocation_ratio", help, &labels, ratio(&layout, devices as f64));
    }
}

/// How many bytes of disk a byte of data takes.
fn ratio(layout: &str, devices: f64) -> f64 {
    match layout {
        "single" | "raid0" => 1.0,
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => devices / (devices - 1.0),
        "raid6" => devices / (devices - 2.0),
        _ => 0.0,
    }
}

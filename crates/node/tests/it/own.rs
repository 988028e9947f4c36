//! Trees of our own for what upstream's recorded ones do not hold, and for behaviour that is ours: partial failure, devices that
//! come and go, contradicting flags.

use std::fs;
use std::path::Path;

use gauntlet_node::{Filter, NodeConfig, NodeExporter, Outcome};

use crate::cases::collect;
use crate::golden::exporter;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn check(collector: &str, files: &[(&str, &str)], flags: &[(&str, &str)], expect: &[&str]) {
    let dir = tree(files);
    let text = collect(dir.path(), collector, flags);
    for line in expect {
        assert!(text.lines().any(|l| l == *line), "{collector}: no {line:?} in\n{text}");
    }
}

#[test]
fn collectors_without_upstream_fixtures() {
    check(
        "swap",
        &[(
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/zram0 partition 8388604 76 100\n",
        )],
        &[],
        &["node_swap_size_bytes{device=\"/dev/zram0\",swap_type=\"partition\"} 8.589930496e+09"],
    );
    check(
        "drm",
        &[
            ("sys/class/drm/card0/device/uevent", "DRIVER=amdgpu\n"),
            ("sys/class/drm/card0/device/gpu_busy_percent", "4\n"),
            ("sys/class/drm/card1/device/uevent", "DRIVER=i915\n"),
        ],
        &[],
        &[
            "node_drm_gpu_busy_percent{card=\"card0\"} 4",
            "node_drm_card_info{card=\"card0\",memory_vendor=\"\",power_performance_level=\"\",unique_id=\"\",vendor=\"amd\"} 1",
        ],
    );
    check(
        "nvmesubsystem",
        &[
            ("sys/class/nvme-subsystem/nvme-subsys0/subsysnqn", "nqn.x\n"),
            ("sys/class/nvme-subsystem/nvme-subsys0/model", "M\n"),
            ("sys/class/nvme-subsystem/nvme-subsys0/serial", "S\n"),
            ("sys/class/nvme-subsystem/nvme-subsys0/iopolicy", "numa\n"),
            ("sys/class/nvme-subsystem/nvme-subsys0/nvme0/state", "deleting (no IO)\n"),
            ("sys/class/nvme-subsystem/nvme-subsys0/nvme0/transport", "fc\n"),
            ("sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/size", "1\n"),
        ],
        &[],
        &[
            "node_nvmesubsystem_namespace_info{device=\"nvme0n1\",subsystem=\"nvme-subsys0\"} 1",
            "node_nvmesubsystem_path_state{controller=\"nvme0\",state=\"deleting\",subsystem=\"nvme-subsys0\",transport=\"fc\"} 1",
            "node_nvmesubsystem_paths_live{subsystem=\"nvme-subsys0\"} 0",
        ],
    );
    check(
        "os",
        &[(
            "etc/os-release",
            "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=39\nSUPPORT_END=2024-11-12\n",
        )],
        &[],
        &[
            "node_os_version{id=\"fedora\",id_like=\"\",name=\"Fedora Linux\"} 39",
            "node_os_support_end_timestamp_seconds 1.7313696e+09",
        ],
    );
    check(
        "thermal_zone",
        &[
            ("sys/class/thermal/thermal_zone3/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone3/temp", "-1250\n"),
        ],
        &[],
        &["node_thermal_zone_temp{type=\"cpu-thermal\",zone=\"3\"} -1.25"],
    );
    check(
        "netdev",
        &[("proc/net/dev", "h\nh\n lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")],
        &[
            ("collector.netdev.netlink", "false"),
            ("collector.netdev.enable-detailed-metrics", "true"),
        ],
        &[
            "node_network_receive_errors_total{device=\"lo\"} 3",
            "node_network_transmit_colls_total{device=\"lo\"} 14",
        ],
    );
}

#[test]
fn mounts_under_a_root_folder_lose_its_prefix() {
    let dir = tree(&[("data/x", "")]);
    let root = dir.path().to_str().unwrap();
    let info = format!(
        "31 23 0:24 / {root}/data rw shared:9 - tmpfs host rw\n32 1 0:25 / {root}/proc/x rw - tmpfs p rw\n"
    );
    fs::create_dir_all(dir.path().join("proc/1")).unwrap();
    fs::write(dir.path().join("proc/1/mountinfo"), info).unwrap();
    let text = collect(dir.path(), "filesystem", &[]);
    let labels = "device=\"host\",device_error=\"\",fstype=\"tmpfs\",mountpoint=\"/data\"";
    assert!(text.contains(&format!("node_filesystem_readonly{{{labels}}} 0\n")), "{text}");
    assert!(!text.contains("/proc/x"), "{text}");
}

#[test]
fn a_broken_file_costs_its_own_families_alone() {
    let dir = tree(&[
        ("proc/spl/kstat/zfs/abdstats", "name type data\nfine 4 7\n"),
        ("proc/spl/kstat/zfs/arcstats", "name type data\nbroken 4 x\n"),
        ("proc/spl/kstat/zfs/zil", "name type data\nlater 4 8\n"),
    ]);
    let exporter =
        exporter(dir.path(), &[("collector.disable-defaults", "true"), ("collector.zfs", "true")]);
    let mut out = Vec::new();
    exporter.collect(&Filter::All, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("node_zfs_abd_fine 7\n") && text.contains("node_zfs_zil_later 8\n"),
        "{text}"
    );
    assert!(text.contains("node_scrape_collector_success{collector=\"zfs\"} 0\n"), "{text}");
    let row = exporter.status().into_iter().find(|row| row.name == "zfs").unwrap();
    assert!(matches!(row.outcome, Outcome::Failed(reason) if reason.contains("arcstats")));
}

#[test]
fn devices_that_come_and_go_are_followed() {
    let dir = tree(&[("sys/class/watchdog/watchdog0/timeout", "60\n")]);
    let exporter = exporter(
        dir.path(),
        &[("collector.disable-defaults", "true"), ("collector.watchdog", "true")],
    );
    let collect = || {
        let mut out = Vec::new();
        exporter.collect(&Filter::All, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(collect().contains("node_watchdog_timeout_seconds{name=\"watchdog0\"} 60\n"));
    fs::remove_dir_all(dir.path().join("sys/class/watchdog/watchdog0")).unwrap();
    assert!(!collect().contains("watchdog0"));
    let again = dir.path().join("sys/class/watchdog/watchdog1");
    fs::create_dir_all(&again).unwrap();
    fs::write(again.join("timeout"), "7\n").unwrap();
    assert!(collect().contains("node_watchdog_timeout_seconds{name=\"watchdog1\"} 7\n"));
}

#[test]
fn contradicting_and_broken_flags_stop_the_start() {
    let refuse = |flags: &[(&str, &str)]| {
        let get = |name: &str| {
            flags.iter().filter(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()).collect()
        };
        let config = NodeConfig::from_flags(&get).unwrap();
        NodeExporter::new(config).map(|_| ()).unwrap_err().to_string()
    };
    let error = refuse(&[
        ("collector.netdev.device-include", "a"),
        ("collector.netdev.device-exclude", "b"),
    ]);
    assert!(error.contains("mutually exclusive"), "{error}");
    let error = refuse(&[("collector.vmstat.fields", "(")]);
    assert!(error.contains("collector.vmstat.fields"), "{error}");
    let error = refuse(&[("collector.ipvs.backend-labels", "x")]);
    assert!(error.contains("unknown IPVS backend labels"), "{error}");
    let error = refuse(&[("collector.ntp", "true"), ("collector.ntp.server", "10.0.0.1")]);
    assert!(error.contains("local NTP server"), "{error}");
    let error =
        refuse(&[("collector.perf", "true"), ("collector.perf.hardware-profilers", "Nope")]);
    assert!(error.contains("no such profiler"), "{error}");
}

/// The seed corpus of the parsers: every recorded kernel file, and each cut short at some places.
#[test]
fn parsers_survive_the_corpus() {
    let Some(dir) = crate::golden::fixtures() else { return };
    let mut files = 0;
    walk(&dir.path().join("proc"), &mut files);
    walk(&dir.path().join("textfile"), &mut files);
    gauntlet_node::parsers::fuzz_all(b"");
    gauntlet_node::parsers::fuzz_all(&[0xff; 300]);
    println!("corpus: {files} files");
    assert!(files > 50);
}

fn walk(folder: &Path, files: &mut u32) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        gauntlet_node::parsers::fuzz_all(&bytes);
        for part in 1..4 {
            gauntlet_node::parsers::fuzz_all(&bytes[..bytes.len() * part / 4]);
        }
        mutate(&bytes, *files);
        *files += 1;
    }
}

/// Bytes changed, repeated and dropped by a fixed sequence of numbers.
fn mutate(bytes: &[u8], seed: u32) {
    let mut state = u64::from(seed) + 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for _ in 0..12 {
        let mut changed = bytes[..bytes.len().min(8192)].to_vec();
        for _ in 0..4 {
            let at = next(changed.len());
            match next(4) {
                0 if at < changed.len() => changed[at] = next(256) as u8,
                1 if at < changed.len() => drop(changed.remove(at)),
                2 => changed.truncate(at),
                _ => changed.splice(at..at, *b"9 :/\n").for_each(drop),
            }
        }
        gauntlet_node::parsers::fuzz_all(&changed);
    }
}

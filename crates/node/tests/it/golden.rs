//! Upstream's end-to-end test: the collectors over a tree of recorded `/proc` and `/sys` files must give the recorded output, line
//! for line. The command line and the filter of live lines come from the oracle's e2e.json.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gauntlet_node::{Filter, NodeConfig, NodeExporter};
use gauntlet_testkit::{conformance_dir, ttar};

/// Families that the serving process adds, not the collectors.
const NOT_OURS: [&str; 4] = ["go_", "process_", "promhttp_", "node_exporter_build_info"];

/// Families known to differ, with the reason. One that comes to match must leave the list.
const GAPS: &[(&str, &str)] = &[];

const ENABLE: &str = "arp bcache bcachefs bonding btrfs buddyinfo cgroups conntrack cpu cpufreq cpu_vulnerabilities diskstats \
    dmi drbd edac entropy fibrechannel filefd hwmon infiniband interrupts ipvs kernel_hung ksmd lnstat loadavg mdadm meminfo \
    meminfo_numa mountstats netdev netstat nfs nfsd pcidevice pressure processes qdisc rapl schedstat slabinfo sockstat \
    softirqs stat sysctl textfile thermal_zone udp_queues vmstat watchdog wifi xfrm xfs zfs zoneinfo";
const DISABLE: &str = "selinux filesystem timex uname";

/// The unpacked fixture trees.
pub(crate) struct Fixtures(PathBuf);

impl Fixtures {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Copies the fixture trees, unpacks the text archives and restores `proc/self`. They are some two thousand small files, so they
/// are made once and kept in the build folder; tests only read them.
pub(crate) fn fixtures() -> Option<Fixtures> {
    let source = conformance_dir()?.join("conformance/node_exporter");
    let archives = ["sys", "udev"]
        .map(|name| fs::read_to_string(source.join(format!("{name}.ttar"))).unwrap());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let kept = folder.join(format!("node-fixtures-{}-{}", archives[0].len(), archives[1].len()));
    if kept.exists() {
        return Some(Fixtures(kept));
    }
    fs::create_dir_all(folder).unwrap();
    let dir = tempfile::tempdir_in(folder).unwrap();
    copy(&source, dir.path());
    for archive in archives {
        ttar::unpack(&archive, dir.path()).unwrap();
    }
    let link = dir.path().join("proc/self");
    if link.is_file() {
        fs::remove_file(&link).unwrap();
    }
    if !link.exists() {
        std::os::unix::fs::symlink("10", &link).unwrap();
    }
    if fs::rename(dir.path(), &kept).is_err() {
        assert!(kept.exists()); // another test was quicker
    }
    Some(Fixtures(kept))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), &target).unwrap();
        } else if kind.is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

pub(crate) fn exporter(root: &Path, flags: &[(&str, &str)]) -> NodeExporter {
    let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let mut given: Vec<(String, String)> = vec![
        ("path.rootfs".into(), root.to_str().unwrap().into()),
        ("path.procfs".into(), at("proc")),
        ("path.sysfs".into(), at("sys")),
        ("path.udev.data".into(), at("udev/data")),
    ];
    given.extend(flags.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let get = |name: &str| {
        given.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    NodeExporter::new(NodeConfig::from_flags(&get).unwrap()).unwrap()
}

/// The flags of upstream's script.
fn flags(root: &Path) -> Vec<(String, String)> {
    let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let mut flags: Vec<(String, String)> = Vec::new();
    for name in ENABLE.split_whitespace() {
        flags.push((format!("collector.{name}"), "true".into()));
    }
    for name in DISABLE.split_whitespace() {
        flags.push((format!("collector.{name}"), "false".into()));
    }
    let fixed: &[(&str, &str)] = &[
        ("cpu.info", "true"),
        ("cpu.info.bugs-include", "^(cpu_meltdown|spectre_.*|mds)$"),
        ("cpu.info.flags-include", "^(aes|avx.?|constant_tsc)$"),
        ("arp.device-exclude", "nope"),
        ("arp.netlink", "false"),
        ("bcache.priorityStats", "true"),
        ("hwmon.chip-include", "(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)"),
        ("netclass.ignore-invalid-speed", "true"),
        ("netclass.ignored-devices", "(dmz|int)"),
        ("netdev.device-include", "lo"),
        ("qdisc.device-include", "(wlan0|eth0)"),
        ("stat.softirq", "true"),
        ("sysctl.include-info", "kernel.seccomp.actions_avail"),
        ("sysctl.include", "fs.file-nr"),
        ("sysctl.include", "fs.file-nr:total,current,max"),
        ("sysctl.include", "kernel.threads-max"),
    ];
    flags.extend(fixed.iter().map(|(n, v)| (format!("collector.{n}"), (*v).to_owned())));
    flags.push(("collector.qdisc.fixtures".into(), at("qdisc")));
    flags.push(("collector.textfile.directory".into(), at("textfile/two_metric_files/")));
    flags.push(("collector.wifi.fixtures".into(), at("wifi")));
    flags
}

fn is_live(line: &str) -> bool {
    const LIVE: [&str; 4] = [
        "node_scrape_collector_duration_seconds",
        "node_textfile_mtime_seconds",
        "node_time_zone",
        "node_time_seconds",
    ];
    LIVE.iter().any(|p| line.starts_with(p))
        || ["receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"]
            .iter()
            .any(|s| line.starts_with(&format!("node_network_{s}_total")))
}

/// Lines by family, in order, live ones left out.
fn families(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split(' ').next().unwrap().to_owned();
        }
        if NOT_OURS.iter().any(|p| current.starts_with(p)) || is_live(line) {
            continue;
        }
        families.entry(current.clone()).or_default().push(line.to_owned());
    }
    families
}

#[test]
fn fixture_tree_gives_upstreams_output() {
    let Some(dir) = fixtures() else { return };
    let root = dir.path();
    let flags = flags(root);
    let flags: Vec<(&str, &str)> = flags.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let exporter = exporter(root, &flags);
    let mut out = Vec::new();
    exporter.collect(&Filter::All, &mut out).unwrap();
    // the recorded paths are relative to the fixture folder
    let ours = String::from_utf8(out).unwrap().replace(&format!("{}/", root.display()), "");
    let expected_path: PathBuf =
        conformance_dir().unwrap().join("conformance/node_exporter/e2e-output.txt");
    let expected = fs::read_to_string(expected_path).unwrap().replace("collector/fixtures/", "");
    let (ours, expected) = (families(&ours), families(&expected));

    let total: usize = expected.values().map(Vec::len).sum();
    let mut equal = 0;
    let mut wrong: Vec<String> = Vec::new();
    let mut differing: Vec<&str> = Vec::new();
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(expected.keys()).collect();
    for name in names {
        let empty = Vec::new();
        let (a, b) = (ours.get(name).unwrap_or(&empty), expected.get(name).unwrap_or(&empty));
        equal += b.iter().filter(|line| a.contains(line)).count();
        if a != b {
            differing.push(name);
            if !GAPS.iter().any(|(gap, _)| gap == name) {
                let ours_only = a.iter().filter(|l| !b.contains(l)).take(3);
                let theirs_only = b.iter().filter(|l| !a.contains(l)).take(3);
                wrong.push(format!("{name} ({} lines, expected {})", a.len(), b.len()));
                wrong.extend(ours_only.map(|l| format!("  ours:     {l}")));
                wrong.extend(theirs_only.map(|l| format!("  expected: {l}")));
            }
        }
    }
    println!(
        "node_exporter e2e: {equal} of {total} lines equal, {} families differ",
        differing.len()
    );
    for status in exporter.status().iter().filter(|s| s.enabled) {
        println!("{:<20} {:?}", status.name, status.outcome);
    }
    let stale: Vec<_> =
        GAPS.iter().filter(|(gap, _)| !differing.contains(gap)).map(|(gap, _)| gap).collect();
    assert!(stale.is_empty(), "these families match now, remove them from GAPS: {stale:?}");
    assert!(wrong.is_empty(), "{} families differ:\n{}", differing.len(), wrong.join("\n"));
}

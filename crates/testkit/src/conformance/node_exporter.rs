//! Upstream's end-to-end test of node_exporter: the collectors over a tree of recorded `/proc` and `/sys` files must give the
//! recorded output, line for line. The command line and the filter of live lines are upstream's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io};

use crate::ttar;

/// Families that the serving process adds, not the collectors.
const NOT_OURS: [&str; 4] = ["go_", "process_", "promhttp_", "node_exporter_build_info"];

/// Families known to differ, with the reason. One that comes to match must leave the list.
pub const GAPS: &[(&str, &str)] = &[];

const ENABLE: &str = "arp bcache bcachefs bonding btrfs buddyinfo cgroups conntrack cpu cpufreq cpu_vulnerabilities diskstats \
    dmi drbd edac entropy fibrechannel filefd hwmon infiniband interrupts ipvs kernel_hung ksmd lnstat loadavg mdadm meminfo \
    meminfo_numa mountstats netdev netstat nfs nfsd pcidevice pressure processes qdisc rapl schedstat slabinfo sockstat \
    softirqs stat sysctl textfile thermal_zone udp_queues vmstat watchdog wifi xfrm xfs zfs zoneinfo";
const DISABLE: &str = "selinux filesystem timex uname";

/// The outcome of a run: lines of the recorded output.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub passed: usize,
    pub total: usize,
    /// What differs and is no known gap.
    pub failures: Vec<String>,
    /// Entries of [`GAPS`] that match now.
    pub stale_gaps: Vec<&'static str>,
}

/// Copies the fixture trees below `scratch`, unpacks the text archives and restores `proc/self`. They are some two thousand small
/// files, so they are made once and kept; tests only read them.
pub fn fixtures(oracles: &Path, scratch: &Path) -> io::Result<PathBuf> {
    let source = oracles.join("conformance/node_exporter");
    let mut archives = Vec::new();
    for name in ["sys", "udev"] {
        archives.push(fs::read_to_string(source.join(format!("{name}.ttar")))?);
    }
    let kept = scratch.join(format!("node-fixtures-{}-{}", archives[0].len(), archives[1].len()));
    if kept.exists() {
        return Ok(kept);
    }
    // Tests of one process make them at the same time: each in a folder of its own, the first to finish wins.
    static MAKING: AtomicU32 = AtomicU32::new(0);
    let own = MAKING.fetch_add(1, Ordering::Relaxed);
    let making = scratch.join(format!("node-fixtures-{}-{own}.tmp", std::process::id()));
    fs::create_dir_all(scratch)?;
    copy(&source, &making)?;
    for archive in archives {
        ttar::unpack(&archive, &making).map_err(|err| io::Error::other(err.to_string()))?;
    }
    let link = making.join("proc/self");
    if link.is_file() {
        fs::remove_file(&link)?;
    }
    if !link.exists() {
        std::os::unix::fs::symlink("10", &link)?;
    }
    match fs::rename(&making, &kept) {
        // Another run was quicker.
        Err(_) if kept.exists() => fs::remove_dir_all(&making)?,
        done => done?,
    }
    Ok(kept)
}

/// Gives the document for a tree's root and flags.
pub type Collect<'a> = dyn Fn(&Path, &[(String, String)]) -> String + 'a;

/// Compares what `collect` gives for the fixture tree with the recording. `collect` gets the tree's root and the flags.
pub fn run(oracles: &Path, scratch: &Path, collect: &Collect<'_>) -> io::Result<Report> {
    let root = fixtures(oracles, scratch)?;
    // The recorded paths are relative to the fixture folder.
    let ours = collect(&root, &flags(&root)).replace(&format!("{}/", root.display()), "");
    let expected = fs::read_to_string(oracles.join("conformance/node_exporter/e2e-output.txt"))?
        .replace("collector/fixtures/", "");
    let (ours, expected) = (families(&ours), families(&expected));
    let mut report = Report { total: expected.values().map(Vec::len).sum(), ..Report::default() };
    let mut differing: Vec<&str> = Vec::new();
    let names: BTreeSet<&String> = ours.keys().chain(expected.keys()).collect();
    for name in names {
        let empty = Vec::new();
        let (a, b) = (ours.get(name).unwrap_or(&empty), expected.get(name).unwrap_or(&empty));
        report.passed += b.iter().filter(|line| a.contains(line)).count();
        if a == b {
            continue;
        }
        differing.push(name);
        if !GAPS.iter().any(|(gap, _)| gap == name) {
            let lines = |of: &[String], other: &[String], whose: &str| -> Vec<String> {
                let only = of.iter().filter(|line| !other.contains(line)).take(3);
                only.map(|line| format!("  {whose} {line}")).collect()
            };
            report.failures.push(format!("{name} ({} lines, expected {})", a.len(), b.len()));
            report.failures.extend(lines(a, b, "ours:    "));
            report.failures.extend(lines(b, a, "expected:"));
        }
    }
    report.stale_gaps =
        GAPS.iter().map(|(gap, _)| *gap).filter(|gap| !differing.contains(gap)).collect();
    Ok(report)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::write(&target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// The flags of upstream's script.
fn flags(root: &Path) -> Vec<(String, String)> {
    let at = |name: &str| root.join(name).display().to_string();
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
            current = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        if NOT_OURS.iter().any(|p| current.starts_with(p)) || is_live(line) {
            continue;
        }
        families.entry(current.clone()).or_default().push(line.to_owned());
    }
    families
}

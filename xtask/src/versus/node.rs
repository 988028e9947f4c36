//! Suite `node`: what a scrape costs, of this host and of trees with many interfaces and many mounts. System calls are counted
//! where `strace` is installed.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Bench;
use super::process::{Server, get_ok};
use super::report::{Report, Side, Verdict};

/// Scrapes a round.
const SCRAPES: u32 = 200;
/// Scrapes under `strace`, and of the trees.
const FEW_SCRAPES: u32 = 20;
const START: Duration = Duration::from_secs(20);
const INTERFACES: usize = 500;
const MOUNTS: usize = 10_000;

pub(super) fn run(bench: &Bench) -> Result<()> {
    let mut report = Report::new("node");
    let sides = bench.sides("node_exporter")?;
    let trees = bench.root.join("target/versus/trees");
    write_trees(&trees)?;
    let cases: [(&str, Vec<String>); 2] =
        [("500 interfaces", interfaces_flags(&trees)), ("10,000 mounts", mounts_flags(&trees))];
    let mut series: Vec<BTreeSet<String>> = Vec::new();
    for round in 0..bench.rounds {
        for (side, program) in &sides {
            let names = live(&mut report, *side, program)?;
            if round == 0 {
                series.push(names);
            }
            for (what, flags) in &cases {
                tree(&mut report, *side, program, what, flags)?;
            }
        }
    }
    if let [ours, theirs] = &series[..] {
        report.compare("series of this host, go_* aside", difference(ours, theirs));
    }
    report.finish(&bench.root)
}

/// This host with default flags; returns names and labels of all series.
fn live(report: &mut Report, side: Side, program: &Path) -> Result<BTreeSet<String>> {
    let mut server =
        Server::start(program, |port| vec![format!("--web.listen-address=127.0.0.1:{port}")])?;
    server.wait_answer("/", START)?;
    get_ok(server.port, "/metrics")?;
    let names = names(&get_ok(server.port, "/metrics")?);
    report.add(side, "series", "", names.len() as f64);
    let cpu = server.cpu_seconds()?;
    for _ in 0..SCRAPES {
        get_ok(server.port, "/metrics")?;
    }
    let each = (server.cpu_seconds()? - cpu) / f64::from(SCRAPES) * 1000.0;
    report.add(side, "cpu for 1,000 scrapes", "s", each);
    report.add(side, "resident", "MB", server.resident_bytes()? as f64 / 1e6);
    report.add(side, "resident, memory of its own", "MB", server.anonymous_bytes()? as f64 / 1e6);
    if let Some(calls) = system_calls(&server)? {
        report.add(side, "system calls for 1,000 scrapes", "", calls * 1000.0);
    }
    Ok(names)
}

/// A made tree, with the collectors that read it.
fn tree(
    report: &mut Report,
    side: Side,
    program: &Path,
    what: &str,
    flags: &[String],
) -> Result<()> {
    let mut server = Server::start(program, |port| {
        let mut all = vec![format!("--web.listen-address=127.0.0.1:{port}")];
        all.extend_from_slice(flags);
        all
    })?;
    server.wait_answer("/", START)?;
    let document = get_ok(server.port, "/metrics")?;
    let count = names(&document).iter().filter(|name| !name.starts_with("go_")).count();
    report.add(side, &format!("{what}: series"), "", count as f64);
    let cpu = server.cpu_seconds()?;
    let begin = Instant::now();
    for _ in 0..FEW_SCRAPES {
        get_ok(server.port, "/metrics")?;
    }
    let wall = begin.elapsed().as_secs_f64() / f64::from(FEW_SCRAPES) * 1000.0;
    let cpu = (server.cpu_seconds()? - cpu) / f64::from(FEW_SCRAPES) * 1000.0;
    report.add(side, &format!("{what}: a scrape"), "ms", wall);
    report.add(side, &format!("{what}: cpu of a scrape"), "ms", cpu);
    Ok(())
}

/// System calls of one scrape; `None` without `strace`.
fn system_calls(server: &Server) -> Result<Option<f64>> {
    let output = std::env::temp_dir().join(format!("versus-node-{}", server.pid()));
    let traced = Command::new("strace")
        .args(["-f", "-c", "-p", &server.pid().to_string(), "-o"])
        .arg(&output)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tracer) = traced else {
        println!("strace is not there: system calls are not counted");
        return Ok(None);
    };
    // It says on standard error when it has attached.
    let mut said = [0u8; 1];
    let stderr = tracer.stderr.as_mut().context("BUG: standard error is piped")?;
    let _ = std::io::Read::read(stderr, &mut said)?;
    for _ in 0..FEW_SCRAPES {
        get_ok(server.port, "/metrics")?;
    }
    let pid = tracer.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status()?;
    tracer.wait()?;
    let table = std::fs::read_to_string(&output)?;
    let _ = std::fs::remove_file(&output);
    let total = table.lines().rev().find(|line| line.ends_with("total"));
    let calls = total
        .and_then(|line| line.split_ascii_whitespace().nth(3)?.parse::<f64>().ok())
        .context("strace gave no total")?;
    Ok(Some(calls / f64::from(FEW_SCRAPES)))
}

/// Names with labels, without values.
fn names(document: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(document)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect()
}

fn difference(ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Verdict {
    let known =
        |name: &&String| !name.starts_with("go_") && !name.starts_with("node_exporter_build_info");
    let list = |sign: char, a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).filter(known).map(|name| format!("{sign}{name}")).collect()
    };
    let mut odd = list('+', ours, theirs);
    odd.extend(list('-', theirs, ours));
    if odd.is_empty() { Verdict::Equal } else { Verdict::Differs(odd.join(" ")) }
}

fn paths(tree: &Path) -> Vec<String> {
    let at = |name: &str| tree.join(name).display().to_string();
    vec![
        "--collector.disable-defaults".to_owned(),
        format!("--path.procfs={}", at("proc")),
        format!("--path.sysfs={}", at("sys")),
        format!("--path.rootfs={}", at("root")),
    ]
}

fn interfaces_flags(trees: &Path) -> Vec<String> {
    let mut flags = paths(trees);
    let more = ["--collector.netclass", "--collector.netdev", "--no-collector.netdev.netlink"];
    flags.extend(more.map(str::to_owned));
    flags
}

fn mounts_flags(trees: &Path) -> Vec<String> {
    let mut flags = paths(trees);
    flags.push("--collector.filesystem".to_owned());
    flags
}

/// A host with many network interfaces and many mounted file systems.
fn write_trees(root: &Path) -> Result<()> {
    let _ = std::fs::remove_dir_all(root);
    let mut dev = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
    );
    for n in 0..INTERFACES {
        let name = format!("veth{n:04x}");
        let dir = root.join("sys/class/net").join(&name);
        std::fs::create_dir_all(&dir)?;
        let (index, address) =
            (n.to_string(), format!("02:42:ac:11:{:02x}:{:02x}", n / 256, n % 256));
        for (file, value) in ATTRIBUTES {
            std::fs::write(dir.join(file), format!("{value}\n"))?;
        }
        for file in ["ifindex", "iflink"] {
            std::fs::write(dir.join(file), format!("{index}\n"))?;
        }
        std::fs::write(dir.join("address"), format!("{address}\n"))?;
        writeln!(dev, "{name}: {} {n} 0 0 0 0 0 0 {} {n} 0 0 0 0 0 0", n * 1500, n * 900)?;
    }
    for dir in ["proc/net", "proc/1/net", "proc/self/net"] {
        std::fs::create_dir_all(root.join(dir))?;
        std::fs::write(root.join(dir).join("dev"), &dev)?;
    }
    let mut mounts = String::new();
    for n in 0..MOUNTS {
        let point = format!("/data/{:02}/volume-{n:05}", n % 100);
        std::fs::create_dir_all(root.join("root").join(point.trim_start_matches('/')))?;
        let id = n + 30;
        writeln!(mounts, "{id} 1 8:{n} / {point} rw,relatime shared:{n} - ext4 /dev/vol{n} rw")?;
    }
    for dir in ["proc/1", "proc/self"] {
        std::fs::write(root.join(dir).join("mountinfo"), &mounts)?;
    }
    Ok(())
}

const ATTRIBUTES: &[(&str, &str)] = &[
    ("addr_assign_type", "3"),
    ("addr_len", "6"),
    ("broadcast", "ff:ff:ff:ff:ff:ff"),
    ("carrier", "1"),
    ("carrier_changes", "2"),
    ("carrier_down_count", "1"),
    ("carrier_up_count", "1"),
    ("dev_id", "0x0"),
    ("dormant", "0"),
    ("duplex", "full"),
    ("flags", "0x1003"),
    ("ifalias", ""),
    ("link_mode", "0"),
    ("mtu", "1500"),
    ("name_assign_type", "3"),
    ("netdev_group", "0"),
    ("operstate", "up"),
    ("speed", "10000"),
    ("tx_queue_len", "1000"),
    ("type", "1"),
];

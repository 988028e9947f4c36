//! Measures scrapes: runs the default collectors N times (1000 unless given) and prints CPU time, bytes and memory.
//! Further arguments are flags: `NAME=VALUE`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool")]

use gauntlet_node::{Filter, NodeConfig, NodeExporter};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().map_or(1000, |n| n.parse().unwrap());
    let flags: Vec<(String, String)> = arguments
        .filter_map(|a| a.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())))
        .collect();
    let get = |name: &str| {
        flags.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    let exporter = NodeExporter::new(NodeConfig::from_flags(&get).unwrap()).unwrap();
    let mut out = Vec::new();
    exporter.collect(&Filter::All, &mut out).unwrap();
    if count == 0 {
        println!("{}", String::from_utf8_lossy(&out));
        for row in exporter.status().iter().filter(|r| r.enabled) {
            println!(
                "# {:<20} {:>9.1?} {:>5} {:?}",
                row.name, row.duration, row.samples, row.outcome
            );
        }
        return;
    }
    let before = cpu_seconds();
    for _ in 0..count {
        out.clear();
        exporter.collect(&Filter::All, &mut out).unwrap();
    }
    let used = cpu_seconds() - before;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or("");
    println!(
        "{count} scrapes: {:.3} ms CPU each, {} bytes, {} samples, {memory}",
        used * 1000.0 / f64::from(count),
        out.len(),
        exporter.status().iter().map(|r| r.samples).sum::<usize>(),
    );
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

//! Metrics of this process under the names that the peers' dashboards read: `process_*`, and the `go_*` ones that have a
//! meaning here. Source: `/proc/self`; on a system without it they are left out.

use std::fs;
use std::sync::Arc;

use crate::family::{MetricFamily, MetricValue};
use crate::registry::{Collect, Registry};

/// Kernel clock ticks a second: fixed at 100 on every Linux that the binary runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;

/// Registers the collector.
pub fn register(registry: &Registry) {
    registry.register(Arc::new(ProcessCollector));
}

#[derive(Debug)]
struct ProcessCollector;

impl Collect for ProcessCollector {
    fn collect(&self, out: &mut Vec<MetricFamily>) {
        collect_stat(out);
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // The listing itself holds one descriptor.
            let open = entries.count().saturating_sub(1) as f64;
            gauge(out, "process_open_fds", "Number of open file descriptors.", open);
        }
        if let Some(limit) = max_fds() {
            gauge(out, "process_max_fds", "Maximum number of open file descriptors.", limit);
        }
    }
}

fn collect_stat(out: &mut Vec<MetricFamily>) -> Option<()> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The command name is in parentheses and may hold anything: fields are counted from behind its end.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok());
    let cpu = (number(11)? + number(12)?) / TICKS_PER_SECOND;
    out.push(MetricFamily::single(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        MetricValue::Counter(cpu),
    ));
    gauge(out, "go_threads", "Number of OS threads created.", number(17)?);
    let boot = boot_time_seconds()?;
    gauge(
        out,
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        boot + number(19)? / TICKS_PER_SECOND,
    );
    gauge(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", number(20)?);
    let resident = number(21)? * PAGE_BYTES;
    gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.", resident);
    Some(())
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}

fn gauge(out: &mut Vec<MetricFamily>, name: &'static str, help: &'static str, value: f64) {
    out.push(MetricFamily::single(name, help, MetricValue::Gauge(value)));
}

//! Metrics of this process under the names that the peers' dashboards read: `process_*`, and the `go_*` ones that have a
//! meaning here. Source: `/proc/self`; on a system without it they are left out. The files stay open, so that a scrape costs a
//! read each; what cannot change while the process lives is read once.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};

use crate::family::{MetricFamily, MetricValue};
use crate::registry::{Collect, Registry};

/// Kernel clock ticks a second: fixed at 100 on every Linux that the binary runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;
/// More of a file is not looked at; `stat` and `net/netstat` need a few kilobytes.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// Registers the collector.
pub fn register(registry: &Registry) {
    registry.register(Arc::new(ProcessCollector(Mutex::new(Sources {
        stat: File::open("/proc/self/stat").ok(),
        netstat: File::open("/proc/self/net/netstat").ok(),
        boot_seconds: boot_time_seconds(),
        buffer: Vec::new(),
    }))));
}

#[derive(Debug)]
struct ProcessCollector(Mutex<Sources>);

#[derive(Debug)]
struct Sources {
    stat: Option<File>,
    netstat: Option<File>,
    boot_seconds: Option<f64>,
    buffer: Vec<u8>,
}

impl Collect for ProcessCollector {
    fn collect(&self, out: &mut Vec<MetricFamily>) {
        let Sources { stat, netstat, boot_seconds, buffer } = &mut *self.0.lock();
        if let Some(text) = stat.as_ref().and_then(|file| read(file, buffer)) {
            push_stat(text, *boot_seconds, out);
        }
        if let Some(open) = open_fds() {
            gauge(out, "process_open_fds", "Number of open file descriptors.", open);
        }
        let max_fds = limit(Resource::Nofile);
        gauge(out, "process_max_fds", "Maximum number of open file descriptors.", max_fds);
        gauge(
            out,
            "process_virtual_memory_max_bytes",
            "Maximum amount of virtual memory available in bytes.",
            limit(Resource::As),
        );
        if let Some(text) = netstat.as_ref().and_then(|file| read(file, buffer)) {
            push_octets(text, out);
        }
    }
}

fn push_stat(stat: &str, boot_seconds: Option<f64>, out: &mut Vec<MetricFamily>) -> Option<()> {
    // The command name is in parentheses and may hold anything: fields are counted from behind its end.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok());
    let cpu = (number(11)? + number(12)?) / TICKS_PER_SECOND;
    counter(
        out,
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        cpu,
    );
    gauge(out, "go_threads", "Number of OS threads created.", number(17)?);
    gauge(
        out,
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        boot_seconds? + number(19)? / TICKS_PER_SECOND,
    );
    gauge(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", number(20)?);
    let resident = number(21)? * PAGE_BYTES;
    gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.", resident);
    Some(())
}

/// `InOctets` and `OutOctets` of the `IpExt` lines: of the network namespace, which the peers too show as the process's.
fn push_octets(netstat: &str, out: &mut Vec<MetricFamily>) -> Option<()> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let at = names.split(' ').position(|name| name == wanted)?;
        values.split(' ').nth(at)?.parse().ok()
    };
    counter(
        out,
        "process_network_receive_bytes_total",
        "Number of bytes received by the process over the network.",
        value("InOctets")?,
    );
    counter(
        out,
        "process_network_transmit_bytes_total",
        "Number of bytes sent by the process over the network.",
        value("OutOctets")?,
    );
    Some(())
}

/// Kernels since 6.2 give the count as the size of the folder; older ones give 0, and it is listed.
fn open_fds() -> Option<f64> {
    let path = "/proc/self/fd";
    let size = fs::metadata(path).ok()?.len();
    if size > 0 {
        return Some(size as f64);
    }
    // The listing itself holds one descriptor.
    Some(fs::read_dir(path).ok()?.count().saturating_sub(1) as f64)
}

/// A soft limit; without one the largest number, as the peers show it.
fn limit(resource: Resource) -> f64 {
    getrlimit(resource).current.unwrap_or(u64::MAX) as f64
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Reads a kernel file from its beginning; fresh content each time.
fn read<'a>(file: &File, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
    buffer.resize(MAX_FILE_BYTES.min(buffer.len().max(4096)), 0);
    let mut size = 0;
    loop {
        match file.read_at(&mut buffer[size..], size as u64) {
            Ok(0) => break,
            Ok(read) => size += read,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if size == buffer.len() {
            if size >= MAX_FILE_BYTES {
                break;
            }
            buffer.resize(size * 2, 0);
        }
    }
    std::str::from_utf8(&buffer[..size]).ok()
}

fn gauge(out: &mut Vec<MetricFamily>, name: &'static str, help: &'static str, value: f64) {
    out.push(MetricFamily::single(name, help, MetricValue::Gauge(value)));
}

fn counter(out: &mut Vec<MetricFamily>, name: &'static str, help: &'static str, value: f64) {
    out.push(MetricFamily::single(name, help, MetricValue::Counter(value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_may_hold_anything() {
        let stat =
            format!("7 (a) b ( c) S{} 5 6{} 9 100 4096 3 0", " 0".repeat(10), " 0".repeat(4));
        let mut out = Vec::new();
        push_stat(&stat, Some(1000.0), &mut out).unwrap();
        let values: Vec<_> = out
            .iter()
            .map(|f| match f.metrics[0].value {
                MetricValue::Counter(v) | MetricValue::Gauge(v) => v,
                _ => f64::NAN,
            })
            .collect();
        assert_eq!(values[0], 0.11, "{out:?}");
        assert_eq!(out.len(), 5);
    }

    #[test]
    fn octets_come_from_the_matching_column() {
        let text =
            "TcpExt: A InOctets\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 7 8 9\n";
        let mut out = Vec::new();
        push_octets(text, &mut out).unwrap();
        let values: Vec<_> = out.iter().map(|f| f.metrics[0].value.clone()).collect();
        assert!(matches!(values[..], [MetricValue::Counter(8.0), MetricValue::Counter(9.0)]));
    }

    #[test]
    fn this_process_is_described_whole() {
        let registry = Registry::new();
        register(&registry);
        let names: Vec<_> = registry.gather().iter().map(|f| f.name.to_string()).collect();
        for name in [
            "process_open_fds",
            "process_start_time_seconds",
            "process_network_receive_bytes_total",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
        }
    }
}

//! Totals of the kernel since boot from `/proc/stat`: interrupts, context switches, forks, running and blocked processes. The
//! lines per CPU belong to the cpu collector.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "stat",
    default_on: true,
    reads: "/proc/stat",
    families: "node_intr_total, node_context_switches_total, node_forks_total, node_boot_time_seconds, node_procs_*",
    make: |settings| Ok(Box::new(Stat { softirq: settings.switch("collector.stat.softirq") })),
};

struct Stat {
    softirq: bool,
}

const VECTORS: [&str; 10] = [
    "hi",
    "timer",
    "net_tx",
    "net_rx",
    "block",
    "block_iopoll",
    "tasklet",
    "sched",
    "hrtimer",
    "rcu",
];

impl Collector for Stat {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("stat");
        let bytes = env.read_one(&path).map_err(|e| Failure::io(&path, e))?;
        let totals = parse(bytes).map_err(|e| e.at(&path))?;
        let v = |n: u64| n as f64;
        out.counter(
            "node_intr_total",
            "Total number of interrupts serviced.",
            &[],
            v(totals.interrupts),
        );
        out.counter(
            "node_context_switches_total",
            "Total number of context switches.",
            &[],
            v(totals.context_switches),
        );
        out.counter("node_forks_total", "Total number of forks.", &[], v(totals.forks));
        out.gauge(
            "node_boot_time_seconds",
            "Node boot time, in unixtime.",
            &[],
            v(totals.boot_time),
        );
        out.gauge(
            "node_procs_running",
            "Number of processes in runnable state.",
            &[],
            v(totals.running),
        );
        out.gauge(
            "node_procs_blocked",
            "Number of processes blocked waiting for I/O to complete.",
            &[],
            v(totals.blocked),
        );
        if self.softirq {
            let family =
                out.family("node_softirqs_total", "Number of softirq calls.", Kind::Counter);
            for (vector, count) in VECTORS.iter().zip(totals.softirqs) {
                out.put(family, &[("vector", vector)], v(count));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    interrupts: u64,
    context_switches: u64,
    forks: u64,
    boot_time: u64,
    running: u64,
    blocked: u64,
    softirqs: [u64; 10],
}

/// Everything but the lines per CPU; absent lines count as zero.
pub(crate) fn parse(input: &[u8]) -> Result<Totals, Malformed> {
    let mut totals = Totals::default();
    for line in scan::text(input).lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        let field = match key {
            "intr" => &mut totals.interrupts,
            "ctxt" => &mut totals.context_switches,
            "processes" => &mut totals.forks,
            "btime" => &mut totals.boot_time,
            "procs_running" => &mut totals.running,
            "procs_blocked" => &mut totals.blocked,
            "softirq" => {
                for (slot, word) in totals.softirqs.iter_mut().zip(words.skip(1)) {
                    *slot = scan::u64(word)?;
                }
                continue;
            }
            _ => continue,
        };
        *field = scan::u64(words.next().unwrap_or(""))?;
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_and_garbage_is_refused() {
        let totals = parse(b"cpu 1 2\nintr 5 1 1\nctxt 6\nsoftirq 9 1 2\n").unwrap();
        assert_eq!((totals.interrupts, totals.context_switches), (5, 6));
        assert_eq!(totals.softirqs[..3], [1, 2, 0]);
        assert!(parse(b"ctxt x\n").is_err());
    }
}

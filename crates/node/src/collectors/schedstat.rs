//! Scheduler statistics per CPU.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "schedstat",
    default_on: true,
    reads: "/proc/schedstat",
    families: "node_schedstat_*",
    make: |_| Ok(Box::new(Schedstat)),
};

struct Schedstat;

impl Collector for Schedstat {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("schedstat");
        let bytes = env.read(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        let cpus = parse(bytes);
        let mut family = |name: &str, help: &str| out.family(name, help, Kind::Counter);
        let running = family(
            "node_schedstat_running_seconds_total",
            "Number of seconds CPU spent running a process.",
        );
        let waiting = family(
            "node_schedstat_waiting_seconds_total",
            "Number of seconds spent by processing waiting for this CPU.",
        );
        let slices =
            family("node_schedstat_timeslices_total", "Number of timeslices executed by CPU.");
        for (cpu, [run, wait, count]) in &cpus {
            let labels = [("cpu", cpu.as_str())];
            out.put(running, &labels, *run as f64 / 1e9);
            out.put(waiting, &labels, *wait as f64 / 1e9);
            out.put(slices, &labels, *count as f64);
        }
        Ok(())
    }
}

/// CPU number and the last three of its nine columns; lines of another shape (domains, versions) are left out.
pub(crate) fn parse(input: &[u8]) -> Vec<(String, [u64; 3])> {
    let mut cpus = Vec::new();
    for line in scan::text(input).lines() {
        let Some(rest) = line.strip_prefix("cpu") else { continue };
        let mut words = rest.split(' ');
        let Some(cpu) = words.next().filter(|w| w.bytes().all(|b| b.is_ascii_digit())) else {
            continue;
        };
        let values: Vec<u64> = words.map_while(|w| w.parse().ok()).collect();
        if let [_, _, _, _, _, _, run, wait, slices, ..] = values[..]
            && !cpu.is_empty()
        {
            cpus.push((cpu.to_owned(), [run, wait, slices]));
        }
    }
    cpus
}

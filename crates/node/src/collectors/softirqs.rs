//! Software interrupts per CPU and kind.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "softirqs",
    default_on: false,
    reads: "/proc/softirqs",
    families: "node_softirqs_functions_total",
    make: |_| Ok(Box::new(Softirqs)),
};

struct Softirqs;

const KINDS: [&str; 10] =
    ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"];

impl Collector for Softirqs {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("softirqs");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let help = "Softirq counts per CPU.";
        let family = out.family("node_softirqs_functions_total", help, Kind::Counter);
        for (kind, counts) in parse(bytes).map_err(|e| e.at(&path))? {
            for (cpu, count) in counts.iter().enumerate() {
                let cpu = cpu.to_string();
                out.put(family, &[("cpu", &cpu), ("type", &kind)], *count as f64);
            }
        }
        Ok(())
    }
}

/// The known kinds with their counts per CPU.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, Vec<u64>)>, Malformed> {
    let mut rows = Vec::new();
    for line in scan::text(input).lines().skip(1) {
        let Some((kind, counts)) = line.split_once(':') else { continue };
        let kind = kind.trim();
        if KINDS.contains(&kind) {
            let counts: Result<Vec<u64>, _> =
                counts.split_ascii_whitespace().map(scan::u64).collect();
            rows.push((kind.to_owned(), counts?));
        }
    }
    Ok(rows)
}

//! Packet processing per CPU.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "softnet",
    default_on: true,
    reads: "/proc/net/softnet_stat",
    families: "node_softnet_*",
    make: |_| Ok(Box::new(Softnet)),
};

struct Softnet;

/// (column, family, help); the last is a gauge.
const COLUMNS: [(usize, &str, &str); 7] = [
    (0, "node_softnet_processed_total", "Number of processed packets"),
    (1, "node_softnet_dropped_total", "Number of dropped packets"),
    (2, "node_softnet_times_squeezed_total", "Number of times processing packets ran out of quota"),
    (
        8,
        "node_softnet_cpu_collision_total",
        "Number of collision occur while obtaining device lock while transmitting",
    ),
    (9, "node_softnet_received_rps_total", "Number of times cpu woken up received_rps"),
    (10, "node_softnet_flow_limit_count_total", "Number of times flow limit has been reached"),
    (11, "node_softnet_backlog_len", "Softnet backlog status"),
];
const CPU_COLUMN: usize = 12;

impl Collector for Softnet {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("net/softnet_stat");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let cpus = parse(bytes).map_err(|e| e.at(&path))?;
        let mut row = 0;
        let families = COLUMNS.map(|(_, name, help)| {
            row += 1;
            out.family(name, help, if row == COLUMNS.len() { Kind::Gauge } else { Kind::Counter })
        });
        for (cpu, values) in cpus {
            let cpu = cpu.to_string();
            for (family, value) in families.iter().zip(values) {
                out.put(*family, &[("cpu", &cpu)], f64::from(value));
            }
        }
        Ok(())
    }
}

/// CPU number (the line's, where the kernel does not say) and the shown columns; older kernels have fewer, which count as zero.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(u32, [u32; 7])>, Malformed> {
    let mut cpus = Vec::new();
    for (row, line) in scan::text(input).lines().enumerate() {
        let hex = |w| u32::from_str_radix(w, 16).map_err(|_| scan::bad("a hexadecimal number", w));
        let all: Result<Vec<u32>, Malformed> = line.split_ascii_whitespace().map(hex).collect();
        let mut all = all?;
        if all.len() < 9 {
            return Err(scan::bad("nine columns", line));
        }
        if all.len() == CPU_COLUMN {
            all.pop(); // backlog and CPU come together
        }
        let cpu = all.get(CPU_COLUMN).copied().unwrap_or(row as u32);
        cpus.push((cpu, COLUMNS.map(|(column, _, _)| all.get(column).copied().unwrap_or(0))));
    }
    Ok(cpus)
}

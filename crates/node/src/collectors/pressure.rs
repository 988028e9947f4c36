//! Pressure stall information from `/proc/pressure/*`: how long tasks waited for CPU, memory, I/O, interrupts.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "pressure",
    default_on: true,
    reads: "/proc/pressure/{cpu,io,memory,irq}",
    families: "node_pressure_*_seconds_total",
    make: |_| Ok(Box::new(Pressure)),
};

struct Pressure;

/// (file, is it the `full` line, family, help)
const ROWS: &[(&str, bool, &str, &str)] = &[
    (
        "cpu",
        false,
        "node_pressure_cpu_waiting_seconds_total",
        "Total time in seconds that processes have waited for CPU time",
    ),
    (
        "io",
        false,
        "node_pressure_io_waiting_seconds_total",
        "Total time in seconds that processes have waited due to IO congestion",
    ),
    (
        "io",
        true,
        "node_pressure_io_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IO congestion",
    ),
    (
        "memory",
        false,
        "node_pressure_memory_waiting_seconds_total",
        "Total time in seconds that processes have waited for memory",
    ),
    (
        "memory",
        true,
        "node_pressure_memory_stalled_seconds_total",
        "Total time in seconds no process could make progress due to memory congestion",
    ),
    (
        "irq",
        true,
        "node_pressure_irq_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IRQ congestion",
    ),
];

const NOT_SUPPORTED: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();

impl Collector for Pressure {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let mut found = false;
        for file in ["cpu", "io", "memory", "irq"] {
            let path = env.proc(&format!("pressure/{file}"));
            let bytes = match env.read_one(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) if e.raw_os_error() == Some(NOT_SUPPORTED) => {
                    return Err(Failure::NoData("pressure information is disabled (psi=1)".into()));
                }
                Err(e) => return Err(Failure::io(path, e)),
            };
            let (some, full) = parse(bytes).map_err(|e| e.at(&path))?;
            for &(_, is_full, family, help) in ROWS.iter().filter(|row| row.0 == file) {
                let Some(total) = (if is_full { full } else { some }) else {
                    return Err(Failure::NoData(format!("{path} lacks a line")));
                };
                out.counter(family, help, &[], total as f64 / 1000.0 / 1000.0);
            }
            found = true;
        }
        if found { Ok(()) } else { Err(Failure::NoData("no /proc/pressure".into())) }
    }
}

/// Totals in microseconds of the `some` and the `full` line.
pub(crate) fn parse(input: &[u8]) -> Result<(Option<u64>, Option<u64>), Malformed> {
    let (mut some, mut full) = (None, None);
    for line in scan::text(input).lines() {
        let total = || {
            let word = line.split_ascii_whitespace().find_map(|w| w.strip_prefix("total="));
            scan::u64(word.unwrap_or(""))
        };
        if line.starts_with("some") {
            some = Some(total()?);
        } else if line.starts_with("full") {
            full = Some(total()?);
        }
    }
    Ok((some, full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_both_lines() {
        let text = b"some avg10=0.1 avg60=2.0 avg300=3.85 total=15\nfull avg10=0.2 total=25\n";
        assert_eq!(parse(text), Ok((Some(15), Some(25))));
        assert_eq!(parse(b""), Ok((None, None)));
        assert!(parse(b"some avg10=1").is_err());
    }
}

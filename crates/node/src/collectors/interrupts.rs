//! Interrupts per CPU and source.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::pattern::NameFilter;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "interrupts",
    default_on: false,
    reads: "/proc/interrupts",
    families: "node_interrupts_total",
    make: |settings| {
        let filter = NameFilter::both(
            settings,
            "collector.interrupts.name-exclude",
            "collector.interrupts.name-include",
        )?;
        let zeros = settings.switch("collector.interrupts.include-zeros");
        Ok(Box::new(Interrupts { filter, zeros }))
    },
};

struct Interrupts {
    filter: NameFilter,
    zeros: bool,
}

impl Collector for Interrupts {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("interrupts");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let family = out.family("node_interrupts_total", "Interrupt details.", Kind::Counter);
        for row in parse(bytes).map_err(|e| e.at(&path))? {
            if self.filter.ignores(&format!("{};{};{}", row.name, row.info, row.devices)) {
                continue;
            }
            for (cpu, value) in row.counts.iter().enumerate() {
                if *value != 0.0 || self.zeros {
                    let cpu = cpu.to_string();
                    let labels = [
                        ("cpu", cpu.as_str()),
                        ("devices", &row.devices),
                        ("info", &row.info),
                        ("type", &row.name),
                    ];
                    out.put(family, &labels, *value);
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    name: String,
    info: String,
    devices: String,
    counts: Vec<f64>,
}

/// Rows with a count per CPU and a description; rows without one (ERR, MIS) are left out.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<Row>, Malformed> {
    let text = scan::text(input);
    let mut lines = text.lines();
    let header = lines.next().ok_or_else(|| Malformed::new("interrupts empty"))?;
    let cpus = header.split_ascii_whitespace().count();
    let mut rows = Vec::new();
    for line in lines {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        if words.len() <= cpus {
            continue;
        }
        let (counts, described) = words.split_at(cpus);
        let name = name.trim_start_matches(' ').to_owned();
        let numbered = name.parse::<u64>().is_ok();
        let split = if numbered { 1 } else { described.len() };
        rows.push(Row {
            name,
            info: described[..split].join(" "),
            devices: described[split..].join(" "),
            counts: counts.iter().map(|w| scan::f64(w)).collect::<Result<_, _>>()?,
        });
    }
    Ok(rows)
}

//! Caches of the network stack, per CPU.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "lnstat",
    default_on: false,
    reads: "/proc/net/stat/*",
    families: "node_lnstat_*_total",
    make: |_| Ok(Box::new(Lnstat)),
};

struct Lnstat;

impl Collector for Lnstat {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.proc("net/stat");
        for subsystem in env.list(&root).unwrap_or_default() {
            let path = format!("{root}/{subsystem}");
            let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
            let (names, rows) = match parse(bytes) {
                Ok(table) => table,
                Err(e) => {
                    out.problem(e.at(path));
                    continue;
                }
            };
            for (column, name) in names.iter().enumerate() {
                let help = "linux network cache stats";
                let family = out.family(&format!("node_lnstat_{name}_total"), help, Kind::Counter);
                for (cpu, row) in rows.iter().enumerate() {
                    if let Some(value) = row.get(column) {
                        let cpu = cpu.to_string();
                        let labels = [("cpu", cpu.as_str()), ("subsystem", &subsystem)];
                        out.put(family, &labels, *value as f64);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Column names and the hexadecimal values of each CPU.
pub(crate) fn parse(input: &[u8]) -> Result<(Vec<String>, Vec<Vec<u64>>), Malformed> {
    let text = scan::text(input);
    let mut lines = text.lines();
    let names: Vec<String> =
        lines.next().unwrap_or("").split_ascii_whitespace().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for line in lines {
        let row: Vec<u64> =
            line.split_ascii_whitespace().map(scan::hex).collect::<Result<_, _>>()?;
        if row.len() > names.len() {
            return Err(scan::bad("no more values than names", line));
        }
        rows.push(row);
    }
    Ok((names, rows))
}

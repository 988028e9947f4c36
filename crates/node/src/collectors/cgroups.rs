//! Control groups per subsystem.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "cgroups",
    default_on: false,
    reads: "/proc/cgroups",
    families: "node_cgroups_cgroups, node_cgroups_enabled",
    make: |_| Ok(Box::new(Cgroups)),
};

struct Cgroups;

impl Collector for Cgroups {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("cgroups");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let help = "Current cgroup number of the subsystem."; // upstream has it for both
        for (name, groups, enabled) in parse(bytes).map_err(|e| e.at(&path))? {
            let labels = [("subsys_name", name.as_str())];
            out.gauge("node_cgroups_cgroups", help, &labels, groups as f64);
            out.gauge("node_cgroups_enabled", help, &labels, enabled as f64);
        }
        Ok(())
    }
}

/// Name, number of groups and the enabled flag of each subsystem.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, u64, u64)>, Malformed> {
    let mut rows = Vec::new();
    for line in scan::text(input).lines().filter(|l| !l.starts_with('#')) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, _, groups, enabled, ..] = words[..] else {
            return Err(scan::bad("four columns", line));
        };
        rows.push((name.to_owned(), scan::u64(groups)?, scan::u64(enabled)?));
    }
    Ok(rows)
}

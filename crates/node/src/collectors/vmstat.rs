//! Counters of the virtual memory system from `/proc/vmstat`, chosen by a pattern over their names.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::pattern::{Pattern, Verdicts};
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "vmstat",
    default_on: true,
    reads: "/proc/vmstat",
    families: "node_vmstat_*",
    make: |settings| {
        let flag = "collector.vmstat.fields";
        let wanted = Verdicts::new(Pattern::new(flag, settings.text(flag))?);
        Ok(Box::new(Vmstat { wanted }))
    },
};

struct Vmstat {
    wanted: Verdicts,
}

impl Collector for Vmstat {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("vmstat");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let text = scan::text(bytes);
        for (row, line) in text.lines().enumerate() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            if self.wanted.matches_at(row, name) {
                let value = scan::f64(value.trim()).map_err(|e| e.at(&path))?;
                let metric = format!("node_vmstat_{name}");
                let help = format!("/proc/vmstat information field {name}.");
                out.untyped(&metric, &help, &[], value);
            }
        }
        Ok(())
    }
}

/// Name and value of each line, for checks of the format.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, f64)>, Malformed> {
    let text = scan::text(input);
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        Ok((name.to_owned(), scan::f64(value.trim())?))
    };
    text.lines().map(pair).collect()
}

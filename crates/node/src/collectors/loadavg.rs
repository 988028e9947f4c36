//! Load averages from `/proc/loadavg`.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "loadavg",
    default_on: true,
    reads: "/proc/loadavg",
    families: "node_load1, node_load5, node_load15",
    make: |_| Ok(Box::new(Loadavg)),
};

struct Loadavg;

impl Collector for Loadavg {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("loadavg");
        let bytes = env.read_one(&path).map_err(|e| Failure::io(&path, e))?;
        let [one, five, fifteen] = parse(bytes).map_err(|e| e.at(&path))?;
        out.gauge("node_load1", "1m load average.", &[], one);
        out.gauge("node_load5", "5m load average.", &[], five);
        out.gauge("node_load15", "15m load average.", &[], fifteen);
        Ok(())
    }
}

/// The averages over 1, 5 and 15 minutes.
pub(crate) fn parse(input: &[u8]) -> Result<[f64; 3], Malformed> {
    let text = scan::text(input);
    let mut words = text.split_ascii_whitespace();
    let mut next = || scan::f64(words.next().unwrap_or(""));
    Ok([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_needed() {
        assert_eq!(parse(b"0.02 0.04 1.05 1/497 11947\n"), Ok([0.02, 0.04, 1.05]));
        assert!(parse(b"0.02 0.04").is_err());
    }
}

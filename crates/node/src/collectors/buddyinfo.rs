//! Free memory blocks per zone and size.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "buddyinfo",
    default_on: false,
    reads: "/proc/buddyinfo",
    families: "node_buddyinfo_blocks",
    make: |_| Ok(Box::new(Buddyinfo)),
};

struct Buddyinfo;

impl Collector for Buddyinfo {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("buddyinfo");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let zones = parse(bytes).map_err(|e| e.at(&path))?;
        let help = "Count of free blocks according to size.";
        let family = out.family("node_buddyinfo_blocks", help, Kind::Gauge);
        for (node, zone, counts) in &zones {
            for (size, count) in counts.iter().enumerate() {
                let size = size.to_string();
                out.put(family, &[("node", node), ("size", &size), ("zone", zone)], *count);
            }
        }
        Ok(())
    }
}

/// Node, zone and the counts by order of size; all zones have as many.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, String, Vec<f64>)>, Malformed> {
    let mut zones: Vec<(String, String, Vec<f64>)> = Vec::new();
    for line in scan::text(input).lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, node, _, zone, ref counts @ ..] = words[..] else {
            return Err(scan::bad("a node and a zone", line));
        };
        let counts: Vec<f64> = counts.iter().map(|w| scan::f64(w)).collect::<Result<_, _>>()?;
        if zones.first().is_some_and(|first| first.2.len() != counts.len()) {
            return Err(scan::bad("as many sizes as before", line));
        }
        zones.push((
            node.trim_end_matches(',').to_owned(),
            zone.trim_end_matches(',').to_owned(),
            counts,
        ));
    }
    Ok(zones)
}

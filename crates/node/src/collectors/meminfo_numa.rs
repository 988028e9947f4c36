//! Memory figures per NUMA node.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "meminfo_numa",
    default_on: false,
    reads: "/sys/devices/system/node/node*/{meminfo,numastat}",
    families: "node_memory_numa_*",
    make: |_| Ok(Box::new(MeminfoNuma)),
};

struct MeminfoNuma;

impl Collector for MeminfoNuma {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("devices/system/node");
        for (number, name) in env.numbered(&root, "node").unwrap_or_default() {
            let path = format!("{root}/{name}/meminfo");
            let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
            for (node, key, value) in parse(bytes).map_err(|e| e.at(&path))? {
                let family = format!("node_memory_numa_{key}");
                let help = format!("Memory information field {key}.");
                out.gauge(&family, &help, &[("node", &node)], value);
            }
            let path = format!("{root}/{name}/numastat");
            let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
            let text = scan::text(bytes);
            let number = number.to_string();
            for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
                let (key, value) = line.split_once(' ').unwrap_or((line, ""));
                let value = scan::f64(value.trim()).map_err(|e| e.at(&path))?;
                let family = format!("node_memory_numa_{key}_total");
                let help = format!("Memory information field {key}_total.");
                out.counter(&family, &help, &[("node", &number)], value);
            }
        }
        Ok(())
    }
}

/// Node, key and value of `Node 0 Active(anon): 5 kB` lines; kB become bytes.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, String, f64)>, Malformed> {
    let mut rows = Vec::new();
    for line in scan::text(input).lines().filter(|l| !l.trim().is_empty()) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (node, key, value, factor) = match words[..] {
            [_, node, key, value] => (node, key, value, 1.0),
            [_, node, key, value, "kB"] => (node, key, value, 1024.0),
            _ => return Err(scan::bad("a node's key and value", line)),
        };
        let key = key.trim_end_matches(':').replace('(', "_").replace(')', "");
        rows.push((node.to_owned(), key, scan::f64(value)? * factor));
    }
    Ok(rows)
}

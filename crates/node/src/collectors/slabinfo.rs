//! Kernel object caches.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::pattern::NameFilter;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "slabinfo",
    default_on: false,
    reads: "/proc/slabinfo (needs root)",
    families: "node_slabinfo_*",
    make: |settings| {
        let filter = NameFilter::both(
            settings,
            "collector.slabinfo.slabs-exclude",
            "collector.slabinfo.slabs-include",
        )?;
        Ok(Box::new(Slabinfo { filter }))
    },
};

struct Slabinfo {
    filter: NameFilter,
}

const COLUMNS: [(&str, &str); 5] = [
    (
        "node_slabinfo_active_objects",
        "The number of objects that are currently active (i.e., in use).",
    ),
    (
        "node_slabinfo_objects",
        "The total number of allocated objects (i.e., objects that are both in use and not in use).",
    ),
    ("node_slabinfo_object_size_bytes", "The size of objects in this slab, in bytes."),
    ("node_slabinfo_objects_per_slab", "The number of objects stored in each slab."),
    ("node_slabinfo_pages_per_slab", "The number of pages allocated for each slab."),
];

impl Collector for Slabinfo {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("slabinfo");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        for (name, values) in parse(bytes).map_err(|e| e.at(&path))? {
            if self.filter.ignores(&name) {
                continue;
            }
            for ((family, help), value) in COLUMNS.iter().zip(values) {
                out.gauge(family, help, &[("slab", &name)], value as f64);
            }
        }
        Ok(())
    }
}

/// Name and the first five numbers of each cache.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, [i64; 5])>, Malformed> {
    let mut slabs = Vec::new();
    for line in scan::text(input).lines() {
        if line.contains("slabinfo -") || line.contains("# name") {
            continue;
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if words.len() != 16 {
            return Err(scan::bad("16 columns", line));
        }
        let mut values = [0; 5];
        for (slot, word) in values.iter_mut().zip(&words[1..]) {
            *slot = scan::i64(word)?;
        }
        slabs.push((words[0].to_owned(), values));
    }
    Ok(slabs)
}

//! Kernel same-page merging.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "ksmd",
    default_on: false,
    reads: "/sys/kernel/mm/ksm",
    families: "node_ksmd_*",
    make: |_| Ok(Box::new(Ksmd)),
};

struct Ksmd;

/// (file, family suffix, help, divisor); the first is a counter.
const VALUES: [(&str, &str, &str, f64); 10] = [
    (
        "full_scans",
        "full_scans_total",
        "How many times all mergeable areas have been scanned.",
        1.0,
    ),
    (
        "general_profit",
        "general_profit_bytes",
        "How effective is KSM. ksm_saved_pages * sizeof(page) - (all_rmap_items) * sizeof(rmap_item)",
        1.0,
    ),
    (
        "merge_across_nodes",
        "merge_across_nodes",
        "Specifies if pages from different NUMA nodes can be merged.",
        1.0,
    ),
    ("pages_shared", "pages_shared", "How many shared pages are being used.", 1.0),
    (
        "pages_sharing",
        "pages_sharing",
        "How many more sites are sharing them i.e. how much saved.",
        1.0,
    ),
    ("pages_to_scan", "pages_to_scan", "How many pages to scan before ksmd goes to sleep.", 1.0),
    (
        "pages_unshared",
        "pages_unshared",
        "How many pages unique but repeatedly checked for merging.",
        1.0,
    ),
    (
        "pages_volatile",
        "pages_volatile",
        "How many pages changing too fast to be placed in a tree.",
        1.0,
    ),
    ("run", "run", "The status of ksmd. stopped = 0, running = 1", 1.0),
    (
        "sleep_millisecs",
        "sleep_seconds",
        "How many seconds ksmd should sleep before next scan.",
        1000.0,
    ),
];

impl Collector for Ksmd {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        for (row, (file, suffix, help, divisor)) in VALUES.iter().enumerate() {
            let path = env.sys(&format!("kernel/mm/ksm/{file}"));
            let bytes = match env.read_one(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Failure::io(path, e)),
            };
            let kind = if row == 0 { Kind::Counter } else { Kind::Gauge };
            // general_profit is signed and may be negative
            match scan::i64(scan::text(bytes).trim()) {
                Ok(value) => {
                    let family = out.family(&format!("node_ksmd_{suffix}"), help, kind);
                    out.put(family, &[], value as f64 / divisor);
                }
                Err(e) => out.problem(e.at(path)),
            }
        }
        Ok(())
    }
}

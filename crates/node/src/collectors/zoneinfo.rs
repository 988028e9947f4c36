//! Memory zones per NUMA node.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "zoneinfo",
    default_on: false,
    reads: "/proc/zoneinfo",
    families: "node_zoneinfo_*",
    make: |_| Ok(Box::new(Zoneinfo)),
};

struct Zoneinfo;

impl Collector for Zoneinfo {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("zoneinfo");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        for zone in parse(bytes).map_err(|e| e.at(&path))? {
            let labels = [("node", zone.node.as_str()), ("zone", &zone.name)];
            for ((_, suffix, kind, help), value) in FIELDS.iter().zip(&zone.values) {
                if let Some(value) = value {
                    let family = out.family(&format!("node_zoneinfo_{suffix}"), help, *kind);
                    out.put(family, &labels, *value as f64);
                }
            }
            for (row, value) in zone.protection.iter().enumerate() {
                let help = format!("Protection array {row}. field");
                let name = format!("node_zoneinfo_protection_{row}");
                out.gauge(&name, &help, &labels, *value as f64);
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    node: String,
    name: String,
    /// In the order of FIELDS.
    values: Vec<Option<i64>>,
    protection: Vec<i64>,
}

/// All zones. A later line of one name (of a CPU's page set) replaces an earlier one.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<Zone>, Malformed> {
    let mut zones: Vec<Zone> = Vec::new();
    for line in scan::text(input).lines() {
        if let Some(heading) = line.strip_prefix("Node ") {
            let (node, name) =
                heading.split_once(", zone").ok_or_else(|| scan::bad("a node and a zone", line))?;
            zones.push(Zone {
                node: node.trim().to_owned(),
                name: name.trim().to_owned(),
                values: vec![None; FIELDS.len()],
                protection: Vec::new(),
            });
            continue;
        }
        let Some(zone) = zones.last_mut() else { continue };
        let mut words = line.split_ascii_whitespace();
        let (Some(key), Some(value)) = (words.next(), words.next()) else { continue };
        if key == "protection:" {
            let list = line.split(['(', ')']).nth(1).unwrap_or("");
            zone.protection = list.split(", ").map(scan::i64).collect::<Result<_, _>>()?;
        } else if let Some(at) = FIELDS.iter().position(|(name, ..)| *name == key) {
            zone.values[at] = Some(scan::i64(value)?);
        }
    }
    Ok(zones)
}

/// (name in the file, family suffix, kind, help)
const FIELDS: &[(&str, &str, Kind, &str)] = &[
    ("nr_free_pages", "nr_free_pages", Kind::Gauge, "Total number of free pages in the zone"),
    ("min", "min_pages", Kind::Gauge, "Zone watermark pages_min"),
    ("low", "low_pages", Kind::Gauge, "Zone watermark pages_low"),
    ("high", "high_pages", Kind::Gauge, "Zone watermark pages_high"),
    ("scanned", "scanned_pages", Kind::Gauge, "Pages scanned since last reclaim"),
    ("spanned", "spanned_pages", Kind::Gauge, "Total pages spanned by the zone, including holes"),
    ("present", "present_pages", Kind::Gauge, "Physical pages existing within the zone"),
    ("managed", "managed_pages", Kind::Gauge, "Present pages managed by the buddy system"),
    (
        "nr_active_anon",
        "nr_active_anon_pages",
        Kind::Gauge,
        "Number of anonymous pages recently more used",
    ),
    (
        "nr_inactive_anon",
        "nr_inactive_anon_pages",
        Kind::Gauge,
        "Number of anonymous pages recently less used",
    ),
    (
        "nr_isolated_anon",
        "nr_isolated_anon_pages",
        Kind::Gauge,
        "Temporary isolated pages from anon lru",
    ),
    (
        "nr_anon_pages",
        "nr_anon_pages",
        Kind::Gauge,
        "Number of anonymous pages currently used by the system",
    ),
    (
        "nr_anon_transparent_hugepages",
        "nr_anon_transparent_hugepages",
        Kind::Gauge,
        "Number of anonymous transparent huge pages currently used by the system",
    ),
    (
        "nr_active_file",
        "nr_active_file_pages",
        Kind::Gauge,
        "Number of active pages with file-backing",
    ),
    (
        "nr_inactive_file",
        "nr_inactive_file_pages",
        Kind::Gauge,
        "Number of inactive pages with file-backing",
    ),
    (
        "nr_isolated_file",
        "nr_isolated_file_pages",
        Kind::Gauge,
        "Temporary isolated pages from file lru",
    ),
    ("nr_file_pages", "nr_file_pages", Kind::Gauge, "Number of file pages"),
    (
        "nr_slab_reclaimable",
        "nr_slab_reclaimable_pages",
        Kind::Gauge,
        "Number of reclaimable slab pages",
    ),
    (
        "nr_slab_unreclaimable",
        "nr_slab_unreclaimable_pages",
        Kind::Gauge,
        "Number of unreclaimable slab pages",
    ),
    (
        "nr_mlock_stack",
        "nr_mlock_stack_pages",
        Kind::Gauge,
        "mlock()ed pages found and moved off LRU",
    ),
    ("nr_kernel_stack", "nr_kernel_stacks", Kind::Gauge, "Number of kernel stacks"),
    ("nr_mapped", "nr_mapped_pages", Kind::Gauge, "Number of mapped pages"),
    ("nr_dirty", "nr_dirty_pages", Kind::Gauge, "Number of dirty pages"),
    ("nr_writeback", "nr_writeback_pages", Kind::Gauge, "Number of writeback pages"),
    ("nr_unevictable", "nr_unevictable_pages", Kind::Gauge, "Number of unevictable pages"),
    ("nr_shmem", "nr_shmem_pages", Kind::Gauge, "Number of shmem pages (included tmpfs/GEM pages)"),
    ("nr_dirtied", "nr_dirtied_total", Kind::Counter, "Page dirtyings since bootup"),
    ("nr_written", "nr_written_total", Kind::Counter, "Page writings since bootup"),
    ("numa_hit", "numa_hit_total", Kind::Counter, "Allocated in intended node"),
    ("numa_miss", "numa_miss_total", Kind::Counter, "Allocated in non intended node"),
    ("numa_foreign", "numa_foreign_total", Kind::Counter, "Was intended here, hit elsewhere"),
    ("numa_interleave", "numa_interleave_total", Kind::Counter, "Interleaver preferred this zone"),
    ("numa_local", "numa_local_total", Kind::Counter, "Allocation from local node"),
    ("numa_other", "numa_other_total", Kind::Counter, "Allocation from other node"),
];

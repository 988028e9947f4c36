//! Connection tracking: entries, limit, and the counters of `/proc/net/stat/nf_conntrack` summed over CPUs.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "conntrack",
    default_on: true,
    reads: "/proc/sys/net/netfilter/nf_conntrack_{count,max}, /proc/net/stat/nf_conntrack",
    families: "node_nf_conntrack_*",
    make: |_| Ok(Box::new(Conntrack)),
};

struct Conntrack;

/// (column, family, help)
const COLUMNS: [(usize, &str, &str); 8] = [
    (2, "node_nf_conntrack_stat_found", "Number of searched entries which were successful."),
    (4, "node_nf_conntrack_stat_invalid", "Number of packets seen which can not be tracked."),
    (
        5,
        "node_nf_conntrack_stat_ignore",
        "Number of packets seen which are already connected to a conntrack entry.",
    ),
    (8, "node_nf_conntrack_stat_insert", "Number of entries inserted into the list."),
    (
        9,
        "node_nf_conntrack_stat_insert_failed",
        "Number of entries for which list insertion was attempted but failed.",
    ),
    (10, "node_nf_conntrack_stat_drop", "Number of packets dropped due to conntrack failure."),
    (
        11,
        "node_nf_conntrack_stat_early_drop",
        "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.",
    ),
    (
        16,
        "node_nf_conntrack_stat_search_restart",
        "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
    ),
];

impl Collector for Conntrack {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let rows = [
            (
                "nf_conntrack_count",
                "node_nf_conntrack_entries",
                "Number of currently allocated flow entries for connection tracking.",
            ),
            (
                "nf_conntrack_max",
                "node_nf_conntrack_entries_limit",
                "Maximum size of connection tracking table.",
            ),
        ];
        for (file, family, help) in rows {
            let path = env.proc(&format!("sys/net/netfilter/{file}"));
            let bytes = env.read_one(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
            let value = scan::u64(scan::text(bytes).trim()).map_err(|e| e.at(&path))?;
            out.gauge(family, help, &[], value as f64);
        }
        let path = env.proc("net/stat/nf_conntrack");
        let bytes = env.read(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        let sums = parse(bytes).map_err(|e| e.at(&path))?;
        for ((_, family, help), sum) in COLUMNS.iter().zip(sums) {
            out.gauge(family, help, &[], sum as f64);
        }
        Ok(())
    }
}

/// Sums over CPUs of the shown columns. The file is hexadecimal, one line per CPU after a header.
pub(crate) fn parse(input: &[u8]) -> Result<[u64; 8], Malformed> {
    let mut sums = [0u64; 8];
    for line in scan::text(input).lines().skip(1) {
        let values: Result<Vec<u64>, _> = line.split_ascii_whitespace().map(scan::hex).collect();
        let values = values?;
        if !(16..=17).contains(&values.len()) {
            return Err(scan::bad("16 or 17 columns", line));
        }
        for ((column, _, _), sum) in COLUMNS.iter().zip(&mut sums) {
            *sum = sum.wrapping_add(values.get(*column).copied().unwrap_or(0));
        }
    }
    Ok(sums)
}

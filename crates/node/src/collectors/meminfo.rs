//! Memory figures from `/proc/meminfo`, the keys that upstream knows, in bytes where the kernel says kB.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "meminfo",
    default_on: true,
    reads: "/proc/meminfo",
    families: "node_memory_*",
    make: |_| Ok(Box::new(Meminfo { name: String::new(), help: String::new() })),
};

/// Keys of the kernel that are shown; others are new or rare and have no upstream name.
const KEYS: &[&str] = &[
    "Active",
    "Active(anon)",
    "Active(file)",
    "AnonHugePages",
    "AnonPages",
    "Bounce",
    "Buffers",
    "Cached",
    "CmaFree",
    "CmaTotal",
    "CommitLimit",
    "Committed_AS",
    "DirectMap1G",
    "DirectMap2M",
    "DirectMap4k",
    "Dirty",
    "HardwareCorrupted",
    "HugePages_Free",
    "HugePages_Rsvd",
    "HugePages_Surp",
    "HugePages_Total",
    "Hugepagesize",
    "Inactive",
    "Inactive(anon)",
    "Inactive(file)",
    "KernelStack",
    "Mapped",
    "MemAvailable",
    "MemFree",
    "MemTotal",
    "Mlocked",
    "NFS_Unstable",
    "PageTables",
    "Percpu",
    "SReclaimable",
    "SUnreclaim",
    "Shmem",
    "ShmemHugePages",
    "ShmemPmdMapped",
    "Slab",
    "SwapCached",
    "SwapFree",
    "SwapTotal",
    "Unevictable",
    "VmallocChunk",
    "VmallocTotal",
    "VmallocUsed",
    "Writeback",
    "WritebackTmp",
    "Zswap",
    "Zswapped",
];

struct Meminfo {
    name: String,
    help: String,
}

impl Collector for Meminfo {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("meminfo");
        let bytes = env.read_one(&path).map_err(|e| Failure::io(&path, e))?;
        let Meminfo { name, help } = self;
        parse(bytes, |key, value, is_size| {
            if KEYS.binary_search(&key).is_err() {
                return;
            }
            let unit = if is_size { "_bytes" } else { "" };
            name.clear();
            name.push_str("node_memory_");
            push_key(name, key);
            name.push_str(unit);
            help.clear();
            help.push_str("Memory information field ");
            push_key(help, key);
            help.push_str(unit);
            help.push('.');
            out.gauge(name, help, &[], value as f64);
        })
        .map_err(|e| e.at(&path))
    }
}

/// `Active(anon)` is shown as `Active_anon`.
fn push_key(to: &mut String, key: &str) {
    to.extend(key.chars().filter(|&c| c != ')').map(|c| if c == '(' { '_' } else { c }));
}

/// Calls back with each key, its value, and whether it is a size (then in bytes).
pub(crate) fn parse(input: &[u8], mut each: impl FnMut(&str, u64, bool)) -> Result<(), Malformed> {
    for line in scan::text(input).lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        let value = scan::u64(words.next().unwrap_or(""))?;
        let key = key.trim_end_matches(':');
        match words.next() {
            None => each(key, value, false),
            Some("kB") => each(key, value.saturating_mul(1024), true),
            Some(other) => return Err(scan::bad("kB", other)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_for_searching() {
        assert!(KEYS.is_sorted());
    }

    #[test]
    fn sizes_are_bytes_and_counts_stay() {
        let mut seen = Vec::new();
        parse(b"MemTotal:  3 kB\nHugePages_Free:    7\n", |k, v, s| {
            seen.push((k.to_owned(), v, s))
        })
        .unwrap();
        assert_eq!(
            seen,
            [("MemTotal".to_owned(), 3072, true), ("HugePages_Free".to_owned(), 7, false)]
        );
        assert!(parse(b"MemTotal: 3 MB\n", |_, _, _| ()).is_err());
        assert!(parse(b"MemTotal\n", |_, _, _| ()).is_err());
    }
}

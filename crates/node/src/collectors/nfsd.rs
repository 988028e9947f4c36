//! NFS server: reply cache, threads, network, RPC and operation counters of `/proc/net/rpc/nfsd`.

use super::nfs::{V2, V3, parse};
use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "nfsd",
    default_on: true,
    reads: "/proc/net/rpc/nfsd",
    families: "node_nfsd_*",
    make: |_| Ok(Box::new(Nfsd)),
};

struct Nfsd;

/// (line, position, family suffix, help, kind)
const PLAIN: [(&str, usize, &str, &str, Kind); 11] = [
    (
        "rc",
        0,
        "reply_cache_hits_total",
        "Total number of NFSd Reply Cache hits (client lost server response).",
        Kind::Counter,
    ),
    (
        "rc",
        1,
        "reply_cache_misses_total",
        "Total number of NFSd Reply Cache an operation that requires caching (idempotent).",
        Kind::Counter,
    ),
    (
        "rc",
        2,
        "reply_cache_nocache_total",
        "Total number of NFSd Reply Cache non-idempotent operations (rename/delete/…).",
        Kind::Counter,
    ),
    ("fh", 0, "file_handles_stale_total", "Total number of NFSd stale file handles", Kind::Counter),
    ("io", 0, "disk_bytes_read_total", "Total NFSd bytes read.", Kind::Counter),
    ("io", 1, "disk_bytes_written_total", "Total NFSd bytes written.", Kind::Counter),
    (
        "th",
        0,
        "server_threads",
        "Total number of NFSd kernel threads that are running.",
        Kind::Gauge,
    ),
    (
        "ra",
        0,
        "read_ahead_cache_size_blocks",
        "How large the read ahead cache is in blocks.",
        Kind::Gauge,
    ),
    (
        "ra",
        11,
        "read_ahead_cache_not_found_total",
        "Total number of NFSd read ahead cache not found.",
        Kind::Counter,
    ),
    ("net", 3, "connections_total", "Total number of NFSd TCP connections.", Kind::Counter),
    ("rpc", 0, "server_rpcs_total", "Total number of NFSd RPCs.", Kind::Counter),
];

impl Collector for Nfsd {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("net/rpc/nfsd");
        let bytes = env.read(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        let lines = parse(bytes).map_err(|e| e.at(&path))?;
        let line = |key: &str| {
            lines.iter().find(|(k, _)| k == key).map_or(&[][..], |(_, values)| values.as_slice())
        };
        let at = |key: &str, index: usize| line(key).get(index).copied().unwrap_or(0) as f64;
        for (key, index, suffix, help, kind) in PLAIN {
            let family = out.family(&format!("node_nfsd_{suffix}"), help, kind);
            out.put(family, &[], at(key, index));
        }
        let help = "Total NFSd network packets (sent+received) by protocol type.";
        out.counter("node_nfsd_packets_total", help, &[("proto", "udp")], at("net", 1));
        out.counter("node_nfsd_packets_total", help, &[("proto", "tcp")], at("net", 2));
        let help = "Total number of NFSd RPC errors by error type.";
        for (index, error) in [(2, "fmt"), (3, "auth"), (4, "cInt")] {
            out.counter("node_nfsd_rpc_errors_total", help, &[("error", error)], at("rpc", index));
        }
        let family = out.family(
            "node_nfsd_requests_total",
            "Total number NFSd Requests by method and protocol.",
            Kind::Counter,
        );
        for (proto, key, names) in [("2", "proc2", V2), ("3", "proc3", V3), ("4", "proc4ops", V4)] {
            for (row, name) in names.iter().enumerate() {
                if !HIDDEN.contains(name) {
                    out.put(family, &[("method", name), ("proto", proto)], at(key, row + 1));
                }
            }
        }
        let deleg = at("wdeleg_getattr", 0);
        out.put(family, &[("method", "WdelegGetattr"), ("proto", "4")], deleg);
        Ok(())
    }
}

/// Operations that are not shown.
const HIDDEN: &[&str] = &["Null", "Op0Unused", "Op1Unused", "Op2Future", "PutPubFH", "PutRootFH"];

/// Operations of version 4 in the order of the kernel's counters.
const V4: &[&str] = &[
    "Op0Unused",
    "Op1Unused",
    "Op2Future",
    "Access",
    "Close",
    "Commit",
    "Create",
    "DelegPurge",
    "DelegReturn",
    "GetAttr",
    "GetFH",
    "Link",
    "Lock",
    "Lockt",
    "Locku",
    "Lookup",
    "LookupRoot",
    "Nverify",
    "Open",
    "OpenAttr",
    "OpenConfirm",
    "OpenDgrd",
    "PutFH",
    "PutPubFH",
    "PutRootFH",
    "Read",
    "ReadDir",
    "ReadLink",
    "Remove",
    "Rename",
    "Renew",
    "RestoreFH",
    "SaveFH",
    "SecInfo",
    "SetAttr",
    "SetClientID",
    "SetClientIDConfirm",
    "Verify",
    "Write",
    "RelLockOwner",
];

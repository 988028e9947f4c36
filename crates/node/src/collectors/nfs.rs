//! NFS client: RPC and procedure counters of `/proc/net/rpc/nfs`. The names of the procedures of versions 2 and 3 serve the server's
//! collector too.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "nfs",
    default_on: true,
    reads: "/proc/net/rpc/nfs",
    families: "node_nfs_*",
    make: |_| Ok(Box::new(Nfs)),
};

struct Nfs;

impl Collector for Nfs {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("net/rpc/nfs");
        let bytes = env.read(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        let lines = parse(bytes).map_err(|e| e.at(&path))?;
        let line = |key: &str| {
            lines.iter().find(|(k, _)| k == key).map_or(&[][..], |(_, values)| values.as_slice())
        };
        let at = |key: &str, index: usize| line(key).get(index).copied().unwrap_or(0) as f64;
        let help = "Total NFSd network packets (sent+received) by protocol type.";
        out.counter("node_nfs_packets_total", help, &[("protocol", "udp")], at("net", 1));
        out.counter("node_nfs_packets_total", help, &[("protocol", "tcp")], at("net", 2));
        let help = "Total number of NFSd TCP connections.";
        out.counter("node_nfs_connections_total", help, &[], at("net", 3));
        let help = "Total number of RPCs performed.";
        out.counter("node_nfs_rpcs_total", help, &[], at("rpc", 0));
        let help = "Number of RPC transmissions performed.";
        out.counter("node_nfs_rpc_retransmissions_total", help, &[], at("rpc", 1));
        let help = "Number of RPC authentication refreshes performed.";
        out.counter("node_nfs_rpc_authentication_refreshes_total", help, &[], at("rpc", 2));
        let family = out.family(
            "node_nfs_requests_total",
            "Number of NFS procedures invoked.",
            Kind::Counter,
        );
        for (proto, key, names) in [("2", "proc2", V2), ("3", "proc3", V3), ("4", "proc4", V4)] {
            for (row, name) in names.iter().enumerate() {
                out.put(family, &[("method", name), ("proto", proto)], at(key, row + 1));
            }
        }
        Ok(())
    }
}

/// Key and numbers of each line. The first number of a `proc` line must be the count of the rest.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, Vec<u64>)>, Malformed> {
    let mut lines = Vec::new();
    for line in scan::text(input).lines() {
        let mut words = line.split_ascii_whitespace();
        let key = words.next().ok_or_else(|| scan::bad("a key", line))?;
        let limit = if key == "th" { 2 } else { usize::MAX }; // the rest of th are floats of old kernels
        let values: Result<Vec<u64>, _> = words.take(limit).map(scan::u64).collect();
        let values = values?;
        let counted = !key.starts_with("proc")
            || values.first().is_some_and(|&n| n == values.len() as u64 - 1);
        if values.is_empty() || !counted {
            return Err(scan::bad("numbers as many as announced", line));
        }
        lines.push((key.to_owned(), values));
    }
    Ok(lines)
}

/// Procedures of version 2 in the order of the kernel's counters.
pub(super) const V2: &[&str] = &[
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write",
    "Create", "Remove", "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];

/// Procedures of version 3.
pub(super) const V3: &[&str] = &[
    "Null",
    "GetAttr",
    "SetAttr",
    "Lookup",
    "Access",
    "ReadLink",
    "Read",
    "Write",
    "Create",
    "MkDir",
    "SymLink",
    "MkNod",
    "Remove",
    "RmDir",
    "Rename",
    "Link",
    "ReadDir",
    "ReadDirPlus",
    "FsStat",
    "FsInfo",
    "PathConf",
    "Commit",
];

/// Operations of version 4, client side.
const V4: &[&str] = &[
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
    "Lookup",
    "LookupRoot",
    "Remove",
    "Rename",
    "Link",
    "Symlink",
    "Create",
    "Pathconf",
    "StatFs",
    "ReadLink",
    "ReadDir",
    "ServerCaps",
    "DelegReturn",
    "GetACL",
    "SetACL",
    "FsLocations",
    "ReleaseLockowner",
    "Secinfo",
    "FsidPresent",
    "ExchangeID",
    "CreateSession",
    "DestroySession",
    "Sequence",
    "GetLeaseTime",
    "ReclaimComplete",
    "GetDeviceInfo",
    "LayoutGet",
    "LayoutCommit",
    "LayoutReturn",
    "SecinfoNoName",
    "TestStateID",
    "FreeStateID",
    "GetDeviceList",
    "BindConnToSession",
    "DestroyClientID",
    "Seek",
    "Allocate",
    "DeAllocate",
    "LayoutStats",
    "Clone",
];

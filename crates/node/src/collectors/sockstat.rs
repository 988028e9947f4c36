//! Sockets in use per protocol.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "sockstat",
    default_on: true,
    reads: "/proc/net/{sockstat,sockstat6}",
    families: "node_sockstat_*",
    make: |_| Ok(Box::new(Sockstat)),
};

struct Sockstat;

const KNOWN: [&str; 6] = ["inuse", "orphan", "tw", "alloc", "mem", "memory"];

impl Collector for Sockstat {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        for file in ["sockstat", "sockstat6"] {
            let path = env.proc(&format!("net/{file}"));
            let bytes = match env.read_one(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => {
                    out.problem(Failure::io(path, e));
                    continue;
                }
            };
            let part = parse(bytes, |protocol, key, value| put(out, file, protocol, key, value));
            out.note(part.map_err(|e| e.at(path)));
        }
        Ok(())
    }
}

fn put(out: &mut Exposition, file: &str, protocol: &str, key: &str, value: i64) {
    if protocol == "sockets" {
        if file == "sockstat" && key == "used" {
            let help = "Number of IPv4 sockets in use.";
            out.gauge("node_sockstat_sockets_used", help, &[], value as f64);
        }
        return;
    }
    if !KNOWN.contains(&key) {
        return;
    }
    let mut gauge = |key: &str, value: i64| {
        let name = format!("node_sockstat_{protocol}_{key}");
        let help = format!("Number of {protocol} sockets in state {key}.");
        out.gauge(&name, &help, &[], value as f64);
    };
    gauge(key, value);
    if key == "mem" {
        gauge("mem_bytes", value.saturating_mul(rustix::param::page_size() as i64));
    }
}

/// Calls back with protocol, key and value of each pair.
pub(crate) fn parse(input: &[u8], mut each: impl FnMut(&str, &str, i64)) -> Result<(), Malformed> {
    for line in scan::text(input).lines() {
        let (protocol, pairs) =
            line.split_once(": ").ok_or_else(|| scan::bad("a protocol", line))?;
        let mut words = pairs.split_ascii_whitespace();
        while let Some(key) = words.next() {
            each(protocol, key, scan::i64(words.next().unwrap_or(""))?);
        }
    }
    Ok(())
}

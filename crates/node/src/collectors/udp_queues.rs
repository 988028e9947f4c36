//! Bytes waiting in the queues of all UDP sockets.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "udp_queues",
    default_on: true,
    reads: "/proc/net/{udp,udp6}",
    families: "node_udp_queues",
    make: |_| Ok(Box::new(UdpQueues)),
};

struct UdpQueues;

impl Collector for UdpQueues {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let help = "Number of allocated memory in the kernel for UDP datagrams in bytes.";
        let family = out.family("node_udp_queues", help, Kind::Gauge);
        let mut found = false;
        for (file, ip) in [("udp", "v4"), ("udp6", "v6")] {
            let path = env.proc(&format!("net/{file}"));
            let bytes = match env.read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Failure::io(path, e)),
            };
            found = true;
            match parse(bytes) {
                Ok((tx, rx)) => {
                    out.put(family, &[("ip", ip), ("queue", "tx")], tx as f64);
                    out.put(family, &[("ip", ip), ("queue", "rx")], rx as f64);
                }
                Err(e) => out.problem(e.at(path)),
            }
        }
        if found { Ok(()) } else { Err(Failure::NoData("no /proc/net/udp".into())) }
    }
}

/// Sums of the transmit and receive queues over all sockets.
pub(crate) fn parse(input: &[u8]) -> Result<(u64, u64), Malformed> {
    let (mut tx, mut rx) = (0u64, 0u64);
    for line in scan::text(input).lines().skip(1) {
        let queues = line.split_ascii_whitespace().nth(4).unwrap_or("");
        let (t, r) = queues.split_once(':').ok_or_else(|| scan::bad("tx:rx", line))?;
        tx = tx.wrapping_add(scan::hex(t)?);
        rx = rx.wrapping_add(scan::hex(r)?);
    }
    Ok((tx, rx))
}

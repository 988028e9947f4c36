//! TCP sockets by state and the bytes in their queues, from socket diagnostics. Sockets are counted as they come, none is kept.

use std::io;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::netlink::{Netlink, u32_at};

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "tcpstat",
    default_on: false,
    reads: "netlink socket diagnostics",
    families: "node_tcp_connection_states",
    make: |_| Ok(Box::new(Tcpstat { netlink: Netlink::sockets() })),
};

struct Tcpstat {
    netlink: Netlink,
}

/// By the kernel's number from 1 on; the last two are sums of bytes.
const STATES: [&str; 13] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "rx_queued_bytes",
    "tx_queued_bytes",
];
const RX: usize = 11;
const TX: usize = 12;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
const ALL_STATES: u32 = 0xfff;
/// struct inet_diag_req_v2
const REQUEST: usize = 56;

impl Collector for Tcpstat {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let mut counts = [0u64; 13];
        let mut seen = [false; 13];
        let six = env.exists(&env.proc("net/tcp6"));
        for family in [INET, INET6] {
            if family == INET || six {
                self.count(family, &mut counts, &mut seen)
                    .map_err(|e| Failure::io("socket diagnostics", e))?;
            }
        }
        let help = "Number of connection states.";
        let family = out.family("node_tcp_connection_states", help, Kind::Gauge);
        for ((state, count), seen) in STATES.iter().zip(counts).zip(seen) {
            if seen {
                out.put(family, &[("state", state)], count as f64);
            }
        }
        Ok(())
    }
}

impl Tcpstat {
    fn count(
        &mut self,
        family: u8,
        counts: &mut [u64; 13],
        seen: &mut [bool; 13],
    ) -> io::Result<()> {
        let mut request = [0u8; REQUEST];
        request[0] = family;
        request[1] = TCP;
        request[4..8].copy_from_slice(&ALL_STATES.to_ne_bytes());
        self.netlink.dump_each(SOCK_DIAG_BY_FAMILY, &request, |message| {
            let Some(state) = message.body.get(1).map(|s| usize::from(*s)) else { return };
            // struct inet_diag_msg: queues behind the 48 bytes of the id and the timer
            let (Some(rx), Some(tx)) = (u32_at(message.body, 56), u32_at(message.body, 60)) else {
                return;
            };
            for (at, add) in [(state.wrapping_sub(1), 1), (RX, u64::from(rx)), (TX, u64::from(tx))]
            {
                if at < counts.len() {
                    counts[at] += add;
                    seen[at] = true;
                }
            }
        })
    }
}

//! The kernel's virtual server: totals, and connections and weight per backend.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::collector::{Collector, CollectorInfo};
use crate::config::Settings;
use crate::env::Env;
use crate::error::{ConfigError, Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "ipvs",
    default_on: true,
    reads: "/proc/net/{ip_vs_stats,ip_vs}",
    families: "node_ipvs_*",
    make: |settings| Ok(Box::new(Ipvs { labels: wanted_labels(settings)? })),
};

/// All labels of backends, in upstream's order.
const LABELS: [&str; 6] =
    ["local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"];

struct Ipvs {
    /// Positions in LABELS.
    labels: Vec<usize>,
}

fn wanted_labels(settings: &Settings) -> Result<Vec<usize>, ConfigError> {
    let flag = "collector.ipvs.backend-labels";
    let text = settings.text(flag);
    let names: Vec<&str> = text.split(',').filter(|n| !n.is_empty()).collect();
    let mut unknown: Vec<&str> = names.iter().copied().filter(|n| !LABELS.contains(n)).collect();
    if !unknown.is_empty() {
        unknown.sort_unstable();
        return Err(ConfigError::Value {
            flag: flag.to_owned(),
            value: text.to_owned(),
            reason: format!("unknown IPVS backend labels: {:?}", unknown.join(", ")),
        });
    }
    Ok((0..LABELS.len()).filter(|&i| names.contains(&LABELS[i])).collect())
}

const TOTALS: [(&str, &str); 5] = [
    ("node_ipvs_connections_total", "The total number of connections made."),
    ("node_ipvs_incoming_packets_total", "The total number of incoming packets."),
    ("node_ipvs_outgoing_packets_total", "The total number of outgoing packets."),
    ("node_ipvs_incoming_bytes_total", "The total amount of incoming data."),
    ("node_ipvs_outgoing_bytes_total", "The total amount of outgoing data."),
];

const BACKEND: [(&str, &str); 3] = [
    (
        "node_ipvs_backend_connections_active",
        "The current active connections by local and remote address.",
    ),
    (
        "node_ipvs_backend_connections_inactive",
        "The current inactive connections by local and remote address.",
    ),
    ("node_ipvs_backend_weight", "The current backend weight by local and remote address."),
];

impl Collector for Ipvs {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("net/ip_vs_stats");
        let bytes = env.read(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        let totals = parse_totals(bytes).map_err(|e| e.at(&path))?;
        for ((name, help), value) in TOTALS.iter().zip(totals) {
            out.counter(name, help, &[], value as f64);
        }
        let path = env.proc("net/ip_vs");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let backends = parse(bytes).map_err(|e| e.at(&path))?;
        let mut sums: BTreeMap<Vec<String>, [u64; 3]> = BTreeMap::new();
        for backend in backends {
            let key = self.labels.iter().map(|&i| backend.labels[i].clone()).collect();
            let sum: &mut [u64; 3] = sums.entry(key).or_default();
            for (slot, value) in sum.iter_mut().zip(backend.values) {
                *slot = slot.wrapping_add(value);
            }
        }
        for (key, sum) in &sums {
            let labels: Vec<(&str, &str)> = self
                .labels
                .iter()
                .zip(key)
                .map(|(&i, value)| (LABELS[i], value.as_str()))
                .collect();
            for ((name, help), value) in BACKEND.iter().zip(sum) {
                out.gauge(name, help, &labels, *value as f64);
            }
        }
        Ok(())
    }
}

/// The five hexadecimal totals of the third line.
pub(crate) fn parse_totals(input: &[u8]) -> Result<[u64; 5], Malformed> {
    let text = scan::text(input);
    let line = text.lines().nth(2).unwrap_or("");
    let values: Result<Vec<u64>, _> = line.split_ascii_whitespace().map(scan::hex).collect();
    values?.try_into().map_err(|_| scan::bad("five totals", line))
}

/// One real server: its labels in the order of LABELS; active, inactive connections and weight.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Backend {
    labels: [String; 6],
    values: [u64; 3],
}

pub(crate) fn parse(input: &[u8]) -> Result<Vec<Backend>, Malformed> {
    let mut backends = Vec::new();
    let (mut proto, mut mark, mut local) = (String::new(), String::new(), (String::new(), 0u16));
    for line in scan::text(input).lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["IP" | "Prot", ..] | [_, "RemoteAddress:Port", ..] => {}
            [kind @ ("TCP" | "UDP"), address, ..] => {
                let (ip, port) = ip_port(address)?;
                (proto, mark, local) = (kind.to_owned(), String::new(), (ip.to_string(), port));
            }
            ["FWM", number, ..] => {
                (proto, mark, local) = ("FWM".to_owned(), number.to_owned(), (String::new(), 0));
            }
            ["->", address, _, weight, active, inactive, ..] => {
                let (ip, port) = ip_port(address)?;
                backends.push(Backend {
                    labels: [
                        local.0.clone(),
                        local.1.to_string(),
                        ip.to_string(),
                        port.to_string(),
                        proto.clone(),
                        mark.clone(),
                    ],
                    values: [scan::u64(active)?, scan::u64(inactive)?, scan::u64(weight)?],
                });
            }
            _ => {}
        }
    }
    Ok(backends)
}

/// `C0A80016:0CEA` or `[2620:0000:...]:0050`; the port is hexadecimal.
fn ip_port(word: &str) -> Result<(IpAddr, u16), Malformed> {
    let bad = || scan::bad("an address and port", word);
    let (address, port) = word.rsplit_once(':').ok_or_else(bad)?;
    let port = u16::from_str_radix(port, 16).map_err(|_| bad())?;
    let ip = match address.strip_prefix('[').and_then(|a| a.strip_suffix(']')) {
        Some(v6) => IpAddr::V6(v6.parse::<Ipv6Addr>().map_err(|_| bad())?),
        None if address.len() == 8 => {
            IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).map_err(|_| bad())?))
        }
        None => return Err(bad()),
    };
    Ok((ip, port))
}

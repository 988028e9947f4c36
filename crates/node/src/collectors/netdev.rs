//! Traffic counters of network devices, from route netlink or `/proc/net/dev`, under the names of the latter unless detailed ones
//! are asked for; on request also addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::{Exposition, Family};
use crate::netlink::{self, Netlink};
use crate::pattern::NameFilter;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "netdev",
    default_on: true,
    reads: "netlink links and addresses, or /proc/net/dev",
    families: "node_network_receive_*_total, node_network_transmit_*_total, node_network_address_info",
    make: |settings| {
        let filter = NameFilter::pair_with_old(
            settings,
            ["collector.netdev.device-exclude", "collector.netdev.device-blacklist"],
            ["collector.netdev.device-include", "collector.netdev.device-whitelist"],
        )?;
        Ok(Box::new(Netdev {
            filter,
            use_netlink: settings.switch("collector.netdev.netlink"),
            detailed: settings.switch("collector.netdev.enable-detailed-metrics"),
            addresses: settings.switch("collector.netdev.address-info"),
            label_alias: settings.switch("collector.netdev.label-ifalias"),
            netlink: Netlink::route(),
        }))
    },
};

struct Netdev {
    filter: NameFilter,
    use_netlink: bool,
    detailed: bool,
    addresses: bool,
    label_alias: bool,
    netlink: Netlink,
}

/// Shown statistics of netlink in the usual naming: name, and the counters (positions in rtnl_link_stats64) that are summed.
const USUAL: &[(&str, &[usize])] = &[
    ("receive_packets", &[0]),
    ("transmit_packets", &[1]),
    ("receive_bytes", &[2]),
    ("transmit_bytes", &[3]),
    ("receive_errs", &[4]),
    ("transmit_errs", &[5]),
    ("receive_drop", &[6, 15]),
    ("transmit_drop", &[7]),
    ("receive_multicast", &[8]),
    ("transmit_colls", &[9]),
    ("receive_frame", &[13, 10, 11, 12]),
    ("receive_fifo", &[14]),
    ("transmit_carrier", &[17, 16, 19, 20]),
    ("transmit_fifo", &[18]),
    ("receive_compressed", &[21]),
    ("transmit_compressed", &[22]),
    ("receive_nohandler", &[23]),
];

/// Columns of `/proc/net/dev`: usual and detailed name.
const PROC: [(&str, &str); 16] = [
    ("receive_bytes", "receive_bytes"),
    ("receive_packets", "receive_packets"),
    ("receive_errs", "receive_errors"),
    ("receive_drop", "receive_dropped"),
    ("receive_fifo", "receive_fifo"),
    ("receive_frame", "receive_frame"),
    ("receive_compressed", "receive_compressed"),
    ("receive_multicast", "receive_multicast"),
    ("transmit_bytes", "transmit_bytes"),
    ("transmit_packets", "transmit_packets"),
    ("transmit_errs", "transmit_errors"),
    ("transmit_drop", "transmit_dropped"),
    ("transmit_fifo", "transmit_fifo"),
    ("transmit_colls", "transmit_colls"),
    ("transmit_carrier", "transmit_carrier"),
    ("transmit_compressed", "transmit_compressed"),
];

impl Collector for Netdev {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        if self.use_netlink {
            self.show_netlink(env, out)?;
        } else {
            self.show_proc(env, out)?;
        }
        if self.addresses {
            self.address_info(out)?;
        }
        Ok(())
    }
}

impl Netdev {
    fn show_netlink(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let messages = self
            .netlink
            .dump(netlink::GET_LINK, &[0; netlink::LINK_HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let links = netlink::parse_links(messages).map_err(|e| e.at("netlink"))?;
        let names: Vec<&str> = if self.detailed {
            netlink::LINK_STATISTICS.to_vec()
        } else {
            USUAL.iter().map(|row| row.0).collect()
        };
        let families = families(out, &names);
        for link in &links {
            let Some(stats) = &link.stats else { continue };
            if self.filter.ignores(&link.name) {
                continue;
            }
            let alias = self.alias(env, &link.name);
            if self.detailed {
                for (family, value) in families.iter().zip(stats) {
                    put(out, *family, &link.name, alias.as_deref(), *value);
                }
            } else {
                for (family, (_, parts)) in families.iter().zip(USUAL) {
                    let sum = parts.iter().fold(0u64, |sum, &i| sum.wrapping_add(stats[i]));
                    put(out, *family, &link.name, alias.as_deref(), sum);
                }
            }
        }
        Ok(())
    }

    fn show_proc(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("net/dev");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let devices = parse(bytes).map_err(|e| e.at(&path))?;
        let names: Vec<&str> =
            PROC.iter().map(|row| if self.detailed { row.1 } else { row.0 }).collect();
        let families = families(out, &names);
        for (name, values) in devices {
            if self.filter.ignores(&name) {
                continue;
            }
            let alias = self.alias(env, &name);
            for (family, value) in families.iter().zip(values) {
                put(out, *family, &name, alias.as_deref(), value);
            }
        }
        Ok(())
    }

    fn alias(&self, env: &mut Env, device: &str) -> Option<String> {
        self.label_alias
            .then(|| env.attr(&env.sys(&format!("class/net/{device}/ifalias"))).unwrap_or_default())
    }

    fn address_info(&mut self, out: &mut Exposition) -> Result<(), Failure> {
        let links = self
            .netlink
            .dump(netlink::GET_LINK, &[0; netlink::LINK_HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let links = netlink::parse_links(links).map_err(|e| e.at("netlink"))?;
        let messages = self
            .netlink
            .dump(GET_ADDRESS, &[0; ADDRESS_HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let family =
            out.family("node_network_address_info", "node network address by device", Kind::Gauge);
        for message in messages {
            let Some((index, prefix, address)) = parse_address(message.body) else { continue };
            let Some(link) = links.iter().find(|l| l.index == index) else { continue };
            if self.filter.ignores(&link.name) {
                continue;
            }
            let labels = [
                ("address", address.to_string()),
                ("device", link.name.clone()),
                ("netmask", prefix.to_string()),
                ("scope", scope(address).to_owned()),
            ];
            let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
            out.put(family, &labels, 1.0);
        }
        Ok(())
    }
}

fn families(out: &mut Exposition, names: &[&str]) -> Vec<Family> {
    let mut family = |name: &&str| {
        out.family(
            &format!("node_network_{name}_total"),
            &format!("Network device statistic {name}."),
            Kind::Counter,
        )
    };
    names.iter().map(&mut family).collect()
}

fn put(out: &mut Exposition, family: Family, device: &str, alias: Option<&str>, value: u64) {
    match alias {
        None => out.put(family, &[("device", device)], value as f64),
        Some(alias) => out.put(family, &[("device", device), ("ifalias", alias)], value as f64),
    }
}

/// Name and the 16 counters of each device.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, [u64; 16])>, Malformed> {
    let mut devices = Vec::new();
    for line in scan::text(input).lines().skip(2) {
        let Some((name, numbers)) = line.rsplit_once(':') else { continue };
        let mut values = [0; 16];
        let mut words = numbers.split_ascii_whitespace();
        for slot in &mut values {
            *slot = scan::u64(words.next().unwrap_or(""))?;
        }
        devices.push((name.trim().to_owned(), values));
    }
    Ok(devices)
}

const GET_ADDRESS: u16 = 22;
/// struct ifaddrmsg
const ADDRESS_HEADER: usize = 8;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;

/// Device number, prefix length and address of an address message; the local end of point-to-point links wins.
fn parse_address(body: &[u8]) -> Option<(u32, u8, IpAddr)> {
    let prefix = *body.get(1)?;
    let index = netlink::u32_at(body, 4)?;
    let mut found = None;
    for (kind, value) in netlink::Attributes::after(body, ADDRESS_HEADER) {
        if kind == LOCAL || (kind == ADDRESS && found.is_none()) {
            found = ip(value);
        }
    }
    Some((index, prefix, found?))
}

pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).into())
}

/// Upstream's words for the reach of an address.
fn scope(address: IpAddr) -> &'static str {
    let (link_local, interface_local) = match address {
        IpAddr::V4(v4) => (v4.is_link_local() || v4.octets()[..3] == [224, 0, 0], false),
        IpAddr::V6(v6) => {
            let s = v6.segments()[0];
            (s & 0xffc0 == 0xfe80 || s & 0xff0f == 0xff02, s & 0xff0f == 0xff01)
        }
    };
    if address.is_loopback() || link_local {
        "link-local"
    } else if interface_local {
        "interface-local"
    } else if !address.is_multicast() && !address.is_unspecified() {
        "global"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_net_dev_is_read_with_and_without_space() {
        let text = b"h1\nh2\n  lo:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\na:b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        let devices = parse(text).unwrap();
        assert_eq!((devices[0].0.as_str(), devices[0].1[15]), ("lo", 16));
        assert_eq!(devices[1].0, "a:b");
        assert!(parse(b"1\n2\nlo: 1 2\n").is_err());
    }

    #[test]
    fn scopes_have_upstream_words() {
        for (address, expect) in [
            ("127.0.0.1", "link-local"),
            ("169.254.1.1", "link-local"),
            ("10.0.0.1", "global"),
            ("fe80::1", "link-local"),
            ("2001:db8::1", "global"),
        ] {
            assert_eq!(scope(address.parse().unwrap()), expect, "{address}");
        }
    }
}

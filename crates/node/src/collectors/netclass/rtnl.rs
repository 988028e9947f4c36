//! netclass over netlink: most facts from a dump of the links, speed and duplex from the ethtool family.

use super::{UP_HELP, put};
use crate::collector::{Collector, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::netlink::{self, Attributes, Message, Messages, Netlink, u16_at, u32_at, u64_at};
use crate::pattern::Pattern;
use crate::scan;

pub(super) struct Rtnl {
    ignored: Pattern,
    stats: bool,
    links: Netlink,
    ethtool: Netlink,
}

impl Rtnl {
    pub(super) fn new(ignored: Pattern, stats: bool) -> Rtnl {
        Rtnl { ignored, stats, links: Netlink::route(), ethtool: Netlink::generic() }
    }
}

/// (attribute, width in bytes, property, kind)
const NUMBERS: [(u16, usize, &str, Kind); 9] = [
    (33, 1, "carrier", Kind::Gauge),
    (35, 4, "carrier_changes_total", Kind::Counter),
    (47, 4, "carrier_up_changes_total", Kind::Counter),
    (48, 4, "carrier_down_changes_total", Kind::Counter),
    (17, 1, "iface_link_mode", Kind::Gauge),
    (17, 1, "dormant", Kind::Gauge),
    (4, 4, "mtu_bytes", Kind::Gauge),
    (27, 4, "net_dev_group", Kind::Gauge),
    (13, 4, "transmit_queue_length", Kind::Gauge),
];
const ADDRESS: u16 = 1;
const BROADCAST: u16 = 2;
const NAME: u16 = 3;
const LINK: u16 = 5;
const OPERATIONAL_STATE: u16 = 16;
const ALIAS: u16 = 20;
const STATS64: u16 = 23;
const PROPERTIES: u16 = 52;
const ALTERNATIVE_NAME: u16 = 53;

const STATES: [&str; 7] =
    ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];
const STATE_UP: u8 = 6;

impl Collector for Rtnl {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let modes = link_modes(&mut self.ethtool).map_err(|e| Failure::io("ethtool netlink", e))?;
        for mode in modes.iter().filter(|m| !self.ignored.matches(&m.device)) {
            if mode.megabits >= 0 {
                let bytes = mode.megabits * 1_000_000 / 8;
                put(out, "speed_bytes", Kind::Gauge, &mode.device, bytes as f64);
            }
        }
        let messages = self
            .links
            .dump(netlink::GET_LINK, &[0; netlink::LINK_HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        for message in messages {
            let name = attribute(&message, NAME).map(netlink::text).unwrap_or_default();
            if name.is_empty() || self.ignored.matches(&name) {
                continue;
            }
            let duplex = modes.iter().find(|m| m.device == name).map_or("", |m| m.duplex);
            device(&message, &name, duplex, self.stats, env, out);
        }
        Ok(())
    }
}

fn device(
    message: &Message<'_>,
    name: &str,
    duplex: &str,
    stats: bool,
    env: &mut Env,
    out: &mut Exposition,
) {
    let get = |kind| attribute(message, kind);
    let state = get(OPERATIONAL_STATE).and_then(|v| v.first().copied()).unwrap_or(0);
    let up = f64::from(u8::from(state == STATE_UP));
    out.gauge("node_network_up", UP_HELP, &[("device", name)], up);
    let labels = [
        ("address", &*mac(get(ADDRESS))),
        ("broadcast", &mac(get(BROADCAST))),
        ("device", name),
        ("duplex", duplex),
        ("ifalias", &get(ALIAS).map(netlink::text).unwrap_or_default()),
        ("operstate", STATES.get(usize::from(state)).copied().unwrap_or("")),
    ];
    let help = "Non-numeric data of <iface>, value is always 1.";
    out.gauge("node_network_info", help, &labels, 1.0);
    for (kind, value) in Attributes::after(get(PROPERTIES).unwrap_or(&[]), 0) {
        let other = netlink::text(value);
        if kind == ALTERNATIVE_NAME && !other.is_empty() {
            let help = "Non-numeric data of <iface> altname, value is always 1.";
            let labels = [("altname", other.as_str()), ("device", name)];
            out.gauge("node_network_altnames_info", help, &labels, 1.0);
        }
    }
    for (kind, width, property, metric) in NUMBERS {
        let value = get(kind).and_then(|v| match width {
            1 => v.first().copied().map(u32::from),
            _ => u32_at(v, 0),
        });
        if let Some(value) = value {
            put(out, property, metric, name, f64::from(value));
        }
    }
    let number = |at| u32_at(message.body, at).unwrap_or(0);
    let kind = u16_at(message.body, 2).unwrap_or(0);
    put(out, "protocol_type", Kind::Gauge, name, f64::from(kind));
    put(out, "iface_id", Kind::Gauge, name, f64::from(number(4)));
    put(out, "flags", Kind::Gauge, name, f64::from(number(8)));
    let link = get(LINK).and_then(|v| u32_at(v, 0)).filter(|l| *l > 0).unwrap_or(number(4));
    put(out, "iface_link", Kind::Gauge, name, f64::from(link));
    // these three take only the device's own lock in sysfs
    for (file, property) in [
        ("addr_assign_type", "address_assign_type"),
        ("dev_id", "device_id"),
        ("name_assign_type", "name_assign_type"),
    ] {
        let text = env.attr(&format!("/sys/class/net/{name}/{file}"));
        if let Some(value) = text.and_then(|t| scan::any_i64(&t)) {
            put(out, property, Kind::Gauge, name, value as f64);
        }
    }
    if let (true, Some(values)) = (stats, get(STATS64)) {
        for (row, statistic) in netlink::LINK_STATISTICS.iter().enumerate() {
            let value = u64_at(values, 8 * row).unwrap_or(0);
            put(out, &format!("{statistic}_total"), Kind::Gauge, name, value as f64);
        }
    }
}

fn attribute<'a>(message: &Message<'a>, kind: u16) -> Option<&'a [u8]> {
    Attributes::after(message.body, netlink::LINK_HEADER).find(|(k, _)| *k == kind).map(|(_, v)| v)
}

fn mac(bytes: Option<&[u8]>) -> String {
    let parts: Vec<String> = bytes.unwrap_or(&[]).iter().map(|b| format!("{b:02x}")).collect();
    parts.join(":")
}

struct LinkMode {
    device: String,
    megabits: i64,
    duplex: &'static str,
}

const LINK_MODES_GET: u8 = 4;
const GENERIC_HEADER: usize = 4;

/// Speed and duplex of every device; empty where the kernel has no ethtool netlink.
fn link_modes(ethtool: &mut Netlink) -> std::io::Result<Vec<LinkMode>> {
    let Some(family) = netlink::generic_family(ethtool, "ethtool")? else {
        return Ok(Vec::new());
    };
    // an empty request header, nested
    let body = [LINK_MODES_GET, 1, 0, 0, 4, 0, 1, 0x80];
    Ok(parse_link_modes(ethtool.dump(family, &body)?))
}

fn parse_link_modes(messages: Messages<'_>) -> Vec<LinkMode> {
    const HEADER: u16 = 1;
    const DEVICE_NAME: u16 = 2;
    const SPEED: u16 = 5;
    const DUPLEX: u16 = 6;
    let mut modes = Vec::new();
    for message in messages {
        let mut mode = LinkMode { device: String::new(), megabits: -1, duplex: "Unknown" };
        for (kind, value) in Attributes::after(message.body, GENERIC_HEADER) {
            match kind {
                HEADER => {
                    let name = Attributes::after(value, 0).find(|(k, _)| *k == DEVICE_NAME);
                    mode.device = name.map(|(_, v)| netlink::text(v)).unwrap_or_default();
                }
                SPEED => {
                    let speed = u32_at(value, 0).unwrap_or(u32::MAX);
                    mode.megabits = if speed == u32::MAX { -1 } else { i64::from(speed) };
                }
                DUPLEX => {
                    mode.duplex = match value.first() {
                        Some(0) => "Half",
                        Some(1) => "Full",
                        _ => "Unknown",
                    };
                }
                _ => {}
            }
        }
        modes.push(mode);
    }
    modes
}

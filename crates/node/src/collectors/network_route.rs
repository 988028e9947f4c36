//! The routing table: every unicast route, and how many each device has.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::netdev::ip;
use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::netlink::{self, Attributes, Link, Message, Messages, Netlink, u16_at, u32_at};

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "network_route",
    default_on: false,
    reads: "netlink routes",
    families: "node_network_route_info, node_network_routes",
    make: |_| Ok(Box::new(NetworkRoute { netlink: Netlink::route() })),
};

struct NetworkRoute {
    netlink: Netlink,
}

/// struct rtmsg
const HEADER: usize = 12;
const UNICAST: u8 = 1;
const DESTINATION: u16 = 1;
const DEVICE: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const SOURCE: u16 = 7;
const MULTIPATH: u16 = 9;
/// struct rtnexthop
const HOP_HEADER: usize = 8;

impl Collector for NetworkRoute {
    fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let messages = self
            .netlink
            .dump(netlink::GET_LINK, &[0; netlink::LINK_HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let links = netlink::parse_links(messages).map_err(|e| e.at("netlink"))?;
        let messages = self
            .netlink
            .dump(netlink::GET_ROUTE, &[0; HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let routes = parse(messages);
        let help = "network routing table information";
        let info = out.family("node_network_route_info", help, Kind::Gauge);
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for route in &routes {
            let device = name(&links, route.device);
            let text = |ip: Option<IpAddr>| ip.map_or(String::new(), |ip| ip.to_string());
            let labels = [
                ("dest", &*route.destination),
                ("device", device),
                ("gw", &text(route.gateway)),
                ("priority", &route.priority.to_string()),
                ("proto", protocol(route.protocol)),
                ("src", &text(route.source)),
                ("weight", &route.weight.map_or(String::new(), |w| w.to_string())),
            ];
            out.put(info, &labels, 1.0);
            *counts.entry(device).or_insert(0) += 1;
        }
        for (device, count) in counts {
            let help = "network routes by interface";
            out.gauge("node_network_routes", help, &[("device", device)], f64::from(count));
        }
        Ok(())
    }
}

fn name(links: &[Link], index: u32) -> &str {
    links.iter().find(|l| l.index == index).map_or("", |l| l.name.as_str())
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    device: u32,
    source: Option<IpAddr>,
    destination: String,
    gateway: Option<IpAddr>,
    priority: u32,
    protocol: u8,
    /// Of one of several hops.
    weight: Option<u32>,
}

/// Unicast routes; one with several hops gives a row per hop.
pub(crate) fn parse(messages: Messages<'_>) -> Vec<Route> {
    let mut routes = Vec::new();
    for message in messages {
        if message.body.get(7) == Some(&UNICAST) {
            one_route(&message, &mut routes);
        }
    }
    routes
}

fn one_route(message: &Message<'_>, routes: &mut Vec<Route>) {
    let get =
        |kind| Attributes::after(message.body, HEADER).find(|(k, _)| *k == kind).map(|(_, v)| v);
    let number = |kind| get(kind).and_then(|v| u32_at(v, 0)).unwrap_or(0);
    let length = message.body.get(1).copied().unwrap_or(0);
    let destination = match get(DESTINATION).and_then(ip) {
        _ if length == 0 => "default".to_owned(),
        Some(ip) => format!("{ip}/{length}"),
        None => "<nil>".to_owned(),
    };
    let route = Route {
        device: number(DEVICE),
        source: get(SOURCE).and_then(ip),
        destination,
        gateway: get(GATEWAY).and_then(ip),
        priority: number(PRIORITY),
        protocol: message.body.get(5).copied().unwrap_or(0),
        weight: None,
    };
    let Some(mut hops) = get(MULTIPATH) else {
        routes.push(route);
        return;
    };
    while let Some(length) = u16_at(hops, 0) {
        let length = usize::from(length);
        let Some(hop) = hops.get(..length).filter(|h| h.len() >= HOP_HEADER) else { break };
        let gateway = Attributes::after(hop, HOP_HEADER).find(|(k, _)| *k == GATEWAY);
        routes.push(Route {
            device: u32_at(hop, 4).unwrap_or(0),
            gateway: gateway.and_then(|(_, v)| ip(v)),
            weight: Some(u32::from(hop[3]) + 1),
            ..route.clone()
        });
        hops = hops.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
}

/// Who installed a route.
fn protocol(number: u8) -> &'static str {
    match number {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}

//! Entries of the neighbour table per device: IPv4 neighbours from route netlink, or lines of `/proc/net/arp`.

use std::collections::BTreeMap;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::netlink::{self, Netlink};
use crate::pattern::NameFilter;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "arp",
    default_on: true,
    reads: "netlink neighbours, or /proc/net/arp",
    families: "node_arp_entries",
    make: |settings| {
        let filter = NameFilter::both(
            settings,
            "collector.arp.device-exclude",
            "collector.arp.device-include",
        )?;
        Ok(Box::new(Arp {
            filter,
            use_netlink: settings.switch("collector.arp.netlink"),
            netlink: Netlink::route(),
        }))
    },
};

struct Arp {
    filter: NameFilter,
    use_netlink: bool,
    netlink: Netlink,
}

const INET: u8 = 2;
/// struct ndmsg
const NEIGHBOUR_HEADER: usize = 12;
/// Neighbours that need no address resolution are not counted.
const STATE_NO_ARP: u16 = 0x40;

impl Collector for Arp {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let counts = if self.use_netlink { self.neighbours()? } else { table(env)? };
        let family = out.family("node_arp_entries", "ARP entries by device", Kind::Gauge);
        for (device, count) in counts {
            if !self.filter.ignores(&device) {
                out.put(family, &[("device", &device)], f64::from(count));
            }
        }
        Ok(())
    }
}

impl Arp {
    fn neighbours(&mut self) -> Result<BTreeMap<String, u32>, Failure> {
        let mut header = [0; NEIGHBOUR_HEADER];
        header[0] = INET;
        let messages = self
            .netlink
            .dump(netlink::GET_NEIGHBOUR, &header)
            .map_err(|e| Failure::io("netlink", e))?;
        let counted = parse_neighbours(messages);
        if counted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let messages = self
            .netlink
            .dump(netlink::GET_LINK, &[0; netlink::LINK_HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let links = netlink::parse_links(messages).map_err(|e| e.at("netlink"))?;
        let name = |index| links.iter().find(|l| l.index == index).map(|l| l.name.clone());
        Ok(counted.into_iter().filter_map(|(index, n)| Some((name(index)?, n))).collect())
    }
}

/// Neighbours per device number.
pub(crate) fn parse_neighbours(messages: netlink::Messages<'_>) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for message in messages {
        let (Some(index), Some(state)) =
            (netlink::u32_at(message.body, 4), netlink::u16_at(message.body, 8))
        else {
            continue;
        };
        if message.body.first() == Some(&INET) && state & STATE_NO_ARP == 0 {
            *counts.entry(index).or_insert(0) += 1;
        }
    }
    counts
}

fn table(env: &mut Env) -> Result<BTreeMap<String, u32>, Failure> {
    let path = env.proc("net/arp");
    let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
    parse(bytes).map_err(|e| e.at(&path))
}

/// Lines per device; the device is the sixth column.
pub(crate) fn parse(input: &[u8]) -> Result<BTreeMap<String, u32>, Malformed> {
    let mut counts = BTreeMap::new();
    for line in scan::text(input).lines().skip(1).filter(|l| !l.trim().is_empty()) {
        let device = line.split_ascii_whitespace().nth(5);
        let device = device.ok_or_else(|| scan::bad("six columns", line))?;
        *counts.entry(device.to_owned()).or_insert(0) += 1;
    }
    Ok(counts)
}

//! Queueing disciplines at the root of each network device.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::json::Json;
use crate::netlink::{self, Attributes, Message, Netlink, u32_at, u64_at};
use crate::pattern::NameFilter;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "qdisc",
    default_on: false,
    reads: "netlink queueing disciplines",
    families: "node_qdisc_*",
    make: |settings| {
        let filter = NameFilter::pair_with_old(
            settings,
            ["collector.qdisc.device-exclude", "collector.qdisk.device-exclude"],
            ["collector.qdisc.device-include", "collector.qdisk.device-include"],
        )?;
        let fixtures = settings.text("collector.qdisc.fixtures").to_owned();
        Ok(Box::new(Qdisc { filter, fixtures, netlink: Netlink::route() }))
    },
};

struct Qdisc {
    filter: NameFilter,
    /// Folder with a recorded answer; empty for the real one.
    fixtures: String,
    netlink: Netlink,
}

/// struct tcmsg
const HEADER: usize = 20;
const ROOT: u32 = u32::MAX;
const KIND: u16 = 1;
const STATS: u16 = 3;
const STATS2: u16 = 7;
const BASIC: u16 = 1;
const QUEUE: u16 = 3;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Discipline {
    index: u32,
    device: String,
    kind: String,
    /// In the order of FAMILIES.
    values: [f64; 7],
}

const FAMILIES: [(&str, &str, Kind); 7] = [
    ("node_qdisc_bytes_total", "Number of bytes sent.", Kind::Counter),
    ("node_qdisc_packets_total", "Number of packets sent.", Kind::Counter),
    ("node_qdisc_drops_total", "Number of packets dropped.", Kind::Counter),
    (
        "node_qdisc_requeues_total",
        "Number of packets dequeued, not transmitted, and requeued.",
        Kind::Counter,
    ),
    ("node_qdisc_overlimits_total", "Number of overlimit packets.", Kind::Counter),
    (
        "node_qdisc_current_queue_length",
        "Number of packets currently in queue to be sent.",
        Kind::Gauge,
    ),
    ("node_qdisc_backlog", "Number of bytes currently in queue to be sent.", Kind::Gauge),
];

impl Collector for Qdisc {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let disciplines =
            if self.fixtures.is_empty() { self.live()? } else { recorded(env, &self.fixtures)? };
        for discipline in disciplines.iter().filter(|d| !self.filter.ignores(&d.device)) {
            let labels = [("device", discipline.device.as_str()), ("kind", &discipline.kind)];
            for ((name, help, kind), value) in FAMILIES.iter().zip(discipline.values) {
                let family = out.family(name, help, *kind);
                out.put(family, &labels, value);
            }
        }
        Ok(())
    }
}

impl Qdisc {
    fn live(&mut self) -> Result<Vec<Discipline>, Failure> {
        let messages = self
            .netlink
            .dump(netlink::GET_QDISC, &[0; HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let mut found: Vec<Discipline> = messages.filter_map(|m| parse(&m)).collect();
        let messages = self
            .netlink
            .dump(netlink::GET_LINK, &[0; netlink::LINK_HEADER])
            .map_err(|e| Failure::io("netlink", e))?;
        let links = netlink::parse_links(messages).map_err(|e| e.at("netlink"))?;
        for discipline in &mut found {
            if let Some(link) = links.iter().find(|l| l.index == discipline.index) {
                discipline.device.clone_from(&link.name);
            }
        }
        Ok(found)
    }
}

/// A root discipline; others give `None`. The newer statistics win over the older.
pub(crate) fn parse(message: &Message<'_>) -> Option<Discipline> {
    if u32_at(message.body, 12)? != ROOT {
        return None;
    }
    let mut found = Discipline { index: u32_at(message.body, 4)?, ..Discipline::default() };
    let number = |v: &[u8], at| f64::from(u32_at(v, at).unwrap_or(0));
    let mut newer = false;
    for (kind, value) in Attributes::after(message.body, HEADER) {
        match kind {
            KIND => found.kind = netlink::text(value),
            STATS if !newer => {
                let [bytes, packets, drops, _, overlimits, length, backlog] = &mut found.values;
                *bytes = u64_at(value, 0).unwrap_or(0) as f64;
                *packets = number(value, 8);
                *drops = number(value, 12);
                *overlimits = number(value, 16);
                *length = number(value, 28);
                *backlog = number(value, 32);
            }
            STATS2 => {
                newer = true;
                for (kind, value) in Attributes::after(value, 0) {
                    let [bytes, packets, drops, requeues, overlimits, length, backlog] =
                        &mut found.values;
                    if kind == BASIC {
                        *bytes = u64_at(value, 0).unwrap_or(0) as f64;
                        *packets = number(value, 8);
                    } else if kind == QUEUE {
                        *length = number(value, 0);
                        *backlog = number(value, 4);
                        *drops = number(value, 8);
                        *requeues = number(value, 12);
                        *overlimits = number(value, 16);
                    }
                }
            }
            _ => {}
        }
    }
    Some(found)
}

fn recorded(env: &mut Env, folder: &str) -> Result<Vec<Discipline>, Failure> {
    let path = format!("{}/results.json", folder.trim_end_matches('/'));
    let bytes = env.read_plain(&path).map_err(|e| Failure::io(&path, e))?;
    let json = Json::parse(bytes).map_err(|e| e.at(&path))?;
    let keys = ["Bytes", "Packets", "Drops", "Requeues", "Overlimits", "Qlen", "Backlog"];
    let rows = json.items().iter().filter(|row| row.number("Parent") == 0.0);
    Ok(rows
        .map(|row| Discipline {
            index: 0,
            device: row.text("IfaceName").to_owned(),
            kind: row.text("Kind").to_owned(),
            values: keys.map(|key| row.number(key)),
        })
        .collect())
}

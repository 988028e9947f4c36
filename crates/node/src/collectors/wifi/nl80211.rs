//! The nl80211 family: dumps of interfaces, scan results and stations. Source: linux/nl80211.h.

use std::io;

use super::{Interface, Network, Station, mac};
use crate::netlink::{self, Attributes, Netlink, u16_at, u32_at, u64_at};

const GET_INTERFACE: u8 = 5;
const GET_STATION: u8 = 17;
const GET_SCAN: u8 = 32;

const INDEX: u16 = 3;
const NAME: u16 = 4;
const MAC: u16 = 6;
const STATION: u16 = 21;
const FREQUENCY: u16 = 38;
const NETWORK: u16 = 47;
/// Generic netlink header.
const HEADER: usize = 4;

pub(super) fn family(netlink: &mut Netlink) -> io::Result<Option<u16>> {
    netlink::generic_family(netlink, "nl80211")
}

/// Request of a command, for one device where an index is given.
fn body(command: u8, index: Option<u32>) -> Vec<u8> {
    let mut body = vec![command, 1, 0, 0];
    if let Some(index) = index {
        body.extend_from_slice(&8u16.to_ne_bytes());
        body.extend_from_slice(&INDEX.to_ne_bytes());
        body.extend_from_slice(&index.to_ne_bytes());
    }
    body
}

pub(super) fn interfaces(netlink: &mut Netlink, family: u16) -> io::Result<Vec<Interface>> {
    let messages = netlink.dump(family, &body(GET_INTERFACE, None))?;
    Ok(messages
        .map(|message| {
            let mut interface = Interface::default();
            for (kind, value) in Attributes::after(message.body, HEADER) {
                match kind {
                    INDEX => interface.index = u32_at(value, 0).unwrap_or(0),
                    NAME => interface.name = netlink::text(value),
                    FREQUENCY => interface.megahertz = u32_at(value, 0).unwrap_or(0).into(),
                    _ => {}
                }
            }
            interface
        })
        .collect())
}

/// The scan result that carries a status: the network in use.
pub(super) fn network(
    netlink: &mut Netlink,
    family: u16,
    index: u32,
) -> io::Result<Option<Network>> {
    const BSSID: u16 = 1;
    const ELEMENTS: u16 = 6;
    const STATUS: u16 = 9;
    for message in netlink.dump(family, &body(GET_SCAN, Some(index)))? {
        let found = Attributes::after(message.body, HEADER).find(|(kind, _)| *kind == NETWORK);
        let Some((_, value)) = found else { continue };
        let get = |kind| Attributes::after(value, 0).find(|(k, _)| *k == kind).map(|(_, v)| v);
        if let Some(status) = get(STATUS).and_then(|v| u32_at(v, 0)) {
            let ssid = ssid(get(ELEMENTS).unwrap_or(&[]));
            let bssid = mac(get(BSSID).unwrap_or(&[]));
            return Ok(Some(Network { bssid, ssid, status }));
        }
    }
    Ok(None)
}

/// Element 0 of the information elements: | id | length | bytes |.
fn ssid(mut elements: &[u8]) -> String {
    while let [id, length, rest @ ..] = elements {
        let Some(value) = rest.get(..usize::from(*length)) else { break };
        if *id == 0 {
            return String::from_utf8_lossy(value).into_owned();
        }
        elements = &rest[value.len()..];
    }
    String::new()
}

pub(super) fn stations(netlink: &mut Netlink, family: u16, index: u32) -> io::Result<Vec<Station>> {
    let messages = netlink.dump(family, &body(GET_STATION, Some(index)))?;
    Ok(messages
        .map(|message| {
            let mut station = Station::default();
            for (kind, value) in Attributes::after(message.body, HEADER) {
                match kind {
                    MAC => station.mac = mac(value),
                    STATION => parse_station(value, &mut station),
                    _ => {}
                }
            }
            station
        })
        .collect())
}

/// The nested facts about a station.
pub(crate) fn parse_station(facts: &[u8], station: &mut Station) {
    let get = |kind| Attributes::after(facts, 0).find(|(k, _)| *k == kind).map(|(_, v)| v);
    let number = |kind| get(kind).and_then(|v| u32_at(v, 0)).map_or(0.0, f64::from);
    // a 64-bit counter, else its 32-bit form
    let wide = |kind, narrow| match get(kind).and_then(|v| u64_at(v, 0)) {
        Some(value) => value as f64,
        None => number(narrow),
    };
    let signal = get(7).and_then(|v| v.first()).map_or(0.0, |b| f64::from(b.cast_signed()));
    station.values = [
        number(16),
        number(1) / 1000.0,
        rate(get(14)),
        rate(get(8)),
        wide(23, 2),
        wide(24, 3),
        signal,
        number(11),
        number(12),
        number(18),
        number(10),
        number(9),
    ];
}

/// Bits per second; the kernel counts in 100 kbit/s.
fn rate(nested: Option<&[u8]>) -> f64 {
    const RATE: u16 = 1;
    const RATE_32: u16 = 5;
    let nested = nested.unwrap_or(&[]);
    let get = |kind| Attributes::after(nested, 0).find(|(k, _)| *k == kind).map(|(_, v)| v);
    let units = match get(RATE_32).and_then(|v| u32_at(v, 0)) {
        Some(units) => f64::from(units),
        None => get(RATE).and_then(|v| u16_at(v, 0)).map_or(0.0, f64::from),
    };
    units * 100_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_station_is_decoded() {
        let mut facts = attribute(16, &30u32.to_ne_bytes());
        facts.extend(attribute(1, &400u32.to_ne_bytes()));
        facts.extend(attribute(7, &[0xcc]));
        facts.extend(attribute(8, &attribute(1, &1640u16.to_ne_bytes())));
        facts.extend(attribute(23, &(1u64 << 40).to_ne_bytes()));
        facts.extend(attribute(3, &7u32.to_ne_bytes()));
        let mut station = Station::default();
        parse_station(&facts, &mut station);
        let v = station.values;
        assert_eq!(
            (v[0], v[1], v[3], v[4], v[5], v[6]),
            (30.0, 0.4, 164e6, (1u64 << 40) as f64, 7.0, -52.0)
        );
        assert_eq!(ssid(&[1, 1, 9, 0, 2, b'a', b'b']), "ab");
        assert_eq!(ssid(&[0, 9, b'a']), "");
    }
}

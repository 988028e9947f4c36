//! Recorded wireless answers, for upstream's end-to-end test: JSON files in a folder.

use std::io::ErrorKind;

use super::{Interface, Network, Station, mac};
use crate::env::Env;
use crate::error::Failure;
use crate::json::Json;

pub(super) fn interfaces(env: &mut Env, folder: &str) -> Result<Vec<Interface>, Failure> {
    let json = read(env, &format!("{folder}/interfaces.json"))?;
    let json = json.ok_or_else(|| Failure::NoData(format!("{folder} has no interfaces")))?;
    let interface = |row: &Json| Interface {
        index: 0,
        name: row.text("name").to_owned(),
        megahertz: row.number("frequency"),
    };
    Ok(json.items().iter().map(interface).collect())
}

pub(super) fn network(
    env: &mut Env,
    folder: &str,
    interface: &Interface,
) -> Result<Option<Network>, Failure> {
    let json = read(env, &format!("{folder}/{}/bss.json", interface.name))?;
    Ok(json.map(|json| Network {
        bssid: mac(&base64(json.text("bssid"))),
        ssid: json.text("ssid").to_owned(),
        status: json.number("status") as u32,
    }))
}

pub(super) fn stations(
    env: &mut Env,
    folder: &str,
    interface: &Interface,
) -> Result<Vec<Station>, Failure> {
    let json = read(env, &format!("{folder}/{}/stationinfo.json", interface.name))?;
    let keys = [
        "connected",
        "inactive",
        "receivebitrate",
        "transmitbitrate",
        "receivedbytes",
        "transmittedbytes",
        "signal",
        "transmitretries",
        "transmitfailed",
        "beaconloss",
        "transmittedpackets",
        "receivedpackets",
    ];
    let rows = json.as_ref().map_or(&[][..], Json::items);
    let station = |row: &Json| {
        let mut values = keys.map(|key| row.number(key));
        values[0] /= 1e9; // durations are nanoseconds
        values[1] /= 1e9;
        Station { mac: mac(&base64(row.text("hardwareaddr"))), values }
    };
    Ok(rows.iter().map(station).collect())
}

fn read(env: &mut Env, path: &str) -> Result<Option<Json>, Failure> {
    match env.read_plain(path) {
        Ok(bytes) => Json::parse(bytes).map(Some).map_err(|e| e.at(path)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::io(path, e)),
    }
}

/// Standard alphabet; other characters are passed over.
fn base64(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_are_decoded() {
        assert_eq!(super::mac(&super::base64("ABEiM0RV")), "00:11:22:33:44:55");
    }
}

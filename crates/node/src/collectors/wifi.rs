//! Wireless devices: frequency, the network they are in, and the stations they see. From the nl80211 family of generic netlink.

mod nl80211;
mod recorded;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::netlink::Netlink;

pub(crate) use nl80211::parse_station;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "wifi",
    default_on: false,
    reads: "nl80211",
    families: "node_wifi_*",
    make: |settings| {
        let fixtures = settings.text("collector.wifi.fixtures").to_owned();
        Ok(Box::new(Wifi { fixtures, netlink: Netlink::generic() }))
    },
};

struct Wifi {
    /// Folder with recorded answers; empty for the real ones.
    fixtures: String,
    netlink: Netlink,
}

/// A device with a name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Interface {
    index: u32,
    name: String,
    megahertz: f64,
}

/// The network that a device has joined.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Network {
    bssid: String,
    ssid: String,
    /// 0 authenticated, 1 associated, 2 joined an ad-hoc network.
    status: u32,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Station {
    mac: String,
    /// In the order of FAMILIES.
    values: [f64; 12],
}

const FAMILIES: [(&str, &str, Kind); 12] = [
    (
        "connected_seconds_total",
        "The total number of seconds a station has been connected to an access point.",
        Kind::Counter,
    ),
    (
        "inactive_seconds",
        "The number of seconds since any wireless activity has occurred on a station.",
        Kind::Gauge,
    ),
    (
        "receive_bits_per_second",
        "The current WiFi receive bitrate of a station, in bits per second.",
        Kind::Gauge,
    ),
    (
        "transmit_bits_per_second",
        "The current WiFi transmit bitrate of a station, in bits per second.",
        Kind::Gauge,
    ),
    ("receive_bytes_total", "The total number of bytes received by a WiFi station.", Kind::Counter),
    (
        "transmit_bytes_total",
        "The total number of bytes transmitted by a WiFi station.",
        Kind::Counter,
    ),
    ("signal_dbm", "The current WiFi signal strength, in decibel-milliwatts (dBm).", Kind::Gauge),
    (
        "transmit_retries_total",
        "The total number of times a station has had to retry while sending a packet.",
        Kind::Counter,
    ),
    (
        "transmit_failed_total",
        "The total number of times a station has failed to send a packet.",
        Kind::Counter,
    ),
    (
        "beacon_loss_total",
        "The total number of times a station has detected a beacon loss.",
        Kind::Counter,
    ),
    (
        "transmitted_packets_total",
        "The total number of packets transmitted by a station.",
        Kind::Counter,
    ),
    ("received_packets_total", "The total number of packets received by a station.", Kind::Counter),
];

impl Collector for Wifi {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        if !self.fixtures.is_empty() {
            let folder = self.fixtures.trim_end_matches('/');
            for interface in recorded::interfaces(env, folder)? {
                let network = recorded::network(env, folder, &interface)?;
                let stations = recorded::stations(env, folder, &interface)?;
                show(out, &interface, network.as_ref(), &stations);
            }
            return Ok(());
        }
        let failure = |e: std::io::Error| Failure::io("nl80211", e);
        let Some(family) = nl80211::family(&mut self.netlink).map_err(failure)? else {
            return Err(Failure::NoData("no wireless support in the kernel".into()));
        };
        for interface in nl80211::interfaces(&mut self.netlink, family).map_err(failure)? {
            let index = interface.index;
            let network = nl80211::network(&mut self.netlink, family, index).map_err(failure)?;
            let stations = nl80211::stations(&mut self.netlink, family, index).map_err(failure)?;
            show(out, &interface, network.as_ref(), &stations);
        }
        Ok(())
    }
}

fn show(
    out: &mut Exposition,
    interface: &Interface,
    network: Option<&Network>,
    stations: &[Station],
) {
    if interface.name.is_empty() {
        return;
    }
    let device = ("device", interface.name.as_str());
    let help = "The current frequency a WiFi interface is operating at, in hertz.";
    let hertz = interface.megahertz * 1000.0 * 1000.0;
    out.gauge("node_wifi_interface_frequency_hertz", help, &[device], hertz);
    if let Some(network) = network {
        let mode = match network.status {
            0 | 1 => "client",
            2 => "ad-hoc",
            _ => "unknown",
        };
        let help =
            "Labeled WiFi interface station information as provided by the operating system.";
        let labels =
            [("bssid", network.bssid.as_str()), device, ("mode", mode), ("ssid", &network.ssid)];
        out.gauge("node_wifi_station_info", help, &labels, 1.0);
    }
    for station in stations {
        let labels = [device, ("mac_address", station.mac.as_str())];
        for ((suffix, help, kind), value) in FAMILIES.iter().zip(station.values) {
            let family = out.family(&format!("node_wifi_station_{suffix}"), help, *kind);
            out.put(family, &labels, value);
        }
    }
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

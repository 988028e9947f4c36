//! What network drivers tell through ethtool: driver and firmware, link modes, and the driver's own statistics.

mod modes;

use gauntlet_sys::ethtool::{Driver, Ethtool, Settings as Link};

use super::netclass::devices;
use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::pattern::{NameFilter, Pattern};
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "ethtool",
    default_on: false,
    reads: "SIOCETHTOOL",
    families: "node_ethtool_*, node_network_{supported,advertised}_*",
    make: |settings| {
        let filter = NameFilter::both(
            settings,
            "collector.ethtool.device-exclude",
            "collector.ethtool.device-include",
        )?;
        let flag = "collector.ethtool.metrics-include";
        let metrics = Pattern::new(flag, settings.text(flag))?;
        Ok(Box::new(Collect { filter, metrics, ethtool: None }))
    },
};

struct Collect {
    filter: NameFilter,
    metrics: Pattern,
    ethtool: Option<Ethtool>,
}

impl Collector for Collect {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let devices = devices(&env.sys("class/net"))?;
        if devices.is_empty() {
            return Err(Failure::Other("no network devices found".into()));
        }
        let ethtool = match &mut self.ethtool {
            Some(ethtool) => ethtool,
            none => none.insert(Ethtool::open().map_err(|e| Failure::io("ethtool socket", e))?),
        };
        for device in devices.iter().filter(|d| !self.filter.ignores(d)) {
            if let Ok(link) = ethtool.settings(device) {
                show_link(out, device, &link);
            }
            if let Ok(driver) = ethtool.driver(device) {
                show_driver(out, device, &driver);
            }
            if let Ok(statistics) = ethtool.statistics(device) {
                show_statistics(out, device, &self.metrics, &statistics);
            }
        }
        Ok(())
    }
}

fn show_driver(out: &mut Exposition, device: &str, driver: &Driver) {
    let labels = [
        ("bus_info", driver.bus.as_str()),
        ("device", device),
        ("driver", &driver.driver),
        ("expansion_rom_version", &driver.expansion_rom),
        ("firmware_version", &driver.firmware),
        ("version", &driver.version),
    ];
    let help = "A metric with a constant '1' value labeled by bus_info, device, driver, expansion_rom_version, firmware_version, version.";
    out.gauge("node_ethtool_info", help, &labels, 1.0);
}

fn show_link(out: &mut Exposition, device: &str, link: &Link) {
    let rows = [
        ("supported", "supported by", link.supported),
        ("advertised", "offered by", link.advertising),
    ];
    for (word, phrase, set) in rows {
        let name = format!("node_network_{word}_speed_bytes");
        let help = format!("Combination of speeds and features {phrase} network device");
        for (bit, megabits, duplex, phy) in modes::SPEEDS {
            if set >> bit & 1 == 1 {
                let mode = format!("{megabits}base{phy}");
                let labels = [("device", device), ("duplex", duplex), ("mode", &mode)];
                out.gauge(&name, &help, &labels, *megabits as f64 * 1_000_000.0 / 8.0);
            }
        }
        for (bit, feature, supported, advertised) in modes::FEATURES {
            let help = if word == "supported" { supported } else { advertised };
            let is = f64::from(set >> bit & 1);
            out.gauge(&format!("node_network_{feature}_{word}"), help, &[("device", device)], is);
        }
    }
    for (bit, port) in modes::PORTS {
        if link.supported >> bit & 1 == 1 {
            let help = "Type of ports or PHYs supported by network device";
            let labels = [("device", device), ("type", port)];
            out.gauge("node_network_supported_port_info", help, &labels, 1.0);
        }
    }
    let help = "If this port is using autonegotiate";
    let on = f64::from(link.autonegotiation);
    out.gauge("node_network_autonegotiate", help, &[("device", device)], on);
}

/// Help texts of statistics that many drivers have.
const KNOWN: [(&str, &str, &str); 7] = [
    ("rx_bytes", "node_ethtool_received_bytes_total", "Network interface bytes received"),
    ("rx_dropped", "node_ethtool_received_dropped_total", "Number of received frames dropped"),
    ("rx_errors", "node_ethtool_received_errors_total", "Number of received frames with errors"),
    ("rx_packets", "node_ethtool_received_packets_total", "Network interface packets received"),
    ("tx_bytes", "node_ethtool_transmitted_bytes_total", "Network interface bytes sent"),
    ("tx_errors", "node_ethtool_transmitted_errors_total", "Number of sent frames with errors"),
    ("tx_packets", "node_ethtool_transmitted_packets_total", "Network interface packets sent"),
];

/// Statistics whose names come out the same are dropped, all of them.
fn show_statistics(
    out: &mut Exposition,
    device: &str,
    wanted: &Pattern,
    statistics: &[(String, u64)],
) {
    let named: Vec<(String, String, u64)> = statistics
        .iter()
        .map(|(name, value)| (scan::metric_name(name), *value))
        .filter(|(name, _)| wanted.matches(name))
        .map(|(name, value)| (family_name(&name), name, value))
        .collect();
    for (family, name, value) in &named {
        if named.iter().filter(|(other, ..)| other == family).count() > 1 {
            continue;
        }
        let labels = [("device", device)];
        match KNOWN.iter().find(|(known, ..)| known == name) {
            Some((_, family, help)) => out.untyped(family, help, &labels, *value as f64),
            None => {
                let help = format!("Network interface {name}");
                out.untyped(family, &help, &labels, *value as f64);
            }
        }
    }
}

/// `port.rx_dropped` becomes `node_ethtool_port_received_dropped`.
fn family_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let name = replace_word(lower.trim_start_matches('_'), "rx", "received");
    format!("node_ethtool_{}", replace_word(&name, "tx", "transmitted"))
}

/// Replaces a word between underscores. Of two in a row the second stays, as in upstream, whose pattern takes the underscore
/// behind a word with it.
fn replace_word(name: &str, from: &str, to: &str) -> String {
    let mut replaced = false;
    let words: Vec<&str> = name
        .split('_')
        .map(|word| {
            replaced = word == from && !replaced;
            if replaced { to } else { word }
        })
        .collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_get_names_and_clashes_are_dropped() {
        assert_eq!(family_name("port_rx_dropped"), "node_ethtool_port_received_dropped");
        assert_eq!(family_name("tx_tx_timeouts"), "node_ethtool_transmitted_tx_timeouts");
        let mut out = Exposition::new();
        let statistics = ["duplicate metric", "duplicate_metric", "rx_bytes", "align_errors"];
        let statistics: Vec<(String, u64)> =
            statistics.iter().map(|s| ((*s).to_owned(), 1)).collect();
        show_statistics(&mut out, "eth0", &Pattern::new("", ".*").unwrap(), &statistics);
        assert_eq!(out.sample_count(), 2);
        assert!(out.kind_of("node_ethtool_received_bytes_total").is_some());
    }

    #[test]
    fn link_modes_become_speeds_ports_and_features() {
        let mut out = Exposition::new();
        let link = Link { supported: 0b1100_0011, advertising: 0b10, autonegotiation: 1 };
        show_link(&mut out, "eth0", &link);
        // three speeds, one port, six features, autonegotiation
        assert_eq!(out.sample_count(), 3 + 1 + 6 + 1);
    }
}

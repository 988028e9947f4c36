//! Fibre Channel host ports: identity and counters.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "fibrechannel",
    default_on: true,
    reads: "/sys/class/fc_host",
    families: "node_fibrechannel_*",
    make: |_| Ok(Box::new(Fibrechannel)),
};

struct Fibrechannel;

/// (file under statistics, family suffix, help)
const COUNTERS: [(&str, &str, &str); 14] = [
    ("dumped_frames", "dumped_frames_total", "Number of dumped frames"),
    ("error_frames", "error_frames_total", "Number of errors in frames"),
    ("invalid_crc_count", "invalid_crc_total", "Invalid Cyclic Redundancy Check count"),
    ("rx_frames", "rx_frames_total", "Number of frames received"),
    ("rx_words", "rx_words_total", "Number of words received by host port"),
    ("tx_frames", "tx_frames_total", "Number of frames transmitted by host port"),
    ("tx_words", "tx_words_total", "Number of words transmitted by host port"),
    (
        "seconds_since_last_reset",
        "seconds_since_last_reset_total",
        "Number of seconds since last host port reset",
    ),
    (
        "invalid_tx_word_count",
        "invalid_tx_words_total",
        "Number of invalid words transmitted by host port",
    ),
    ("link_failure_count", "link_failure_total", "Number of times the host port link has failed"),
    (
        "loss_of_sync_count",
        "loss_of_sync_total",
        "Number of failures on either bit or transmission word boundaries",
    ),
    ("loss_of_signal_count", "loss_of_signal_total", "Number of times signal has been lost"),
    ("nos_count", "nos_total", "Number Not_Operational Primitive Sequence received by host port"),
    ("fcp_packet_aborts", "fcp_packet_aborts_total", "Number of aborted packets"),
];

impl Collector for Fibrechannel {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/fc_host");
        let hosts = env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))?;
        for host in &hosts {
            let mut get = |file: &str| env.attr(&format!("{root}/{host}/{file}"));
            let state = get("port_state");
            let mut short = |file: &str| {
                let text = get(file).unwrap_or_default();
                text.get(2..).map_or(text.clone(), str::to_owned) // without 0x
            };
            let (fabric, id, port) = (short("fabric_name"), short("port_id"), short("port_name"));
            let mut get = |file: &str| get(file).unwrap_or_default();
            let labels = [
                ("dev_loss_tmo", get("dev_loss_tmo")),
                ("fabric_name", fabric),
                ("fc_host", host.clone()),
                ("port_id", id),
                ("port_name", port),
                ("port_state", state.clone().unwrap_or_default()),
                ("port_type", get("port_type")),
                ("speed", get("speed")),
                ("supported_classes", get("supported_classes")),
                ("supported_speeds", get("supported_speeds")),
                ("symbolic_name", get("symbolic_name")),
            ];
            let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
            out.gauge(
                "node_fibrechannel_info",
                "Non-numeric data from /sys/class/fc_host/<host>, value is always 1.",
                &labels,
                1.0,
            );
            let known = state.is_some_and(|s| s != "Unknown");
            for (file, suffix, help) in COUNTERS {
                let value = if known {
                    env.attr(&format!("{root}/{host}/statistics/{file}"))
                        .and_then(|text| parse_counter(&text))
                } else {
                    Some(0)
                };
                // all ones means that the driver does not count this
                if let Some(value) = value.filter(|v| *v != u64::MAX) {
                    let name = format!("node_fibrechannel_{suffix}");
                    out.counter(&name, help, &[("fc_host", host)], value as f64);
                }
            }
        }
        Ok(())
    }
}

fn parse_counter(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => scan::hex(digits).ok(),
        None => text.parse().ok(),
    }
}

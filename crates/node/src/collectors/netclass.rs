//! Facts about network devices from sysfs, or from netlink where asked for (which spares the kernel's big network lock).

mod rtnl;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::pattern::Pattern;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "netclass",
    default_on: true,
    reads: "/sys/class/net, or netlink links and ethtool",
    families: "node_network_up, node_network_info, node_network_carrier*, node_network_speed_bytes, ...",
    make: |settings| {
        let flag = "collector.netclass.ignored-devices";
        let ignored = Pattern::new(flag, settings.text(flag))?;
        if settings.switch("collector.netclass.netlink") {
            let stats = settings.switch("collector.netclass_rtnl.with-stats");
            return Ok(Box::new(rtnl::Rtnl::new(ignored, stats)));
        }
        let drop_bad_speed = settings.switch("collector.netclass.ignore-invalid-speed");
        Ok(Box::new(Netclass { ignored, drop_bad_speed }))
    },
};

struct Netclass {
    ignored: Pattern,
    drop_bad_speed: bool,
}

/// (file, property in the family's name, kind)
const NUMBERS: [(&str, &str, Kind); 17] = [
    ("addr_assign_type", "address_assign_type", Kind::Gauge),
    ("carrier", "carrier", Kind::Gauge),
    ("carrier_changes", "carrier_changes_total", Kind::Counter),
    ("carrier_up_count", "carrier_up_changes_total", Kind::Counter),
    ("carrier_down_count", "carrier_down_changes_total", Kind::Counter),
    ("dev_id", "device_id", Kind::Gauge),
    ("dormant", "dormant", Kind::Gauge),
    ("flags", "flags", Kind::Gauge),
    ("ifindex", "iface_id", Kind::Gauge),
    ("iflink", "iface_link", Kind::Gauge),
    ("link_mode", "iface_link_mode", Kind::Gauge),
    ("mtu", "mtu_bytes", Kind::Gauge),
    ("name_assign_type", "name_assign_type", Kind::Gauge),
    ("netdev_group", "net_dev_group", Kind::Gauge),
    ("speed", "speed_bytes", Kind::Gauge),
    ("tx_queue_len", "transmit_queue_length", Kind::Gauge),
    ("type", "protocol_type", Kind::Gauge),
];

const UP_HELP: &str = "Value is 1 if operstate is 'up', 0 otherwise.";
/// IFF_UP
const ADMIN_UP: i64 = 1;

impl Collector for Netclass {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/net");
        let devices = devices(&root)?;
        for device in devices.iter().filter(|d| !self.ignored.matches(d)) {
            self.device(env, out, &format!("{root}/{device}"), device);
        }
        Ok(())
    }
}

impl Netclass {
    fn device(&self, env: &mut Env, out: &mut Exposition, dir: &str, device: &str) {
        let mut flags = None;
        for (file, property, kind) in NUMBERS {
            let text = env.attr(&format!("{dir}/{file}"));
            let Some(mut value) = text.and_then(|t| scan::any_i64(&t)) else { continue };
            match file {
                "flags" => flags = Some(value),
                "speed" if value < 0 && self.drop_bad_speed => continue,
                "speed" => value = value.saturating_mul(1_000_000) / 8,
                _ => {}
            }
            put(out, property, kind, device, value as f64);
        }
        let mut get = |file: &str| env.attr(&format!("{dir}/{file}")).unwrap_or_default();
        let state = get("operstate");
        let up = f64::from(u8::from(state == "up"));
        out.gauge("node_network_up", UP_HELP, &[("device", device)], up);
        let admin = match flags {
            None => "unknown",
            Some(flags) if flags & ADMIN_UP != 0 => "up",
            Some(_) => "down",
        };
        let labels = [
            ("address", &*get("address")),
            ("adminstate", admin),
            ("broadcast", &get("broadcast")),
            ("device", device),
            ("duplex", &get("duplex")),
            ("ifalias", &get("ifalias")),
            ("operstate", &state),
        ];
        let help = "Non-numeric data from /sys/class/net/<iface>, value is always 1.";
        out.gauge("node_network_info", help, &labels, 1.0);
    }
}

fn put(out: &mut Exposition, property: &str, kind: Kind, device: &str, value: f64) {
    let name = format!("node_network_{property}");
    let help = format!("Network device property: {property}");
    let family = out.family(&name, &help, kind);
    out.put(family, &[("device", device)], value);
}

/// Entries of `/sys/class/net` but ordinary files such as `bonding_masters`.
pub(super) fn devices(root: &str) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(root).map_err(|e| match e.kind() {
        std::io::ErrorKind::PermissionDenied => Failure::NoData(format!("{root}: not permitted")),
        _ => Failure::absent_is_no_data(root, e),
    })?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|e| !e.file_type().is_ok_and(|t| t.is_file()))
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

//! PCI devices: identity, link, power and virtual functions; on request their names from the pci.ids database.

mod names;

pub(crate) use names::parse as parse_names;

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;
use names::Names;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "pcidevice",
    default_on: false,
    reads: "/sys/bus/pci/devices, pci.ids",
    families: "node_pcidevice_*",
    make: |settings| {
        let wanted = settings.switch("collector.pcidevice.names");
        let file = settings.text("collector.pcidevice.idsfile");
        Ok(Box::new(Pcidevice { names: wanted.then(|| Names::load(file)) }))
    },
};

struct Pcidevice {
    names: Option<Names>,
}

/// (file, family suffix, help)
const LINKS: [(&str, &str, &str); 4] = [
    (
        "max_link_speed",
        "max_link_transfers_per_second",
        "Value of maximum link's transfers per second (T/s)",
    ),
    ("max_link_width", "max_link_width", "Value of maximum link's width (number of lanes)"),
    (
        "current_link_speed",
        "current_link_transfers_per_second",
        "Value of current link's transfers per second (T/s)",
    ),
    ("current_link_width", "current_link_width", "Value of current link's width (number of lanes)"),
];

const NUMBERS: [(&str, &str, &str); 5] = [
    (
        "d3cold_allowed",
        "d3cold_allowed",
        "Whether the PCIe device supports D3cold power state (0/1).",
    ),
    (
        "sriov_drivers_autoprobe",
        "sriov_drivers_autoprobe",
        "Whether SR-IOV drivers autoprobe is enabled for the device (0/1).",
    ),
    (
        "sriov_numvfs",
        "sriov_numvfs",
        "Number of Virtual Functions (VFs) currently enabled for SR-IOV.",
    ),
    (
        "sriov_totalvfs",
        "sriov_totalvfs",
        "Total number of Virtual Functions (VFs) supported by the device.",
    ),
    (
        "sriov_vf_total_msix",
        "sriov_vf_total_msix",
        "Total number of MSI-X vectors for Virtual Functions.",
    ),
];

const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"];

impl Collector for Pcidevice {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("bus/pci/devices");
        for name in env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))? {
            if let Err(e) = self.device(env, out, &format!("{root}/{name}")) {
                out.problem(e);
            }
        }
        Ok(())
    }
}

impl Pcidevice {
    fn device(&self, env: &mut Env, out: &mut Exposition, dir: &str) -> Result<(), Failure> {
        let real = std::fs::read_link(dir).map_err(|e| Failure::io(dir, e))?;
        let part = |p: Option<&std::path::Path>| {
            p.and_then(|p| p.file_name())
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let own = Location::parse(&part(Some(&real))).map_err(|e| e.at(dir))?;
        let parent = part(real.parent());
        let parent = if parent.starts_with("pci") {
            ["*"; 4].map(str::to_owned)
        } else {
            Location::parse(&parent).map_err(|e| e.at(dir))?.0
        };
        self.info(env, out, dir, &own.0, &parent)?;
        let [segment, bus, device, function] = &own.0;
        let labels = [
            ("bus", bus.as_str()),
            ("device", device),
            ("function", function),
            ("segment", segment),
        ];
        for (file, suffix, help) in LINKS {
            let text = env.attr(&format!("{dir}/{file}")).unwrap_or_default();
            let value = link_value(&text).map_err(|e| e.at(format!("{dir}/{file}")))?;
            out.gauge(&format!("node_pcidevice_{suffix}"), help, &labels, value);
        }
        for (file, suffix, help) in NUMBERS {
            let value = env.attr_u64(&format!("{dir}/{file}")).unwrap_or(0);
            let is_flag = matches!(file, "d3cold_allowed" | "sriov_drivers_autoprobe");
            let value = if is_flag { value.min(1) } else { value };
            out.gauge(&format!("node_pcidevice_{suffix}"), help, &labels, value as f64);
        }
        let state = env.attr(&format!("{dir}/power_state")).unwrap_or_default();
        if !state.is_empty() {
            let help =
                "PCIe device power state, one of: D0, D1, D2, D3hot, D3cold, unknown or error.";
            for shown in POWER_STATES {
                let labels = [labels[0], labels[1], labels[2], labels[3], ("state", shown)];
                let is = f64::from(u8::from(shown == state));
                out.gauge("node_pcidevice_power_state", help, &labels, is);
            }
        }
        let node = env.attr(&format!("{dir}/numa_node")).and_then(|t| t.parse::<i64>().ok());
        if let Some(node) = node.filter(|n| *n != -1) {
            let help =
                "NUMA node number for the PCI device. -1 indicates unknown or not available.";
            out.gauge("node_pcidevice_numa_node", help, &labels, node as f64);
        }
        Ok(())
    }

    fn info(
        &self,
        env: &mut Env,
        out: &mut Exposition,
        dir: &str,
        own: &[String; 4],
        parent: &[String; 4],
    ) -> Result<(), Failure> {
        let mut id = |file: &str, digits: usize| {
            let path = format!("{dir}/{file}");
            let text =
                env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))?;
            let value =
                scan::any_i64(&text).ok_or_else(|| scan::bad("a number", &text).at(path))?;
            Ok::<String, Failure>(format!("0x{value:0digits$x}"))
        };
        let (class, vendor, device) = (id("class", 6)?, id("vendor", 4)?, id("device", 4)?);
        let (sub_vendor, sub_device) = (id("subsystem_vendor", 4)?, id("subsystem_device", 4)?);
        let revision = id("revision", 2)?;
        let mut labels = vec![
            ("segment", own[0].clone()),
            ("bus", own[1].clone()),
            ("device", own[2].clone()),
            ("function", own[3].clone()),
            ("parent_segment", parent[0].clone()),
            ("parent_bus", parent[1].clone()),
            ("parent_device", parent[2].clone()),
            ("parent_function", parent[3].clone()),
        ];
        if let Some(names) = &self.names {
            labels.push(("vendor_name", names.vendor(&vendor)));
            labels.push(("device_name", names.device(&vendor, &device)));
            labels.push(("subsystem_vendor_name", names.vendor(&sub_vendor)));
            let subsystem = names.subsystem(&vendor, &device, &sub_vendor, &sub_device);
            labels.push(("subsystem_device_name", subsystem));
            labels.push(("class_name", names.class(&class)));
        }
        labels.extend([
            ("class_id", class),
            ("vendor_id", vendor),
            ("device_id", device),
            ("subsystem_vendor_id", sub_vendor),
            ("subsystem_device_id", sub_device),
            ("revision", revision),
        ]);
        let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let help = "Non-numeric data from /sys/bus/pci/devices/<location>, value is always 1.";
        out.gauge("node_pcidevice_info", help, &labels, 1.0);
        Ok(())
    }
}

/// Segment, bus, device, function as upstream writes them.
struct Location([String; 4]);

impl Location {
    /// `0000:3e:00.1`
    fn parse(text: &str) -> Result<Location, Malformed> {
        let bad = || scan::bad("a PCI location", text);
        let (segment, rest) = text.split_once(':').ok_or_else(bad)?;
        let (bus, rest) = rest.split_once(':').ok_or_else(bad)?;
        let (device, function) = rest.split_once('.').ok_or_else(bad)?;
        let hex = |s: &str, digits: usize| {
            u32::from_str_radix(s, 16).map(|n| format!("{n:0digits$x}")).map_err(|_| bad())
        };
        Ok(Location([hex(segment, 4)?, hex(bus, 2)?, hex(device, 2)?, hex(function, 1)?]))
    }
}

/// A width, or a speed such as `8.0 GT/s PCIe` in transfers per second; -1 where unknown.
fn link_value(text: &str) -> Result<f64, Malformed> {
    if text.is_empty() || text.starts_with("Unknown") {
        return Ok(-1.0);
    }
    match text.split_once(' ') {
        None => scan::f64(text),
        Some((number, "GT/s PCIe")) => Ok(scan::f64(number)? * 1e9),
        Some(_) => Err(scan::bad("a speed in GT/s PCIe", text)),
    }
}

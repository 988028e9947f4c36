//! What the firmware says about the machine. It does not change while the machine runs, so it is read once.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "dmi",
    default_on: true,
    reads: "/sys/class/dmi/id",
    families: "node_dmi_info",
    make: |_| Ok(Box::new(Dmi { values: None })),
};

struct Dmi {
    values: Option<Vec<(&'static str, String)>>,
}

/// (file, label), ascending by label.
const FIELDS: [(&str, &str); 20] = [
    ("bios_date", "bios_date"),
    ("bios_release", "bios_release"),
    ("bios_vendor", "bios_vendor"),
    ("bios_version", "bios_version"),
    ("board_asset_tag", "board_asset_tag"),
    ("board_name", "board_name"),
    ("board_serial", "board_serial"),
    ("board_vendor", "board_vendor"),
    ("board_version", "board_version"),
    ("chassis_asset_tag", "chassis_asset_tag"),
    ("chassis_serial", "chassis_serial"),
    ("chassis_vendor", "chassis_vendor"),
    ("chassis_version", "chassis_version"),
    ("product_family", "product_family"),
    ("product_name", "product_name"),
    ("product_serial", "product_serial"),
    ("product_sku", "product_sku"),
    ("product_uuid", "product_uuid"),
    ("product_version", "product_version"),
    ("sys_vendor", "system_vendor"),
];

const HELP: &str = "A metric with a constant '1' value labeled by bios_date, bios_release, bios_vendor, bios_version, \
    board_asset_tag, board_name, board_serial, board_vendor, board_version, chassis_asset_tag, chassis_serial, \
    chassis_vendor, chassis_version, product_family, product_name, product_serial, product_sku, product_uuid, \
    product_version, system_vendor if provided by DMI.";

impl Collector for Dmi {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let values = self.values.get_or_insert_with(|| {
            let dir = env.sys("class/dmi/id");
            let read = |file: &str| {
                std::fs::read(format!("{dir}/{file}"))
                    .ok()
                    .map(|bytes| crate::scan::text(&bytes).trim().to_owned())
            };
            FIELDS.iter().filter_map(|(file, label)| Some((*label, read(file)?))).collect()
        });
        if values.is_empty() {
            return Err(Failure::NoData("no DMI information in sysfs".into()));
        }
        let labels: Vec<(&str, &str)> = values.iter().map(|(n, v)| (*n, v.as_str())).collect();
        out.gauge("node_dmi_info", HELP, &labels, 1.0);
        Ok(())
    }
}

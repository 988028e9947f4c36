//! Batteries and power adapters.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::pattern::Pattern;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "powersupplyclass",
    default_on: true,
    reads: "/sys/class/power_supply",
    families: "node_power_supply_*",
    make: |settings| {
        let flag = "collector.powersupply.ignored-supplies";
        Ok(Box::new(PowerSupply { ignored: Pattern::new(flag, settings.text(flag))? }))
    },
};

struct PowerSupply {
    ignored: Pattern,
}

/// (file, family suffix, divisor): micro units become units, tenths of a degree become degrees.
const VALUES: &[(&str, &str, f64)] = &[
    ("authentic", "authentic", 1.0),
    ("calibrate", "calibrate", 1.0),
    ("capacity", "capacity", 1.0),
    ("capacity_alert_max", "capacity_alert_max", 1.0),
    ("capacity_alert_min", "capacity_alert_min", 1.0),
    ("cycle_count", "cyclecount", 1.0),
    ("online", "online", 1.0),
    ("present", "present", 1.0),
    ("time_to_empty_now", "time_to_empty_seconds", 1.0),
    ("time_to_full_now", "time_to_full_seconds", 1.0),
    ("current_boot", "current_boot", 1e6),
    ("current_max", "current_max", 1e6),
    ("current_now", "current_ampere", 1e6),
    ("energy_empty", "energy_empty", 1e6),
    ("energy_empty_design", "energy_empty_design", 1e6),
    ("energy_full", "energy_full", 1e6),
    ("energy_full_design", "energy_full_design", 1e6),
    ("energy_now", "energy_watthour", 1e6),
    ("voltage_boot", "voltage_boot", 1e6),
    ("voltage_max", "voltage_max", 1e6),
    ("voltage_max_design", "voltage_max_design", 1e6),
    ("voltage_min", "voltage_min", 1e6),
    ("voltage_min_design", "voltage_min_design", 1e6),
    ("voltage_now", "voltage_volt", 1e6),
    ("voltage_ocv", "voltage_ocv", 1e6),
    ("charge_control_limit", "charge_control_limit", 1e6),
    ("charge_control_limit_max", "charge_control_limit_max", 1e6),
    ("charge_counter", "charge_counter", 1e6),
    ("charge_empty", "charge_empty", 1e6),
    ("charge_empty_design", "charge_empty_design", 1e6),
    ("charge_full", "charge_full", 1e6),
    ("charge_full_design", "charge_full_design", 1e6),
    ("charge_now", "charge_ampere", 1e6),
    ("charge_term_current", "charge_term_current", 1e6),
    ("constant_charge_current", "constant_charge_current", 1e6),
    ("constant_charge_current_max", "constant_charge_current_max", 1e6),
    ("constant_charge_voltage", "constant_charge_voltage", 1e6),
    ("constant_charge_voltage_max", "constant_charge_voltage_max", 1e6),
    ("precharge_current", "precharge_current", 1e6),
    ("input_current_limit", "input_current_limit", 1e6),
    ("power_now", "power_watt", 1e6),
    ("temp", "temp_celsius", 10.0),
    ("temp_alert_max", "temp_alert_max_celsius", 10.0),
    ("temp_alert_min", "temp_alert_min_celsius", 10.0),
    ("temp_ambient", "temp_ambient_celsius", 10.0),
    ("temp_ambient_max", "temp_ambient_max_celsius", 10.0),
    ("temp_ambient_min", "temp_ambient_min_celsius", 10.0),
    ("temp_max", "temp_max_celsius", 10.0),
    ("temp_min", "temp_min_celsius", 10.0),
];

/// Texts that become labels of the info metric when not empty.
const TEXTS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

impl Collector for PowerSupply {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/power_supply");
        for supply in env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))? {
            if self.ignored.matches(&supply) {
                continue;
            }
            let dir = format!("{root}/{supply}");
            let files = env.list(&dir).map_err(|e| Failure::io(&dir, e))?;
            let has = |file: &str| files.binary_search_by(|f| f.as_str().cmp(file)).is_ok();
            for (file, suffix, divisor) in VALUES.iter().filter(|(file, ..)| has(file)) {
                let text = env.attr(&format!("{dir}/{file}"));
                if let Some(value) = text.and_then(|t| scan::any_i64(&t)) {
                    let name = format!("node_power_supply_{suffix}");
                    let help = format!("{suffix} value of /sys/class/power_supply/<power_supply>.");
                    out.gauge(&name, &help, &[("power_supply", &supply)], value as f64 / divisor);
                }
            }
            let texts: Vec<(&str, String)> = TEXTS
                .iter()
                .filter(|file| has(file))
                .filter_map(|file| Some((*file, env.attr(&format!("{dir}/{file}"))?)))
                .filter(|(_, text)| !text.is_empty())
                .collect();
            let mut labels: Vec<(&str, &str)> =
                texts.iter().map(|(n, v)| (*n, v.as_str())).collect();
            labels.push(("power_supply", &supply));
            let help = "info of /sys/class/power_supply/<power_supply>.";
            out.gauge("node_power_supply_info", help, &labels, 1.0);
        }
        Ok(())
    }
}

//! Temperatures of thermal zones and the state of cooling devices.

use crate::collector::{Collector, CollectorInfo};
use crate::env::{Env, numbered_of};
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "thermal_zone",
    default_on: true,
    reads: "/sys/class/thermal",
    families: "node_thermal_zone_temp, node_cooling_device_cur_state, node_cooling_device_max_state",
    make: |_| Ok(Box::new(ThermalZone)),
};

struct ThermalZone;

impl Collector for ThermalZone {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/thermal");
        let names = env.list(&root).unwrap_or_default();
        let mut get = |path: String| env.attr(&path);
        let zones = numbered_of(&names, "thermal_zone");
        for (number, name) in zones {
            let zone = number.to_string();
            let kind = get(format!("{root}/{name}/type")).unwrap_or_default();
            let temp = get(format!("{root}/{name}/temp")).and_then(|t| t.parse::<i64>().ok());
            out.gauge(
                "node_thermal_zone_temp",
                "Zone temperature in Celsius",
                &[("type", &kind), ("zone", &zone)],
                temp.unwrap_or(0) as f64 / 1000.0,
            );
        }
        let devices = numbered_of(&names, "cooling_device");
        for (number, name) in devices {
            let device = number.to_string();
            let mut number = |file: &str| {
                get(format!("{root}/{name}/{file}")).and_then(|t| t.parse::<i64>().ok())
            };
            let (Some(current), Some(max)) = (number("cur_state"), number("max_state")) else {
                continue;
            };
            let kind = get(format!("{root}/{name}/type")).unwrap_or_default();
            let labels = [("name", device.as_str()), ("type", &kind)];
            out.gauge(
                "node_cooling_device_cur_state",
                "Current throttle state of the cooling device",
                &labels,
                current as f64,
            );
            out.gauge(
                "node_cooling_device_max_state",
                "Maximum throttle state of the cooling device",
                &labels,
                max as f64,
            );
        }
        Ok(())
    }
}

//! Hardware monitoring chips: temperatures, fans, voltages, currents, power, energy, humidity.
//!
//! A sensor is a group of files of one type and number (`temp1_input`, `temp1_max`, ...). Chips are named after their device in
//! sysfs; chips that would have the same name get a suffix.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::pattern::NameFilter;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "hwmon",
    default_on: true,
    reads: "/sys/class/hwmon",
    families: "node_hwmon_*",
    make: |settings| {
        let chips = NameFilter::both(
            settings,
            "collector.hwmon.chip-exclude",
            "collector.hwmon.chip-include",
        )?;
        let sensors = NameFilter::both(
            settings,
            "collector.hwmon.sensor-exclude",
            "collector.hwmon.sensor-include",
        )?;
        Ok(Box::new(Hwmon { chips, sensors }))
    },
};

struct Hwmon {
    chips: NameFilter,
    sensors: NameFilter,
}

const TYPES: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

struct Chip {
    dir: String,
    base: String,
    name_file: String,
}

/// Values of a sensor by property; the bare file has the empty property.
struct Sensor {
    kind: &'static str,
    name: String,
    values: Vec<(String, String)>,
}

impl Collector for Hwmon {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/hwmon");
        let entries = env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))?;
        let mut chips = Vec::new();
        for entry in entries {
            let dir = format!("{root}/{entry}");
            if !std::fs::metadata(&dir).is_ok_and(|m| m.is_dir()) {
                continue;
            }
            let name_file = env.attr(&format!("{dir}/name")).unwrap_or_default();
            if let Some(base) = chip_name(&dir, &name_file) {
                chips.push(Chip { dir, base, name_file });
            }
        }
        for chip in &chips {
            let name = distinct_name(chip, &chips);
            if !self.chips.ignores(&name) {
                let part = self.chip(env, out, chip, &name);
                out.note(part);
            }
        }
        Ok(())
    }
}

impl Hwmon {
    fn chip(
        &self,
        env: &mut Env,
        out: &mut Exposition,
        chip: &Chip,
        name: &str,
    ) -> Result<(), Failure> {
        let mut sensors = Vec::new();
        gather(env, &chip.dir, &mut sensors)?;
        let device = format!("{}/device", chip.dir);
        if env.exists(&device) {
            gather(env, &device, &mut sensors)?;
        }
        let human = clean(&chip.name_file);
        if !human.is_empty() {
            let help = "Annotation metric for human-readable chip names";
            let labels = [("chip", name), ("chip_name", &human)];
            out.gauge("node_hwmon_chip_names", help, &labels, 1.0);
        }
        for sensor in &sensors {
            if !self.sensors.ignores(&format!("{name};{}", sensor.name)) {
                show(out, name, sensor);
            }
        }
        Ok(())
    }
}

/// Adds the sensor files of a directory.
fn gather(env: &mut Env, dir: &str, sensors: &mut Vec<Sensor>) -> Result<(), Failure> {
    let files = env.list(dir).map_err(|e| Failure::io(dir, e))?;
    for file in files {
        let Some((kind, number, property)) = explode(&file) else { continue };
        let Ok(bytes) = env.read_one(&format!("{dir}/{file}")) else { continue };
        let value = crate::scan::text(bytes).trim_matches('\n').to_owned();
        let name = format!("{kind}{number}");
        let at = sensors.iter().position(|s| s.name == name).unwrap_or_else(|| {
            sensors.push(Sensor { kind, name, values: Vec::new() });
            sensors.len() - 1
        });
        let values = &mut sensors[at].values;
        values.retain(|(p, _)| p != property);
        values.push((property.to_owned(), value));
    }
    Ok(())
}

/// Splits `temp1_max` into type, number and property. A missing number is 0, a missing property empty.
fn explode(file: &str) -> Option<(&'static str, u32, &str)> {
    let letters = file.find(|c: char| c.is_ascii_digit()).unwrap_or(file.len());
    let (head, rest) = file.split_at(letters);
    if let Some(kind) = TYPES.iter().find(|t| **t == head) {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = if digits == 0 { 0 } else { rest[..digits].parse().ok()? };
        return match &rest[digits..] {
            "" => Some((kind, number, "")),
            tail => Some((kind, number, tail.strip_prefix('_').filter(|p| !p.is_empty())?)),
        };
    }
    None
}

fn show(out: &mut Exposition, chip: &str, sensor: &Sensor) {
    let get =
        |property: &str| sensor.values.iter().find(|(p, _)| p == property).map(|(_, v)| v.as_str());
    let labels = [("chip", chip), ("sensor", sensor.name.as_str())];
    if let Some(label) = get("label") {
        let labels = [labels[0], ("label", label), labels[1]];
        out.gauge("node_hwmon_sensor_label", "Label for given chip and sensor", &labels, 1.0);
    }
    let bare = || get("").and_then(|v| v.parse::<f64>().ok());
    match sensor.kind {
        "beep_enable" => {
            let on = f64::from(u8::from(get("") == Some("1")));
            return out.gauge("node_hwmon_beep_enabled", "Hardware beep enabled", &labels, on);
        }
        "vrm" => {
            if let Some(value) = bare() {
                let name = "node_hwmon_voltage_regulator_version";
                out.gauge(name, "Hardware voltage regulator", &labels, value);
            }
            return;
        }
        "update_interval" => {
            if let Some(value) = bare() {
                let name = "node_hwmon_update_interval_seconds";
                out.gauge(name, "Hardware monitor update interval", &labels, value * 0.001);
            }
            return;
        }
        _ => {}
    }
    let has_bare = get("").is_some();
    for (element, value) in &sensor.values {
        let Ok(value) = value.parse::<f64>() else { continue };
        match (sensor.kind, element.as_str()) {
            (_, "label") => {}
            // GPU clocks are named by their label
            ("freq", "input") => {
                let Some(label) = get("label").map(clean) else { continue };
                let labels = [labels[0], ("sensor", label.as_str())];
                show_value(out, sensor.kind, element, has_bare, value, &labels);
            }
            _ => show_value(out, sensor.kind, element, has_bare, value, &labels),
        }
    }
}

fn show_value(
    out: &mut Exposition,
    kind: &str,
    element: &str,
    has_bare: bool,
    value: f64,
    labels: &[(&str, &str)],
) {
    let mut name = format!("node_hwmon_{kind}");
    if element == "input" {
        if has_bare {
            name.push_str("_input");
        }
    } else if !element.is_empty() {
        name.push('_');
        name.push_str(&clean(element));
    }
    let milli = value * 0.001;
    let micro = value / 1_000_000.0;
    let (suffix, help, value) = match (kind, element) {
        (_, "fault" | "alarm") => ("", format!("Hardware sensor {element} status ({kind})"), value),
        (_, "beep") => {
            ("_enabled", "Hardware monitor sensor has beeping enabled".to_owned(), value)
        }
        ("in" | "cpu", _) => ("_volts", format!("Hardware monitor for voltage ({element})"), milli),
        ("temp", e) if e != "type" => {
            let shown = if e.is_empty() { "input" } else { e };
            ("_celsius", format!("Hardware monitor for temperature ({shown})"), milli)
        }
        ("curr", _) => ("_amps", format!("Hardware monitor for current ({element})"), milli),
        ("energy", _) => {
            let help = format!("Hardware monitor for joules used so far ({element})");
            return out.counter(&format!("{name}_joule_total"), &help, labels, micro);
        }
        ("power", "accuracy") => {
            ("", "Hardware monitor power meter accuracy, as a ratio".to_owned(), micro)
        }
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            ("_seconds", format!("Hardware monitor power usage update interval ({element})"), milli)
        }
        ("power", _) => {
            ("_watt", format!("Hardware monitor for power usage in watts ({element})"), micro)
        }
        ("humidity", _) => (
            "",
            format!(
                "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the humidity as a percentage) ({element})"
            ),
            micro,
        ),
        ("fan", "input" | "min" | "max" | "target") => {
            ("_rpm", format!("Hardware monitor for fan revolutions per minute ({element})"), value)
        }
        ("freq", "input") => {
            ("_freq_mhz", "Hardware monitor for GPU frequency in MHz".to_owned(), micro)
        }
        _ => ("", format!("Hardware monitor {kind} element {element}"), value),
    };
    out.gauge(&format!("{name}{suffix}"), &help, labels, value);
}

/// The device's bus and name in sysfs, else the `name` file, else the directory's own name.
fn chip_name(dir: &str, name_file: &str) -> Option<String> {
    if let Ok(device) = std::fs::canonicalize(format!("{dir}/device")) {
        let part = |p: Option<&std::ffi::OsStr>| {
            clean(&p.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default())
        };
        let name = part(device.file_name());
        let bus = part(device.parent().and_then(|p| p.file_name()));
        if !bus.is_empty() && !name.is_empty() {
            return Some(format!("{bus}_{name}"));
        }
        if !name.is_empty() {
            return Some(name);
        }
    }
    let own = || {
        let real = std::fs::canonicalize(dir).ok()?;
        Some(clean(&real.file_name()?.to_string_lossy()))
    };
    Some(clean(name_file)).filter(|n| !n.is_empty()).or_else(own).filter(|n| !n.is_empty())
}

/// Chips of one base name get their `name` file as suffix, or the directory's name where even that is shared.
fn distinct_name(chip: &Chip, all: &[Chip]) -> String {
    let same = || all.iter().filter(|c| c.base == chip.base);
    if same().count() < 2 {
        return chip.base.clone();
    }
    let mut suffix = clean(&chip.name_file);
    if suffix.is_empty() || same().filter(|c| c.name_file == chip.name_file).count() > 1 {
        suffix = clean(chip.dir.rsplit('/').next().unwrap_or(""));
    }
    format!("{}_{suffix}", chip.base)
}

/// Lower case; everything but letters, digits, `:` and `_` becomes `_`; none at the ends.
fn clean(name: &str) -> String {
    let name: String = name
        .to_lowercase()
        .chars()
        .map(|c| if matches!(c, 'a'..='z' | '0'..='9' | ':' | '_') { c } else { '_' })
        .collect();
    name.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_explode() {
        assert_eq!(explode("temp12_max_hyst"), Some(("temp", 12, "max_hyst")));
        assert_eq!(explode("beep_enable"), Some(("beep_enable", 0, "")));
        assert_eq!(explode("pwm1"), Some(("pwm", 1, "")));
        assert_eq!(explode("name"), None);
        assert_eq!(explode("temp1_"), None);
    }
}

//! CPU frequencies and governors from sysfs.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "cpufreq",
    default_on: true,
    reads: "/sys/devices/system/cpu/cpu*/cpufreq",
    families: "node_cpu_frequency_*hertz, node_cpu_scaling_frequency_*hertz, node_cpu_scaling_governor",
    make: |_| Ok(Box::new(Cpufreq)),
};

struct Cpufreq;

/// (file in kHz, family, help)
const FREQUENCIES: [(&str, &str, &str); 7] = [
    ("cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Current CPU thread frequency in hertz."),
    ("cpuinfo_avg_freq", "node_cpu_frequency_avg_hertz", "Average CPU thread frequency in hertz."),
    ("cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Minimum CPU thread frequency in hertz."),
    ("cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "Maximum CPU thread frequency in hertz."),
    (
        "scaling_cur_freq",
        "node_cpu_scaling_frequency_hertz",
        "Current scaled CPU thread frequency in hertz.",
    ),
    (
        "scaling_min_freq",
        "node_cpu_scaling_frequency_min_hertz",
        "Minimum scaled CPU thread frequency in hertz.",
    ),
    (
        "scaling_max_freq",
        "node_cpu_scaling_frequency_max_hertz",
        "Maximum scaled CPU thread frequency in hertz.",
    ),
];

impl Collector for Cpufreq {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("devices/system/cpu");
        for (number, cpu) in env.numbered(&root, "cpu").unwrap_or_default() {
            let dir = format!("{root}/{cpu}/cpufreq");
            let Some(governor) = env.attr(&format!("{dir}/scaling_governor")) else { continue };
            let number = number.to_string();
            for (file, family, help) in FREQUENCIES {
                if let Some(khz) = env.attr_u64(&format!("{dir}/{file}")) {
                    out.gauge(family, help, &[("cpu", &number)], khz as f64 * 1000.0);
                }
            }
            if governor.is_empty() {
                continue;
            }
            let available =
                env.attr(&format!("{dir}/scaling_available_governors")).unwrap_or_default();
            let family = out.family(
                "node_cpu_scaling_governor",
                "Current enabled CPU frequency governor.",
                Kind::Gauge,
            );
            for name in available.split(' ') {
                let chosen = f64::from(u8::from(name == governor));
                out.put(family, &[("cpu", &number), ("governor", name)], chosen);
            }
        }
        Ok(())
    }
}

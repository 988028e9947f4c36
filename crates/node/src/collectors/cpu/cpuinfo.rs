//! `/proc/cpuinfo`: identity of each CPU, flags and bugs of the first.

use crate::collector::Kind;
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::pattern::Pattern;
use crate::scan;

/// One block of the file. Absent fields are empty.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Entry {
    processor: u64,
    vendor: String,
    family: String,
    model: String,
    model_name: String,
    stepping: String,
    microcode: String,
    mhz: f64,
    cache_size: String,
    package: String,
    core: String,
    flags: String,
    bugs: String,
}

pub(super) fn collect(
    cpu: &super::Cpu,
    env: &mut Env,
    out: &mut Exposition,
) -> Result<(), Failure> {
    let path = env.proc("cpuinfo");
    let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
    let entries = parse(bytes).map_err(|e| e.at(&path))?;
    let info = out.family("node_cpu_info", "CPU information from /proc/cpuinfo.", Kind::Gauge);
    for e in &entries {
        let labels = [
            ("cachesize", e.cache_size.as_str()),
            ("core", &e.core),
            ("cpu", &e.processor.to_string()),
            ("family", &e.family),
            ("microcode", &e.microcode),
            ("model", &e.model),
            ("model_name", &e.model_name),
            ("package", &e.package),
            ("stepping", &e.stepping),
            ("vendor", &e.vendor),
        ];
        out.put(info, &labels, 1.0);
    }
    if cpu.frequency {
        let hertz = out.family(
            "node_cpu_frequency_hertz",
            "CPU frequency in hertz from /proc/cpuinfo.",
            Kind::Gauge,
        );
        for e in &entries {
            let number = e.processor.to_string();
            let labels = [("core", e.core.as_str()), ("cpu", &number), ("package", &e.package)];
            out.put(hertz, &labels, e.mhz * 1e6);
        }
    }
    if let Some(first) = entries.first() {
        let help =
            "The `flags` field of CPU information from /proc/cpuinfo taken from the first core.";
        words(out, "node_cpu_flag_info", help, "flag", &first.flags, cpu.flags.as_ref());
        let help =
            "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core.";
        words(out, "node_cpu_bug_info", help, "bug", &first.bugs, cpu.bugs.as_ref());
    }
    Ok(())
}

fn words(
    out: &mut Exposition,
    name: &str,
    help: &str,
    label: &str,
    list: &str,
    wanted: Option<&Pattern>,
) {
    let Some(wanted) = wanted else { return };
    let family = out.family(name, help, Kind::Gauge);
    for word in list.split_ascii_whitespace().filter(|w| wanted.matches(w)) {
        out.put(family, &[(label, word)], 1.0);
    }
}

/// The blocks of the file. Keys of the other architectures that mean the same are taken too.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in scan::text(input).lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        if key == "processor" {
            let Ok(processor) = value.parse() else { continue }; // s390x and old ARM: a name
            entries.push(Entry { processor, ..Entry::default() });
            continue;
        }
        let Some(entry) = entries.last_mut() else { continue };
        let text = match key {
            "vendor_id" | "CPU implementer" => &mut entry.vendor,
            "cpu family" | "CPU architecture" => &mut entry.family,
            "model" | "CPU part" => &mut entry.model,
            "model name" => &mut entry.model_name,
            "stepping" | "CPU revision" => &mut entry.stepping,
            "microcode" => &mut entry.microcode,
            "cache size" => &mut entry.cache_size,
            "physical id" => &mut entry.package,
            "core id" => &mut entry.core,
            "flags" | "Features" => &mut entry.flags,
            "bugs" => &mut entry.bugs,
            "cpu MHz" => {
                entry.mhz = scan::f64(value)?;
                continue;
            }
            _ => continue,
        };
        *text = value.to_owned();
    }
    Ok(entries)
}

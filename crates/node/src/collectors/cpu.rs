//! CPU time per mode from `/proc/stat`, and what `/proc/cpuinfo` and sysfs tell about each CPU: identity, throttling, isolation,
//! being online. Values never fall: a small decrease (the kernel computes idle and iowait loosely) is hidden; a large one of idle
//! is taken for a CPU that was unplugged and came back.

mod cpuinfo;

pub(crate) use cpuinfo::parse as parse_cpuinfo;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::pattern::Pattern;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "cpu",
    default_on: true,
    reads: "/proc/stat, /proc/cpuinfo, /sys/devices/system/cpu",
    families: "node_cpu_seconds_total, node_cpu_guest_seconds_total, node_cpu_info, node_cpu_*_throttles_total, ...",
    make: |settings| {
        let flags = Pattern::of(settings, "collector.cpu.info.flags-include")?;
        let bugs = Pattern::of(settings, "collector.cpu.info.bugs-include")?;
        Ok(Box::new(Cpu {
            guest: settings.switch("collector.cpu.guest"),
            info: settings.switch("collector.cpu.info") || flags.is_some() || bugs.is_some(),
            frequency: settings.collector_enabled("cpufreq"),
            flags,
            bugs,
            shown: Vec::new(),
            isolated: None,
        }))
    },
};

/// USER_HZ: the unit of `/proc/stat`, fixed at 100 towards user space.
const TICKS_PER_SECOND: f64 = 100.0;
/// A fall of idle time by this much means hotplug.
const JUMP_BACK_SECONDS: f64 = 3.0;
/// More CPUs than any kernel supports.
const MAX_CPUS: usize = 1 << 16;
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const IDLE: usize = 3;

/// Seconds per mode, then guest and guest_nice.
pub(crate) type Times = [f64; 10];

struct Cpu {
    guest: bool,
    info: bool,
    frequency: bool,
    flags: Option<Pattern>,
    bugs: Option<Pattern>,
    /// What was shown last, by CPU number.
    shown: Vec<(u32, Times)>,
    /// Read once: it is fixed at boot.
    isolated: Option<Vec<u32>>,
}

impl Collector for Cpu {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        if self.info
            && let Err(e) = cpuinfo::collect(self, env, out)
        {
            out.problem(e);
        }
        let part = self.times(env, out);
        out.note(part);
        let part = self.isolation(env, out);
        out.note(part);
        sysfs(env, out)
    }
}

impl Cpu {
    fn times(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("stat");
        let bytes = env.read_one(&path).map_err(|e| Failure::io(&path, e))?;
        let now = parse_stat(bytes).map_err(|e| e.at(&path))?;
        advance(&mut self.shown, now);
        let seconds = out.family(
            "node_cpu_seconds_total",
            "Seconds the CPUs spent in each mode.",
            Kind::Counter,
        );
        let guest = out.family(
            "node_cpu_guest_seconds_total",
            "Seconds the CPUs spent in guests (VMs) for each mode.",
            Kind::Counter,
        );
        let mut number = itoa::Buffer::new();
        for (cpu, times) in &self.shown {
            let cpu = number.format(*cpu);
            for (mode, value) in MODES.iter().zip(times) {
                out.put(seconds, &[("cpu", cpu), ("mode", mode)], *value);
            }
            if self.guest {
                out.put(guest, &[("cpu", cpu), ("mode", "user")], times[8]);
                out.put(guest, &[("cpu", cpu), ("mode", "nice")], times[9]);
            }
        }
        Ok(())
    }

    fn isolation(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        if self.isolated.is_none() {
            let path = env.sys("devices/system/cpu/isolated");
            let list = env.attr(&path).unwrap_or_default();
            self.isolated = Some(scan::id_list(&list, MAX_CPUS).map_err(|e| e.at(path))?);
        }
        let family = out.family(
            "node_cpu_isolated",
            "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.",
            Kind::Gauge,
        );
        for cpu in self.isolated.iter().flatten() {
            out.put(family, &[("cpu", &cpu.to_string())], 1.0);
        }
        Ok(())
    }
}

/// Moves what is shown forward to `now`, CPU by CPU; CPUs that vanished are dropped.
fn advance(shown: &mut Vec<(u32, Times)>, now: Vec<(u32, Times)>) {
    let last = std::mem::take(shown);
    *shown = now;
    for (cpu, times) in shown.iter_mut() {
        let Some((_, old)) = last.iter().find(|(number, _)| number == cpu) else { continue };
        if old[IDLE] - times[IDLE] >= JUMP_BACK_SECONDS {
            continue;
        }
        for (value, old) in times.iter_mut().zip(old) {
            *value = value.max(*old);
        }
    }
}

/// Seconds of each CPU; the summary line is left out.
pub(crate) fn parse_stat(input: &[u8]) -> Result<Vec<(u32, Times)>, Malformed> {
    let mut cpus = Vec::new();
    for line in scan::text(input).lines() {
        let Some(rest) = line.strip_prefix("cpu") else { continue };
        let mut words = rest.split_ascii_whitespace();
        if rest.starts_with(' ') {
            continue;
        }
        let number = words.next().unwrap_or("");
        let number = number.parse().map_err(|_| scan::bad("a CPU number", number))?;
        let mut times = [0.0; 10];
        for (slot, word) in times.iter_mut().zip(words) {
            *slot = scan::f64(word)? / TICKS_PER_SECOND;
        }
        cpus.push((number, times));
        if cpus.len() > MAX_CPUS {
            return Err(Malformed::new("more CPUs than a kernel can have"));
        }
    }
    Ok(cpus)
}

/// Throttling counters and the online flag of each CPU.
fn sysfs(env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
    let root = env.sys("devices/system/cpu");
    let cpus = env.numbered(&root, "cpu").unwrap_or_default();
    let (mut packages, mut cores): (Vec<u64>, Vec<(u64, u64)>) = (Vec::new(), Vec::new());
    for (_, cpu) in &cpus {
        let Some(package) = env.attr_u64(&format!("{root}/{cpu}/topology/physical_package_id"))
        else {
            continue;
        };
        let Some(core) = env.attr_u64(&format!("{root}/{cpu}/topology/core_id")) else { continue };
        if !cores.contains(&(package, core))
            && let Some(count) =
                env.attr_u64(&format!("{root}/{cpu}/thermal_throttle/core_throttle_count"))
        {
            cores.push((package, core));
            out.counter(
                "node_cpu_core_throttles_total",
                "Number of times this CPU core has been throttled.",
                &[("core", &core.to_string()), ("package", &package.to_string())],
                count as f64,
            );
        }
        if !packages.contains(&package)
            && let Some(count) =
                env.attr_u64(&format!("{root}/{cpu}/thermal_throttle/package_throttle_count"))
        {
            packages.push(package);
            out.counter(
                "node_cpu_package_throttles_total",
                "Number of times this CPU package has been throttled.",
                &[("package", &package.to_string())],
                count as f64,
            );
        }
    }
    let Some((_, first)) = cpus.first() else {
        return Err(Failure::NoData("no CPUs in sysfs".into()));
    };
    if !env.exists(&format!("{root}/{first}/online")) {
        return Ok(()); // the boot CPU cannot be switched off: nothing to tell
    }
    let family =
        out.family("node_cpu_online", "CPUs that are online and being scheduled.", Kind::Gauge);
    for (number, cpu) in &cpus {
        let online = env.attr(&format!("{root}/{cpu}/online")).is_some_and(|v| v == "1");
        out.put(family, &[("cpu", &number.to_string())], f64::from(u8::from(online)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(user: f64, idle: f64) -> Times {
        let mut times = [0.0; 10];
        (times[0], times[IDLE]) = (user, idle);
        times
    }

    #[test]
    fn small_decreases_are_hidden_and_hotplug_resets() {
        let mut shown =
            vec![(0, times(10.0, 100.0)), (1, times(10.0, 100.0)), (2, times(1.0, 1.0))];
        advance(&mut shown, vec![(0, times(9.0, 98.0)), (1, times(1.0, 50.0))]);
        assert_eq!(shown, [(0, times(10.0, 100.0)), (1, times(1.0, 50.0))]);
    }

    #[test]
    fn lines_of_cpus_are_read() {
        let cpus = parse_stat(b"cpu  5 5\ncpu0 100 200 300 400 500\ncpu10 1\nintr 5\n").unwrap();
        assert_eq!(cpus[0], (0, [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
        assert_eq!(cpus[1].0, 10);
        assert!(parse_stat(b"cpux 1\n").is_err());
    }
}

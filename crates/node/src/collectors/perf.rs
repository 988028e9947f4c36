//! CPU performance counters and tracepoints. Needs root or a low `kernel.perf_event_paranoid`; counters that the machine does not
//! have are left out. They are opened at the first scrape and run from then on.

use gauntlet_sys::perf::{CACHE, Counter, HARDWARE, SOFTWARE, TRACEPOINT};

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::config::Settings;
use crate::env::Env;
use crate::error::{ConfigError, Failure};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "perf",
    default_on: false,
    reads: "perf_event_open()",
    families: "node_perf_*",
    make: |settings| Ok(Box::new(Perf::new(settings)?)),
};

/// (name in the flags, kind, config, family suffix, help)
type Event = (&'static str, u32, u64, &'static str, &'static str);

const HARDWARE_EVENTS: [Event; 9] = [
    ("CpuCycles", HARDWARE, 0, "cpucycles_total", "Number of CPU cycles (frequency scaled)"),
    ("CpuInstr", HARDWARE, 1, "instructions_total", "Number of CPU instructions"),
    (
        "CacheRef",
        HARDWARE,
        2,
        "cache_refs_total",
        "Number of cache references (non frequency scaled)",
    ),
    ("CacheMisses", HARDWARE, 3, "cache_misses_total", "Number of cache misses"),
    ("BranchInstr", HARDWARE, 4, "branch_instructions_total", "Number of CPU branch instructions"),
    ("BranchMisses", HARDWARE, 5, "branch_misses_total", "Number of CPU branch misses"),
    (
        "StalledCyclesFrontend",
        HARDWARE,
        7,
        "stalled_cycles_frontend_total",
        "Number of stalled frontend CPU cycles",
    ),
    (
        "StalledCyclesBackend",
        HARDWARE,
        8,
        "stalled_cycles_backend_total",
        "Number of stalled backend CPU cycles",
    ),
    ("RefCpuCycles", HARDWARE, 9, "ref_cpucycles_total", "Number of CPU cycles"),
];

const SOFTWARE_EVENTS: [Event; 5] = [
    ("PageFault", SOFTWARE, 2, "page_faults_total", "Number of page faults"),
    ("ContextSwitch", SOFTWARE, 3, "context_switches_total", "Number of context switches"),
    ("CpuMigration", SOFTWARE, 4, "cpu_migrations_total", "Number of CPU process migrations"),
    ("MinorFault", SOFTWARE, 5, "minor_faults_total", "Number of minor page faults"),
    ("MajorFault", SOFTWARE, 6, "major_faults_total", "Number of major page faults"),
];

/// Cache, operation (read 0, write 1) and result (hit 0, miss 1) of a cache event.
const fn cache(cache: u64, operation: u64, result: u64) -> u64 {
    cache | operation << 8 | result << 16
}

const CACHE_EVENTS: [Event; 16] = [
    (
        "L1DataReadHit",
        CACHE,
        cache(0, 0, 0),
        "cache_l1d_read_hits_total",
        "Number L1 data cache read hits",
    ),
    (
        "L1DataReadMiss",
        CACHE,
        cache(0, 0, 1),
        "cache_l1d_read_misses_total",
        "Number L1 data cache read misses",
    ),
    (
        "L1DataWriteHit",
        CACHE,
        cache(0, 1, 0),
        "cache_l1d_write_hits_total",
        "Number L1 data cache write hits",
    ),
    (
        "L1InstrReadMiss",
        CACHE,
        cache(1, 0, 1),
        "cache_l1_instr_read_misses_total",
        "Number instruction L1 instruction read misses",
    ),
    ("LLReadHit", CACHE, cache(2, 0, 0), "cache_ll_read_hits_total", "Number last level read hits"),
    (
        "LLReadMiss",
        CACHE,
        cache(2, 0, 1),
        "cache_ll_read_misses_total",
        "Number last level read misses",
    ),
    (
        "LLWriteHit",
        CACHE,
        cache(2, 1, 0),
        "cache_ll_write_hits_total",
        "Number last level write hits",
    ),
    (
        "LLWriteMiss",
        CACHE,
        cache(2, 1, 1),
        "cache_ll_write_misses_total",
        "Number last level write misses",
    ),
    (
        "DataTLBReadHit",
        CACHE,
        cache(3, 0, 0),
        "cache_tlb_data_read_hits_total",
        "Number of data TLB read hits",
    ),
    (
        "DataTLBReadMiss",
        CACHE,
        cache(3, 0, 1),
        "cache_tlb_data_read_misses_total",
        "Number of data TLB read misses",
    ),
    (
        "DataTLBWriteHit",
        CACHE,
        cache(3, 1, 0),
        "cache_tlb_data_write_hits_total",
        "Number of data TLB write hits",
    ),
    (
        "DataTLBWriteMiss",
        CACHE,
        cache(3, 1, 1),
        "cache_tlb_data_write_misses_total",
        "Number of data TLB write misses",
    ),
    (
        "InstrTLBReadHit",
        CACHE,
        cache(4, 0, 0),
        "cache_tlb_instr_read_hits_total",
        "Number instruction TLB read hits",
    ),
    (
        "InstrTLBReadMiss",
        CACHE,
        cache(4, 0, 1),
        "cache_tlb_instr_read_misses_total",
        "Number instruction TLB read misses",
    ),
    ("BPUReadHit", CACHE, cache(5, 0, 0), "cache_bpu_read_hits_total", "Number BPU read hits"),
    ("BPUReadMiss", CACHE, cache(5, 0, 1), "cache_bpu_read_misses_total", "Number BPU read misses"),
];

const MAX_CPUS: usize = 4096;

struct Perf {
    cpus: Option<Vec<u32>>,
    events: Vec<Event>,
    tracepoints: Vec<(String, String)>,
    running: Option<Vec<Running>>,
}

struct Running {
    family: String,
    help: String,
    cpu: String,
    counter: Counter,
}

impl Perf {
    fn new(settings: &Settings) -> Result<Perf, ConfigError> {
        let mut events = Vec::new();
        for (table, name) in [
            (&HARDWARE_EVENTS[..], "hardware"),
            (&SOFTWARE_EVENTS[..], "software"),
            (&CACHE_EVENTS[..], "cache"),
        ] {
            if settings.switch(&format!("collector.perf.disable-{name}-profilers")) {
                continue;
            }
            let flag = format!("collector.perf.{name}-profilers");
            events.extend(chosen(table, &flag, &settings.all(&flag))?);
        }
        let flag = "collector.perf.tracepoint";
        let mut tracepoints = Vec::new();
        for text in settings.all(flag) {
            let valid = |s: &str| {
                !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            };
            match text.split_once(':') {
                Some((subsystem, event)) if valid(subsystem) && valid(event) => {
                    tracepoints.push((subsystem.to_owned(), event.to_owned()));
                }
                _ => return Err(bad(flag, text, "expected SUBSYSTEM:EVENT")),
            }
        }
        let flag = "collector.perf.cpus";
        let cpus = match settings.text(flag) {
            "" => None,
            text => Some(
                cpu_list(text)
                    .ok_or_else(|| bad(flag, text, "expected a list such as 0-3,8-15:2"))?,
            ),
        };
        Ok(Perf { cpus, events, tracepoints, running: None })
    }

    fn start(&self, env: &mut Env) -> Result<Vec<Running>, Failure> {
        let cpus = match &self.cpus {
            Some(cpus) => cpus.clone(),
            None => online(env)?,
        };
        let mut running = Vec::new();
        let mut refused = None;
        for (_, kind, config, suffix, help) in &self.events {
            for cpu in &cpus {
                match Counter::start(*kind, *config, *cpu) {
                    Ok(counter) => running.push(Running {
                        family: format!("node_perf_{suffix}"),
                        help: (*help).to_owned(),
                        cpu: cpu.to_string(),
                        counter,
                    }),
                    Err(e) => refused = Some(e),
                }
            }
        }
        for (subsystem, event) in &self.tracepoints {
            let id = tracepoint_id(env, subsystem, event)?;
            for cpu in &cpus {
                let counter = Counter::start(TRACEPOINT, id, *cpu)
                    .map_err(|e| Failure::io(format!("tracepoint {subsystem}:{event}"), e))?;
                running.push(Running {
                    family: format!(
                        "node_perf_{}",
                        scan::metric_name(&format!("{subsystem}_{event}"))
                    ),
                    help: format!("Perf tracepoint {subsystem}:{event}"),
                    cpu: cpu.to_string(),
                    counter,
                });
            }
        }
        match refused {
            Some(e) if running.is_empty() => Err(Failure::io("perf_event_open", e)),
            _ => Ok(running),
        }
    }
}

impl Collector for Perf {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        if self.running.is_none() {
            self.running = Some(self.start(env)?);
        }
        for counter in self.running.iter_mut().flatten() {
            let reading =
                counter.counter.read().map_err(|e| Failure::io(counter.family.as_str(), e))?;
            let family = out.family(&counter.family, &counter.help, Kind::Counter);
            out.put(family, &[("cpu", &counter.cpu)], reading.value as f64);
        }
        Ok(())
    }
}

fn chosen(table: &[Event], flag: &str, names: &[&str]) -> Result<Vec<Event>, ConfigError> {
    if names.is_empty() {
        return Ok(table.to_vec());
    }
    let find = |name: &&str| {
        let event = table.iter().find(|event| event.0 == *name);
        event.copied().ok_or_else(|| bad(flag, name, "no such profiler"))
    };
    names.iter().map(find).collect()
}

fn bad(flag: &str, value: &str, reason: &str) -> ConfigError {
    ConfigError::Value { flag: flag.to_owned(), value: value.to_owned(), reason: reason.to_owned() }
}

/// `0,2-5,8-15:2`: single CPUs and ranges, which may have a stride.
fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (range, stride) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let stride: usize = stride.parse().ok().filter(|s| *s > 0)?;
        cpus.extend((first..=last).step_by(stride).take(MAX_CPUS));
        if cpus.len() > MAX_CPUS {
            return None;
        }
    }
    Some(cpus)
}

fn online(env: &mut Env) -> Result<Vec<u32>, Failure> {
    let path = env.sys("devices/system/cpu/online");
    let text = env.attr(&path).unwrap_or_else(|| "0".to_owned());
    scan::id_list(&text, MAX_CPUS).map_err(|e| e.at(path))
}

fn tracepoint_id(env: &mut Env, subsystem: &str, event: &str) -> Result<u64, Failure> {
    let paths = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .map(|root| format!("{root}/events/{subsystem}/{event}/id"));
    let id = paths.iter().find_map(|path| env.attr_u64(path));
    id.ok_or_else(|| Failure::Other(format!("tracepoint {subsystem}:{event} cannot be found")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_have_ranges_and_strides() {
        assert_eq!(cpu_list("0,2-4,8-12:2"), Some(vec![0, 2, 3, 4, 8, 10, 12]));
        for text in ["x", "1-", "1-5:0", "0-4000000000"] {
            assert!(cpu_list(text).is_none_or(|c| c.len() <= MAX_CPUS), "{text}");
        }
    }
}

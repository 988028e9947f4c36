//! Measures the head: bytes of memory a series, where they go, nanoseconds a sample with and without a log, seconds of replay.
//!
//! `head_bytes [series] [steps] [dir]`: series of ten labels in targets of 500, scraped every 15 s of simulated time.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::path::{Path, PathBuf};

use gauntlet_model::{Labels, Matcher, SeriesRef};
use gauntlet_runtime::{Clock, SystemClock, SystemFs};
use gauntlet_storage::{AppendOptions, Appendable, SelectRequest, TimeRange};
use gauntlet_tsdb::{Head, Options};

const TARGET_SERIES: usize = 500;
const STEP_MS: i64 = 15_000;
const START_MS: i64 = 1_700_000_000_000 / 7_200_000 * 7_200_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |default| args.next().and_then(|a| a.parse().ok()).unwrap_or(default);
    let (series, steps): (usize, usize) = (number(100_000), number(240));
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from).join("head_bytes");
    for logged in [false, true] {
        let _ = std::fs::remove_dir_all(&dir);
        run(&dir, series, steps, logged);
    }
    let clock = SystemClock;
    let started = clock.monotonic();
    let before = resident_bytes();
    match Head::open(&dir, &Options::default(), &SystemFs::shared(), i64::MIN) {
        Ok((head, stats)) => {
            let took = clock.monotonic() - started;
            let resident = resident_bytes().saturating_sub(before);
            println!(
                "replay: {took:?}, {:.0} ns a sample, {} samples, {} series, {} bytes a series",
                took.as_nanos() as f64 / stats.samples.max(1) as f64,
                stats.samples,
                stats.series,
                resident / series as u64
            );
            drop(head);
        }
        Err(err) => println!("replay failed: {err}"),
    }
    let _ = std::fs::remove_dir_all(&dir);
}

fn run(dir: &Path, series: usize, steps: usize, logged: bool) {
    let fs = SystemFs::shared();
    let before = resident_bytes();
    let options = Options::default();
    let opened = if logged {
        Head::open(dir, &options, &fs, i64::MIN).map(|(head, _)| head)
    } else {
        Head::open_unlogged(dir, &options, &fs)
    };
    let head = match opened {
        Ok(head) => head,
        Err(err) => {
            println!("{err}");
            return;
        }
    };
    let mut refs = vec![SeriesRef(0); series];
    let mut values: Vec<f64> = (0..series).map(|n| (n * 37 % 1000) as f64).collect();
    let refs_bytes = (series * 16) as u64;
    let mut random = 88_172_645_463_325_252u64;
    let (mut birth, mut append) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
    let empty = Labels::empty();
    for step in 0..steps {
        for target in 0..series.div_ceil(TARGET_SERIES) {
            let range = target * TARGET_SERIES..((target + 1) * TARGET_SERIES).min(series);
            // Scrapes of a target have a phase of their own and some jitter.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let jitter = if random.is_multiple_of(4) { (random >> 32) as i64 % 3 } else { 0 };
            let t = START_MS + step as i64 * STEP_MS + target as i64 * 7919 % STEP_MS + jitter;
            for n in range.clone() {
                next_value(n, step, &mut values[n], &mut random);
            }
            let started = cpu_time();
            let mut app = head.appender(AppendOptions::default());
            for n in range {
                let labels = if step == 0 { labels(n) } else { empty.clone() };
                match app.append(refs[n], &labels, t, values[n]) {
                    Ok(series) => refs[n] = series,
                    Err(err) => println!("append: {err}"),
                }
            }
            if let Err(err) = app.commit() {
                println!("commit: {err}");
            }
            *(if step == 0 { &mut birth } else { &mut append }) += cpu_time() - started;
        }
        if step % 60 == 59 {
            print!("{:.0} ", head.memory().total_bytes() as f64 / series as f64);
        }
    }
    println!("bytes a series by own accounts, every 60 steps");
    let resident = resident_bytes().saturating_sub(before + refs_bytes);
    let memory = head.memory();
    let each = |bytes: u64| bytes as f64 / series as f64;
    println!(
        "{} log: {series} series, {steps} steps: {:.0} bytes a series resident, {:.0} by own accounts; birth {:.0} ns a series, append {:.1} ns a sample",
        if logged { "with" } else { "without" },
        each(resident),
        each(memory.total_bytes()),
        birth.as_nanos() as f64 / series as f64,
        append.as_nanos() as f64 / (series * (steps - 1).max(1)) as f64,
    );
    for (name, bytes) in memory.parts() {
        println!("  {name:<14} {:7.1}", each(bytes));
    }
    println!("  cells in use   {:7.1}", each(memory.cells_used_bytes));
    read_and_write(&head, dir, series);
    if let Err(err) = head.sync() {
        println!("sync: {err}");
    }
}

/// A selection of all series, one of a fiftieth, and the head as a block.
fn read_and_write(head: &Head, dir: &Path, series: usize) {
    let matchers = [
        ("all", Matcher::equal("cluster", "production-eu-west-1")),
        ("a metric", Matcher::equal("__name__", "service_component_metric_7_total")),
    ];
    for (name, matcher) in matchers {
        let request = SelectRequest::new(vec![matcher], TimeRange::all());
        let started = cpu_time();
        match head.select_now(&request) {
            Ok(set) => {
                let each = (cpu_time() - started).as_nanos() as f64 / set.len().max(1) as f64;
                println!("select {name}: {} series, {each:.0} ns a series", set.len());
            }
            Err(err) => println!("select: {err}"),
        }
    }
    let started = cpu_time();
    match head.write_block(
        dir,
        gauntlet_block::Ulid::from_parts(1, 1),
        START_MS,
        head.max_time() + 1,
    ) {
        Ok(Some(meta)) => {
            let took = cpu_time() - started;
            let samples = meta.stats.num_samples.max(1) as f64;
            println!(
                "block of {series} series: {took:?}, {:.1} ns a sample",
                took.as_nanos() as f64 / samples
            );
        }
        Ok(None) => println!("no block"),
        Err(err) => println!("block: {err}"),
    }
}

fn labels(n: usize) -> Labels {
    let target = n / TARGET_SERIES;
    let within = n % TARGET_SERIES;
    let pod = target * 10 + within / 50;
    let method = ["GET", "PUT", "POST", "DELETE"][within % 4];
    Labels::from_sorted([
        ("__name__", format!("service_component_metric_{}_total", within % 50).as_str()),
        ("cluster", "production-eu-west-1"),
        ("container", format!("app-{}", within % 3).as_str()),
        ("instance", format!("10.{}.{}.7:9090", target / 250, target % 250).as_str()),
        ("job", format!("kubernetes-pods/team-{}", target % 20).as_str()),
        ("method", method),
        ("namespace", format!("namespace-{}", target % 40).as_str()),
        ("node", format!("ip-10-0-{}-{}.compute.internal", target / 50, target % 50).as_str()),
        ("pod", format!("deployment-7d9c6b{:04x}-x{:04x}", pod / 10, pod).as_str()),
        ("region", "eu-west-1"),
    ])
}

/// A third counters, a sixth busy gauges, the rest gauges that move now and then.
fn next_value(n: usize, step: usize, value: &mut f64, random: &mut u64) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    match n % 6 {
        0 | 1 => *value += (*random % 100) as f64,
        2 => *value = (*random % 100_000) as f64 / 100.0,
        _ if step % 20 == n % 20 => *value += 1.0,
        _ => {}
    }
}

/// CPU time of this thread: what other processes do does not count.
fn cpu_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Memory of the process in RAM that is not file cache.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

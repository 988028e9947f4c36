//! Measures the merging of blocks: CPU a sample, and the most memory above what was resident before.
//!
//! `compact_blocks [series] [steps] [dir] [rounds]`: three blocks of two hours, series of ten labels, samples spread over each.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_block::compact::{CompactOptions, compact_blocks};
use gauntlet_block::{BlockReader, PageCache, Ulid};
use gauntlet_model::{Labels, SeriesRef};
use gauntlet_runtime::{Fs, SystemFs};
use gauntlet_storage::{AppendOptions, Appendable};
use gauntlet_tsdb::{Head, Options};

type Failure = Box<dyn std::error::Error>;

const BLOCKS: usize = 3;
const BLOCK_MS: i64 = 2 * 60 * 60 * 1000;
const START_MS: i64 = 1_700_000_000_000 / (BLOCK_MS * 3) * (BLOCK_MS * 3);

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let mut number = |default| args.next().and_then(|a| a.parse().ok()).unwrap_or(default);
    let (series, steps): (usize, usize) = (number(100_000), number(120));
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from).join("compact_blocks");
    let rounds: usize = args.next().and_then(|a| a.parse().ok()).unwrap_or(5);
    let _ = std::fs::remove_dir_all(&dir);
    let fs = SystemFs::shared();
    let ulids = write(&fs, &dir, series, steps)?;
    for round in 0..rounds {
        let cache = PageCache::new(gauntlet_block::source::DEFAULT_CACHE_BYTES);
        let open = |ulid: &Ulid| BlockReader::open(&fs, &dir.join(ulid.to_string()), &cache);
        let blocks: Vec<Arc<BlockReader>> = ulids.iter().map(open).collect::<Result<_, _>>()?;
        let before = resident("VmRSS:");
        std::fs::write("/proc/self/clear_refs", "5")?;
        let started = cpu_time();
        let out = dir.join("out");
        let options = CompactOptions::default();
        let made = compact_blocks(&fs, &out, &blocks, Ulid::from_parts(9, 9), &options)?;
        let took = cpu_time() - started;
        let samples = made.map_or(1, |meta| meta.stats.num_samples.max(1));
        println!(
            "round {round}: {samples} samples, {:.2} ns a sample, {:.0} ns a series; peak {:.1} MB above {:.1}",
            took.as_nanos() as f64 / samples as f64,
            took.as_nanos() as f64 / series as f64,
            resident("VmHWM:").saturating_sub(before) as f64 / 1e6,
            before as f64 / 1e6
        );
        let started = cpu_time();
        blocks.iter().try_for_each(|block| block.verify_meta())?;
        let took = cpu_time() - started;
        println!(
            "  verified: {:.0} ns a series",
            took.as_nanos() as f64 / (BLOCKS * series) as f64
        );
        std::fs::remove_dir_all(&out)?;
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn write(fs: &Arc<dyn Fs>, dir: &Path, series: usize, steps: usize) -> Result<Vec<Ulid>, Failure> {
    let mut ulids = Vec::new();
    let mut random = 88_172_645_463_325_252u64;
    let mut values = vec![0.0f64; series];
    for block in 0..BLOCKS {
        let head = Head::open_unlogged(&dir.join("head"), &Options::default(), fs)?;
        let mut refs = vec![SeriesRef(0); series];
        let start = START_MS + block as i64 * BLOCK_MS;
        for step in 0..steps {
            let t = start + BLOCK_MS / steps as i64 * step as i64;
            for batch in 0..series.div_ceil(1000) {
                let mut app = head.appender(AppendOptions::default());
                for n in batch * 1000..((batch + 1) * 1000).min(series) {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    match n % 4 {
                        0 => values[n] += (random % 8) as f64,
                        1 => values[n] += (random % 201) as f64 - 100.0,
                        2 => values[n] = (random >> 11) as f64 / (1u64 << 53) as f64,
                        _ => {}
                    }
                    let labels = if step == 0 { labels(n) } else { Labels::empty() };
                    refs[n] = app.append(refs[n], &labels, t, values[n])?;
                }
                app.commit()?;
            }
        }
        let ulid = Ulid::from_parts(1 + block as u64, 1);
        head.write_block(dir, ulid, start, start + BLOCK_MS)?;
        ulids.push(ulid);
    }
    Ok(ulids)
}

fn labels(n: usize) -> Labels {
    let target = n / 500;
    let pod = n / 50;
    Labels::from_pairs([
        ("__name__", format!("service_component_metric_{}_total", n % 50)),
        ("cluster", "production-eu-west-1".to_owned()),
        ("container", format!("app-{}", n % 3)),
        ("instance", format!("10.{}.{}.7:9090", target / 250, target % 250)),
        ("job", format!("kubernetes-pods/team-{}", target % 20)),
        ("method", ["GET", "PUT", "POST", "DELETE"][n % 4].to_owned()),
        ("namespace", format!("namespace-{}", target % 40)),
        ("node", format!("ip-10-0-{}-{}.compute.internal", target / 50, target % 50)),
        ("pod", format!("deployment-7d9c6b{:04x}-x{:04x}", pod / 10, pod)),
        ("region", "eu-west-1".to_owned()),
    ])
}

fn cpu_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

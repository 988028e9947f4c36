//! Suite `compact`: four blocks of two hours, of which a server makes one of the first three: CPU and memory of that, and the
//! block that comes out.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gauntlet_model::{Labels, SeriesRef};
use gauntlet_runtime::{Clock as _, SystemClock, SystemFs};
use gauntlet_storage::{AppendOptions, Appendable as _};
use gauntlet_tsdb::tools::new_ulid;
use gauntlet_tsdb::{Head, Options};

use super::report::{Report, Side, Verdict};
use super::wal::start;
use super::{Bench, load};

const LIMIT: Duration = Duration::from_secs(300);
const BLOCK_MS: i64 = 2 * 60 * 60 * 1000;
/// Blocks that become one, and one more, which is never taken.
const MERGED: usize = 3;
const STEP_MS: i64 = 60_000;

pub(super) fn run(bench: &Bench) -> Result<()> {
    let dir = bench.root.join("target/versus/compact");
    let data = dir.join("data");
    let steps = (BLOCK_MS / STEP_MS) as usize;
    println!("writing {} blocks of {} series x {steps} steps", MERGED + 1, bench.series);
    write(&data, bench.series, steps)?;
    let samples = (MERGED * bench.series * steps) as f64;
    let config = dir.join("empty.yml");
    std::fs::write(&config, "global: {scrape_interval: 15s}\n")?;
    let mut report = Report::new("compact");
    let mut made: Vec<(Side, u64, u64)> = Vec::new();
    for _ in 0..bench.rounds {
        for (side, program) in &bench.sides("prometheus")? {
            let copy = dir.join("copy");
            let _ = std::fs::remove_dir_all(&copy);
            load::copy(&data, &copy)?;
            let more =
                ["--storage.tsdb.block-reload-interval=1s", "--storage.tsdb.retention.time=60d"];
            let mut server = start(program, &config, &copy, &more.map(str::to_owned))?;
            server.wait_ready(LIMIT)?;
            let (cpu, base) = (server.cpu_seconds()?, server.resident_bytes()?);
            server.reset_peak()?;
            let started = Instant::now();
            let block = loop {
                if let Some(block) = merged(&copy)? {
                    break block;
                }
                if started.elapsed() > LIMIT {
                    bail!("no compaction within {LIMIT:?}");
                }
                sleep(Duration::from_millis(20));
            };
            report.add(
                *side,
                "compaction, cpu",
                "s/million",
                (server.cpu_seconds()? - cpu) / samples * 1e6,
            );
            report.add(
                *side,
                "compaction, wall with the wait for it",
                "s",
                started.elapsed().as_secs_f64(),
            );
            let peak = server.peak_bytes()?.saturating_sub(base);
            report.add(
                *side,
                "compaction, peak above before",
                "B/million",
                peak as f64 / samples * 1e6,
            );
            report.add(*side, "block made", "B/sample", block.size as f64 / samples);
            made.push((*side, block.samples, block.size));
            drop(server);
            let _ = std::fs::remove_dir_all(&copy);
        }
    }
    let of = |wanted: Side| made.iter().find(|(side, ..)| *side == wanted).map(|(_, n, _)| *n);
    if let (Some(ours), Some(theirs)) = (of(Side::Ours), of(Side::Theirs)) {
        let verdict = match ours == theirs && ours as f64 == samples {
            true => Verdict::Equal,
            false => Verdict::Differs(format!("{ours} and {theirs} of {samples}")),
        };
        report.compare("samples of the block", verdict);
    }
    let _ = std::fs::remove_dir_all(&data);
    report.finish(&bench.root)
}

struct Made {
    samples: u64,
    size: u64,
}

/// The block that was made of others, once it is whole.
fn merged(dir: &Path) -> Result<Option<Made>> {
    for entry in std::fs::read_dir(dir)? {
        let folder = entry?.path();
        let Ok(text) = std::fs::read(folder.join("meta.json")) else { continue };
        let Ok(meta) = serde_json::from_slice::<serde_json::Value>(&text) else { continue };
        let unfinished = folder.to_string_lossy().contains(".tmp");
        if meta["compaction"]["level"] == 2 && !unfinished {
            let samples = meta["stats"]["numSamples"].as_u64().context("no number of samples")?;
            return Ok(Some(Made { samples, size: load::size_bytes(&folder)? }));
        }
    }
    Ok(None)
}

fn write(dir: &Path, series: usize, steps: usize) -> Result<()> {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir)?;
    // The first three lie in one range of six hours, so that compaction takes them.
    let range = MERGED as i64 * BLOCK_MS;
    let first = (SystemClock.now_ms() / range - 2) * range;
    let mut values = vec![0.0f64; series];
    let mut random = 88_172_645_463_325_252u64;
    for block in 0..=MERGED {
        let start = first + block as i64 * BLOCK_MS;
        let scratch = dir.join("scratch");
        let head = Head::open_unlogged(&scratch, &Options::default(), &SystemFs::shared())?;
        let mut refs = vec![SeriesRef(0); series];
        for step in 0..steps {
            for batch in 0..series.div_ceil(1000) {
                let mut app = head.appender(AppendOptions::default());
                for n in batch * 1000..((batch + 1) * 1000).min(series) {
                    load::next(n, step, &mut values[n], &mut random);
                    let labels = if step == 0 { load::labels(n, series) } else { Labels::empty() };
                    let t = start + step as i64 * STEP_MS;
                    refs[n] = app.append(refs[n], &labels, t, values[n])?;
                }
                app.commit()?;
            }
        }
        head.write_block(dir, new_ulid(&SystemClock), start, start + BLOCK_MS)?;
        drop(head);
        std::fs::remove_dir_all(&scratch)?;
    }
    Ok(())
}

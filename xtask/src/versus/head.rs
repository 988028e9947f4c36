//! Suite `head`: a server killed after an hour of ingest comes back: seconds to ready, CPU, and memory a series; and what the
//! log costs on disk. Both replay the same log.

use std::time::Duration;

use anyhow::Result;

use super::process::Server;
use super::report::Report;
use super::{Bench, load};

const READY_LIMIT: Duration = Duration::from_secs(180);

pub(super) fn run(bench: &Bench) -> Result<()> {
    let dir = bench.root.join("target/versus/head");
    println!("writing {} series x {} steps", bench.series, bench.steps);
    let load = load::write(&dir.join("data"), bench.series, bench.steps)?;
    let samples = (bench.series * bench.steps) as f64;
    println!(
        "on disk: log {:.2} bytes a sample, all {:.2}",
        load::size_bytes(&load.dir.join("wal"))? as f64 / samples,
        load::size_bytes(&load.dir)? as f64 / samples
    );
    let config = dir.join("empty.yml");
    std::fs::write(&config, "global: {scrape_interval: 15s}\n")?;
    let mut report = Report::new("head");
    let sides = bench.sides("prometheus")?;
    for _ in 0..bench.rounds {
        for (side, program) in &sides {
            let empty = dir.join("empty");
            let copy = dir.join("copy");
            for folder in [&empty, &copy] {
                let _ = std::fs::remove_dir_all(folder);
            }
            load::copy(&load.dir, &copy)?;
            let start = |path: &std::path::Path| {
                Server::start(program, |port| {
                    vec![
                        format!("--config.file={}", config.display()),
                        format!("--storage.tsdb.path={}", path.display()),
                        format!("--web.listen-address=127.0.0.1:{port}"),
                    ]
                })
            };
            let mut idle = start(&empty)?;
            idle.wait_ready(READY_LIMIT)?;
            let base = idle.resident_bytes()?;
            drop(idle);
            let mut server = start(&copy)?;
            report.add(*side, "start after kill, to ready", "s", server.wait_ready(READY_LIMIT)?);
            report.add(*side, "start after kill, cpu", "s", server.cpu_seconds()?);
            let each = |bytes: u64| bytes.saturating_sub(base) as f64 / bench.series as f64;
            report.add(
                *side,
                "resident above an empty server",
                "B/series",
                each(server.resident_bytes()?),
            );
            report.add(
                *side,
                "peak during replay above an empty server",
                "B/series",
                each(server.peak_bytes()?),
            );
            report.add(*side, "resident, empty server", "MB", base as f64 / 1e6);
        }
    }
    report.finish(&bench.root)
}

//! Suite `head`: an hour of simulated time by remote write into a server: CPU a sample, memory a series. Then the server is killed and
//! started again: seconds until it serves and until all of the log is there, and the most memory on the way over that before the kill.
//! Each side replays what it wrote itself. `--series 1000000` is the large one; it takes the peer a quarter of an hour and more.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use gauntlet_runtime::{Clock as _, SystemClock};

use super::ingest::Ingest;
use super::load::{STEP_MS, size_bytes};
use super::report::{Report, Side};
use super::{Bench, wal};

const LIMIT: Duration = Duration::from_secs(1800);
/// After the last sample, before memory is looked at.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) fn run(bench: &Bench) -> Result<()> {
    let dir = bench.root.join("target/versus/head");
    std::fs::create_dir_all(&dir)?;
    let config = dir.join("empty.yml");
    std::fs::write(&config, "global: {scrape_interval: 15s}\n")?;
    let mut report = Report::new("head");
    for _ in 0..bench.rounds {
        for (side, program) in &bench.sides("prometheus")? {
            measure(bench, &mut report, *side, program, &config, &dir)?;
        }
    }
    report.finish(&bench.root)
}

fn measure(
    bench: &Bench,
    report: &mut Report,
    side: Side,
    program: &Path,
    config: &Path,
    dir: &Path,
) -> Result<()> {
    let data = dir.join("data");
    let start = |data: &Path| {
        let _ = std::fs::create_dir_all(data);
        wal::start(program, config, data, &["--web.enable-remote-write-receiver".to_owned()])
    };
    let _ = std::fs::remove_dir_all(&data);
    let mut server = start(&data)?;
    server.wait_ready(LIMIT)?;
    let (base, mut cpu) = (server.resident_bytes()?, server.cpu_seconds()?);
    let mut ingest = Ingest::new(bench.series);
    let now = SystemClock.now_ms() / STEP_MS * STEP_MS;
    for step in 0..bench.steps {
        ingest.step(server.port, now - (bench.steps - 1 - step) as i64 * STEP_MS)?;
        if step == 0 {
            let births = server.cpu_seconds()?;
            report.add(side, "a new series, cpu", "us", (births - cpu) / bench.series as f64 * 1e6);
            cpu = births;
        }
    }
    let samples = (bench.series * (bench.steps - 1).max(1)) as f64;
    report.add(
        side,
        "remote write to log, cpu",
        "s/million",
        (server.cpu_seconds()? - cpu) / samples * 1e6,
    );
    sleep(SETTLE);
    let each = |bytes: u64| bytes as f64 / bench.series as f64;
    let steady = server.resident_bytes()?;
    report.add(
        side,
        "resident above an empty server",
        "B/series",
        each(steady.saturating_sub(base)),
    );
    report.add(side, "most resident", "B/series", each(server.peak_bytes()?));
    report.add(side, "resident, empty server", "MB", base as f64 / 1e6);
    drop(server);
    report.add(side, "log", "B/sample", size_bytes(&data.join("wal"))? as f64 / samples);
    let mut server = start(&data)?;
    report.add(side, "start after kill, to ready", "s", server.wait_ready(LIMIT)?);
    report.add(
        side,
        "start after kill, to all replayed",
        "s",
        wal::replayed(&mut server, side, LIMIT)?,
    );
    report.add(side, "start after kill, cpu", "s", server.cpu_seconds()?);
    let peak = server.peak_bytes()?;
    report.add(side, "peak of the replay over steady state", "ratio", peak as f64 / steady as f64);
    sleep(SETTLE);
    let after = server.resident_bytes()?.saturating_sub(base);
    report.add(side, "resident after the replay, above an empty server", "B/series", each(after));
    drop(server);
    let _ = std::fs::remove_dir_all(&data);
    Ok(())
}

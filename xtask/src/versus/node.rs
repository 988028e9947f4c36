//! Suite `node`: what a scrape of this host costs.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::process::{Server, get_ok};
use super::report::Report;

/// Scrapes a round.
const SCRAPES: u32 = 200;

pub(super) fn run(bench: &Bench) -> Result<()> {
    let mut report = Report::new("node");
    let sides = bench.sides("node_exporter")?;
    for _ in 0..bench.rounds {
        for (side, program) in &sides {
            let mut server = Server::start(program, |port| {
                vec![format!("--web.listen-address=127.0.0.1:{port}")]
            })?;
            server.wait_answer("/", Duration::from_secs(20))?;
            let document = get_ok(server.port, "/metrics")?;
            let series = document.split(|b| *b == b'\n').filter(|l| !l.is_empty() && l[0] != b'#');
            report.add(*side, "series", "", series.count() as f64);
            let cpu = server.cpu_seconds()?;
            for _ in 0..SCRAPES {
                get_ok(server.port, "/metrics")?;
            }
            let each = (server.cpu_seconds()? - cpu) / f64::from(SCRAPES) * 1000.0;
            report.add(*side, "cpu for 1,000 scrapes", "s", each);
            report.add(*side, "resident", "MB", server.resident_bytes()? as f64 / 1e6);
        }
    }
    report.finish(&bench.root)
}

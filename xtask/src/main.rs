//! Automation of this workspace: `cargo xtask tidy | conformance [SUITE] | versus SUITE`.
#![expect(clippy::print_stdout, reason = "a command-line tool prints")]

mod conformance;
mod tidy;
mod versus;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask COMMAND

commands:
  tidy                  check layers, module docs, file lengths, banned crates, unsafe code, doc links
  conformance [SUITE]   run the peers' test data: promql, textparse, prometheus-config, node_exporter
  versus SUITE          measure ours, and the peers' where PEERS_DIR names their binaries: alerts, head, node, query, wal, compact, write, scrape
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("xtask: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["conformance"] => conformance::run(&tidy::workspace_root(), None),
        ["conformance", suite] => conformance::run(&tidy::workspace_root(), Some(suite)),
        ["versus", suite, words @ ..] => versus::run(&tidy::workspace_root(), suite, words),
        [] | ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("no such command: {}\n\n{USAGE}", other.join(" ")),
    }
}

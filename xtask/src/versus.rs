//! Measures ours and, where `PEERS_DIR` names a folder with the peers' binaries, theirs, in turn, in one run.
//!
//! Both sides open a copy of the same data folder, written here in the upstream format; whatever is compared is asked of both.

mod alerts;
mod compact;
mod exporter;
mod head;
mod ingest;
mod load;
mod node;
mod process;
mod query;
mod report;
mod scrape;
mod wal;
mod write;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use report::Side;

/// What the suites share: where the binaries are, and how much to do.
pub(crate) struct Bench {
    root: PathBuf,
    ours: PathBuf,
    peers: Option<PathBuf>,
    series: usize,
    steps: usize,
    rounds: usize,
}

impl Bench {
    /// The binaries to measure, ours first, under the name that makes ours take the peer's command line.
    fn sides(&self, name: &str) -> Result<Vec<(Side, PathBuf)>> {
        let link = self.root.join("target/versus").join(name);
        std::fs::create_dir_all(link.parent().unwrap_or(&self.root))?;
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&self.ours, &link)?;
        let mut sides = vec![(Side::Ours, link)];
        match self.peers.as_ref().map(|dir| dir.join(name)) {
            Some(theirs) if theirs.is_file() => sides.push((Side::Theirs, theirs)),
            Some(theirs) => println!("{} is not there: measuring ours alone", theirs.display()),
            None => println!("PEERS_DIR is not set: measuring ours alone"),
        }
        Ok(sides)
    }
}

/// Runs a suite. Further words: `--series N`, `--steps N`, `--rounds N`.
pub(crate) fn run(root: &Path, suite: &str, words: &[&str]) -> Result<()> {
    let ours = match std::env::var_os("GAUNTLET_BIN") {
        Some(path) => PathBuf::from(path),
        None => root.join("target/release/gauntlet"),
    };
    if !ours.is_file() {
        bail!("{} is not there: cargo build --release -p gauntlet", ours.display());
    }
    const KNOWN: [&str; 3] = ["--series", "--steps", "--rounds"];
    if let Some(odd) = words.iter().step_by(2).find(|word| !KNOWN.contains(word)) {
        bail!("unknown word {odd}; there are: {}", KNOWN.join(", "));
    }
    let number = |name: &str, default: usize| -> Result<usize> {
        match words.iter().position(|w| *w == name) {
            None => Ok(default),
            Some(at) => words
                .get(at + 1)
                .and_then(|text| text.parse().ok())
                .with_context(|| format!("{name} takes a number")),
        }
    };
    let bench = Bench {
        root: root.to_owned(),
        ours: ours.canonicalize()?,
        peers: std::env::var_os("PEERS_DIR").map(PathBuf::from),
        series: number("--series", 100_000)?,
        steps: number("--steps", 241)?,
        rounds: number("--rounds", 5)?,
    };
    match suite {
        "alerts" => alerts::run(&bench),
        "head" => head::run(&bench),
        "query" => query::run(&bench),
        "node" => node::run(&bench),
        "wal" => wal::run(&bench),
        "compact" => compact::run(&bench),
        "scrape" => scrape::run(&bench),
        "write" => write::run(&bench),
        other => bail!(
            "no such suite: {other}; there are: alerts, head, node, query, wal, compact, write, scrape"
        ),
    }
}

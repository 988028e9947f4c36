//! A run over all scripts of a folder, weighed against the list of known gaps.

use std::fmt;
use std::path::Path;

use super::runner::run_script;
use super::{EngineUnderTest, GAPS, TestEngine};

/// An `eval` that did not answer as expected.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The script's file name.
    pub script: String,
    /// Of the command, from 1.
    pub line: usize,
    pub query: String,
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}\n    {}", self.script, self.line, self.query, self.message)
    }
}

/// An `eval` known to fail. `line` 0 stands for every line of the script with that query.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub script: &'static str,
    pub line: usize,
    pub query: &'static str,
    pub reason: &'static str,
}

impl Gap {
    fn covers(&self, failure: &Failure) -> bool {
        self.script == failure.script
            && (self.line == 0 || self.line == failure.line)
            && self.query == failure.query
    }
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub suite: String,
    pub passed: usize,
    pub total: usize,
    /// Failures that the list of gaps knows, with its reasons.
    pub gaps: Vec<(Failure, &'static str)>,
    /// Failures that it does not know, and entries of it that no longer fail.
    pub failures: Vec<Failure>,
}

impl Report {
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "FAILED {failure}")?;
        }
        for (gap, reason) in &self.gaps {
            writeln!(f, "known gap: {}:{} {} ({reason})", gap.script, gap.line, gap.query)?;
        }
        write!(
            f,
            "{}: {} of {} evals passed, {} known gaps, {} failures",
            self.suite,
            self.passed,
            self.total,
            self.gaps.len(),
            self.failures.len()
        )
    }
}

/// Runs our engine over every `*.test` in `dir`, with the list of its known gaps.
pub fn run_engine(dir: &Path) -> std::io::Result<Report> {
    run_all(dir, &EngineUnderTest::new(1), GAPS)
}

/// Runs every `*.test` in `dir`, in order of name.
pub fn run_all(dir: &Path, engine: &dyn TestEngine, gaps: &[Gap]) -> std::io::Result<Report> {
    let mut paths: Vec<_> =
        std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "test"));
    paths.sort();
    let mut report = Report { suite: "promql".to_owned(), ..Report::default() };
    let mut used = vec![false; gaps.len()];
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (total, failures) = run_script(&name, &std::fs::read_to_string(&path)?, engine);
        report.total += total;
        report.passed += total.saturating_sub(failures.len());
        for failure in failures {
            match gaps.iter().position(|gap| gap.covers(&failure)) {
                Some(i) => {
                    used[i] = true;
                    report.gaps.push((failure, gaps[i].reason));
                }
                None => report.failures.push(failure),
            }
        }
    }
    for (gap, _) in gaps.iter().zip(used).filter(|(_, used)| !used) {
        report.failures.push(Failure {
            script: gap.script.to_owned(),
            line: gap.line,
            query: gap.query.to_owned(),
            message: format!("passes now: take it off the list of gaps ({})", gap.reason),
        });
    }
    Ok(report)
}

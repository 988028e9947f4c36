//! The peers' own test data, run against ours: one line a suite, then the sum.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use gauntlet_config::{Config, LoadOptions, NoEnv};
use gauntlet_node::{Filter, NodeConfig, NodeExporter};
use gauntlet_testkit::conformance::{node_exporter, prometheus_config};
use gauntlet_testkit::promqltest;

/// What a suite came to.
struct Outcome {
    passed: usize,
    total: usize,
    /// Failures that no list of known gaps has, and entries of those lists that pass by now.
    problems: Vec<String>,
}

type Suite = (&'static str, fn(&Path, &Path) -> Result<Outcome>);

const SUITES: &[Suite] = &[
    ("promql", promql),
    ("textparse", textparse),
    ("prometheus-config", config),
    ("node_exporter", node),
];

/// Runs one suite, or all of them where none is named.
pub(crate) fn run(root: &Path, wanted: Option<&str>) -> Result<()> {
    let suites: Vec<&Suite> =
        SUITES.iter().filter(|(name, _)| wanted.is_none_or(|w| w == *name)).collect();
    if suites.is_empty() {
        let names: Vec<_> = SUITES.iter().map(|(name, _)| *name).collect();
        bail!("no such suite; there are: {}", names.join(", "));
    }
    let Some(oracles) = gauntlet_testkit::conformance_dir() else { return Ok(()) };
    let scratch = root.join("target/conformance");
    let (mut passed, mut failed) = (0, 0);
    for (name, suite) in suites {
        let outcome = suite(&oracles, &scratch).with_context(|| format!("suite {name}"))?;
        println!("{name} {}/{}", outcome.passed, outcome.total);
        for problem in &outcome.problems {
            println!("  {problem}");
        }
        passed += outcome.passed;
        failed += outcome.problems.len();
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} failures");
    }
    Ok(())
}

fn promql(oracles: &Path, _: &Path) -> Result<Outcome> {
    let report = promqltest::run_engine(&oracles.join("conformance/promql"))?;
    let problems = report.failures.iter().map(ToString::to_string).collect();
    Ok(Outcome { passed: report.passed, total: report.total, problems })
}

fn textparse(oracles: &Path, _: &Path) -> Result<Outcome> {
    let outcome = gauntlet_expfmt::conformance::run(&oracles.join("conformance/textparse"))?;
    Ok(Outcome { passed: outcome.passed, total: outcome.total, problems: outcome.failures })
}

fn config(oracles: &Path, _: &Path) -> Result<Outcome> {
    let report = prometheus_config::run(oracles, &|path, agent| {
        let options = LoadOptions { agent, ..LoadOptions::default() };
        Config::load_with(path, &NoEnv, &options).map(|_| ()).map_err(|err| err.to_string())
    });
    let mut problems = report.failures;
    problems.extend(report.stale_gaps.iter().map(|gap| format!("passes now: {gap}")));
    Ok(Outcome { passed: report.passed, total: report.total, problems })
}

fn node(oracles: &Path, scratch: &Path) -> Result<Outcome> {
    let report = node_exporter::run(oracles, scratch, &|root, flags| {
        collect(root, flags).unwrap_or_else(|reason| format!("# not collected: {reason}"))
    })?;
    let mut problems = report.failures;
    problems.extend(report.stale_gaps.iter().map(|gap| format!("passes now: {gap}")));
    Ok(Outcome { passed: report.passed, total: report.total, problems })
}

/// The document for a fixture tree.
fn collect(root: &Path, flags: &[(String, String)]) -> Result<String, String> {
    let at = |name: &str| root.join(name).display().to_string();
    let get = |name: &str| match name {
        "path.rootfs" => vec![root.display().to_string()],
        "path.procfs" => vec![at("proc")],
        "path.sysfs" => vec![at("sys")],
        "path.udev.data" => vec![at("udev/data")],
        _ => flags.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect(),
    };
    let config = NodeConfig::from_flags(&get).map_err(|err| err.to_string())?;
    let exporter = NodeExporter::new(config).map_err(|err| err.to_string())?;
    let mut out = Vec::new();
    exporter.collect(&Filter::All, &mut out).map_err(|err| err.to_string())?;
    String::from_utf8(out).map_err(|err| err.to_string())
}

//! conformance/prometheus-config

use gauntlet_config::{Config, LoadOptions, NoEnv};

#[test]
fn files_are_judged_as_the_peer_judges_them() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let report = gauntlet_testkit::conformance::prometheus_config::run(&dir, &|path, agent| {
        let options = LoadOptions { agent, ..LoadOptions::default() };
        Config::load_with(path, &NoEnv, &options).map(|_| ()).map_err(|err| err.to_string())
    });
    println!("prometheus-config: {} of {}", report.passed, report.total);
    assert!(report.stale_gaps.is_empty(), "known gaps that pass now: {:?}", report.stale_gaps);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    assert!(report.total > 200, "only {} files", report.total);
}

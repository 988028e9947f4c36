//! The engine over the conformance scripts, and against the slow evaluator.

use gauntlet_testkit::promqltest::{EngineUnderTest, run_engine};
use gauntlet_testkit::reference::Reference;
use gauntlet_testkit::reference::random::{Sameness, differences};

#[test]
fn every_script_is_answered_as_upstream_answers_it() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let report = run_engine(&dir.join("conformance/promql")).unwrap();
    println!("{report}");
    assert!(report.is_good(), "{} failures", report.failures.len());
}

#[test]
fn random_queries_are_answered_as_the_reference_answers_them() {
    for threads in [1, 3] {
        let engine = EngineUnderTest::without_sample_limit(threads);
        let found = differences(&engine, &Reference, 11, 60, Sameness::Exact);
        assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    }
}

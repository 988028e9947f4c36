//! The slow evaluator of the testkit over the conformance scripts: what it answers, it answers right.

use gauntlet_testkit::promqltest::run_all;
use gauntlet_testkit::reference::{Reference, UNSUPPORTED};

#[test]
fn the_reference_is_right_wherever_it_answers() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let report = run_all(&dir.join("conformance/promql"), &Reference, &[]).unwrap();
    let wrong: Vec<_> =
        report.failures.iter().filter(|f| !f.message.contains(UNSUPPORTED)).collect();
    println!(
        "the reference answers {} of {} evals, {} are beyond it",
        report.passed,
        report.total,
        report.failures.len() - wrong.len()
    );
    for failure in &wrong {
        println!("{failure}");
    }
    assert!(wrong.is_empty(), "{} wrong answers", wrong.len());
}

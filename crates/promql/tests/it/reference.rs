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

#[test]
fn random_queries_are_mostly_answered() {
    use gauntlet_testkit::reference::random::{Random, random_query, random_store};
    let mut random = Random::new(7);
    let store = std::sync::Arc::new(random_store(&mut random).unwrap());
    let (mut answered, mut refused) = (0, Vec::new());
    for _ in 0..100 {
        let query = random_query(&mut random);
        match gauntlet_testkit::promqltest::TestEngine::instant(
            &Reference, &store, &query, 2_000_000,
        ) {
            Ok(_) => answered += 1,
            Err(err) => refused.push(format!("{query}: {err}")),
        }
    }
    assert!(refused.iter().all(|r| !r.contains("parse error")), "{refused:#?}");
    assert!(answered > 60, "only {answered} of 100 queries were answered: {refused:#?}");
}

//! One case a kind: a configuration, what the service answers, the targets that come of it.

use crate::fake::{Fake, Route};
use crate::found::Running;

mod containers;
mod hosters;

/// A kind's case.
pub(crate) struct Case {
    pub(crate) job: &'static str,
    /// Discoveries of the job; `FAKE` and `VIA` are filled in.
    pub(crate) config: &'static str,
    pub(crate) routes: fn() -> Vec<Route>,
    /// Targets that are found.
    pub(crate) count: usize,
    /// Whether the peer can be asked the same.
    pub(crate) peer: bool,
}

/// Every case; those of one family lie together.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    [containers::CASES, hosters::CASES].into_iter().flatten()
}

/// Compares with a file of expected lines; `UPDATE_GOLDEN=1` writes it.
pub(crate) fn check_golden(path: &str, text: &str) {
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(path, text).unwrap();
    }
    let want = std::fs::read_to_string(path).unwrap_or_default();
    for (at, (got, want)) in text.lines().zip(want.lines()).enumerate() {
        assert_eq!(got, want, "{path}:{}", at + 1);
    }
    assert_eq!(text.lines().count(), want.lines().count(), "{path}");
}

#[tokio::test]
async fn every_kind_finds_its_targets() {
    let (mut all, mut wrong) = (String::new(), Vec::new());
    for case in cases() {
        let fake = Fake::start((case.routes)()).await;
        let text = format!("{}: {{{}}}\n", case.job, fake.fill(case.config));
        let mut running = Running::start(&text, &fake.proxy).await;
        let lines =
            running.until_or(case.job, |lines| lines.len() >= case.count, || fake.log()).await;
        if lines.len() != case.count {
            wrong.push((case.job, lines.len()));
        }
        for line in lines {
            all.push_str(&format!("{} {line}\n", case.job));
        }
    }
    check_golden(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata/kinds.txt"), &all);
    assert!(wrong.is_empty(), "other counts than expected: {wrong:?}");
}

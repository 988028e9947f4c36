//! One case a kind: a configuration, what the service answers, the targets that come of it.

use crate::fake::{Fake, Route};
use crate::found::Running;

mod clouds;
mod containers;
mod hosters;
mod others;

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
    [containers::CASES, clouds::CASES, hosters::CASES, others::CASES].into_iter().flatten()
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
        let lines = match running.try_until(case.job, |lines| lines.len() >= case.count).await {
            Ok(lines) => lines,
            Err(err) => {
                wrong.push(format!("{err}\n{}", fake.log()));
                continue;
            }
        };
        if lines.len() != case.count {
            wrong.push(format!("{}: {} targets", case.job, lines.len()));
        }
        for line in lines {
            // Ports differ with each run.
            let line = line.replace(&fake.tls_port, "TLSPORT").replace(&fake.address, "FAKE");
            all.push_str(&format!("{} {line}\n", case.job));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    check_golden(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata/kinds.txt"), &all);
}

/// Cuts of an answer that are tried.
const CUTS: usize = 5;

#[test]
fn answers_cut_short_or_damaged_are_no_reason_to_panic() {
    for case in cases() {
        let routes = (case.routes)();
        gauntlet_discovery::fuzz::check_all(routes[0].body().as_bytes());
        for route in routes {
            let body = route.body().as_bytes();
            for cut in 0..CUTS {
                let at = body.len() * cut / CUTS;
                let first = u8::try_from(at % 31).unwrap();
                let mut damaged = [&[first], body].concat();
                gauntlet_discovery::fuzz::check(&damaged[..=at]);
                damaged[at] ^= 0x55;
                gauntlet_discovery::fuzz::check(&damaged);
            }
        }
    }
}

//! Small scenarios, one idea each.

use super::super::*;
use super::lab::{Lab, SECOND};
use crate::ledger::{Kind, LedgerQuery};
use crate::silence::{Silence, SilenceMatcher};
use crate::time::Time;
use gauntlet_model::MatchOp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const HOUR: i64 = 3_600_000;

const PLAIN: &str = "
route: {receiver: r, group_by: [g], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]
";

fn silence(name: &str, value: &str, starts: Time, ends: Time) -> Silence {
    let matcher = SilenceMatcher { op: MatchOp::Equal, name: name.into(), pattern: value.into() };
    Silence {
        matcher_sets: vec![vec![matcher]],
        starts_at: starts,
        ends_at: ends,
        ..Silence::default()
    }
}

#[test]
fn alerts_of_a_group_are_told_together_after_the_wait() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(500);
    lab.post("g=1 n=b", 500, HOUR);
    lab.post("g=2 n=c", 500, HOUR);
    lab.run_to(3000);
    assert_eq!(
        lab.lines(),
        ["1000 r[0] first notification: +a +b", "1500 r[0] first notification: +c"]
    );
}

#[test]
fn an_old_alert_does_not_wait() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", -5000, HOUR);
    lab.run_to(10);
    assert_eq!(lab.lines(), ["0 r[0] first notification: +a"]);
}

#[test]
fn nothing_is_repeated_before_its_interval() {
    let mut lab = Lab::new(&PLAIN.replace("1h", "5s"));
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(15_000);
    assert_eq!(
        lab.lines(),
        [
            "1000 r[0] first notification: +a",
            "7000 r[0] repeat interval elapsed: +a",
            "13000 r[0] repeat interval elapsed: +a"
        ]
    );
}

#[test]
fn due_work_can_be_done_in_parts() {
    let mut lab = Lab::new(PLAIN);
    for g in 0..5 {
        lab.post(&format!("g={g} n=a"), 0, HOUR);
    }
    lab.now = lab.at(1000);
    let mut rounds = 0;
    while lab.core.poll_some(lab.now, 2).is_some_and(|next| next <= lab.now) {
        rounds += 1;
    }
    lab.act();
    assert_eq!((rounds, lab.lines().len()), (2, 5));
}

#[test]
fn the_log_remembers_for_two_repeat_intervals() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(2000);
    let mesh = lab.core.log.iter().next().expect("entry");
    assert_eq!(mesh.entry.timestamp, lab.at(1000));
    assert_eq!(mesh.expires_at, lab.at(1000 + 2 * HOUR));
}

#[test]
fn new_and_resolved_alerts_are_told_at_the_next_interval() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(2500);
    lab.post("g=1 n=b", 2500, HOUR);
    lab.run_to(3500);
    lab.post("g=1 n=a", 0, 3500);
    lab.run_to(4500);
    lab.post("g=1 n=b", 2500, 4400);
    lab.run_to(6500);
    assert_eq!(
        lab.lines(),
        [
            "1000 r[0] first notification: +a",
            "3000 r[0] new alerts added: +a +b",
            "4000 r[0] some alerts resolved: -a +b",
            "5000 r[0] all alerts resolved: -b"
        ]
    );
    assert_eq!(lab.metric("alertmanager_dispatcher_aggregation_groups", &[]), 0.0);
    // It fires again: a new incident, a new wait.
    lab.post("g=1 n=a", 6500, HOUR);
    lab.run_to(8000);
    assert_eq!(lab.lines(), ["7500 r[0] first notification: +a"]);
}

#[test]
fn an_alert_that_comes_and_goes_within_the_wait_is_not_told() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, 500);
    lab.run_to(5000);
    assert!(lab.lines().is_empty());
    assert_eq!(lab.core.groups.len(), 0);
}

#[test]
fn an_alert_runs_out_when_nobody_reports_it() {
    let mut lab = Lab::new(&format!("global: {{resolve_timeout: 3s}}{PLAIN}"));
    let posted =
        crate::alert::PostedAlert { labels: vec![("n".into(), "a".into())], ..Default::default() };
    lab.core.post(vec![posted.clone()], "x", lab.now);
    lab.run_to(2000);
    lab.core.post(vec![posted], "x", lab.now);
    lab.run_to(8000);
    assert_eq!(
        lab.lines(),
        ["1000 r[0] first notification: +a", "5000 r[0] all alerts resolved: -a"]
    );
}

#[test]
fn who_does_not_want_to_hear_of_the_end_hears_the_next_beginning() {
    let quiet = PLAIN.replace("'http://x/'", "'http://x/', send_resolved: false");
    let mut lab = Lab::new(&quiet);
    lab.post("g=1 n=a", 0, HOUR);
    lab.post("g=1 n=b", 0, HOUR);
    lab.run_to(1500);
    lab.post("g=1 n=a", 0, 1500);
    lab.run_to(3500);
    lab.post("g=1 n=b", 0, 3500);
    lab.run_to(6500);
    lab.post("g=1 n=b", 6500, HOUR);
    lab.run_to(8000);
    assert_eq!(
        lab.lines(),
        ["1000 r[0] first notification: +a +b", "7500 r[0] first notification: +b"]
    );
}

#[test]
fn attempts_go_on_until_one_succeeds_or_time_is_up() {
    let mut lab = Lab::new(&PLAIN.replace("group_interval: 1s", "group_interval: 30s"));
    let tries = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = std::rc::Rc::clone(&tries);
    lab.answer = Box::new(move |_| {
        count.set(count.get() + 1);
        let error =
            NotifyError { message: "no".into(), retry: true, reason: FailureReason::ServerError };
        (10_000_000, if count.get() < 4 { Err(error) } else { Ok(()) })
    });
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(60_000);
    let lines = lab.lines();
    assert!(
        lines.len() == 4 && lines[2].contains("failed") && !lines[3].contains("failed"),
        "{lines:?}"
    );
    assert_eq!(lab.metric("alertmanager_notifications_total", &["webhook"]), 1.0);
    assert_eq!(lab.metric("alertmanager_notification_requests_total", &["webhook"]), 4.0);
    assert_eq!(lab.metric("alertmanager_notification_requests_failed_total", &["webhook"]), 3.0);
    assert_eq!(
        lab.metric("alertmanager_notifications_failed_total", &["webhook", "serverError"]),
        0.0
    );
    // For ever: the flush ends with its time, the next one tries anew.
    let mut lab = Lab::new(PLAIN);
    lab.answer = Box::new(|_| {
        let error =
            NotifyError { message: "no".into(), retry: true, reason: FailureReason::RateLimited };
        (10_000_000, Err(error))
    });
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(10_900);
    assert_eq!(
        lab.metric("alertmanager_notifications_failed_total", &["webhook", "rateLimited"]),
        0.0
    );
    lab.run_to(11_000);
    assert_eq!(
        lab.metric("alertmanager_notifications_failed_total", &["webhook", "rateLimited"]),
        1.0
    );
    assert_eq!(lab.metric("alertmanager_notifications_total", &["webhook"]), 2.0, "the next flush");
    assert!(lab.core.log.is_empty());
}

#[test]
fn a_refusal_for_good_is_not_tried_again_within_the_flush() {
    let mut lab = Lab::new(PLAIN);
    lab.answer = Box::new(|_| {
        let error =
            NotifyError { message: "400".into(), retry: false, reason: FailureReason::ClientError };
        (0, Err(error))
    });
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1900);
    assert_eq!(lab.lines().len(), 1);
    assert_eq!(
        lab.metric("alertmanager_notifications_failed_total", &["webhook", "clientError"]),
        1.0
    );
    let kinds = vec![Kind::Failed];
    let failed = LedgerQuery { kinds, ..LedgerQuery::default() }
        .recent(&lab.core.ledger.recent(), &|_| None);
    assert!(failed[0].in_words().contains("gave up telling r by webhook[0] after 1 try"));
}

#[test]
fn a_resolved_alert_stays_until_its_end_was_told() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1500);
    lab.answer = Box::new(|told| {
        let error = NotifyError { message: "x".into(), retry: false, reason: FailureReason::Other };
        (0, if told.at_ms < 4000 { Err(error) } else { Ok(()) })
    });
    lab.post("g=1 n=a", 0, 1500);
    // Collected from the store meanwhile, the group still holds it.
    lab.core.timers.add(lab.at(2500), super::super::timers::Timer::Collect);
    lab.run_to(6000);
    assert_eq!(
        lab.lines(),
        [
            "1000 r[0] first notification: +a",
            "2000 r[0] failed all alerts resolved: -a",
            "3000 r[0] failed all alerts resolved: -a",
            "4000 r[0] all alerts resolved: -a"
        ]
    );
    assert!(lab.core.store.ids().is_empty(), "forgotten once told");
}

#[test]
fn an_alert_that_fires_again_while_its_end_is_told_stays() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1500);
    lab.answer = Box::new(|_| (600_000_000, Ok(())));
    lab.post("g=1 n=a", 0, 1500);
    lab.run_to(2300);
    lab.post("g=1 n=a", 2200, HOUR);
    lab.run_to(4000);
    assert_eq!(
        lab.lines(),
        [
            "1000 r[0] first notification: +a",
            "2000 r[0] all alerts resolved: -a",
            "3000 r[0] first notification: +a"
        ]
    );
}

#[test]
fn a_slow_receiver_delays_its_group_alone() {
    let mut lab = Lab::new(PLAIN);
    lab.answer = Box::new(|told| {
        let slow = told.notification.alerts[0].labels.value("g") == "1";
        (if slow { 2_500_000_000 } else { 0 }, Ok(()))
    });
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1500);
    lab.post("g=1 n=b", 1500, HOUR);
    lab.post("g=2 n=c", 1500, HOUR);
    lab.run_to(5000);
    assert_eq!(
        lab.lines(),
        [
            "1000 r[0] first notification: +a",
            "2500 r[0] first notification: +c",
            "3500 r[0] new alerts added: +a +b"
        ]
    );
}

#[test]
fn silences_hold_back_and_let_go() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.post("g=1 n=b", 0, HOUR);
    let quiet = silence("n", "b", lab.at(0), lab.at(4500));
    let id = lab.core.set_silence(quiet, lab.now).expect("silence");
    lab.run_to(6000);
    assert_eq!(
        lab.lines(),
        ["1000 r[0] first notification: +a", "5000 r[0] new alerts added: +a +b"]
    );
    assert_eq!(lab.metric("alertmanager_notifications_suppressed_total", &["silence"]), 4.0);
    let causes =
        LedgerQuery { kinds: vec![Kind::Suppressed, Kind::Resumed], ..LedgerQuery::default() };
    let words: Vec<String> =
        causes.recent(&lab.core.ledger.recent(), &|_| None).iter().map(|e| e.in_words()).collect();
    assert_eq!(
        words,
        ["nothing keeps it from r any more".to_owned(), format!("not told to r: silenced by {id}")]
    );
}

#[test]
fn inhibition_holds_back_and_lets_go() {
    let mut lab = Lab::new(&format!(
        "{PLAIN}inhibit_rules: [{{source_matchers: [s=crit], target_matchers: [s=warn], equal: [c]}}]"
    ));
    lab.post("g=1 n=a s=warn c=1", 0, HOUR);
    lab.post("g=1 n=b s=warn c=2", 0, HOUR);
    lab.post("g=2 n=x s=crit c=1", 0, 3500);
    lab.run_to(5000);
    assert_eq!(
        lab.lines(),
        [
            "1000 r[0] first notification: +b",
            "1000 r[0] first notification: +x",
            "4000 r[0] new alerts added: +a +b",
            "4000 r[0] all alerts resolved: -x"
        ]
    );
    assert_eq!(lab.metric("alertmanager_notifications_suppressed_total", &["inhibition"]), 3.0);
}

#[test]
fn intervals_mute_and_open_routes() {
    // The lab begins at 22:13:20 UTC.
    let mut lab = Lab::new(
        "
route:
  receiver: r
  group_wait: 1s
  group_interval: 1m
  routes:
  - {matchers: [m=1], mute_time_intervals: [late]}
  - {matchers: [m=2], active_time_intervals: [late]}
  - {matchers: [m=3], active_time_intervals: [never]}
receivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]
time_intervals:
- {name: late, time_intervals: [{times: [{start_time: '22:00', end_time: '22:15'}]}]}
- {name: never, time_intervals: [{years: ['1999']}]}
",
    );
    for m in ["1", "2", "3"] {
        lab.post(&format!("m={m} n={m}"), 0, HOUR);
    }
    lab.run_to(2000);
    assert_eq!(lab.lines(), ["1000 r[0] first notification: +2"]);
    let groups = lab.core.groups(&|_| true, AlertQuery::ALL, lab.now);
    let muted: Vec<(&str, &[String])> =
        groups.iter().map(|g| (g.key.as_ref(), g.muted_by.as_slice())).collect();
    assert_eq!(
        muted,
        [
            ("{}/{m=\"1\"}:{}", &["late".to_owned()][..]),
            ("{}/{m=\"2\"}:{}", &[]),
            ("{}/{m=\"3\"}:{}", &["never".to_owned()]),
        ]
    );
    lab.run_to(130_000);
    assert_eq!(lab.lines(), ["121000 r[0] first notification: +1"]);
    let count = |reason: &str| lab.metric("alertmanager_notifications_suppressed_total", &[reason]);
    assert_eq!((count("mute_time_interval"), count("active_time_interval")), (2.0, 4.0));
}

#[test]
fn all_integrations_are_told_each_for_itself() {
    let mut lab = Lab::new(
        &PLAIN.replace("[{url: 'http://x/'}]", "[{url: 'http://x/'}, {url: 'http://y/'}]"),
    );
    lab.answer = Box::new(|told| {
        let error = NotifyError { message: "x".into(), retry: false, reason: FailureReason::Other };
        (0, if told.index == 0 && told.at_ms < 1500 { Err(error) } else { Ok(()) })
    });
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(3000);
    assert_eq!(
        lab.lines(),
        [
            "1000 r[0] failed first notification: +a",
            "1000 r[1] first notification: +a",
            "2000 r[0] first notification: +a"
        ]
    );
}

#[test]
fn routes_that_continue_tell_several() {
    let mut lab = Lab::new(
        "
route:
  receiver: r
  group_wait: 1s
  routes: [{matchers: [x=1], receiver: a, continue: true}, {matchers: ['x=~.+'], receiver: b}]
receivers:
- {name: r, webhook_configs: [{url: 'http://x/'}]}
- {name: a, webhook_configs: [{url: 'http://x/'}]}
- {name: b, webhook_configs: [{url: 'http://x/'}]}
",
    );
    lab.post("x=1 n=1", 0, HOUR);
    lab.post("x=2 n=2", 0, HOUR);
    lab.post("y=2 n=3", 0, HOUR);
    lab.run_to(2000);
    let mut lines = lab.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "1000 a[0] first notification: +1",
            "1000 b[0] first notification: +1 +2",
            "1000 r[0] first notification: +3"
        ]
    );
    let alerts = lab
        .core
        .alerts(AlertQuery { labels: &|l| l.value("n") == "1", ..AlertQuery::ALL }, lab.now);
    let names: Vec<&str> = alerts[0].receivers.iter().map(AsRef::as_ref).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_reload_forgets_nothing_and_tells_nothing_twice() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1500);
    lab.apply(PLAIN);
    lab.run_to(1600);
    assert_eq!(lab.lines(), ["1000 r[0] first notification: +a"]);
    // An end that was not told yet is told by the new configuration, though the store has let go of the alert.
    lab.post("g=1 n=a", 0, 1600);
    lab.core.store.collect(lab.at(1700));
    lab.apply(PLAIN);
    lab.run_to(4000);
    assert_eq!(lab.lines(), ["1600 r[0] all alerts resolved: -a"]);
}

#[test]
fn a_reload_waits_for_what_is_being_told() {
    let mut lab = Lab::new(PLAIN);
    lab.answer = Box::new(|_| (3 * SECOND, Ok(())));
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1500);
    lab.apply(PLAIN);
    lab.run_to(9000);
    assert_eq!(lab.lines(), ["1000 r[0] first notification: +a"]);
    assert!(lab.core.busy.is_empty() && lab.core.sends.is_empty());
    // And takes its place if that failed.
    let mut lab = Lab::new(PLAIN);
    lab.answer = Box::new(|told| {
        let error = NotifyError { message: "x".into(), retry: true, reason: FailureReason::Other };
        (3 * SECOND, if told.at_ms < 2000 { Err(error) } else { Ok(()) })
    });
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1500);
    lab.apply(PLAIN);
    lab.run_to(9000);
    assert_eq!(
        lab.lines(),
        ["1000 r[0] failed first notification: +a", "4000 r[0] first notification: +a"]
    );
}

#[test]
fn a_known_alert_reported_again_changes_nothing() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(1500);
    let before = lab.core.ledger.next_number();
    for second in 2..60 {
        lab.run_to(second * 1000 + 1);
        lab.post("g=1 n=a", 0, HOUR + second * 1000);
    }
    assert_eq!(lab.lines(), ["1000 r[0] first notification: +a"]);
    assert_eq!(lab.core.ledger.next_number(), before);
    assert_eq!(lab.core.groups.len(), 1);
}

#[test]
fn groups_are_bounded_if_asked() {
    let options = CoreOptions { max_groups: 1, ..CoreOptions::default() };
    let mut lab = Lab::with(options, PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.post("g=2 n=b", 0, HOUR);
    assert_eq!(
        lab.metric("alertmanager_dispatcher_aggregation_group_limit_reached_total", &[]),
        1.0
    );
    // Room again: the next report finds it.
    lab.run_to(1500);
    lab.post("g=1 n=a", 0, 1500);
    lab.run_to(2500);
    lab.post("g=2 n=b", 0, HOUR);
    lab.run_to(4000);
    assert_eq!(lab.lines()[2..], ["2500 r[0] first notification: +b".to_owned()]);
}

#[test]
fn nothing_is_told_before_the_start() {
    let start_at = Time::from_unix(1_700_000_000, 0).plus_ns(5 * SECOND);
    let mut lab = Lab::with(CoreOptions { start_at, ..CoreOptions::default() }, PLAIN);
    lab.post("g=1 n=a", -10_000, HOUR);
    lab.post("g=2 n=b", 0, HOUR);
    lab.run_to(6000);
    let mut lines = lab.lines();
    lines.sort();
    assert_eq!(lines, ["5000 r[0] first notification: +a", "5000 r[0] first notification: +b"]);
}

#[derive(Debug, Default)]
struct Place {
    position: AtomicUsize,
    ready: AtomicBool,
}

impl Peer for Place {
    fn position(&self) -> usize {
        self.position.load(Ordering::Relaxed)
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

#[test]
fn the_second_peer_waits_and_speaks_if_the_first_does_not() {
    let place = Arc::new(Place::default());
    place.position.store(1, Ordering::Relaxed);
    place.ready.store(true, Ordering::Relaxed);
    let mut lab = Lab::new(PLAIN);
    lab.core.set_peer(Some(place.clone()));
    let mut first = Lab::new(PLAIN);
    for lab in [&mut lab, &mut first] {
        lab.post("g=1 n=a", 0, HOUR);
        lab.run_to(1500);
    }
    assert_eq!(first.lines(), ["1000 r[0] first notification: +a"]);
    // The first one's log arrives within the wait.
    for (channel, message) in &first.broadcasts {
        lab.core.merge(channel, message, lab.now).expect("merge");
    }
    lab.run_to(40_000);
    assert!(lab.lines().is_empty());
    let told = LedgerQuery { kinds: vec![Kind::Told], ..LedgerQuery::default() };
    assert!(
        told.recent(&lab.core.ledger.recent(), &|_| None)[0]
            .in_words()
            .starts_with("a peer has told r")
    );
    // The first one is gone: nobody speaks before this one.
    lab.post("g=2 n=b", 40_000, HOUR);
    lab.run_to(70_000);
    assert_eq!(lab.lines(), ["56000 r[0] first notification: +b"]);
}

#[test]
fn flushes_wait_for_the_cluster_to_settle() {
    let place = Arc::new(Place::default());
    let mut lab = Lab::new(&PLAIN.replace("group_interval: 1s", "group_interval: 20s"));
    lab.core.set_peer(Some(place.clone()));
    lab.post("g=1 n=a", 0, HOUR);
    lab.run_to(5000);
    assert!(lab.lines().is_empty() && lab.core.is_settling());
    place.ready.store(true, Ordering::Relaxed);
    lab.core.cluster_changed(lab.now);
    lab.act();
    assert_eq!(lab.lines(), ["5000 r[0] first notification: +a"]);
    // A cluster that never settles: the flush ends with its time and the next one asks again.
    place.ready.store(false, Ordering::Relaxed);
    lab.post("g=2 n=b", 5000, HOUR);
    lab.run_to(25_900);
    assert!(lab.core.is_settling());
    lab.run_to(26_100);
    place.ready.store(true, Ordering::Relaxed);
    lab.core.cluster_changed(lab.now);
    lab.act();
    assert_eq!(lab.lines(), ["26100 r[0] first notification: +b"]);
}

#[test]
fn a_duplicate_of_a_peer_is_counted_once() {
    let (mut a, mut b) = (Lab::new(PLAIN), Lab::new(PLAIN));
    for (lab, ms) in [(&mut a, 0), (&mut b, 300)] {
        lab.run_to(ms);
        lab.post("g=1 n=a", 0, HOUR);
        lab.run_to(2500);
    }
    for (channel, message) in b.broadcasts.iter().chain(&b.broadcasts) {
        a.core.merge(channel, message, a.now).expect("merge");
    }
    for (channel, message) in &a.broadcasts {
        b.core.merge(channel, message, b.now).expect("merge");
    }
    assert_eq!(a.metric("alertmanager_notifications_duplicate_total", &[]), 1.0);
    assert_eq!(b.metric("alertmanager_notifications_duplicate_total", &[]), 1.0);
    let twice = LedgerQuery { kinds: vec![Kind::Duplicate], ..LedgerQuery::default() };
    let entries = twice.recent(&a.core.ledger.recent(), &|_| None);
    assert_eq!(entries.len(), 1);
    assert!(entries[0].in_words().starts_with("told twice to r by webhook[0]: a peer told"));
    assert_eq!(entries[0].alerts[0].labels.value("n"), "a");
}

#[test]
fn an_end_that_a_peer_told_is_no_reason_to_tell_that_it_fires_again() {
    let (mut a, mut b) = (Lab::new(PLAIN), Lab::new(PLAIN));
    for lab in [&mut a, &mut b] {
        lab.post("g=1 n=a", 0, HOUR);
        lab.run_to(1500);
        lab.broadcasts.clear();
    }
    assert_eq!((a.lines().len(), b.lines().len()), (1, 1));
    // The end reaches one of them alone.
    a.post("g=1 n=a", 0, 1500);
    a.run_to(3500);
    assert_eq!(a.lines(), ["2000 r[0] all alerts resolved: -a"]);
    b.run_to(3500);
    for (channel, message) in &a.broadcasts {
        b.core.merge(channel, message, b.now).expect("merge");
    }
    b.run_to(5500);
    assert_eq!(b.lines(), Vec::<String>::new(), "nothing was reported since");
    // A report that it fires is news, whatever the peer told.
    b.post("g=1 n=a", 0, HOUR);
    b.run_to(7500);
    assert_eq!(b.lines(), ["6000 r[0] first notification: +a"]);
}

#[test]
fn an_attempt_is_not_made_again_for_what_a_peer_told_meanwhile() {
    let (mut a, mut b) = (Lab::new(PLAIN), Lab::new(PLAIN));
    b.answer = Box::new(|_| {
        let message = "down".to_owned();
        (0, Err(NotifyError { message, retry: true, reason: FailureReason::ServerError }))
    });
    for lab in [&mut a, &mut b] {
        lab.post("g=1 n=a", 0, HOUR);
        lab.run_to(1100);
    }
    assert_eq!(b.lines(), ["1000 r[0] failed first notification: +a"]);
    for (channel, message) in &a.broadcasts {
        b.core.merge(channel, message, b.now).expect("merge");
    }
    b.run_to(1900);
    assert_eq!(b.lines(), Vec::<String>::new());
    assert_eq!(
        b.metric("alertmanager_notifications_failed_total", &["webhook", "serverError"]),
        0.0
    );
    let told = LedgerQuery { kinds: vec![Kind::Told], ..LedgerQuery::default() };
    assert_eq!(told.recent(&b.core.ledger.recent(), &|_| None).len(), 1);
}

#[test]
fn states_are_counted_as_the_last_flush_saw_them() {
    let mut lab = Lab::new(PLAIN);
    lab.post("g=1 n=a", 0, HOUR);
    lab.post("g=1 n=b", 0, HOUR);
    let quiet = silence("n", "b", lab.at(0), lab.at(HOUR));
    lab.core.set_silence(quiet, lab.now).expect("silence");
    assert_eq!(lab.core.count_states(lab.now), [0, 0, 2]);
    lab.run_to(1500);
    assert_eq!(lab.core.count_states(lab.now), [1, 1, 0]);
    let by_group = lab.core.count_states_by_group(lab.now);
    assert_eq!((by_group[0].0.as_ref(), by_group[0].1), ("{}:{g=\"1\"}", [1, 1, 0]));
}

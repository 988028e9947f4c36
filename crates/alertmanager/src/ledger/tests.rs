//! Noting, asking, and coming back from disk.

use gauntlet_runtime::fs::SystemFs;
use gauntlet_telemetry::Registry;

use super::*;
use crate::labels::fingerprint;
use crate::matcher::{Matchers, parse_utf8_list};
use crate::metrics::{Features, Metrics};

fn metrics() -> LedgerMetrics {
    Metrics::new(&Registry::new(), Features::default()).ledger
}

fn subject(name: &str) -> Subject {
    let labels = Labels::from_pairs([("alertname", name)]);
    Subject { fingerprint: fingerprint(&labels), labels }
}

fn at(secs: i64) -> Time {
    Time::from_unix(1000 + secs, 500)
}

/// One event of each kind.
fn events() -> Vec<Event> {
    let (group_key, receiver, integration) =
        ("{}:{}".to_owned(), "r".to_owned(), "webhook[0]".to_owned());
    let suppressed = |cause| Event::Suppressed {
        group_key: "{}:{}".to_owned(),
        receiver: "r".to_owned(),
        cause,
    };
    let names = vec!["x".to_owned(), "y".to_owned()];
    vec![
        Event::Received { from: "1.2.3.4".into(), change: "new", starts_at: at(0), ends_at: at(9) },
        Event::Restored { extended: true },
        Event::Limited { limit: 3 },
        Event::Grouped {
            group_key: group_key.clone(),
            receiver: receiver.clone(),
            flush_at: at(1),
        },
        suppressed(Cause::Inhibited { source: subject("S").fingerprint, rule: "#1".into() }),
        suppressed(Cause::Silenced { silences: names.clone() }),
        suppressed(Cause::Muted { intervals: names.clone() }),
        suppressed(Cause::Inactive { intervals: names }),
        Event::Resumed { group_key: group_key.clone(), receiver: receiver.clone() },
        Event::Attempt {
            group_key: group_key.clone(),
            receiver: receiver.clone(),
            integration: integration.clone(),
            tries: 1,
            error: "no\n\"route\"".into(),
        },
        Event::Sent {
            group_key: group_key.clone(),
            receiver: receiver.clone(),
            integration: integration.clone(),
            reason: "first notification",
            tries: 2,
            took_ms: 12,
        },
        Event::Failed {
            group_key: group_key.clone(),
            receiver: receiver.clone(),
            integration: integration.clone(),
            tries: 7,
            error: "x".into(),
        },
        Event::Told {
            group_key: group_key.clone(),
            receiver: receiver.clone(),
            integration: integration.clone(),
            at: at(3),
        },
        Event::Duplicate { group_key, receiver, integration, at: at(4) },
        Event::Forgotten,
    ]
}

#[test]
fn every_event_survives_the_disk_and_has_words() {
    for (number, event) in (0..).zip(events()) {
        let alerts = Arc::from([subject("A")]);
        let entry = LedgerEntry { number, at: at(0), alerts, more: 0, event };
        assert_eq!(LedgerEntry::from_line(entry.line().trim_end().as_bytes()), Some(entry.clone()));
        assert!(!entry.in_words().is_empty());
        assert_eq!(Kind::parse(entry.event.kind().as_str()), Some(entry.event.kind()));
    }
    assert_eq!(LedgerEntry::from_line(b"{}"), None);
}

#[test]
fn answers_are_newest_first_and_keep_to_what_is_asked() {
    let mut ledger = Ledger::new(1 << 20, 1, false, metrics());
    for (secs, event) in (0..).zip(events()) {
        ledger.note(at(secs), subject(if secs % 2 == 0 { "A" } else { "B" }), event);
    }
    let both: Arc<[Subject]> = Arc::from([subject("A"), subject("B")]);
    ledger.note_all(at(50), both, 5, Event::Forgotten);
    let chunks = ledger.recent();
    let ask = |query: LedgerQuery| -> Vec<u64> {
        query.recent(&chunks, &|_| None).iter().map(|entry| entry.number).collect()
    };
    let all = ask(LedgerQuery::default());
    assert!(all.len() == 16 && all.is_sorted_by(|a, b| a > b));
    let matchers = Matchers::new(parse_utf8_list("alertname=B").expect("matchers"));
    assert_eq!(
        ask(LedgerQuery { matchers, ..LedgerQuery::default() }),
        [16, 14, 12, 10, 8, 6, 4, 2]
    );
    let fingerprint = Some(subject("A").fingerprint);
    let kinds = vec![Kind::Forgotten, Kind::Received];
    assert_eq!(ask(LedgerQuery { fingerprint, kinds, ..LedgerQuery::default() }), [16, 15, 1]);
    assert_eq!(
        ask(LedgerQuery { receiver: Some("r".into()), limit: 2, ..LedgerQuery::default() }),
        [14, 13]
    );
    assert_eq!(
        ask(LedgerQuery { from: Some(at(2)), to: Some(at(3)), ..LedgerQuery::default() }),
        [4, 3]
    );
    assert_eq!(ask(LedgerQuery { before: Some(3), ..LedgerQuery::default() }), [2, 1]);
}

#[test]
fn memory_is_bounded_and_the_disk_knows_what_it_forgot() {
    let dir = tempfile::tempdir().expect("dir");
    let open =
        |max: u64| LedgerFiles::open(SystemFs::shared(), dir.path(), max, metrics()).expect("open");
    let (mut files, next) = open(1 << 20);
    assert_eq!(next, 1);
    let mut ledger = Ledger::new(1500, next, true, metrics());
    for secs in 0..30 {
        ledger.note(at(secs), subject("A"), Event::Forgotten);
    }
    files.append(&ledger.take_unwritten()).expect("append");
    ledger.note_all(at(40), Arc::from([subject("A"), subject("B")]), 0, Event::Forgotten);
    files.append(&ledger.take_unwritten()).expect("append");
    let chunks = ledger.recent();
    let first = chunks[0].first;
    assert!((15..25).contains(&first), "{first}");
    let matchers = Matchers::new(parse_utf8_list("alertname=A").expect("matchers"));
    let query = LedgerQuery { limit: 25, matchers, ..LedgerQuery::default() };
    let mut found = query.recent(&chunks, &|_| None);
    query.older(&files, first, &|_| None, &mut found).expect("older");
    let numbers: Vec<u64> = found.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (7..=31).rev().collect::<Vec<u64>>());
    // From disk alone the entry about two is still found by the labels of one, and has them.
    let mut found = Vec::new();
    let one = LedgerQuery { limit: 1, ..query.clone() };
    one.older(&files, u64::MAX, &|_| None, &mut found).expect("older");
    assert_eq!((found[0].number, found[0].alerts[0].labels.value("alertname")), (31, "A"));
    assert!(found[0].alerts[1].labels.is_empty());
    // Whom no line tells the labels of, the alerts that are known now do.
    let matchers = Matchers::new(parse_utf8_list("alertname=B").expect("matchers"));
    let query = LedgerQuery { matchers, ..LedgerQuery::default() };
    let known = |fp| (fp == subject("B").fingerprint).then(|| subject("B").labels);
    assert_eq!(query.recent(&chunks, &|_| None), []);
    assert_eq!(query.recent(&chunks, &known)[0].number, 31);
    // A torn line is cut, and numbers go on.
    let segment = dir.path().join(format!("{:020}.jsonl", 1));
    let mut bytes = std::fs::read(&segment).expect("read");
    bytes.extend_from_slice(b"{\"number\":32,");
    std::fs::write(&segment, &bytes).expect("write");
    let (mut files, next) = open(4000);
    assert_eq!(next, 32);
    let mut ledger = Ledger::new(1500, next, true, metrics());
    for round in 0..20 {
        for _ in 0..10 {
            ledger.note(at(round), subject("A"), Event::Forgotten);
        }
        files.append(&ledger.take_unwritten()).expect("append");
    }
    let names = files.segments_newest_first().expect("list");
    let total: u64 =
        names.iter().map(|n| std::fs::metadata(dir.path().join(n)).expect("meta").len()).sum();
    assert!(names.len() > 1 && total < 6000, "{total} {names:?}");
    let mut newest = Vec::new();
    let query = LedgerQuery { limit: 1, ..LedgerQuery::default() };
    query.older(&files, u64::MAX, &|_| None, &mut newest).expect("older");
    assert_eq!(newest[0].number, 231);
}

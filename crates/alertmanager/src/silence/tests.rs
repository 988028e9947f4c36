//! Making, changing, ending, merging; the peer's own file.

use base64::Engine as _;
use gauntlet_model::Labels;
use gauntlet_telemetry::Registry;

use super::*;
use crate::matcher::ParseMode;
use crate::metrics::{Features, Metrics};

const HOUR: i64 = 3_600_000_000_000;

fn silences(limits: SilenceLimits) -> Silences {
    let metrics = Metrics::new(&Registry::new(), Features::default());
    Silences::new(HOUR, limits, ParseMode::Fallback, metrics.silences.clone())
}

fn at(secs: i64) -> Time {
    Time::from_unix(1_000_000 + secs, 0)
}

fn matcher(op: MatchOp, name: &str, pattern: &str) -> SilenceMatcher {
    SilenceMatcher { op, name: name.into(), pattern: pattern.into() }
}

fn silence(name: &str, starts: i64, ends: i64) -> Silence {
    Silence {
        matcher_sets: vec![vec![matcher(MatchOp::Equal, "a", name)]],
        starts_at: at(starts),
        ends_at: at(ends),
        created_by: "me".into(),
        comment: "c".into(),
        ..Silence::default()
    }
}

fn set(store: &mut Silences, silence: Silence, now: i64, id: &str) -> Result<String, SilenceError> {
    store.set(silence, at(now), || id.to_owned())
}

fn silencing(store: &Silences, name: &str, now: i64) -> Vec<String> {
    let labels = Labels::from_pairs([("a", name)]);
    store.silencing(&labels, &mut SilenceCache::default(), at(now))
}

#[test]
fn a_silence_holds_from_its_start_to_its_end() {
    let mut store = silences(SilenceLimits::default());
    set(&mut store, silence("x", 10, 20), 0, "1").expect("set");
    let held: Vec<bool> =
        [9, 10, 20, 21].map(|now| !silencing(&store, "x", now).is_empty()).to_vec();
    assert_eq!(held, [false, true, true, false]);
    assert!(silencing(&store, "y", 15).is_empty());
    assert_eq!(SilenceState::ALL.map(|state| store.count(state, at(9))), [0, 1, 0]);
    // A start that has passed is moved to now.
    set(&mut store, silence("z", -5, 20), 3, "2").expect("set");
    assert_eq!(store.get("2").expect("there").starts_at, at(3));
}

#[test]
fn a_cache_serves_until_something_changes() {
    let mut store = silences(SilenceLimits::default());
    let labels = Labels::from_pairs([("a", "x")]);
    let mut cache = SilenceCache::default();
    assert!(store.silencing(&labels, &mut cache, at(0)).is_empty());
    set(&mut store, silence("x", 10, 20), 0, "1").expect("set");
    set(&mut store, silence("x", 0, 30), 0, "2").expect("set");
    assert_eq!(store.silencing(&labels, &mut cache, at(5)), ["2"]);
    assert_eq!(store.silencing(&labels, &mut cache, at(15)), ["1", "2"]);
    store.expire("2", at(16)).expect("expire");
    assert_eq!(store.silencing(&labels, &mut cache, at(17)), ["1"]);
}

#[test]
fn changes_that_rewrite_history_make_a_new_silence() {
    let mut store = silences(SilenceLimits::default());
    set(&mut store, silence("x", 0, 100), 0, "1").expect("set");
    let with_id = |name: &str, starts: i64, ends: i64| Silence {
        id: "1".into(),
        ..silence(name, starts, ends)
    };
    assert_eq!(set(&mut store, with_id("x", 0, 50), 10, "2").as_deref(), Ok("1"));
    assert_eq!(store.get("1").expect("there").ends_at, at(50));
    // Another start of an active one.
    assert_eq!(set(&mut store, with_id("x", 5, 50), 11, "2").as_deref(), Ok("2"));
    assert_eq!(store.get("1").expect("there").state(at(12)), SilenceState::Expired);
    // Other matchers.
    let other = Silence { id: "2".into(), ..silence("y", 11, 50) };
    assert_eq!(set(&mut store, other, 13, "3").as_deref(), Ok("3"));
    assert!(silencing(&store, "x", 14).is_empty() && silencing(&store, "y", 14) == ["3"]);
    // An expired one comes back as a new one.
    assert_eq!(set(&mut store, with_id("x", 20, 60), 15, "4").as_deref(), Ok("4"));
    let unknown = Silence { id: "9".into(), ..silence("x", 0, 1) };
    assert_eq!(set(&mut store, unknown, 0, "5"), Err(SilenceError::NotFound));
}

#[test]
fn ending_is_idempotent_and_a_pending_one_never_starts() {
    let mut store = silences(SilenceLimits::default());
    set(&mut store, silence("x", 50, 100), 0, "1").expect("set");
    store.expire("1", at(10)).expect("expire");
    let found = store.get("1").expect("there");
    assert_eq!((found.starts_at, found.ends_at), (at(10), at(10)));
    store.expire("1", at(20)).expect("again");
    assert_eq!(store.get("1").expect("there").ends_at, at(10));
    assert_eq!(store.expire("2", at(0)), Err(SilenceError::NotFound));
}

#[test]
fn nonsense_is_refused_in_upstreams_words() {
    let mut store = silences(SilenceLimits { max_silences: 1, max_size_bytes: 200 });
    let with =
        |sets: Vec<Vec<SilenceMatcher>>| Silence { matcher_sets: sets, ..silence("x", 0, 1) };
    for (bad, text) in [
        (with(vec![]), "invalid silence: at least one matcher set required"),
        (with(vec![vec![]]), "invalid silence: matcher set 0 is empty"),
        (
            with(vec![vec![matcher(MatchOp::Equal, "a", ""), matcher(MatchOp::Regex, "b", ".*")]]),
            "invalid silence: matcher set 0: at least one matcher must not match the empty string",
        ),
        (
            with(vec![vec![matcher(MatchOp::Equal, "", "x")]]),
            "invalid silence: invalid label matcher 0 in set 0: invalid label name \"\"",
        ),
        (
            with(vec![vec![matcher(MatchOp::Regex, "a", "(")]]),
            "invalid silence: invalid label matcher 0 in set 0: invalid regular expression \"(\": error parsing regexp: missing closing ): `(`",
        ),
        (silence("x", 10, 5), "invalid silence: end time must not be before start time"),
        (
            Silence { ends_at: Time::ZERO, ..silence("x", 0, 0) },
            "invalid silence: invalid zero end timestamp",
        ),
    ] {
        assert_eq!(set(&mut store, bad, 0, "1").expect_err(text).to_string(), text);
    }
    let long = set(&mut store, Silence { comment: "x".repeat(300), ..silence("x", 0, 1) }, 0, "1");
    assert!(long.expect_err("long").to_string().starts_with("silence exceeded maximum size: 3"));
    set(&mut store, silence("x", 0, 1), 0, "1").expect("one");
    assert_eq!(
        set(&mut store, silence("y", 0, 1), 0, "2").expect_err("two").to_string(),
        "exceeded maximum number of silences: 1 (limit: 1)"
    );
}

#[test]
fn silences_spread_and_the_newer_counts() {
    let (mut a, mut b) = (silences(SilenceLimits::default()), silences(SilenceLimits::default()));
    set(&mut a, silence("x", 0, 100), 0, "1").expect("set");
    let sent = a.take_outgoing();
    assert_eq!(b.merge(&sent[0], at(1)), Ok(true));
    assert_eq!(b.merge(&sent[0], at(1)), Ok(false));
    assert_eq!(b.take_outgoing(), sent);
    assert_eq!(silencing(&b, "x", 5), ["1"]);
    // Ended within the tick it was made in.
    a.expire("1", at(0)).expect("expire");
    b.merge(&a.encode(), at(1)).expect("merge");
    assert!(silencing(&b, "x", 5).is_empty());
    assert_eq!(b.encode(), a.encode());
    assert_eq!(b.collect(at(3599)), 0);
    assert_eq!((b.collect(at(3601)), b.len()), (1, 0));
    assert_eq!(b.merge(&sent[0], at(5000)), Ok(false), "not brought back once forgotten");
}

#[test]
fn the_peers_file_is_read_and_written_alike() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let golden = std::fs::read(dir.join("golden/alertmanager.json")).expect("golden");
    let golden: serde_json::Value = serde_json::from_slice(&golden).expect("json");
    let bytes = golden["data_files_base64"]["silences"].as_str().expect("file");
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).expect("base64");
    let restored = decode_silences(&bytes);
    assert!(restored.damage.is_empty() && restored.silences.len() > 2, "{:?}", restored.damage);
    let mut again = Vec::new();
    for mesh in &restored.silences {
        MeshSilence::encode(&mesh.silence, mesh.expires_at, &mut again);
    }
    assert_eq!(again, bytes);
    fuzz_state(&bytes);
    let mut store = silences(SilenceLimits::default());
    assert!(store.restore(restored.silences, None).is_empty());
    for seed in [&b""[..], b"\x05\x0a\x03\x0a\x01\xff", &bytes[..50]] {
        fuzz_state(seed);
    }
}

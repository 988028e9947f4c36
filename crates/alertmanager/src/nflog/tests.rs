//! Merging, expiry, and the peer's own file.

use base64::Engine as _;
use gauntlet_telemetry::Registry;

use super::*;
use crate::metrics::{Features, Metrics};

const HOUR: i64 = 3_600_000_000_000;

fn log() -> NotificationLog {
    let metrics = Metrics::new(&Registry::new(), Features::default());
    NotificationLog::new(10 * HOUR, metrics.log.clone())
}

fn receiver(index: u32) -> LogReceiver {
    LogReceiver { group_name: "r".into(), integration: "webhook".into(), index }
}

fn at(secs: i64) -> Time {
    Time::from_unix(1000 + secs, 0)
}

#[test]
fn the_newer_entry_counts_here_and_in_the_cluster() {
    let (mut a, mut b) = (log(), log());
    let key: Arc<str> = "{}:{a=\"b\"}".into();
    let data = ReceiverData::from([
        ("id".to_owned(), ReceiverValue::Text("x".into())),
        ("n".to_owned(), ReceiverValue::Int(-3)),
        ("d".to_owned(), ReceiverValue::Double(0.5)),
    ]);
    a.log(&key, &receiver(0), (vec![1, u64::MAX], vec![]), data.clone(), 0, at(0));
    let sent = a.take_outgoing();
    assert_eq!(sent.len(), 1);
    assert_eq!(b.merge(&sent[0], at(1)), Ok(true));
    assert_eq!(b.merge(&sent[0], at(1)), Ok(false), "known");
    assert_eq!(b.take_outgoing(), sent, "passed on once");
    let entry = b.get(&key, &receiver(0)).expect("entry");
    assert_eq!((&entry.firing[..], &entry.receiver_data), (&[1, u64::MAX][..], &data));
    assert!(b.get(&key, &receiver(1)).is_none());
    // Within one tick of the clock the second still counts.
    a.log(&key, &receiver(0), (vec![], vec![1]), ReceiverData::new(), 0, at(0));
    b.merge(&a.take_outgoing()[0], at(1)).expect("merge");
    assert_eq!(b.get(&key, &receiver(0)).expect("entry").resolved, [1]);
    // An entry from the future stands.
    a.log(&key, &receiver(0), (vec![7], vec![]), ReceiverData::new(), 0, at(-5));
    assert!(a.take_outgoing().is_empty());
    assert_eq!(b.merge(&a.encode(), at(20 * 3600)), Ok(false), "expired on arrival");
}

#[test]
fn entries_are_remembered_as_long_as_asked() {
    let mut log = log();
    for (index, expiry) in [(0, 0), (1, HOUR), (2, 100 * HOUR)] {
        log.log(
            &"k".into(),
            &receiver(index),
            (vec![1], vec![]),
            ReceiverData::new(),
            expiry,
            at(0),
        );
    }
    assert_eq!((log.collect(at(3599)), log.collect(at(3600)), log.len()), (0, 1, 2));
    assert_eq!(log.collect(at(36_000)), 2);
}

#[test]
fn large_messages_are_not_passed_on() {
    let (mut a, mut b) = (log(), log());
    a.log(
        &"k".into(),
        &receiver(0),
        ((0..200).map(|n| n << 40).collect(), vec![]),
        ReceiverData::new(),
        0,
        at(0),
    );
    let sent = a.take_outgoing();
    assert_eq!(crate::snapshot::OVERSIZED_BYTES, 700, "half a gossip packet of the peer");
    assert!(sent[0].len() > 700);
    assert_eq!(b.merge(&sent[0], at(0)), Ok(true));
    assert!(b.take_outgoing().is_empty());
}

#[test]
fn the_peers_file_is_read_and_written_alike() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let golden = std::fs::read(dir.join("golden/alertmanager.json")).expect("golden");
    let golden: serde_json::Value = serde_json::from_slice(&golden).expect("json");
    let bytes = golden["data_files_base64"]["nflog"].as_str().expect("file");
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).expect("base64");
    let restored = decode_log(&bytes);
    assert!(restored.damage.is_empty() && restored.entries.len() > 5, "{:?}", restored.damage);
    // Byte for byte, message by message, whatever their order.
    let mut again = Vec::new();
    restored.entries.iter().for_each(|mesh| mesh.encode(&mut again));
    assert_eq!(again, bytes);
    let keys: Vec<&str> = restored.entries.iter().map(|m| m.entry.group_key.as_ref()).collect();
    assert!(keys.contains(&"{}:{alertname=\"Outage\"}"), "{keys:?}");
    fuzz_state(&bytes);
}

#[test]
fn damage_is_told_and_the_rest_is_kept() {
    let mut log = log();
    log.log(&"k".into(), &receiver(0), (vec![1], vec![]), ReceiverData::new(), 0, at(0));
    let mut bytes = log.encode();
    let good = bytes.len();
    bytes.extend_from_slice(&[3, 0x0A, 1, 0xFF]);
    bytes.extend_from_slice(&[200, 1, 0]);
    let restored = decode_log(&bytes);
    assert_eq!((restored.entries.len(), restored.damage.len()), (1, 2), "{:?}", restored.damage);
    for cut in 0..good {
        assert!(decode_log(&bytes[..cut]).entries.is_empty());
    }
    for seed in [&b""[..], b"\0", &bytes] {
        fuzz_state(seed);
    }
}

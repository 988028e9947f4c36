//! Bodies of remote write, good and bad, and what of them is stored.

use std::sync::Arc;

use gauntlet_model::Matcher;
use gauntlet_runtime::clock::ManualClock;
use gauntlet_runtime::fs::SystemFs;
use gauntlet_storage::{SelectRequest, TimeRange};
use gauntlet_tsdb::{Db, Options};
use gauntlet_wire::prost::Message as _;
use gauntlet_wire::{prompb, snappy, write_v2};

use super::*;

const NOW: i64 = 1_800_000_000_000;
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

struct Fixture {
    receiver: WriteReceiver,
    db: Arc<Db>,
    _dir: tempfile::TempDir,
}

fn fixture(options: ReceiveOptions) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW));
    let db = Db::open(dir.path(), Options::default(), clock.clone(), Arc::new(SystemFs)).unwrap();
    db.wait_replayed().unwrap();
    let db = Arc::new(db);
    let receiver = WriteReceiver::new(db.clone(), clock, options, &Registry::new());
    Fixture { receiver, db, _dir: dir }
}

impl Fixture {
    fn v1(&self, series: Vec<prompb::TimeSeries>) -> WriteReply {
        let body = prompb::WriteRequest { timeseries: series, metadata: vec![] }.encode_to_vec();
        self.receiver.receive(None, &snappy::pack(&body).unwrap())
    }

    fn v2(&self, symbols: &[&str], timeseries: Vec<write_v2::TimeSeries>) -> WriteReply {
        let symbols = symbols.iter().map(|&s| s.to_owned()).collect();
        let body = write_v2::Request { symbols, timeseries }.encode_to_vec();
        self.receiver.receive(Some(V2), &snappy::pack(&body).unwrap())
    }

    /// Series with times and values, as text.
    fn stored(&self) -> Vec<String> {
        let request = SelectRequest::new(
            vec![Matcher::new(gauntlet_model::MatchOp::Regex, "__name__", ".+").unwrap()],
            TimeRange::new(0, i64::MAX),
        );
        let set =
            runtime().block_on(gauntlet_storage::Queryable::select(&*self.db, &request)).unwrap();
        dump(&set)
    }
}

fn dump(set: &gauntlet_storage::SeriesSet) -> Vec<String> {
    let (mut scratch, mut columns) = (Default::default(), gauntlet_chunk::Columns::default());
    let mut out = Vec::new();
    for (index, (labels, _)) in set.iter().enumerate() {
        set.decode(index, TimeRange::all(), &mut scratch, &mut columns).unwrap();
        let pairs = columns.timestamps.iter().zip(&columns.values);
        let samples: Vec<String> = pairs.map(|(t, v)| format!("{v}@{}", t - NOW)).collect();
        out.push(format!("{labels} {}", samples.join(" ")));
    }
    out
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> prompb::TimeSeries {
    prompb::TimeSeries {
        labels: labels
            .iter()
            .map(|(n, v)| prompb::Label { name: (*n).into(), value: (*v).into() })
            .collect(),
        samples: samples
            .iter()
            .map(|(t, value)| prompb::Sample { timestamp: NOW + t, value: *value })
            .collect(),
        ..Default::default()
    }
}

fn sample(t: i64, value: f64) -> write_v2::Sample {
    write_v2::Sample { value, timestamp: NOW + t, start_timestamp: 0 }
}

fn check(reply: &WriteReply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error.as_str()), (status, error));
}

#[test]
fn first_version_is_all_or_nothing() {
    let f = fixture(ReceiveOptions::default());
    let up = [("__name__", "up"), ("job", "a")];
    check(&f.v1(vec![series(&up, &[(0, 1.0), (1, 2.0)])]), 204, "");
    // Known by its bytes now; the same sample again is no fault.
    check(&f.v1(vec![series(&up, &[(1, 2.0), (2, 3.0)])]), 204, "");
    let other = [("__name__", "other")];
    let bad = vec![series(&other, &[(3, 1.0)]), series(&up, &[(1, 9.0)])];
    check(&f.v1(bad), 400, "out of order sample");
    let again = vec![series(&up, &[(2, 9.0)])];
    check(&f.v1(again), 400, "duplicate sample for timestamp");
    let far = vec![series(&up, &[(MAX_AHEAD_MS + 1, 9.0)])];
    check(&f.v1(far), 400, "out of bounds: timestamp is too far in the future");
    // Without a name, with one twice: left out, the rest is taken.
    let mixed = vec![
        series(&[("job", "a")], &[(3, 1.0)]),
        series(&[("__name__", "x"), ("a", "1"), ("a", "2")], &[(3, 1.0)]),
        series(&[("job", "z"), ("__name__", "unsorted"), ("empty", "")], &[(3, 4.0)]),
    ];
    check(&f.v1(mixed), 204, "");
    assert_eq!(
        f.stored(),
        [r#"{__name__="unsorted", job="z"} 4@3"#, r#"{__name__="up", job="a"} 1@0 2@1 3@2"#,]
    );
    assert_eq!(f.receiver.metrics.invalid_labels.get(), 2.0);
}

#[test]
fn second_version_takes_what_it_can() {
    let f = fixture(ReceiveOptions::default());
    let symbols = ["", "__name__", "up", "job", "a", "down"];
    let one = |refs: Vec<u32>, samples| write_v2::TimeSeries {
        labels_refs: refs,
        samples,
        ..Default::default()
    };
    let reply = f.v2(&symbols, vec![one(vec![1, 2, 3, 4], vec![sample(0, 1.0), sample(5, 2.0)])]);
    check(&reply, 204, "");
    assert_eq!(reply.written, Some(Written { samples: 2, histograms: 0, exemplars: 0 }));
    for _ in 0..2 {
        let reply = f.v2(
            &symbols,
            vec![
                one(vec![1, 2, 3, 4], vec![sample(3, 1.0), sample(6, 3.0)]),
                one(vec![1, 9], vec![sample(0, 1.0)]),
                one(vec![1], vec![sample(0, 1.0)]),
                one(vec![3, 4], vec![sample(0, 1.0)]),
                one(vec![1, 5], vec![]),
                one(vec![1, 5], vec![sample(7, 4.0)]),
            ],
        );
        check(
            &reply,
            400,
            "out of order sample for series {__name__=\"up\", job=\"a\"}\n\
             parsing labels for series [1 9]: labelRefs 1 (name) = 9 (value) outside of symbols table (size 6)\n\
             parsing labels for series [1]: invalid labelRefs length 1\n\
             invalid metric name or labels, got {job=\"a\"}\n\
             TimeSeries must contain at least one sample or histogram for series {__name__=\"down\"}",
        );
        assert_eq!(reply.written.unwrap().samples, 2);
    }
    assert_eq!(f.stored(), [r#"{__name__="down"} 4@7"#, r#"{__name__="up", job="a"} 1@0 2@5 3@6"#]);
}

#[test]
fn types_units_and_starts_where_they_are_asked_for() {
    let options = ReceiveOptions {
        type_and_unit_labels: true,
        append_metadata: true,
        zero_ingestion: true,
        ..ReceiveOptions::default()
    };
    let f = fixture(options);
    let symbols = ["", "__name__", "c", "seconds", "help", "__type__", "old"];
    let metadata = write_v2::Metadata { r#type: 1, help_ref: 4, unit_ref: 3 };
    for (t, value) in [(10, 5.0), (20, 6.0)] {
        let one = write_v2::TimeSeries {
            labels_refs: vec![1, 2, 5, 6],
            samples: vec![write_v2::Sample { value, timestamp: NOW + t, start_timestamp: NOW + 1 }],
            metadata: Some(metadata),
            ..Default::default()
        };
        check(&f.v2(&symbols, vec![one]), 204, "");
    }
    assert_eq!(
        f.stored(),
        [r#"{__name__="c", __type__="counter", __unit__="seconds"} 0@1 5@10 6@20"#]
    );
}

#[test]
fn bodies_and_types_are_refused_in_upstreams_words() {
    let f = fixture(ReceiveOptions::default());
    let cases: [(Option<&str>, &[u8], u16, &str); 6] = [
        (None, b"junk", 400, "s2: corrupt input"),
        (Some("text/plain"), b"junk", 400, "s2: corrupt input"),
        (None, b"\x04\x0cjunk", 400, "unexpected EOF"),
        (
            Some("application/x-protobuf;proto=x.y"),
            b"\0",
            415,
            "got application/x-protobuf;proto=x.y content type; unknown type for remote write protobuf message x.y, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request",
        ),
        (
            Some("text/plain"),
            b"\0",
            415,
            "expected application/x-protobuf as the first (media) part, got text/plain content-type",
        ),
        (Some(V2), b"\0", 204, ""),
    ];
    for (content_type, body, status, error) in cases {
        check(&f.receiver.receive(content_type, body), status, error);
    }
    let huge = [0xff, 0xff, 0xff, 0x7f, 0];
    check(&f.receiver.receive(None, &huge), 400, "decoded size exceeds the 33554432 bytes limit");
    let refused = f.receiver.check_encoding(Some("gzip")).unwrap_err();
    check(
        &refused,
        415,
        "gzip encoding (compression) is not accepted by this server; only snappy is acceptable",
    );
    let f = fixture(ReceiveOptions { accepted: vec![ProtobufMessage::V1], ..Default::default() });
    let text = "io.prometheus.write.v2.Request protobuf message is not accepted by this server; only accepts prometheus.WriteRequest";
    check(&f.receiver.receive(Some(V2), b"\0"), 415, text);
}

#[test]
fn histograms_are_checked_and_reduced() {
    let f = fixture(ReceiveOptions::default());
    let mut message = prompb::Histogram {
        count: Some(prompb::histogram::Count::CountInt(3)),
        schema: 9,
        positive_spans: vec![prompb::BucketSpan { offset: 0, length: 2 }],
        positive_deltas: vec![1, 1],
        timestamp: NOW,
        ..Default::default()
    };
    let one = |message: &prompb::Histogram| prompb::TimeSeries {
        labels: vec![prompb::Label { name: "__name__".into(), value: "h".into() }],
        histograms: vec![message.clone()],
        ..Default::default()
    };
    check(&f.v1(vec![one(&message)]), 204, "");
    message.timestamp += 1;
    message.count = Some(prompb::histogram::Count::CountInt(9));
    let reply = f.v1(vec![one(&message)]);
    assert_eq!(reply.status, 400);
    assert!(reply.error.contains("3 observations found in buckets"), "{}", reply.error);
    assert_eq!(f.db.head().series_count(), 1);
}

#[test]
fn a_storage_that_takes_nothing_now_is_no_defect() {
    let status = |err: AppendError| ReceiveError::Append(err).status();
    assert_eq!(status(AppendError::ReadOnly("full".to_owned())), 503);
    assert_eq!(status(AppendError::Io("broken".to_owned())), 500);
    assert_eq!(status(AppendError::OutOfOrder), 400);
}

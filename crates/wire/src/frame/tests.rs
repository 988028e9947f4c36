//! Frames against prost's reading of the same bytes, and against bytes that real servers sent.

use base64::Engine as _;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::store;

fn chunk(encoding: u8, data: &'static [u8], hash: u64) -> ChunkBytes {
    ChunkBytes { encoding, data: Bytes::from_static(data), hash }
}

#[test]
fn what_is_written_is_read_and_prost_agrees() {
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "x")]);
    let chunks = [
        AggrChunk::raw(-5, 10, chunk(1, b"abc", 77)),
        AggrChunk {
            min_time: 11,
            max_time: 20,
            parts: Parts::Aggregates(Box::new([
                Some(chunk(1, b"count", 0)),
                Some(chunk(3, b"sum", 1)),
                None,
                None,
                Some(chunk(1, b"", 0)),
            ])),
        },
    ];
    let mut out = Vec::new();
    put_batch_frame(&mut out, &[(&labels, &chunks[..]), (&Labels::empty(), &[])]);
    let prosts = store::SeriesResponse::decode(&out[..]).unwrap();
    assert_eq!(prosts.encode_to_vec(), out);
    let mut set = StoreSet::new();
    set.read_frame(&Bytes::from(out)).unwrap();
    assert_eq!(set.len(), 2);
    assert_eq!((set.labels(0), set.chunks(0)), (&labels, &chunks[..]));
    assert!(set.labels(1).is_empty() && set.chunks(1).is_empty());
    let mut out = Vec::new();
    put_warning_frame(&mut out, "careful");
    set.read_frame(&Bytes::from(out)).unwrap();
    assert_eq!(set.warnings, ["careful"]);
}

#[test]
fn sorting_keeps_chunks_with_their_series() {
    let mut set = StoreSet::new();
    for (name, at) in [("b", 1), ("a", 2), ("b", 3)] {
        set.push_series(Labels::from_pairs([("__name__", name)]));
        set.push_chunk(AggrChunk::raw(at, at, chunk(1, b"", 0)));
    }
    set.sort();
    let times: Vec<_> =
        set.iter().map(|(l, c)| (l.metric_name().to_owned(), c[0].min_time)).collect();
    assert_eq!(times, [("a".to_owned(), 2), ("b".to_owned(), 1), ("b".to_owned(), 3)]);
    set.truncate(2);
    assert_eq!((set.len(), set.chunks(1).len()), (2, 1));
}

#[test]
fn chunks_of_equal_times_put_larger_bytes_first() {
    let a = AggrChunk::raw(1, 2, chunk(1, b"a", 0));
    let b = AggrChunk::raw(1, 2, chunk(1, b"b", 0));
    assert_eq!(b.order(&a), Ordering::Less);
    assert_eq!(AggrChunk::raw(0, 3, chunk(1, b"a", 0)).order(&b), Ordering::Less);
}

#[test]
fn frames_of_real_servers_come_back_byte_for_byte() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let text = std::fs::read(dir.join("golden/storeapi.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let base64 = base64::engine::general_purpose::STANDARD;
    let (mut frames, mut others) = (0, 0);
    for server in golden["servers"].as_array().unwrap() {
        for call in server["calls"].as_array().unwrap() {
            let method = call["method"].as_str().unwrap();
            let request = base64.decode(call["request_base64"].as_str().unwrap()).unwrap();
            check_request(method, &request);
            for response in call["responses_base64"].as_array().into_iter().flatten() {
                let bytes = base64.decode(response.as_str().unwrap()).unwrap();
                if method.ends_with("/Series") {
                    check_frame(bytes);
                    frames += 1;
                } else {
                    check_response(method, &bytes);
                    others += 1;
                }
            }
        }
    }
    println!("{frames} frames and {others} answers of real servers");
    assert!(frames > 1000 && others > 30);
}

fn check_request(method: &str, bytes: &[u8]) {
    let back = match method.rsplit('/').next().unwrap() {
        "Series" => store::SeriesRequest::decode(bytes).unwrap().encode_to_vec(),
        "LabelNames" => store::LabelNamesRequest::decode(bytes).unwrap().encode_to_vec(),
        "LabelValues" => store::LabelValuesRequest::decode(bytes).unwrap().encode_to_vec(),
        _ => crate::info::InfoRequest::decode(bytes).unwrap().encode_to_vec(),
    };
    assert_eq!(back, bytes, "{method}");
}

fn check_response(method: &str, bytes: &[u8]) {
    let back = match method.rsplit('/').next().unwrap() {
        "LabelNames" => store::LabelNamesResponse::decode(bytes).unwrap().encode_to_vec(),
        "LabelValues" => {
            let response = store::LabelValuesResponse::decode(bytes).unwrap();
            response.encode_to_vec()
        }
        _ => crate::info::InfoResponse::decode(bytes).unwrap().encode_to_vec(),
    };
    assert_eq!(back, bytes, "{method}");
}

fn check_frame(bytes: Vec<u8>) {
    let bytes = Bytes::from(bytes);
    let mut set = StoreSet::new();
    set.read_frame(&bytes).unwrap();
    let message = store::SeriesResponse::decode(bytes.clone()).unwrap();
    let mut out = Vec::new();
    match message.result {
        Some(store::series_response::Result::Series(series)) => {
            assert_eq!(series.labels.len(), set.labels(0).len());
            put_series_frame(&mut out, set.labels(0), set.chunks(0));
        }
        Some(store::series_response::Result::Batch(_)) => {
            let series: Vec<_> = set.iter().collect();
            put_batch_frame(&mut out, &series);
        }
        Some(store::series_response::Result::Warning(_)) => {
            put_warning_frame(&mut out, &set.warnings[0]);
        }
        Some(store::series_response::Result::Hints(_)) => put_hints_frame(&mut out, &set.hints[0]),
        None => {}
    }
    for (_, chunks) in set.iter() {
        for (_, part) in chunks.iter().flat_map(AggrChunk::parts) {
            assert!(part.hash == 0 || part.hash == xxhash_rust::xxh64::xxh64(&part.data, 0));
        }
    }
    assert_eq!(Bytes::from(out), bytes);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
        let _ = StoreSet::new().read_frame(&Bytes::from(bytes));
    }
}

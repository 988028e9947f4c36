//! Client and server against each other over HTTP, and both against what a real Prometheus answered.

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine as _;
use futures::{StreamExt as _, TryStreamExt as _};
use gauntlet_model::{Labels, Matcher};
use gauntlet_net::client::ClientOptions;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_runtime::Cancel;
use gauntlet_storage::TimeRange;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;
use crate::read::{CONTENT_TYPE_CHUNKS, CONTENT_TYPE_SAMPLES};
use crate::read_server::{ReadOptions, ReadReply, answer};

/// Answers with the same series, whatever is asked.
#[derive(Debug)]
struct Fixed(Vec<(Labels, Vec<Chunk>)>);

impl Fixed {
    fn of(set: &SeriesSet, without: &[&str]) -> Self {
        Self(set.iter().map(|(l, chunks)| (l.without(without), chunks.to_vec())).collect())
    }
}

impl Queryable for Fixed {
    fn select<'a>(&'a self, _: &'a SelectRequest) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        let mut builder = SeriesSetBuilder::new();
        for (labels, chunks) in &self.0 {
            builder.push_series(labels.clone());
            chunks.iter().for_each(|chunk| builder.push_chunk(chunk.clone()));
        }
        futures::future::ready(Ok(builder.build_sorted())).boxed()
    }
    fn label_names<'a>(
        &'a self,
        _: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        futures::future::ready(Ok(LabelAnswer::default())).boxed()
    }
    fn label_values<'a>(
        &'a self,
        _: &'a str,
        _: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        futures::future::ready(Ok(LabelAnswer::default())).boxed()
    }
}

async fn bytes_of(reply: ReadReply) -> (Vec<u8>, &'static str) {
    match reply {
        ReadReply::Samples(bytes) => (bytes.to_vec(), CONTENT_TYPE_SAMPLES),
        ReadReply::Chunks(stream) => {
            let parts: Vec<Bytes> = stream.try_collect().await.unwrap();
            (parts.concat(), CONTENT_TYPE_CHUNKS)
        }
    }
}

#[tokio::test]
async fn what_a_real_server_answered_is_read_and_answered_again() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let path = dir.join("golden/prometheus-data/answers.json");
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let external = Labels::from_pairs([("cluster", "golden"), ("replica", "a")]);
    let base64 = base64::engine::general_purpose::STANDARD;
    let mut compared = 0;
    for call in golden["remote_read"].as_array().unwrap() {
        let bytes = |name: &str| base64.decode(call[name].as_str().unwrap_or_default()).unwrap();
        let (request, expect) = (bytes("request_base64"), bytes("response_base64"));
        if call["status"] != 200 {
            let (none, cancel, options) =
                (Fixed(Vec::new()), Cancel::new(), ReadOptions::default());
            let err = answer(&request, &none, &external, &cancel, &options).await.unwrap_err();
            assert_eq!(serde_json::json!(err.status()), call["status"], "{err}");
            continue;
        }
        let streamed = call["content_type"] == CONTENT_TYPE_CHUNKS;
        let set = if streamed {
            let mut stream = ChunkStream::default();
            expect.chunks(1000).for_each(|part| stream.push(part).unwrap());
            stream.finish().unwrap()
        } else {
            samples_of(&snappy::unpack(&expect, MAX_SAMPLES_BYTES).unwrap(), "golden").unwrap()
        };
        let storage = Fixed::of(&set, &["cluster", "replica"]);
        let options = ReadOptions::default();
        let reply = answer(&request, &storage, &external, &Cancel::new(), &options).await.unwrap();
        let (found, _) = bytes_of(reply).await;
        if streamed {
            assert!(found == expect, "frames differ: {} and {} bytes", expect.len(), found.len());
        } else {
            let read = |b: &[u8]| {
                let bytes = snappy::unpack(b, MAX_SAMPLES_BYTES).unwrap();
                prompb::ReadResponse::decode(&bytes[..]).unwrap()
            };
            let (mut expect, mut found) = (read(&expect), read(&found));
            assert_eq!(expect.results.len(), found.results.len());
            let (a, b) = (&mut expect.results[0].timeseries, &mut found.results[0].timeseries);
            for (a, b) in a.iter_mut().zip(b) {
                // Layouts and reset hints follow where chunks begin, and ours begin elsewhere.
                for h in a.histograms.iter_mut().chain(&mut b.histograms) {
                    h.reset_hint = 0;
                    (h.positive_spans, h.negative_spans) = Default::default();
                    (h.positive_deltas, h.negative_deltas) = Default::default();
                    (h.positive_counts, h.negative_counts) = Default::default();
                }
                // Not-a-numbers are unequal to themselves: compare what is printed.
                assert_eq!(format!("{a:?}"), format!("{b:?}"));
            }
        }
        compared += 1;
    }
    println!("{compared} answers of a real server");
    assert!(compared >= 6);
}

/// A server that answers reads of a fixed storage; `streams` false refuses frames as old servers do.
async fn serve(storage: Arc<Fixed>) -> http::Uri {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let storage = Arc::clone(&storage);
            let service = service_fn(move |request: Request<Incoming>| {
                let storage = Arc::clone(&storage);
                async move {
                    let old = request.uri().path() == "/old";
                    let mut body = request.into_body().collect().await.unwrap().to_bytes();
                    if old {
                        let bytes = snappy::unpack(&body, 1 << 20).unwrap();
                        let mut message = prompb::ReadRequest::decode(&bytes[..]).unwrap();
                        message.accepted_response_types.clear();
                        body = snappy::pack(&message.encode_to_vec()).unwrap().into();
                    }
                    let (options, cancel) = (ReadOptions::default(), Cancel::new());
                    let external = Labels::from_pairs([("ext", "x")]);
                    let reply = answer(&body, storage.as_ref(), &external, &cancel, &options).await;
                    let (bytes, kind) = bytes_of(reply.unwrap()).await;
                    let response = Response::builder().header("Content-Type", kind);
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(bytes))).unwrap())
                }
            });
            tokio::spawn(async move {
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(connection), service).await;
            });
        }
    });
    format!("http://{address}").parse().unwrap()
}

#[tokio::test]
async fn both_answer_types_cross_http() {
    let mut encoder = ChunkEncoder::new(false);
    for i in 0..300 {
        let value = SampleValue::Float(f64::from(i) / 3.0);
        encoder.append(&Sample { t: i64::from(i) * 1000, start: 0, value }).unwrap();
    }
    let chunk = |part: gauntlet_chunk::EncodedChunk| Chunk {
        min_time: part.min_time,
        max_time: part.max_time,
        replica: 0,
        data: ChunkData::Encoded { encoding: part.encoding, bytes: part.bytes.into() },
    };
    let chunks: Vec<Chunk> = encoder.finish().into_iter().map(chunk).collect();
    let labels = Labels::from_pairs([("__name__", "m")]);
    let base = serve(Arc::new(Fixed(vec![(labels, chunks)]))).await;
    for path in ["new", "old"] {
        let url: http::Uri = format!("{base}{path}").parse().unwrap();
        let http = HttpClient::new(&HttpClientConfig::default(), ClientOptions::default()).unwrap();
        let client = RemoteReadClient::new("test", url, http, Duration::from_secs(10));
        let request =
            SelectRequest::new([Matcher::equal("__name__", "m")], TimeRange::new(0, 299_000));
        let set = client.select(&request).await.unwrap();
        assert_eq!(set.len(), 1);
        assert_eq!(set.labels(0), &Labels::from_pairs([("__name__", "m"), ("ext", "x")]));
        let mut columns = gauntlet_chunk::Columns::default();
        let mut scratch = gauntlet_storage::DecodeScratch::default();
        set.decode(0, request.range, &mut scratch, &mut columns).unwrap();
        assert_eq!(columns.len(), 300, "{path}");
        assert_eq!(columns.values[299], 299.0 / 3.0);
    }
}

#[tokio::test]
async fn long_series_go_in_several_frames_and_limits_hold() {
    let mut encoder = ChunkEncoder::new(false);
    for i in 0..1200 {
        let value = SampleValue::Float(f64::from(i).sqrt());
        encoder.append(&Sample { t: i64::from(i), start: 0, value }).unwrap();
    }
    let parts = encoder.finish();
    let labels = Labels::from_pairs([("__name__", "m")]);
    let chunks = parts.into_iter().map(|part| Chunk {
        min_time: part.min_time,
        max_time: part.max_time,
        replica: 0,
        data: ChunkData::Encoded { encoding: part.encoding, bytes: part.bytes.into() },
    });
    let storage = Fixed(vec![(labels, chunks.collect())]);
    let request = SelectRequest::new([Matcher::equal("__name__", "m")], TimeRange::all());
    let ask = |types: Vec<i32>| {
        let mut message = message_of(&request);
        message.accepted_response_types = types;
        snappy::pack(&message.encode_to_vec()).unwrap()
    };
    let small = ReadOptions { max_frame_bytes: 1500, sample_limit: 1199, ..ReadOptions::default() };
    let (external, cancel) = (Labels::empty(), Cancel::new());
    let reply = answer(&ask(vec![1]), &storage, &external, &cancel, &small).await.unwrap();
    let ReadReply::Chunks(stream) = reply else { panic!("a stream was asked for") };
    let bytes: Vec<Bytes> = stream.map(Result::unwrap).collect().await;
    assert!(crate::read::read_all_frames(&bytes.concat()).unwrap() > 3);
    let limited = answer(&ask(vec![]), &storage, &external, &cancel, &small).await.unwrap_err();
    assert_eq!(limited.to_string(), "exceeded sample limit (1199)");
    assert_eq!(limited.status(), 400);
    let junk = answer(b"junk", &storage, &external, &cancel, &small).await.unwrap_err();
    assert_eq!((junk.to_string().as_str(), junk.status()), ("snappy: corrupt input", 400));
    assert_eq!(
        answer(&ask(vec![7]), &storage, &external, &cancel, &small).await.unwrap_err().status(),
        400
    );
}

//! Every call of the golden StoreAPI recording against our server over the same bucket: the same bytes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use gauntlet_storeapi::grpc::ServerOptions;
use gauntlet_storeapi::grpc::codec::FramesIn;
use gauntlet_storeapi::grpc::snappy::SnappyClient;
use gauntlet_wire::hints::{Block, Hint as _, LabelNamesResponseHints, LabelValuesResponseHints};
use gauntlet_wire::{info, store};
use prost::Message;
use serde_json::Value as Json;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};

type Client = Grpc<SnappyClient<Channel>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_the_raw_bucket() {
    check("bucket-raw", "store over bucket-raw").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_the_compacted_bucket() {
    check("bucket-compacted", "store over bucket-compacted").await;
}

async fn check(bucket: &str, server: &str) {
    let Some(folder) = crate::golden(bucket) else { return };
    let data = tempfile::tempdir().unwrap();
    let store = Arc::new(crate::store_in(&folder, data.path()).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = ServerOptions::default();
    tokio::spawn(gauntlet_storeapi::grpc::serve(listener, store, options, std::future::pending()));
    check_calls(address, server, &[]).await;
}

/// Makes a recorded server's calls to the one at `address`; `known` differ, by method and note.
pub(crate) async fn check_calls(address: SocketAddr, server: &str, known: &[(&str, &str)]) {
    let Some(golden) = crate::golden("storeapi.json") else { return };
    let golden: Json = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    let servers = golden["servers"].as_array().unwrap();
    let calls = servers.iter().find(|s| s["name"] == server).unwrap()["calls"].as_array().unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let inner = endpoint.connect().await.unwrap();
    let mut client = Grpc::new(SnappyClient { inner, pack: false });
    let (mut equal, mut bad) = (0, Vec::new());
    for call in calls {
        let note = call["note"].as_str().unwrap_or_default();
        let is_known = known.contains(&(call["method"].as_str().unwrap(), note));
        match one(&mut client, call).await {
            Ok(()) if is_known => bad.push(format!("{} ({note}) is equal now", call["method"])),
            Ok(()) => equal += 1,
            Err(_) if is_known => {}
            Err(text) => bad.push(format!("{} ({note}): {text}", call["method"])),
        }
    }
    println!("{server}: {equal} of {} calls equal", calls.len());
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
}

async fn one(client: &mut Client, call: &Json) -> Result<(), String> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let bytes = |text: &Json| base64.decode(text.as_str().unwrap()).unwrap();
    let method = call["method"].as_str().unwrap();
    let request = bytes(&call["request_base64"]);
    let expect: Vec<Vec<u8>> =
        call["responses_base64"].as_array().into_iter().flatten().map(bytes).collect();
    client.ready().await.map_err(|err| err.to_string())?;
    let found: Result<Vec<Vec<u8>>, Status> = if method.ends_with("/Series") {
        series(client, &request).await
    } else {
        let answer = match method.rsplit('/').next().unwrap() {
            "LabelNames" => {
                unary::<store::LabelNamesRequest, store::LabelNamesResponse>(
                    client,
                    store::path::LABEL_NAMES,
                    &request,
                )
                .await
            }
            "LabelValues" => {
                unary::<store::LabelValuesRequest, store::LabelValuesResponse>(
                    client,
                    store::path::LABEL_VALUES,
                    &request,
                )
                .await
            }
            _ => {
                unary::<info::InfoRequest, info::InfoResponse>(client, info::path::INFO, &request)
                    .await
            }
        };
        answer.map(|bytes| vec![bytes])
    };
    match (found, call["grpc_code"].as_str()) {
        (Err(status), Some(code)) => {
            let same = format!("{:?}", status.code()) == code
                && Some(status.message()) == call["grpc_message"].as_str();
            if same {
                Ok(())
            } else {
                Err(format!("expected {code} {}, got {status:?}", call["grpc_message"]))
            }
        }
        (Ok(_), Some(code)) => Err(format!("expected {code}, got an answer")),
        (Err(status), None) => Err(status.to_string()),
        (Ok(found), None) => compare(method, &expect, &found),
    }
}

async fn series(client: &mut Client, request: &[u8]) -> Result<Vec<Vec<u8>>, Status> {
    let request = store::SeriesRequest::decode(request).unwrap();
    let path = http_path(store::path::SERIES);
    let codec = FramesIn::<store::SeriesRequest>::default();
    let mut frames =
        client.server_streaming(Request::new(request), path, codec).await?.into_inner();
    let mut out = Vec::new();
    while let Some(frame) = frames.message().await? {
        let frame: Bytes = frame;
        out.push(frame.to_vec());
    }
    Ok(out)
}

async fn unary<M, R>(
    client: &mut Client,
    path: &'static str,
    request: &[u8],
) -> Result<Vec<u8>, Status>
where
    M: Message + Default + 'static,
    R: Message + Default + 'static,
{
    let codec = tonic_prost::ProstCodec::<M, R>::default();
    let request = Request::new(M::decode(request).unwrap());
    Ok(client.unary(request, http_path(path), codec).await?.into_inner().encode_to_vec())
}

fn http_path(path: &'static str) -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static(path)
}

/// Bytes must be equal, but for the order of blocks in hints, which the peer leaves to chance.
fn compare(method: &str, expect: &[Vec<u8>], found: &[Vec<u8>]) -> Result<(), String> {
    if expect == found {
        return Ok(());
    }
    if expect.len() != found.len() {
        return Err(format!("{} messages expected, {} found", expect.len(), found.len()));
    }
    match method.rsplit('/').next().unwrap() {
        "LabelNames" => {
            let read = |b: &[u8]| store::LabelNamesResponse::decode(b).unwrap();
            let (a, b) = (read(&expect[0]), read(&found[0]));
            let blocks = |r: &store::LabelNamesResponse| {
                let hints = r.hints.as_ref().and_then(LabelNamesResponseHints::from_any);
                hints.map(|h| ids(&h.queried_blocks))
            };
            same((&a.names, &a.warnings, blocks(&a)), (&b.names, &b.warnings, blocks(&b)))
        }
        "LabelValues" => {
            let read = |b: &[u8]| store::LabelValuesResponse::decode(b).unwrap();
            let (a, b) = (read(&expect[0]), read(&found[0]));
            let blocks = |r: &store::LabelValuesResponse| {
                let hints = r.hints.as_ref().and_then(LabelValuesResponseHints::from_any);
                hints.map(|h| ids(&h.queried_blocks))
            };
            same((&a.values, &a.warnings, blocks(&a)), (&b.values, &b.warnings, blocks(&b)))
        }
        "Info" => {
            let read = |b: &[u8]| info::InfoResponse::decode(b).unwrap();
            same(read(&expect[0]), read(&found[0]))
        }
        _ => {
            let at = expect.iter().zip(found).position(|(a, b)| a != b).unwrap();
            let read = |b: &[u8]| store::SeriesResponse::decode(b).unwrap();
            same(read(&expect[at]), read(&found[at]))
        }
    }
}

fn ids(blocks: &[Block]) -> BTreeSet<String> {
    blocks.iter().map(|b| b.id.clone()).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(expect: T, found: T) -> Result<(), String> {
    if expect == found {
        return Ok(());
    }
    let cut = |text: String| text.chars().take(900).collect::<String>();
    Err(format!(
        "\n  expected {}\n  found    {}",
        cut(format!("{expect:?}")),
        cut(format!("{found:?}"))
    ))
}

//! gRPC over TLS: with the right CA and certificate it works, without it does not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::Matcher;
use gauntlet_storeapi::grpc::{ClientTls, ServerOptions, ServerTls};
use gauntlet_storeapi::remote::Compression;
use gauntlet_storeapi::{RemoteStore, StoreSource};

use crate::naive::{Naive, local, query, series};

fn pem(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../net/tests/it/testdata");
    std::fs::read(folder.join(name)).unwrap()
}

#[tokio::test]
async fn both_ends_show_who_they_are() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let store = Arc::new(local(Arc::new(Naive(vec![series("a=1", 1)])), "ext=1"));
    let tls = ServerTls {
        certificate_pem: pem("server.pem"),
        key_pem: pem("server.key"),
        client_ca_pem: Some(pem("ca.pem")),
    };
    let options = ServerOptions { tls: Some(tls), ..ServerOptions::default() };
    tokio::spawn(gauntlet_storeapi::grpc::serve(listener, store, options, std::future::pending()));
    let client = |identity| ClientTls {
        ca_pem: pem("ca.pem"),
        identity_pem: identity,
        server_name: Some("localhost".to_owned()),
    };
    let known = client(Some((pem("client.pem"), pem("client.key"))));
    let remote = RemoteStore::connect(&address, Compression::Snappy, Some(&known)).unwrap();
    let info = remote.refresh_info(Duration::from_secs(10)).await.unwrap();
    assert_eq!(info.component, "sidecar");
    let set = remote.series(&query(vec![Matcher::equal("a", "1")])).await.unwrap().set;
    assert_eq!(set.len(), 1);
    for stranger in [Some(client(None)), None] {
        let remote = RemoteStore::connect(&address, Compression::None, stranger.as_ref()).unwrap();
        assert!(remote.refresh_info(Duration::from_secs(5)).await.is_err());
    }
    let nobody = ClientTls { ca_pem: Vec::new(), identity_pem: None, server_name: None };
    assert!(RemoteStore::connect(&address, Compression::None, Some(&nobody)).is_err());
}

//! Requests through a proxy: in absolute form, and by tunnel.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use gauntlet_net::config::{HttpClientConfig, ProxyConfig, TlsConfig};
use gauntlet_net::{BodyReader, ClientOptions, HttpClient, ServerOptions};
use http::Request;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::{serve, testdata};

const SOON: Duration = Duration::from_secs(5);

/// A proxy for one connection; tells the head of the request that it got.
async fn proxy(refuse: bool) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut client = BufReader::new(socket);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            client.read_line(&mut line).await.unwrap();
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        if refuse {
            client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
            return head;
        }
        if let Some(target) = head[0].strip_prefix("CONNECT ") {
            let target = target.split(' ').next().unwrap().to_owned();
            let mut server = TcpStream::connect(target).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            tokio::spawn(async move {
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            });
            return head;
        }
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nproxy").await.unwrap();
        // The client closes.
        client.read_to_end(&mut Vec::new()).await.ok();
        head
    });
    (address, task)
}

fn config(proxy: &str) -> HttpClientConfig {
    let url = format!("http://me:pass@{proxy}").parse().unwrap();
    let proxy = ProxyConfig { proxy_url: Some(url), ..ProxyConfig::default() };
    HttpClientConfig { proxy, ..HttpClientConfig::default() }
}

async fn fetch(config: &HttpClientConfig, url: &str) -> Result<String, String> {
    let client = HttpClient::new(config, ClientOptions::default()).unwrap();
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let response = client.send(request, SOON).await.map_err(|err| err.to_string())?;
    let mut reader = BodyReader::default();
    let body = reader.read(response, 0, SOON).await.map_err(|err| err.to_string())?;
    Ok(String::from_utf8(body.bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn plain_requests_show_the_proxy_the_whole_url() {
    let (address, seen) = proxy(false).await;
    assert_eq!(fetch(&config(&address), "http://host.invalid:1/path?q=1").await.unwrap(), "proxy");
    let head = seen.await.unwrap();
    assert_eq!(head[0], "GET http://host.invalid:1/path?q=1 HTTP/1.1");
    assert!(head.contains(&"proxy-authorization: Basic bWU6cGFzcw==".to_owned()), "{head:?}");
}

#[tokio::test]
async fn tls_goes_through_a_tunnel() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.yml");
    let web = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n",
        testdata("server.pem"),
        testdata("server.key")
    );
    std::fs::write(&path, web).unwrap();
    let options = ServerOptions {
        web_config_file: path.to_str().unwrap().into(),
        ..ServerOptions::default()
    };
    let server = serve(Router::new().route("/", get(|| async { "behind" })), options).await;
    let (address, seen) = proxy(false).await;
    let tls_config = TlsConfig { ca_file: testdata("ca.pem"), ..TlsConfig::default() };
    let config = HttpClientConfig { tls_config, ..config(&address) };
    assert_eq!(fetch(&config, &format!("https://{}/", server.address)).await.unwrap(), "behind");
    let head = seen.await.unwrap();
    assert_eq!(head[0], format!("CONNECT {} HTTP/1.1", server.address));
    assert!(head.contains(&"Proxy-Authorization: Basic bWU6cGFzcw==".to_owned()), "{head:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let (address, _seen) = proxy(true).await;
    let err = fetch(&config(&address), "https://host.invalid/").await.unwrap_err();
    assert_eq!(
        err,
        "Get \"https://host.invalid/\": proxyconnect tcp: Proxy Authentication Required"
    );
}

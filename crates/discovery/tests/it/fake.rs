//! A fake of an HTTP service: answers by method, path and body, over plain HTTP or as the server behind a proxy.
//!
//! The proxy takes the place of any host: what is asked of `https://api.example.com/x` is answered as `/api.example.com/x`.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use gauntlet_net::{Server, ServerOptions};
use gauntlet_runtime::{Shutdown, ShutdownTrigger};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An answer and what it answers.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    method: &'static str,
    /// With a query: exactly this one; without: any.
    path: String,
    /// What the request's body must contain.
    has: String,
    /// Headers that must be there, by the beginning of their values.
    needs: Vec<(&'static str, &'static str)>,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

pub(crate) fn get(path: &str, body: &str) -> Route {
    Route {
        method: "GET",
        path: path.to_owned(),
        has: String::new(),
        needs: Vec::new(),
        status: 200,
        headers: vec![("content-type", "application/json")],
        body: body.to_owned(),
    }
}

pub(crate) fn post(path: &str, has: &str, body: &str) -> Route {
    Route { method: "POST", has: has.to_owned(), ..get(path, body) }
}

impl Route {
    pub(crate) fn needs(mut self, header: &'static str, value: &'static str) -> Self {
        self.needs.push((header, value));
        self
    }

    pub(crate) fn header(mut self, header: &'static str, value: &'static str) -> Self {
        self.headers.retain(|(name, _)| *name != header);
        self.headers.push((header, value));
        self
    }

    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

#[derive(Debug)]
struct Shared {
    routes: Vec<Route>,
    address: String,
    /// What was asked, and what had no answer.
    log: parking_lot::Mutex<Vec<String>>,
}

/// A running fake. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) proxy: String,
    pub(crate) tls_port: String,
    shared: Arc<Shared>,
    _stop: [ShutdownTrigger; 2],
}

impl Fake {
    pub(crate) async fn start(routes: Vec<Route>) -> Self {
        let plain = Server::bind(&["127.0.0.1:0"], ServerOptions::default()).await.unwrap();
        let address = plain.addresses()[0].to_string();
        let shared = Arc::new(Shared { routes, address: address.clone(), log: Default::default() });
        let router = Router::new().fallback(answer).with_state((false, Arc::clone(&shared)));
        let (stop_plain, shutdown) = Shutdown::new();
        tokio::spawn(plain.run(router, shutdown));

        let dir = tempfile::tempdir().unwrap();
        let testdata = concat!(env!("CARGO_MANIFEST_DIR"), "/../net/tests/it/testdata");
        let web = dir.path().join("web.yml");
        let text = format!(
            "tls_server_config:\n  cert_file: {testdata}/server.pem\n  key_file: {testdata}/server.key\n"
        );
        std::fs::write(&web, text).unwrap();
        let options = ServerOptions {
            web_config_file: web.display().to_string(),
            ..ServerOptions::default()
        };
        let secure = Server::bind(&["127.0.0.1:0"], options).await.unwrap();
        let secure_address = secure.addresses()[0].to_string();
        let tls_port = secure.addresses()[0].port().to_string();
        let router = Router::new().fallback(answer).with_state((true, Arc::clone(&shared)));
        let (stop_secure, shutdown) = Shutdown::new();
        tokio::spawn(async move {
            let _web = dir;
            secure.run(router, shutdown).await;
        });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap().to_string();
        let plain_address = address.clone();
        // Ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(proxied(stream, plain_address.clone(), secure_address.clone()));
            }
        });
        Self { address, proxy, tls_port, shared, _stop: [stop_plain, stop_secure] }
    }

    pub(crate) fn log(&self) -> String {
        self.shared.log.lock().join("\n")
    }

    /// Fills a configuration's placeholders: `FAKE` is the address, `VIA` the way through the proxy, `TLSPORT` the port of TLS.
    pub(crate) fn fill(&self, config: &str) -> String {
        let via = format!(
            "proxy_url: 'http://{}', tls_config: {{insecure_skip_verify: true}}",
            self.proxy
        );
        config
            .replace("FAKE", &self.address)
            .replace("VIA", &via)
            .replace("TLSPORT", &self.tls_port)
            .replace("TESTDATA", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata"))
    }
}

/// A path without the version that Docker's own client puts before it.
fn unversioned(path: &str) -> &str {
    let Some((version, rest)) = path.strip_prefix("/v1.").and_then(|p| p.split_once('/')) else {
        return path;
    };
    if version.bytes().all(|b| b.is_ascii_digit()) {
        &path[path.len() - rest.len() - 1..]
    } else {
        path
    }
}

async fn proxied(mut stream: TcpStream, plain: String, secure: String) {
    let mut start = [0; 7];
    if stream.peek(&mut start).await.is_err() {
        return;
    }
    let is_tunnel = &start == b"CONNECT";
    if is_tunnel {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_err() {
            return;
        }
    }
    let Ok(mut server) = TcpStream::connect(if is_tunnel { secure } else { plain }).await else {
        return;
    };
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
}

async fn answer(
    State((behind_proxy, shared)): State<(bool, Arc<Shared>)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut host = parts.uri.authority().map(|a| a.host().to_owned()).unwrap_or_default();
    if behind_proxy && host.is_empty() {
        let header = parts.headers.get("host").map(|h| h.to_str().unwrap_or_default());
        host = header.unwrap_or_default().to_owned();
    }
    if !behind_proxy && shared.address.starts_with(&host) {
        host.clear();
    }
    let host = host.split(':').next().unwrap_or_default();
    let prefix = if host.is_empty() { String::new() } else { format!("/{host}") };
    let path = format!("{prefix}{}", parts.uri.path());
    let whole = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.clone(),
    };
    let body_text = String::from_utf8_lossy(&body);
    let fits = |route: &&Route| {
        let asked = if route.path.contains('?') { &whole } else { &path };
        let asked = unversioned(asked);
        (route.method == parts.method.as_str() || route.method == "GET" && parts.method == "HEAD")
            && route.path == asked
            && body_text.contains(&route.has)
            && route.needs.iter().all(|(name, value)| {
                let found = parts.headers.get(*name).and_then(|v| v.to_str().ok());
                found.is_some_and(|found| found.starts_with(value))
            })
    };
    let found = shared.routes.iter().find(fits);
    let shown = if found.is_some() { "" } else { " (no answer)" };
    shared.log.lock().push(format!("{} {whole} {body_text}{shown}", parts.method));
    let Some(route) = found else {
        return Response::builder().status(404).body(Body::from("no such route")).unwrap();
    };
    let mut response = Response::builder().status(route.status);
    for (name, value) in &route.headers {
        response = response.header(*name, *value);
    }
    let body = route.body.replace("FAKE", &shared.address);
    response.body(Body::from(Bytes::from(body))).unwrap()
}
